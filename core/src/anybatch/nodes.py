"""What machines a batch system has, and whether a request can ever run there.

A request that nothing can satisfy waits for ever on some systems, and is refused late on others. It
is refused before anything is submitted, with both numbers.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import did_you_mean
from anybatch.units import format_duration, format_size
from anybatch.validators import is_a

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from anybatch.model import Resources


def _maybe(kind: type) -> Any:
    return attrs.validators.optional(is_a(kind))


@attrs.frozen(kw_only=True)
class NodeKind:
    """Nodes that are alike, as a batch system offers them to jobs.

    Attributes:
        queue: the queue that leads to them; None: any.
        usual: jobs that name no queue come here.
        count: how many there are.
        cores, gpus: of each; None: not known.
        memory, disk: of each, in bytes; None: not known.
        time: the longest time limit there; None: no limit, or not known.
    """

    queue: str | None = attrs.field(default=None, validator=_maybe(str))
    usual: bool = attrs.field(default=True, validator=is_a(bool))
    count: int = attrs.field(default=1, validator=is_a(int))
    cores: int | None = attrs.field(default=None, validator=_maybe(int))
    gpus: int | None = attrs.field(default=None, validator=_maybe(int))
    memory: int | None = attrs.field(default=None, validator=_maybe(int))
    disk: int | None = attrs.field(default=None, validator=_maybe(int))
    time: timedelta | None = attrs.field(default=None, validator=_maybe(timedelta))


def is_modest(resources: Resources) -> bool:
    """Whether a request is such that any node can run it, so that nobody need be asked."""
    asked = (resources.memory, resources.disk, resources.time, resources.queue)
    ones = (resources.nodes, resources.tasks, resources.cores)
    return not any(asked) and not resources.gpus and max(ones) == 1


def why_never(resources: Resources, kinds: Sequence[NodeKind]) -> str:
    """Why no nodes of these kinds can ever run a job; empty where some can, or nothing is known.

    Returns:
        What is asked for and what there is: `64 cores on a node, and the largest has 2 cores`.
    """
    if not kinds:
        return ""
    where, there = _reached(resources.queue, kinds)
    if not there:
        return _no_queue(str(resources.queue), kinds)
    for asked, fact, shown in _wants(resources):
        most = max((math.inf if (n := getattr(kind, fact)) is None else n) for kind in there)
        if asked > most:
            return f"{shown(asked)} on a node, and the largest{where} has {shown(int(most))}"
    limits = [kind.time for kind in there]
    if resources.time and all(limit and limit < resources.time for limit in limits):
        longest = format_duration(max(filter(None, limits)))
        return f"{format_duration(resources.time)}, and the longest time limit{where} is {longest}"
    able = sum(kind.count for kind in there if _fits(resources, kind))
    if not able:
        return f"{resources.describe()}, and no node{where} has all of it"
    if able < resources.nodes:
        return f"{resources.nodes} nodes, and{where or ' here'} {able} can run it"
    return ""


def _reached(queue: str | None, kinds: Sequence[NodeKind]) -> tuple[str, list[NodeKind]]:
    """How to call the place where a job would go, and what is there."""
    if queue is not None:
        wanted = {None, *re.split("[, ]+", queue)}  # some systems take several
        return f" in queue {queue!r}", [kind for kind in kinds if kind.queue in wanted]
    usual = [kind for kind in kinds if kind.usual] or [*kinds]
    names = {kind.queue for kind in usual}
    name = names.pop() if len(names) == 1 else None
    return (f" in queue {name!r}" if name else ""), usual


def _no_queue(queue: str, kinds: Iterable[NodeKind]) -> str:
    known = sorted({kind.queue for kind in kinds if kind.queue is not None})
    hint = did_you_mean(queue, known) or f"; there are: {', '.join(known)}"
    return f"the queue {queue!r}, which is not there{hint}"


def _wants(resources: Resources) -> list[tuple[int, str, Callable[[int], str]]]:
    """How much of what a job needs on one node, and how to write that."""
    on_one = -(-resources.tasks // resources.nodes)
    return [
        (on_one * resources.cores, "cores", lambda n: f"{n} core{'s' * (n != 1)}"),
        (on_one * resources.gpus, "gpus", lambda n: f"{n} GPU{'s' * (n != 1)}"),
        (resources.memory or 0, "memory", lambda n: f"{format_size(n)} of memory"),
        (resources.disk or 0, "disk", lambda n: f"{format_size(n)} of disk"),
    ]


def _fits(resources: Resources, kind: NodeKind) -> bool:
    if resources.time and kind.time and kind.time < resources.time:
        return False
    has = ((asked, getattr(kind, fact)) for asked, fact, _ in _wants(resources))
    return all(there is None or asked <= there for asked, there in has)
