"""Exit and start records: what jobs leave in their run's folder, read from file names.

`exit/PAGE/INDEX.ATTEMPT.RESTARTS.PHASE.exit-CODE[.CAUGHT]` (or `signal-NUMBER`); the record's time
of change is when the job ended. `start/PAGE/INDEX.ATTEMPT.RESTARTS.SECONDS.HOST` tells its start,
in seconds since 1970. When all jobs of a page have ended, and the journal has their verdicts, the
page's records are removed.
"""

from __future__ import annotations

import contextlib
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import attrs

from anybatch.worker.layout import page_of_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from anybatch.host import Files

_RECORD = re.compile(
    r"(?P<index>\d+)\.(?P<attempt>\d+)\.(?P<restarts>\d+)\.(?P<phase>[a-z_]+)"
    r"\.(?P<how>exit|signal)-(?P<number>\d+)(?:\.(?P<caught>[A-Z0-9]+))?"
)
#: What follows is not why the job has failed.
_CLEANUP = re.compile(r"^anybatch: job \d+: cleanup begins$", re.MULTILINE)
_SPEAKER = re.compile(r"^anybatch: job \d+: ")
_OF_CHILDREN = range(129, 193)
_NOT_STARTED = (126, 127)  # exit codes of shells
#: How the job script begins to tell why a command could not be started.
NOT_STARTED = ("command not found: ", "cannot execute: ")
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
        """Whether it says all: there was no signal, which only the system may explain.

        Shells tell by 128 and its number that one has ended what they ran.
        """
        return self.caught is None and self.signal is None and self.exit_code not in _OF_CHILDREN


@attrs.frozen
class Start:
    """A start of a job's script: which job, and which of its runs."""

    index: int
    attempt: int
    restarts: int


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


@attrs.define
class _Page:
    """What was seen of a page.

    Attributes:
        changed: the time of change of its folder of exit records, in nanoseconds; -1: not settled.
        seen: the names that were there.
        starts_read: its start records were read since the last look.
        starts_changed: like `changed`, for its start records.
        started: the names of those that were there.
    """

    changed: int = -1
    seen: set[str] = attrs.field(factory=set)
    starts_read: bool = False
    starts_changed: int = -1
    started: set[str] = attrs.field(factory=set)


class ExitFolder:
    """The exit records of a run, read as they appear.

    A page is listed only when its folder has changed.

    Args:
        run_folder: the run's folder.
        files: where it is.
    """

    def __init__(self, run_folder: Path, files: Files) -> None:
        self.path = run_folder / "exit"
        self._starts = run_folder / "start"
        self._files = files
        self._pages: dict[int, _Page] = {}
        self._found: list[ExitRecord] = []
        self._started: dict[str, tuple[str, datetime]] = {}
        self._again: set[str] = set()
        self._last_start: dict[tuple[int, int], int] = {}

    def new(self, pages: Iterable[int], *, thorough: bool = False) -> list[ExitRecord]:
        """The records that were not there at the last call.

        Args:
            pages: those to be looked at.
            thorough: list them even if their time of change is the same.

        Raises:
            OSError: a page cannot be listed now; what others had comes at the next call.
        """
        for number in pages:
            page = self._pages.setdefault(number, _Page())
            page.starts_read = False
            self._found += self._new_in(number, page, thorough=thorough)
        found, self._found = self._found, []
        return found

    def give_back(self, records: Iterable[ExitRecord]) -> None:
        """Have the next call of `new` find these again."""
        self._found = [*records, *self._found]

    def _new_in(self, number: int, page: _Page, *, thorough: bool) -> list[ExitRecord]:
        since = -1 if thorough else page.changed
        try:
            listing = self._files.list_changed(self.path / str(number), since)
        except FileNotFoundError:
            # Another process has seen the end of all jobs of the page, and has it on record.
            self._files.list_changed(self.path)
            return []
        if listing is None:
            return []
        # A file made within the clock's step of this listing would leave the time as it is.
        settled = time.time_ns() - listing.changed > _CLOCK_STEP
        page.changed = listing.changed if settled else -1
        names = [name for name in listing.names if name not in page.seen]
        page.seen.update(names)
        return [record for record in map(parse_record, names) if record]

    def new_starts(self, pages: Iterable[int]) -> list[Start]:
        """The starts that were not there at the last call; what cannot be listed comes later."""
        found = []
        for number in pages:
            page = self._pages.setdefault(number, _Page())
            with contextlib.suppress(OSError):
                folder = self._starts / str(number)
                if listing := self._files.list_changed(folder, page.starts_changed):
                    settled = time.time_ns() - listing.changed > _CLOCK_STEP
                    page.starts_changed = listing.changed if settled else -1
                    names = page.started.symmetric_difference(listing.names) - page.started
                    page.started.update(names)
                    found += [start for start in map(_parse_start, names) if start]
        return found

    def fold(self, page: int, last: Callable[[int], int]) -> None:
        """Remove the records of a page: the verdicts on all its jobs are in the journal.

        A start record without an exit record stays: its script may still run, and has its notes
        there, without which it passes no signal on. So does what is of a later attempt: another
        process may have had the job run again.

        Args:
            last: a job's attempt that its verdict is on.
        """
        self._pages.pop(page, None)
        exits, starts = self.path / str(page), self._starts / str(page)
        names = start_names(self._files, exits)
        told = [name for name in names if not _is_later(name, last)]
        ended = set(map(_key, told))
        began = start_names(self._files, starts)
        self._remove(starts, began, [name for name in began if _key(name) in ended])
        self._remove(exits, names, told)

    def _remove(self, folder: Path, names: Sequence[str], gone: Sequence[str]) -> None:
        for path in [folder] if len(gone) == len(names) else [folder / name for name in gone]:
            self._files.remove(path)

    def ended(self, record: ExitRecord) -> datetime | None:
        """When the record was made."""
        return self._files.changed_at(self.path / str(page_of_job(record.index)) / record.name)

    def start(self, index: int, attempt: int, restarts: int) -> tuple[str, datetime] | None:
        """The host and time of a job's last start; None: its script never ran.

        A page is listed once at most between two looks at it, for many of its jobs may never have
        started.
        """
        key = f"{index}.{attempt}.{restarts}"
        if key not in self._started:
            self._read_starts(page_of_job(index))
        return self._started.get(key)

    def restarted_uncounted(self, record: ExitRecord) -> bool:
        """Whether the script was started more than once, and last after the record was made.

        Batch systems that run a job again without counting (LSF) give both runs the same key.
        """
        self._read_starts(page_of_job(record.index))
        key = f"{record.index}.{record.attempt}.{record.restarts}"
        ended = self.ended(record) if key in self._again else None
        return ended is not None and self._started[key][1] > ended

    def started_later(self, record: ExitRecord) -> bool:
        """Whether a start of the job is on record that the system counts after the record's."""
        self._read_starts(page_of_job(record.index))
        last = self._last_start.get((record.index, record.attempt), record.restarts)
        return last > record.restarts

    def _read_starts(self, number: int) -> None:
        page = self._pages.setdefault(number, _Page())
        if page.starts_read:
            return
        page.starts_read = True
        for name in start_names(self._files, self._starts / str(number)):
            with contextlib.suppress(ValueError, OverflowError):  # no start record
                index, attempt, restarts, seconds, host = name.split(".", 4)
                started = datetime.fromtimestamp(int(seconds), timezone.utc)
                self._take_start(f"{index}.{attempt}.{restarts}", host, started)
                job = int(index), int(attempt)
                self._last_start[job] = max(int(restarts), self._last_start.get(job, 0))

    def _take_start(self, key: str, host: str, started: datetime) -> None:
        known = self._started.get(key)
        if known and known != (host, started):
            self._again.add(key)
        if not known or known[1] < started:
            self._started[key] = (host, started)


def _parse_start(name: str) -> Start | None:
    try:
        index, attempt, restarts = map(int, name.split(".", 3)[:3])
    except ValueError:
        return None
    return Start(index, attempt, restarts)


def _key(name: str) -> str:
    """Job, attempt and restarts of a record, as its name has them."""
    return ".".join(name.split(".", 3)[:3])


def _is_later(name: str, last: Callable[[int], int]) -> bool:
    """Whether a record is of a later attempt than the last that is known."""
    record = parse_record(name)
    return record is not None and record.attempt > last(record.index)


def start_names(files: Files, folder: Path) -> tuple[str, ...]:
    """The names of the start records in a page's folder, as far as it can be read."""
    with contextlib.suppress(OSError):
        if listing := files.list_changed(folder):
            return listing.names
    return ()


def log_tail(log: Path, files: Files) -> str | None:
    """The last two lines of a job's error log as one, without the script's own name and job.

    They tell why the script failed before or after the command. A program's line that begins
    with FATAL goes before those that follow it. None: nothing can be read.
    """
    try:
        if not files.is_file(log):
            return None  # nobody may ever write to a pipe
        text = files.read_from(log, -_TAIL).decode("utf-8", "replace")
        text = _CLEANUP.split(text, maxsplit=1)[0]
    except OSError:
        return None
    *before, last = [line for line in map(_shown, text.splitlines()) if line] or [""]
    fatal = [line for line in before if line.startswith("FATAL")]
    return "; ".join([*(fatal or before)[-1:], last]) or None


def own_words(record: ExitRecord, log: Path, files: Files) -> str | None:
    """What the job script itself says in a job's error log of the end that it has recorded.

    Of a command that could not be started it says why; what the command says is its own matter.
    """
    if record.caught is not None:
        return None
    if record.phase != "command":
        return log_tail(log, files)
    said = (log_tail(log, files) or "") if record.exit_code in _NOT_STARTED else ""
    return said if said.startswith(NOT_STARTED) else None


def _shown(line: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in line.strip())
    return _SPEAKER.sub("", plain)
