"""What happened to a run: append-only JSON lines, one file for each writing process.

State is the fold over all files of a run's folder. There are no locks, so any file system
will do; a torn last line is ignored; `grep` works.
"""

from __future__ import annotations

import errno
import json
import os
import time
from typing import TYPE_CHECKING, Any

from anybatch.errors import FolderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Event = dict[str, Any]


class Journal:
    """A run's journal.

    Args:
        folder: the run's folder.
        writer: names this process among all that may ever write: host, process id, start.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._own = folder / f"journal-{writer}.jsonl"
        self._read_to: dict[str, int] = {}
        self._torn = False

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Write one event.

        Args:
            durable: it is on the disk before this returns, for what announces an action.

        Raises:
            FolderError: the folder cannot be written.
        """
        line = json.dumps({"t": round(time.time(), 3), **event}) + "\n"
        try:
            new = not self._own.exists()
            descriptor = os.open(self._own, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                self._write(descriptor, line.encode("utf-8"))
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if new and durable:
                _sync_folder(self._folder)
        except OSError as error:
            raise FolderError(
                f"cannot write the journal {str(self._own)!r}: {error.strerror}"
            ) from error

    def _write(self, descriptor: int, line: bytes) -> None:
        data = b"\n" + line if self._torn else line
        written = os.write(descriptor, data)
        if written < len(data):  # the disk is full: the next line must not be lost with this one
            self._torn = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False

    def read(self) -> list[Event]:
        """What other processes wrote since the last call; at first what all wrote, in order.

        Raises:
            FolderError: the folder cannot be read.
        """
        events: list[Event] = []
        try:
            for name in sorted(os.listdir(self._folder)):
                if name.startswith("journal-") and (self._folder / name) != self._own:
                    events += self._new_lines(name)
        except OSError as error:
            raise FolderError(
                f"cannot read the journal in {str(self._folder)!r}: {error.strerror}"
            ) from error
        return sorted(events, key=lambda event: float(event["t"]))

    def _new_lines(self, name: str) -> Iterator[Event]:
        start = self._read_to.get(name, 0)
        with open(self._folder / name, "rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn, or still being written
                start += len(line)
                yield from _parsed(line)
        self._read_to[name] = start


def _parsed(line: bytes) -> Iterator[Event]:
    try:
        event = json.loads(line)
    except ValueError:
        return  # a line torn by a crash, then written on after it
    if isinstance(event, dict) and "t" in event and "e" in event:
        yield event


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
