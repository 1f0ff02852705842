"""The thread that watches: one round after the other, until it is told to end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from anybatch.runs import forks

if TYPE_CHECKING:
    from collections.abc import Callable

TICK = 0.25  #: seconds between two looks at exit records


class Background:
    """A thread that is there while somebody waits.

    Args:
        work: one round.
        on_end: called when an error has ended it.

    Attributes:
        broken: the error that has ended it.
    """

    def __init__(self, work: Callable[[], None], on_end: Callable[[], None]) -> None:
        self.broken: BaseException | None = None
        self._work = work
        self._on_end = on_end
        self._beginning = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._forked = False
        forks.call_in_children(self, Background._after_fork)

    def _after_fork(self) -> None:
        self._forked = True

    @property
    def closing(self) -> bool:
        """Whether it was told to end."""
        return self._closing.is_set()

    @property
    def running(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def begin(self) -> None:
        """Start the thread, if it does not run.

        Raises:
            UsageError: the thread is the parent's.
        """
        if self._forked:
            forks.refuse()
        if self._thread is not None:
            return  # who waits takes no lock: Ctrl-C at the wrong moment would leave it held
        with self._beginning:
            if self._thread is None:
                self.broken = None
                self._closing.clear()
                thread = threading.Thread(target=self._run, name="anybatch-watcher", daemon=True)
                thread.start()
                self._thread = thread  # not before: Ctrl-C would leave one that never begins

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._work()
            except BaseException as error:
                self.broken, self._thread = error, None
                self._on_end()
                return
            self._closing.wait(TICK)

    def end(self, timeout: float) -> bool:
        """End the thread; whether it ended within *timeout* seconds."""
        if self._forked:
            return True
        self._closing.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                return False
        self._thread = None
        return True
