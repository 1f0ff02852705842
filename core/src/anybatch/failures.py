"""How jobs failed, with equal failures told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from anybatch.counts import count_jobs
from anybatch.outcome import Outcome
from anybatch.ranges import write_ranges
from anybatch.states import State
from anybatch.tails import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 10  #: kinds of failures that are told
ROOM = 60  #: for the numbers of the jobs
_LAST_LINE = 200  #: characters of a log's last line


@attrs.frozen
class Group:
    """Jobs of a run that are not done for the same reason.

    Attributes:
        outcomes: theirs, in order of index; at least one.
    """

    outcomes: tuple[Outcome, ...]

    def describe(self) -> str:
        """`45 jobs failed (exit code 3): 0-44; first log: ...`."""
        first = self.outcomes[0]
        if len(self.outcomes) == 1:
            return first.describe()
        why = first.why()
        text = f"{count_jobs(len(self.outcomes))} {first.state.value}"
        text += f" ({why})" if why else ""
        text += f": {_numbers([one.index for one in self.outcomes])}"
        logged = next((one for one in self.outcomes if one.has_log), None)
        return f"{text}; first log: {logged.stderr}" if logged else text

    def last_line(self) -> str:
        """The last line of the first log of a job that failed by itself; else nothing."""
        if self.outcomes[0].state not in (State.FAILED, State.LOST):
            return ""
        logged = next((one for one in self.outcomes if one.has_log), None)
        if logged is None:
            return ""
        line = last_lines(logged.stderr, 1).decode("utf-8", "replace").strip()
        said = self.outcomes[0].message
        return "" if said and said in line else line[-_LAST_LINE:]


def grouped(outcomes: Iterable[Outcome]) -> list[Group]:
    """The failures among outcomes; those first that are of most jobs."""
    groups: dict[tuple[str, State, str], list[Outcome]] = {}
    for one in outcomes:
        if not one.done:
            groups.setdefault((one.run, one.state, one.why()), []).append(one)
    found = [Group(tuple(some)) for some in groups.values()]
    return sorted(found, key=lambda group: -len(group.outcomes))


def _numbers(indices: Sequence[int]) -> str:
    text = write_ranges(indices)
    return text if len(text) <= ROOM else text[: text.rindex(",", 0, ROOM)] + ",..."
