"""How jobs are shown."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from lsfsim.jobs import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from lsfsim.cluster import Cluster
    from lsfsim.jobs import Job


def _minute(seconds: float) -> str:
    return time.strftime("%b %e %H:%M", time.localtime(seconds)) if seconds else ""


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
    "pend_reason": lambda job: f"{job.why_waits};" if job.waits else "",
}


def _asked(text: str) -> tuple[list[str], str]:
    """Fields and delimiter of `-o`."""
    match = re.search(r"\bdelimiter='([^']*)'", text)
    names = re.sub(r"\bdelimiter='[^']*'", "", text).split()
    names = [name.partition(":")[0].lower() for name in names]
    for name in names:
        if name not in FIELDS:
            raise Refused(f"bjobs: Invalid field name: {name}")
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


#: Columns of the table, and how wide they are.
_TABLE = {
    **{"JOBID": 7, "USER": 7, "STAT": 5, "QUEUE": 10, "FROM_HOST": 11, "EXEC_HOST": 11},
    **{"JOB_NAME": 10, "SUBMIT_TIME": 12},
}


def table(cluster: Cluster, jobs: list[Job], *, wide: bool, reasons: bool = False) -> str:
    """`bjobs`, or `bjobs -w` where nothing is cut, or with `-p` and the reasons to wait."""
    rows = [tuple(_TABLE)]
    more: dict[int, list[str]] = {}
    for job in jobs:
        names = ("jobid", "user", "stat", "queue", "from_host", "exec_host", "job_name")
        values = [FIELDS[name](job) for name in names]
        if cluster.old:
            values[1] = values[1] if wide else values[1][:7]
            values[5] = _old_host(job, wide=wide)
            if not wide and job.pid:
                more[len(rows)] = [job.spec.host] * (job.spec.slots - 1)
        elif job.finished and not job.pid:
            values[5] = "-"
        rows.append((*values, _minute(job.submitted)))
    lines = []
    for number, row in enumerate(rows):
        cells = (
            _cell(value, width, wide) for value, width in zip(row, _TABLE.values(), strict=True)
        )
        lines.append(" ".join(cells).rstrip() if cluster.old else " ".join(cells))
        lines += [f"{' ' * 45}{host}" for host in more.get(number, [])]
        if reasons and number and jobs[number - 1].waits:
            lines.append(f" {jobs[number - 1].why_waits}: 1 host;")
    return "".join(f"{line}\n" for line in lines)


def _old_host(job: Job, *, wide: bool) -> str:
    """Hosts as OpenLava shows them: one for each slot; `-` stands somewhere in the middle."""
    if not job.pid:
        return "   -" if wide or job.finished else ""
    return ":".join([job.spec.host] * (job.spec.slots if wide else 1))


def _cell(value: str, width: int, wide: bool) -> str:
    if not wide and len(value) > width:
        value = f"*{value[-(width - 1) :]}"
    return f"{value:<{width}}"


def arrays(jobs: list[Job]) -> str:
    """`bjobs -A` of OpenLava."""
    head = "JOBID    ARRAY_SPEC  OWNER   NJOBS PEND DONE  RUN EXIT SSUSP USUSP PSUSP"
    rows = [head]
    for number in dict.fromkeys(job.spec.number for job in jobs if job.index):
        mine = [job for job in jobs if job.spec.number == number]
        spec = mine[0].spec
        states = ("PEND", "DONE", "RUN", "EXIT", "SSUSP", "USUSP", "PSUSP")
        counts = [sum(job.state == state for job in mine) for state in states]
        cells = "".join(f"{n:5}" for n in counts[:4]) + "".join(f"{n:6}" for n in counts[4:])
        rows.append(f"{number:<8} {spec.options['J']:>8} {spec.user:>8} {len(mine):7}{cells}")
    return "".join(f"{row}\n" for row in rows)


def summary(jobs: list[Job]) -> str:
    """`bhist` without -l."""
    rows = ["JOBID   USER    JOB_NAME  PEND    PSUSP   RUN     USUSP   SSUSP   UNKWN   TOTAL"]
    for job in jobs:
        total = round((job.ended or time.time()) - job.submitted)
        rows.append(f"{job.spec.number:<7} {job.spec.user:<7} {job.name:<9} {'0':<47} {total}")
    return "\n".join(rows) + "\n"
