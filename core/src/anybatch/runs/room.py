"""How many more jobs of a run may be handed over now, so that no limit is exceeded.

A job that the batch system has may start at any time. So each submission that it has counts with
as many jobs as may run of it at once: with all that have not ended, or with those that the batch
system itself lets run (`SubmissionState.most`). What is announced counts before its submit command
runs, and for as long as nobody knows whether there are jobs. The sum is never more than
`RunLimit.max_running`, of the run and of all runs together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from anybatch.model import State
from anybatch.planning.plan import RunLimit
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


@attrs.frozen(kw_only=True)
class Usage:
    """What a run uses of limits.

    Attributes:
        running: how many of its jobs may run.
        queued: how many of its tasks wait in the batch system.
        less: by how much the batch system can be told to let fewer of its jobs run.
    """

    running: int
    queued: int
    less: int


@attrs.frozen(kw_only=True)
class Elsewhere:
    """A limit of several runs, and what all but one use of it.

    Attributes:
        limit: of all of them together.
        running, queued: see `Usage`.
        less_later: by how much fewer jobs may run of those that were submitted later.
    """

    limit: RunLimit
    running: int
    queued: int
    less_later: int


@attrs.define
class _Budget:
    """How many there may be, and how many more; None: any number."""

    most: int | None
    left: int | None

    @classmethod
    def of(cls, most: int | None, used: int) -> _Budget:
        return cls(most, None if most is None else most - used)

    def usable(self, wanted: int, each: int = 1) -> int:
        """For how many of *wanted*, each of which takes so much, there is room worth a command."""
        if self.left is None or self.most is None:
            return wanted
        usable = max(0, min(self.left // each, wanted))
        worth = max(1, int(self.most // each * STEP))
        return usable if usable == wanted or usable >= worth else 0

    def take(self, count: int) -> None:
        self.left = None if self.left is None else self.left - count


class Room:
    """The room that limits leave for a run, as of now.

    The batch system counts tasks. A task is a job, or a pack, in which as many jobs run at once as
    it runs side by side.

    Args:
        run: its state.
        elsewhere: a limit that it shares with other runs.

    Attributes:
        open: how many tasks of each submission that the system has, or may have, have not ended.
    """

    def __init__(self, run: RunState, elsewhere: Elsewhere | None = None) -> None:
        self._run = run
        self.open: dict[int, int] = {}
        self._going: dict[int, int] = {}
        for number, (tasks, going) in _tasks(run).items():
            self.open[number], self._going[number] = len(tasks), len(going)
        used = sum(self._weight(number) * self._jobs_each(number) for number in self.open)
        queued = sum(self.open.values()) - sum(self._going.values())
        self.usage = Usage(running=used, queued=queued, less=self._reducible())
        self._running = [_Budget.of(run.limit.max_running, used)]
        self._queued = [_Budget.of(run.limit.max_queued, queued)]
        self._less_later = 0
        if elsewhere:
            more = elsewhere.limit
            self._running.append(_Budget.of(more.max_running, used + elsewhere.running))
            self._queued.append(_Budget.of(more.max_queued, queued + elsewhere.queued))
            self._less_later = elsewhere.less_later

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
        for budget in self._queued:
            size = budget.usable(size)
        room = self._usable(size, pack.side_by_side)
        if not one.planned.submission.limits.max_running:
            return Portion(jobs=tuple(left[: room * pack.jobs]))
        jobs = tuple(left[: size * pack.jobs] if room else ())
        return Portion(jobs=jobs, most=room if room < size else None)

    def allows(self, one: SubmissionState, most: int | None) -> bool:
        """Whether a submission may be handed over as a whole, of which *most* tasks may run."""
        portion = self.portion(one)
        if len(portion.jobs) < len(self._run.left(one)):
            return False
        return portion.most is None or (most is not None and most <= portion.most)

    def _usable(self, wanted: int, each: int) -> int:
        """How many more tasks may run, in each of which so many jobs do."""
        for budget in self._running:
            wanted = budget.usable(wanted, each)
        return wanted

    # -- what the batch system has already

    def throttles(self, fixed: Collection[int] = ()) -> Iterator[Throttle]:
        """What the batch system has to be told: first who gets less, else who may have more.

        Args:
            fixed: numbers of submissions for which it cannot be changed.
        """
        natives = self._natives(fixed)
        own, *shared = (max(0, -(budget.left or 0)) for budget in self._running)
        # Of several runs those that were submitted last are told first.
        excess = max(own, *(max(0, one - self._less_later) for one in shared), 0)
        if excess:
            yield from self._less(natives, excess)
        else:
            yield from self._more([one for one in natives if one.most is not None])

    def _natives(self, fixed: Collection[int] = ()) -> list[SubmissionState]:
        """The submissions of which the batch system has jobs, and counts them."""
        some = [self._run.submissions[number] for number in sorted({*self.open} - {*fixed})]
        return [one for one in some if one.has_jobs and one.planned.submission.limits.max_running]

    def _reducible(self) -> int:
        numbers = [one.planned.submission.number for one in self._natives()]
        return sum((self._weight(number) - 1) * self._jobs_each(number) for number in numbers)

    def _less(self, natives: list[SubmissionState], excess: int) -> Iterator[Throttle]:
        """The latest first. One task of each may run, for none could not be told."""
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
            more = self._usable(self.open[number] - weight, each)
            if more:
                for budget in self._running:
                    budget.take(more * each)
                yield Throttle(one, weight + more)


def usage_of(run: RunState) -> Usage:
    """What a run uses of limits now."""
    return Room(run).usage


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
