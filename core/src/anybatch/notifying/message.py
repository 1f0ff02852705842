"""What is said of a run's end: as a text, as the subject of a mail, and as a record. Pure.

Names and log lines come from anybody. None of them can break a line, a header or a terminal.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.counts import count_jobs, write_counts
from anybatch.failures import MOST, Group
from anybatch.printable import escaped
from anybatch.ranges import write_ranges
from anybatch.states import State
from anybatch.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator


_NAME = 80  #: characters of a run's name in a subject


@attrs.frozen(kw_only=True)
class End:
    """How a run has ended.

    Attributes:
        run, name, system, folder, created: as in `Run`.
        host: where it was submitted.
        ended: when its last job ended.
        counts: how many jobs ended in which state.
        failures: equal ones once, each with the last line of a log, or nothing.
    """

    run: str
    name: str
    system: str
    folder: str
    host: str
    created: datetime
    ended: datetime
    counts: Mapping[State, int]
    failures: tuple[tuple[Group, str], ...] = ()

    @property
    def jobs(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def done(self) -> bool:
        """Whether all jobs are."""
        return self.counts.get(State.DONE, 0) == self.jobs


def line(text: str) -> str:
    """*text* in one line, without what a terminal or a mail program would obey."""
    plain = escaped(" ".join(text.split()))
    return plain.encode("utf-8", "backslashreplace").decode("utf-8")


def subject(end: End) -> str:
    """`anybatch: fit: 3 of 100 jobs are not done`."""
    name = line(end.name)
    name = name if len(name) <= _NAME else f"{name[:_NAME]}..."
    return f"anybatch: {name}: {summary(end)}"


def summary(end: End) -> str:
    """How many jobs are done, or not."""
    missing = end.jobs - end.counts.get(State.DONE, 0)
    if not missing:
        return "the job is done" if end.jobs == 1 else f"all {end.jobs} jobs are done"
    if end.jobs == 1:
        state = next(iter(end.counts))
        return "the job " + {State.FAILED: "failed"}.get(state, f"is {state.value}")
    return f"{missing} of {end.jobs} jobs {'is' if missing == 1 else 'are'} not done"


def text(end: End) -> str:
    """The whole message."""
    return "\n".join([*_about(end), "", *_failures(end), *_hints(end)]) + "\n"


def _about(end: End) -> Iterator[str]:
    run = f"run {line(end.run)} ({line(end.name)}) on {line(end.system)}"
    yield f"{run}: {write_counts(end.counts)}"
    took = format_duration(_whole_seconds(end))
    where = f"submitted {_time(end.created)} on {line(end.host)}"
    yield f"{where}, ended {_time(end.ended)}, took {took}"


def _whole_seconds(end: End) -> timedelta:
    return timedelta(seconds=max(round((end.ended - end.created).total_seconds()), 0))


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _failures(end: End) -> Iterator[str]:
    for group, last in end.failures[:MOST]:
        yield line(group.describe())
        if quoted := line(last):
            yield f"    {quoted}"
    rest = sum(len(group.outcomes) for group, _ in end.failures[MOST:])
    if rest:
        yield f"... and {count_jobs(rest)} more that are not done, for other reasons"
    if end.failures:
        yield ""


def _hints(end: End) -> Iterator[str]:
    yield f"to look further: anybatch show {end.run}"
    if not end.done:
        yield f"their logs:      anybatch logs --failed --stderr {end.run}"
        yield f"to run again:    anybatch rerun {end.run}"
    yield f"folder:          {line(shlex.quote(end.folder))}"


def record(end: End) -> dict[str, Any]:
    """The message for programs. `text` is what services that show a text take."""
    return {
        "event": "run_ended",
        "text": text(end),
        "summary": summary(end),
        "run": end.run,
        "name": end.name,
        "system": end.system,
        "folder": end.folder,
        "host": end.host,
        "created": end.created.isoformat(),
        "ended": end.ended.isoformat(),
        "seconds": max((end.ended - end.created).total_seconds(), 0.0),
        "done": end.done,
        "jobs": end.jobs,
        "counts": {state.value: number for state, number in end.counts.items()},
        "failures": [_failure_record(group, last) for group, last in end.failures[:MOST]],
    }


def _failure_record(group: Group, last: str) -> dict[str, Any]:
    first = group.outcomes[0]
    return {
        "state": first.state.value,
        "reason": first.reason and first.reason.value,
        "why": first.why(),
        "count": len(group.outcomes),
        "jobs": write_ranges([one.index for one in group.outcomes]),
        "log": str(first.stderr),
        "last_line": last,
    }
