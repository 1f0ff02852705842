"""A run as the engine has it: its state, what was seen of it, and who works on it."""

from __future__ import annotations

import threading

import attrs

from anybatch.host import Lease
from anybatch.runs.observation import RunObservation
from anybatch.runs.state import RunState
from anybatch.runs.submitter import Submitter
from anybatch.runs.watcher import Watcher


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
