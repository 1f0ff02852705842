"""Watching one run: what exit records do to its jobs, and which verdicts all evidence allows.

Nothing is asked here. The engine reads exit records, and hands over what it got; every method is
called with the engine's lock held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from anybatch.errors import FolderError
from anybatch.model import Reason, State
from anybatch.records import Transfer
from anybatch.runs.facts import facts_of, facts_of_record, in_order, where_to_read
from anybatch.runs.members import own_word
from anybatch.runs.moments import moment_of, now
from anybatch.runs.retry import plan_retries, to_be_retried, why_no_more
from anybatch.runs.verdict import Evidence, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from anybatch.host import Host
    from anybatch.outcome import Outcome
    from anybatch.records import JobStatus
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.moments import Moment
    from anybatch.runs.observation import RunObservation
    from anybatch.runs.right import SubmitRight
    from anybatch.runs.state import RunState
    from anybatch.worker.exit_records import ExitRecord, Start

PATIENCE = 10.0  #: seconds that a second witness of a job's end is waited for


class Watcher:
    """Keeps the states of one run's jobs true.

    Args:
        state: the run.
        seen: what this process has seen of it.
        right: to submit, which who plans further attempts has.
        lost_after: seconds after which a job that nothing knows is lost.
        on_notice: told what somebody should know.
    """

    def __init__(
        self,
        state: RunState,
        seen: RunObservation,
        right: SubmitRight,
        *,
        host: Host,
        lost_after: float,
        on_notice: Callable[[str], None],
    ) -> None:
        self._run = state
        self._seen = seen
        self._right = right
        self._host = host
        self._lost_after = lost_after
        self._on_notice = on_notice

    def catch_up(self) -> None:
        """Apply what other processes wrote to the journal.

        Raises:
            FolderError: it cannot be read.
        """
        self._run.catch_up()
        self._forget_restarted()

    def _forget_restarted(self) -> None:
        for index in self._run.take_restarted():
            self._seen.forget(index)  # what was seen is of the attempt before

    # -- exit records

    def take_records(self, found: Iterable[ExitRecord]) -> bool:
        """Take exit records that were found; whether the batch system should be asked soon.

        Raises:
            FolderError: the journal cannot be read; they will be found again.
        """
        found = list(found)
        try:
            soon = [self._take_record(record) for record in found]
        except FolderError:
            self._seen.exits.give_back(found)
            raise
        return any(soon)

    def _take_record(self, record: ExitRecord) -> bool:
        if record.index >= len(self._run.jobs):
            return False
        job = self._run.jobs[record.index]
        if record.attempt > job.attempt:
            self.catch_up()  # another process has run it again
        known = self._seen.records.get(record.index)
        if record.attempt != job.attempt or (known and self._seen.is_older(record, known)):
            return False
        self._seen.records[record.index] = record
        made = moment_of(self._seen.exits.ended(record), after=job.submitted)
        self._seen.ended_at[record.index] = made or now()
        return not record.conclusive or self._waits_for_the_system(job)

    def _waits_for_the_system(self, job: JobRecord) -> bool:
        return self._is_transferred(job) or self._run.submission_of(job).limits.reruns

    def take_starts(self, found: Iterable[Start]) -> None:
        """Take start records that were found: their jobs run, whatever the system said before."""
        jobs = []
        for start in found:
            job = self._run.jobs[start.index] if start.index < len(self._run.jobs) else None
            if job is None or job.index in self._seen.records:
                continue
            if job.state is State.QUEUED and job.attempt == start.attempt:
                status = self._seen.statuses.get(job.index)
                if status is None or status.restarts <= start.restarts:
                    jobs.append(job)
        self._run.record_started(jobs)

    @property
    def impatient(self) -> bool:
        """Whether a job's own word of its end waits for the system's."""
        return any(
            self._seen.waited(index) < PATIENCE and self._waits_for_the_system(job)
            for index in self._seen.records
            if not (job := self._run.jobs[index]).state.final
        )

    # -- verdicts

    def judge(self) -> None:
        """Conclude what the evidence allows; each verdict is on record before it is believed."""
        outcomes = list(self._outcomes(now()))
        if not outcomes:
            return
        # Another process may have seen the same end, and have run the job again or removed its
        # records. It wrote the journal before, so this is read after them.
        self.catch_up()
        outcomes = [one for one in outcomes if self._is_open(one)]
        if outcomes:
            self._conclude(outcomes)

    def _outcomes(self, at: Moment) -> Iterator[Outcome]:
        for job in self._suspects():
            verdict = judge(self._evidence(job, at)) or self._lost(job)
            if verdict:
                yield self._outcome(job, verdict)

    def _suspects(self) -> list[JobRecord]:
        """The jobs that may have ended."""
        indices = sorted({*self._seen.ended_at, *self._seen.missing})
        jobs = (self._run.jobs[index] for index in indices)
        return [job for job in jobs if job.native_id is not None and not job.state.final]

    def _evidence(self, job: JobRecord, at: Moment) -> Evidence:
        record = self._seen.records.get(job.index)
        if record and not record.conclusive and self._seen.exits.started_later(record):
            record = None  # whatever ended that run, it was not the last
        missing = job.index in self._seen.missing
        if record is None:  # a file system may be slow to show it, whether anybody can be asked
            waited = self._seen.ended_at.get(job.index, at).until(at)
        else:
            waited = self._seen.waited(job.index)
        return Evidence(
            record=record,
            status=self._said(job),
            terminated=job.terminated,
            checkpoint=self._run.submissions[job.submission].planned.checkpoint,
            started=job.index in self._seen.records or self._seen.started(job.index, job.attempt),
            restarted_uncounted=waited >= PATIENCE and self._has_begun_again(job, record),
            reruns=self._run.submission_of(job).limits.reruns,
            missing=missing,
            was_held=job.state is State.HELD,
            transferred=not missing and self._is_transferred(job),
            may_wait=waited < PATIENCE,
        )

    def _said(self, job: JobRecord) -> JobStatus | None:
        """The system's last word about a job."""
        status = self._seen.statuses.get(job.index)
        return status and own_word(self._run, self._seen, job, status)

    def _has_begun_again(self, job: JobRecord, record: ExitRecord | None) -> bool:
        """Whether it runs, as the system says as well, and the record is of a run before."""
        if record is None or record.conclusive or job.index in self._seen.missing:
            return False
        return job.state is State.RUNNING and self._seen.exits.restarted_uncounted(record)

    def _is_transferred(self, job: JobRecord) -> bool:
        """Whether the batch system moves the job's files."""
        return self._run.submission_of(job).transfer is Transfer.SYSTEM

    def _lost(self, job: JobRecord) -> Verdict | None:
        since, answered = self._seen.missing.get(job.index), self._seen.answered_at.get(job.index)
        if since is None or answered is None or since.until(answered) < self._lost_after:
            return None
        said = "never seen"
        if job.native_state:
            said = f"last seen as {job.native_state!r}"
        asked = (
            f"no exit record in {self._seen.exits.path}",
            f"{self._run.file.system} has not reported job {job.native_id} for "
            f"{self._lost_after:g} s ({said})",
        )
        if job.terminated:
            return Verdict(state=State.TERMINATED, reason=Reason.TERMINATED, evidence=asked)
        return Verdict(state=State.LOST, reason=Reason.LOST, evidence=asked)

    def _outcome(self, job: JobRecord, verdict: Verdict) -> Outcome:
        record, status = self._seen.records.get(job.index), self._said(job)
        known = facts_of(verdict, status)
        if record:
            own = facts_of_record(self._run, job, record, self._seen.exits, self._host)
            known = {**own, **known}
        known["message"] = (
            verdict.message or known.get("message") or where_to_read(self._run, verdict, self._host)
        )
        said = attrs.asdict(verdict, recurse=False, filter=lambda it, _: it.name != "message")
        return in_order(self._run.outcome(job, **{**known, **said}))

    def _conclude(self, outcomes: list[Outcome]) -> None:
        """Write verdicts, or plan another attempt for the jobs that get one."""
        again = [one for one in outcomes if to_be_retried(self._run, one)]
        if again:
            self._retry_alone(again)
        ended = [self._told_why(one) for one in outcomes if one not in again and self._is_open(one)]
        if ended:
            self._run.record_ended(ended)
        for outcome in ended:
            self._seen.forget(outcome.index)

    def _told_why(self, outcome: Outcome) -> Outcome:
        """An outcome that tells why its job is not run again, where it should be."""
        if not (why := why_no_more(self._run, outcome)):
            return outcome
        return attrs.evolve(outcome, message="; ".join(filter(None, (outcome.message, why))))

    def _retry_alone(self, outcomes: list[Outcome]) -> None:
        """Plan another attempt, unless another process is at it."""
        with self._right.held() as mine:
            if mine:
                self.catch_up()  # another process may have planned these already
                self._retry([one for one in outcomes if self._is_open(one)])

    def _is_open(self, outcome: Outcome) -> bool:
        """Whether the attempt that an outcome is of is still the last, and without a verdict."""
        job = self._run.jobs[outcome.index]
        return job.attempt == outcome.attempt and not job.state.final

    def _retry(self, outcomes: list[Outcome]) -> None:
        if outcomes and not self._right.claim_next(len(self._run.submissions)):
            return  # a process of another machine plans, which will be seen
        for planned in plan_retries(self._run, outcomes, self._host):
            again = set(planned.indices)
            self._run.record_retry(planned, [one for one in outcomes if one.index in again])
            count, attempt = planned.submission.count, planned.attempt + 1
            jobs = "1 job" if count == 1 else f"{count} jobs"
            most = self._run.jobs[planned.indices[0]].since + planned.retry.most + 1
            of = "" if planned.retry.rules else f" of {most}"
            self._on_notice(f"run {self._run.id}: retrying {jobs} (attempt {attempt}{of})")
        self._forget_restarted()
