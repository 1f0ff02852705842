"""Who may submit for a run: one process at a time.

The lease is a lock on a file of this machine (never on a network file system). Submit commands
inherit it, so it lasts until a command that outlived its killed caller has ended: who gets the
lease knows that no submission is under way on this machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import platformdirs


class Lease:
    """The right to submit for a run. Not held after creation.

    Args:
        run: the run's id.
    """

    def __init__(self, run: str) -> None:
        self._path = platformdirs.user_runtime_path("anybatch") / "leases" / run
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process has it."""
        return self._descriptor is not None

    @property
    def descriptor(self) -> int:
        """What submit commands inherit."""
        assert self._descriptor is not None
        return self._descriptor

    def take(self) -> bool:
        """Try to get it; whether this process has it now."""
        if self._descriptor is not None:
            return True
        descriptor = self._open()
        if descriptor is None:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def _open(self) -> int | None:
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return None

    def drop(self, *, ended: bool = False) -> None:
        """Give it back; *ended*: nobody will want it again."""
        if self._descriptor is not None:
            if ended:
                with contextlib.suppress(OSError):
                    Path(self._path).unlink()
            os.close(self._descriptor)
            self._descriptor = None
