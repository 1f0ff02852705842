"""`Run` and `JobView`: a submission's jobs, to be waited for, looked at and stopped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import AnybatchError, RunNotFound
from anybatch.model import JobId, Outcome, Reason, State
from anybatch.ranges import write_ranges
from anybatch.records import JobStatus
from anybatch.runs.state import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anybatch.runs.lease import Lease
    from anybatch.runs.state import JobRecord, RunState
    from anybatch.runs.submitter import Submitter
    from anybatch.session import Session


@attrs.frozen(kw_only=True)
class JobView:
    """A job as it is now: see `Outcome` for the attributes."""

    run: str
    index: int
    name: str
    id: JobId | None
    state: State
    reason: Reason | None
    exit_code: int | None
    signal: int | None
    native_state: str | None
    message: str | None
    host: str | None
    submitted: datetime | None
    started: datetime | None
    ended: datetime | None
    stdout: Path
    stderr: Path
    attempt: int


class Run:
    """What one submission made: 1..N jobs, numbered from 0. Made by a `Session`.

    Attributes:
        id: the run's id; `Session.attach` takes it.
        system: the batch system.
        folder: the run's folder.
        created: when it was submitted, in UTC.
    """

    def __init__(
        self, session: Session, state: RunState, submitter: Submitter, lease: Lease
    ) -> None:
        self.id = state.id
        self.system = state.file.system
        self.folder = state.folder
        self.created = state.file.created
        self._session = session
        self._state = state
        self._submitter = submitter
        self._lease = lease
        self._closed = False
        self._accounted = False

    def __repr__(self) -> str:
        return f"<Run {self.id} of {len(self)} jobs on {self.system}>"

    def __len__(self) -> int:
        return len(self._state.jobs)

    @property
    def finished(self) -> bool:
        """Whether every job has its verdict, as last seen."""
        return self._state.finished

    @property
    def unattended(self) -> bool:
        """Whether jobs wait to be submitted and no other process on this machine is at it."""
        return self._submitter.pending and self._submitter.may_submit()

    @property
    def counts(self) -> dict[State, int]:
        """How many jobs are in each state, as last seen."""
        counts = self._state.counts
        return {state: counts[state] for state in State if counts[state]}

    @property
    def jobs(self) -> list[JobView]:
        """All jobs in order of index, as last seen."""
        with self._session._lock:
            return [self._view(job) for job in self._state.jobs]

    @property
    def outcomes(self) -> list[Outcome | None]:
        """The verdicts in order of index; None where there is none yet."""
        return [job.outcome for job in self._state.jobs]

    def outcome(self, index: int) -> Outcome | None:
        """The verdict on a job, as last seen; None: none yet."""
        return self._state.jobs[index].outcome

    def _view(self, job: JobRecord) -> JobView:
        state = self._state
        stdout, stderr = state.logs(job)
        known = job.outcome or job.status
        submission = state.submissions[job.submission].planned.submission
        facts = {
            name: getattr(known, name, None)
            for name in ("reason", "exit_code", "signal", "host", "submitted", "started", "ended")
        }
        facts["submitted"] = facts["submitted"] or state.submitted_at(job)
        return JobView(
            run=self.id,
            index=job.index,
            name=submission.name,
            id=state.id_of(job),
            state=job.state,
            native_state=job.native_state,
            message=job.outcome.message if job.outcome else job.message,
            stdout=stdout,
            stderr=stderr,
            attempt=job.attempt,
            **facts,
        )

    def refresh(self) -> None:
        """Look once, now. Nothing is submitted; what cannot be reached changes nothing."""
        self._session.poll([self])

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Wait until all jobs have ended.

        Args:
            timeout: seconds; None: as long as it takes.

        Returns:
            The outcomes in order of index.

        Raises:
            TimeoutError: *timeout* has passed.
            FolderError: the run's journal cannot be written any more.
        """
        if not self._session.wait_until(lambda: self.finished, timeout):
            raise TimeoutError(f"run {self.id}: {self._state.unfinished} jobs have not ended")
        self._account()
        return [outcome for outcome in self.outcomes if outcome is not None]

    def as_completed(self, timeout: float | None = None) -> Iterator[Outcome]:
        """The outcomes as they come in.

        Raises:
            TimeoutError: *timeout* has passed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pending = list(range(len(self)))
        while pending:
            left = None if deadline is None else deadline - time.monotonic()
            ready = partial(self._any_ended, pending)
            if not self._session.wait_until(ready, left):
                raise TimeoutError(f"run {self.id}: {len(pending)} jobs have not ended")
            ended = [index for index in pending if self._state.jobs[index].outcome]
            pending = [index for index in pending if not self._state.jobs[index].outcome]
            for index in ended:
                outcome = self._state.jobs[index].outcome
                assert outcome is not None
                yield outcome

    def _any_ended(self, indices: Iterable[int]) -> bool:
        return any(self._state.jobs[index].outcome for index in indices)

    def terminate(self, indices: Iterable[int] | None = None, signal: str | None = None) -> int:
        """Stop jobs that have not ended, or send them a signal.

        Args:
            indices: which; default: all.
            signal: a name such as `USR1`; None: stop them.

        Returns:
            How many jobs were told.

        Raises:
            UsageError: the system cannot send that signal.
            CommandError: the system could not be asked.
        """
        session = self._session
        with session._lock:
            self._state.catch_up()
            wanted = range(len(self)) if indices is None else indices
            jobs = [self._state.jobs[i] for i in wanted if not self._state.jobs[i].state.final]
            if signal is None and jobs:
                self._note_terminate(jobs)
            native = [job.native_id for job in jobs if job.native_id]
            if native:
                session.plugins.call(
                    self.system,
                    "anybatch_terminate",
                    ids=native,
                    folders={self.folder: native},
                    signal=signal,
                    settings=session.settings.table(self.system),
                    host=session.host,
                )
            session._announce()
        return len(jobs) if signal is None else len(native)

    def _note_terminate(self, jobs: Sequence[JobRecord]) -> None:
        indices = write_ranges(job.index for job in jobs)
        self._state.record("terminate", durable=True, jobs=indices)
        self._state.record_ended(
            [
                self._state.outcome(
                    job,
                    State.TERMINATED,
                    Reason.TERMINATED,
                    evidence=("it was never submitted",),
                )
                for job in jobs
                if self._never_submitted(job)
            ]
        )

    def _never_submitted(self, job: JobRecord) -> bool:
        return self._state.submissions[job.submission].phase == Phase.WAITING

    def logs(self, index: int) -> tuple[Path, Path]:
        """The files of a job's output and errors.

        Raises:
            RunNotFound: the run has no such job.
        """
        if not 0 <= index < len(self):
            raise RunNotFound(f"run {self.id} has no job {index}, only 0 to {len(self) - 1}")
        return self._state.logs(self._state.jobs[index])

    # -- inside

    def _account(self) -> None:
        """Fill in what only accounting knows; once, and without it life goes on."""
        session = self._session
        with session._lock:
            jobs = {job.native_id: job for job in self._state.jobs if _lacks_use(job)}
            if self._accounted or not jobs:
                return
            self._accounted = True
            ids = [native for native in jobs if native]
            arguments = {
                "ids": ids,
                "folders": {self.folder: ids},
                "settings": session.settings.table(self.system),
                "host": session.host,
            }
            with contextlib.suppress(AnybatchError):
                found = session.plugins.call(self.system, "anybatch_account", **arguments)
                if not isinstance(found, Mapping):
                    return
                filled = [
                    _filled(job.outcome, found[native])
                    for native, job in jobs.items()
                    if isinstance(found.get(native), JobStatus)
                ]
                if filled:
                    self._state.record_ended(filled)

    def _close(self, *, ended: bool) -> None:
        self._closed = self._closed or ended
        self._lease.drop()


def _lacks_use(job: JobRecord) -> bool:
    outcome = job.outcome
    return outcome is not None and outcome.id is not None and outcome.cpu_time is None


def _filled(outcome: Outcome | None, status: JobStatus) -> Outcome:
    """*outcome* with the facts it lacks."""
    assert outcome is not None
    names = ("host", "started", "ended", "cpu_time", "max_memory")
    facts = {name: getattr(outcome, name) or getattr(status, name) for name in names}
    return attrs.evolve(outcome, **facts)
