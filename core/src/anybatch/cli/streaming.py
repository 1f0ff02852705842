"""What a single job prints, printed on by `run`."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from anybatch.records import Transfer
from anybatch.tails import BLOCK, Tail

if TYPE_CHECKING:
    from typing import TextIO

    from anybatch.cli.progress import Progress
    from anybatch.model import Job
    from anybatch.run import Run


class Output:
    """Prints a job's output and errors, but those that go to files of their own.

    Where files are shared, they are printed while the job runs; else when it has ended.

    Args:
        progress: becomes quiet when something is printed to a terminal.
    """

    def __init__(self, run: Run, job: Job, progress: Progress) -> None:
        self._run = run
        self._progress = progress
        self._shared = run.submissions[0].transfer is Transfer.SHARED
        given = {False: job.stdout, True: job.stderr}
        self._tails = {stderr: Tail() for stderr, path in given.items() if path is None}
        self._last = dict.fromkeys(self._tails, b"\n")
        self._held = b""  #: the beginning of a line of errors, which a notice would break

    def look(self) -> None:
        """Print what is new, while the job runs."""
        if self._shared:
            self._print()

    def finish(self) -> None:
        """Print the rest, and end a line that the job did not end, if a person reads it."""
        self._print()
        held, self._held = self._held, b""
        _write(sys.stderr, held)
        for stderr, last in self._last.items():
            stream = _stream(stderr)
            if last != b"\n" and stream.isatty():
                _write(stream, b"\n")

    def _print(self) -> None:
        for stderr, tail in self._tails.items():
            stream = _stream(stderr)
            with contextlib.suppress(FileNotFoundError):
                for block in tail.read(self._run.logs(0)[stderr]):
                    self._last[stderr] = block[-1:]
                    if stream.isatty():
                        self._progress.quiet()
                    _write(stream, block if stream.isatty() or not stderr else self._hold(block))

    def _hold(self, block: bytes) -> bytes:
        """The whole lines; the beginning of the next one is kept, if it is not very long."""
        lines, end, rest = (self._held + block).rpartition(b"\n")
        self._held, kept = (rest, b"") if len(rest) < BLOCK else (b"", rest)
        return lines + end + kept


def _write(stream: TextIO, data: bytes) -> None:
    stream.buffer.write(data)
    stream.buffer.flush()


def _stream(stderr: bool) -> TextIO:
    return sys.stderr if stderr else sys.stdout
