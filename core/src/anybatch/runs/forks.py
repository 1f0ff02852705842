"""What a forked child must not use: it has none of the parent's threads, and locks nobody frees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn, cast
from weakref import WeakMethod

from anybatch.errors import UsageError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


_CALLED: set[WeakMethod[Callable[[], None]]] = set()


def call_in_children(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child, which has one thread, while its object lives."""
    _CALLED.add(WeakMethod(method, _CALLED.discard))


def refuse() -> NoReturn:
    """Raise the error for what belongs to the parent.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"this session belongs to a process that process {os.getpid()} is a fork of; create a "
        f"Session here, and attach to the run by its id"
    )


def refused_lock() -> threading.RLock:
    """What stands in for a session's lock in a forked child."""
    return cast("threading.RLock", _RefusedLock())


class _RefusedLock:
    def __enter__(self) -> NoReturn:
        refuse()

    def __exit__(self, *error: object) -> None: ...


def _after_fork() -> None:
    for reference in tuple(_CALLED):
        if (method := reference()) is not None:
            method()


os.register_at_fork(after_in_child=_after_fork)
