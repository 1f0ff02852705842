"""The logs of jobs: where they are, and what is said of those that are not there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import Failure, say
from anybatch.errors import UsageError
from anybatch.localfiles import open_plain
from anybatch.model import State
from anybatch.ranges import write_ranges
from anybatch.tails import start_of_last

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anybatch.run import Run

MOST_JSON = 64 * 2**20  #: bytes of a log that JSON has room for
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")


class Log:
    """A job's output, or with *stderr* its errors.

    Args:
        attempt: which attempt; None: the last.
        tell_stream: say which of the two it is.
    """

    def __init__(
        self, run: Run, index: int, stderr: bool, attempt: int | None, *, tell_stream: bool
    ) -> None:
        self.run = run
        self.index = index
        self.stderr = stderr
        self._attempt = attempt
        self._tell_stream = tell_stream

    def __str__(self) -> str:
        return f"{self.run.id}:{self.index}{self.stream}"

    @property
    def stream(self) -> str:
        """` (stderr)`, where it has to be said."""
        return " (stderr)" * self.stderr if self._tell_stream else ""

    @property
    def paths(self) -> list[tuple[int, Path]]:
        """The numbers of all attempts and where their logs are, oldest first."""
        past = self.run.attempts(self.index)
        found = {one.attempt: one.stderr if self.stderr else one.stdout for one in past}
        latest = self.run.watched.state.jobs[self.index].attempt
        return sorted({**found, latest: self.run.logs(self.index)[self.stderr]}.items())

    @property
    def path(self) -> Path:
        """Where it is; changes when the job is run again.

        Raises:
            UsageError: there was no such attempt, or it has not ended.
        """
        if self._attempt is None:
            return self.run.logs(self.index)[self.stderr]
        for outcome in self.run.attempts(self.index):
            if outcome.attempt == self._attempt:
                return outcome.stderr if self.stderr else outcome.stdout
        raise UsageError(
            f"job {self.run.id}:{self.index} has no attempt {self._attempt} that has ended"
        )

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more."""
        return self.run.outcome(self.index) is not None or self.run.broken is not None

    @property
    def may_grow(self) -> bool:
        """Whether the job may have begun to write."""
        return self.run.watched.state.jobs[self.index].state not in (State.NEW, State.QUEUED)

    def record(self, tail: int | None) -> dict[str, Any]:
        """For programs; `text` is null where there is no log."""
        path = self.path
        return {
            "run": self.run.id,
            "index": self.index,
            "stream": "stderr" if self.stderr else "stdout",
            "path": str(path),
            "text": _text(path, tail),
        }


def _text(path: Path, tail: int | None) -> str | None:
    try:
        file = open_plain(path)
    except OSError:
        return None
    with file:
        size = file.seek(0, 2)
        start = 0 if tail is None else start_of_last(file, tail)
        if size - start > MOST_JSON:
            raise UsageError(
                f"{str(path)!r} is too long for JSON ({size} bytes); use --tail, or read the file"
            )
        file.seek(start)
        return file.read().decode("utf-8", "replace")


def tell_missing(found: Sequence[Log], missing: Sequence[Log]) -> None:
    """Say which of the logs that were found are not there; all of them or the only one: fail."""
    log = missing[0]
    if len(found) == 1:
        raise Failure(f"job {log} has no log yet: {log.path} does not exist")
    runs = dict.fromkeys(one.run.id for one in missing)
    jobs = {run: sorted({one.index for one in missing if one.run.id == run}) for run in runs}
    text = ", ".join(f"{run}:{write_ranges(some)}" for run, some in jobs.items())
    if len(found) == len(missing):
        raise Failure(f"no log yet for jobs {text}")
    say(f"no log yet for jobs {text}")


def prefix(log: Log, tell_run: bool) -> bytes:
    """`[3] `: what a line of several logs begins with; in colours on a terminal."""
    stream = " err" if log.stream else ""
    text = f"[{log.run.id}:{log.index}{stream}]" if tell_run else f"[{log.index}{stream}]"
    if sys.stdout.isatty() and not _colourless():
        text = click.style(text, fg=_COLOURS[log.index % len(_COLOURS)])
    return f"{text} ".encode()


def _colourless() -> bool:
    from anybatch.localhost import LocalHost

    environ = LocalHost().environ
    return bool(environ.get("NO_COLOR")) or environ.get("TERM", "dumb") == "dumb"
