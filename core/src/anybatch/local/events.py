"""What can happen to jobs: the records of the journal, of which all else is the sum.

Times are seconds since 1970, durations seconds, sizes bytes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from anybatch.local.attributes import Attributes
from anybatch.local.states import Word


@attrs.frozen
class Booted:
    """A supervisor begins to write.

    Attributes:
        boot: the machine's boot id; where it changes, no process of before is left.
        next_number: the next submission's number, which is never used again.
    """

    boot: str
    next_number: int


@attrs.frozen(kw_only=True)
class Submitted:
    """Equal jobs 1..count joined the queue.

    Attributes:
        number: of the submission.
        machine: this one's name.
        command: the job of task *t* is `COMMAND t 0`.
        log: takes the output.
        cores, memory: what each job uses.
        max_cores, max_memory: a job starts when no more than this is in use with it.
        time: how long a job may run.
        kill_wait: how long it has between TERM and KILL.
        after: ids of jobs that must be done first.
        attributes: what each job gets of its submitter; None: what the supervisor has.
        max_running: most of them that run at once.
        urgency: those with more start first.
    """

    number: int
    at: float
    machine: str
    token: str
    count: int
    command: tuple[str, ...]
    log: str
    cores: int
    memory: int
    max_cores: int
    max_memory: int
    time: float | None
    kill_wait: float
    after: tuple[str, ...] = ()
    attributes: Attributes | None = None
    max_running: int | None = None
    urgency: int = 0


@attrs.frozen
class Throttled:
    """So many jobs of the submission with this token may run at once from now on."""

    token: str
    most: int


@attrs.frozen
class Started:
    """A job runs: its process, and when that was born in the machine's own count."""

    id: str
    at: float
    pid: int
    born: int


@attrs.frozen
class Stopping:
    """A running job was told to end (TERM); *word* says why.

    Attributes:
        uptime: seconds since the machine has booted, which no change of the clock touches.
    """

    id: str
    at: float
    word: Word
    uptime: float = 0.0


@attrs.frozen
class Ended:
    """A job is over.

    Attributes:
        exit_code, signal: where known; at most one of them.
        cpu, max_memory: what it used, where known.
    """

    id: str
    at: float
    word: Word
    exit_code: int | None = None
    signal: int | None = None
    cpu: float | None = None
    max_memory: int | None = None
    message: str | None = None


Event: TypeAlias = Booted | Submitted | Throttled | Started | Stopping | Ended

converter = Converter(omit_if_default=True, detailed_validation=False)
configure_tagged_union(
    Event, converter, tag_name="event", tag_generator=lambda kind: kind.__name__.lower()
)


def to_json(event: Event) -> dict[str, Any]:
    """An event as the journal holds it."""
    unstructured: dict[str, Any] = converter.unstructure(event, Event)
    return unstructured


def from_json(record: dict[str, Any]) -> Event:
    """An event from the journal."""
    event: Event = converter.structure(record, Event)  # type: ignore[arg-type]
    return event
