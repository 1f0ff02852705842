"""What the events of a run's journal come to, in whatever order they are read.

    submitting  {s, n, host, lasts, most}  submit command n of s is about to run, for so long at
                                    most; no more of its jobs will run at once
    failed      {s, n, text, refused, at}  it failed; whether there are jobs is not known
    unfound     {s, n, at}          the token was looked up, for the first time without finding jobs
    not_found   {s, n, doubts}      that holds: no jobs, it may be tried again; so many lines of
                                    journals could not be read before the token was looked up
    submitted   {s, ids}            the batch system has the jobs
    unavoided   {s}                 it was refused with hosts to avoid, and is tried without
    refused     {s, reason, text}   the batch system or a dependency said no for good
    retry       {planned, outcomes, at}  jobs that are run again, as a further submission, and why
    rerun       {planned}           jobs that somebody wants to run again, as further submissions
    part        {s, planned}        jobs of s that are handed over first, as a further submission
    limit       {max_running, max_queued}  how many jobs of the run there may be at once
    throttle    {s, n, most}        so many jobs of s, as of try n, may run at once
    state       {s, jobs, state, native_state, message}
    sign        {s, jobs, sign, at} what a machine counts time from, or that there is nothing
    terminate   {jobs, why?}        somebody asked for it
    stopped     {s, jobs}           the batch system was told so
    ended       {outcomes}          the verdicts
    notifying   {n, keys}           some are told now of the end after n submissions (`notified.py`)
    notified    {n, key, error}     how that went for one

The files of several writers are read in any order, and their clocks may differ. So no event is
ordered by its time: each names the submission, the try or the attempt that it is about, one that
comes before its cause is put aside, and where two processes said different things of one attempt
the later stamp counts (`entries.Stamp`, in events `q`).
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.model import State
from anybatch.outcome import Outcome
from anybatch.planning.plan import RunLimit
from anybatch.ranges import read_ranges
from anybatch.runs.entries import FIRST, Failure, JobRecord, Stamp, SubmissionState
from anybatch.runs.events import UNREADABLE
from anybatch.runs.moments import Moment, read_moment
from anybatch.runs.notified import Notified
from anybatch.runs.serialization import from_plain
from anybatch.runs.store import read_planned
from anybatch.worker.layout import Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from anybatch.planning.plan import Planned
    from anybatch.runs.events import Event
    from anybatch.runs.store import RunFile


class Fold:
    """The sum of a run's events.

    Args:
        file: what was planned.
        restore_types: gives the settings of a retried submission their types back.

    Attributes:
        jobs, submissions: as far as the events tell.
        counts: how many jobs are in each state.
        unfinished: how many have no verdict.
        pages: the pages of their records.
        clock: the highest `q` of all events.
        limit: how many jobs there may be at once.
        notified: who was told of its ends.
        events: how many events were applied; what is kept of a state holds while it is the same.
        early: events whose cause has not been read.
        unreadable: lines of journals that cannot be read, as a sentence each; they may have told
            that submissions were announced.
    """

    def __init__(
        self, file: RunFile, restore_types: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        self.file = file
        self.jobs = [JobRecord(index) for index in range(file.count)]
        self.submissions: list[SubmissionState] = []
        self.counts: Counter[State] = Counter({State.NEW: file.count})
        self.unfinished = file.count
        self.pages = Pages(file.count)
        self.clock = 0
        self.limit = file.limit
        self.notified = Notified()
        self.events = 0
        self.unreadable: list[str] = []
        self._told = 0
        self._limited = FIRST
        self._changes: list[tuple[JobRecord, State, State]] = []
        self._restarted: set[int] = set()
        self.early: list[Event] = []
        self._restore_types = restore_types
        for planned in file.submissions:
            self._add(planned)

    def take_changes(self) -> list[tuple[JobRecord, State, State]]:
        """The changes of state since the last call: job, old state, new state."""
        changes, self._changes = self._changes, []
        return changes

    def take_unreadable(self) -> list[str]:
        """The lines that cannot be read and were not told yet, as a sentence each."""
        told, self._told = self._told, len(self.unreadable)
        return self.unreadable[told:]

    def take_restarted(self) -> set[int]:
        """The jobs that are run again since the last call, by this or another process."""
        restarted, self._restarted = self._restarted, set()
        return restarted

    # -- events

    def apply(self, event: Event) -> None:
        """Take one event, in whatever order they come."""
        if event["e"] == UNREADABLE:  # no journal has such an event
            self._doubt(event)
            return
        on_event = getattr(self, f"_on_{event['e']}", None)
        if on_event is None:
            return  # a later version may write more kinds
        self.events += 1
        self.clock = max(self.clock, stamp_of(event)[0])
        if self._is_early(event):
            self.early.append(event)
        else:
            on_event(event)

    def _is_early(self, event: Event) -> bool:
        """Whether it is about a submission whose event has not been read yet."""
        return (event.get("s") or 0) >= len(self.submissions)

    def _doubt(self, event: Event) -> None:
        """A line cannot be read; it may have told anything."""
        self.unreadable.append(
            f"line {event['line']} of {event['path']!r} cannot be read; what it told is not known, "
            f"so what seems not to be submitted is looked up first"
        )
        for one in self.submissions:
            one.doubts = len(self.unreadable)

    def _on_submitting(self, event: Event) -> None:
        one = self.submissions[event["s"]]
        number = event.get("n")
        number = one.absent + 1 if number is None else number
        where = event["host"], event["lasts"]
        one.announce(number, *where, event.get("t"), event.get("most"))
        self._label(one)

    def _on_failed(self, event: Event) -> None:
        at = read_moment(event.get("at")) or Moment(event["t"], "", event["t"])
        failure = Failure(event["text"], bool(event.get("refused")), at)
        self.submissions[event["s"]].fail(event["n"], failure)

    def _on_unfound(self, event: Event) -> None:
        if at := read_moment(event.get("at")):
            self.submissions[event["s"]].miss(event["n"], at)

    def _on_not_found(self, event: Event) -> None:
        one = self.submissions[event["s"]]
        number = event.get("n")
        one.absent = max(one.absent, one.tries if number is None else number)
        one.cleared = max(one.cleared, event.get("doubts") or 0)

    def _on_submitted(self, event: Event) -> None:
        one, ids, stamp = self.submissions[event["s"]], event["ids"], stamp_of(event)
        if len(ids) != one.planned.submission.count:
            ids = [""] * one.planned.submission.count  # of a plan that another process made as well
        ids = one.planned.pack.spread(ids, len(one.planned.indices))
        if one.has_jobs and (stamp, any(ids)) > (one.taken, True):
            return
        one.has_jobs = True
        for index, native in zip(one.planned.indices, ids, strict=True):
            job = self.jobs[index]
            if job.submission == one.planned.submission.number and (native or not job.native_id):
                job.native_id = native
                self._move(job, State.QUEUED if job.state is State.NEW else job.state)
        one.taken = stamp
        self._label(one)

    def _label(self, one: SubmissionState) -> None:
        for index in one.planned.indices if one.has_jobs else ():
            job = self.jobs[index]
            if job.submission == one.planned.submission.number:
                job.submitted = one.announced

    def _on_unavoided(self, event: Event) -> None:
        self.submissions[event["s"]].unavoiding = True

    def _on_refused(self, event: Event) -> None:
        self.submissions[event["s"]].refused = True

    def _on_retry(self, event: Event) -> None:
        for planned in self._add_further(event, [event["planned"]]):
            self.submissions[planned.submission.number].planned_at = read_moment(event.get("at"))
        for plain in event.get("outcomes", ()):
            self._judge(plain, event)
        self._apply_early(event)

    def _on_rerun(self, event: Event) -> None:
        for planned in self._add_further(event, event["planned"]):
            for index in planned.indices:
                job = self.jobs[index]
                job.reopened, job.since = stamp_of(event), planned.attempt
        self._apply_early(event)

    def _on_part(self, event: Event) -> None:
        self._add_further(event, [event["planned"]], partial(self._add_part, source=event["s"]))
        self._apply_early(event)

    def _add_further(
        self, event: Event, plain: list[Any], add: Callable[[Planned], None] | None = None
    ) -> list[Planned]:
        """The further submissions of an event, if they are the next; else others were planned."""
        made = [read_planned(one, self.file, self._restore_types) for one in plain]
        number = made[0].submission.number if made else -1
        if number > len(self.submissions):
            self.early.append(event)
        if number != len(self.submissions):
            return []
        for planned in made:
            (add or self._add)(planned)
        return made

    def _apply_early(self, event: Event) -> None:
        """Take what waits for the submissions of an event, if that does not wait itself."""
        if event not in self.early:
            early, self.early = self.early, []
            for one in early:
                self.apply(one)

    def _add_part(self, planned: Planned, source: int) -> None:
        self.submissions[source].parted = True
        self.submissions.append(SubmissionState(planned, doubts=len(self.unreadable)))
        for index in planned.indices:
            job = self.jobs[index]
            if job.submission == source:  # else it is run again, by a later submission
                job.set_apart(planned.submission.number)
                self._move(job, State.NEW)

    def _on_limit(self, event: Event) -> None:
        if stamp_of(event) >= self._limited:
            self._limited = stamp_of(event)
            self.limit = RunLimit(
                max_running=event.get("max_running"), max_queued=event.get("max_queued")
            )

    def _on_throttle(self, event: Event) -> None:
        one = self.submissions[event["s"]]
        one.throttle(event["n"], event.get("most"), stamp_of(event))

    def _on_state(self, event: Event) -> None:
        stamp = stamp_of(event)
        for job in self._current(event):
            if job.state.final or stamp < job.told:
                continue  # another process had the verdict already, or a later word
            job.told = stamp
            job.native_state, job.message = event.get("native_state"), event.get("message")
            self._move(job, State(event["state"]))

    def _on_sign(self, event: Event) -> None:
        if at := read_moment(event.get("at")):
            for job in self._current(event):
                if not job.state.final:
                    job.note_sign(event.get("sign"), at, stamp_of(event))

    def _current(self, event: Event) -> Iterator[JobRecord]:
        """The jobs of an event whose attempt it is about."""
        for index in read_ranges(event["jobs"], below=len(self.jobs)):
            job = self.jobs[index]
            if event.get("s") in (None, job.submission):
                yield job

    def _on_terminate(self, event: Event) -> None:
        for index in read_ranges(event["jobs"], below=len(self.jobs)):
            job = self.jobs[index]
            job.unwanted = max(job.unwanted, stamp_of(event))
            if event.get("why"):
                job.stop_reason = max(job.stop_reason, (stamp_of(event), event["why"]))

    def _on_stopped(self, event: Event) -> None:
        for job in self._current(event):
            job.stopped = True

    def _on_ended(self, event: Event) -> None:
        for plain in event["outcomes"]:
            self._judge(plain, event)

    def _on_notifying(self, event: Event) -> None:
        self.notified.begin(event)

    def _on_notified(self, event: Event) -> None:
        self.notified.end(event)

    def _judge(self, plain: dict[str, Any], event: Event) -> None:
        outcome = from_plain({**plain, "run": self.file.run}, Outcome)
        if params := self.file.described.known_params(outcome.index):
            outcome = attrs.evolve(outcome, params=params)
        job = self.jobs[outcome.index]
        if outcome.attempt > job.attempt:
            self.early.append({**event, "e": "ended", "outcomes": [plain]})
        elif outcome.attempt == job.attempt:
            self.end(job, outcome, stamp_of(event))
        else:  # it is run again
            job.remember(outcome, stamp_of(event))

    def end(self, job: JobRecord, outcome: Outcome, stamp: Stamp) -> None:
        """The verdict on the attempt that a job is in; of several the one stamped last."""
        if stamp < job.judged:
            return
        job.judged = stamp
        job.outcome, job.native_state, job.message = outcome, outcome.native_state, None
        job.signs = {}
        self._move(job, outcome.state, ended=True)

    def _move(self, job: JobRecord, state: State, *, ended: bool = False) -> None:
        old = job.state
        if old is state or (old.final and not ended):
            return
        job.state = state
        self.counts[old] -= 1
        self.counts[state] += 1
        self.unfinished += old.final - state.final
        self.pages.count(job.index, old.final - state.final)
        self._changes.append((job, old, state))

    def _add(self, planned: Planned) -> None:
        self.submissions.append(SubmissionState(planned, doubts=len(self.unreadable)))
        for index in planned.indices:
            job = self.jobs[index]
            if planned.attempt and planned.attempt <= job.attempt:
                continue
            job.begin(planned)
            if planned.attempt:
                self._restarted.add(index)
                self._move(job, State.NEW, ended=True)


def stamp_of(event: Event) -> Stamp:
    """What tells which of two events of one attempt counts."""
    return event.get("q", 0), event.get("w", "")
