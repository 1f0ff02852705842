"""`LocalFiles`: the files of this machine, as hooks and runs see them."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from anybatch.errors import FolderError
from anybatch.host import Listing
from anybatch.ownership import check_own, distrust

_MOST = 2**31  #: bytes of a file that is read into memory
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  #: nobody may ever write to a pipe


class LocalFiles:
    """See `anybatch.host.Files`."""

    def read(self, path: Path, *, own: bool = False) -> str:
        """See `Host.read`."""
        return self.read_from(path, 0, own=own).decode("utf-8", "surrogateescape")

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """See `Host.write`."""
        try:
            _make_private(path.parent)
            new = path.with_name(f".new-{os.urandom(4).hex()}")
            try:
                descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
                with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                    os.fchmod(descriptor, mode)  # whatever the umask
                    file.write(text)
                new.rename(path)
            except BaseException:
                new.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise FolderError(f"cannot write {str(path)!r}: {error.strerror}") from error

    def link(self, path: Path, target: str) -> None:
        """See `Host.link`."""
        try:
            _make_private(path.parent)
            with contextlib.suppress(FileExistsError):
                path.symlink_to(target)
        except OSError as error:
            raise FolderError(f"cannot create the link {str(path)!r}: {error.strerror}") from error

    def copy(self, path: Path, source: str) -> None:
        """See `Host.copy`."""
        try:
            _make_private(path.parent)
            with open_plain(Path(source)) as old, path.open("xb") as new:
                before = os.fstat(old.fileno())
                shutil.copyfileobj(old, new)
                new.flush()
                now = os.fstat(old.fileno())
                os.fchmod(new.fileno(), stat.S_IMODE(now.st_mode) & 0o777 | 0o400)
                os.utime(new.fileno(), ns=(now.st_atime_ns, now.st_mtime_ns))
                size = os.fstat(new.fileno()).st_size
        except OSError as error:
            raise FolderError(f"cannot copy {source!r}: {error.strerror}") from error
        if (before.st_mtime_ns, before.st_size) != (now.st_mtime_ns, size):
            raise FolderError(f"cannot copy {source!r}: it changed while it was copied; try again")

    def exists(self, path: Path) -> bool:
        """See `Host.exists`."""
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def listdir(self, folder: Path) -> list[str]:
        """See `Host.listdir`."""
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            return []

    def glob(self, pattern: str) -> list[Path]:
        """See `Host.glob`."""
        return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]

    # -- what runs need of their folders

    def make_folder(self, path: Path, mode: int = 0o777) -> None:
        """See `Files.make_folder`."""
        try:
            path.mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as error:
            raise FolderError(
                f"cannot create the folder {str(path)!r}: {error.strerror}"
            ) from error

    def make_private(self, path: Path) -> None:
        """See `Files.make_private`."""
        try:
            _make_private(path)
            why = self.distrust(path)
        except OSError as error:
            raise FolderError(
                f"cannot create the folder {str(path)!r}: {error.strerror}"
            ) from error
        if why:
            raise FolderError(f"{str(path)!r} is not used: {why}")

    def distrust(self, path: Path) -> str:
        """See `Files.distrust`."""
        return distrust(path)

    def append(self, path: Path, data: bytes, *, durable: bool = False) -> None:
        """See `Files.append`."""
        new = not path.exists()  # a later durable line would not tell that its folder is not
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            _check_plain(descriptor, path)
            if new:
                os.fchmod(descriptor, 0o600)  # whatever the umask
            if os.write(descriptor, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            _sync_folder(path.parent)

    def read_from(self, path: Path, start: int, most: int = -1, *, own: bool = False) -> bytes:
        """See `Files.read_from`."""
        with open_plain(path) as file:
            status = os.fstat(file.fileno())
            if own:
                check_own(status, path)
            size = status.st_size
            start = start if start >= 0 else max(0, size + start)
            if most < 0 and size - start > _MOST:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
            file.seek(start)
            return file.read(most)

    def list_changed(self, folder: Path, since: int = -1) -> Listing | None:
        """See `Files.list_changed`."""
        # It is opened each time, because that is what makes a network file system look again.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            status = os.fstat(descriptor)
            check_own(status, folder)
            changed = status.st_mtime_ns
            return None if changed == since else Listing(changed, tuple(os.listdir(descriptor)))
        finally:
            os.close(descriptor)

    def changed_at(self, path: Path) -> datetime | None:
        """See `Files.changed_at`."""
        try:
            return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        except OSError:
            return None

    def is_file(self, path: Path) -> bool:
        """See `Files.is_file`."""
        return path.is_file()

    def remove(self, path: Path) -> None:
        """See `Files.remove`."""
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _make_private(folder: Path) -> None:
    """Make a folder, and those above it, for their owner alone, whatever the umask."""
    if folder.is_dir():
        return
    _make_private(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def open_plain(path: Path) -> BinaryIO:
    """Open a file to be read, unless it is a pipe or a device, which might never end.

    Raises:
        OSError: it is, or cannot be opened.
    """
    descriptor = os.open(path, _READ)
    try:
        _check_plain(descriptor, path)
    except OSError:
        os.close(descriptor)
        raise
    return open(descriptor, "rb")


def _check_plain(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
