"""Which jobs there are, and what each waits for, before anything is planned."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from anybatch.errors import JobError, shown
from anybatch.model import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anybatch.model import RunHandle
    from anybatch.planning.plan import Wait

_EXAMPLE = "write Job(['echo', 'hello'])"
Waits = list[list["Wait"]]  #: for each job what it waits for


def list_jobs(jobs: object, most: int) -> list[Job]:
    """The jobs of a job or of several.

    Args:
        most: how many there may be; what has no end is read so far.

    Raises:
        JobError: what was given is something else, or more.
    """
    if isinstance(jobs, Job):
        return [jobs]
    if not isinstance(jobs, Iterable) or isinstance(jobs, (str, bytes)):
        raise JobError(f"jobs must be a Job or a list of Jobs, not {shown(jobs)}; {_EXAMPLE}")
    listed = []
    for number, one in enumerate(jobs):
        if not isinstance(one, Job):
            raise JobError(f"job {number} must be a Job, not {shown(one)}; {_EXAMPLE}")
        if number >= most:
            raise JobError(
                f"there are more than {most:,} jobs, or no end of them; submit fewer at a time, or "
                f"raise the setting max_jobs"
            )
        listed.append(one)
    return listed


def read_waits(jobs: Sequence[Job], find: Callable[[RunHandle | str], list[Wait]]) -> Waits:
    """What each job waits for.

    A `Job` object may stand in the list several times; who waits for it waits for all of them.

    Args:
        find: the runs, each with a job of it or None for all, that an item of `Job.after` other
            than a job means.

    Raises:
        JobError: `after` names a job that is not in the list.
    """
    numbers: dict[int, list[int]] = defaultdict(list)
    texts: dict[str, list[Wait]] = {}
    for index, job in enumerate(jobs):
        numbers[id(job)].append(index)

    def of(item: Job | RunHandle | str) -> list[Wait]:
        if isinstance(item, str):
            if item not in texts:
                texts[item] = find(item)
            return texts[item]
        if not isinstance(item, Job):
            return find(item)
        if id(item) not in numbers:
            raise JobError(
                "`after` refers to a job outside this submission; use the run (or its ID) for "
                "jobs submitted earlier"
            )
        return [("", index) for index in numbers[id(item)]]

    return [list(dict.fromkeys(one for item in job.after for one in of(item))) for job in jobs]


def expand(
    jobs: Sequence[Job], waits: Waits, make: Callable[[Job], list[Job]]
) -> tuple[list[Job], Waits]:
    """The jobs that the batch system makes of *jobs*, and what each of these waits for."""
    made = [make(job) for job in jobs]
    starts = [0, *itertools.accumulate(map(len, made))]

    def now(wait: Wait) -> list[Wait]:
        run, index = wait
        if run or index is None:
            return [wait]
        return [("", new) for new in range(starts[index], starts[index + 1])]

    new_waits = [[one for wait in old for one in now(wait)] for old in waits]
    pairs = [(job, wait) for some, wait in zip(made, new_waits, strict=True) for job in some]
    return [job for job, _ in pairs], [wait for _, wait in pairs]
