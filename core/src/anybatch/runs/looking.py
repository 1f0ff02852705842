"""Looking at what jobs have left: the records in run folders, and the verdicts that they allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    from anybatch.runs.observers import Observers
    from anybatch.runs.questions import Questions
    from anybatch.runs.roster import Roster
    from anybatch.runs.watched import WatchedRun


class Looks:
    """Looks at the run folders of an engine's runs.

    Args:
        roster: the runs.
        questions: are asked soon where a record waits for the batch system's word.
        observers: are told of what has changed.
        mutex: guards the states of runs.
        on_notice: told what cannot be read.
    """

    def __init__(
        self,
        roster: Roster,
        questions: Questions,
        observers: Observers,
        mutex: threading.RLock,
        on_notice: Callable[[str], None],
    ) -> None:
        self._roster = roster
        self._questions = questions
        self._observers = observers
        self._mutex = mutex
        self._on_notice = on_notice

    def look(self, systems: Collection[str] | None, asked: Collection[str] = ()) -> None:
        """Read new records, and judge; of those that are *asked* next, read everything."""
        for run in self._roster.active(systems):
            self._roster.guarded(run, lambda one: self.look_at(one, asked=one.system in asked))

    def look_at(self, run: WatchedRun, *, asked: bool = False, thorough: bool = False) -> None:
        """Read a run's new records, and judge.

        Args:
            asked: the batch system is asked next, so the verdicts wait for its answer.
            thorough: read also folders that seem unchanged.

        Raises:
            FolderError: the journal cannot be read or written.
        """
        with run.looking:  # another thread may be at it
            if asked:
                with self._mutex:
                    run.watcher.catch_up()
            exits = run.seen.exits
            try:
                starts = exits.new_starts(run.state.pages_with_queued())
                found = exits.new(run.state.pages.open, thorough=asked or thorough)
            except OSError as error:
                if run.seen.is_new_trouble(f"cannot read {exits.path}: {error.strerror}"):
                    self._on_notice(run.seen.trouble)
                return
            run.seen.trouble = ""
            with self._mutex:
                if run.watcher.take_records(found) or run.watcher.impatient:
                    self._questions.pace(run.system).ask_soon()
                run.watcher.take_starts(starts)
                if not asked:
                    run.watcher.judge()
                self.settle(run)
                ended = run.state.pages.take_ended()
            # A pack that is started anew passes by the jobs that have left records.
            for page in () if run.state.packed else ended:
                exits.fold(page, run.state.last_judged)

    def settle(self, run: WatchedRun) -> None:
        """Tell observers what was applied to a run's state, and users what could not be read."""
        with self._mutex:
            self._observers.take(run.state, run.state.take_changes())
            unreadable = run.state.take_unreadable()
        for text in unreadable:
            self._on_notice(f"run {run.state.id}: {text}")
