"""Whether more of a run's jobs may be handed over now, asked often and answered cheaply."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from anybatch.planning.plan import RunLimit
from anybatch.runs.room import Portion, Room
from anybatch.runs.system_room import SystemRoom

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anybatch.runs.entries import SubmissionState
    from anybatch.runs.share import Share
    from anybatch.runs.state import RunState

#: What is left of a submission that was taken apart waits for so many times as long as the last
#: submit command took.
COST = 20
_NO_LIMIT = RunLimit()


class Gate:
    """Lets as many of one run's jobs through as its limit allows.

    Args:
        run: its state.
        share: of what limits several runs together.
    """

    def __init__(self, run: RunState, share: Share) -> None:
        self._run = run
        self._share = share
        self._paced = 0.0
        self._known: tuple[object, dict[int, bool]] = (None, {})
        self._system: SystemRoom | None = None

    @property
    def full(self) -> bool:
        """Whether the batch system has refused all that was tried."""
        return self._system is not None and self._system.full

    @property
    def refused(self) -> bool:
        """Whether the batch system has refused what was tried last."""
        return self._system is not None and self._system.refused

    def is_open(self, one: SubmissionState) -> bool:
        """Whether some jobs of a submission may be handed over now."""
        shared = self._share.version()
        if self._run.limit == _NO_LIMIT and self._system is None and shared is None:
            return True
        if one.parted and time.monotonic() < self._paced:
            return False
        if self._system is not None and self._system.full:
            return bool(self.portion(one).jobs)
        if self._known[0] != (self._run.events, shared):
            self._known = (self._run.events, shared), {}
        known, number = self._known[1], one.planned.submission.number
        if number not in known:
            known[number] = bool(self.portion(one).jobs)
        return known[number]

    def portion(self, one: SubmissionState) -> Portion:
        """What of a submission may be handed over now."""
        room = Room(self._run, self._share.beside())
        if self._system is None:
            return room.portion(one)
        wanted = one.planned.pack.count(len(self._run.left(one)))
        return room.portion(one, self._system.most(wanted, self._ended, sum(room.open.values())))

    def holds(self, one: SubmissionState, most: int | None) -> bool:
        """Whether no other run has taken the room meanwhile for which a submission was meant.

        Args:
            most: how many of its tasks may run.
        """
        beside = self._share.beside()
        return beside is None or Room(self._run, beside).allows(one, most)

    @property
    def _ended(self) -> int:
        return self._run.file.count - self._run.unfinished

    def refuse(self, count: int) -> None:
        """The batch system had no room for so many tasks."""
        self._system = self._system or SystemRoom()
        self._system.refuse(count, self._ended)

    def take(self, count: int, took: float) -> None:
        """The batch system took so many tasks, by a submit command of so many seconds."""
        self.pace(took)
        if self._system is not None:
            self._system.take(count, self._ended)

    def pace(self, took: float) -> None:
        """Let nothing through for some time, after a submit command that took so many seconds."""
        self._paced = time.monotonic() + COST * took


def change_limit(run: RunState, changed: Mapping[str, int | None]) -> RunLimit:
    """Put on record how many jobs of a run there may be at once from now on; what holds then.

    Raises:
        UsageError: it cannot be.
    """
    run.catch_up()
    limit = attrs.evolve(run.limit, **changed)
    for one in run.submissions:
        limit.check(one.planned.pack)
    if changed:
        run.record_limit(limit)
    return limit
