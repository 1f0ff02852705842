"""Handing a run's submissions to the batch system, each exactly once.

A submission's token is on record before its submit command runs. After a time-out, an error or
the death of a process the token is looked up, and only what is certainly not there is submitted
again. One process at a time submits for a run: the one that holds its lease.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import AnybatchError, FolderError, NotSubmitted, Rejected, UsageError
from anybatch.model import Reason, State
from anybatch.runs.entries import Phase
from anybatch.worker.exit_records import start_names
from anybatch.worker.layout import page_of_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch.host import Host, Lease
    from anybatch.outcome import Outcome
    from anybatch.planning.plan import Wait
    from anybatch.plugins.calls import Hooks
    from anybatch.records import Batch, Submission
    from anybatch.runs.entries import JobRecord, SubmissionState
    from anybatch.runs.state import RunState

#: Pauses before a submit command that failed is tried again; then it is left for later.
PAUSES = (1.0, 3.0, 9.0)
#: Seconds between the two look-ups after which a submission is certainly not there, where the
#: system names no longer time.
SETTLE = 4.0


class Submitter:
    """Submits for one run. No plugin is called while *mutex* is held.

    Args:
        run: its state.
        lease: the right to submit.
        mutex: is held where the state is read or changed.
        timeout: how long a submit command may take, in seconds.
        find_run: gives the state of another run, for jobs that run after it.
        on_notice: told about what goes wrong and is tried again.
    """

    def __init__(
        self,
        run: RunState,
        lease: Lease,
        *,
        mutex: threading.RLock,
        hooks: Hooks,
        host: Host,
        timeout: float,
        find_run: Callable[[str], RunState],
        on_notice: Callable[[str], None],
    ) -> None:
        self._run = run
        self._lease = lease
        self._mutex = mutex
        self._hooks = hooks
        self._host = host
        self._timeout = timeout
        self._find_run = find_run
        self._on_notice = on_notice
        self._stepping = threading.Lock()
        self._failures = 0
        self._not_before = 0.0
        self._not_found_since: dict[int, float] = {}

    @property
    def pending(self) -> bool:
        """Whether anything is left to be submitted or looked up."""
        return any(self._open())

    @property
    def due(self) -> bool:
        """Whether a step may do something now."""
        return time.monotonic() >= self._not_before and self.pending

    def may_submit(self) -> bool:
        """Whether this process is the one that submits for the run."""
        return self._lease.take()

    def step(self, *, submit: bool = True) -> None:
        """Submit all that is due now, if this process may; one thread at a time does.

        Errors of the batch system are told to the user and tried again at a later step.

        Args:
            submit: False: submissions that were announced are looked up, nothing is submitted.

        Raises:
            FolderError: the run's folder cannot be written any more.
        """
        if not self._stepping.acquire(blocking=False):
            return
        try:
            self._step(submit=submit)
        finally:
            self._stepping.release()

    def _step(self, *, submit: bool) -> None:
        with self._mutex:
            if not self.due or not self._lease.take():
                return
            self._run.catch_up()
            open_ones = list(self._open())
        for one in open_ones:
            try:
                if one.phase is Phase.SUBMITTING and not self._looked_up(one):
                    continue
                if submit:
                    self._advance(one)
            except FolderError:
                raise
            except AnybatchError as error:
                self._failed(error)
                return
        self._failures = 0

    def _failed(self, error: AnybatchError) -> None:
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        self._not_before = time.monotonic() + pause
        self._on_notice(f"submission failed, retrying in {pause:g} s: {error}")

    def _open(self) -> Iterator[SubmissionState]:
        return (
            one
            for one in self._run.submissions
            if one.phase in (Phase.WAITING, Phase.SUBMITTING) and not self._is_over(one)
        )

    def _is_over(self, one: SubmissionState) -> bool:
        """Whether its jobs have their verdict already (terminated before they were submitted)."""
        return all(self._run.jobs[index].state.final for index in one.planned.indices)

    def _advance(self, one: SubmissionState) -> None:
        with self._mutex:
            jobs = [self._run.jobs[index] for index in one.planned.indices]
            if all(job.terminated or job.state.final for job in jobs):
                text = "terminated before it was submitted"
                self._refuse(one, Reason.TERMINATED, text, State.TERMINATED)
                return
        verdict = self._ready(one)
        if isinstance(verdict, str):
            with self._mutex:
                self._refuse(one, Reason.DEPENDENCY, verdict, State.TERMINATED)
        elif verdict is not None:
            self._submit(one, verdict)

    # -- exactly once

    def _looked_up(self, one: SubmissionState) -> bool:
        """Look for jobs of an announced submission; whether it may be submitted (again)."""
        submission = one.planned.submission
        ids = self._hooks.find(self._run.file.system, submission)
        if ids:
            self._submitted(one, ids)
            return False
        if self._run.file.host != self._host.name and time.time() < one.until:
            return False  # a submit command may still run over there
        if not self._settled(one):
            return False
        if self._left_records(one):
            self._submitted(one, [""] * submission.count)
            return False
        with self._mutex:
            self._run.record("not_found", durable=True, s=submission.number)
        return True

    def _settled(self, one: SubmissionState) -> bool:
        """Whether it was not found for as long as its request may be on its way.

        A command may have given up on a busy system that still has its request in a queue.
        """
        now = time.monotonic()
        submission = one.planned.submission
        settle = max(SETTLE, submission.limits.late_arrival.total_seconds())
        first = self._not_found_since.setdefault(submission.number, now)
        left = first + settle - now
        if left > 0:
            self._not_before = now + min(left, max(SETTLE, settle / 4))
            return False
        del self._not_found_since[submission.number]
        return True

    def _left_records(self, one: SubmissionState) -> bool:
        """Whether a job of it has run: then it was submitted, though nobody knows its ids."""
        starts = self._run.folder / "start"
        pages = dict.fromkeys(page_of_job(index) for index in one.planned.indices)
        names = [name for page in pages for name in start_names(self._host, starts / str(page))]
        keys = {f"{index}.{one.planned.attempt}" for index in one.planned.indices}
        return any(".".join(name.split(".", 2)[:2]) in keys for name in names)

    def _submit(self, one: SubmissionState, after: tuple[str, ...]) -> None:
        submission = attrs.evolve(one.planned.submission, after=after)
        try:
            self._submitted(one, self._hand_over(submission))
        except NotSubmitted:
            with self._mutex:
                self._run.record("not_found", durable=True, s=submission.number)
            raise
        except (Rejected, UsageError) as error:
            with self._mutex:
                self._refuse(one, Reason.REJECTED, str(error), State.FAILED)

    def _hand_over(self, submission: Submission) -> list[str]:
        """Write what the plugin renders, announce it, and run the submit command."""
        system = self._run.file.system
        rendered = self._hooks.render(system, submission)
        for file in rendered.files:
            self._host.write(file.path, file.text, file.mode)
        limit = timedelta(seconds=self._timeout) + rendered.extra_timeout
        rendered = attrs.evolve(rendered, command=attrs.evolve(rendered.command, timeout=limit))
        until = time.time() + limit.total_seconds() + 60
        with self._mutex:
            self._run.record("submitting", durable=True, s=submission.number, until=until)
        return self._hooks.submit(system, submission, rendered, self._lease.inherited())

    def _submitted(self, one: SubmissionState, ids: list[str]) -> None:
        number = one.planned.submission.number
        with self._mutex:
            self._run.record("submitted", durable=True, s=number, ids=ids)
            # Whoever asked for their end meanwhile may be another process.
            self._run.catch_up()
            jobs = (self._run.jobs[index] for index in one.planned.indices)
            unwanted = self._run.batches(job for job in jobs if job.terminated)
        if unwanted:
            self._stop(unwanted)

    def _stop(self, batches: list[Batch]) -> None:
        """Stop the jobs whose end somebody asked for before their ids were known."""
        ids = ", ".join(native_id for batch in batches for native_id in batch.ids)
        try:
            self._hooks.terminate(self._run.file.system, batches, None)
        except AnybatchError as error:
            self._on_notice(f"run {self._run.id}: cannot stop jobs {ids}: {error}")

    def _refuse(self, one: SubmissionState, reason: Reason, text: str, state: State) -> None:
        number = one.planned.submission.number
        self._run.record("refused", durable=True, s=number, reason=reason.value, text=text)
        self._run.record_ended(list(self._refused(one, reason, text, state)))

    def _refused(
        self, one: SubmissionState, reason: Reason, text: str, state: State
    ) -> Iterator[Outcome]:
        for index in one.planned.indices:
            job = self._run.jobs[index]
            if not job.state.final:
                yield self._run.outcome(job, state, reason, message=text)

    # -- after

    def _ready(self, one: SubmissionState) -> tuple[str, ...] | str | None:
        """The native ids it has to wait for; None: not yet; a text: never, and why."""
        natives: list[str] = []
        for wait in one.planned.waits:
            answer = self._waited(one, wait)
            if isinstance(answer, str):
                return answer
            if answer is None:
                return None
            natives += answer
        native = one.planned.submission.limits.dependencies
        return tuple(natives) if native or not natives else None

    def _waited(self, one: SubmissionState, wait: Wait) -> list[str] | str | None:
        name, index = wait
        run = self._run if name == self._run.id else self._find_run(name)
        with self._mutex:
            return self._judged(one, run, index)

    def _judged(
        self, one: SubmissionState, run: RunState, index: int | None
    ) -> list[str] | str | None:
        """The native ids to wait for in a run; None: not yet; a text: never, and why."""
        jobs = run.jobs if index is None else [run.jobs[index]]
        natives: list[str] = []
        for job in jobs:
            if job.state is State.DONE:
                continue
            if job.state.final:
                return f"dependency {run.id}:{job.index} is {job.state.value}"
            if not job.native_id or run.retries(job) or not self._knows(one, run, job):
                return None  # the system knows nothing of our next attempt
            natives.append(job.native_id)
        return natives

    def _knows(self, one: SubmissionState, run: RunState, job: JobRecord) -> bool:
        """Whether a submission goes where a job is: the same system, and the same cluster of it."""
        there = run.submissions[job.submission].planned.submission.limits.render_context
        here = one.planned.submission.limits.render_context
        return run.file.system == self._run.file.system and there == here
