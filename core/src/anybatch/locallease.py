"""`LocalLease`: a right that one process at a time can have, as a lock on a file (flock(2)).

Where machines share the folder and not the locks, a file that only one of them can create
(O_EXCL, which NFS has) tells who takes a step.

The lock is free when the last process is gone that has the file open, which commands inherit. The
file is in a folder of the user's own, so nobody else can take it. It tells who has the right, or
had it last.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import secrets
import socket
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from anybatch.errors import FolderError
from anybatch.host import LeaseHolder
from anybatch.localfiles import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a file system says that has no locks; then the file is in the state folder.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CLAIM = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
#: Seconds for which a claim of another machine is seen before it counts as abandoned.
ABANDONED = 120.0
_STARTED = 19  # fields of /proc/PID/stat after the program's name; proc(5) counts from 3


class LocalLease:
    """See `anybatch.host.Lease`.

    Args:
        folder: what the right is about; the file `lease` in it is locked.
        inherited: the descriptors that commands of a thread hold open.
        machine: the name of this one.
    """

    def __init__(
        self, folder: Path, inherited: threading.local, machine: str | None = None
    ) -> None:
        self._machine = socket.gethostname() if machine is None else machine
        self._folder = folder
        self._path = folder / "lease"
        self._inherited = inherited
        self._mutex = threading.Lock()
        self._held = 0
        self._descriptor = -1
        self._id = secrets.token_hex(8)
        self._met: dict[Path, float] = {}  #: claims of others, and when they were first seen

    def take(self) -> bool:
        """See `Lease.take`."""
        with self._mutex:
            if not self._held and not self._lock():
                return False
            self._held += 1
            return True

    def drop(self) -> None:
        """See `Lease.drop`."""
        with self._mutex:
            self._held -= 1
            if not self._held:
                # Commands have ended by now; what one has left running does not keep the lock.
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
                os.close(self._descriptor)

    def leave(self) -> None:
        """See `Lease.leave`."""
        holder = self.holder()
        if holder and holder.here and self.take():
            os.ftruncate(self._descriptor, 0)
            self.drop()

    def claim(self, step: str) -> bool:
        """See `Lease.claim`."""
        folder = self._folder / "claims"
        try:
            LocalFiles().make_private(folder)
            names = (folder / f"{step}.{count}" for count in itertools.count())
            return next(self._create(name) for name in names if not self._is_over(name))
        except OSError as error:
            raise FolderError(
                f"cannot claim {step} in {str(folder)!r}: {error.strerror}"
            ) from error

    def _create(self, path: Path) -> bool:
        """Whether a claim is this one's, now or before."""
        text = f"{self._signature()} {self._id}\n".encode()
        try:
            descriptor = os.open(path, _CLAIM, 0o600)
        except FileExistsError:
            return " ".join(_words(path)).encode() == text.strip()
        try:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            os.write(descriptor, text)
        finally:
            os.close(descriptor)
        return True

    def _is_over(self, path: Path) -> bool:
        """Whether somebody else has claimed this and will not go on."""
        try:
            words = _words(path)
        except FileNotFoundError:
            return False
        if words[3:] == [self._id]:
            return False
        if words[2:3] == [self._machine]:
            return True  # the lock, which is held here now, says so
        return time.monotonic() - self._met.setdefault(path, time.monotonic()) > ABANDONED

    def _signature(self) -> str:
        pid = str(os.getpid())
        return f"{pid} {_process(pid)[1]} {self._machine}"

    def _lock(self) -> bool:
        try:
            descriptor = self._open_locked()
        except OSError as error:
            raise FolderError(f"cannot lock {str(self._path)!r}: {error.strerror}") from error
        if descriptor is None:
            return False
        self._descriptor = descriptor
        holder = self.holder()
        if not (holder and holder.alive):
            # Who is on record stays there while it lives: it may come back in a moment.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{self._signature()}\n".encode(), 0)
        return True

    def _open_locked(self) -> int | None:
        """A descriptor of the file, locked; None: another process has it locked."""
        descriptor = os.open(self._path, _OPEN, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            os.fchmod(descriptor, 0o600)  # whatever the umask
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            if error.errno in _NO_LOCKS and self._path.parent != _elsewhere():
                LocalFiles().make_private(_elsewhere())
                self._path = _elsewhere() / self._path.parent.name
                return self._open_locked()
            raise
        return descriptor

    def holder(self) -> LeaseHolder | None:
        """See `Lease.holder`."""
        try:
            words = LocalFiles().read(self._path).split()
        except OSError:
            return None
        if len(words) != 3 or not words[0].isdecimal():
            return None
        pid, started, host = words
        if host != self._machine:
            return LeaseHolder(f"process {pid} on {host}")
        state, start = _process(pid)
        if start != started:
            return LeaseHolder(f"a submit command of process {pid} (ended)")
        stopped = state in "Tt"
        text = f"process {pid} (stopped)" if stopped else f"process {pid}"
        return LeaseHolder(text, alive=True, stopped=stopped, here=int(pid) == os.getpid())

    @contextlib.contextmanager
    def inherited(self) -> Iterator[None]:
        """See `Lease.inherited`."""
        before = getattr(self._inherited, "descriptors", ())
        if self._held:
            self._inherited.descriptors = (*before, self._descriptor)
        try:
            yield
        finally:
            self._inherited.descriptors = before


def _elsewhere() -> Path:
    """Where leases are of folders whose file system has no locks."""
    import platformdirs  # takes 10 ms, and hardly ever is needed

    return platformdirs.user_state_path("anybatch") / "leases"


def _words(path: Path) -> list[str]:
    """What a claim says; nothing while it is being made."""
    try:
        return LocalFiles().read(path).split()
    except PermissionError:
        return []


def _process(pid: str) -> tuple[str, str]:
    """A process's state, and when it was started; empty texts where there is none (proc(5))."""
    try:
        text = Path("/proc", pid, "stat").read_text("utf-8", "replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return fields[0], fields[_STARTED]
