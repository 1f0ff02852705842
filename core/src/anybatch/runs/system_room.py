"""How many tasks a batch system is asked to take at once, as far as its refusals tell.

A refusal of so many for lack of room tells that fewer may fit. So fewer are tried, by halves,
until as many are taken as fit, in as many commands as the number has binary digits. Then nothing is
tried until tasks of the run have ended, or some time has passed: those of others end, too.
"""

from __future__ import annotations

import time

#: Seconds until one task is tried though none of the run has ended.
PAUSES = (10.0, 30.0, 60.0, 120.0, 300.0)
#: Tasks are tried when so many have ended of those that the system has, or enough for the rest.
STEP = 0.1


class SystemRoom:
    """What is known of the room that a batch system has for one run.

    Attributes:
        full: nothing is tried now.
        refused: what was tried last was refused.
    """

    def __init__(self) -> None:
        self.full = False
        self.refused = False
        self._too_many: int | None = None
        self._ended = 0
        self._failures = 0
        self._next = 0.0

    def most(self, wanted: int, ended: int, alive: int) -> int:
        """How many of *wanted* tasks may be tried now.

        Args:
            ended: how many of the run have ended so far.
            alive: how many of the run the system has.
        """
        if self.full:
            gained = min(wanted, ended - self._ended)
            if gained == wanted or gained >= max(1, int(alive * STEP)):
                return gained
            return int(time.monotonic() >= self._next)
        if self._too_many is None or wanted < self._too_many:
            return wanted if self._too_many is None else min(wanted, max(1, self._too_many // 2))
        return max(1, self._too_many // 2)

    def refuse(self, count: int, ended: int) -> None:
        """So many were refused."""
        self._too_many, self.refused, self.full = count, True, False
        if count == 1:
            self._fill(ended)

    def take(self, count: int, ended: int) -> None:
        """So many were taken."""
        self.refused = False
        if self.full:
            self.full, self._failures = False, 0
            waited = ended - self._ended
            self._too_many = waited - count + 1 if waited >= count else None
        elif self._too_many is not None:
            self._too_many -= count
        if self._too_many is not None and self._too_many <= 1:
            self._fill(ended)

    def _fill(self, ended: int) -> None:
        self.full, self._ended = True, ended
        self._next = time.monotonic() + PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
