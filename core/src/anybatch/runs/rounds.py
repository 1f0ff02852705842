"""What is done in the background while somebody waits: looking, asking, and submitting what is due.

What may take long is left to threads of its own: each batch system has one that asks and one that
submits, while there is work.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from anybatch.runs.background import Background
from anybatch.runs.workers import Workers

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from anybatch.runs.inquiry import Inquiry
    from anybatch.runs.looking import Looks
    from anybatch.runs.questions import Questions
    from anybatch.runs.roster import Roster
    from anybatch.runs.totals import Totals


class Rounds:
    """The background work of an engine.

    Args:
        roster: the runs that are watched.
        mutex: guards their states.
        announce: called after each piece of work.
        wake: called when an error has ended the rounds.

    Attributes:
        workers: the threads of what may take long.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        looks: Looks,
        questions: Questions,
        inquiry: Inquiry,
        totals: Totals,
        mutex: threading.RLock,
        announce: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._roster = roster
        self._looks = looks
        self._questions = questions
        self._inquiry = inquiry
        self._totals = totals
        self._mutex = mutex
        self._announce = announce
        self.workers = Workers()
        self._background = Background(self._round, wake)

    def begin(self) -> None:
        """Begin, if that has not been done."""
        self._background.begin()

    @property
    def broken(self) -> BaseException | None:
        """The error that has ended the rounds."""
        return self._background.broken

    def end(self, patience: float) -> bool:
        """End all threads; whether they ended in so many seconds each, for some command hangs."""
        ended = self._background.end(patience)
        return self.workers.wait(patience) and ended

    def _round(self) -> None:
        self.workers.raise_error()
        self._totals.look(self._roster.active())
        with self._mutex:
            active = self._roster.active()
            due = {run.system for run in active if self._questions.pace(run.system).due}
            waiting = {run.system for run in active if run.submitter.due}
        for system in due:
            self.workers.start(f"ask {system}", partial(self._ask, system))
        for system in waiting:
            self.workers.start(f"submit {system}", partial(self._submit, system))
        self._looks.look(None)
        self._announce()

    def _ask(self, system: str) -> None:
        self._looks.look([system], asked=[system])
        self._inquiry.ask(system)
        self._announce()

    def _submit(self, system: str) -> None:
        for run in self._roster.active([system]):
            if run.submitter.due and not self._background.closing:
                self._roster.guarded(run, lambda one: one.submitter.step())
            self._looks.settle(run)
        self._announce()
