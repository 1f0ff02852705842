"""Stopping the jobs whose end somebody asked for before the batch system could be told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anybatch.errors import AnybatchError
from anybatch.runs import stopping

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from anybatch.plugins.calls import Hooks
    from anybatch.records import Batch
    from anybatch.runs.state import RunState

PAUSE = 30.0  #: seconds until the system is told again, after that has failed


class LateStops:
    """Tells the batch system of one run's jobs that are to end, as soon as it has them.

    Args:
        run: its state.
        mutex: is held where the state is read or changed.
        on_notice: told what the system refuses, and what has failed and is tried again.

    Attributes:
        not_before: nothing is told before this moment of the monotonic clock.
    """

    def __init__(
        self,
        run: RunState,
        *,
        mutex: threading.RLock,
        hooks: Hooks,
        on_notice: Callable[[str], None],
    ) -> None:
        self._run = run
        self._mutex = mutex
        self._hooks = hooks
        self._on_notice = on_notice
        self.not_before = 0.0
        self._noticed: set[str] = set()

    @property
    def due(self) -> bool:
        """Whether something is to be told now."""
        return time.monotonic() >= self.not_before and bool(stopping.unstopped(self._run))

    def step(self) -> None:
        """Tell it; what cannot be told, or of jobs that are out of reach, is told later."""
        if not self._run.telling.acquire(blocking=False):
            return  # another thread is at it; what it leaves is still due
        try:
            with self._mutex:
                unwanted = stopping.unstopped(self._run) if self.due else []
            if unwanted:
                self._tell(unwanted)
        finally:
            self._run.telling.release()

    def _tell(self, unwanted: list[Batch]) -> None:
        try:
            told = stopping.tell(self._run.file.system, self._hooks, unwanted, None)
        except AnybatchError as error:
            self.not_before = time.monotonic() + PAUSE
            ids = ", ".join(native_id for batch in unwanted for native_id in batch.ids)
            self._on_notice(f"run {self._run.id}: cannot stop jobs {ids}: {error}")
            return
        with self._mutex:
            self._run.record_stopped(told.settled)
        if told.unreached:
            self.not_before = time.monotonic() + PAUSE
        for text in (*told.refused, *(f"{why}; it is not stopped yet" for why in told.unreached)):
            if text not in self._noticed:
                self._noticed.add(text)
                self._on_notice(f"run {self._run.id}: {text}")
