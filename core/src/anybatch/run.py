"""`Run` and `JobView`: a submission's jobs, to be waited for, looked at and stopped."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from anybatch import arguments
from anybatch.arguments import KEEP
from anybatch.errors import NotAccepted, RunNotFound, shown
from anybatch.model import State
from anybatch.runs.gate import change_limit
from anybatch.runs.rerun import Rerun, Wanted, read_wanted
from anybatch.runs.stopping import Termination, check_reason, read_signal
from anybatch.runs.views import view_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from anybatch.model import Job
    from anybatch.outcome import JobView, Outcome
    from anybatch.planning.plan import RunLimit
    from anybatch.records import Submission
    from anybatch.runs.engine import Engine
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.watched import WatchedRun
    from anybatch.settings.layers import Settings


class Run:
    """What one submission made: 1..N jobs, numbered from 0. Made by a `Session`.

    Attributes:
        id: the run's id; `Session.attach` takes it.
        system: the batch system.
        folder: the run's folder.
        created: when it was submitted, in UTC.
        watched: what the session knows of it; not for programs.
    """

    def __init__(self, engine: Engine, watched: WatchedRun, settings: Settings) -> None:
        file = watched.state.file
        self.id, self.system = file.run, file.system
        self.folder, self.created = file.folder, file.created
        self.watched = watched
        self._engine = engine
        self._settings = settings

    @property
    def name(self) -> str:
        """The name of the first job, by which the run can be found."""
        with self._engine.mutex:
            state = self.watched.state
            return state.submission_of(state.jobs[0]).name

    @property
    def cluster(self) -> str | None:
        """The cluster that the jobs were planned for, where the system has told its name."""
        planned = self.watched.state.submissions[0].planned.submission
        return planned.limits.render_context.get("cluster")

    def __repr__(self) -> str:
        return (
            f"<Run {self.id}: {len(self)} {'job' if len(self) == 1 else 'jobs'} on {self.system}>"
        )

    def __len__(self) -> int:
        return self.watched.state.file.count

    @property
    def finished(self) -> bool:
        """Whether every job has its verdict, as last seen."""
        return self.watched.state.finished

    def has_label(self, label: str) -> bool:
        """Whether any job has the label: `NAME=VALUE`, or `NAME` for any value."""
        arguments.must_be(str, label, "label", "a text, NAME or NAME=VALUE")
        name, equals, value = label.partition("=")
        tables = (table for _, table in self.watched.state.file.labels)
        return any(name in table and (not equals or table[name] == value) for table in tables)

    @property
    def broken(self) -> Exception | None:
        """Why it cannot be watched any more: its folder is gone, its disk is full; None: it can."""
        return self.watched.broken

    @property
    def unattended(self) -> bool:
        """Whether jobs wait to be submitted and no other process on this machine is at it."""
        return self.watched.submitter.pending and not self.watched.right.attended

    @property
    def counts(self) -> dict[State, int]:
        """How many jobs are in each state, as last seen."""
        counts = self.watched.state.counts
        return {state: counts[state] for state in State if counts[state]}

    @property
    def jobs(self) -> list[JobView]:
        """All jobs in order of index, as last seen."""
        with self._engine.mutex:
            return [view_of(self.watched, job) for job in self.watched.state.jobs]

    @property
    def submissions(self) -> list[Submission]:
        """What was, or will be, handed to the batch system, as its plugin sees it."""
        with self._engine.mutex:
            return [one.planned.submission for one in self.watched.state.submissions]

    @property
    def outcomes(self) -> list[Outcome | None]:
        """The verdicts in order of index; None where there is none yet."""
        return [job.outcome for job in self.watched.state.jobs]

    def outcome(self, index: int) -> Outcome | None:
        """The verdict on a job, as last seen; None: none yet.

        Raises:
            RunNotFound: the run has no such job.
        """
        return self._job(index).outcome

    def _job(self, index: int) -> JobRecord:
        arguments.whole_number(index, "a job's index")
        if not 0 <= index < len(self):
            has = "only job 0" if len(self) == 1 else f"jobs 0 to {len(self) - 1}"
            raise RunNotFound(f"run {self.id} has no job {shown(index)}; it has {has}")
        return self.watched.state.jobs[index]

    def description(self, index: int) -> Job:
        """A job as it was described, with templates as they were; what it waits for by name.

        Raises:
            RunNotFound: the run has no such job.
            FolderError: its description cannot be read, or there is none.
        """
        return self.watched.state.description(self._job(index))

    def refresh(self) -> None:
        """Look once, now. Nothing is submitted; what cannot be reached changes nothing."""
        self._engine.reopening.look_again(self.watched)
        self._engine.step({self.system}, force=True, submit=False)

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Wait until all jobs have ended.

        Args:
            timeout: seconds; None: as long as it takes.

        Returns:
            The outcomes in order of index.

        Raises:
            TimeoutError: *timeout* has passed.
            FolderError: the run's journal cannot be written any more.
            UsageError: *timeout* is no number.
        """
        timeout = arguments.seconds(timeout)
        if not self._engine.wait_until(lambda: self.finished, timeout, [self.watched]):
            raise TimeoutError(f"run {self.id}: {_count(self.watched.state.unfinished)} not ended")
        self._engine.account(self.watched)
        self._engine.observers.flush()
        return [outcome for outcome in self.outcomes if outcome is not None]

    def as_completed(self, timeout: float | None = None) -> Iterator[Outcome]:
        """The outcomes as they come in.

        Raises:
            TimeoutError: *timeout* has passed.
            FolderError: the run's journal cannot be written any more.
            UsageError: *timeout* is no number.
        """
        return self._completed(arguments.seconds(timeout))

    def _completed(self, timeout: float | None) -> Iterator[Outcome]:
        deadline = None if timeout is None else time.monotonic() + timeout
        pending = list(range(len(self)))
        while pending:
            left = None if deadline is None else deadline - time.monotonic()
            ready = partial(self._any_ended, pending)
            if not self._engine.wait_until(ready, left, [self.watched]):
                raise TimeoutError(f"run {self.id}: {_count(len(pending))} not ended")
            ended = [index for index in pending if self.outcome(index)]
            pending = [index for index in pending if not self.outcome(index)]
            for index in ended:
                outcome = self.outcome(index)
                assert outcome is not None
                yield outcome
        self._engine.tell(self.watched)

    def _any_ended(self, indices: Iterable[int]) -> bool:
        return any(self.outcome(index) for index in indices)

    def terminate(
        self,
        indices: Iterable[int] | None = None,
        signal: str | None = None,
        *,
        reason: str | None = None,
    ) -> int:
        """Stop jobs that have not ended, or send them a signal.

        Args:
            indices: which; default: all.
            signal: a name such as `USR1` or `SIGUSR1`; None: stop them.
            reason: why they are stopped, in a line; it becomes the message of their outcomes.

        Returns:
            How many jobs were told. Those count that are stopped when they are found: of which it
            is not known after some seconds whether they were submitted.

        Raises:
            RunNotFound: the run has no such job.
            UsageError: there is no such signal, or the system cannot send it.
            CommandError: the system could not be asked.
            NotAccepted: the system did not accept it for some, or cannot be told of them from
                here; the others were told.
        """
        came = self.try_to_terminate(indices, signal, reason=reason)
        if left := (*came.refused, *came.unreached):
            raise NotAccepted(f"run {self.id}: {'; '.join(left)}")
        return came.accepted + came.ended + came.pending + len(came.in_doubt)

    def try_to_terminate(
        self,
        indices: Iterable[int] | None = None,
        signal: str | None = None,
        *,
        reason: str | None = None,
    ) -> Termination:
        """As `terminate`, but tells what came of it, and why the system refused.

        Raises:
            RunNotFound, UsageError, CommandError: as for `terminate`.
        """
        name = None if signal is None else read_signal(signal)
        check_reason(reason, signal)
        jobs = [job.index for job in self._jobs(indices)]
        return self._engine.terminate(self.watched, jobs, name, reason)

    def _jobs(self, indices: Iterable[int] | None) -> list[JobRecord]:
        given = range(len(self)) if indices is None else arguments.numbers(indices, "indices")
        return [self._job(index) for index in given]

    def rerun(
        self,
        indices: Iterable[int] | None = None,
        *,
        states: Iterable[State | str] | None = None,
        resources: Mapping[str, Any] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        urgency: int | None = None,
    ) -> int:
        """Run jobs again that have ended: a further attempt, with the same index and files.

        Args:
            indices: which; default: all.
            states: only those in one of these states; default: failed and terminated, which
                jobs are too that never ran because of another. Of `indices`, any.
            resources: what they need instead: fields of `Resources` (`{"memory": "4 GiB"}`).
            settings: of the batch system, that are different (`{"slurm": {"qos": "long"}}`).
            urgency: how urgent they are instead; None: as before.

        Returns:
            How many jobs are run again. Which are left out, and why, is told by notices.

        Raises:
            RunNotFound: the run has no such job, or was removed.
            UsageError: what is wanted cannot be; nothing was submitted.
            AnybatchError: the run or its batch system cannot be asked; nothing was submitted.
        """
        changes: dict[str, Any] = {"resources": resources, "settings": settings}
        wanted = self._wanted(indices, states=states, urgency=urgency, **changes)
        made = self._engine.rerun(self.watched, wanted)
        for note in made.notes:
            self._engine.on_notice(f"run {self.id}: {note}")
        return made.count

    def plan_rerun(
        self,
        indices: Iterable[int] | None = None,
        *,
        states: Iterable[State | str] | None = None,
        resources: Mapping[str, Any] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        urgency: int | None = None,
    ) -> Rerun:
        """What `rerun` would submit; nothing is written.

        Raises:
            RunNotFound, UsageError, AnybatchError: as for `rerun`.
        """
        changes: dict[str, Any] = {"resources": resources, "settings": settings}
        wanted = self._wanted(indices, states=states, urgency=urgency, **changes)
        return self._engine.rerun(self.watched, wanted, dry=True)

    def _wanted(self, indices: Iterable[int] | None, **changes: Any) -> Wanted:
        named = None if indices is None else {job.index for job in self._jobs(indices)}
        return read_wanted(self.system, self._settings, named, **changes)

    def attempts(self, index: int) -> list[Outcome]:
        """The verdicts on a job's attempts that have ended, oldest first, each with its logs.

        Raises:
            RunNotFound: the run has no such job.
        """
        return self._job(index).attempts

    def limit(self, *, max_running: int | None = KEEP, max_queued: int | None = KEEP) -> RunLimit:
        """Change how many jobs of the run there may be at once. What runs already runs on.

        Args:
            max_running: most jobs that run; None: as many as the batch system runs. Default: as
                before.
            max_queued: most jobs that wait in the batch system; likewise.

        Returns:
            What holds from now on.

        Raises:
            UsageError: not a number, or less than 1.
            FolderError: the run's journal cannot be written.
        """
        changed = arguments.changed(max_running=max_running, max_queued=max_queued)
        with self._engine.mutex:
            limit = change_limit(self.watched.state, changed)
        if changed:
            self._engine.hand_over(self.watched, force=True)
        return limit

    def logs(self, index: int) -> tuple[Path, Path]:
        """The files of a job's output and errors.

        Raises:
            RunNotFound: the run has no such job.
        """
        return self.watched.state.logs(self._job(index))


def _count(jobs: int) -> str:
    return "1 job has" if jobs == 1 else f"{jobs} jobs have"
