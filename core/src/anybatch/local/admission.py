"""Which submissions the supervisor takes: those that this machine can run one day."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import Rejected
from anybatch.local.attributes import Attributes
from anybatch.local.events import Submitted
from anybatch.units import format_size

if TYPE_CHECKING:
    from anybatch.local.jobs import Table


@attrs.frozen
class Machine:
    """What there is."""

    name: str
    cores: int
    memory: int


@attrs.frozen(kw_only=True)
class Request:
    """A submission as the plugin writes it (`render.py`); see `Submitted`.

    Attributes:
        max_cores, max_memory: as set; None: what the machine has, of its cores those that the
            submitter may use.
    """

    token: str
    count: int
    command: tuple[str, ...]
    log: str
    nodes: int
    cores: int
    gpus: int
    memory: int
    exclusive: bool
    time: float | None
    kill_wait: float
    max_cores: int | None
    max_memory: int | None
    after: tuple[str, ...]
    attributes: Attributes | None = None
    max_running: int | None = None
    urgency: int = 0


def admit(request: Request, machine: Machine, table: Table) -> Submitted:
    """The event that puts the jobs in the queue.

    Raises:
        Rejected: they could never start, with what was asked, what there is, and what helps.
    """
    cores = len(request.attributes.cores) if request.attributes else machine.cores
    max_cores = cores if request.max_cores is None else request.max_cores
    max_memory = machine.memory if request.max_memory is None else request.max_memory
    _check_machine(request)
    if request.cores > max_cores:
        raise _too_much("cores", f"{request.cores} cores", str(max_cores))
    if request.memory > max_memory:
        asked = f"{format_size(request.memory)} of memory"
        raise _too_much("memory", asked, format_size(max_memory))
    _check_after(request, machine, table)
    return Submitted(
        number=table.next_number,
        at=time.time(),
        machine=machine.name,
        token=request.token,
        count=request.count,
        command=request.command,
        log=request.log,
        cores=max_cores if request.exclusive else request.cores,
        memory=request.memory,
        max_cores=max_cores,
        max_memory=max_memory,
        time=request.time,
        kill_wait=request.kill_wait,
        after=request.after,
        attributes=request.attributes,
        max_running=request.max_running,
        urgency=request.urgency,
    )


def _check_machine(request: Request) -> None:
    if request.nodes > 1:
        raise Rejected(f"each job needs {request.nodes} nodes, but `local` has only this machine")
    if request.gpus:
        raise Rejected(
            f"each job needs {request.gpus} GPU{'s' if request.gpus > 1 else ''}, but `local` "
            f"does not manage GPUs"
        )


def _too_much(setting: str, asked: str, there: str) -> Rejected:
    return Rejected(
        f"each job needs {asked}, but `local` has {there}; request less, or raise local.{setting}"
    )


def _check_after(request: Request, machine: Machine, table: Table) -> None:
    for native in request.after:
        if native not in table.jobs:
            raise Rejected(
                f"dependency {native} is unknown to `local` on {machine.name}, which forgets "
                f"jobs a day after their run has ended"
            )
