"""This user's runs: found again, and each opened once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import attrs

from anybatch import arguments
from anybatch.errors import (
    AnybatchError,
    FolderError,
    RunNotFound,
    UnknownSystem,
    UsageError,
    shown,
)
from anybatch.planning.plan import RunLimit
from anybatch.plugins.registry import Plugins
from anybatch.run import Run
from anybatch.runs import store
from anybatch.runs.engine import Engine
from anybatch.runs.finding import find_run
from anybatch.runs.index import Index
from anybatch.runs.journal import writer_name
from anybatch.runs.summary import of_run
from anybatch.runs.total_limit import TotalLimit
from anybatch.selection import ALL, Selection, no_jobs, read_selection
from anybatch.settings.layers import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from anybatch.host import Host
    from anybatch.model import RunHandle
    from anybatch.outcome import Outcome
    from anybatch.planning.plan import Plan, Wait
    from anybatch.plugins.calls import Hooks
    from anybatch.runs.watched import WatchedRun


@attrs.frozen
class Chosen:
    """A run, and the jobs of it that a selection chooses.

    Attributes:
        run: the run.
        indices: the jobs, in order.
        named: whether jobs were named; else they are all jobs of the run.
    """

    run: Run
    indices: Sequence[int]
    named: bool = False

    @property
    def ended(self) -> bool:
        """Whether the jobs have their verdicts, as last seen."""
        if not self.named:
            return self.run.finished
        return all(self.run.outcome(index) for index in self.indices)

    def outcomes(self) -> list[Outcome]:
        """The verdicts of the jobs that have one; of a run that has ended, with its accounting.

        Raises:
            FolderError: the run's journal cannot be written any more.
        """
        if self.run.finished:
            self.run.wait()
        return [outcome for index in self.indices if (outcome := self.run.outcome(index))]


@attrs.define
class Catalogue:
    """The runs that a session knows, or finds.

    Attributes:
        index: where this user's runs are.
        plugins: the batch systems that there are.
        settings: the session's.
        on_notice: told of runs that cannot be read.
        engine: watches them.
        unreadable: see `Session.unreadable`.
    """

    index: Index
    plugins: Plugins
    settings: Settings
    on_notice: Callable[[str], None]
    engine: Engine = attrs.field(init=False)
    unreadable: dict[str, AnybatchError] = attrs.field(factory=dict)
    _before: dict[str, AnybatchError] = attrs.field(factory=dict)
    known: WeakValueDictionary[str, Run] = attrs.field(factory=WeakValueDictionary)

    def start_engine(self, hooks: Hooks, table: Callable[[str], Mapping[str, Any]]) -> Engine:
        """The engine that watches the runs.

        Args:
            table: gives a plugin's settings.

        Raises:
            UsageError: a setting is no limit.
        """

        def seconds(name: str) -> float:
            return float(self.settings.core(name).total_seconds())

        self.engine = Engine(
            hooks,
            self.index,
            settings=table,
            poll_interval=seconds("poll_interval"),
            lost_after=seconds("lost_after"),
            submit_timeout=seconds("submit_timeout"),
            limits=TotalLimit(hooks.plugins.host, _total_limit(self.settings)),
            find_run=self.watched,
            on_notice=self.on_notice,
        )
        return self.engine

    def submit(self, plan: Plan, host: Host) -> Run:
        """See `Session.submit_plan`."""
        if host.exists(plan.folder):
            raise UsageError(f"run {plan.run} was submitted before; plan the jobs anew")
        for note in plan.notes:
            self.on_notice(note)
        file = store.create(plan, host)
        try:
            watched = self.open(file, new=True)
            self.engine.submit(watched, partial(self.index.add, file.run, of_run(file)))
        except FolderError as error:
            host.remove(file.folder)
            with contextlib.suppress(FolderError):
                self.index.remove(file.run)
            raise FolderError(f"{error}; nothing was submitted") from error
        return self.run_of(watched)

    def open(self, file: store.RunFile, *, new: bool = False) -> WatchedRun:
        """The run of a folder, in the engine."""
        self.plugins.system(file.system)
        restore_types = partial(self.settings.restore_types, file.system)
        return self.engine.open(file, writer_name(self.plugins.host), restore_types, new=new)

    def watched(self, name: str) -> WatchedRun:
        """The run with this ID in the engine, read from its folder if need be."""
        if (known := self.known.get(name)) is not None:
            return known.watched
        with self.engine.mutex:
            if (watched := self.engine.get(name)) is not None:
                return watched
            folder = self.index.summary(name).folder
            file = store.read(folder, self.plugins.host, self.settings.restore_types)
            return self.engine.get(file.run) or self.open(file)

    def run_of(self, watched: WatchedRun) -> Run:
        """The one `Run` of a run."""
        with self.engine.mutex:
            run = self.known.get(watched.state.id)
            if run is None:
                run = self.known[watched.state.id] = Run(self.engine, watched, self.settings)
                watched.followed = True
            return run

    def attach(self, name: str) -> Run:
        """See `Session.attach`."""
        if isinstance(name, str) and (known := self.known.get(name)) is not None:
            return self._again(known)
        selection = read_selection(name)
        if selection.parts or selection.run == ALL:
            raise UsageError(f"one run is needed here, not {shown(name)}")
        return self._attach(find_run(self.index, selection))

    def _attach(self, run: str) -> Run:
        known = self.known.get(run)
        return self.run_of(self.watched(run)) if known is None else self._again(known)

    def _again(self, run: Run) -> Run:
        """A run that was opened before, and may be active again since it ended."""
        self.engine.reopening.look_again(run.watched)
        return run

    def waits(self, item: RunHandle | str) -> list[Wait]:
        """The runs, each with a job of it or None for all, that an item of `Job.after` means."""
        if not isinstance(item, str):
            return [(self.attach(item.id).id, None)]
        return [
            (one.run.id, index)
            for one in self.select([item])
            for index in (one.indices if one.named else [None])
        ]

    def select(self, texts: Sequence[str]) -> list[Chosen]:
        """See `Session.select`."""
        chosen: dict[Run, set[int] | None] = {}
        for text in texts:
            for one in self._select(read_selection(text)):
                indices = chosen.setdefault(one.run, set())
                if not one.named:
                    chosen[one.run] = None
                elif indices is not None:
                    indices.update(one.indices)
        return [
            Chosen(run, range(len(run)) if some is None else sorted(some), some is not None)
            for run, some in chosen.items()
        ]

    def labelled(self, label: str | None, *, untold: bool) -> list[Run]:
        """See `Session.runs`."""
        arguments.must_be((str, type(None)), label, "label", "a text, NAME or NAME=VALUE")
        found = self.active(untold=untold)
        return [run for run in found if label is None or run.has_label(label)]

    def find(self, name: str) -> tuple[Run, int | None]:
        """See `Session.find`."""
        chosen = self.select([name])
        if len(chosen) != 1 or (chosen[0].named and len(chosen[0].indices) > 1):
            raise UsageError(f"one job or run is needed here, not {shown(name)}")
        [one] = chosen
        return one.run, one.indices[0] if one.named else None

    def _select(self, selection: Selection) -> Iterator[Chosen]:
        every = selection.run == ALL
        runs = self.active() if every else [self._attach(find_run(self.index, selection))]
        for run in runs:
            if not selection.parts:
                yield Chosen(run, range(len(run)))
                continue
            indices = self._indices(run, selection)
            if not every and (not indices or any(selection.numbers_beyond(len(run)))):
                raise no_jobs(selection, run.id, len(run))
            if indices:
                yield Chosen(run, indices, named=True)

    def _indices(self, run: Run, selection: Selection) -> list[int]:
        state = run.watched.state
        with self.engine.mutex:
            return selection.choose(
                len(run), lambda i: state.jobs[i].state, lambda i: state.texts(state.jobs[i])
            )

    def active(self, *, untold: bool = False) -> list[Run]:
        """The runs that may still change, in the order of their submission.

        Args:
            untold: also those that have ended while nobody waited for them.
        """
        self._before, self.unreadable = self.unreadable, {}
        names = {*self.index.active(), *(self.index.untold() if untold else ())}
        found = []
        for name in sorted(names):
            try:
                found.append(self._attach(name))
            except (FolderError, UnknownSystem) as error:
                self.note_unreadable(name, error)
            except RunNotFound:
                continue  # it was removed a moment ago
        self.engine.put_away([run.watched for run in found])
        return sorted(found, key=lambda run: (run.created, run.id))

    def note_unreadable(self, name: str, error: AnybatchError) -> None:
        """Keep, and say once, what hinders a run."""
        self.unreadable[name] = error
        if str(error) != str(self._before.get(name)):
            self.on_notice(f"run {name}: {error}")


def _total_limit(settings: Settings) -> RunLimit:
    """The limit of all runs that the settings have."""
    try:
        return RunLimit(
            max_running=settings.core("max_running_total"),
            max_queued=settings.core("max_queued_total"),
        )
    except UsageError as error:
        raise UsageError(f"the settings max_running_total and max_queued_total: {error}") from error
