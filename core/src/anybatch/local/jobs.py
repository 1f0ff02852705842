"""The table of jobs: who is where, who is next. Pure bookkeeping, the sum of all events.

The most urgent start first, and those of equal urgency in the order of submission. While the first
that waits for nothing but room does not fit, nobody passes it but who is more urgent. So no big job
starves behind small ones of its urgency.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from functools import singledispatchmethod
from typing import TYPE_CHECKING

import attrs

from anybatch.local.events import (
    Booted,
    Ended,
    Event,
    Started,
    Stopping,
    Submitted,
    Throttled,
)
from anybatch.local.states import Word

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define(eq=False)
class Job:
    """A job, as what has happened to it."""

    id: str
    task: int
    submission: Submission
    started: Started | None = None
    stopping: Stopping | None = None
    ended: Ended | None = None

    @property
    def word(self) -> Word:
        """Where it is."""
        if self.ended:
            return self.ended.word
        return Word.RUNNING if self.started else Word.QUEUED

    @property
    def argv(self) -> tuple[str, ...]:
        """What runs it; it is never run again, hence 0 restarts."""
        return (*self.submission.event.command, str(self.task), "0")

    @property
    def pid(self) -> int:
        """Its process, which leads a group and session of that number."""
        return self._start.pid

    @property
    def born(self) -> int:
        """When its process was born."""
        return self._start.born

    @property
    def _start(self) -> Started:
        if self.started is None:
            raise ValueError(f"job {self.id} has not started")
        return self.started

    def over_time(self, age: float) -> bool:
        """Whether a process that is so many seconds old has run for longer than it may."""
        limit = self.submission.event.time
        return limit is not None and age >= limit

    def to_be_killed(self, uptime: float) -> bool:
        """Whether it was told to end, and has had its time to do so."""
        patience = self.submission.event.kill_wait
        return self.stopping is not None and uptime >= self.stopping.uptime + patience

    def word_at_end(self, otherwise: Word) -> Word:
        """The word when it ends now: why it was told to, or *otherwise*."""
        return self.stopping.word if self.stopping else otherwise

    def events(self) -> Iterator[Event]:
        """What has happened to it, in order."""
        yield from (event for event in (self.started, self.stopping, self.ended) if event)


@attrs.define(eq=False)
class Submission:
    """Equal jobs, of which the first *passed* have left the queue.

    Attributes:
        unfinished: how many have not ended.
        waits_for: ids of jobs that are not done yet.
        most: how many of them may run at once; None: all.
        running: how many do.
    """

    event: Submitted
    jobs: list[Job] = attrs.field(factory=list)
    passed: int = 0
    unfinished: int = 0
    waits_for: set[str] = attrs.field(factory=set)
    most: int | None = None
    running: int = 0

    @property
    def full(self) -> bool:
        """Whether as many of its jobs run as may."""
        return self.most is not None and self.running >= self.most

    @classmethod
    def of(cls, event: Submitted) -> Submission:
        """A submission whose jobs are all queued."""
        submission = cls(event, unfinished=event.count, most=event.max_running)
        submission.jobs = [
            Job(f"{event.number}.{task}@{event.machine}", task, submission)
            for task in range(1, event.count + 1)
        ]
        return submission

    def next_queued(self) -> Job | None:
        """The first job that has not left the queue."""
        while self.passed < len(self.jobs):
            job = self.jobs[self.passed]
            if job.word is Word.QUEUED:
                return job
            self.passed += 1
        return None

    def ended_before(self, time: float) -> bool:
        """Whether all jobs ended, and before *time*."""
        return not self.unfinished and all(job.ended and job.ended.at < time for job in self.jobs)


class Table:
    """All jobs. `apply` alone changes it; the rest are questions.

    Attributes:
        boot: the boot id of the machine when the last event came.
        next_number: for the next submission.
        jobs: by id.
        running: those that run, by id, in order of start.
        unfinished: how many have not ended.
        cores, memory: how much of them those have that run.
    """

    def __init__(self) -> None:
        self.boot = ""
        self.next_number = 1
        self.jobs: dict[str, Job] = {}
        self.running: dict[str, Job] = {}
        self.unfinished = 0
        self.cores = 0
        self.memory = 0
        self._submissions: dict[str, Submission] = {}
        self._free: list[tuple[int, int, Submission]] = []
        self._dependents: dict[str, list[Submission]] = defaultdict(list)
        self._full: set[Submission] = set()
        self._doomed: dict[Submission, str] = {}

    # -- what happens

    @singledispatchmethod
    def apply(self, event: Event) -> None:
        """Take note of *event*."""
        raise TypeError(f"{event!r} is not an event")

    @apply.register
    def _booted(self, event: Booted) -> None:
        self.boot = event.boot
        self.next_number = max(self.next_number, event.next_number)

    @apply.register
    def _submitted(self, event: Submitted) -> None:
        submission = Submission.of(event)
        self.next_number = max(self.next_number, event.number + 1)
        self.unfinished += event.count
        self._submissions[event.token] = submission
        self.jobs.update((job.id, job) for job in submission.jobs)
        for native in set(event.after):
            self._depend(submission, native)
        if not submission.waits_for:
            self._free_up(submission)

    def _depend(self, submission: Submission, native: str) -> None:
        job = self.jobs.get(native)
        if job is None or job.word is Word.DONE:
            return  # one that was forgotten was done: it would have ended the submission else
        submission.waits_for.add(native)
        if job.ended:
            self._doomed.setdefault(submission, native)
        else:
            self._dependents[native].append(submission)

    def _free_up(self, submission: Submission) -> None:
        event = submission.event
        heapq.heappush(self._free, (-event.urgency, event.number, submission))

    @apply.register
    def _started(self, event: Started) -> None:
        job = self.jobs[event.id]
        job.started = event
        job.submission.running += 1
        self.running[job.id] = job
        self.cores += job.submission.event.cores
        self.memory += job.submission.event.memory

    @apply.register
    def _throttled(self, event: Throttled) -> None:
        submission = self._submissions.get(event.token)
        if submission is not None:
            submission.most = event.most
            self._let_on(submission)

    def _let_on(self, submission: Submission) -> None:
        """Put it back in the queue, if as many of its jobs ran as might and no longer do."""
        if submission in self._full and not submission.full:
            self._full.remove(submission)
            self._free_up(submission)

    @apply.register
    def _stopping(self, event: Stopping) -> None:
        self.jobs[event.id].stopping = event

    @apply.register
    def _ended(self, event: Ended) -> None:
        job = self.jobs[event.id]
        if self.running.pop(job.id, None):
            job.submission.running -= 1
            self.cores -= job.submission.event.cores
            self.memory -= job.submission.event.memory
        job.ended = event
        job.submission.unfinished -= 1
        self.unfinished -= 1
        self._let_on(job.submission)
        for submission in self._dependents.pop(job.id, ()):
            self._settle(submission, job)

    def _settle(self, submission: Submission, job: Job) -> None:
        if job.word is not Word.DONE:
            self._doomed.setdefault(submission, job.id)
            return
        submission.waits_for.remove(job.id)
        if not submission.waits_for:
            self._free_up(submission)

    # -- what is to be done

    def next_to_start(self) -> Job | None:
        """The job whose turn it is, if there is room for it."""
        while self._free:
            _, _, submission = self._free[0]
            job = submission.next_queued()
            if job and not submission.full:
                return job if self._fits(submission.event) else None
            heapq.heappop(self._free)
            if job:
                self._full.add(submission)  # others pass it: room would not help it
        return None

    def _fits(self, event: Submitted) -> bool:
        return (
            self.cores + event.cores <= event.max_cores
            and self.memory + event.memory <= event.max_memory
        )

    def take_doomed(self) -> list[tuple[Job, str]]:
        """Queued jobs that can never start, each with the id of the dependency that failed."""
        doomed, self._doomed = self._doomed, {}
        return [
            (job, cause)
            for submission, cause in doomed.items()
            for job in submission.jobs
            if job.word is Word.QUEUED
        ]

    # -- questions

    @property
    def first(self) -> Submission | None:
        """The submission whose turn it is; none comes before it starts, or has no job left."""
        return self._free[0][2] if self._free else None

    def find(self, token: str) -> Submission | None:
        """The submission that carries *token*."""
        return self._submissions.get(token)

    # -- keeping it small

    def events(self) -> Iterator[Event]:
        """The shortest history that makes this table."""
        yield Booted(self.boot, self.next_number)
        for submission in self._submissions.values():
            yield submission.event
            if submission.most is not None and submission.most != submission.event.max_running:
                yield Throttled(submission.event.token, submission.most)
        for job in self.jobs.values():
            yield from job.events()

    def forget(self, before: float) -> bool:
        """Drop submissions of which all jobs ended before a time; whether there were any."""
        old = [s for s in self._submissions.values() if s.ended_before(before)]
        for submission in old:
            del self._submissions[submission.event.token]
            self._full.discard(submission)
            for job in submission.jobs:
                del self.jobs[job.id]
        return bool(old)
