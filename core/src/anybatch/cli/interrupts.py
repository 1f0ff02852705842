"""Ctrl-C, SIGTERM and SIGHUP: never in the middle of a submission."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise `KeyboardInterrupt` as Ctrl-C does."""
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGTERM, signal.SIGHUP):
            stack.enter_context(_handling(number, signal.default_int_handler))
        yield


class DeferredInterrupt:
    """An interrupt that came while it was held back."""

    def __init__(self) -> None:
        self._came = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: the first waits, a second does not."""
        if self._came:
            raise KeyboardInterrupt
        self._came = True

    def deliver(self) -> None:
        """Raise `KeyboardInterrupt` if one came."""
        if self._came:
            raise KeyboardInterrupt


@contextlib.contextmanager
def defer_interrupt() -> Iterator[DeferredInterrupt]:
    """Inside, the first interrupt is only noted, to be delivered afterwards."""
    late = DeferredInterrupt()
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            stack.enter_context(_handling(number, late.note))
        yield late


@contextlib.contextmanager
def _handling(number: signal.Signals, handler: Handler) -> Iterator[None]:
    before = signal.getsignal(number)
    if before is signal.SIG_IGN:  # a background job of a shell, which Ctrl-C is not meant for
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
