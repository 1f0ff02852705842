"""Telling observers of changes, in order, in a thread of their own: a slow one delays nobody."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from queue import Queue
from typing import TYPE_CHECKING, Any

from anybatch.records import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anybatch.model import State
    from anybatch.plugins.calls import Hooks
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.state import RunState

HOOK = "anybatch_job_changed"
FLUSH = 3.0  #: seconds


class Observers:
    """The plugins that implement `anybatch_job_changed`.

    Args:
        settings: the table of a plugin's settings.
    """

    def __init__(self, hooks: Hooks, settings: Callable[[str], Mapping[str, Any]]) -> None:
        self._hooks = hooks
        self._settings = settings
        self._changes: Queue[tuple[Change, list[str]] | None] = Queue()
        self._thread: threading.Thread | None = None

    def take(self, run: RunState, changes: Sequence[tuple[JobRecord, State, State]]) -> None:
        """Tell of changes of a run's jobs, soon; call it in the order of the changes."""
        if not changes:
            return  # as after most looks, which are many
        names = [one.name for one in self._hooks.plugins.plugins_for(run.file.system, HOOK)]
        if not names:
            return
        for job, old, new in changes:
            now = datetime.now(timezone.utc)
            change = Change(
                run=run.id, index=job.index, id=job.native_id, old=old, new=new, time=now
            )
            self._changes.put((change, names))
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._tell, name="anybatch-observers", daemon=True
            )
            self._thread.start()

    def _tell(self) -> None:
        while (taken := self._changes.get()) is not None:
            change, names = taken
            self._hooks.job_changed(change, {name: self._settings(name) for name in names})
            self._changes.task_done()
        self._changes.task_done()

    def close(self, timeout: float) -> None:
        """Tell what was taken, for *timeout* seconds at most, and end the thread."""
        if self._thread is not None:
            self._changes.put(None)
            self.flush(timeout)
            self._thread = None

    def flush(self, timeout: float = FLUSH) -> None:
        """Wait until all that was taken is told, for *timeout* seconds at most."""
        deadline = time.monotonic() + timeout
        while self._changes.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.01)
