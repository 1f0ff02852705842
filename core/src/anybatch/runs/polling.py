"""When a batch system is asked next: the pauses between two questions."""

from __future__ import annotations

import time

FIRST_POLL = 2.0  #: the first pause between two questions to the batch system, in seconds
SOON = 1.0  #: pause before a question that something has called for
COST_SOON = 10  #: which is at least so many times what the last question took
SLOWEST_POLL = 120.0
COST = 50  #: the pause is at least so many times what the question took
UNREACHABLE = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)  #: pauses after questions that failed


class Pace:
    """The pace of the questions to one batch system.

    The pause grows with the age of the jobs and the cost of a question; after questions that
    failed it grows to a minute.

    Args:
        interval: shortest pause between two questions in steady state, in seconds.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._failures = 0
        self._took = 0.0
        self._due = float("inf")
        self._watching_since = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to ask."""
        return time.monotonic() >= self._due

    @property
    def reachable(self) -> bool:
        """Whether the last question was answered."""
        return self._failures == 0

    def begin(self) -> None:
        """There are new jobs: ask as often as at first."""
        self._watching_since = time.monotonic()
        self._due = min(self._due, time.monotonic() + FIRST_POLL)

    def ask_soon(self) -> None:
        """Something has happened that only the system explains."""
        if self.reachable:
            pause = max(SOON, self._took * COST_SOON)
            self._due = min(self._due, time.monotonic() + pause)

    def asked(self) -> float:
        """A question begins now; `answered` is to be told what this answers."""
        return time.monotonic()

    def answered(self, asked: float) -> None:
        """A question was answered."""
        self._failures = 0
        now = time.monotonic()
        self._took = now - asked
        age = now - self._watching_since
        steady = self._interval if age > self._interval else FIRST_POLL
        self._due = now + min(max(steady, age / 20, (now - asked) * COST), SLOWEST_POLL)

    def failed(self) -> None:
        """A question was not answered."""
        pause = UNREACHABLE[min(self._failures, len(UNREACHABLE) - 1)]
        self._failures += 1
        self._due = time.monotonic() + pause
