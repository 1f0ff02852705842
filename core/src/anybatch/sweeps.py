"""The values that jobs of one template differ by, as tables that are never written out. Pure.

A `Table` is a product of axes; the columns of an axis go along with each other. So a million jobs
are a few ranges and lists.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from anybatch import parameters
from anybatch.errors import JobError, shown

MOST_JOBS = 1_000_000  #: values that are read from what may have no end, unless told otherwise
_MOST = 10_000_000  #: jobs of a run

_SMALL = 2**63

Column = Sequence[Any]


@attrs.frozen
class Axis:
    """Columns of equal length that go along with each other.

    Attributes:
        columns: by name; values of parameters, or for `inputs` tuples of files.
        length: how many rows.
    """

    columns: Mapping[str, Column]
    length: int


@attrs.frozen
class Table:
    """Rows of values: each row of an axis with each of the next; the last varies fastest."""

    axes: tuple[Axis, ...] = ()

    def __len__(self) -> int:
        return math.prod(axis.length for axis in self.axes)

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return [name for axis in self.axes for name in axis.columns]

    @property
    def params(self) -> list[str]:
        """The names of parameters."""
        return [name for axis in self.axes for name in axis.columns if name != "inputs"]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = self.names
        if len(self.axes) == 1:
            for row in self._rows(self.axes[0]):
                yield dict(zip(names, row, strict=True))
        else:
            for rows in itertools.product(*map(self._rows, self.axes)):
                yield dict(zip(names, itertools.chain.from_iterable(rows), strict=True))

    @staticmethod
    def _rows(axis: Axis) -> Iterator[tuple[Any, ...]]:
        if not axis.columns:
            return itertools.repeat((), axis.length)
        return zip(*axis.columns.values(), strict=True)

    def row(self, number: int) -> dict[str, Any]:
        """One row, from 0."""
        found: dict[str, Any] = {}
        for axis in reversed(self.axes):
            number, place = divmod(number, axis.length)
            found = {name: column[place] for name, column in axis.columns.items()} | found
        return found

    def times(self, axes: Sequence[Axis]) -> Table:
        """This table with further axes.

        Raises:
            JobError: a name is there twice, there are too many rows, or none.
        """
        table = Table((*self.axes, *axes))
        names = table.names
        for name in names:
            if names.count(name) > 1:
                raise JobError(f"parameter {name!r} is given twice")
        if problem := parameters.check_names(table.params):
            raise JobError(problem)
        count = math.prod(axis.length for axis in table.axes)
        if count > _MOST:
            raise JobError(f"these values make {count:,} jobs; a run can have at most {_MOST:,}")
        if not count:
            empty = next(axis for axis in axes if not axis.length)
            raise JobError(f"no values for {', '.join(empty.columns) or 'any job'}")
        return table


def named(values: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """All values by the names of their parameters.

    Raises:
        JobError: it is no table, or something cannot be a parameter's name.
    """
    if not isinstance(values, Mapping | None):
        raise JobError(f"values must be a dict, of each parameter's values, not {shown(values)}")
    given = {**(values or {}), **more}
    if problem := parameters.check_names(given):
        raise JobError(problem)
    return given


def sweep(values: Mapping[str, Any], *, zipped: bool, jobs: int | None) -> list[Axis]:
    """The axes of a sweep.

    Args:
        values: for each parameter its values; one that is no list is the only one.
        zipped: the first values of all make a job, then the second, ...; else their product.
        jobs: how many there are to be; what has no end is read so far.

    Raises:
        JobError: a name or value that cannot be, columns of different length, too many values,
            another number of jobs.
    """
    if not isinstance(zipped, bool):
        raise JobError(
            f"zip must be True or False, not {shown(zipped)}; a parameter called zip goes into a "
            f"dict: sweep({{'zip': ...}})"
        )
    if jobs is not None:
        _check_number("jobs", jobs)
    if not values and jobs is None:
        raise JobError("no values to sweep over; give for example seed=range(10)")
    if not values or zipped:
        axes = [along(values, jobs)]
    else:
        most = jobs if len(values) == 1 else None
        axes = [Axis({name: one}, len(one)) for name, one in _columns(values, most).items()]
    count = math.prod(axis.length for axis in axes)
    if jobs is not None and count != jobs:
        raise JobError(f"these values make {count:,} jobs, not {jobs:,}")
    return axes


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < _SMALL:
        raise JobError(f"{name} must be a whole number, 1 or more: {shown(value)}")


def along(values: Mapping[str, Any], length: int | None, **made: Column) -> Axis:
    """Columns that go along with each other, as one axis.

    Args:
        length: how long it is; None: as long as its lists. What has no known length is read so
            far, and must have so many values.
        made: further columns of this length, as they are.

    Raises:
        JobError: columns of different length; a value that cannot be.
    """
    lengths = {name: _count(one) for name, one in values.items() if _has_length(one)}
    if length is None and lengths:
        length = max(lengths.values())
    columns = _columns(values, length)
    ends = {name: len(column) for name, column in columns.items() if not _is_single(values[name])}
    if length is None:
        length = max(ends.values(), default=1)
    for name, end in ends.items():
        if end != length:
            raise JobError(
                f"{name} has {end:,} values where {length:,} are needed, one for each job"
            )
    return Axis(
        {
            name: column * length if _is_single(values[name]) else column
            for name, column in columns.items()
        }
        | made,
        length,
    )


def _columns(values: Mapping[str, Any], most: int | None) -> dict[str, Any]:
    return {name: _column(name, value, most) for name, value in values.items()}


def _is_single(value: object) -> bool:
    """Whether it is one value, not many."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return True
    return getattr(value, "shape", None) == ()


def _has_length(value: object) -> bool:
    return hasattr(value, "__len__") and not _is_single(value)


def _count(values: Any) -> int:
    try:
        return len(values)
    except OverflowError:
        raise JobError(f"{shown(values)} has too many values") from None


def _column(name: str, value: Any, most: int | None) -> Column:
    """All values of a parameter, checked."""
    if type(value) is range:
        _count(value)
        return value
    if isinstance(value, (set, frozenset)):
        raise JobError(f"parameter {name!r}: a set has no order; give a list")
    if _is_single(value):
        value = [value]
    elif not _has_length(value):
        value = _read(name, value, most)
    column = tuple(map(parameters.plain, value))
    problems = (
        parameters.check_value(name, one)
        for one in column
        if type(one) is not int or abs(one) >= _SMALL  # most are small numbers
    )
    if problem := next(filter(None, problems), ""):
        raise JobError(problem)
    return column


def _read(name: str, values: Iterable[Any], most: int | None) -> list[Any]:
    """What an iterable of unknown length holds, up to *most*."""
    if most is not None:
        return list(itertools.islice(values, most))
    read = list(itertools.islice(values, MOST_JOBS + 1))
    if len(read) > MOST_JOBS:
        raise JobError(
            f"parameter {name!r} has more than {MOST_JOBS:,} values, or no end; tell with jobs=N "
            f"how many there are to be, or give a list"
        )
    return read


def read_files(files: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The paths and addresses that are to be split.

    Raises:
        JobError: it is no list of such, or has no end.
    """
    if _is_single(files):
        raise JobError(f"files must be a list of paths and addresses, not {shown(files)}")
    most = _MOST if _has_length(files) else MOST_JOBS
    listed = list(itertools.islice(files, most + 1))
    if len(listed) > most:
        raise JobError(f"there are more than {most:,} files, or no end of them; give a list")
    for file in listed:
        if not isinstance(file, (str, os.PathLike)) or not isinstance(os.fspath(file), str):
            raise JobError(f"files must be paths and addresses, not {shown(file)}")
    if not listed:
        raise JobError("there are no files to split")
    return [os.fspath(file) for file in listed]


def parts(files: Sequence[str], per_part: int | None, number: int | None) -> list[tuple[str, ...]]:
    """Parts of equal size, in order.

    Args:
        per_part: how many files a part has, at most.
        number: how many parts there are.

    Raises:
        JobError: neither or both are given, or there are more parts than files.
    """
    if (per_part is None) == (number is None):
        raise JobError("say how to split: per_job, the files of a job, or jobs, how many there are")
    for name, value in (("per_job", per_part), ("jobs", number)):
        if value is not None:
            _check_number(name, value)
    if per_part is not None:
        return [tuple(files[start : start + per_part]) for start in range(0, len(files), per_part)]
    assert number is not None
    if number > len(files):
        raise JobError(f"{len(files):,} files cannot be split in {number:,} parts")
    size, more = divmod(len(files), number)
    ends = itertools.accumulate(size + (place < more) for place in range(number))
    starts = itertools.accumulate((size + (place < more) for place in range(number)), initial=0)
    return [tuple(files[start:end]) for start, end in zip(starts, ends, strict=False)]
