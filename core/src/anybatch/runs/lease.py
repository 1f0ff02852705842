"""Who may submit for a run: one process at a time on a machine.

The lease is the name of a Unix socket in Linux's abstract namespace (unix(7)): one process can
have it, it needs no file, and it is free when the last process that holds it open is gone.
Submit commands inherit it, so it outlasts a killed caller until its command has ended: who gets
the lease knows that no submission is under way on this machine.
"""

from __future__ import annotations

import os
import socket


class Lease:
    """The right to submit for a run. Not held after creation.

    Args:
        run: the run's id.
    """

    def __init__(self, run: str) -> None:
        self._name = f"\0anybatch-lease-{os.getuid()}-{run}"
        self._socket: socket.socket | None = None

    @property
    def descriptor(self) -> int:
        """What submit commands inherit, while it is held."""
        assert self._socket is not None
        return self._socket.fileno()

    def take(self) -> bool:
        """Try to get it; whether this process has it now."""
        if self._socket is not None:
            return True
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            attempt.bind(self._name)
        except OSError:
            attempt.close()
            return False
        self._socket = attempt
        return True

    def drop(self) -> None:
        """Give it back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
