"""What all of a user's runs on one batch system use of a limit that holds for them together.

Who hands over jobs where there is such a limit has the other runs in its engine, too: it reads
their journals, and sees how their jobs end, for nobody else may. What is counted and what is handed
over then is put on record by one process at a time.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from anybatch.errors import AnybatchError, FolderError, RunNotFound
from anybatch.runs.room import Elsewhere, Usage, usage_of
from anybatch.runs.share import Share
from anybatch.runs.total_limit import NO_LIMIT

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from anybatch.planning.plan import RunLimit
    from anybatch.runs.index import Index
    from anybatch.runs.looking import Looks
    from anybatch.runs.roster import Roster
    from anybatch.runs.state import RunState
    from anybatch.runs.total_limit import TotalLimit
    from anybatch.runs.watched import WatchedRun

PAUSE = 5.0  #: seconds between two looks for new runs, while jobs wait for room
VERSION_FOR = 0.1  #: seconds for which nothing is counted anew


class Totals:
    """Counts the jobs of all runs.

    Args:
        limits: what holds.
        looks: see how jobs have ended.
        find_run: opens a run that is not watched yet.
        put_away: notes which of some runs have ended.
        mutex: guards the states of runs.
        on_notice: told of runs that cannot be counted.
    """

    def __init__(
        self,
        roster: Roster,
        index: Index,
        limits: TotalLimit,
        looks: Looks,
        *,
        find_run: Callable[[str], WatchedRun],
        put_away: Callable[[Iterable[WatchedRun]], None],
        mutex: threading.RLock,
        on_notice: Callable[[str], None],
    ) -> None:
        self._roster = roster
        self._index = index
        self._limits = limits
        self._looks = looks
        self._find_run = find_run
        self._put_away = put_away
        self._mutex = mutex
        self._on_notice = on_notice
        self._systems: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._next: dict[str, float] = {}
        self._versions: dict[str, tuple[float, object]] = {}
        self._usages: dict[str, tuple[int, Usage]] = {}

    def limit(self, system: str) -> RunLimit:
        """What holds for all runs on a batch system.

        Raises:
            AnybatchError: that cannot be read.
        """
        return self._limits.of(system)

    def limited(self, system: str) -> bool:
        """Whether there is a limit, or one that cannot be read."""
        try:
            return self.limit(system) != NO_LIMIT
        except AnybatchError:
            return True

    def change(self, system: str, changed: Mapping[str, int | None]) -> None:
        """Put on record what holds from now on (`TotalLimit.change`)."""
        self._limits.change(system, changed)
        self._versions.clear()
        self._see(system)

    # -- the runs that count

    def see_others(self, system: str) -> None:
        """Have the other runs in the engine, and see how their jobs have ended, if that matters.

        Raises:
            FolderError: the index cannot be read.
        """
        if self.limited(system):
            self._see(system)

    def _see(self, system: str) -> None:
        self.gather(system)
        self._looks.look([system])

    def gather(self, system: str) -> None:
        """Have all runs that may change in the engine.

        Raises:
            FolderError: the index cannot be read.
        """
        self._next[system] = time.monotonic() + PAUSE
        active = self._index.active()
        for name in active:
            if self._roster.get(name) is None and self._is_on(name, system):
                self._open(name)
        self._systems = {name: self._systems[name] for name in active if name in self._systems}

    def _is_on(self, name: str, system: str) -> bool:
        """Whether a run is, or may be, on a batch system; entries of the index do not change."""
        if name not in self._systems:
            with contextlib.suppress(FolderError, RunNotFound):
                self._systems[name] = self._index.summary(name).system or ""
        return self._systems.get(name, "") in ("", system)

    def _open(self, name: str) -> None:
        try:
            self._put_away([self._find_run(name)])
        except RunNotFound:
            pass  # it was removed a moment ago
        except AnybatchError as error:
            if self._told.get(name) != str(error):
                self._told[name] = str(error)
                self._on_notice(f"run {name} does not count for the limit of all runs: {error}")

    def look(self, runs: Iterable[WatchedRun]) -> None:
        """Look for new runs now and then, where some of *runs* wait."""
        waiting = {run.system for run in runs if run.submitter.pending}
        for system in waiting:
            if time.monotonic() >= self._next.get(system, 0.0) and self.limited(system):
                try:
                    self.gather(system)
                except FolderError as error:
                    if self._told.get("") != str(error):
                        self._told[""] = str(error)
                        self._on_notice(str(error))

    # -- counting

    @contextlib.contextmanager
    def _counting(self, system: str) -> Iterator[None]:
        if self.limit(system) == NO_LIMIT:
            yield
            return
        with self._limits.counting(system):
            try:
                self.gather(system)
            except FolderError as error:  # which is not about a run's folder
                raise AnybatchError(str(error)) from error
            for run in self._roster.active([system]):
                with self._mutex:
                    self._roster.guarded(run, lambda one: one.watcher.catch_up())
            yield

    def share(self, run: RunState) -> Share:
        """A run's view of this."""
        system = run.file.system
        return Share(
            limit=partial(self.limit, system),
            beside=partial(self._beside, run),
            counting=partial(self._counting, system),
            version=partial(self._version, system),
        )

    def _version(self, system: str) -> object:
        until, version = self._versions.get(system, (0.0, None))
        if time.monotonic() >= until:
            version = None
            if self.limited(system):
                events = sum(run.state.events for run in self._roster.active([system]))
                with contextlib.suppress(AnybatchError):
                    version = self.limit(system), events
            self._versions[system] = time.monotonic() + VERSION_FOR, version
        return version

    def _beside(self, run: RunState) -> Elsewhere | None:
        system = run.file.system
        try:
            limit = self.limit(system)
        except AnybatchError:
            return None  # nothing is handed over: see `_counting`
        if limit == NO_LIMIT:
            return None
        others = [one.state for one in self._roster.active([system]) if one.state.id != run.id]
        usages = {one.id: self._usage(one) for one in others}
        self._usages = {
            name: known for name, known in self._usages.items() if self._roster.get(name)
        }
        return Elsewhere(
            limit=limit,
            running=sum(one.running for one in usages.values()),
            queued=sum(one.queued for one in usages.values()),
            less_later=sum(one.less for name, one in usages.items() if name > run.id),
        )

    def _usage(self, run: RunState) -> Usage:
        events, usage = self._usages.get(run.id, (-1, None))
        if usage is None or events != run.events:
            usage = usage_of(run)
            self._usages[run.id] = run.events, usage
        return usage
