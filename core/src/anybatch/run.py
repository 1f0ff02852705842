"""`Run`: a submission's jobs, to be waited for, looked at and stopped."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from anybatch import arguments
from anybatch.arguments import KEEP
from anybatch.errors import NotAccepted
from anybatch.planning.notify_request import read_request
from anybatch.runs import requests
from anybatch.runs.gate import change_limit
from anybatch.runs.known import KnownRun
from anybatch.runs.rerun import Rerun, Wanted, read_wanted
from anybatch.runs.stopping import Termination, check_reason, read_signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anybatch.model import State
    from anybatch.outcome import Outcome
    from anybatch.planning.plan import RunLimit
    from anybatch.runs.engine import Engine
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.watched import WatchedRun
    from anybatch.settings.layers import Settings


class Run(KnownRun):
    """What one submission made: 1..N jobs, numbered from 0. Made by a `Session`.

    Attributes:
        id: the run's id; `Session.attach` takes it.
        system: the batch system.
        folder: the run's folder.
        created: when it was submitted, in UTC.
        watched: what the session knows of it; not for programs.
    """

    def __init__(self, engine: Engine, watched: WatchedRun, settings: Settings) -> None:
        super().__init__(engine, watched)
        self._settings = settings

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

    def notify(self, targets: Iterable[str] | None = None, *, on: str | None = None) -> None:
        """Have somebody told how the run ended, beside those who are told anyway.

        Of a run that has ended they are told at once. Whom its end is on record to be told to, is
        not told again.

        Args:
            targets: whom, as in `Session.submit`; None: as the settings say.
            on: `end`, or `failure`: only if a job is not done.

        Raises:
            UsageError: a target is none, or cannot be told from here.
            FolderError: the run's folder cannot be written.
        """
        host = self._engine.host
        request, notes = read_request(self._settings, host, arguments.folder(None), targets, on)
        for note in notes:
            self._engine.on_notice(note)
        if request:
            requests.add(self.folder, request, host)
            self._engine.reopening.look_again(self.watched)
            self._engine.put_away([self.watched])

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


def _count(jobs: int) -> str:
    return "1 job has" if jobs == 1 else f"{jobs} jobs have"
