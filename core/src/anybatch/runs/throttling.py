"""Telling the batch system how many jobs of a submission may run at once from now on.

Where a submission gets more, that is on record before the system is told; where it gets less,
after. So what is on record is never less than what may run.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anybatch.errors import AnybatchError
from anybatch.records import Batch
from anybatch.runs.room import Room, Throttle

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from anybatch.plugins.calls import Hooks
    from anybatch.runs.entries import SubmissionState
    from anybatch.runs.share import Share
    from anybatch.runs.state import RunState

PAUSE = 30.0  #: seconds until the system is told again, after that has failed


class Throttling:
    """Keeps the numbers of jobs that the batch system lets run for one run at what its limit says.

    Args:
        run: its state.
        share: of what limits several runs together.
        mutex: is held where the state is read or changed.
        on_notice: told what has failed and is tried again.
    """

    def __init__(
        self,
        run: RunState,
        share: Share,
        *,
        mutex: threading.RLock,
        hooks: Hooks,
        on_notice: Callable[[str], None],
    ) -> None:
        self._run = run
        self._share = share
        self._mutex = mutex
        self._hooks = hooks
        self._on_notice = on_notice
        self._fixed: set[int] = set()
        self._untold: dict[int, int] = {}
        self._not_before = 0.0
        self._known: tuple[object, bool] = (None, False)

    @property
    def due(self) -> bool:
        """Whether the system has to be told something now."""
        if time.monotonic() < self._not_before:
            return False
        key = self._run.events, self._share.version()
        if self._known[0] != key:
            self._known = key, bool(self._wanted())
        return self._known[1]

    def _wanted(self) -> list[Throttle]:
        throttles = list(Room(self._run, self._share.beside()).throttles(self._fixed))
        told = {one.submission.planned.submission.number for one in throttles}
        again = (
            Throttle(self._run.submissions[number], most)
            for number, most in self._untold.items()
            if number not in told
        )
        return [*again, *throttles]

    def step(self) -> None:
        """Tell it, a submission at a time; what cannot be told is tried again later."""
        with self._mutex:
            wanted = self._wanted() if self.due else []
        for one in wanted:
            number = one.submission.planned.submission.number
            try:
                if not self._tell(one):
                    self._fixed.add(number)
                self._untold.pop(number, None)
            except AnybatchError as error:
                self._untold[number] = one.most
                self._not_before = time.monotonic() + PAUSE
                text = f"run {self._run.id}: cannot change how many jobs run at once"
                self._on_notice(f"{text}, retrying in {PAUSE:g} s: {error}")
                return
        with self._mutex:
            key = self._run.events, self._share.version()
            self._known = key, bool(wanted and self._wanted())

    def _tell(self, one: Throttle) -> bool:
        """Whether the system has taken it."""
        submission = one.submission.planned.submission
        with self._share.counting(), self._mutex:
            open_ones = [self._run.jobs[index] for index in self._run.left(one.submission)]
            ids = tuple(job.native_id for job in open_ones if job.native_id)
            before = one.submission.most
            more = before is not None and one.most > before
            if more and one not in self._wanted():
                return True  # another run has taken the room meanwhile
            if more:
                self._note(one.submission, one.most)
        batch = Batch(submission=submission, ids=ids)
        took = bool(ids) and self._hooks.throttle(self._run.file.system, batch, one.most)
        with self._mutex:
            if took and not more:
                self._note(one.submission, one.most)
            elif more and not took:
                self._note(one.submission, before)
        return took

    def _note(self, one: SubmissionState, most: int | None) -> None:
        number = one.planned.submission.number
        self._run.record("throttle", durable=True, s=number, n=one.tries, most=most)
