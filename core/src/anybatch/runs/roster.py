"""The runs that are watched, until they end or cannot be watched any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.errors import FolderError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    from anybatch.runs.watched import WatchedRun


class Roster:
    """The runs that an engine watches.

    Args:
        mutex: guards their states.
        on_notice: told of a run that cannot be watched any more.
        wake: called then, for those who wait for it.
    """

    def __init__(
        self, mutex: threading.RLock, on_notice: Callable[[str], None], wake: Callable[[], None]
    ) -> None:
        self._mutex = mutex
        self._on_notice = on_notice
        self._wake = wake
        self._runs: dict[str, WatchedRun] = {}

    @property
    def all(self) -> list[WatchedRun]:
        """All of them, also those that have ended a moment ago."""
        with self._mutex:
            return list(self._runs.values())

    def active(self, systems: Collection[str] | None = None) -> list[WatchedRun]:
        """The runs that may still change."""
        return [
            run
            for run in self.all
            if not run.state.finished and (systems is None or run.system in systems)
        ]

    def get(self, name: str) -> WatchedRun | None:
        """The run called *name*, while it is watched."""
        return self._runs.get(name)

    def add(self, run: WatchedRun) -> None:
        """Watch a run, also one that could not be watched before."""
        with self._mutex:
            run.broken = None
            self._runs[run.state.id] = run

    def take_ended(self) -> list[WatchedRun]:
        """Let the runs go that have ended."""
        with self._mutex:
            over = [run for run in self.all if run.state.finished]
            for run in over:
                del self._runs[run.state.id]
        return over

    def guarded(self, run: WatchedRun, action: Callable[[WatchedRun], None]) -> None:
        """Do something with a run; whatever goes wrong costs only this run."""
        try:
            action(run)
        except Exception as error:
            self.give_up(run, error)

    def give_up(self, run: WatchedRun, error: Exception) -> None:
        """Watch a run no more, and say why."""
        self.drop(run, error)
        why = str(error) if isinstance(error, FolderError) else repr(error)
        self._on_notice(f"run {run.state.id} can no longer be watched: {why}")
        self._wake()

    def drop(self, run: WatchedRun, error: Exception) -> None:
        """Watch a run no more, which has gone wrong."""
        with self._mutex:
            run.broken = error
            self._runs.pop(run.state.id, None)
