"""What happened to a run: append-only JSON lines, one file for each writing process.

State is the fold over all files of a run's folder. There are no locks, so any file system
will do; a torn last line is ignored; `grep` works. What was torn by a failed write has not
happened, and its writer says so in the next line (`torn`). Any other line that cannot be read may
have told anything: it is an event of its own (`unreadable`).
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from anybatch.errors import FolderAway, FolderError
from anybatch.runs.events import TORN, is_event, read_event, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anybatch.host import Files, Host
    from anybatch.runs.events import Event


#: Ends a line that was torn, and says that it was.
_MEND = f'\n{{"t": 0, "e": "{TORN}"}}\n'.encode()


class Journal:
    """A run's journal.

    Args:
        folder: the run's folder.
        writer: names this process among all that may ever write: host, process id, start. It
            stands in events that are read (`w`), and in the file's name alone.
        files: where the folder is.
    """

    def __init__(self, folder: Path, writer: str, files: Files) -> None:
        self._folder = folder
        self._files = files
        self.writer = writer
        self._own = folder / f"journal-{writer}.jsonl"
        self._read_to: dict[str, tuple[int, int]] = {}  # bytes, and lines
        self._torn = False
        self._damage: FolderError | None = None

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Write one event.

        Args:
            durable: it is on the disk before this returns, for what announces an action.

        Raises:
            FolderError: the folder cannot be written.
        """
        line = json.dumps({"t": round(time.time(), 3), **event}) + "\n"
        # After a full disk the end of the file is torn: the next line must not be lost with it.
        data = line.encode("utf-8")
        try:
            self._files.append(self._own, _MEND + data if self._torn else data, durable=durable)
        except OSError as error:
            self._torn = True
            raise FolderError(
                f"cannot write the journal {str(self._own)!r}: {error.strerror}"
            ) from error
        self._torn = False

    def read(self) -> list[Event]:
        """What other processes wrote since the last call; at first what all wrote.

        What one process wrote is in order; several are sorted for who looks on, and nothing more.

        Raises:
            FolderAway: the folder cannot be read now.
            FolderError: a line is damaged; at each call again.
        """
        if self._damage:
            raise self._damage
        events: list[Event] = []
        try:
            listing = self._files.list_changed(self._folder)
            for name in sorted(listing.names if listing else ()):
                if name.startswith("journal-") and (self._folder / name) != self._own:
                    events += self._new_lines(name)
        except OSError as error:
            raise FolderAway(
                f"cannot read the journal in {str(self._folder)!r}: {error.strerror or error}; the "
                f"run can be read again when the folder is back"
            ) from error
        return sorted(events, key=_turn)

    def refuse(self, event: Event, error: Exception, *, for_good: bool = True) -> FolderError:
        """The error for an event that cannot be; *for_good* the journal gives it from now on."""
        problem = f"{event['e']} at {event['t']}: {type(error).__name__}: {error!s:.500}"
        refused = FolderError(
            f"the journal in {str(self._folder)!r} is damaged: {problem}; if a newer anybatch has "
            f"written it, use that"
        )
        self._damage = refused if for_good else None
        return refused

    def _new_lines(self, name: str) -> Iterator[Event]:
        start, number = self._read_to.get(name, (0, 0))
        doubtful: list[int] = []  # lines that cannot be read, unless what follows says why
        # What follows the last line break is torn, or still being written.
        for line in self._files.read_from(self._folder / name, start, own=True).split(b"\n")[:-1]:
            parsed = _parsed(line)
            try:
                event = read_event(parsed)
            except ValueError as error:
                where = f"{str(self._folder / name)!r} is damaged at byte {start}"
                raise FolderError(
                    f"the journal {where}: {error}; if a newer anybatch has written it, use that"
                ) from error
            start, number = start + len(line) + 1, number + 1
            if is_event(parsed):
                if parsed["e"] != TORN:
                    yield from (unreadable(one, self._folder / name) for one in doubtful)
                doubtful.clear()
            elif line:
                doubtful.append(number)
            if event is not None and event["e"] != TORN:
                yield {**event, "w": name.removeprefix("journal-").removesuffix(".jsonl")}
        yield from (unreadable(one, self._folder / name) for one in doubtful)
        self._read_to[name] = start, number


def _turn(event: Event) -> tuple[int, float]:
    return event.get("q", 0), float(event["t"])


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def writer_name(host: Host) -> str:
    """Names this process among all that may ever write to a journal."""
    return f"{host.name}-{os.getpid()}-{time.time_ns():x}"
