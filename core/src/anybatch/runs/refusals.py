"""Submit commands that failed: what is put on record of them, and what becomes of the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.errors import CommandFailed, PluginError, shorten
from anybatch.model import Reason, State
from anybatch.runs.entries import Phase
from anybatch.runs.moments import now

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from anybatch.errors import AnybatchError
    from anybatch.outcome import Outcome
    from anybatch.records import Submission
    from anybatch.runs.entries import SubmissionState
    from anybatch.runs.state import RunState


class Refusals:
    """What could not be submitted of one run.

    Args:
        run: its state.
        mutex: is held where the state is changed.
        on_notice: told what is tried otherwise.
    """

    def __init__(
        self, run: RunState, *, mutex: threading.RLock, on_notice: Callable[[str], None]
    ) -> None:
        self._run = run
        self._mutex = mutex
        self._on_notice = on_notice

    def note(self, one: SubmissionState, error: AnybatchError) -> None:
        """Put on record why a submit command failed, for whoever asks why nothing happens."""
        certain = isinstance(error, CommandFailed) and error.completed.returncode > 0
        refused = certain or isinstance(error, PluginError)
        with self._mutex:
            self._run.record(
                "failed",
                s=one.planned.submission.number,
                n=one.tries,
                text=shorten(str(error)),
                refused=refused,
                at=now().plain(),
            )

    def for_good(self, one: SubmissionState, submission: Submission, error: AnybatchError) -> None:
        """Hosts are avoided if that can be: what is refused with them is tried without."""
        with self._mutex:
            if not submission.avoid:
                self.refuse(one, Reason.REJECTED, str(error), State.FAILED)
                return
            if one.phase is Phase.SUBMITTING:
                self._run.record("not_found", durable=True, s=submission.number, n=one.tries)
            self._run.record("unavoided", s=submission.number)
        hosts = ", ".join(submission.avoid)
        self._on_notice(f"run {self._run.id}: {hosts} cannot be avoided: {error}")

    def refuse(self, one: SubmissionState, reason: Reason, text: str, state: State) -> None:
        """Put on record that it is not tried any more; its jobs end so. The lock is held."""
        number = one.planned.submission.number
        self._run.record("refused", durable=True, s=number, reason=reason.value, text=text)
        self._run.record_ended(list(self._refused(one, reason, text, state)))

    def _refused(
        self, one: SubmissionState, reason: Reason, text: str, state: State
    ) -> Iterator[Outcome]:
        for index in self._run.left(one):
            yield self._run.outcome(self._run.jobs[index], state, reason, message=text)
