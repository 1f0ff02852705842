"""The long form (`-l`) of bjobs, bhist and bacct, and the sentences of the log of events."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from lsfsim.jobs import AWAY

if TYPE_CHECKING:
    from lsfsim.cluster import Cluster
    from lsfsim.jobs import Job

_WRAPPED = " " * 21
_WIDTH = 79
_STATES = "  PEND     PSUSP    RUN      USUSP    SSUSP    UNKWN    TOTAL"
_SCHEDULING = """\

 SCHEDULING PARAMETERS:
           r15s   r1m  r15m   ut      pg    io   ls    it    tmp    swp    mem
 loadSched   -     -     -     -       -     -    -     -     -      -      -  
 loadStop    -     -     -     -       -     -    -     -     -      -      -  
"""  # noqa: W291 # so it is printed


def _second(seconds: float) -> str:
    return time.strftime("%a %b %e %H:%M:%S", time.localtime(seconds))


def _folder(path: str) -> str:
    home = os.path.expanduser("~")
    return f"$HOME{path.removeprefix(home)}" if path.startswith(f"{home}/") else path


# -- sentences


def submitted(cluster: Cluster, job: Job, program: str, *, held: bool) -> str:
    """Where a job was submitted, and what with."""
    spec = job.spec
    hold = " with hold" if held or "H" in spec.options else ""
    queue = f", to Queue <{spec.queue}>" if program == "bhist" else ""
    if not cluster.old:
        return f"Submitted from host <{spec.host}>{hold}{queue}, CWD <{spec.cwd}>;"
    facts = [f"Submitted from host <{spec.host}>{hold}{queue}", f"CWD <{_folder(spec.cwd)}>"]
    if "o" in spec.options:
        facts += [f"Output File <{spec.options['o']}>"]
    if "r" in spec.options:
        facts += ["Re-runnable"]
    if spec.slots > 1:
        facts += [f"{spec.slots} Processors Requested"]
    if "R" in spec.options:
        facts += [f"Requested Resources <{spec.options['R']}>"]
    return f"{', '.join(facts)};"


def placed(cluster: Cluster, job: Job, doing: str) -> str:
    """Where a job is started."""
    host, slots = job.spec.host, job.spec.slots
    if cluster.old:
        hosts = f"<{host}>" if slots == 1 else f"{slots} Hosts/Processors{f' <{host}>' * slots}"
        return f"{doing} {'on' if doing.lower() == 'started' else 'to'} {hosts};"
    given = f"Allocated {slots} Slot(s) on Host(s) <{host}>"
    return f"{doing} 1 Task(s) on Host(s) <{host}>, {given};"


def running(job: Job, cwd: str) -> str:
    """Where a job's first process is."""
    home = os.path.expanduser("~")
    where = f"execution home <{home}>, Execution CWD <{cwd}>, Execution Pid <{job.pid}>"
    return f"Running with {where};"


def how_it_ended(cluster: Cluster, job: Job) -> str:
    """How a job ended."""
    if job.state == "DONE":
        return "Done successfully."
    if not job.pid:
        return "Exited" if cluster.old else "Exited."
    if job.signal:
        return f"Exited by signal {job.signal}."
    return f"Exited with exit code {job.code}."


# -- the long form


def long(program: str, cluster: Cluster, jobs: list[Job]) -> str:
    """`-l` of bjobs, bhist and bacct."""
    old = cluster.old
    blocks = []
    for job in jobs:
        lines = _long(program, cluster, job)
        if program == "bhist":  # limits stand behind what was submitted
            lines = [*lines[:2], *_limits(cluster, job), *lines[2:]]
        blocks.append("".join(line if "\n" in line else wrap(line, old=old) for line in lines))
    line = f"{'-' * 78}\n"
    head = f"\nAccounting information about jobs that are:\n\n{line}" if program == "bacct" else ""
    return head + "\n" + f"{line}\n".join(blocks)


def _long(program: str, cluster: Cluster, job: Job) -> list[str]:
    lines = [_header(program, job)]
    if program == "bhist":
        return [*lines, *(f"{_second(when)}: {text}" for when, text in job.events), *_summary(job)]
    held = "H" in job.spec.options
    lines += [f"{_second(job.submitted)}: {submitted(cluster, job, program, held=held)}"]
    if program == "bjobs":
        return [*lines, *_limits(cluster, job), *_state(cluster, job)]
    if job.pid:
        lines += [f"{_second(job.started)}: {placed(cluster, job, 'Dispatched')}"]
    return [*lines, *_accounting(cluster, job)]


def _header(program: str, job: Job) -> str:
    spec = job.spec
    facts = [f"Job <{job.id}>", f"Job Name <{job.name}>", f"User <{spec.user}>"]
    facts += ["Project <default>"]
    if program != "bhist":
        facts += [f"Status <{job.state}>", f"Queue <{spec.queue}>"]
    if "Jd" in spec.options:
        facts += [f"Job Description <{spec.options['Jd']}>"]
    return ", ".join([*facts, f"Command <{spec.command}>"])


def _limits(cluster: Cluster, job: Job) -> list[str]:
    spec, lines = job.spec, []
    if cluster.old and spec.run_limit:
        minutes = spec.run_limit / cluster.settings["minute"]
        lines += ["\n RUNLIMIT                \n", f" {f'{minutes:.1f} min of {spec.host}':<24}\n"]
    if cluster.old and spec.memory_limit:
        lines += ["\n MEMLIMIT\n", f"{spec.memory_limit // 1024:7} K\n"]
    return lines


def _state(cluster: Cluster, job: Job) -> list[str]:
    """What bjobs tells behind a job's submission."""
    old, lines = cluster.old, []
    if job.pid:
        lines += [f"{_second(job.started)}: {_started(cluster, job)}"]
    if job.state in AWAY and job.ended:
        late = "the job will be killed once the host is ok"
        lines += [f"{_second(job.ended)}: Termination request issued; {late};"]
    elif job.finished:
        lines += [f"{_second(job.ended)}: {_end(cluster, job)}"]
        if job.reason and not old:
            done = "done" if job.state == "DONE" else "exit"
            lines += [f"{_second(job.ended)}: Completed <{done}>; {job.reason}."]
    elif old and job.waits:
        lines += [" PENDING REASONS:", f" {job.why_waits}: 1 host;"]
    return [*lines, *([f"{_SCHEDULING}\n"] if old else [])]


def _started(cluster: Cluster, job: Job) -> str:
    if not cluster.old:
        return placed(cluster, job, "Started")
    text = placed(cluster, job, "started" if job.index else "Started").rstrip(";")
    home = os.path.expanduser("~")
    places = f"Execution Home <{home}>, Execution CWD <{job.spec.cwd}>"
    return f"{f'[{job.index}] ' if job.index else ''}{text}, {places};"


def _end(cluster: Cluster, job: Job) -> str:
    if job.forgotten:
        return "Exited The CPU time used is unknown."
    used = f" The CPU time used is {job.cpu:.1f} seconds." if job.pid else ""
    return f"{how_it_ended(cluster, job)}{used}"


def _summary(job: Job) -> list[str]:
    """How long a job was in which state; the simulator counts no suspensions."""
    end = job.ended or time.time()
    waited = round((job.started or end) - job.submitted)
    ran = round(end - job.started) if job.started else 0
    counts = "".join(f"{number:<9}" for number in (waited, 0, ran, 0, 0, 0))
    head = f"Summary of time in seconds spent in various states by  {_second(end)}"
    return ["", head, _STATES, f"  {counts}{waited + ran:<12}"]


def _accounting(cluster: Cluster, job: Job) -> list[str]:
    done = "done" if job.state == "DONE" else "exit"
    reason = "" if cluster.old or not job.reason else f"; {job.reason}"
    wait = max(0, round((job.started or job.ended) - job.submitted))
    around = round(job.ended - job.submitted)
    memory = f"{job.memory // 1024}M"
    return [
        f"{_second(job.ended)}: Completed <{done}>{reason}.",
        "",
        "Accounting information about this job:",
        "     CPU_T     WAIT     TURNAROUND   STATUS     HOG_FACTOR    MEM    SWAP",
        f"{job.cpu:10.2f} {wait:8} {around:14} {done:>8} {0:14.4f} {memory:>6} {'0M':>7}",
    ]


def wrap(line: str, *, old: bool) -> str:
    """A line that is full goes on in the next one, in the middle of a word.

    OpenLava drops a blank that would begin a line, and goes on where nothing is left.
    """
    parts, rest = [line[:_WIDTH]], line[_WIDTH:]
    step = _WIDTH - len(_WRAPPED)
    full = len(line) >= _WIDTH
    while rest or (old and full):
        rest = rest.removeprefix(" ") if old else rest
        parts.append(f"{_WRAPPED}{rest[:step]}")
        full, rest = len(rest) >= step, rest[step:]
    return "".join(f"{part}\n" for part in parts)
