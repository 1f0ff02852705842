"""The processes of jobs, from /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import NamedTuple


class Process(NamedTuple):
    """A line of /proc/PID/stat, what is needed of it."""

    pid: int
    parent: int
    group: int
    session: int
    memory: int  # kB


PAGE = os.sysconf("SC_PAGE_SIZE") // 1024


def every() -> list[Process]:
    """Every process of this machine that is no zombie."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                if fields[0] != b"Z":
                    parent, group, session = (int(text) for text in fields[1:4])
                    memory = int(fields[21]) * PAGE
                    found.append(Process(int(name), parent, group, session, memory))
    return found


def of_job(leader: int, known: list[Process]) -> list[Process]:
    """The processes of a job: its session, and all that descend from it, as PIM counts them."""
    members = {leader}
    grown = True
    while grown:
        more = {
            one.pid
            for one in known
            if one.pid not in members and (one.session == leader or one.parent in members)
        }
        grown = bool(more)
        members |= more
    return [one for one in known if one.pid in members]


def send(number: int, processes: list[Process]) -> None:
    """Send a signal to each."""
    for one in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, number)


def end_descendants(of: int, patience: float = 5.0) -> None:
    """Kill whatever descends from a process, until nothing does."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        left = [one for one in of_job(of, every()) if one.pid != of and one.session != of]
        if not left:
            return
        send(signal.SIGKILL, left)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)
