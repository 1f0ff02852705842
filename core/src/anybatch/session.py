"""`Session` and `Run`: the library's front door."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anybatch import store
from anybatch.detection import choose
from anybatch.errors import AnybatchError, FolderError, JobError, RunNotFound, UnknownSystem
from anybatch.journal import Journal
from anybatch.lease import Lease
from anybatch.localhost import LocalHost
from anybatch.model import Job, JobId, Outcome, Reason, State
from anybatch.planning import Plan, Planner, Wait
from anybatch.plugins import Plugins, load_plugins
from anybatch.records import JobStatus, Limits
from anybatch.runstate import Phase, RunState, Tracked
from anybatch.settings import check, load_settings, project_file
from anybatch.submitter import Submitter
from anybatch.text import write_ranges
from anybatch.watcher import TICK, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from anybatch.host import Host
    from anybatch.settings import Settings


class Session:
    """Submits jobs to a batch system, and knows this user's runs on every one.

    Args:
        system: a batch system's name, or `auto` for the best that is here.
        settings: the call's own settings: `{"slurm": {"partition": "long"}}`.
        folder: where relative paths and the search for `anybatch.toml` start; default: the
            current folder.
        host: stands in for this machine.
        plugins: stand in for those that are installed.
        say: called with each notice ("cannot reach slurm ..."); default: they are dropped.

    Raises:
        UsageError: an unknown system or setting.

    A session watches its runs in a thread of its own from the first wait on; leaving it as a
    context manager stops watching and leaves the jobs alone.
    """

    def __init__(
        self,
        system: str | None = None,
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        folder: Path | str | None = None,
        host: Host | None = None,
        plugins: Plugins | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.host: Host = host or LocalHost()
        self.folder = Path(folder or Path.cwd()).absolute()
        disabled = self.host.environ.get("ANYBATCH_DISABLED_PLUGINS", "")
        self.plugins = plugins or load_plugins(name.strip() for name in disabled.split(","))
        layers = load_settings(self.plugins, self.host.environ, self.folder)
        self.settings: Settings = layers.with_layer("call", settings or {})
        self.say = say or (lambda text: None)
        self._name = system or str(self.settings.core("system"))
        self._system: str | None = None
        self._index = store.Index()
        self._watchers: dict[str, Watcher] = {}
        self._runs: dict[str, Run] = {}
        self._limits: dict[str, Limits] = {}
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._broken: BaseException | None = None

    @property
    def system(self) -> str:
        """The batch system in use; `auto` is decided at the first look.

        Raises:
            UnknownSystem: there is none of that name, or none at all.
        """
        if self._system is None:
            self._system = choose(self._name, self.plugins, self.settings, self.host)
        return self._system

    # -- submitting

    def plan(self, jobs: Job | Iterable[Job]) -> Plan:
        """What `submit` would do, as text; nothing is written.

        Raises:
            UsageError: a job or setting that cannot be.
        """
        listed = [jobs] if isinstance(jobs, Job) else list(jobs)
        planner = Planner(
            self.system,
            plugins=self.plugins,
            settings=self.settings,
            host=self.host,
            base=self.folder,
            limits=self._limits_of(self.system),
        )
        return planner.plan(listed, self.runs_folder, self._waits(listed))

    def submit(self, jobs: Job | Iterable[Job]) -> Run:
        """Submit one job or many as one run.

        Returns at once: with the ids of the batch system where it took the jobs, and where it
        cannot be reached with a run that is submitted as soon as it can.

        Raises:
            UsageError: a job or setting that cannot be; nothing was submitted.
            FolderError: the run's folder or the index cannot be written; nothing was submitted.
        """
        plan = self.plan(jobs)
        for note in plan.notes:
            self.say(note)
        file = store.create(plan, self.host)
        self._index.add(file.run, file.folder)
        with self._lock:
            run = self._open(file)
            run._submitter.step()
        return run

    def _limits_of(self, system: str) -> Limits:
        if system not in self._limits:
            table = self.settings.table(system)
            answer = self.plugins.call(system, "anybatch_limits", host=self.host, settings=table)
            if answer is not None and not isinstance(answer, Limits):
                raise self.plugins.fault(system, f"anybatch_limits answered {answer!r:.100}")
            self._limits[system] = answer or Limits()
        return self._limits[system]

    @property
    def runs_folder(self) -> Path:
        """Where the folders of new runs go."""
        if named := self.settings.core("runs_dir"):
            return Path(os.path.normpath(self.folder / named))
        project = project_file(self.folder)
        return (project.parent if project else self.folder) / ".anybatch" / "runs"

    def _waits(self, jobs: Sequence[Job]) -> list[list[Wait]]:
        numbers = {id(job): index for index, job in enumerate(jobs)}
        return [[self._wait(item, numbers) for item in job.after] for job in jobs]

    def _wait(self, item: Job | Run | str, numbers: Mapping[int, int]) -> Wait:
        if isinstance(item, Job):
            if id(item) not in numbers:
                raise JobError(
                    "`after` names a job that is not part of this submission; "
                    "for one that was submitted before, name its run"
                )
            return ("", numbers[id(item)])
        if isinstance(item, Run):
            return (item.id, None)
        run, index = self.find(item)
        return (run.id, index)

    # -- coming back

    def attach(self, name: str) -> Run:
        """A run that was submitted before, by this or any other process.

        Args:
            name: its id, or a part of it that only one run has.

        Raises:
            RunNotFound: none or several have it.
            FolderError: its folder cannot be read.
        """
        with self._lock:
            if name in self._runs:
                return self._runs[name]
            file = store.read(self._index.folder(name), self.host, self._fit)
            return self._runs.get(file.run) or self._open(file)

    def find(self, name: str) -> tuple[Run, int | None]:
        """`RUN:3` as run and index, `RUN` as run and None.

        Raises:
            RunNotFound: there is no such run, or no such job of it.
            FolderError: the run's folder cannot be read.
        """
        name, index = split_job_name(name)
        run = self.attach(name)
        if index is not None:
            run.logs(index)
        return run, index

    def runs(self) -> list[Run]:
        """This user's runs that may still change, oldest first; what hinders one is said."""
        found = []
        for name in self._index.active():
            try:
                found.append(self.attach(name))
            except (FolderError, UnknownSystem) as error:
                if not self._index.folder(name).exists():
                    self._index.forget(name)
                else:
                    self.say(f"run {name}: {error}")
        return found

    def _open(self, file: store.RunFile) -> Run:
        """A run's state read from its journal, and watched. Call with the lock held."""

        def fit(values: Mapping[str, Any]) -> Mapping[str, Any]:
            return self._fit(file.system, values)

        state = RunState(file, Journal(file.folder, _writer(self.host)), fit)
        state.catch_up()
        lease = Lease(file.run)
        submitter = Submitter(
            state,
            lease,
            plugins=self.plugins,
            host=self.host,
            timeout=self.settings.core("submit_timeout").total_seconds(),
            find_run=lambda name: self.attach(name)._state,
            say=self.say,
        )
        run = Run(self, state, submitter, lease)
        self._watcher(file.system).watch(state, submitter)
        self._runs[file.run] = run
        return run

    def _fit(self, system: str, values: Mapping[str, Any]) -> dict[str, Any]:
        known = self.settings.declared.get(system, {})
        fitted = {
            name: check(system, known[name], value, "run")
            for name, value in values.items()
            if name in known and value is not None
        }
        return {**dict.fromkeys(known), **fitted}

    def _watcher(self, system: str) -> Watcher:
        if system not in self._watchers:
            self.plugins.system(system)
            self._watchers[system] = Watcher(
                system,
                plugins=self.plugins,
                settings=self.settings.table(system),
                host=self.host,
                interval=self.settings.core("poll_interval").total_seconds(),
                lost_after=self.settings.core("lost_after").total_seconds(),
                say=self.say,
            )
        return self._watchers[system]

    # -- watching

    def look(self, runs: Iterable[Run] | None = None) -> None:
        """Look once, now: exit records and the batch systems. Nothing is submitted.

        Args:
            runs: whose systems are asked; default: all.
        """
        systems = None if runs is None else {run.system for run in runs}
        with self._lock:
            for name, watcher in self._watchers.items():
                if systems is None or name in systems:
                    watcher.step(force=True, submit=False)
            self._announce()

    def watch(self) -> None:
        """Begin to watch in the background, if that has not begun."""
        with self._lock:
            if self._thread is None:
                self._closing.clear()
                self._thread = threading.Thread(
                    target=self._watch, name="anybatch-watcher", daemon=True
                )
                self._thread.start()

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                with self._lock:
                    for watcher in list(self._watchers.values()):
                        watcher.step()
                    self._announce()
            except BaseException as error:
                with self._lock:
                    self._broken = error
                    self._thread = None
                    self._news.notify_all()
                return
            self._closing.wait(TICK)

    def _announce(self) -> None:
        """Take finished runs out of the index, and wake who waits."""
        for run in list(self._runs.values()):
            if run.finished and not run._closed:
                run._close(ended=True)
                self._index.end(run.id)
        self._news.notify_all()

    def wait_until(self, ready: Callable[[], bool], timeout: float | None = None) -> bool:
        """Watch until *ready*, which is asked after each look and each `wake`.

        Args:
            timeout: seconds; None: as long as it takes.

        Returns:
            Whether it became ready in time.

        Raises:
            FolderError: a run's journal cannot be written any more.
        """
        self.watch()
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._news:
            while not ready():
                if self._broken is not None:
                    error, self._broken = self._broken, None
                    raise error
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                # A bounded wait, so that Ctrl-C is seen at once.
                self._news.wait(min(left, 1.0) if left is not None else 1.0)
        return True

    def wake(self) -> None:
        """Have every `wait_until` look again."""
        with self._news:
            self._news.notify_all()

    # -- the end

    def close(self) -> None:
        """Stop watching; jobs go on."""
        self._closing.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            self._thread = None
            for run in self._runs.values():
                run._close(ended=run.finished)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


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
    submitted: Any
    started: Any
    ended: Any
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

    def _view(self, job: Tracked) -> JobView:
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
            native_state=job.word,
            message=job.outcome.message if job.outcome else job.message,
            stdout=stdout,
            stderr=stderr,
            attempt=job.attempt,
            **facts,
        )

    def refresh(self) -> None:
        """Look once, now. Nothing is submitted; what cannot be reached changes nothing."""
        self._session.look([self])

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
            native = [job.native for job in jobs if job.native]
            if native:
                session.plugins.call(
                    self.system,
                    "anybatch_terminate",
                    ids=native,
                    signal=signal,
                    settings=session.settings.table(self.system),
                    host=session.host,
                )
            session._announce()
        return len(jobs) if signal is None else len(native)

    def _note_terminate(self, jobs: Sequence[Tracked]) -> None:
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

    def _never_submitted(self, job: Tracked) -> bool:
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
            jobs = {job.native: job for job in self._state.jobs if _lacks_use(job)}
            if self._accounted or not jobs:
                return
            self._accounted = True
            arguments = {
                "ids": [native for native in jobs if native],
                "settings": session.settings.table(self.system),
                "host": session.host,
            }
            with contextlib.suppress(AnybatchError):
                found = session.plugins.call(self.system, "anybatch_account", **arguments) or {}
                filled = [
                    _filled(job.outcome, found[native])
                    for native, job in jobs.items()
                    if native in found
                ]
                if filled:
                    self._state.record_ended(filled)

    def _close(self, *, ended: bool) -> None:
        self._closed = self._closed or ended
        self._lease.drop()


def _lacks_use(job: Tracked) -> bool:
    outcome = job.outcome
    return outcome is not None and outcome.id is not None and outcome.cpu_time is None


def _filled(outcome: Outcome | None, status: JobStatus) -> Outcome:
    """*outcome* with the facts it lacks."""
    assert outcome is not None
    names = ("host", "started", "ended", "cpu_time", "max_memory")
    facts = {name: getattr(outcome, name) or getattr(status, name) for name in names}
    return attrs.evolve(outcome, **facts)


def split_job_name(text: str) -> tuple[str, int | None]:
    """`RUN:3` as run and index, `RUN` as run and None.

    Raises:
        RunNotFound: the index is no number.
    """
    name, colon, index = text.partition(":")
    if colon and not index.isdecimal():
        raise RunNotFound(f"{text!r} names no job; write RUN or RUN:INDEX")
    return name, int(index) if colon else None


def _writer(host: Host) -> str:
    """Names this process among all that may ever write to a journal."""
    return f"{host.name}-{os.getpid()}-{time.time_ns():x}"
