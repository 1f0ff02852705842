"""What a forked child must not use: it has none of the parent's threads, and locks nobody frees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast
from weakref import WeakKeyDictionary

from anybatch.errors import UsageError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


T = TypeVar("T")

_CALLED: WeakKeyDictionary[object, Callable[[Any], None]] = WeakKeyDictionary()


def call_in_children(owner: T, method: Callable[[T], None]) -> None:
    """Call a method of *owner* in every forked child, which has one thread, while *owner* lives."""
    _CALLED[owner] = method


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
    for owner, method in tuple(_CALLED.items()):
        method(owner)


os.register_at_fork(after_in_child=_after_fork)
