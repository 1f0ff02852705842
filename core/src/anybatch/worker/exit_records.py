"""Exit and start records: what jobs leave in their run's folder, read from file names.

`exit/INDEX.ATTEMPT.RESTARTS.PHASE.exit-CODE[.CAUGHT]` (or `signal-NUMBER`); the record's time
of change is when the job ended. `start/INDEX.ATTEMPT.RESTARTS.SECONDS.HOST` tells its start, in
seconds since 1970.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from pathlib import Path

_RECORD = re.compile(
    r"(?P<index>\d+)\.(?P<attempt>\d+)\.(?P<restarts>\d+)\.(?P<phase>[a-z_]+)"
    r"\.(?P<how>exit|signal)-(?P<number>\d+)(?:\.(?P<caught>[A-Z0-9]+))?"
)
_SPEAKER = re.compile(r"^anybatch: job \d+: ")
_TAIL = 4096  #: bytes
_CLOCK_STEP = 100_000_000  #: nanoseconds; file systems of today are far better


@attrs.frozen
class ExitRecord:
    """How a job's script ended.

    Attributes:
        index, attempt, restarts: which job, and which of its runs.
        phase: setup, stage_in, command or stage_out.
        exit_code, signal: of the command (or of the phase that failed); one of them is None.
        caught: name of the signal that the script itself was sent, if any.
        name: of the file.
    """

    index: int
    attempt: int
    restarts: int
    phase: str
    exit_code: int | None
    signal: int | None
    caught: str | None
    name: str

    @property
    def conclusive(self) -> bool:
        """Whether it says all: no signal came from outside that only the system explains."""
        return self.caught is None and self.signal is None


def parse_record(name: str) -> ExitRecord | None:
    """The record that a file name is; None for any other name."""
    match = _RECORD.fullmatch(name)
    if not match:
        return None
    number = int(match["number"])
    return ExitRecord(
        index=int(match["index"]),
        attempt=int(match["attempt"]),
        restarts=int(match["restarts"]),
        phase=match["phase"],
        exit_code=number if match["how"] == "exit" else None,
        signal=number if match["how"] == "signal" else None,
        caught=match["caught"],
        name=name,
    )


class ExitFolder:
    """The exit records of a run, read as they appear.

    A listing is made only when the folder has changed. It is opened each time, because that is
    what makes a network file system look again.
    """

    def __init__(self, run_folder: Path) -> None:
        self.path = run_folder / "exit"
        self._starts = run_folder / "start"
        self._seen: set[str] = set()
        self._changed = -1
        self._started: dict[str, tuple[str, datetime]] = {}
        self._again: set[str] = set()
        self._starts_read = False

    def new(self, *, thorough: bool = False) -> list[ExitRecord]:
        """The records that were not there at the last call.

        Args:
            thorough: list the folder even if its time of change is the same.

        Raises:
            OSError: the folder cannot be listed now.
        """
        self._starts_read = False
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            changed = os.fstat(descriptor).st_mtime_ns
            if changed == self._changed and not thorough:
                return []
            names = [name for name in os.listdir(descriptor) if name not in self._seen]
        finally:
            os.close(descriptor)
        # A file made within the clock's step of this listing would leave the time as it is.
        settled = time.time_ns() - changed > _CLOCK_STEP
        self._changed = changed if settled else -1
        self._seen.update(names)
        return [record for record in map(parse_record, names) if record]

    def ended(self, record: ExitRecord) -> datetime | None:
        """When the record was made."""
        return _changed_at(self.path / record.name)

    def start(self, index: int, attempt: int, restarts: int) -> tuple[str, datetime] | None:
        """The host and time of a job's last start; None: its script never ran.

        The folder is listed once at most between two calls of `new`, for many jobs of a run may
        never have started.
        """
        key = f"{index}.{attempt}.{restarts}"
        if key not in self._started:
            self._read_starts()
        return self._started.get(key)

    def restarted_uncounted(self, record: ExitRecord) -> bool:
        """Whether the script was started more than once, and last after the record was made.

        Batch systems that run a job again without counting (LSF) give both runs the same key.
        """
        self._read_starts()
        key = f"{record.index}.{record.attempt}.{record.restarts}"
        ended = self.ended(record) if key in self._again else None
        return ended is not None and self._started[key][1] > ended

    def _read_starts(self) -> None:
        if self._starts_read:
            return
        self._starts_read = True
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = os.listdir(self._starts)
        for name in names:
            with contextlib.suppress(OSError, ValueError, OverflowError):  # no start record
                index, attempt, restarts, seconds, host = name.split(".", 4)
                started = datetime.fromtimestamp(int(seconds), timezone.utc)
                self._take_start(f"{index}.{attempt}.{restarts}", host, started)

    def _take_start(self, key: str, host: str, started: datetime) -> None:
        known = self._started.get(key)
        if known and known != (host, started):
            self._again.add(key)
        if not known or known[1] < started:
            self._started[key] = (host, started)


def log_tail(log: Path) -> str | None:
    """The last two lines of a job's error log as one, without the script's own name and job.

    They tell why the script failed before or after the command. A program's line that begins
    with FATAL goes before those that follow it. None: nothing can be read.
    """
    try:
        if not log.is_file():
            return None  # nobody may ever write to a pipe
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    *before, last = [line for line in map(_shown, text.splitlines()) if line] or [""]
    fatal = [line for line in before if line.startswith("FATAL")]
    return "; ".join([*(fatal or before)[-1:], last]) or None


def _shown(line: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in line.strip())
    return _SPEAKER.sub("", plain)


def _changed_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    except OSError:
        return None
