"""How jobs are shown."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from lsfsim import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from lsfsim.jobs import Job
    from lsfsim.mbatchd import Cluster

_WRAPPED = " " * 21
_WIDTH = 79


def _minute(seconds: float) -> str:
    return time.strftime("%b %e %H:%M", time.localtime(seconds)) if seconds else ""


def _second(seconds: float) -> str:
    return time.strftime("%a %b %e %H:%M:%S", time.localtime(seconds))


def _exec_host(job: Job) -> str:
    if not job.pid:
        return ""
    slots = job.spec.slots
    return job.spec.host if slots == 1 else f"{slots}*{job.spec.host}"


FIELDS: dict[str, Callable[[Job], str]] = {
    "jobid": lambda job: str(job.spec.number),
    "jobindex": lambda job: str(job.index),
    "job_name": lambda job: job.name,
    "job_description": lambda job: job.spec.options.get("Jd", ""),
    "user": lambda job: job.spec.user,
    "stat": lambda job: job.state,
    "queue": lambda job: job.spec.queue,
    "from_host": lambda job: job.spec.host,
    "exec_host": _exec_host,
    "exit_code": lambda job: str(job.code) if job.code else "",
    "exit_reason": lambda job: job.reason,
    "cpu_used": lambda job: f"{job.cpu:.1f} second(s)" if job.ended else "",
    "max_mem": lambda job: f"{job.memory // 1024 or 1} Mbytes" if job.memory else "",
    "submit_time": lambda job: _minute(job.submitted),
    "start_time": lambda job: _minute(job.started),
    "finish_time": lambda job: f"{_minute(job.ended)} L" if job.ended else "",
    "command": lambda job: job.spec.command,
}


def _asked(text: str) -> tuple[list[str], str]:
    """Fields and delimiter of `-o`."""
    match = re.search(r"\bdelimiter='([^']*)'", text)
    names = re.sub(r"\bdelimiter='[^']*'", "", text).split()
    names = [name.partition(":")[0].lower() for name in names]
    for name in names:
        if name not in FIELDS:
            raise commands.Refused(f"bjobs: Invalid field name: {name}")
    return names, match[1] if match else " "


def columns(cluster: Cluster, jobs: list[Job], text: str, *, header: bool) -> str:
    """`bjobs -o`."""
    names, delimiter = _asked(text)
    rows = [delimiter.join(name.upper() for name in names)] if header else []
    rows += [delimiter.join(FIELDS[name](job) or "-" for name in names) for job in jobs]
    return "".join(f"{row}\n" for row in rows)


def as_json(cluster: Cluster, jobs: list[Job], unknown: list[str], text: str) -> str:
    """`bjobs -o ... -json`."""
    names, _ = _asked(text)
    records = [{name.upper(): FIELDS[name](job) for name in names} for job in jobs]
    records += [{"JOBID": word, "ERROR": f"Job <{word}> is not found"} for word in unknown]
    answer = {"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}
    return json.dumps(answer, indent=2) + "\n"


def table(jobs: list[Job], *, wide: bool) -> str:
    """`bjobs`, or `bjobs -w` where nothing is cut."""
    widths = (7, 7, 5, 10, 11, 11, 10, 12)
    heading = (
        *("JOBID", "USER", "STAT", "QUEUE", "FROM_HOST", "EXEC_HOST", "JOB_NAME", "SUBMIT_TIME"),
    )
    rows = [heading]
    for job in jobs:
        names = ("jobid", "user", "stat", "queue", "from_host", "exec_host", "job_name")
        values = [FIELDS[name](job) for name in names]
        if job.finished and not job.pid:
            values[5] = "-"
        rows.append((*values, _minute(job.submitted)))
    return "".join(
        " ".join(_cell(value, width, wide) for value, width in zip(row, widths, strict=True)) + "\n"
        for row in rows
    )


def _cell(value: str, width: int, wide: bool) -> str:
    if not wide and len(value) > width:
        value = f"*{value[-(width - 1) :]}"
    return f"{value:<{width}}"


def long(program: str, cluster: Cluster, jobs: list[Job]) -> str:
    """`-l` of bjobs, bhist and bacct."""
    blocks = ["".join(_wrap(line) for line in _long(program, cluster, job)) for job in jobs]
    line = f"{'-' * 78}\n"
    head = f"\nAccounting information about jobs that are:\n\n{line}" if program == "bacct" else ""
    return head + "\n" + f"{line}\n".join(blocks)


def _long(program: str, cluster: Cluster, job: Job) -> list[str]:
    spec = job.spec
    facts = [f"Job <{job.id}>", f"Job Name <{job.name}>", f"User <{spec.user}>"]
    facts += ["Project <default>"]
    if program != "bhist":
        facts += [f"Status <{job.state}>", f"Queue <{spec.queue}>"]
    if "Jd" in spec.options:
        facts += [f"Job Description <{spec.options['Jd']}>"]
    facts += [f"Command <{spec.command}>"]
    lines = [", ".join(facts)]
    if program == "bhist":
        lines += [f"{_second(when)}: {text}" for when, text in job.events]
        names = "  PEND     PSUSP    RUN      USUSP    SSUSP    UNKWN    TOTAL"
        return [*lines, "", "Summary of time in seconds spent in various states", names, ""]
    where = f"Submitted from host <{spec.host}>, CWD <{spec.cwd}>;"
    lines += [f"{_second(job.submitted)}: {where}"]
    if job.pid:
        doing = "Started" if program == "bjobs" else "Dispatched"
        lines += [f"{_second(job.started)}: {placed(cluster, job, doing)}"]
    if job.finished:
        ended = f"{_second(job.ended)}: "
        if program == "bjobs":
            used = f" The CPU time used is {job.cpu:.1f} seconds." if job.pid else ""
            lines += [f"{ended}{commands.how_it_ended(cluster, job)}{used}"]
        reason = "" if cluster.old or not job.reason else f"; {job.reason}"
        done = "done" if job.state == "DONE" else "exit"
        if program == "bacct" or reason:
            lines += [f"{ended}Completed <{done}>{reason}."]
    if program == "bacct":
        lines += ["", "Accounting information about this job:"]
        lines += ["     CPU_T     WAIT     TURNAROUND   STATUS     HOG_FACTOR    MEM    SWAP"]
        wait = max(0, round((job.started or job.ended) - job.submitted))
        around = round(job.ended - job.submitted)
        memory = f"{job.memory // 1024}M"
        status = "done" if job.state == "DONE" else "exit"
        lines += [
            f"{job.cpu:10.2f} {wait:8} {around:14} {status:>8} {0:14.4f} {memory:>6} {'0M':>7}"
        ]
    return lines


def placed(cluster: Cluster, job: Job, doing: str) -> str:
    """The sentence on where a job is started."""
    host = job.spec.host
    if cluster.old:
        return f"{doing} {'on' if doing == 'Started' else 'to'} <{host}>;"
    slots = f"Allocated {job.spec.slots} Slot(s) on Host(s) <{host}>"
    return f"{doing} 1 Task(s) on Host(s) <{host}>, {slots};"


def _wrap(line: str) -> str:
    """As LSF does: a line that is full goes on in the next one, in the middle of a word."""
    first, rest = line[:_WIDTH], line[_WIDTH:]
    step = _WIDTH - len(_WRAPPED)
    parts = [rest[start : start + step] for start in range(0, len(rest), step)]
    return "".join(f"{part}\n" for part in (first, *(f"{_WRAPPED}{part}" for part in parts)))


def summary(jobs: list[Job]) -> str:
    """`bhist` without -l."""
    rows = ["JOBID   USER    JOB_NAME  PEND    PSUSP   RUN     USUSP   SSUSP   UNKWN   TOTAL"]
    for job in jobs:
        total = round((job.ended or time.time()) - job.submitted)
        rows.append(f"{job.spec.number:<7} {job.spec.user:<7} {job.name:<9} {'0':<47} {total}")
    return "\n".join(rows) + "\n"
