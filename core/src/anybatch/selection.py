"""Texts that choose runs and jobs, as every command takes them.

    SELECTION = RUN [":" JOBS]
    RUN       = an ID or a part of one | a name | the path of a run folder
              | "@" (the last run) | "@2" (the one before) | "all" (all active runs)
    JOBS      = JOB {"," JOB}       a job is chosen if any of them fits
    JOB       = "3" | "1-3" | a state, such as "failed" | NAME=VALUE, a label or parameter

Here texts are only read; `Session.select` finds the runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import RunNotFound, UsageError, did_you_mean, shown
from anybatch.model import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ALL = "all"
EXPECTED = "RUN, RUN:3, RUN:1-3,7, RUN:failed or RUN:NAME=VALUE"
_LAST = re.compile(r"@([1-9]\d{0,17})?")
_NUMBERS = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)
_TABLE = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_STATES = tuple(state.value for state in State)


@attrs.frozen
class Numbers:
    """Jobs by their numbers, *first* to *last*."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last > self.first else f"{self.first}"


@attrs.frozen
class InState:
    """Jobs in a state."""

    state: State

    def __str__(self) -> str:
        return self.state.value


@attrs.frozen
class Having:
    """Jobs with a label or parameter of this value."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


Part = Numbers | InState | Having


@attrs.frozen
class Selection:
    """What a text chooses.

    Attributes:
        run: the part that names runs.
        parts: which jobs of them; empty: all.
    """

    run: str
    parts: tuple[Part, ...] = ()

    def __str__(self) -> str:
        return f"{self.run}:{','.join(map(str, self.parts))}" if self.parts else self.run

    @property
    def is_folder(self) -> bool:
        """Whether the run is named by its folder."""
        return _is_folder(self.run)

    @property
    def last(self) -> int | None:
        """1 for `@`, 2 for `@2`; None: it is something else."""
        found = _LAST.fullmatch(self.run)
        return int(found[1] or 1) if found else None

    def numbers_beyond(self, count: int) -> Iterator[int]:
        """The first number of each part that a run of *count* jobs does not have."""
        for part in self.parts:
            if isinstance(part, Numbers) and part.last >= count:
                yield max(part.first, count)

    def choose(
        self,
        count: int,
        state: Callable[[int], State],
        tables: Callable[[int], Mapping[str, str]],
    ) -> list[int]:
        """Which of a run's jobs are chosen, in order.

        Args:
            count: how many jobs the run has.
            state: of a job.
            tables: labels and parameters of a job.
        """
        if not self.parts:
            return list(range(count))
        numbers = {
            number
            for part in self.parts
            if isinstance(part, Numbers)
            for number in range(part.first, min(part.last + 1, count))
        }
        states = {part.state for part in self.parts if isinstance(part, InState)}
        pairs = [part for part in self.parts if isinstance(part, Having)]

        def fits(index: int) -> bool:
            if index in numbers or (states and state(index) in states):
                return True
            table = tables(index) if pairs else {}
            return any(table.get(pair.name) == pair.value for pair in pairs)

        return [index for index in range(count) if fits(index)]


def read_selection(text: str) -> Selection:
    """What a text chooses.

    Raises:
        UsageError: it cannot be read as a selection.
    """
    if not isinstance(text, str):
        raise UsageError(f"a run is named by a text, RUN or RUN:JOBS, not by {shown(text)}")
    run, jobs = _split(text)
    if jobs is None:
        return Selection(run)
    return Selection(run, tuple(_part(part, text) for part in jobs.split(",")))


def _is_folder(run: str) -> bool:
    return "/" in run or run in (".", "..")


def _split(text: str) -> tuple[str, str | None]:
    """The run, and the jobs where they are named; a folder may have colons of its own."""
    head, colon, jobs = text.partition(":")
    if not colon:
        return text, None
    if not _is_folder(head):
        return head, jobs
    colons = [match.start() for match in re.finditer(":", text)]
    for at in colons:
        if all(map(_reads, text[at + 1 :].split(","))):
            return text[:at], text[at + 1 :]
    at = text.rfind(":")
    return (text, None) if "/" in text[at:] else (text[:at], text[at + 1 :])


def _reads(part: str) -> bool:
    return bool(part in _STATES or _NUMBERS.fullmatch(part) or _TABLE.fullmatch(part))


def _part(part: str, text: str) -> Part:
    if part in _STATES:
        return InState(State(part))
    if found := _NUMBERS.fullmatch(part):
        numbers = Numbers(int(found[1]), int(found[2] or found[1]))
        if numbers.last < numbers.first:
            raise UsageError(f"invalid jobs in {shown(text)}: {part} ends before it begins")
        return numbers
    if found := _TABLE.fullmatch(part):
        return Having(found[1], found[2])
    hint = did_you_mean(part, _STATES)
    raise UsageError(f"invalid jobs {part!r:.40} in {shown(text)}: expected {EXPECTED}{hint}")


def no_jobs(selection: Selection, run: str, count: int) -> RunNotFound:
    """Why a run has no job that is chosen."""
    has = "only job 0" if count == 1 else f"jobs 0 to {count - 1}"
    for number in selection.numbers_beyond(count):
        return RunNotFound(f"run {run} has no job {shown(number)}; it has {has}")
    wanted = ",".join(map(str, selection.parts))
    return RunNotFound(f"run {run} has no job that is {wanted}")
