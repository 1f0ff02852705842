"""Files that grow: their last lines, and what they have grown by."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from anybatch.localfiles import open_plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

BLOCK = 65_536  #: bytes that are read at once, and the longest line that is kept together
_KNOWN = 64  #: bytes by which a file is known again that was put in the place of another


def start_of_last(file: BinaryIO, lines: int, floor: int = 0) -> int:
    """Where the last *lines* lines of a file begin, but not before *floor*."""
    position = end = file.seek(0, os.SEEK_END)
    if not lines:
        return end
    while position > floor:
        size = min(BLOCK, position - floor)
        position -= size
        file.seek(position)
        block = file.read(size)
        stop = len(block) - 1 if position + size == end else len(block)  # not the last break
        while lines and (stop := block.rfind(b"\n", 0, stop)) >= 0:
            lines -= 1
        if not lines:
            return position + stop + 1
    return floor


def last_lines(path: Path, lines: int, most: int = BLOCK) -> bytes:
    """The last lines of a file, not more than *most* bytes; nothing where it cannot be read."""
    try:
        with open_plain(path) as file:
            floor = max(0, file.seek(0, os.SEEK_END) - most)
            file.seek(start_of_last(file, lines, floor))
            return file.read(most)
    except OSError:
        return b""


def read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file, in blocks."""
    while block := file.read(BLOCK):
        yield block


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file in lines; one that is too long comes in several."""
    while line := file.readline(BLOCK):
        yield line


class Tail:
    """What a file has grown by. It is opened anew each time, which network file systems need.

    Args:
        last: at first only so many lines; None: all.
    """

    def __init__(self, last: int | None = None) -> None:
        self._last = last
        self._path: Path | None = None
        self._file = 0
        self._read = 0
        self._before = b""

    def read(self, path: Path) -> Iterator[bytes]:
        """What has come since the last call, in blocks.

        A file that has become shorter, or another one in its place, is read from its beginning;
        and so is another *path*, after the rest of the one before.

        Raises:
            OSError: it cannot be read; `FileNotFoundError`: it is not there.
        """
        if path != self._path:
            if self._path is not None:
                with contextlib.suppress(FileNotFoundError):  # it was moved away
                    yield from self._new(self._path)
                self._last = None
            self._path, self._file, self._read, self._before = path, 0, 0, b""
        yield from self._new(path)

    def _new(self, path: Path) -> Iterator[bytes]:
        with open_plain(path) as file:
            status = os.fstat(file.fileno())
            if not self._file and self._last is not None:
                self._read = start_of_last(file, self._last)
            elif status.st_size < self._read or (
                status.st_ino != self._file and not self._is_known(file)
            ):
                self._read, self._before = 0, b""
            self._file = status.st_ino
            file.seek(self._read)
            for block in read_blocks(file):
                self._read += len(block)
                self._before = (self._before + block)[-_KNOWN:]
                yield block

    def _is_known(self, file: BinaryIO) -> bool:
        """Whether a file has, where reading ended, what was read last."""
        file.seek(self._read - len(self._before))
        return file.read(len(self._before)) == self._before


class Lines:
    """Blocks of bytes as lines; the last is kept back until it is whole, or very long."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, block: bytes) -> list[bytes]:
        """The lines that are whole now, with their line breaks."""
        *whole, self._rest = (self._rest + block).split(b"\n")
        lines = [line + b"\n" for line in whole]
        return [*lines, *self.end()] if len(self._rest) > BLOCK else lines

    def end(self) -> list[bytes]:
        """What is left."""
        rest, self._rest = self._rest, b""
        return [rest + b"\n"] if rest else []
