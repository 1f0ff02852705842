"""What a report counts: how many jobs were where at each moment, what was wasted, what failed."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

import attrs

from anybatch.reporting.rows import is_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from anybatch.reporting.rows import Row


@attrs.frozen
class Timeline:
    """How many jobs waited, ran and had ended, from each moment on.

    Attributes:
        seconds: moments, counted from the first submission; each once, in order.
        waiting, running, ended: the number of jobs from that moment to the next.
    """

    seconds: tuple[float, ...]
    waiting: tuple[int, ...]
    running: tuple[int, ...]
    ended: tuple[int, ...]


def timeline(rows: Iterable[Row]) -> Timeline:
    """The jobs over time; jobs whose submission is not known are left out."""
    jobs = [row.job for row in rows if row.job.submitted is not None]
    zero = min((job.submitted.timestamp() for job in jobs if job.submitted), default=0.0)
    changes: list[tuple[float, int, int, int]] = []
    for job in jobs:
        assert job.submitted is not None
        begin = job.submitted.timestamp() - zero
        changes.append((begin, 1, 0, 0))
        start = None if job.started is None else max(begin, job.started.timestamp() - zero)
        if start is not None:
            changes.append((start, -1, 1, 0))
        if job.ended is not None:
            end = max(start or begin, job.ended.timestamp() - zero)
            changes.append((end, 0, -1, 1) if start is not None else (end, -1, 0, 1))
    changes.sort(key=lambda change: change[0])
    sums = [tuple(accumulate(column)) for column in list(zip(*changes, strict=True))[1:]]
    # Of several changes at one moment, what holds after the last.
    last = {change[0]: number for number, change in enumerate(changes)}
    waiting, running, ended = (tuple(one[i] for i in last.values()) for one in sums or ((),) * 3)
    return Timeline(tuple(last), waiting, running, ended)


@attrs.frozen
class Use:
    """What jobs used of what they asked for; only those count of which both are known.

    Attributes:
        jobs: how many.
        used, asked: core seconds, or byte seconds.
    """

    jobs: int
    used: float
    asked: float

    @property
    def share(self) -> float:
        """What was used (0..1, more where a job took more than it asked for)."""
        return self.used / self.asked if self.asked else 0.0


def cpu_use(rows: Iterable[Row]) -> Use:
    """CPU time against cores over the running time, in core seconds."""
    return _use((row.cpu_seconds, row.cores * row.running) for row in rows if row.running)


def memory_use(rows: Iterable[Row]) -> Use:
    """Peak memory against the memory asked for, over the running time, in byte seconds."""
    return _use(
        (row.job.max_memory and row.job.max_memory * row.running, asked * row.running)
        for row in rows
        if row.running and (asked := row.job.resources.memory)
    )


def _use(pairs: Iterable[tuple[float | None, float]]) -> Use:
    known = [(used, asked) for used, asked in pairs if used is not None]
    return Use(len(known), sum(used for used, _ in known), sum(asked for _, asked in known))


@attrs.frozen
class Share:
    """Jobs that have something in common.

    Attributes:
        name: what: a host, a reason, a value.
        jobs: how many jobs have it.
        failed: how many of them are not done.
    """

    name: str
    jobs: int
    failed: int


def by(rows: Sequence[Row], name_of: Callable[[Row], str | None]) -> list[Share]:
    """Failures by what jobs have in common, those with most first; only where any failed."""
    jobs = Counter(name for row in rows if (name := name_of(row)) is not None)
    failed = Counter(name for row in rows if is_failure(row) and (name := name_of(row)) is not None)
    return [Share(name, jobs[name], count) for name, count in failed.most_common()]


def by_parameter(rows: Sequence[Row]) -> dict[str, list[Share]]:
    """Failures by the value of each parameter that has more than one value."""
    names = dict.fromkeys(name for row in rows for name in row.job.params)
    tables = {name: by(rows, partial(_value, name=name)) for name in names}
    return {name: table for name, table in tables.items() if _varies(rows, name) and table}


def _value(row: Row, name: str) -> str | None:
    return str(row.job.params[name]) if name in row.job.params else None


def _varies(rows: Sequence[Row], name: str) -> bool:
    return len({_value(row, name) for row in rows}) > 1
