"""The state of a run: the fold over its journal.

Nothing is changed but by `RunState.record`, which writes an event to the journal and then
applies it; so a process that comes later and reads the journal arrives at the same state.

    submitting  {s, until}          a submit command is about to run, for so long at most
    submitted   {s, ids}            the batch system has the jobs
    not_found   {s}                 the token was looked up: no jobs, it may be tried again
    refused     {s, reason, text}   the batch system or a dependency said no for good
    retry       {planned}           jobs that are run again, as a further submission
    state       {jobs, state, native_state, message}
    terminate   {jobs}              somebody asked for it
    ended       {outcomes}          the verdicts
"""

from __future__ import annotations

import enum
import time
from collections import Counter, defaultdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.model import Reason, State
from anybatch.outcome import JobId, Outcome
from anybatch.planning.plan import Planned
from anybatch.quoting import INDEX
from anybatch.ranges import by_index, read_ranges, write_ranges
from anybatch.records import Batch, JobStatus
from anybatch.runs.serialization import from_plain, to_plain
from anybatch.runs.store import plain_planned, read_planned
from anybatch.worker.layout import Pages, log_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from anybatch.runs.events import Event
    from anybatch.runs.journal import Journal
    from anybatch.runs.store import RunFile


@attrs.define
class JobRecord:
    """A job as the watcher sees it.

    Attributes:
        index: its number in the run.
        submission: number of the submission that it is in (the latest, after a retry).
        attempt: 0, or the number of the retry.
        native_id: the batch system's id; None before it is submitted; empty where the system has
            the job and nobody knows its id.
        state: the last known.
        native_state: the system's own word for it.
        message: what the system said beside it.
        submitted: when.
        outcome: the verdict.
        terminated: somebody asked for its end.
    """

    index: int
    submission: int = -1
    attempt: int = 0
    native_id: str | None = None
    state: State = State.NEW
    native_state: str | None = None
    message: str | None = None
    submitted: float | None = None
    outcome: Outcome | None = None
    terminated: bool = False


class Phase(str, enum.Enum):
    """How far a submission is."""

    WAITING = "waiting"  #: not tried yet
    SUBMITTING = "submitting"  #: announced; whether there are jobs is not known
    SUBMITTED = "submitted"
    REFUSED = "refused"


@attrs.define
class SubmissionState:
    """A submission as the submitter sees it.

    Attributes:
        planned: what it is.
        phase: how far it is.
        until: when an announced submit command has certainly ended; seconds since 1970.
        announced: when it was about to run.
    """

    planned: Planned
    phase: Phase = Phase.WAITING
    until: float = 0.0
    announced: float | None = None


class RunState:
    """A run and all that is known of it.

    Args:
        file: what was planned.
        journal: where events are written to and read from.
        restore_types: gives the settings of a retried submission their types back.
    """

    def __init__(
        self,
        file: RunFile,
        journal: Journal,
        restore_types: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        self.file = file
        self.jobs = [JobRecord(index) for index in range(file.count)]
        self.submissions: list[SubmissionState] = []
        self.counts: Counter[State] = Counter({State.NEW: file.count})
        self.unfinished = file.count
        self._changes: list[tuple[JobRecord, State, State]] = []
        self._restarted: set[int] = set()
        self.pages = Pages(file.count)
        self._journal = journal
        self._restore_types = restore_types
        self._stdout = by_index(file.stdout, file.count)
        self._stderr = by_index(file.stderr, file.count)
        self._labels = by_index(file.labels, file.count)
        for planned in file.submissions:
            self._add(planned)

    @property
    def id(self) -> str:
        """The run's id."""
        return self.file.run

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.file.folder

    @property
    def finished(self) -> bool:
        """Whether all jobs have their verdict."""
        return self.unfinished == 0

    def id_of(self, job: JobRecord) -> JobId | None:
        """The job's id."""
        return JobId(self.file.system, job.native_id) if job.native_id else None

    def retries(self, job: JobRecord) -> bool:
        """Whether another attempt may follow the one that is under way."""
        return job.attempt < self.submissions[job.submission].planned.retry.times

    def submitted_at(self, job: JobRecord) -> datetime | None:
        """When the job was handed to the batch system."""
        return datetime.fromtimestamp(job.submitted, timezone.utc) if job.submitted else None

    def labels(self, job: JobRecord) -> Mapping[str, str]:
        """The labels that the job was described with."""
        return self._labels[job.index] or {}

    def logs(self, job: JobRecord) -> tuple[Path, Path]:
        """Where the job's output and errors go (the latest attempt's), or have gone."""
        out, err = self._planned_logs(job)
        if job.outcome:
            out, err = job.outcome.stdout or out, job.outcome.stderr or err
        return out, err

    def _planned_logs(self, job: JobRecord) -> tuple[Path, Path]:
        names = (self._stdout[job.index], "out"), (self._stderr[job.index], "err")
        default = self.folder / log_folder(job.index, job.attempt)
        out, err = (
            Path(name.replace(INDEX, str(job.index))) if name else default / f"{job.index}.{ending}"
            for name, ending in names
        )
        return out, err

    def batches(self, jobs: Iterable[JobRecord]) -> list[Batch]:
        """Those of the jobs whose ids are known, by submission, as plugins are given them."""
        ids: dict[int, list[str]] = defaultdict(list)
        for job in jobs:
            if job.native_id:
                ids[job.submission].append(job.native_id)
        return [
            Batch(submission=self.submissions[number].planned.submission, ids=tuple(some))
            for number, some in ids.items()
        ]

    def take_changes(self) -> list[tuple[JobRecord, State, State]]:
        """The changes of state since the last call: job, old state, new state."""
        changes, self._changes = self._changes, []
        return changes

    def take_restarted(self) -> set[int]:
        """The jobs that are run again since the last call, by this or another process."""
        restarted, self._restarted = self._restarted, set()
        return restarted

    # -- events

    def record(self, kind: str, *, durable: bool = False, **fields: Any) -> None:
        """Write an event to the journal, then apply it.

        Raises:
            FolderError: the journal cannot be written; nothing has changed then.
        """
        event: Event = {"t": round(time.time(), 3), "e": kind, **fields}
        self._journal.append(event, durable=durable)
        self._apply(event)

    def catch_up(self) -> None:
        """Apply what other processes wrote to the journal.

        Raises:
            FolderError: it cannot be read, or makes no sense; at each call again.
        """
        for event in self._journal.read():
            try:
                self._apply(event)
            except Exception as error:  # it is about a job or submission that there is not
                raise self._journal.refuse(event, error) from error

    def _apply(self, event: Event) -> None:
        apply = getattr(self, f"_on_{event['e']}", None)
        if apply is not None:  # a later version may write more kinds
            apply(event)

    def _on_submitting(self, event: Event) -> None:
        one = self.submissions[event["s"]]
        if one.phase == Phase.WAITING:
            one.phase, one.until = Phase.SUBMITTING, event["until"]
            one.announced = event.get("t")

    def _on_not_found(self, event: Event) -> None:
        one = self.submissions[event["s"]]
        if one.phase == Phase.SUBMITTING:
            one.phase = Phase.WAITING

    def _on_submitted(self, event: Event) -> None:
        one = self.submissions[event["s"]]
        if one.phase == Phase.SUBMITTED:
            return
        one.phase = Phase.SUBMITTED
        for index, native in zip(one.planned.indices, event["ids"], strict=True):
            job = self.jobs[index]
            job.native_id, job.submitted = native, one.announced or event.get("t")
            self._move(job, State.QUEUED)

    def _on_refused(self, event: Event) -> None:
        self.submissions[event["s"]].phase = Phase.REFUSED

    def _on_retry(self, event: Event) -> None:
        planned = read_planned(event["planned"], self.file, self._restore_types)
        if planned.submission.number == len(self.submissions):
            self._add(planned)

    def _on_state(self, event: Event) -> None:
        for index in read_ranges(event["jobs"], below=len(self.jobs)):
            job = self.jobs[index]
            if job.state.final:
                continue  # another process had the verdict already
            job.native_state, job.message = event.get("native_state"), event.get("message")
            self._move(job, State(event["state"]))

    def _on_terminate(self, event: Event) -> None:
        for index in read_ranges(event["jobs"], below=len(self.jobs)):
            self.jobs[index].terminated = True

    def _on_ended(self, event: Event) -> None:
        for plain in event["outcomes"]:
            outcome = from_plain({**plain, "run": self.id}, Outcome)
            self._end(self.jobs[outcome.index], outcome)

    def _end(self, job: JobRecord, outcome: Outcome) -> None:
        job.outcome, job.native_state = outcome, outcome.native_state
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
        self.submissions.append(SubmissionState(planned))
        for index in planned.indices:
            job = self.jobs[index]
            job.submission, job.attempt = planned.submission.number, planned.attempt
            if planned.attempt:
                job.native_id, job.native_state, job.message, job.submitted = None, None, None, None
                job.terminated = False
                self._restarted.add(index)
                self._move(job, State.NEW)

    # -- events, as the watcher and the submitter write them

    def record_ended(self, outcomes: Sequence[Outcome]) -> None:
        """Write verdicts."""
        plain = [to_plain(outcome) for outcome in outcomes]
        for one in plain:
            one.pop("run")
        # On the disk, because exit records are removed that tell the same.
        self._journal.append({"e": "ended", "outcomes": plain}, durable=True)
        for outcome in outcomes:
            self._end(self.jobs[outcome.index], outcome)

    def record_states(self, jobs: Iterable[tuple[JobRecord, JobStatus]]) -> None:
        """Write what the batch system says of jobs that have not ended, where it is new."""
        groups: dict[tuple[State, str, str | None], list[int]] = {}
        for job, status in jobs:
            if (job.state, job.native_state, job.message) != (
                status.state,
                status.native_state,
                status.message,
            ):
                key = (status.state, status.native_state, status.message)
                groups.setdefault(key, []).append(job.index)
        for (state, native, message), indices in groups.items():
            ranges = write_ranges(sorted(indices))
            self.record(
                "state", jobs=ranges, state=state.value, native_state=native, message=message
            )

    def record_retry(self, planned: Planned) -> None:
        """Write that jobs are run again."""
        self.record("retry", durable=True, planned=plain_planned(planned))

    def outcome(self, job: JobRecord, state: State, reason: Reason | None, **facts: Any) -> Outcome:
        """A verdict on *job*, with what is known of it anyway filled in."""
        stdout, stderr = self.logs(job)
        known: dict[str, Any] = {
            "attempt": job.attempt,
            "submitted": self.submitted_at(job),
            "stdout": stdout,
            "stderr": stderr,
        }
        return Outcome(
            run=self.id,
            index=job.index,
            id=self.id_of(job),
            state=state,
            reason=reason,
            **{**known, **facts},
        )
