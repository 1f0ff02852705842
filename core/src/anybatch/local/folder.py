"""The state folder: where the supervisor of this user and machine keeps its things."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING

import platformdirs

from anybatch.errors import FolderError
from anybatch.localfiles import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class UnsuitableFolder(FolderError):
    """A folder whose file system cannot do what the supervisor needs; it never will."""


_UNSUITABLE = frozenset(
    {errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EPERM, errno.EINVAL, errno.ENODEV}
)


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

    def check(self) -> None:
        """Try what the supervisor needs of the file system: locks, and Unix sockets.

        Raises:
            UnsuitableFolder: it has not got them, as AFS and some NFS.
        """
        probe = f"probe-{os.getpid()}"
        lock, address = self.path / f"{probe}.lock", self.path / probe
        try:
            with self._needing("locks (flock)"), lock.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with (
                self._needing("Unix sockets"),
                socket.socket(socket.AF_UNIX) as listener,
                self.socket_path() as path,
            ):
                listener.bind(f"{os.path.dirname(path)}/{probe}")
        finally:
            lock.unlink(missing_ok=True)
            address.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _needing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _UNSUITABLE:
                raise
            raise UnsuitableFolder(
                f"the file system of the state folder {str(self.path)!r} has no {what}: "
                f"{error.strerror}; set XDG_STATE_HOME to a folder on a local disk"
            ) from error

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
        for one in (base, folder.path.parent, folder.path, folder.starting):
            LocalFiles().make_private(one)
        folder.log.open("ab").close()
    except (OSError, FolderError) as error:
        what = f"cannot write to the state folder {str(folder.path)!r}"
        why = error.strerror if isinstance(error, OSError) else error
        raise FolderError(f"{what}: {why}; set XDG_STATE_HOME to use another") from error
    return folder
