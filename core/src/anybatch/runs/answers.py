"""What a batch system's answers do to the jobs of one run, and what it does that there is none.

Nothing is asked here, and no verdict is concluded; every method is called with the engine's lock
held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.model import State
from anybatch.ranges import write_ranges
from anybatch.records import Unreachable
from anybatch.runs.members import own_word
from anybatch.runs.moments import moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anybatch.records import Batch, JobStatus
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.moments import Moment
    from anybatch.runs.observation import RunObservation
    from anybatch.runs.state import RunState

    #: A batch, and what was said of its jobs.
    Answer = tuple[Batch, Mapping[str, JobStatus | Unreachable]]


class Answers:
    """Takes the answers about one run.

    Args:
        run: its state.
        seen: what this process has seen of it.
        on_notice: told what somebody should know.
    """

    def __init__(
        self, run: RunState, seen: RunObservation, on_notice: Callable[[str], None]
    ) -> None:
        self._run = run
        self._seen = seen
        self._on_notice = on_notice

    def asked_about(self) -> list[Batch]:
        """The jobs that the batch system is asked about: it has them, and how they end is open."""
        return self._run.batches(self._active())

    def _active(self) -> Iterator[JobRecord]:
        jobs = self._run.jobs
        return (job for job in jobs if job.native_id is not None and not job.state.final)

    def note_none(self, asked: Moment) -> None:
        """Nobody could be asked at that moment."""
        self._note_away(list(self._active()), asked)

    def take(self, answers: Sequence[Answer], asked: Moment) -> None:
        """Take what the system said of batches that it was asked about at that moment."""
        said = {
            (batch.submission.number, native_id): answer.get(native_id)
            for batch, answer in answers
            for native_id in batch.ids
        }
        unreachable: list[tuple[JobRecord, Unreachable]] = []
        missing: list[JobRecord] = []
        known: list[tuple[JobRecord, JobStatus]] = []
        for job in self._active():
            key = (job.submission, job.native_id or "")
            if job.native_id and key not in said:
                continue  # it was not asked about
            status = said.get(key)  # of a job whose id got lost nobody can be asked
            if isinstance(status, Unreachable):
                unreachable.append((job, status))
                continue
            self._note_answer(job, asked)
            if status is None or (status.never_started and self._script_ran(job)):
                missing.append(job)
            else:
                known.append((job, status))
        self._note_unreachable(unreachable, asked)
        self._note_missing(missing, asked)
        self._note_known(known, asked)

    # -- what nothing is said of

    def _note_away(self, jobs: Sequence[JobRecord], asked: Moment) -> None:
        """Time does not count: what was missing has to be missed anew, and a witness may come."""
        self._seen.away.update(job.index for job in jobs)
        suspects = [job for job in jobs if job.sign or job.index in self._seen.ended_at]
        self._run.record_signs(suspects, "away", asked)
        for job in jobs:
            self._seen.missing.pop(job.index, None)

    def _note_unreachable(
        self, jobs: Sequence[tuple[JobRecord, Unreachable]], asked: Moment
    ) -> None:
        self._note_away([job for job, _ in jobs], asked)
        news: dict[str, list[int]] = {}
        for job, why in jobs:
            if self._seen.unreachable.get(job.index) != why.reason:
                self._seen.unreachable[job.index] = why.reason
                news.setdefault(why.reason, []).append(job.index)
        for reason, indices in news.items():
            which = f"{'job' if len(indices) == 1 else 'jobs'} {write_ranges(sorted(indices))}"
            self._on_notice(
                f"run {self._run.id}: nothing can be said of {which} from here; the last known "
                f"states are kept: {reason}"
            )

    # -- what was answered

    def _note_answer(self, job: JobRecord, asked: Moment) -> None:
        self._seen.answered_at[job.index] = asked
        self._seen.unreachable.pop(job.index, None)
        sign, at = job.sign or ("", asked)
        if sign == "back":
            self._seen.back_at.setdefault(job.index, at)
        if sign == "away" or job.index in self._seen.away:
            self._seen.away.discard(job.index)
            self._seen.back_at[job.index] = asked

    def _note_missing(self, jobs: Sequence[JobRecord], asked: Moment) -> None:
        self._run.record_signs(jobs, "missing", asked)
        for job in jobs:
            self._seen.missing[job.index] = job.sign[1] if job.sign else asked

    def _note_known(self, told: Sequence[tuple[JobRecord, JobStatus]], asked: Moment) -> None:
        self._seen.statuses.update({job.index: status for job, status in told})
        known = [(job, own_word(self._run, self._seen, job, status)) for job, status in told]
        current = [(job, status) for job, status in known if not status.state.final]
        ended = [(job, status) for job, status in known if status.state.final]
        unproved = [job for job, status in ended if not self._ends(job, status)]
        for job, _ in known:
            self._seen.missing.pop(job.index, None)
        for job, status in current:
            self._forget_end(job, status)
        self._run.record_signs(unproved, "ended", asked)
        for job in unproved:
            self._seen.ended_at[job.index] = job.sign[1] if job.sign else asked
        self._end_signs([job for job, _ in known], asked)
        self._seen.note_alive(job.index for job, _ in current)
        self._tell_of_holds([pair for pair in current if _newly_held(*pair)])
        self._run.record_states(current)

    def _end_signs(self, known: Sequence[JobRecord], asked: Moment) -> None:
        """Signs that are none any more; where nobody could be asked, time counts from now on."""
        none, back = [], []
        for job in known:
            sign = job.sign[0] if job.sign else ""
            waits = job.index in self._seen.ended_at
            if sign == "away" and waits:
                back.append(job)
            elif sign == "missing" or (sign and not waits):
                none.append(job)
        self._run.record_signs(back, "back", asked)
        self._run.record_signs(none, None, asked)

    def _ends(self, job: JobRecord, status: JobStatus) -> bool:
        """Note when a job has ended; whether that can be told without what was seen."""
        made = moment_of(status.ended, after=job.submitted)
        if made:
            self._seen.ended_at.setdefault(job.index, made)
        return job.index in self._seen.ended_at

    def _script_ran(self, job: JobRecord) -> bool:
        return self._seen.started(job.index, job.attempt)

    def _forget_end(self, job: JobRecord, status: JobStatus) -> None:
        """Drop signs of an end that was none: the system has begun the job anew, or errs."""
        record = self._seen.records.get(job.index)
        if record is None or status.restarts > record.restarts:
            self._seen.forget_end(job.index)

    def _tell_of_holds(self, held: list[tuple[JobRecord, JobStatus]]) -> None:
        """Somebody has to do something, and will not look for it."""
        if not held:
            return
        first, status = held[0]
        more = f", and {len(held) - 1} more" if len(held) > 1 else ""
        text = f"run {self._run.id}: job {first.index} is held{more}"
        self._on_notice(f"{text}: {status.message}" if status.message else text)


def _newly_held(job: JobRecord, status: JobStatus) -> bool:
    return status.state is State.HELD and job.state is not State.HELD
