"""What each job of a run was described as: the file `jobs.json` of a run's folder.

    {"params": [{"jobs": "0-99", "columns": {"seed": [0, 1, ...], "cut": [5.15, ...]}}],
     "jobs": [{"jobs": "0-99", "job": {"name": ..., ...}, "commands": [...], "lists": [0, 1, ...]}],
     "lists": [["a.root", ...], ...]}

What jobs share stands there once: `job` is their table as in a job file, `commands` are those that
differ, `lists` the numbers of their lists of files. What a job waits for is in `run.json`.

It is written once, before anything is submitted, and read when somebody asks.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from anybatch.errors import FolderAway, FolderError, JobError
from anybatch.host import Host
from anybatch.model import Job, derive
from anybatch.parameters import Value, check
from anybatch.ranges import read_ranges, write_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

NAME = "jobs.json"
_OWN = ("command", "params", "input_list", "after")
_shared = operator.attrgetter(*(name for name in attrs.fields_dict(Job) if name not in _OWN))


def write_jobs(jobs: Sequence[Job]) -> str:
    """The text of the file."""
    lists: dict[tuple[str, ...], int] = {}
    groups = [_group(start, some, lists) for start, some in _alike(jobs)]
    return json.dumps({"params": list(_params(jobs)), "jobs": groups, "lists": list(lists)})


def _alike(jobs: Sequence[Job]) -> Iterator[tuple[int, list[Job]]]:
    """Rows of jobs that differ by what has a place of its own."""
    start, group, shared = 0, list[Job](), None
    for index, job in enumerate(jobs):
        now = _shared(job)
        if group and now != shared:
            yield start, group
            start, group = index, []
        shared = now
        group.append(job)
    if group:
        yield start, group


def _group(start: int, jobs: Sequence[Job], lists: dict[tuple[str, ...], int]) -> dict[str, Any]:
    first = jobs[0]
    job = derive(first, {"params": {}, "input_list": (), "after": ()})
    found: dict[str, Any] = {
        "jobs": write_ranges(range(start, start + len(jobs))),
        "job": job.to_dict(exact=False),
    }
    if any(one.command != first.command for one in jobs):
        del found["job"]["command"]
        found["commands"] = [one.command for one in jobs]
    if any(one.input_list for one in jobs):
        found["lists"] = [lists.setdefault(one.input_list, len(lists)) for one in jobs]
    return found


def _params(jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
    """Columns of values, for each row of jobs with parameters of the same names."""
    numbered = ((index, job.params) for index, job in enumerate(jobs))
    for names, rows in groupby(numbered, lambda row: tuple(row[1])):
        if names:
            indices, values = zip(*rows, strict=True)
            columns = {name: [one[name] for one in values] for name in names}
            yield {"jobs": write_ranges(indices), "columns": columns}


Row = tuple[Mapping[str, Sequence[Value]], int]  #: columns, and a place in each


@attrs.define
class Described:
    """What a run's jobs were described as.

    Args:
        folder: the run's folder.
        count: how many jobs the run has.
        has_params: whether any of them has parameters.
    """

    folder: Path
    host: Host
    count: int
    has_params: bool = attrs.field(kw_only=True)
    _rows: list[Row | None] | None = None
    _jobs: list[dict[str, Any] | None] | None = None

    def params(self, index: int) -> dict[str, Value]:
        """A job's parameters.

        Raises:
            FolderAway: the file cannot be read now.
            FolderError: it is damaged.
        """
        if not self.has_params:
            return {}
        if self._rows is None:
            self._rows = self._read(_placed_params)
        if (found := self._rows[index]) is None:
            return {}
        columns, place = found
        return {name: column[place] for name, column in columns.items()}

    def job(self, index: int, after: Sequence[str]) -> Job:
        """A job as it was described.

        Args:
            after: what it waits for.

        Raises:
            FolderAway, FolderError: as for `params`; also, an older version wrote nothing.
        """
        if self._jobs is None:
            self._jobs = self._read(_placed_jobs)
        if (found := self._jobs[index]) is None:
            raise FolderError(
                f"job {index} of the run in {str(self.folder)!r} was not described; an older "
                f"version of anybatch submitted it"
            )
        try:
            return Job.from_dict({**found, "after": list(after), "params": self.params(index)})
        except JobError as error:
            raise FolderError(f"{str(self.folder / NAME)!r} is damaged: {error}") from error

    def known_params(self, index: int) -> dict[str, Value]:
        """The same where no verdict may be held up: none where they cannot be read."""
        try:
            return self.params(index)
        except FolderError:
            return {}

    def _read(self, place: Callable[[Any, int], list[T]]) -> list[T]:
        path = self.folder / NAME
        try:
            text = self.host.read(path, own=True)
        except OSError as error:
            raise FolderAway(
                f"cannot read what the jobs were described as, {str(path)!r}: {error.strerror}"
            ) from error
        try:
            return place(json.loads(text), self.count)
        except Exception as error:  # anything may stand there
            raise FolderError(
                f"{str(path)!r} is damaged: {type(error).__name__}: {error!s:.500}"
            ) from error


def _placed_params(plain: Any, count: int) -> list[Row | None]:
    rows: list[Row | None] = [None] * count
    for group in plain["params"]:
        indices, columns = read_ranges(group["jobs"], below=count), group["columns"]
        for values in zip(*columns.values(), strict=True):
            if problem := check(dict(zip(columns, values, strict=True))):
                raise ValueError(problem)
        for place, index in enumerate(indices):
            rows[index] = columns, place
        if any(len(column) != len(indices) for column in columns.values()):
            raise ValueError("a parameter has too few values")
    return rows


def _placed_jobs(plain: Any, count: int) -> list[dict[str, Any] | None]:
    rows: list[dict[str, Any] | None] = [None] * count
    for group in plain.get("jobs", ()):
        for place, index in enumerate(read_ranges(group["jobs"], below=count)):
            own = dict(group["job"])
            if "commands" in group:
                own["command"] = group["commands"][place]
            if "lists" in group:
                own["input_list"] = plain["lists"][group["lists"][place]]
            rows[index] = own
    return rows
