"""The commands: words in, text and exit status out."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any

from lsfsim import formats
from lsfsim.jobs import Job, Spec, read_indices
from lsfsim.workers import Copy, read_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lsfsim.mbatchd import Cluster

Answer = tuple[int, str, str]
FAILED = 255

#: Options of bsub with a value, and without, in both dialects.
WITH_VALUE = (
    *("J", "q", "o", "e", "n", "R", "M", "W", "P", "G", "m", "b", "c", "C", "D", "E", "F", "i"),
    *("L", "S", "t", "T", "u", "v", "w", "k", "f", "sp"),
)
FLAGS = ("H", "K", "I", "N", "B", "r", "x")
#: Those that OpenLava does not know.
MODERN_WITH_VALUE = (
    *("env", "cwd", "Jd", "gpu", "oo", "eo", "outdir", "app", "g", "sla", "a", "U", "We", "wa"),
    *("wt", "Ep", "Lp", "s", "p", "Q", "network", "notify", "ext", "hostfile", "freq"),
)
MODERN_FLAGS = ("Ne", "XF", "ar", "ti", "rn", "rnc", "hl")

#: Options that may stand there several times, and what then stands between their values.
_REPEATED = {"R": " ", "f": "\n"}
_UNITS = {"KB": 1, "MB": 2, "GB": 3, "TB": 4, "PB": 5, "EB": 6}


class Refused(Exception):
    """What a command prints on standard error before it gives up."""


def run(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Answer a request."""
    command: Callable[[Cluster, dict[str, Any]], Answer] = {
        "bsub": bsub,
        "bjobs": bjobs,
        "bkill": bkill,
        "bresume": bresume,
        "bhist": bhist,
        "bacct": bacct,
        "bparams": bparams,
        "bqueues": bqueues,
        "lsid": lsid,
        "badmin": badmin,
    }[request["command"]]
    try:
        return command(cluster, request)
    except Refused as error:
        return FAILED, "", f"{error}\n"


def read_options(
    words: list[str], with_value: tuple[str, ...], flags: tuple[str, ...], command: str
) -> tuple[dict[str, str], list[str]]:
    """Options and what follows them."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        name = rest.pop(0)[1:]
        if name in flags:
            found[name] = ""
        elif name in with_value and rest:
            value = rest.pop(0)
            if name in _REPEATED and name in found:
                value = found[name] + _REPEATED[name] + value
            found[name] = value
        elif name in with_value:
            raise Refused(f"{command}: option requires an argument -- {name}")
        else:
            raise Refused(f"{command}: illegal option -- {name}\nUsage: {command} [-h] [-V] ...")
    return found, rest


# -- bsub


def bsub(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Submit a job, or an array."""
    with_value = WITH_VALUE if cluster.old else (*WITH_VALUE, *MODERN_WITH_VALUE)
    flags = FLAGS if cluster.old else (*FLAGS, *MODERN_FLAGS)
    own, words = read_options(request["arguments"], with_value, flags, "bsub")
    script = request["stdin"] if not words else "#!/bin/sh\n" + " ".join(words) + "\n"
    embedded = directives(script) if not words else []
    options, more = read_options(embedded, with_value, flags, "bsub")
    options.update(own)
    if more:
        script = "#!/bin/sh\n" + " ".join(more) + "\n"
    if not script.strip():
        raise Refused("Empty job. Job not submitted.")
    spec = _spec(cluster, request, options, script)
    cluster.submit(spec, held="H" in options)
    which = "queue" if "q" in options else "default queue"
    return 0, f"Job <{spec.number}> is submitted to {which} <{spec.queue}>.\n", ""


def directives(script: str) -> list[str]:
    """The words of all #BSUB lines: quotes group, nothing escapes, `#` begins a comment."""
    found: list[str] = []
    for line in script.split("\n"):
        if line.startswith("#BSUB"):
            found += _words(line[5:])
    return found


def _words(line: str) -> Iterator[str]:
    word, mark, begun = "", "", False
    for character in line:
        if mark:
            mark, word = ("", word) if character == mark else (mark, word + character)
        elif character in "\"'":
            mark, begun = character, True
        elif character == "#" and not begun:
            break
        elif not character.isspace():
            word, begun = word + character, True
        elif begun:
            yield word
            word, begun = "", False
    if mark:
        raise Refused(f"Unmatched quote in {line.strip()!r}. Job not submitted.")
    if begun:
        yield word


def _spec(cluster: Cluster, request: dict[str, Any], options: dict[str, str], text: str) -> Spec:
    queue = options.get("q", cluster.settings["queues"][0])
    if queue not in cluster.settings["queues"]:
        raise Refused(f"{queue}: No such queue. Job not submitted.")
    name, elements, at_once = _name(cluster, options.get("J", ""))
    requirement = options.get("R", "")
    if requirement.count("[") != requirement.count("]"):
        raise Refused("Bad resource requirement syntax. Job not submitted.")
    slots = options.get("n", "1").partition(",")[0]
    if not slots.isdecimal() or not int(slots):
        raise Refused(f"{slots}: Bad number of processors. Job not submitted.")
    number = cluster.last + 1
    spool = cluster.folder / "spool" / f"{number}"
    spool.write_text(
        text if text.startswith("#!") else f"#!/bin/sh\n{text}", "utf-8", "surrogateescape"
    )
    spool.chmod(0o700)
    shown = text.replace("\n", ";").strip(";")
    return Spec(
        number=number,
        name=name or shown[:40],
        queue=queue,
        user=cluster.user,
        host=cluster.host,
        cwd=options.get("cwd", request["cwd"]).replace("%J", str(number)),
        script=str(spool),
        command=shown,
        options=options,
        env={} if options.get("env") == "none" else request["env"],
        slots=int(slots),
        run_limit=_run_limit(cluster, options.get("W")),
        memory_limit=_memory_limit(cluster, options.get("M")),
        elements=elements,
        at_once=at_once,
        copies=_copies(options.get("f", ""), request["cwd"]),
    )


def _copies(text: str, cwd: str) -> list[Copy]:
    try:
        return [read_copy(one, cwd) for one in text.split("\n") if one]
    except ValueError as error:
        raise Refused(f"{error}: Bad file transfer specification. Job not submitted.") from None


def _name(cluster: Cluster, text: str) -> tuple[str, tuple[int, ...], int]:
    match = re.fullmatch(r"([^\[\]]*)(?:\[([^\]]*)\](?:%(\d+))?)?", text)
    if not match or len(text) > 4094:
        raise Refused("Bad job name. Job not submitted.")
    if match[2] is None:
        return match[1], (), 0
    try:
        elements = read_indices(match[2])
    except ValueError:
        raise Refused("Bad job array index list. Job not submitted.") from None
    if max(elements) > cluster.settings["max_array"]:
        raise Refused("Job array index too large. Job not submitted.")
    return match[1], elements, int(match[3] or 0)


def _run_limit(cluster: Cluster, text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(?:(\d+):)?(\d+)(?:/\S+)?", text)
    if not match:
        raise Refused(f"{text}: Bad RUNLIMIT specification. Job not submitted.")
    return float((int(match[1] or 0) * 60 + int(match[2])) * cluster.settings["minute"])


def _memory_limit(cluster: Cluster, text: str | None) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)([KMGTPE]B?)?!?", text)
    if not match or (match[2] and cluster.old):
        raise Refused(f"{text}: Bad MEMLIMIT specification. Job not submitted.")
    usual = "" if cluster.old else cluster.configuration("LSF_UNIT_FOR_LIMITS")
    unit = (match[2] or usual or "KB").upper()
    return int(match[1]) * 1024 ** _UNITS[unit if unit.endswith("B") else f"{unit}B"]


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
    return "a" in options or not job.finished


# -- bjobs


def bjobs(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Show jobs."""
    flags: tuple[str, ...] = ("a", "w", "l", "A", "d", "p", "r", "s")
    with_value: tuple[str, ...] = ("u", "J", "q", "m", "P")
    if not cluster.old:
        flags, with_value = (*flags, "noheader", "json", "UF"), (*with_value, "o", "Jd", "G", "g")
    options, words = read_options(request["arguments"], with_value, flags, "bjobs")
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
    err = "".join(f"Job <{word}> is not found\n" for word in unknown)
    if not jobs and not words:
        nothing = "No job found" if "a" in options else "No unfinished job found"
        named = options.get("J")
        err = f"Job <{named}> is not found\n" if named else f"{nothing}\n"
    if "json" in options:
        return 0, formats.as_json(cluster, jobs, unknown, options["o"]), "" if words else err
    if jobs:
        if "l" in options:
            out = formats.long("bjobs", cluster, jobs)
        elif "o" in options:
            out = formats.columns(cluster, jobs, options["o"], header="noheader" not in options)
        else:
            out = formats.table(jobs, wide="w" in options)
    else:
        out = ""
    rc = 0 if not err else 254 if cluster.old and not words else FAILED
    return rc, out, err


# -- bkill


def bkill(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Kill jobs, or send them a signal."""
    options, words = read_options(request["arguments"], ("s", "J", "C", "q", "u"), ("r",), "bkill")
    number = _signal(options["s"]) if "s" in options else None
    out, err = [], []
    if words == ["0"]:
        words = [job.id for job in _filtered(cluster, {}, purged=False)]
    for word, jobs in _ids(cluster, words, purged=False):
        if not jobs:
            err.append(f"Job <{word}>: No matching job found")
            continue
        complaints = [_kill(cluster, job, options.get("s", ""), number) for job in jobs]
        if all(complaints):
            err.append(f"Job <{word}>: {complaints[0]}")
        else:
            doing = "terminated" if number is None else "signaled"
            out.append(f"Job <{word}> is being {doing}")
    cluster.start_what_fits()
    return FAILED if err else 0, "".join(f"{t}\n" for t in out), "".join(f"{t}\n" for t in err)


def bresume(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Let jobs go on that wait as they were submitted with -H."""
    _, words = read_options(request["arguments"], (), (), "bresume")
    for _, jobs in _ids(cluster, words, purged=False):
        for job in jobs:
            job.state = "PEND" if job.state == "PSUSP" else job.state
    cluster.start_what_fits()
    return 0, "".join(f"Job <{word}> is being resumed\n" for word in words), ""


def _signal(text: str) -> int:
    name = text.removeprefix("SIG")
    if text.isdecimal() and 0 < int(text) < 65:
        return int(text)
    found = getattr(signal, f"SIG{name}", None)
    if not isinstance(found, signal.Signals):
        raise Refused(f"{text}: Illegal signal value")
    return int(found)


def _kill(cluster: Cluster, job: Job, name: str, number: int | None) -> str:
    """What there is to complain of; empty: it is done."""
    if job.finished:
        return "Job has already finished"
    if number is not None and (job.pid or number not in (9, 15, 2)):
        if not job.pid:
            return "Job has not started yet"
        cluster.signal(job, name, number)
        return ""
    if job.killing:
        return "Operation is in progress"
    cluster.kill(job, "TERM_OWNER")
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
        return FAILED, "", "No matching job found\n"
    if "l" not in options:
        return 0, formats.summary(jobs), ""
    return 0, formats.long(program, cluster, jobs), ""


# -- the cluster


def bparams(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Parameters."""
    flags = ("l",) if cluster.old else ("l", "a")
    options, _ = read_options(request["arguments"], (), flags, "bparams")
    queue, settings = cluster.settings["queues"][0], cluster.settings
    if not options:
        return 0, f"Default Queues:  {queue}\nJob Dispatch Interval:  1 seconds\n", ""
    values = {
        "DEFAULT_QUEUE": queue,
        "CLEAN_PERIOD": str(settings["clean_period"]),
        "JOB_TERMINATE_INTERVAL": str(settings["terminate_interval"]),
        "MAX_JOB_ARRAY_SIZE": str(settings["max_array"]),
    }
    if "a" in options:
        values |= {"RESOURCE_RESERVE_PER_TASK": settings.get("reserve_per_task", "N")}
        return 0, "".join(f"\t{name} = {value}\n" for name, value in values.items()), ""
    texts = {
        "DEFAULT_QUEUE": "System default queues for automatic queue selection",
        "CLEAN_PERIOD": "The period of time that a finished job is kept",
        "JOB_TERMINATE_INTERVAL": "Job terminate interval",
        "MAX_JOB_ARRAY_SIZE": "The maximum number of elements of a job array",
    }
    lines = (f"{texts[name]}:\n    {name} = {value}\n\n" for name, value in values.items())
    return 0, "\n" + "".join(lines), ""


def bqueues(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """Queues."""
    rows = ["QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP "]
    for queue in cluster.settings["queues"]:
        jobs = [
            job
            for found in cluster.jobs.values()
            for job in found.values()
            if job.spec.queue == queue and not job.finished
        ]
        running = sum(job.state == "RUN" for job in jobs)
        counts = f"{len(jobs):5} {len(jobs) - running:5} {running:5}     0"
        rows.append(f"{queue:<15}  30  Open:Active       -    -    -    - {counts}")
    return 0, "\n".join(rows) + "\n", ""


def lsid(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """The version."""
    named = f"\nMy cluster name is cluster1\nMy master name is {cluster.host}\n"
    if cluster.old:
        return 0, f"openlava 2.2, Mar 10 2014\n{named}", ""
    version = cluster.settings["version"]
    product = "IBM Spectrum LSF Standard" if version.startswith("10") else "Platform LSF"
    owner = "Copyright International Business Machines Corp. 1992, 2016.\n"
    return 0, f"{product} {version}, Jun 10 2022\n{owner}{named}", ""


def badmin(cluster: Cluster, request: dict[str, Any]) -> Answer:
    """`badmin showconf mbd`: lsf.conf as the daemon knows it."""
    if cluster.old or request["arguments"] != ["showconf", "mbd"]:
        raise Refused("badmin: illegal command")
    lines = (cluster.folder / "lsf.conf").read_text().splitlines()
    shown = (f"\t{line.replace('=', ' = ')}\n" for line in lines if "=" in line)
    when = time.strftime("%a %b %d %H:%M:%S %Y")
    return 0, f"MBD configuration at {when}\n\n{''.join(shown)}", ""


# -- words that several use


def how_it_ended(cluster: Cluster, job: Job) -> str:
    """The sentence on a job's end; OpenLava takes a signal for an exit code."""
    if job.state == "DONE":
        return "Done successfully."
    if not job.pid:
        return "Exited."
    if job.signal and not cluster.old:
        return f"Exited by signal {job.signal}."
    return f"Exited with exit code {job.code}."


def fill_in(path: str, job: Job) -> str:
    """A path with %J and %I."""
    return os.path.expanduser(
        path.replace("%J", str(job.spec.number)).replace("%I", str(job.index))
    )
