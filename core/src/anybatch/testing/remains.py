"""What a test that failed leaves in its folder: processes that still run, files, ends of logs."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_PROCESSES = 30
_MOST_FILES = 80
_MOST_LOGS = 12
_LINES = 8
_WIDTH = 300
_SECOND = os.sysconf("SC_CLK_TCK")
_LOGS = {".err", ".log", ".out"}


@attrs.frozen
class Process:
    """A process of this machine, from its files in /proc.

    Attributes:
        state: R runs, S waits, D waits for a disk, T is stopped, Z has ended.
        seconds: of a processor, that it has used: many where it waits in a loop.
        words: its command line; its name in brackets where there is none.
    """

    pid: int
    parent: int
    state: str
    seconds: float
    folder: str
    words: str

    def __str__(self) -> str:
        used = f"{self.seconds:.1f} s used"
        text = f"{self.pid} (of {self.parent}) {self.state}, {used}, in {self.folder}: {self.words}"
        return text[:_WIDTH]


def describe(folder: Path) -> str:
    """What runs in a folder or on its behalf, and what there is in it; empty where nothing runs."""
    processes = _of(folder)
    if not processes:
        return ""
    files = sorted(_files(folder))
    logs = [file for file in files if file.suffix in _LOGS or file.name == "system"]
    return "\n".join(
        [
            *_first(_MOST_PROCESSES, [str(process) for process in processes], "processes"),
            *_first(_MOST_FILES, [str(file.relative_to(folder)) for file in files], "files"),
            *(line for file in logs[:_MOST_LOGS] for line in _end(file, folder)),
        ]
    )


def _of(folder: Path) -> list[Process]:
    """Those that work in a folder or are called with a path in it, and all that they started."""
    known = sorted(_every(), key=lambda process: process.pid)
    own = {os.getpid()}
    found: dict[int, Process] = {}
    text, more = str(folder), True
    while more:
        new = {
            process.pid: process
            for process in known
            if process.pid not in found.keys() | own
            and (text in process.words or text in process.folder or process.parent in found)
        }
        found |= new
        more = bool(new)
    return list(found.values())


def _every() -> Iterator[Process]:
    for path in Path("/proc").glob("[0-9]*"):
        # It has ended, or is somebody else's.
        with contextlib.suppress(OSError, ValueError, IndexError):
            name, _, rest = (path / "stat").read_text("utf-8", "replace").rpartition(")")
            fields = rest.split()
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").strip()
            yield Process(
                pid=int(path.name),
                parent=int(fields[1]),
                state=fields[0],
                seconds=(int(fields[11]) + int(fields[12])) / _SECOND,
                folder=os.readlink(path / "cwd"),
                words=words.decode("utf-8", "replace") or f"[{name.partition('(')[2]}]",
            )


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _first(most: int, lines: list[str], what: str) -> list[str]:
    left = len(lines) - most
    return [*lines[:most], *([f"... {left} more {what}"] if left > 0 else [])]


def _end(file: Path, folder: Path) -> list[str]:
    """The last lines of a log, below its name."""
    try:
        with open(file, encoding="utf-8", errors="replace") as text:
            lines = deque(text, maxlen=_LINES)
    except OSError:
        return []
    shown = [f"  {line.rstrip()[:_WIDTH]}" for line in lines]
    return [f"end of {file.relative_to(folder)}:", *shown] if shown else []
