"""The state folder: where the supervisor of this user and machine keeps its things."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

import platformdirs

from anybatch.errors import FolderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class StateFolder:
    """The folder at *path*.

    Attributes:
        journal: see `journal.py`.
        starting: markers of jobs that are being started.
        lock: held by the supervisor as long as it lives; tells its process number.
        log: what a supervisor that failed had to say.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "journal.jsonl"
        self.starting = path / "starting"
        self.lock = path / "lock"
        self.log = path / "supervisor.log"

    @contextlib.contextmanager
    def socket_path(self) -> Iterator[str]:
        """The socket's path by a detour: a socket's own may not exceed 107 bytes."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}/socket"
        finally:
            os.close(descriptor)

    def log_tail(self) -> str:
        """The last line of the log."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return lines[-1] if lines else "(its log is empty)"


def state_folder() -> StateFolder:
    """The folder of this user on this machine, made when it is not there, for nobody else.

    Raises:
        FolderError: it cannot be made, or not be written to.
    """
    base = platformdirs.user_state_path("anybatch").absolute()
    folder = StateFolder(base / "local" / socket.gethostname())
    try:
        folder.starting.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.path.chmod(0o700)
        folder.log.open("ab").close()
    except OSError as error:
        what = f"cannot write to the state folder {str(folder.path)!r}"
        raise FolderError(f"{what}: {error.strerror}; set XDG_STATE_HOME to use another") from error
    return folder
