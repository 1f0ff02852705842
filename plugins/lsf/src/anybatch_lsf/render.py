"""A submission as LSF wants it: a script with `#BSUB` lines on bsub's standard input. Pure.

bsub(1): https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=reference-bsub
"""

from __future__ import annotations

import re
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.errors import UsageError
from anybatch.host import Command
from anybatch.quoting import quote
from anybatch.records import Rendered, Transfer
from anybatch.urgency import scaled

from anybatch_lsf.file_transfer import Archives
from anybatch_lsf.settings import FLAGS, NAMES, OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anybatch.records import Submission

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
#: What a job's name may not hold: `[` begins an array, and others mean something to `bjobs -J`.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_IN_A_NAME = 200
#: What bsub, `bjobs -J` and the table of bjobs carry as it is.
_OWN_NAME = re.compile(r"[A-Za-z0-9._:+@=,][A-Za-z0-9._:+@=,-]*")
#: Options of OpenLava in KB that it cuts to 32 bits (as of 4.0), and the most that it takes.
_KILOBYTES, _MOST_KILOBYTES = ("C", "D", "F", "M", "S", "v"), 2**31 - 1
#: What stands in a shell's quotes, after a machine's name and `:`, on its way through `bsub -f`.
_CARRIED_BY_F = re.compile(r"[A-Za-z0-9_+=,./-]+")
#: Where a job begins that sees none of our folders. All machines have it, and clean it up.
_ELSEWHERE = Path("/tmp")
PACKING = timedelta(minutes=30)  #: for what a job takes along
_POWERS = {"KB": 1, "MB": 2, "GB": 3, "TB": 4, "PB": 5, "EB": 6}

#: What bsub sees of the environment: enough to find home, cluster and credentials. Where LSF
#: cannot be told to carry nothing over (before 10.1), it is what the job gets.
CLIENT_ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LD_LIBRARY_PATH"),
    *("LSF_*", "EGO_*", "KRB5*", "LSB_DEFAULTQUEUE", "LSB_DEFAULTPROJECT"),
    *("LSB_DEFAULT_USERGROUP", "XLSF_*"),
)
#: LSF's own variables say "you are inside a job", or change what a command shows.
HIDDEN = (
    *("LSB_JOB*", "LSB_BATCH*", "LSB_SUB_*", "LSB_INTERACTIVE", "LSB_TRAPSIGS", "LSB_QUEUE"),
    *("LSB_BJOBS_*", "LSB_DISPLAY_*", "LSF_INVOKE_CMD", "LS_*"),
)


@attrs.frozen(kw_only=True)
class Cluster:
    """What is to be known of a cluster to write for it; travels as `Limits.facts`.

    Attributes:
        modern: LSF 10.1 or newer, which knows `-env`, `-cwd`, `-Jd`, `-gpu` and `bjobs -o`.
        unit: LSF_UNIT_FOR_LIMITS; empty: it is not set; None: nobody could tell.
        per_task: RESOURCE_RESERVE_PER_TASK: memory is reserved for each slot.
        openlava: it is OpenLava.
        priorities: MAX_USER_PRIORITY; 0: it is not set, and `bsub -sp` is refused.
    """

    modern: bool = True
    unit: str | None = None
    per_task: bool = False
    openlava: bool = False
    priorities: int = 0

    def render_context(self) -> dict[str, str]:
        """All of it as texts."""
        unit = {} if self.unit is None else {"unit": self.unit}
        flags = {"modern": self.modern, "per_task": self.per_task, "openlava": self.openlava}
        most = {"priorities": str(self.priorities)} if self.priorities else {}
        return {**{name: str(value) for name, value in flags.items()}, **unit, **most}

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> Cluster:
        """The inverse of `facts`."""
        return cls(
            modern=facts.get("modern") != "False",
            unit=facts.get("unit"),
            per_task=facts.get("per_task") == "True",
            openlava=facts.get("openlava") == "True",
            priorities=int(facts.get("priorities", 0)),
        )


def render(submission: Submission, timeout: timedelta = timedelta(minutes=2)) -> Rendered:
    """The batch script, and `bsub` that reads it."""
    skipped = _skipped(submission)
    options = {
        name: value
        for name, value in dict(_options(submission)).items()
        if value is not False and name not in skipped
    }
    if Cluster.of(submission.limits.render_context).openlava:
        _check_kilobytes(options)
    lines = ["#!/bin/sh", *(_line(name, value) for name, value in options.items())]
    lines += [_line("f", value) for value in _copies(submission)]
    return Rendered(
        command=Command(
            ("bsub",),
            stdin="\n".join([*lines, *_start(submission), ""]),
            cwd=_ELSEWHERE if travels(submission) else submission.folder,
            timeout=timeout,
            only_env=CLIENT_ENVIRONMENT,
            hide_env=HIDDEN,
            env={"LC_ALL": "C"},
        ),
        extra_timeout=PACKING if travels(submission) else timedelta(0),
    )


def _skipped(submission: Submission) -> set[str]:
    """The letters of options that are never given to bsub."""
    skipped = {NAMES.get(name, name) for name in submission.settings["skip"]}
    modern = Cluster.of(submission.limits.render_context).modern
    # Without a token a job that is not known to have arrived would be submitted again.
    if needed := sorted(skipped & ({"J", "Jd"} if modern else {"J"})):
        raise UsageError(f"lsf: {needed[0]} cannot be skipped: anybatch uses it to find jobs")
    return skipped


def _check_kilobytes(options: Mapping[str, Any]) -> None:
    for name in _KILOBYTES:
        value = str(options.get(name, ""))
        if value.isdecimal() and int(value) > _MOST_KILOBYTES:
            raise UsageError(
                f"lsf: {name} is {value} KB. OpenLava takes at most {_MOST_KILOBYTES} KB (2 TiB), "
                f"and makes another limit of more: ask for less"
            )


def travels(submission: Submission) -> bool:
    """Whether LSF moves the jobs' files."""
    return submission.transfer is Transfer.SYSTEM


def _copies(submission: Submission) -> Iterator[str]:
    """What LSF copies to the job and back, by names that only this job has."""
    if not travels(submission):
        return
    if submission.count > 1:
        raise UsageError(
            "lsf: transfer = 'lsf' must be set for a whole run, because the jobs of "
            "an array cannot "
            "return one file each: set it in anybatch.toml or with --set"
        )
    archives = Archives(submission.folder, submission.token)
    if not _CARRIED_BY_F.fullmatch(str(submission.folder)):
        raise UsageError(
            f"lsf: `bsub -f` cannot copy from the run folder {str(submission.folder)!r}: its path "
            f"may contain only letters, digits and _+=,./-. Set runs_dir to put run folders "
            f"elsewhere"
        )
    yield f"{archives.sent} > {archives.sent.name}"
    yield f"{archives.brought} < {archives.brought.name}"


def _start(submission: Submission) -> Iterator[str]:
    yield from _start_away(submission) if travels(submission) else _start_here(submission)


def _start_away(submission: Submission) -> Iterator[str]:
    yield f"ab_token={submission.token}"
    yield f"ab_words='{submission.script} {submission.number} 1 0'"
    yield files("anybatch_lsf").joinpath("worker.sh").read_text("utf-8").rstrip("\n")


def _start_here(submission: Submission) -> Iterator[str]:
    task = '"$LSB_JOBINDEX"' if submission.count > 1 else "1"
    folder, script = str(submission.folder), str(submission.script)
    if "\n" in folder:  # no line may begin with text of a path: bsub reads #BSUB lines anywhere
        yield from ("ab_nl='", "'")
    # LSF would write a report of each job to a file given with -o.
    yield f"exec >>{quote(f'{folder}/logs/system.log')} 2>&1 || exit 1"
    yield "ab_signalled_all=1; export ab_signalled_all"
    words = f"{quote(script)} {submission.number} {task} 0"
    # The job script would start bash itself; so one shell less is started.
    yield f"command -v bash >/dev/null && exec bash {words}"
    yield f"exec /bin/sh {words}"


def job_name(submission: Submission) -> str:
    """What LSF calls the job; where it has no description, the token comes first.

    Raises:
        UsageError: the user's own name (`J`) would have to be changed.
    """
    own = own_options(submission.settings).get("J")
    if own and not (_OWN_NAME.fullmatch(str(own)) and len(str(own)) <= _MOST_IN_A_NAME):
        raise UsageError(
            f"lsf: J is the name of a job: {own!r}. It may hold letters, digits and ._:+@=,- and "
            f"{_MOST_IN_A_NAME} of them at most; jobs of equal directives are an array by "
            f"themselves"
        )
    name = str(own or _NOT_IN_A_NAME.sub("_", submission.name)[:_MOST_IN_A_NAME])
    if not Cluster.of(submission.limits.render_context).modern:
        return f"{submission.token}.{name}"
    return f"_{name[1:]}" if name.startswith("-") else name


def own_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the user sets, by letters.

    Raises:
        UsageError: one option by its letters and by its name.
    """
    found = {name: settings[name] for name in OPTIONS if settings.get(name) is not None}
    for name, letters in NAMES.items():
        if settings.get(name) is None:
            continue
        if letters in found and found[letters] != settings[name]:
            raise UsageError(
                f"lsf: {name} and {letters} are the same option, but have different values"
            )
        found[letters] = settings[name]
    return found


def _options(submission: Submission) -> Iterator[tuple[str, Any]]:
    """Every option in use; settings of the user come last and win."""
    cluster = Cluster.of(submission.limits.render_context)
    own = own_options(submission.settings)
    name = job_name(submission)
    most = f"%{submission.max_running}" if submission.max_running else ""
    yield "J", f"{name}[1-{submission.count}]{most}" if submission.count > 1 else name
    yield "o", "/dev/null"
    if cluster.modern:
        yield "env", "none"
        cwd = str(_ELSEWHERE if travels(submission) else submission.folder)
        if _PLAIN.fullmatch(cwd) and "%" not in cwd:
            yield "cwd", cwd
    asked = dict(_resources(submission, cluster))
    yield from asked.items()
    if submission.urgency:
        yield "sp", _priority(submission.urgency, cluster.priorities)
    if isinstance(own.get("R"), str):
        own["R"] = _joined(own["R"], asked.get("R", ""))
    yield from ((letters, value) for letters, value in own.items() if letters != "J")
    if cluster.modern:
        words = own.get("Jd")
        yield "Jd", f"{submission.token} {words}" if words else submission.token


def _priority(urgency: int, most: int) -> int:
    """Of 1 to MAX_USER_PRIORITY, half of which jobs have that ask for none.

    Raises:
        UsageError: users give none, or there is no other on that side of the half.
    """
    if not most:
        raise UsageError(
            f"lsf: urgency {urgency}: this cluster lets users give no priorities "
            f"(MAX_USER_PRIORITY is not set); leave out the urgency"
        )
    usual = max(1, most // 2)
    priority = scaled(urgency, least=1, usual=usual, most=most)
    if priority == usual:
        raise UsageError(
            f"lsf: urgency {urgency}: this cluster has the priorities 1 to {most} "
            f"(MAX_USER_PRIORITY), and jobs usually have {usual}; leave out the urgency"
        )
    return priority


def _resources(submission: Submission, cluster: Cluster) -> Iterator[tuple[str, Any]]:
    """Options for what a job needs; nothing for what it leaves to the site."""
    resources = submission.resources
    slots = resources.tasks * resources.cores
    if slots > 1:
        yield "n", slots
    if requirement := " ".join(_requirements(submission, cluster, slots)):
        yield "R", requirement
    if resources.memory is not None:
        unit = _unit(submission, cluster) or "KB"  # without LSF_UNIT_FOR_LIMITS
        yield "M", _amount(resources.memory, unit)
    if resources.time is not None:
        yield "W", format_time(resources.time)
    if resources.gpus:
        if not cluster.modern:
            raise UsageError("lsf: GPUs need LSF 10.1 or newer (bsub -gpu); this LSF is older")
        yield "gpu", f"num={-(-resources.gpus * resources.tasks // resources.nodes)}"
    if resources.queue is not None:
        yield "q", resources.queue
    if resources.exclusive:
        yield "x", True


def _requirements(submission: Submission, cluster: Cluster, slots: int) -> Iterator[str]:
    resources = submission.resources
    if hosts := list(_hosts(submission.avoid)):
        unwanted = " && ".join(f"hname!='{host}'" for host in hosts)
        yield f"select[{unwanted}]"
    reserved = {"mem": resources.memory, "tmp": resources.disk}
    if any(amount is not None for amount in reserved.values()):
        unit = _unit(submission, cluster) or "MB"  # without LSF_UNIT_FOR_LIMITS
        shared = -(-slots // resources.nodes) if cluster.per_task else 1
        parts = (
            f"{name}={_amount(-(-amount // shared), unit)}"
            for name, amount in reserved.items()
            if amount is not None
        )
        yield f"rusage[{':'.join(parts)}]"
    if resources.nodes > 1:
        yield f"span[ptile={-(-slots // resources.nodes)}]"
    elif slots > 1:
        yield "span[hosts=1]"


def _hosts(named: Iterable[str]) -> Iterator[str]:
    """The hosts in what bjobs shows for a job: `hostA`, `4*hostA:hostB`."""
    for text in named:
        for host in text.split(":"):
            name = re.sub(r"\A\d+\*", "", host)
            if re.fullmatch(r"[A-Za-z0-9._-]+", name):
                yield name


def _joined(own: str, ours: str) -> str:
    """A requirement of the user's with ours; where both place the slots, with theirs."""
    braces = "{" in own
    if braces or re.search(r"\bspan\s*\[", own):
        ours = re.sub(r" ?\bspan\[[^]]*\]", "", ours)
    if selected := re.match(r"select\[([^]]*)\] ?", ours):
        ours = ours[selected.end() :]
        own = own if braces else _selecting(own, selected[1])
    return " ".join(filter(None, (own, ours)))


def _selecting(own: str, more: str) -> str:
    """A requirement that selects less; its selection may stand in front without its name."""
    section = re.search(r"\bselect\s*\[([^]]*)\]", own)
    if section:
        return f"{own[: section.start()]}select[({section[1]}) && {more}]{own[section.end() :]}"
    words = re.split(r"\b(?=(?:order|rusage|span|same|cu|affinity)\s*\[)", own, maxsplit=1)[0]
    both = f"({words.strip()}) && {more}" if words.strip() else more
    return f"select[{both}] {own[len(words) :]}".strip()


def _unit(submission: Submission, cluster: Cluster) -> str:
    unit: str | None = submission.settings.get("unit_for_limits") or cluster.unit
    if unit is None:
        raise UsageError(
            "lsf: the memory unit of this cluster is unknown: LSF_UNIT_FOR_LIMITS is "
            "neither in its "
            "lsf.conf nor reported by badmin; set lsf.unit_for_limits"
        )
    return unit


def _amount(size: int, unit: str) -> int:
    power: int = _POWERS[unit]
    return -(-size // (1 << 10 * power))


def format_time(duration: timedelta) -> str:
    """`1:30`, hours and minutes; LSF counts whole minutes, so it is rounded up."""
    minutes = -(-duration // timedelta(minutes=1))
    return f"{minutes // 60}:{minutes % 60:02}"


def _line(name: str, value: Any) -> str:
    if name in FLAGS:
        if value is not True:
            raise UsageError(f"lsf: {name} is a flag; its only value is `true`, not {value!r}")
        return f"#BSUB -{name}"
    if value is True:  # what stands on the next line would be its value
        raise UsageError(f"lsf: {name} needs a value")
    return f"#BSUB -{name} {_value(name, str(value))}"


def _value(name: str, value: str) -> str:
    """As bsub reads a directive: a value with blanks stands in quotes, which nothing escapes."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise UsageError(f"lsf: the value of {name} must be a single line of text: {value!r}")
    if re.match(r"-[^0-9]", value):
        raise UsageError(f"lsf: the value of {name} must not start like an option: {value!r}")
    if _PLAIN.fullmatch(value):
        return value
    mark = "'" if '"' in value else '"'
    if mark in value or "\\" in value or not value.strip():
        raise UsageError(
            f"lsf: the value of {name} must not be empty, or contain a backslash or both kinds of "
            f"quotes: {value!r}"
        )
    return f"{mark}{value}{mark}"
