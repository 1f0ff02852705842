"""`Session`: the library's front door."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from anybatch.detection import alias, choose
from anybatch.errors import FolderError, JobError, RunNotFound, UnknownSystem
from anybatch.localhost import LocalHost
from anybatch.model import Job
from anybatch.planning.planner import Planner
from anybatch.plugins.registry import Plugins, load_plugins
from anybatch.records import Limits
from anybatch.run import Run
from anybatch.runs import store
from anybatch.runs.journal import Journal
from anybatch.runs.lease import Lease
from anybatch.runs.state import RunState
from anybatch.runs.submitter import Submitter
from anybatch.runs.watcher import TICK, Watcher
from anybatch.settings.schema import SettingsSchema
from anybatch.settings.sources import load_settings, project_file
from anybatch.settings.values import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from anybatch.host import Host
    from anybatch.planning.plan import Plan, Wait
    from anybatch.settings.layers import Settings


CLOSE_PATIENCE = 3.0  #: seconds
LONGEST_SLEEP = 1.0  #: seconds; a signal that comes as a sleep begins is seen when it ends


class Session:
    """Submits jobs to a batch system, and knows this user's runs on every one.

    Args:
        system: a batch system's name, `auto` for the best that is here, or a plugin's name that
            stands for one (`apptainer`).
        settings: the call's own settings: `{"slurm": {"partition": "long"}}`.
        folder: where relative paths and the search for `anybatch.toml` start; default: the
            current folder.
        host: stands in for this machine.
        plugins: stand in for those that are installed.
        on_notice: called with each notice ("cannot reach slurm ..."); default: they are dropped.

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
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self.host: Host = host or LocalHost()
        self.folder = Path(os.path.abspath(folder or Path.cwd()))
        disabled = self.host.environ.get("ANYBATCH_DISABLED_PLUGINS", "")
        self.plugins = plugins or load_plugins(name.strip() for name in disabled.split(","))
        layers = load_settings(self.plugins, self.host.environ, self.folder)
        self.settings: Settings = layers.with_layer("call", settings or {})
        self.on_notice = on_notice or (lambda text: None)
        self._name = system or str(self.settings.core("system"))
        self._system: str | None = None
        self._index = store.Index()
        self._watchers: dict[str, Watcher] = {}
        self._runs: dict[str, Run] = {}
        self._limits: dict[str, Limits] = {}
        self._lock = threading.RLock()
        # One for each thread that waits. Not a threading.Condition: that one Ctrl-C at the wrong
        # moment leaves locked, or turns into "cannot release un-acquired lock" (Python 3.14).
        self._bells: dict[int, SimpleQueue[None]] = {}
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
            name = self._name
            if (meant := alias(name, self.plugins)) is not None:
                self.settings = self.settings.with_layer(
                    f"plugin {name}", meant.settings, lowest=True
                )
                name = meant.system
            self._system = choose(name, self.plugins, self.settings, self.host)
        return self._system

    # -- submitting

    def plan(self, jobs: Job | Iterable[Job], *, require_one_job_each: bool = False) -> Plan:
        """What `submit` would do, as text; nothing is written.

        Args:
            require_one_job_each: a job of which the batch system would make several is an error.

        Raises:
            UsageError: a job or setting that cannot be.
        """
        listed = [jobs] if isinstance(jobs, Job) else list(jobs)
        given = len(listed)
        listed, waits = self._expanded(listed, self._waits(listed))
        if require_one_job_each and len(listed) != given:
            raise JobError(
                f"{self.system} makes {len(listed)} jobs of {given}, and one future cannot stand "
                f"for several; submit them as a run"
            )
        planner = Planner(
            self.system,
            plugins=self.plugins,
            settings=self.settings,
            host=self.host,
            base=self.folder,
            limits=self._limits_of(self.system),
        )
        return planner.plan(listed, self.runs_folder, waits)

    def submit(self, jobs: Job | Iterable[Job], *, require_one_job_each: bool = False) -> Run:
        """Submit one job or many as one run.

        Returns at once: with the ids of the batch system where it took the jobs, and where it
        cannot be reached with a run that is submitted as soon as it can.

        Args:
            require_one_job_each: a job of which the batch system would make several is an error.

        Raises:
            UsageError: a job or setting that cannot be; nothing was submitted.
            FolderError: the run's folder or the index cannot be written; nothing was submitted.
        """
        plan = self.plan(jobs, require_one_job_each=require_one_job_each)
        for note in plan.notes:
            self.on_notice(note)
        file = store.create(plan, self.host)
        try:
            self._index.add(file.run, file.folder)
        except FolderError:
            shutil.rmtree(file.folder, ignore_errors=True)
            raise
        with self._lock:
            run = self._open(file)
            run._submitter.step()
        return run

    def _limits_of(self, system: str) -> Limits:
        if system not in self._limits:
            table = self.settings.table(system)
            answer = self.plugins.call(system, "anybatch_limits", host=self.host, settings=table)
            if answer is not None and not isinstance(answer, Limits):
                raise self.plugins.plugin_error(system, f"anybatch_limits answered {answer!r:.100}")
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

    def _expanded(
        self, jobs: list[Job], waits: list[list[Wait]]
    ) -> tuple[list[Job], list[list[Wait]]]:
        """What the batch system makes of jobs, and what each of these has to wait for."""
        if "anybatch_expand" not in self.plugins.system(self.system).hooks:
            return jobs, waits
        made = [self._expand(job) for job in jobs]
        starts = [0, *itertools.accumulate(map(len, made))]

        def now(wait: Wait) -> list[Wait]:
            run, index = wait
            if run or index is None:
                return [wait]
            return [("", new) for new in range(starts[index], starts[index + 1])]

        new_waits = [[one for wait in old for one in now(wait)] for old in waits]
        pairs = [(job, wait) for some, wait in zip(made, new_waits, strict=True) for job in some]
        return [job for job, _ in pairs], [wait for _, wait in pairs]

    def _expand(self, job: Job) -> list[Job]:
        settings = self.settings.with_layer("call", job.settings)
        answer = self.plugins.call(
            self.system,
            "anybatch_expand",
            job=job,
            settings=settings.table(self.system),
            host=self.host,
            folder=self.folder,
        )
        made = [job] if answer is None else list(answer)
        if not made or not all(isinstance(one, Job) for one in made):
            raise self.plugins.plugin_error(
                self.system, f"anybatch_expand answered {answer!r:.100}"
            )
        return made

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
                    self.on_notice(f"run {name}: {error}")
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
            on_notice=self.on_notice,
        )
        run = Run(self, state, submitter, lease)
        self._watcher(file.system).watch(state, submitter)
        self._runs[file.run] = run
        return run

    def _fit(self, system: str, values: Mapping[str, Any]) -> dict[str, Any]:
        known = self.settings.declared.get(system, SettingsSchema())
        fitted = {
            name: check(system, known[name], value, "run")
            for name, value in values.items()
            if name in known and value is not None
        }
        return {**dict.fromkeys(name for name in known if "*" not in name), **fitted}

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
                on_notice=self.on_notice,
            )
        return self._watchers[system]

    # -- watching

    def poll(self, runs: Iterable[Run] | None = None) -> None:
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
                self._broken = None
                self._closing.clear()
                thread = threading.Thread(target=self._watch, name="anybatch-watcher", daemon=True)
                thread.start()
                self._thread = thread  # not before: Ctrl-C would leave one that never begins

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                with self._lock:
                    for watcher in list(self._watchers.values()):
                        watcher.step()
                    self._announce()
            except BaseException as error:
                self._broken, self._thread = error, None
                self.wake()
                return
            self._closing.wait(TICK)

    def _announce(self) -> None:
        """Take finished runs out of the index, and wake who waits."""
        for run in list(self._runs.values()):
            if run.finished and not run._closed:
                run._close(ended=True)
                self._index.end(run.id)
        self.wake()

    def wait_until(self, ready: Callable[[], bool], timeout: float | None = None) -> bool:
        """Watch until *ready*, which is asked after each look and each `wake`.

        Args:
            timeout: seconds; None: as long as it takes.

        Returns:
            Whether it became ready in time.

        Raises:
            FolderError: a run's journal cannot be written any more.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self.watch()
        bell = self._bells.setdefault(threading.get_ident(), SimpleQueue())
        while not ready():
            if self._broken is not None:
                raise self._broken
            left = LONGEST_SLEEP if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            with contextlib.suppress(Empty):
                bell.get(timeout=min(left, LONGEST_SLEEP))
        return True

    def wake(self) -> None:
        """Have every `wait_until` look again."""
        for bell in tuple(self._bells.values()):
            if bell.empty():
                bell.put(None)

    # -- the end

    def close(self) -> None:
        """Stop watching; jobs go on."""
        self._closing.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_PATIENCE)
            if thread.is_alive():
                return  # in a command that hangs; it ends with this process
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
