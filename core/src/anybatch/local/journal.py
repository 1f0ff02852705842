"""The journal: one event a line, appended before anything is built on it.

A supervisor that is killed loses nothing that it wrote, as the kernel has it; what a user was
promised (a submission) is also flushed to the disk.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from anybatch.errors import FolderError
from anybatch.local.events import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from anybatch.local.events import Event


class Journal:
    """The file at *path*; one process at a time has it open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def read(self) -> Iterator[Event]:
        """All events, oldest first. A last line that was torn is cut off.

        Raises:
            FolderError: a line is damaged.
        """
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        os.truncate(self._path, whole)
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                yield from_json(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise FolderError(
                    f"{self._path}, line {number} is damaged: {type(error).__name__}: {error}"
                ) from error

    def append(self, *events: Event, flush: bool = False) -> None:
        """Write events; with *flush* they are on the disk afterwards."""
        _write(self._file.fileno(), events)
        if flush:
            os.fsync(self._file.fileno())

    def rewrite(self, events: Iterable[Event]) -> None:
        """Have nothing but *events*, in one step."""
        new = self._path.with_suffix(".new")
        file = new.open("wb", buffering=0)
        _write(file.fileno(), events)
        os.fsync(file.fileno())
        new.rename(self._path)
        self._file.close()
        self._file = file


def _write(descriptor: int, events: Iterable[Event]) -> None:
    rest = b"".join(json.dumps(to_json(event)).encode() + b"\n" for event in events)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
