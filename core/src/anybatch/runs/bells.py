"""Waiting until something is so: asked again whenever something may have changed."""

from __future__ import annotations

import contextlib
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST_SLEEP = 1.0  #: seconds; a signal that comes as a sleep begins is seen when it ends


class Bells:
    """One for each thread that waits.

    Not a threading.Condition: that one Ctrl-C at the wrong moment leaves locked, or turns into
    "cannot release un-acquired lock" (Python 3.14).
    """

    def __init__(self) -> None:
        self._bells: dict[int, SimpleQueue[None]] = {}

    def __len__(self) -> int:
        return len(self._bells)

    def wait(
        self,
        ready: Callable[[], bool],
        deadline: float | None,
        errors: Callable[[], Iterable[BaseException | None]],
    ) -> bool:
        """Sleep until *ready*; whether it came to be so before *deadline* (monotonic seconds).

        Raises:
            BaseException: one of *errors*, which are asked for as often as *ready*.
        """
        bell = self._bells.setdefault(threading.get_ident(), SimpleQueue())
        try:
            while not ready():
                for error in errors():
                    if error is not None:
                        raise error
                left = LONGEST_SLEEP if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return False
                with contextlib.suppress(Empty):
                    bell.get(timeout=min(left, LONGEST_SLEEP))
        finally:
            self._bells.pop(threading.get_ident(), None)
        return True

    def ring(self) -> None:
        """Have everybody who waits look again."""
        for bell in tuple(self._bells.values()):
            if bell.empty():
                bell.put(None)
