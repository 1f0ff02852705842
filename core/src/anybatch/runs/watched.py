"""A run as the engine has it: its state, what was seen of it, and who works on it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import attrs

from anybatch.runs.answers import Answers
from anybatch.runs.entries import Phase
from anybatch.runs.observation import RunObservation
from anybatch.runs.right import SubmitRight
from anybatch.runs.state import RunState
from anybatch.runs.submitter import Submitter
from anybatch.runs.unsubmitted import Unsubmitted
from anybatch.runs.watcher import Watcher
from anybatch.worker.exit_records import ExitFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from anybatch.host import Host
    from anybatch.plugins.calls import Hooks
    from anybatch.runs.dependencies import Look
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.journal import Journal
    from anybatch.runs.share import Share
    from anybatch.runs.store import RunFile


@attrs.define(eq=False)
class WatchedRun:
    """A run in the engine.

    Attributes:
        state: what is on record of it.
        seen: what this process has seen of it beside that.
        broken: why it cannot be watched any more.
        looking: is held by the thread that reads its exit records.
        accounted: accounting was asked for what its jobs used.
        followed: this program has asked for it; else it is here for what it uses of limits.
    """

    state: RunState
    seen: RunObservation
    right: SubmitRight
    submitter: Submitter
    watcher: Watcher
    answers: Answers
    unsubmitted: Unsubmitted
    looking: threading.Lock = attrs.field(factory=threading.Lock)
    broken: Exception | None = None
    accounted: bool = False
    followed: bool = False

    @property
    def system(self) -> str:
        """The batch system."""
        return self.state.file.system

    @property
    def untouched(self) -> bool:
        """Whether no submit command can have run."""
        submissions = self.state.submissions
        return not any(one.tries or one.phase is not Phase.WAITING for one in submissions)

    def said_of(self, job: JobRecord) -> str | None:
        """Why nothing can be said of a job, what the system says of it, or why it is not there."""
        why = self.seen.unreachable.get(job.index)
        return why or job.message or self.unsubmitted.why(job)


def read_state(
    file: RunFile, journal: Journal, restore_types: Callable[[Mapping[str, Any]], Any]
) -> RunState:
    """A run as it is on record; what has changed so far is told to nobody.

    Raises:
        FolderError: the journal cannot be read.
    """
    state = RunState(file, journal, restore_types)
    state.catch_up()
    state.take_changes()
    state.take_restarted()
    state.pages.take_ended()
    return state


def watch(
    state: RunState,
    *,
    share: Share,
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
    right = SubmitRight(state.id, host.lease(state.folder), on_notice)
    submitter = Submitter(
        state,
        right,
        share,
        mutex=mutex,
        hooks=hooks,
        host=host,
        timeout=submit_timeout,
        look=look,
        on_submitted=seen.note_alive,
        on_notice=on_notice,
    )
    watcher = Watcher(state, seen, right, host=host, lost_after=lost_after, on_notice=on_notice)
    answers = Answers(state, seen, on_notice)
    unsubmitted = Unsubmitted(state, share)
    return WatchedRun(state, seen, right, submitter, watcher, answers, unsubmitted)
