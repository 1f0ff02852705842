"""`Session`: the library's front door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch import arguments
from anybatch.arguments import KEEP
from anybatch.catalogue import Catalogue
from anybatch.detection import choose, given_name, must_be_here, stands_for
from anybatch.history import history
from anybatch.packing import read_pack
from anybatch.planning.asking import ask
from anybatch.planning.expansion import list_jobs
from anybatch.planning.notify_request import read_request
from anybatch.planning.plan import must_be_plan, read_limit
from anybatch.planning.planner import Planner
from anybatch.plugins.calls import Hooks
from anybatch.plugins.registry import Plugins, host_of, load_plugins
from anybatch.run import Run
from anybatch.runs import forks
from anybatch.runs.index import Index
from anybatch.settings.sources import load_settings, runs_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from anybatch.catalogue import Chosen
    from anybatch.errors import AnybatchError
    from anybatch.history import Listed, Wanted
    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.packing import Pack
    from anybatch.planning.asking import Checked
    from anybatch.planning.plan import Plan, RunLimit
    from anybatch.settings.layers import Settings


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
        UsageError: an unknown setting, or a system that is not installed.

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
        self.host: Host = (host := host_of(host, plugins))
        self.folder = arguments.folder(folder)
        disabled = host.environ.get("ANYBATCH_DISABLED_PLUGINS", "")
        self.plugins = plugins or load_plugins(host, (name.strip() for name in disabled.split(",")))
        self.hooks = Hooks(self.plugins)
        arguments.function(on_notice or str, "on_notice")
        self.on_notice = on_notice or (lambda text: None)
        layers = load_settings(self.hooks, host.environ, self.folder, self.on_notice)
        self.settings: Settings = layers.with_layer("call", {} if settings is None else settings)
        self._name = given_name(system, self.plugins) or str(self.settings.core("system"))
        self._system: str | None = None
        self._catalogue = Catalogue(Index(), self.plugins, self.settings, self._notice)
        self._engine = self._catalogue.start_engine(self.hooks, self._table)
        self._forked = False
        forks.call_in_children(self, Session._after_fork)

    def _notice(self, text: str) -> None:
        self.on_notice(text)  # which may be set later

    def _table(self, plugin: str) -> Mapping[str, Any]:
        return self.settings.table(plugin)  # settings may be replaced later

    def _after_fork(self) -> None:
        self._forked = True
        self._engine.mutex = forks.refused_lock()

    @property
    def system(self) -> str:
        """The batch system in use; `auto` is decided at the first look.

        Raises:
            UnknownSystem: there is none of that name, or none at all.
        """
        if self._system is None:
            name, settings = stands_for(self._name, self.hooks, self.settings)
            self._system, self.settings = choose(name, self.hooks, settings), settings
        return self._system

    # -- submitting

    def plan(
        self,
        jobs: Job | Iterable[Job],
        *,
        require_one_job_each: bool = False,
        pack: Pack | int | None = None,
        max_running: int | None = None,
        max_queued: int | None = None,
        notify: Iterable[str] | None = None,
        notify_on: str | None = None,
    ) -> Plan:
        """What `submit` would do, as text; nothing is written. Arguments as for `submit`.

        Args:
            require_one_job_each: a job of which the batch system would make several is an error.

        Raises:
            UsageError: a job or setting that cannot be; a batch system that is not available.
        """
        if self._forked:
            forks.refuse()
        listed = list_jobs(jobs, self.settings.core("max_jobs"))
        limit = read_limit(self.settings, max_running, max_queued)
        request = read_request(self.settings, self.host, self.folder, notify, notify_on)
        with must_be_here(self.system):
            planner = Planner(
                self.system,
                hooks=self.hooks,
                settings=self.settings,
                host=self.host,
                base=self.folder,
                pack=read_pack(pack),
            )
            plan = planner.plan_all(
                listed,
                self.runs_folder,
                self._catalogue.waits,
                require_one_job_each=require_one_job_each,
                limit=limit,
            )
        return plan.with_request(*request)

    def submit(
        self,
        jobs: Job | Iterable[Job],
        *,
        pack: Pack | int | None = None,
        max_running: int | None = None,
        max_queued: int | None = None,
        notify: Iterable[str] | None = None,
        notify_on: str | None = None,
    ) -> Run:
        """Submit one job or many as one run.

        Returns at once: with the ids of the batch system where it took the jobs, and where it
        cannot be reached with a run that is submitted as soon as it can.

        Args:
            pack: how many jobs are one job of the batch system; default: one.
            max_running: most jobs of the run that run at once; None: as the settings say.
            max_queued: most that wait in the batch system at once; what is left is handed over
                as room comes, by whoever watches the run.
            notify: whom to tell how the run ended (`["mail", "https://..."]`); empty: nobody;
                None: as the settings say. Whoever sees the end tells, once.
            notify_on: `end`, or `failure`: only if a job is not done.

        Raises:
            UsageError: a job or setting that cannot be; nothing was submitted.
            FolderError: the run's folder or the index cannot be written; nothing was submitted.
        """
        limits: dict[str, Any] = {"max_running": max_running, "max_queued": max_queued}
        wish: dict[str, Any] = {"notify": notify, "notify_on": notify_on}
        return self.submit_plan(self.plan(jobs, pack=pack, **limits, **wish))

    def submit_plan(self, plan: Plan) -> Run:
        """Submit what `plan` has returned, once.

        Raises:
            UsageError: it was submitted before, or is no plan.
            FolderError: as for `submit`.
        """
        return self._catalogue.submit(must_be_plan(plan), self.host)

    def check(self, plan: Plan) -> list[Checked]:
        """What the batch system says of a plan's jobs, of which none is submitted: see `ask`."""
        return ask(must_be_plan(plan), self.hooks)

    @property
    def runs_folder(self) -> Path:
        """Where the folders of new runs go."""
        return runs_folder(self.settings, self.folder)

    # -- coming back

    def attach(self, name: str) -> Run:
        """A run that was submitted before, by this or any other process.

        Args:
            name: its ID or a part of it that only one run has, its name, the path of its folder,
                or `@` for the last run, `@2` for the one before.

        Raises:
            RunNotFound: none or several match.
            FolderError: its folder cannot be read.
        """
        return self._catalogue.attach(name)

    def select(self, *texts: str) -> list[Chosen]:
        """The runs and jobs that texts choose, as the command line takes them.

        Args:
            texts: a run as for `attach`, or `all` for all active runs. After a colon, jobs of it:
                `RUN:3`, `RUN:1-3,7`, `RUN:failed` (any state), `RUN:seed=7` (a label).

        Returns:
            Each run once. Empty only if `all` has no such jobs.

        Raises:
            UsageError: a text is no selection.
            RunNotFound: none or several runs match, or the run has no such job.
            FolderError: a run's folder cannot be read.
        """
        return self._catalogue.select(texts)

    def find(self, name: str) -> tuple[Run, int | None]:
        """`RUN:3` as run and index, `RUN` as run and None: `select` for one job or run.

        Raises:
            UsageError: several jobs or runs are chosen.
            RunNotFound, FolderError: as for `select`.
        """
        return self._catalogue.find(name)

    def runs(self, *, label: str | None = None, untold: bool = False) -> list[Run]:
        """This user's runs that may still change, oldest first.

        What hinders one is said once, and is in `unreadable`. Such a run keeps its place.

        Args:
            label: `NAME=VALUE`, or `NAME`: only those with a job that has this label.
            untold: also those that have ended while nobody waited for them.

        Raises:
            FolderError: the index cannot be read, or is not this user's alone.
        """
        return self._catalogue.labelled(label, untold=untold)

    def history(self, wanted: Wanted | None = None) -> list[Listed]:
        """This user's runs as a list, oldest first; those that have ended are not opened.

        Args:
            wanted: which; default: active runs, and those that have ended within a day.

        Raises:
            FolderError: the index cannot be read, or is not this user's alone.
        """
        return history(self._catalogue, wanted)

    @property
    def unreadable(self) -> dict[str, AnybatchError]:
        """The runs that could not be read when runs were last listed, and why."""
        return self._catalogue.unreadable

    # -- watching

    def poll(self, runs: Iterable[Run] | None = None) -> None:
        """Look once, now: exit records and the batch systems. Nothing is submitted.

        Args:
            runs: whose systems are asked; default: all.
        """
        named = None if runs is None else arguments.each_is(Run, runs, "runs")
        systems = None if named is None else {run.system for run in named}
        self._engine.step(systems, force=True, submit=False)

    def watch(self) -> None:
        """Begin to watch in the background, if that has not begun.

        This program follows its runs then: `anybatch wait` does not tell how they ended.
        """
        self._engine.watch(follows=True)

    def wait_until(
        self, ready: Callable[[], bool], timeout: float | None = None, runs: Iterable[Run] = ()
    ) -> bool:
        """Watch until *ready*, which is asked after each look and each `wake`.

        Args:
            timeout: seconds; None: as long as it takes.
            runs: what is waited for.

        Returns:
            Whether it became ready in time.

        Raises:
            FolderError: the journal of one of *runs* cannot be written any more.
        """
        arguments.function(ready, "ready")
        watched = [run.watched for run in arguments.each_is(Run, runs, "runs")]
        return self._engine.wait_until(ready, arguments.seconds(timeout), watched)

    def wake(self) -> None:
        """Have every `wait_until` look again."""
        self._engine.wake()

    def limit(self, *, max_running: int | None = KEEP, max_queued: int | None = KEEP) -> RunLimit:
        """Change how many jobs of all your runs on this batch system there may be at once.

        It holds for every program that watches, from now on. What runs already runs on.

        Args:
            max_running: most jobs that run; None: no limit but that of the settings. Default: as
                before.
            max_queued: most jobs that wait in the batch system; likewise.

        Returns:
            What holds from now on: of this and the settings the smaller.

        Raises:
            UsageError: not a number, or less than 1.
            AnybatchError: it cannot be read, or put on record.
        """
        changed = arguments.changed(max_running=max_running, max_queued=max_queued)
        return self._engine.limit_all(self.system, changed)

    # -- the end

    def close(self) -> None:
        """Stop watching; jobs go on."""
        if not self._forked:
            self._engine.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
