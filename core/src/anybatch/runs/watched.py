"""A run as the engine has it: its state, what was seen of it, and who works on it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import attrs

from anybatch.host import Lease
from anybatch.runs.observation import RunObservation
from anybatch.runs.state import RunState
from anybatch.runs.submitter import Submitter
from anybatch.runs.watcher import Watcher
from anybatch.worker.exit_records import ExitFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.host import Host
    from anybatch.plugins.calls import Hooks
    from anybatch.runs.dependencies import Look


@attrs.define(eq=False)
class WatchedRun:
    """A run in the engine.

    Attributes:
        state: what is on record of it.
        seen: what this process has seen of it beside that.
        broken: why it cannot be watched any more.
        looking: is held by the thread that reads its exit records.
        accounted: accounting was asked for what its jobs used.
    """

    state: RunState
    seen: RunObservation
    lease: Lease
    submitter: Submitter
    watcher: Watcher
    looking: threading.Lock = attrs.field(factory=threading.Lock)
    broken: Exception | None = None
    accounted: bool = False

    @property
    def system(self) -> str:
        """The batch system."""
        return self.state.file.system


def watch(
    state: RunState,
    *,
    mutex: threading.RLock,
    hooks: Hooks,
    host: Host,
    submit_timeout: float,
    lost_after: float,
    look: Look,
    on_notice: Callable[[str], None],
) -> WatchedRun:
    """A run with those who work on it."""
    seen = RunObservation(ExitFolder(state.folder, host))
    lease = host.lease(state.id)
    submitter = Submitter(
        state,
        lease,
        mutex=mutex,
        hooks=hooks,
        host=host,
        timeout=submit_timeout,
        look=look,
        on_submitted=seen.note_alive,
        on_notice=on_notice,
    )
    watcher = Watcher(state, seen, submitter, host=host, lost_after=lost_after, on_notice=on_notice)
    return WatchedRun(state, seen, lease, submitter, watcher)
