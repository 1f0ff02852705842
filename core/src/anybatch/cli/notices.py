"""What `run` and `submit` say about a submission, beside its result."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import stat
import sys
import termios
from typing import TYPE_CHECKING, Any

from anybatch.counts import count_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anybatch.model import Job
    from anybatch.run import Run
    from anybatch.session import Session


class FirstLine:
    """Holds notices back until it has been said what was submitted, and where to.

    Args:
        say: prints a notice.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._held: list[str] | None = []

    def notice(self, text: str) -> None:
        """Print a notice, at once or after the first line."""
        if self._held is None:
            self._say(text)
        else:
            self._held.append(text)

    def announce(self, given: Mapping[str, Any], session: Session, run: Run) -> None:
        """Say which run it is, and where its jobs go: `auto` may mean a login node."""
        self._say(f"run {run.id}: {count_jobs(len(run))} on {_place(given, session, run)}")
        self._release()

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for text in held:
            self._say(text)

    def __enter__(self) -> FirstLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()


def _place(given: Mapping[str, Any], session: Session, run: Run) -> str:
    from anybatch.detection import AUTO

    named = given["system"] or session.settings.core("system")
    if named == AUTO and run.system == "local":
        return "this machine (local), because no batch system was found"
    return f"{run.system}, cluster {run.cluster}" if run.cluster else run.system


def warn_of_input(given: Mapping[str, Any], job: Job, say: Callable[[str], None]) -> None:
    """Say that jobs do not get what was piped to this program."""
    taken = job.stdin is not None or bool(given["each"] or given["tables"] or given["split"])
    if not taken and _input_waits():
        say("standard input is not passed to jobs; use --stdin FILE instead")


def _input_waits() -> bool:
    """Whether a pipe or file on standard input has bytes that nobody has read."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or not a file
        descriptor = sys.stdin.fileno()
        status = os.fstat(descriptor)
        if stat.S_ISFIFO(status.st_mode):
            waiting = array.array("i", [0])
            fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
            return waiting[0] > 0
        if stat.S_ISREG(status.st_mode):
            return os.lseek(descriptor, 0, os.SEEK_CUR) < status.st_size
    return False
