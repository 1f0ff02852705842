"""What the supervisor asks of the operating system (Linux): processes and the machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROC = Path("/proc")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_BASH = shutil.which("bash", path=_PATH)
_BORN = 19  # fields of /proc/PID/stat after the program's name; proc(5) counts from 3
_SESSION = 3
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND


@attrs.frozen
class Exit:
    """How a child ended, and the CPU seconds and peak bytes that it and its children used."""

    pid: int
    exit_code: int | None
    signal: int | None
    cpu: float
    max_memory: int | None


# -- starting


def environment() -> dict[str, str]:
    """All that a job finds in its environment: who it is, nothing of who submitted it."""
    try:
        user = pwd.getpwuid(os.getuid())
    except KeyError:  # usual in containers
        return {"PATH": _PATH, "HOME": "/"}
    return {
        "PATH": _PATH,
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": user.pw_shell or "/bin/sh",
    }


def launch(argv: tuple[str, ...], environ: dict[str, str], log: str, marker: Path) -> int:
    """Start a process in a session of its own; its output is appended to *log*.

    The process itself makes the file *marker*, just before it becomes the program: whether one
    was started can be told even by somebody who was killed in this function.

    Raises:
        OSError: it cannot be started.
    """
    if argv[0] == "/bin/sh" and _BASH:
        argv = (_BASH, *argv[1:])  # the job script would start it by itself, one shell later
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, log, _WRITE, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_OPEN, 0, os.fspath(marker), os.O_RDONLY | os.O_CREAT, 0o600),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    ]
    return os.posix_spawn(
        argv[0],
        argv,
        environ,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


# -- watching


def born(pid: int) -> int:
    """When a process was born, in clock ticks since the machine was; 0 where there is none."""
    fields = _stat(pid)
    return int(fields[_BORN]) if fields else 0


def runs(pid: int, born: int) -> bool:
    """Whether the process *pid* born then still runs; one that nobody reaped does not."""
    fields = _stat(pid)
    return bool(fields) and int(fields[_BORN]) == born and fields[0] not in "ZX"


def find(argv: Sequence[str]) -> int:
    """The process that leads a session and runs the script `argv[1:]`; 0 where there is none.

    Under whatever shell: the script may have changed to another.
    """
    script = [os.fsencode(word) for word in argv[1:]]
    pids = (int(folder.name) for folder in _PROC.glob("[1-9]*"))
    return next((pid for pid in pids if _words(pid)[1:] == script and _leads(pid)), 0)


def _words(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def _leads(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and int(fields[_SESSION]) == pid


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets


def reap() -> Iterator[Exit]:
    """All children that have ended; what is left of their process groups is killed.

    A child is looked at before it is reaped, for until then its number cannot become another
    process's and the kill cannot hit a stranger.
    """
    with contextlib.suppress(ChildProcessError):
        while seen := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            signal_group(seen.si_pid, signal.SIGKILL)
            pid, status, usage = os.wait4(seen.si_pid, 0)
            code = os.waitstatus_to_exitcode(status)
            yield Exit(
                pid,
                exit_code=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                cpu=usage.ru_utime + usage.ru_stime,
                max_memory=_max_memory(usage.ru_maxrss),
            )


def _max_memory(kilobytes: int) -> int | None:
    """The peak in bytes, None where it is not known.

    Linux lets a new process begin with the peak of the one that started it: what a child
    reports is at least our own, and tells something only where it is more.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024 if kilobytes > own else None


def signal_group(pid: int, *numbers: int) -> None:
    """Send signals to the process group that *pid* leads, or led."""
    for number in numbers:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


def signal_script(pid: int, number: int) -> None:
    """Send a signal to the job script alone, which passes it on to the command once."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


# -- the machine


def boot_id() -> str:
    """Changes whenever the machine boots."""
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def memory() -> int:
    """Physical memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
