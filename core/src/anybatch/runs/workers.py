"""Threads for what may take long: at most one for each thing at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Workers:
    """Background threads, each with a name; a second one of a name is not started."""

    def __init__(self) -> None:
        self._threads: dict[str, threading.Thread] = {}
        self._errors: list[BaseException] = []

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Do *work* in a thread, unless the last work of this name goes on."""
        running = self._threads.get(name)
        if running is None or not running.is_alive():
            self._threads[name] = _start(work, self._errors, f"anybatch-{name}")

    def all_at_once(self, works: Sequence[Callable[[], None]]) -> None:
        """Do all of *works*, side by side, and return when all are done.

        Raises:
            BaseException: the first error of one.
        """
        if len(works) == 1:
            works[0]()
            return
        errors: list[BaseException] = []
        for thread in [_start(work, errors) for work in works]:
            thread.join()
        if errors:
            raise errors[0]

    def raise_error(self) -> None:
        """Raise an error that has ended a thread, once."""
        if self._errors:
            raise self._errors.pop()

    def wait(self, timeout: float) -> bool:
        """Wait for all; whether they ended within *timeout* seconds."""
        deadline = time.monotonic() + timeout
        this = threading.current_thread()
        others = [thread for thread in tuple(self._threads.values()) if thread is not this]
        for thread in others:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in others)


def _start(
    work: Callable[[], None], errors: list[BaseException], name: str | None = None
) -> threading.Thread:
    """Do *work* in a thread, which leaves its error in *errors*."""

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
