"""What each job of a run was described as: the file `jobs.json` of a run's folder.

    {"params": [{"jobs": "0-99", "columns": {"seed": [0, 1, ...], "cut": [5.15, ...]}}]}

It is written once, before anything is submitted, and read when somebody asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import FolderAway, FolderError
from anybatch.host import Host
from anybatch.parameters import Value, check
from anybatch.ranges import read_ranges, write_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anybatch.model import Job

NAME = "jobs.json"


def write_jobs(jobs: Sequence[Job]) -> str:
    """The text of the file."""
    return json.dumps({"params": list(_params(jobs))})


def _params(jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
    """Columns of values, for each row of jobs with parameters of the same names."""
    numbered = ((index, job.params) for index, job in enumerate(jobs))
    for names, rows in groupby(numbered, lambda row: tuple(row[1])):
        if names:
            indices, values = zip(*rows, strict=True)
            columns = {name: [one[name] for one in values] for name in names}
            yield {"jobs": write_ranges(indices), "columns": columns}


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
    _rows: list[tuple[Mapping[str, Sequence[Value]], int] | None] | None = None

    def params(self, index: int) -> dict[str, Value]:
        """A job's parameters.

        Raises:
            FolderAway: the file cannot be read now.
            FolderError: it is damaged.
        """
        if not self.has_params:
            return {}
        if self._rows is None:
            self._rows = self._read()
        if (found := self._rows[index]) is None:
            return {}
        columns, place = found
        return {name: column[place] for name, column in columns.items()}

    def known_params(self, index: int) -> dict[str, Value]:
        """The same where no verdict may be held up: none where they cannot be read."""
        try:
            return self.params(index)
        except FolderError:
            return {}

    def _read(self) -> list[tuple[Mapping[str, Sequence[Value]], int] | None]:
        path = self.folder / NAME
        try:
            text = self.host.read(path)
        except OSError as error:
            raise FolderAway(
                f"cannot read what the jobs were described as, {str(path)!r}: {error.strerror}"
            ) from error
        try:
            return self._placed(json.loads(text)["params"])
        except Exception as error:  # anything may stand there
            raise FolderError(
                f"{str(path)!r} is damaged: {type(error).__name__}: {error!s:.500}"
            ) from error

    def _placed(self, groups: Any) -> list[tuple[Mapping[str, Sequence[Value]], int] | None]:
        rows: list[tuple[Mapping[str, Sequence[Value]], int] | None] = [None] * self.count
        for group in groups:
            indices, columns = read_ranges(group["jobs"], below=self.count), group["columns"]
            for values in zip(*columns.values(), strict=True):
                if problem := check(dict(zip(columns, values, strict=True))):
                    raise ValueError(problem)
            for place, index in enumerate(indices):
                rows[index] = columns, place
            if any(len(column) != len(indices) for column in columns.values()):
                raise ValueError("a parameter has too few values")
        return rows
