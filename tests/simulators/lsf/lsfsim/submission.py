"""bsub: what is submitted, and what is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lsfsim.jobs import Refused, Spec, read_indices
from lsfsim.workers import Copy, read_copy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lsfsim.cluster import Cluster

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
#: The longest name of a job in OpenLava.
_LONGEST_NAME = 511
_SHOWN = 232  #: characters of a command
#: What lsinfo of OpenLava tells of, and what else may stand in a requirement.
_RESOURCES = frozenset(
    {
        *("r15s", "r1m", "r15m", "ut", "pg", "io", "ls", "it", "tmp", "swp", "mem", "ncpus", "cpu"),
        *("ndisks", "maxmem", "maxswp", "maxtmp", "cpuf", "rexpri", "server", "fs", "cs", "type"),
        *("model", "status", "hname", "login", "idle", "swap", "any", "hosts", "ptile", "decay"),
        "duration",
    }
)
_USAGE = "Usage: bsub [-h] [-V] [-x] [-H] [-r] [-N] [-B] [-I | -K | -Ip | -Is]"


def read_options(
    words: list[str],
    with_value: tuple[str, ...],
    flags: tuple[str, ...],
    command: str,
    *,
    letters: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """Options and what follows them.

    Args:
        letters: an option that is not known is one of a letter, with its value: `-env` is `-e nv`.
    """
    found: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        name = rest.pop(0)[1:]
        if letters and name not in (*flags, *with_value) and name[0] in with_value:
            rest.insert(0, name[1:])
            name = name[0]
        if name in flags:
            found[name] = ""
        elif name in with_value and rest:
            value = rest.pop(0)
            if name in _REPEATED and name in found:
                value = found[name] + _REPEATED[name] + value
            found[name] = value
        elif name in with_value:
            raise Refused(f"{command}: option requires an argument -- {name}")
        elif letters and command != "bsub":
            raise Refused(f"{command}: invalid option -- '{name[0]}'\nUsage: {command} [-h] [-V]")
        else:
            usage = _USAGE if letters else f"Usage: {command} [-h] [-V] ..."
            raise Refused(f"{command}: illegal option -- {name}\n{usage}")
    return found, rest


def bsub(cluster: Cluster, request: dict[str, Any]) -> tuple[int, str, str]:
    """Submit a job, or an array."""
    old = cluster.old
    with_value = WITH_VALUE if old else (*WITH_VALUE, *MODERN_WITH_VALUE)
    flags = FLAGS if old else (*FLAGS, *MODERN_FLAGS)
    own, words = read_options(request["arguments"], with_value, flags, "bsub", letters=old)
    script = request["stdin"] if not words else "#!/bin/sh\n" + " ".join(words) + "\n"
    embedded = directives(script) if not words else []
    options, more = read_options(embedded, with_value, flags, "bsub", letters=old)
    options.update(own)
    if more:
        script = "#!/bin/sh\n" + " ".join(more) + "\n"
    if not script.strip():
        nothing = "No command is specified." if old else "Empty job."
        raise Refused(f"{nothing} Job not submitted.")
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
    _check_requirement(cluster, options.get("R", ""))
    if "c" in options and not re.fullmatch(r"(?:\d+:)?\d+(?:/\S+)?", options["c"]):
        raise Refused(f"{options['c']}: Bad CPULIMIT specification. Job not submitted.")
    number = cluster.last + 1
    spool = cluster.folder / "spool" / f"{number}"
    spool.write_text(
        text if text.startswith("#!") else f"#!/bin/sh\n{text}", "utf-8", "surrogateescape"
    )
    spool.chmod(0o700)
    shown = text.replace("\n", ";").strip(";")
    shown = shown[:_SHOWN] if cluster.old else shown
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
        priority=_priority(cluster, options.get("sp")),
        slots=_slots(cluster, options.get("n", "1").partition(",")[0]),
        run_limit=_run_limit(cluster, options.get("W")),
        memory_limit=_memory_limit(cluster, options.get("M")),
        elements=elements,
        at_once=at_once,
        copies=_copies(options.get("f", ""), request["cwd"]),
    )


def _priority(cluster: Cluster, text: str | None) -> int:
    """From 1 to MAX_USER_PRIORITY, of which a job without one has half."""
    most: int = cluster.settings["max_user_priority"]
    if text is None:
        return most // 2
    if not most:
        raise Refused("Job priority control undefined. Job not submitted.")
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise Refused("Bad user priority. Job not submitted.")
    return int(text)


def _slots(cluster: Cluster, text: str) -> int:
    if not text.isdecimal() or not int(text):
        if cluster.old:
            raise Refused("The number of processors must be a positive integer. Job not submitted.")
        raise Refused(f"{text}: Bad number of processors. Job not submitted.")
    if cluster.old and int(text) > cluster.settings["slots"]:
        raise Refused("Too many processors requested. Job not submitted.")
    return int(text)


def _check_requirement(cluster: Cluster, text: str) -> None:
    names = set(re.findall(r"(?:\[|[:&|(!])\s*([A-Za-z]\w*)", text))
    unknown = names - _RESOURCES if cluster.old else set()
    if text.count("[") != text.count("]") or unknown:
        raise Refused("Bad resource requirement syntax. Job not submitted.")


def _copies(text: str, cwd: str) -> list[Copy]:
    try:
        return [read_copy(one, cwd) for one in text.split("\n") if one]
    except ValueError as error:
        raise Refused(f"{error}: Bad file transfer specification. Job not submitted.") from None


def _name(cluster: Cluster, text: str) -> tuple[str, tuple[int, ...], int]:
    match = re.fullmatch(r"([^\[\]]*)(?:\[([^\]]*)\](?:%(\d+))?)?", text)
    if not match or len(text) > (_LONGEST_NAME if cluster.old else 4094):
        raise Refused("Bad job name. Job not submitted.")
    if match[2] is None:
        return match[1], (), 0
    try:
        elements = read_indices(match[2])
    except ValueError:
        what = "name" if cluster.old else "array index list"
        raise Refused(f"Bad job {what}. Job not submitted.") from None
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
    if cluster.old:
        # It is cut to 32 bits, and what is then negative is refused.
        kilobytes = int(text) & 0xFFFFFFFF if text.isdecimal() else 0
        if not 0 < kilobytes < 1 << 31:
            raise Refused(f"{text}: MEMLIMT value should be a positive integer. Job not submitted.")
        return kilobytes * 1024
    if not match:
        raise Refused(f"{text}: Bad MEMLIMIT specification. Job not submitted.")
    unit = (match[2] or cluster.configuration("LSF_UNIT_FOR_LIMITS") or "KB").upper()
    return int(match[1]) * 1024 ** _UNITS[unit if unit.endswith("B") else f"{unit}B"]
