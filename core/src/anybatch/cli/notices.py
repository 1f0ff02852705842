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

from anybatch.cli.base import count_jobs, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anybatch.model import Job
    from anybatch.run import Run
    from anybatch.session import Session


def announcement(given: Mapping[str, Any], session: Session, run: Run) -> str:
    """Which run it is, and where its jobs go: `auto` may mean a login node."""
    from anybatch.detection import AUTO

    place = run.system
    named = given["system"] or session.settings.core("system")
    if named == AUTO and run.system == "local":
        place = "this machine (local), because no batch system was found"
    return f"run {run.id}: {count_jobs(len(run))} on {place}"


def warn_of_input(given: Mapping[str, Any], job: Job) -> None:
    """Say that jobs do not get what was piped to this program."""
    taken = job.stdin is not None or given["each"] is not None
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
