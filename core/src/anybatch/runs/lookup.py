"""Looking for the jobs of a submission whose submit command gave no ids.

Its token travels with the jobs. What the batch system does not know by it, for as long as a
request may be on its way, and what has left no start record, was not submitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.runs.entries import Phase
from anybatch.runs.moments import now
from anybatch.worker.exit_records import start_names
from anybatch.worker.layout import page_of_job

if TYPE_CHECKING:
    import threading

    from anybatch.host import Host
    from anybatch.plugins.calls import Hooks
    from anybatch.runs.entries import SubmissionState
    from anybatch.runs.state import RunState

#: Seconds between the two look-ups after which a submission is certainly not there, where the
#: system names no longer time.
SETTLE = 4.0
#: Seconds for which a submit command may run on another machine, beside its time limit.
ELSEWHERE = 60.0


class Lookup:
    """Looks for the announced submissions of one run.

    Args:
        run: its state.
        mutex: is held where the state is read or changed.
    """

    def __init__(self, run: RunState, *, mutex: threading.RLock, hooks: Hooks, host: Host) -> None:
        self._run = run
        self._mutex = mutex
        self._hooks = hooks
        self._host = host

    def look(self, one: SubmissionState) -> list[str] | float:
        """The ids of its jobs, empty where it may be submitted again.

        Returns:
            Ids, each of them empty where the jobs are there and nobody knows their ids; empty:
            there are no jobs. A number: nothing is certain before so many seconds have passed.

        Raises:
            CommandError: the batch system could not be asked.
        """
        submission = one.planned.submission
        ids = self._hooks.find(self._run.file.system, submission)
        if ids:
            return ids
        if (left := self._unsettled(one)) > 0:
            return left
        if self._left_records(one):
            return [""] * submission.count
        with self._mutex:
            self._run.catch_up()
            if one.phase is Phase.SUBMITTING:
                told = {"s": submission.number, "n": one.tries, "doubts": one.doubts}
                self._run.record("not_found", durable=True, **told)
        return []

    def _unsettled(self, one: SubmissionState) -> float:
        """The seconds until it is looked up again, while its request may be on its way; else 0.

        A command may have given up on a busy system that still has its request in a queue, and one
        that was begun on another machine may run there still. What counts is when it was first not
        found, by whichever process of this machine.
        """
        submission, moment = one.planned.submission, now()
        if one.unfound_since is None:
            at = moment.plain()
            with self._mutex:
                self._run.record("unfound", s=submission.number, n=one.tries, at=at)
        settle = max(SETTLE, submission.limits.late_arrival.total_seconds())
        if one.host != self._host.name:
            settle += one.lasts + ELSEWHERE
        left = settle - (one.unfound_since or moment).until(moment)
        return min(left, max(SETTLE, settle / 4)) if left > 0 else 0.0

    def _left_records(self, one: SubmissionState) -> bool:
        """Whether a job of it has run: then it was submitted, though nobody knows its ids."""
        starts = self._run.folder / "start"
        pages = dict.fromkeys(page_of_job(index) for index in one.planned.indices)
        names = [name for page in pages for name in start_names(self._host, starts / str(page))]
        keys = {f"{index}.{one.planned.attempt}" for index in one.planned.indices}
        return any(".".join(name.split(".", 2)[:2]) in keys for name in names)
