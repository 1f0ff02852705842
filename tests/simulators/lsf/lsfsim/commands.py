"""The commands: words in, text and exit status out."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

from lsfsim import about, formats, longform, openlava
from lsfsim.jobs import AWAY, Job, Refused, read_indices
from lsfsim.submission import bsub, read_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lsfsim.cluster import Cluster

Answer = tuple[int, str, str]
FAILED = 255


def run(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Answer a request."""
    command: Callable[[Cluster, dict[str, Any]], Answer] = {
        "bsub": bsub,
        "bjobs": bjobs,
        "bmod": bmod,
        "bkill": bkill,
        "bresume": bresume,
        "bstop": bstop,
        "brequeue": brequeue,
        "bhosts": about.bhosts,
        "bhist": bhist,
        "bacct": bacct,
        "bparams": about.bparams,
        "bqueues": about.bqueues,
        "lshosts": about.lshosts,
        "lsid": about.lsid,
        "badmin": about.badmin,
    }[request["command"]]
    try:
        return command(cluster, request)
    except Refused as error:
        return FAILED, "", f"{error}\n"


# -- which jobs


def _split(words: list[str]) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """Each id as it was written, its number, and the elements that it names."""
    for word in words:
        match = re.fullmatch(r"(\d+)(?:\[([^\]]+)\])?", word)
        if not match:
            raise Refused(f"{word}: Illegal job ID.")
        yield word, int(match[1]), read_indices(match[2]) if match[2] else ()


def _ids(cluster: Cluster, words: list[str], purged: bool) -> Iterator[tuple[str, list[Job]]]:
    """Each id (an element for itself), and the jobs behind it; none where it is not known."""
    for word, number, indices in _split(words):
        jobs = {
            index: job
            for index, job in cluster.jobs.get(number, {}).items()
            if purged or cluster.known(job)
        }
        if not indices:
            yield word, list(jobs.values())
        for index in indices:
            yield f"{number}[{index}]", [jobs[index]] if index in jobs else []


def _filtered(cluster: Cluster, options: dict[str, str], purged: bool) -> list[Job]:
    """All jobs that options let pass."""
    found = []
    for jobs in cluster.jobs.values():
        for job in jobs.values():
            if (purged or cluster.known(job)) and _passes(cluster, job, options):
                found.append(job)
    return found


def _passes(cluster: Cluster, job: Job, options: dict[str, str]) -> bool:
    wanted = {
        "J": job.spec.name,
        "Jd": job.spec.options.get("Jd", ""),
        "q": job.spec.queue,
        "u": job.spec.user,
    }
    for name, value in wanted.items():
        asked = options.get(name, "all" if name == "u" else "*")
        pattern = re.escape(asked).replace(r"\*", ".*")
        if not (name == "u" and asked == "all") and not re.fullmatch(pattern, value):
            return False
    return "a" in options or (job.waits if "p" in options else not job.finished)


# -- bjobs


def bjobs(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Show jobs."""
    flags: tuple[str, ...] = ("a", "w", "l", "A", "d", "p", "r", "s")
    with_value: tuple[str, ...] = ("u", "J", "q", "m", "P")
    if not cluster.old:
        flags, with_value = (*flags, "noheader", "json", "UF"), (*with_value, "o", "Jd", "G", "g")
    old = cluster.old
    options, words = read_options(request["arguments"], with_value, flags, "bjobs", letters=old)
    if "json" in options and "o" not in options:
        raise Refused("bjobs: You cannot use the -json option when the -o option is not specified.")
    if "json" in options and "noheader" in options:
        raise Refused("bjobs: You cannot use the -json option together with -noheader.")
    unknown: list[str] = []
    jobs: list[Job] = []
    if words:
        for word, found in _ids(cluster, words, purged=False):
            jobs += found
            unknown += [] if found else [word]
    else:
        jobs = _filtered(cluster, options, purged=False)
    if old:
        jobs.sort(key=_as_openlava_lists)
    err = "".join(f"Job <{word}> is not found\n" for word in unknown)
    if not jobs and not words:
        nothing = "No job found" if "a" in options else "No unfinished job found"
        named = options.get("J")
        err = f"Job <{named}> is not found\n" if named else f"{nothing}\n"
    if "json" in options:
        return 0, formats.as_json(cluster, jobs, unknown, options["o"]), "" if words else err
    if jobs:
        if "l" in options:
            line = f"{'-' * 78}\n" if old and len(words) + _ranges(words) > 1 else ""
            out = line + longform.long("bjobs", cluster, jobs)
        elif "o" in options:
            out = formats.columns(cluster, jobs, options["o"], header="noheader" not in options)
        elif "A" in options and old:
            out = formats.arrays(jobs)
        else:
            out = formats.table(cluster, jobs, wide="w" in options, reasons="p" in options)
    else:
        out = ""
    rc = 0 if not err else 254 if cluster.old and not words else FAILED
    return rc, out, err


def _as_openlava_lists(job: Job) -> tuple[Any, ...]:
    """What runs, what waits, then what has ended in the order of ends."""
    if job.finished:
        return 2, job.ended, 0
    return (0 if job.pid else 1), job.index, job.spec.number


def _ranges(words: list[str]) -> int:
    return sum("," in word or "-" in word for word in words)


# -- bkill and its like

_NONE_GIVEN = """\
Job ID or one of '-m', '-u' '-q' and '-J' must be specified.
Usage: {} [-h] [-V] [-l] [-m host_name] [-q queue_name]"""


def bkill(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Kill jobs, or send them a signal."""
    with_value = ("s", "J", "C", "q", "u")
    options, words = read_options(request["arguments"], with_value, ("r", "l"), "bkill")
    number = _signal(cluster, options["s"]) if "s" in options else None
    if cluster.old and number == signal.SIGKILL:
        number = None
    if words == ["0"]:
        words = [job.id for job in _filtered(cluster, {}, purged=False)]

    def do(job: Job, whole: bool) -> str:
        return _kill(cluster, job, options.get("s", ""), number, whole=whole)

    answer = _each(cluster, "bkill", words, do, "terminated" if number is None else "signaled")
    cluster.start_what_fits()
    return answer


def bmod(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Change how many elements of an array run at once (`-J "%5"`); nothing else."""
    options, words = read_options(request["arguments"], ("J",), (), "bmod")
    if not re.fullmatch(r"%[1-9]\d*", options.get("J", "")):
        raise Refused("bmod: only -J %N is simulated")

    def do(job: Job, whole: bool) -> str:
        if not job.spec.elements:
            return "Job is not an array"
        job.spec.at_once = int(options["J"][1:])
        return "Job has already finished" if job.finished else ""

    status, out, err = _each(cluster, "bmod", words, do, "changed")
    cluster.start_what_fits()
    return status, out.replace("Job <", "Parameters of job <").replace("is being", "are being"), err


def bresume(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Let jobs go on that were stopped, or submitted with -H."""
    _, words = read_options(request["arguments"], (), (), "bresume")

    def do(job: Job, whole: bool) -> str:
        cluster.resume(job)
        return "Job has already finished" if job.finished else ""

    answer = _each(cluster, "bresume", words, do, "resumed")
    cluster.start_what_fits()
    return answer


def bstop(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Stop jobs, or hold them back."""
    _, words = read_options(request["arguments"], (), (), "bstop")

    def do(job: Job, whole: bool) -> str:
        if job.finished:
            return "Job has already finished"
        cluster.suspend(job)
        return ""

    return _each(cluster, "bstop", words, do, "stopped")


def brequeue(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Kill jobs that run, to run them again."""
    options, words = read_options(
        request["arguments"], ("J", "q", "u"), ("H", "r", "a"), "brequeue"
    )

    def do(job: Job, whole: bool) -> str:
        if job.finished or not job.pid:
            return "Job has already finished" if job.finished else "Job has not started yet"
        cluster.requeue(job, "PSUSP" if "H" in options else "PEND")
        return ""

    # So it is printed, with a blank at the end.
    return _each(cluster, "brequeue", words, do, "requeued ")


def _each(
    cluster: Cluster,
    program: str,
    words: list[str],
    do: Callable[[Job, bool], str],
    done: str,
) -> Answer:
    """Do something to each job, and tell of each id; *do* gives what there is to complain of."""
    if not words and cluster.old:
        raise Refused(_NONE_GIVEN.format(program))
    out, err = [], []
    for word, jobs in _ids(cluster, words, purged=False):
        if not jobs:
            err.append(f"Job <{word}>: No matching job found")
            continue
        whole = len(jobs) > 1
        # OpenLava kills an array in the background, one element at a time.
        begun = cluster.old and program == "bkill" and whole and not all(j.finished for j in jobs)
        complaints = [do(job, whole) for job in jobs]
        if begun:
            err.append(f"Job <{word}>: Operation is in progress")
        elif all(complaints):
            err.append(f"Job <{word}>: {complaints[0]}")
        else:
            out.append(f"Job <{word}> is being {done}")
    return FAILED if err else 0, "".join(f"{t}\n" for t in out), "".join(f"{t}\n" for t in err)


def _signal(cluster: Cluster, text: str) -> int:
    if cluster.old:
        number = openlava.signal_number(text)
        if number is None:
            raise Refused(f"{text}: Illegal signal value")
        return number
    name = text.removeprefix("SIG")
    if text.isdecimal() and 0 < int(text) < 65:
        return int(text)
    found = getattr(signal, f"SIG{name}", None)
    if not isinstance(found, signal.Signals):
        raise Refused(f"{text}: Illegal signal value")
    return int(found)


def _kill(cluster: Cluster, job: Job, name: str, number: int | None, *, whole: bool) -> str:
    """What there is to complain of; empty: it is done."""
    if job.finished:
        return "Job has already finished"
    if number is not None and (job.pid or number not in (9, 15, 2)):
        if not job.pid:
            return "Job has not started yet"
        if job.state not in AWAY:
            cluster.signal(job, name, number)
        return ""
    if job.killing and not cluster.old:
        return "Operation is in progress"
    # OpenLava logs the signal for the array then, and for no element.
    cluster.kill(job, "TERM_OWNER", signal_name="" if whole and cluster.old else "KILL")
    return ""


# -- bhist, bacct


def bhist(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """What has happened to jobs, from the event log: also to those that bjobs has forgotten."""
    with_value: tuple[str, ...] = ("n", "u", "J", "q", "m", "P", "f")
    with_value = with_value if cluster.old else (*with_value, "Jd")
    options, words = read_options(
        request["arguments"], with_value, ("a", "l", "w", "b", "d", "e", "p", "r", "s"), "bhist"
    )
    return _past("bhist", cluster, options, words)


def bacct(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """What finished jobs have used."""
    options, words = read_options(
        request["arguments"], ("u", "q", "m", "P", "f", "N"), ("l", "b", "d", "e", "w"), "bacct"
    )
    options["a"] = ""
    return _past("bacct", cluster, options, words)


def _past(program: str, cluster: Cluster, options: dict[str, str], words: list[str]) -> Answer:
    jobs = [job for _, found in _ids(cluster, words, purged=True) for job in found]
    if not words:
        jobs = _filtered(cluster, options, purged=True)
    if program == "bacct":
        jobs = [job for job in jobs if job.finished]
    if not jobs:
        nothing = "No matching job found\n"
        return (FAILED, nothing, "") if cluster.old else (FAILED, "", nothing)
    if "l" not in options:
        return 0, formats.summary(jobs), ""
    return 0, longform.long(program, cluster, jobs), ""
