"""Leaving the process family of whoever starts the supervisor.

Batch systems end what a job leaves running. They find it by parent, process group, session, or
variables that every process of the job inherits (HTCondor's `_CONDOR_ANCESTOR_*`). A supervisor
leaves all of these. A control group it cannot leave.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from anybatch.localhost import matches

if TYPE_CHECKING:
    from collections.abc import Mapping

#: All that a supervisor needs of its starter's environment: its folder, and what runs Python.
_KEPT = (
    *("HOME", "USER", "LOGNAME", "PATH", "TMPDIR", "TZ", "LANG", "LC_*"),
    *("XDG_STATE_HOME", "PYTHON*", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
)
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2), Linux 3.4


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a supervisor: nothing by which a process family is told."""
    return {name: value for name, value in environ.items() if matches(name, _KEPT)}


def detach() -> int:
    """Go on in a grandchild of the starter, in a session of its own.

    This process waits until the grandchild serves, or ends as it did.

    Returns:
        In the grandchild, a descriptor: a byte written to it says that it serves.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.setsid()
        return writer
    os.close(writer)
    if os.read(reader, 1):
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 1)


def become_subreaper() -> None:
    """Have the kernel make orphans among our descendants our own children."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def use_all_cores() -> None:
    """Undo the affinity of the starter, as far as its control group lets us."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
