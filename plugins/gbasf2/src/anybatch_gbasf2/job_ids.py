"""The ids of a run's jobs: which jobs of a project they are.

pre_ab12/all-5                all jobs of the project, which are 5
pre_ab12/700001               one of them
pre_ab12/700003-700005        some
pre_ab12/none-7               none: gbasf2 made fewer jobs than there are in the run
...@20260102030405-1767322000 rescheduled at that time (in seconds since 1970); what the grid
                              knows from before the other time is of the earlier attempt
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import attrs
from anybatch.ranges import read_ranges, write_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

_FORM = re.compile(
    r"(?P<project>[\w-]+)/(?:all-(?P<every>\d+)|none-(?P<none>\d+)|(?P<ids>[\d,-]+))"
    r"(?:@(?P<seen>\d*)-(?P<at>\d+))?"
)


@attrs.frozen
class NativeId:
    """A job of a run.

    Attributes:
        project: the project's name.
        ids: the grid jobs that it stands for; empty: none, or all of the project.
        every: how many these are, where it stands for all of the project.
        none: which of several that stand for none.
        seen: the digits of the latest change that was seen before it was rescheduled.
        at: when it was rescheduled; seconds since 1970.
    """

    project: str
    ids: tuple[int, ...] = ()
    every: int | None = None
    none: int | None = None
    seen: str = ""
    at: int = 0

    def __str__(self) -> str:
        which = write_ranges(self.ids)
        if self.every is not None:
            which = f"all-{self.every}"
        elif self.none is not None:
            which = f"none-{self.none}"
        text = f"{self.project}/{which}"
        return f"{text}@{self.seen}-{self.at}" if self.at else text

    @property
    def size(self) -> int:
        """How many grid jobs it stands for."""
        return self.every or len(self.ids)

    def own(self, jobs: Mapping[int, T]) -> list[T]:
        """Those of a project's grid jobs, by id, that it stands for."""
        if self.every is not None:
            return list(jobs.values())
        return [jobs[one] for one in self.ids if one in jobs]


def read_native_id(text: str) -> NativeId:
    """The inverse of `str`.

    Raises:
        ValueError: it is no such id.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no id of a gbasf2 job")
    return NativeId(
        found["project"],
        tuple(read_ranges(found["ids"] or "")),
        int(found["every"]) if found["every"] else None,
        int(found["none"]) if found["none"] else None,
        found["seen"] or "",
        int(found["at"] or 0),
    )


def deal_out(project: str, jobs: Iterable[int], count: int) -> list[str]:
    """The ids of *count* jobs of a run, for which the project has these grid jobs.

    One each, in order; the last one has the rest, should there be more.
    """
    ids = sorted(jobs)
    if count == 1:
        return [str(NativeId(project, every=len(ids)))]
    own = [tuple(ids[i : i + 1]) for i in range(count - 1)] + [tuple(ids[count - 1 :])]
    return [
        str(NativeId(project, some) if some else NativeId(project, none=number))
        for number, some in enumerate(own)
    ]
