"""Watching one run: what exit records and the batch system's answers do to its jobs.

Nothing is asked here. The engine reads exit records and asks the batch system, and hands over
what it got; every method is called with the engine's lock held.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.model import Reason, State
from anybatch.records import Batch, JobStatus, Transfer
from anybatch.runs.retry import plan_retries, to_be_retried
from anybatch.runs.verdict import Evidence, Verdict, judge
from anybatch.worker.exit_records import ExitRecord, log_tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from anybatch.host import Host
    from anybatch.outcome import Outcome
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.observation import RunObservation
    from anybatch.runs.right import SubmitRight
    from anybatch.runs.state import RunState

PATIENCE = 10.0  #: seconds that a second witness of a job's end is waited for
#: What an outcome takes over from the system's last answer.
_FACTS = (
    *("message", "host", "submitted", "started", "ended", "cpu_time", "max_memory"),
    *("stdout", "stderr"),
)


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
        """Take exit records that were found; whether the batch system should be asked soon."""
        soon = [self._take_record(record) for record in found]
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
        self._seen.end_seen_at[record.index] = time.monotonic()
        self._seen.confirmed.discard(record.index)
        return not record.conclusive or self._is_transferred(job) or self._may_rerun(job)

    # -- the batch system

    def batches(self) -> list[Batch]:
        """The jobs that the batch system is asked about: it has them, and how they end is open."""
        self._seen.note_asked()
        return self._run.batches(self._active())

    def _active(self) -> Iterator[JobRecord]:
        jobs = self._run.jobs
        return (job for job in jobs if job.native_id is not None and not job.state.final)

    def take_answers(
        self, answered: Sequence[tuple[Batch, Mapping[str, JobStatus | None]]]
    ) -> None:
        """Take what the system said of batches that were asked about a moment ago."""
        answers = {
            (batch.submission.number, native_id): (native_id in answer, answer.get(native_id))
            for batch, answer in answered
            for native_id in batch.ids
        }
        now = time.monotonic()
        current = []
        for job in self._active():
            asked = job.native_id != ""  # one whose id got lost cannot be asked about
            known, status = answers.get((job.submission, job.native_id or ""), (asked, None))
            if status is None and known:
                continue  # nothing was said of it
            if status is None or status.state not in (State.QUEUED, State.HELD):
                self._seen.note_answered(job.index)
            if status is None or (status.never_started and self._script_ran(job)):
                self._seen.missing_since.setdefault(job.index, now)
                continue
            self._seen.statuses[job.index] = status
            self._seen.missing_since.pop(job.index, None)
            if status.state.final:
                self._seen.end_seen_at.setdefault(job.index, now)
            else:
                current.append((job, status))
                self._forget_older(job, status)
        self._seen.note_alive(job.index for job, _ in current)
        self._tell_of_holds([pair for pair in current if _newly_held(*pair)])
        self._run.record_states(current)

    def _tell_of_holds(self, held: list[tuple[JobRecord, JobStatus]]) -> None:
        """Somebody has to do something, and will not look for it."""
        if not held:
            return
        first, status = held[0]
        more = f", and {len(held) - 1} more" if len(held) > 1 else ""
        text = f"run {self._run.id}: job {first.index} is held{more}"
        self._on_notice(f"{text}: {status.message}" if status.message else text)

    def _forget_older(self, job: JobRecord, status: JobStatus) -> None:
        """Drop the record of a run of the job that the system has begun anew."""
        record = self._seen.records.get(job.index)
        if record and status.restarts > record.restarts:
            self._seen.forget_end(job.index)

    # -- verdicts

    def judge(self) -> None:
        """Conclude what the evidence allows; each verdict is on record before it is believed."""
        outcomes = list(self._outcomes(time.monotonic()))
        if not outcomes:
            return
        # Another process may have seen the same end, and have run the job again or removed its
        # records. It wrote the journal before, so this is read after them.
        self.catch_up()
        outcomes = [one for one in outcomes if self._is_open(one)]
        if outcomes:
            self._conclude(outcomes)

    def _outcomes(self, now: float) -> Iterator[Outcome]:
        for job in self._suspects():
            verdict = judge(self._evidence(job, now)) or self._lost(job, now)
            if verdict:
                yield self._outcome(job, verdict)

    def _suspects(self) -> list[JobRecord]:
        """The jobs that may have ended."""
        indices = sorted({*self._seen.end_seen_at, *self._seen.missing_since})
        jobs = (self._run.jobs[index] for index in indices)
        return [job for job in jobs if job.native_id is not None and not job.state.final]

    def _evidence(self, job: JobRecord, now: float) -> Evidence:
        record = self._seen.records.get(job.index)
        may_wait = now - self._seen.end_seen_at.get(job.index, now) < PATIENCE
        missing = job.index in self._seen.missing_since
        return Evidence(
            record=record,
            status=self._seen.statuses.get(job.index),
            terminated=job.terminated,
            started=record is not None or self._script_ran(job),
            restarted_uncounted=not may_wait and self._has_begun_again(job, record),
            transferred=not missing and self._is_transferred(job),
            unconfirmed=self._may_rerun(job) and job.index not in self._seen.confirmed,
            may_wait=may_wait,
        )

    def _has_begun_again(self, job: JobRecord, record: ExitRecord | None) -> bool:
        """Whether it runs, as the system says as well, and the record is of a run before."""
        if record is None or record.conclusive or job.index in self._seen.missing_since:
            return False
        return job.state is State.RUNNING and self._seen.exits.restarted_uncounted(record)

    def _script_ran(self, job: JobRecord) -> bool:
        return self._seen.started(job.index, job.attempt)

    def _is_transferred(self, job: JobRecord) -> bool:
        """Whether the batch system moves the job's files."""
        return self._run.submission_of(job).transfer is Transfer.SYSTEM

    def _may_rerun(self, job: JobRecord) -> bool:
        """Whether the system may run the job again though its script has ended."""
        return self._run.submission_of(job).limits.reruns

    def _lost(self, job: JobRecord, now: float) -> Verdict | None:
        since = self._seen.missing_since.get(job.index)
        if since is None or now - since < self._lost_after:
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
        said = attrs.asdict(verdict, recurse=False)
        if verdict.message is None:
            del said["message"]
        return self._run.outcome(job, **{**self._facts(job), **said})

    def _facts(self, job: JobRecord) -> dict[str, Any]:
        """Host, times, use, words and logs, from the system and the job's own records and log."""
        record, status = self._seen.records.get(job.index), self._seen.statuses.get(job.index)
        facts: dict[str, Any] = {}
        if status:
            facts = {name: getattr(status, name) for name in _FACTS}
            facts["native_state"] = status.native_state if status.state.final else None
            if not status.state.final:
                facts["message"] = None  # why it waited does not say why it ended
        if record:
            exits = self._seen.exits
            started = exits.start(record.index, record.attempt, record.restarts)
            host, at = started or (None, None)
            own: dict[str, Any] = {"host": host, "started": at, "ended": exits.ended(record)}
            if record.phase != "command" and record.caught is None:
                own["message"] = log_tail(self._run.logs(job)[1], self._host)
            facts.update({n: value for n, value in own.items() if not facts.get(n)})
            if own["ended"] and (begin := facts.get("started")) and begin > facts["ended"]:
                facts.update(started=at, ended=own["ended"])  # both of one clock
        return {name: value for name, value in facts.items() if value is not None}

    def _conclude(self, outcomes: list[Outcome]) -> None:
        """Write verdicts, or plan another attempt for the jobs that get one."""
        again = [one for one in outcomes if to_be_retried(self._run, one)]
        if again:
            self._retry_alone(again)
        ended = [one for one in outcomes if one not in again and self._is_open(one)]
        if ended:
            self._run.record_ended(ended)
        for outcome in ended:
            self._seen.forget(outcome.index)

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
        for planned in plan_retries(self._run, outcomes, self._host):
            self._run.record_retry(planned)
            count, attempt = planned.submission.count, planned.attempt + 1
            jobs = "1 job" if count == 1 else f"{count} jobs"
            most = planned.retry.times + 1
            self._on_notice(f"run {self._run.id}: retrying {jobs} (attempt {attempt} of {most})")
        self._forget_restarted()


def _newly_held(job: JobRecord, status: JobStatus) -> bool:
    return status.state is State.HELD and job.state is not State.HELD
