"""Unpacks what a job brings back; a script by itself, which imports nothing of anybatch.

    python3 -I unpack.py ARCHIVE FOLDER RECORDS NAME...

The folders NAME and RECORDS of the archive go into FOLDER, RECORDS last: when one is there, so is
what it speaks of. A worker may be anybody's by now, so nothing leaves FOLDER: the whole archive is
looked at before anything is written; no name is absolute or has `..`; no link is followed but
those that lie in FOLDER itself (`stage-out/K`, which lead to where outputs belong); there are no
devices or pipes, and a hard link is to a file of the same archive.

Ends with 3 where the archive is not whole (yet), with 1 where it cannot be unpacked, for a reason
that is on standard error.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import tarfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_WHOLE = 3
LINKED = "stage-out"  #: its entries may be links that were there before
PIECE = 2**20

Path = tuple[str, ...]  #: names, from the top


class RefusedError(Exception):
    """What is in an archive that no job of ours packs."""


def read(archive: BinaryIO) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of an archive, in order; read to its very end, where its checksum is."""
    with gzip.open(archive) as plain:
        with tarfile.open(
            fileobj=plain, mode="r|", encoding="utf-8", errors="surrogateescape"
        ) as tar:
            for member in tar:
                yield tar, member
        while plain.read(PIECE):
            pass


def parts(name: str) -> Path:
    """A member's path.

    Raises:
        RefusedError: it is absolute, or goes upwards.
    """
    if name.startswith("/") or "\0" in name:
        raise RefusedError(f"{name!r} is no name for a file")
    found = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in found:
        raise RefusedError(f"{name!r} leads upwards")
    return found


def check(archive: BinaryIO, wanted: set[str]) -> None:
    """See that everything in an archive can be unpacked where it belongs.

    Raises:
        RefusedError: what cannot.
    """
    links: set[Path] = set()
    files: set[Path] = set()
    for _, member in read(archive):
        path = parts(member.name)
        if not path or path[0] not in wanted:
            continue
        if any(path[:length] in links for length in range(len(path))):
            raise RefusedError(f"{member.name!r} is behind a link")
        if member.issym():
            if path[0] != LINKED or len(path) < 3:
                raise RefusedError(f"{member.name!r} is a link")
            links.add(path)
        elif member.islnk():
            if parts(member.linkname) not in files:
                raise RefusedError(f"{member.name!r} is a link to {member.linkname!r}")
            files.add(path)
        elif member.isreg():
            files.add(path)
            links.discard(path)
        elif not member.isdir():
            raise RefusedError(f"{member.name!r} is no file, folder or link")


def unpack(archive: BinaryIO, top: int, wanted: set[str]) -> None:
    """Unpack folders of a checked archive into the folder that is open as *top*.

    Raises:
        RefusedError: something is in the way, or the disk is full.
    """
    for tar, member in read(archive):
        path = parts(member.name)
        if not path or path[0] not in wanted:
            continue
        try:
            with opened(top, path if member.isdir() else path[:-1]) as folder:
                if not member.isdir():
                    put(tar, member, top, folder, path[-1])
        except OSError as error:  # whose own text has a name that is another each time
            raise RefusedError(f"{member.name!r}: {error.strerror or error}") from error


@contextlib.contextmanager
def opened(top: int, path: Path) -> Iterator[int]:
    """A folder below *top*, made where it is not there; no link is followed but our own."""
    here = os.dup(top)
    try:
        for depth, name in enumerate(path):
            own = depth == 1 and path[0] == LINKED
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o777 if path[0] == LINKED and depth > 1 else 0o700, dir_fd=here)
            flags = os.O_RDONLY | os.O_DIRECTORY | (0 if own else os.O_NOFOLLOW)
            below = os.open(name, flags, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def put(tar: tarfile.TarFile, member: tarfile.TarInfo, top: int, folder: int, name: str) -> None:
    """Put a file or link into a folder, in the place of what has the name there."""
    new = f".ab-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        if member.issym():
            os.symlink(member.linkname, new, dir_fd=folder)
        elif member.islnk():
            target = parts(member.linkname)
            with opened(top, target[:-1]) as there:
                os.link(target[-1], new, src_dir_fd=there, dst_dir_fd=folder, follow_symlinks=False)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(new, flags, member.mode & 0o777, dir_fd=folder)
            with open(descriptor, "wb") as file, tar.extractfile(member) as content:  # type: ignore[union-attr]
                while piece := content.read(PIECE):
                    file.write(piece)
                file.flush()
                os.utime(descriptor, (member.mtime, member.mtime))  # of a record: the job's end
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=folder)


def main(name: str, folder: str, records: str, *others: str) -> int:
    """Unpack the archive *name*."""
    try:
        with open(name, "rb") as archive:
            check(archive, {records, *others})
            top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            for wanted in (set(others), {records}):
                archive.seek(0)
                unpack(archive, top, wanted)
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError):
        return NOT_WHOLE
    except (OSError, ValueError, OverflowError, RefusedError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
