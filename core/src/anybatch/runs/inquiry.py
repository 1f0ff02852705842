"""Asking a batch system about all jobs whose end is open, and what its answer does to each run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from anybatch.runs.moments import now

if TYPE_CHECKING:
    import threading

    from anybatch.runs.answers import Answer
    from anybatch.runs.looking import Looks
    from anybatch.runs.moments import Moment
    from anybatch.runs.questions import Questions
    from anybatch.runs.roster import Roster
    from anybatch.runs.watched import WatchedRun


class Inquiry:
    """Asks for an engine's runs. No plugin is called while *mutex* is held."""

    def __init__(
        self, roster: Roster, questions: Questions, looks: Looks, mutex: threading.RLock
    ) -> None:
        self._roster = roster
        self._questions = questions
        self._looks = looks
        self._mutex = mutex

    def ask(self, system: str) -> None:
        """Ask a batch system about all jobs whose end is open, and take its answer."""
        with self._questions.one_at_a_time(system):
            with self._mutex:
                runs = self._roster.active([system])
                asked = [(run, batch) for run in runs for batch in run.answers.asked_about()]
            at = now()
            answers = self._questions.ask(system, [batch for _, batch in asked])
            if answers is None:
                for run in runs:
                    self._roster.guarded(run, partial(self._note_none, at=at))
                return
            answered: dict[str, list[Answer]] = {run.state.id: [] for run in runs}
            for (run, batch), answer in zip(asked, answers, strict=True):
                answered[run.state.id].append((batch, answer))
            for run in runs:
                take = partial(self._take, answered=answered[run.state.id], at=at)
                self._roster.guarded(run, take)

    def _note_none(self, run: WatchedRun, at: Moment) -> None:
        with self._mutex:
            run.answers.note_none(at)

    def _take(self, run: WatchedRun, answered: list[Answer], at: Moment) -> None:
        with self._mutex:
            run.answers.take(answered, at)
            self._looks.settle(run)
        # A plugin may have fetched records, to be judged with its answer. tar (1.34) leaves the
        # time of change of a folder as it was, so they are looked for whatever that says.
        self._looks.look_at(run, thorough=True)
