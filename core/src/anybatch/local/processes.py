"""What the supervisor asks of the operating system (Linux): processes and the machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from anybatch.encoding import to_bytes
from anybatch.local.attributes import Attributes, take

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

#: The variable by which the processes of a job are known, also those that left its session.
MARK = "ANYBATCH_LOCAL_JOB"
_PROC = Path("/proc")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_BASH = shutil.which("bash", path=_PATH)
_BORN = 19  # fields of /proc/PID/stat after the program's name; proc(5) counts from 3
_SESSION = 3
_SLACK = 4096  # kilobytes that a copy of ours may have touched before it became the job
#: A pipe in the place of a log, which nobody reads, is an error and does not stop us.
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK


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


def launch(
    argv: tuple[str, ...],
    environ: dict[str, str],
    log: str,
    marker: Path,
    wanted: Attributes | None = None,
) -> int:
    """Start a process in a session of its own; its output is appended to *log*.

    The process itself makes the file *marker*, just before it becomes the program: whether one
    was started can be told even by somebody who was killed in this function.

    Args:
        wanted: the attributes that it is to have; None: ours. What the kernel does not allow is
            said in *log*.

    Raises:
        OSError: it cannot be started.
    """
    if argv[0] == "/bin/sh" and _BASH:
        argv = (_BASH, *argv[1:])  # the job script would start it by itself, one shell later
    if wanted is not None:
        return _fork(argv, environ, log, marker, wanted)
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


def _fork(
    argv: tuple[str, ...], environ: dict[str, str], log: str, marker: Path, wanted: Attributes
) -> int:
    """Start a process with other attributes than ours, which `posix_spawn` cannot do."""
    reader, writer = os.pipe()  # closed when the program begins
    pid = os.fork()
    if pid == 0:
        try:
            _become(argv, environ, log, marker, wanted)
        except OSError as error:
            os.write(writer, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read()
    if said:
        os.waitpid(pid, 0)
        raise OSError(int(said), os.strerror(int(said)))
    return pid


def _become(
    argv: tuple[str, ...], environ: dict[str, str], log: str, marker: Path, wanted: Attributes
) -> None:
    os.setsid()
    os.dup2(os.open(log, _WRITE, 0o600), 1)
    os.dup2(1, 2)
    os.close(os.open(marker, os.O_RDONLY | os.O_CREAT, 0o600))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for refused in take(wanted):
        os.write(2, f"anybatch: local: the job could not get {refused}\n".encode())
    os.execve(argv[0], argv, environ)


# -- watching


def born(pid: int) -> int:
    """When a process was born, in clock ticks since the machine was; 0 where there is none."""
    fields = _stat(pid)
    return int(fields[_BORN]) if fields else 0


def uptime() -> float:
    """Seconds since the machine has booted, those in which it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def age(born: int) -> float:
    """For how many seconds a process has lived that was born then."""
    return uptime() - born / os.sysconf("SC_CLK_TCK")


def runs(pid: int, born: int) -> bool:
    """Whether the process *pid* born then still runs; one that nobody reaped does not."""
    fields = _stat(pid)
    return bool(fields) and int(fields[_BORN]) == born and fields[0] not in "ZX"


def find(argv: Sequence[str]) -> int:
    """The process that leads a session and runs the script `argv[1:]`; 0 where there is none.

    Under whatever shell: the script may have changed to another.
    """
    script = [to_bytes(word) for word in argv[1:]]
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


def reap(leaders: Container[int]) -> Iterator[Exit]:
    """All children that have ended; what is left of the groups that *leaders* led is killed.

    A child is looked at before it is reaped, for until then its number cannot become another
    process's and the kill cannot hit a stranger.
    """
    with contextlib.suppress(ChildProcessError):
        while seen := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if seen.si_pid in leaders:
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
    return kilobytes * 1024 if kilobytes > own + _SLACK else None


def orphans(leaders: Container[int]) -> Iterator[tuple[int, str]]:
    """Children that we have from jobs, each with its mark."""
    for pid in _children(os.getpid()):
        if pid not in leaders and (mark := _mark_of(pid)):
            yield pid, mark


def marked(mark: str) -> Iterator[int]:
    """All processes with a job's mark."""
    pids = (int(folder.name) for folder in _PROC.glob("[1-9]*"))
    return (pid for pid in pids if _mark_of(pid) == mark)


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants."""
    below = list(_children(pid))
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    for child in below:
        kill_tree(child)


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from map(int, (_PROC / f"{pid}/task/{pid}/children").read_text("ascii").split())


def _mark_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        for word in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
            name, _, value = word.partition(b"=")
            if name == MARK.encode():
                return os.fsdecode(value)
    return ""


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
