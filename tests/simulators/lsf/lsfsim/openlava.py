"""What OpenLava does otherwise: the processes around a job, and the names of signals."""

from __future__ import annotations

import os
import shlex
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsfsim.jobs import Job

#: $1: where to note the exit code of the job; then the job. It outlives what does not end shells.
_OUTER = """\
trap : HUP INT USR1 USR2 TERM
note=$1
shift
"$@"
code=$?
echo "$code" >"$note"
exit "$code"
"""
#: res survives what it has a handler for; the end of the shell below is all that it tells.
_RES = f"""\
trap : HUP INT QUIT ABRT PIPE USR1 USR2 XCPU XFSZ VTALRM PROF TERM
/bin/sh -c {shlex.quote(_OUTER)} outer "$@"
exit 0
"""
#: Those that `bkill -s` knows by name; ABRT is IOT there.
_SIGNALS = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "IOT", "FPE", "KILL", "BUS", "SEGV", "SYS", "PIPE"),
    *("ALRM", "TERM", "STOP", "TSTP", "CONT", "CHLD", "TTIN", "TTOU", "IO", "XCPU", "XFSZ"),
    *("VTALRM", "PROF", "WINCH", "USR1", "USR2"),
)


def around(words: list[str], note: str) -> list[str]:
    """What runs a job: res, a shell with traps, the job, in one process group."""
    return ["/bin/sh", "-c", _RES, "res", note, *words]


def read_end(status: int, note: str) -> tuple[int, int] | None:
    """Exit code and signal of a job; None: a signal has ended its outer shell.

    Args:
        status: that of res.
    """
    if os.WIFSIGNALED(status):
        return 0, os.WTERMSIG(status)
    try:
        with open(note) as file:
            return int(file.read()), 0
    except (OSError, ValueError):
        return None


def signal_number(text: str) -> int | None:
    """The number of a signal by number or name; None: there is no such one."""
    if text.isdecimal():
        return int(text) if 0 < int(text) < 32 else None
    name = text.removeprefix("SIG")
    return int(getattr(signal, f"SIG{name}")) if name in _SIGNALS else None


def environment(job: Job, script: str) -> dict[str, str]:
    """What OpenLava alone sets."""
    return {
        "HOSTTYPE": "linux",
        "LSFUSER": job.spec.user,
        "OPENLAVA_VERSION": "2.2",
        "LSB_TRAPSIGS": "trap # 15 10 12 2 1",
        "LSB_JOBFILENAME": script,
        "LSB_BATCH_JID": job.id,
    }
