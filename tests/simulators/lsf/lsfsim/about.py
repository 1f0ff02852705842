"""Commands that tell of the cluster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lsfsim.jobs import AWAY, Job, Refused
from lsfsim.submission import read_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lsfsim.cluster import Cluster

Answer = tuple[int, str, str]

#: Sentences of `bparams -l`, and what they tell.
_PARAMETERS = {
    "DEFAULT_QUEUE": "System default queues for automatic queue selection",
    "MBD_SLEEP_TIME": "The interval for dispatching jobs by master batch daemon",
    "CLEAN_PERIOD": "The amount of time during which finished jobs are kept in core",
    "JOB_TERMINATE_INTERVAL": "The interval to terminate a job",
    "MAX_JOB_ARRAY_SIZE": "The maximum number of jobs in a job array",
    "MAX_USER_PRIORITY": "The maximum priority that a user can assign to a job",
}


def bparams(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Parameters."""
    flags = ("l",) if cluster.old else ("l", "a")
    options, _ = read_options(request["arguments"], (), flags, "bparams", letters=cluster.old)
    queue, settings = cluster.settings["queues"][0], cluster.settings
    if not options:
        return (
            0,
            f"Default Queues:  {queue}\nJob Dispatch Interval:  {settings['round']} seconds\n",
            "",
        )
    values = {
        "DEFAULT_QUEUE": queue,
        "MBD_SLEEP_TIME": str(settings["round"]),
        "CLEAN_PERIOD": str(settings["clean_period"]),
        "JOB_TERMINATE_INTERVAL": str(settings["terminate_interval"]),
        "MAX_JOB_ARRAY_SIZE": str(settings["max_array"]),
    }
    if settings["max_user_priority"]:
        values |= {"MAX_USER_PRIORITY": str(settings["max_user_priority"])}
    if "a" in options:
        values |= {"RESOURCE_RESERVE_PER_TASK": settings.get("reserve_per_task", "N")}
        return 0, "".join(f"\t{name} = {value}\n" for name, value in values.items()), ""
    units = {"MBD_SLEEP_TIME": " (seconds)", "CLEAN_PERIOD": " (seconds)"}
    units |= {"JOB_TERMINATE_INTERVAL": " "}
    lines = (
        f"{_PARAMETERS[name]}{'.' if name.startswith(('JOB', 'MAX')) else ':'}\n"
        f"    {name} = {value}{units.get(name, '')}\n\n"
        for name, value in values.items()
    )
    return 0, "\n" + "".join(lines), ""


def bqueues(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Queues."""
    rows = ["QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP "]
    for queue in cluster.settings["queues"]:
        jobs = [job for job in _unfinished(cluster) if job.spec.queue == queue]
        running = sum(job.state == "RUN" for job in jobs)
        counts = f"{len(jobs):5} {len(jobs) - running:5} {running:5}     0"
        rows.append(f"{queue:<15}  30   Open:Active      -    -    -    - {counts}")
    return 0, "\n".join(rows) + "\n", ""


def bhosts(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Hosts: there is one."""
    jobs = [job for job in _unfinished(cluster) if job.pid]
    states = [job.state for job in jobs]
    status = "unavail" if any(state in AWAY for state in states) else "ok"
    counts = (len(jobs), states.count("RUN"), states.count("SSUSP"), states.count("USUSP"), 0)
    row = f"{cluster.host:<18} {status:<14}  -  {cluster.settings['slots']:5}"
    head = "HOST_NAME          STATUS       JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV "
    return 0, f"{head}\n{row}{''.join(f'{count:7}' for count in counts)}\n", ""


def lshosts(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """What the host is: LSF rounds sizes, OpenLava tells them in megabytes."""
    size = cluster.settings["memory"]
    memory = f"{size >> 20}M" if cluster.old else f"{size / 2**30:.1f}G"
    columns = ("HOST_NAME", "type", "model", "cpuf", "ncpus", "maxmem", "maxswp", "server")
    kinds = ("linux", "IntelI5") if cluster.old else ("X86_64", "Intel_E5")
    host = (cluster.host, *kinds, "100.0", str(cluster.settings["slots"]), memory, "-", "Yes")
    form = "{:<25} {:>10} {:>11} {:>5} {:>5} {:>6} {:>6} {:>6} {}\n"
    return 0, form.format(*columns, "RESOURCES") + form.format(*host, "()"), ""


def _unfinished(cluster: Cluster) -> Iterator[Job]:
    for jobs in cluster.jobs.values():
        yield from (job for job in jobs.values() if not job.finished)


def lsid(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """The version; `-V` on standard error."""
    name = "openlava" if cluster.old else "cluster1"
    named = f"\nMy cluster name is {name}\nMy master name is {cluster.host}\n"
    if cluster.old:
        line, owner = "openlava project 2.2, Nov 28 2026\n", ""
    else:
        version = cluster.settings["version"]
        product = "IBM Spectrum LSF Standard" if version.startswith("10") else "Platform LSF"
        line = f"{product} {version}, Jun 10 2022\n"
        owner = "Copyright International Business Machines Corp. 1992, 2016.\n"
    if "-V" in request["arguments"]:
        return 0, "", f"{line}{owner}"
    return 0, f"{line}{owner}{named}", ""


def badmin(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """`badmin showconf mbd`: lsf.conf as the daemon knows it."""
    if cluster.old or request["arguments"] != ["showconf", "mbd"]:
        raise Refused("badmin: illegal command")
    lines = (cluster.folder / "lsf.conf").read_text().splitlines()
    shown = (f"\t{line.replace('=', ' = ')}\n" for line in lines if "=" in line)
    when = time.strftime("%a %b %d %H:%M:%S %Y")
    return 0, f"MBD configuration at {when}\n\n{''.join(shown)}", ""
