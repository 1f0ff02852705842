"""How many more jobs of a run may be handed over now, so that its limit is never exceeded.

A job that the batch system has may start at any time. So each submission that it has counts with
as many jobs as may run of it at once: with all that have not ended, or with those that the batch
system itself lets run (`SubmissionState.most`). What is announced counts before its submit command
runs, and for as long as nobody knows whether there are jobs. The sum is never more than
`RunLimit.max_running`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from anybatch.model import State
from anybatch.runs.entries import Phase, SubmissionState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from anybatch.runs.state import RunState

#: Room is used when it is this part of a limit, or enough for all that wait: each use is a command.
STEP = 0.1


@attrs.frozen(kw_only=True)
class Portion:
    """What of a submission may be handed over now.

    Attributes:
        jobs: their numbers, in order; none: there is no room.
        most: how many of its tasks may run at once; None: all.
    """

    jobs: tuple[int, ...]
    most: int | None = None


@attrs.frozen
class Throttle:
    """A submission that the batch system has, of which more or fewer tasks may run from now on."""

    submission: SubmissionState
    most: int


class Room:
    """The room that a run's limit leaves, as of now.

    The batch system counts tasks. A task is a job, or a pack, in which as many jobs run at once as
    it runs side by side.

    Attributes:
        open: how many tasks of each submission that the system has, or may have, have not ended.
        running: how many more jobs may run; None: any number.
        queued: how many more tasks may wait in the system; None: any number.
    """

    def __init__(self, run: RunState) -> None:
        self._run = run
        self._limit = run.limit
        self.open: dict[int, int] = {}
        self._going: dict[int, int] = {}
        for number, (tasks, going) in _tasks(run).items():
            self.open[number], self._going[number] = len(tasks), len(going)
        most, waiting = self._limit.max_running, self._limit.max_queued
        used = sum(self._weight(number) * self._jobs_each(number) for number in self.open)
        queued = sum(self.open.values()) - sum(self._going.values())
        self.running = None if most is None else most - used
        self.queued = None if waiting is None else waiting - queued

    def _jobs_each(self, number: int) -> int:
        """How many jobs of a task run at once."""
        return self._run.submissions[number].planned.pack.side_by_side

    def _weight(self, number: int) -> int:
        """How many tasks of a submission may run at once."""
        open_ones, most = self.open[number], self._run.submissions[number].most
        return open_ones if most is None else min(open_ones, max(most, self._going[number]))

    def portion(self, one: SubmissionState, most_jobs: int | None = None) -> Portion:
        """What of a submission that waits may be handed over.

        Args:
            most_jobs: no more tasks than so many, for another reason; None: there is none.
        """
        pack, left = one.planned.pack, self._run.left(one)
        size = pack.count(len(left))
        size = size if most_jobs is None else min(size, most_jobs)
        size = _usable(self.queued, self._limit.max_queued, size)
        room = self._usable_tasks(pack.side_by_side, size)
        if not one.planned.submission.limits.max_running:
            return Portion(jobs=tuple(left[: room * pack.jobs]))
        jobs = tuple(left[: size * pack.jobs] if room else ())
        return Portion(jobs=jobs, most=room if room < size else None)

    def _usable_tasks(self, each: int, wanted: int) -> int:
        """How many more tasks may run in each of which so many jobs do."""
        room, most = self.running, self._limit.max_running
        if room is None or most is None:
            return wanted
        return _usable(room // each, most // each, wanted)

    def throttles(self, fixed: Collection[int] = ()) -> Iterator[Throttle]:
        """What the batch system has to be told: first who gets less, else who may have more.

        Args:
            fixed: numbers of submissions for which it cannot be changed.
        """
        some = [self._run.submissions[number] for number in sorted({*self.open} - {*fixed})]
        natives = [
            one for one in some if one.has_jobs and one.planned.submission.limits.max_running
        ]
        if self.running is not None and self.running < 0:
            yield from self._less(natives)
        else:
            yield from self._more([one for one in natives if one.most is not None])

    def _less(self, natives: list[SubmissionState]) -> Iterator[Throttle]:
        """The latest first. One task of each may run, for none could not be told."""
        excess = -(self.running or 0)
        for one in reversed(natives):
            number = one.planned.submission.number
            weight, each = self._weight(number), self._jobs_each(number)
            less = max(1, weight - -(-excess // each))
            if excess > 0 and less < (one.most or weight):
                excess -= (weight - less) * each
                yield Throttle(one, less)

    def _more(self, natives: list[SubmissionState]) -> Iterator[Throttle]:
        """The first first, as far as the room goes."""
        for one in natives:
            number = one.planned.submission.number
            weight, each = self._weight(number), self._jobs_each(number)
            more = self._usable_tasks(each, self.open[number] - weight)
            if more:
                if self.running is not None:
                    self.running -= more * each
                yield Throttle(one, weight + more)


def _tasks(run: RunState) -> dict[int, tuple[set[int], set[int]]]:
    """The tasks that the system has, or may have, by submission: those open, and those running."""
    found: dict[int, tuple[set[int], set[int]]] = {}
    places = _places(run)
    for job in run.jobs:
        one = run.submissions[job.submission]
        if job.state.final or one.phase not in (Phase.SUBMITTING, Phase.SUBMITTED):
            continue
        tasks, going = found.setdefault(job.submission, (set(), set()))
        task = places[job.submission][job.index] if one.planned.packed else job.index
        tasks.add(task)
        if job.state is State.RUNNING:
            going.add(task)
    return found


def _places(run: RunState) -> dict[int, dict[int, int]]:
    """The pack of each job, by submission, where jobs are packed."""
    return {
        one.planned.submission.number: {
            index: place // one.planned.pack.jobs for place, index in enumerate(one.planned.indices)
        }
        for one in run.submissions
        if one.planned.packed
    }


def _usable(room: int | None, limit: int | None, wanted: int) -> int:
    """How many of *wanted* there is room for, if that is worth a command."""
    if room is None or limit is None:
        return wanted
    usable = max(0, min(room, wanted))
    return usable if usable == wanted or usable >= max(1, int(limit * STEP)) else 0
