"""A submission as Slurm wants it: a script with `#SBATCH` lines, and the command. Pure.

sbatch(1): https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.errors import UsageError
from anybatch.host import Command
from anybatch.quoting import quote
from anybatch.records import Rendered, RenderedFile

from anybatch_slurm.settings import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

    from anybatch.model import Resources
    from anybatch.records import Submission

#: Of an array more are waited for as the whole array: Slurm takes no ranges, and the list has to
#: fit into a variable of the job.
MOST_ELEMENTS = 500
LONGEST_DEPENDENCY = 100_000  #: characters; the kernel takes 128 KiB for a variable

#: What an urgency of -1 is of sbatch's --nice: as much as the option has without a value.
NICE = 100

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./\[\]-]+")
#: Nodes as squeue names them: one, or several as a list with ranges.
_NODES = re.compile(r"[A-Za-z0-9._-]+([\[,][A-Za-z0-9._,\[\]-]+)?")

_NEEDED = {
    "array": "only one of the jobs would run",
    "comment": "anybatch uses it to find jobs whose submission got no reply",
    "dependency": "jobs would not wait for their dependencies",
}

#: What sbatch sees of the environment, and with it the job, whose environment the job script
#: builds: enough to find home, cluster and credentials.
CLIENT_ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LD_LIBRARY_PATH"),
    *("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SACK_*", "KRB5*"),
    *("SBATCH_ACCOUNT", "SBATCH_CLUSTERS", "SBATCH_CONSTRAINT", "SBATCH_PARTITION"),
    *("SBATCH_QOS", "SBATCH_RESERVATION"),
)


def render(submission: Submission, timeout: timedelta = timedelta(minutes=2)) -> Rendered:
    """The batch script and the `sbatch` command of a submission."""
    skipped = _skipped(submission)
    directives = {
        name: value
        for name, value in dict(_directives(submission)).items()
        if value is not False and name not in skipped
    }
    lines = ["#!/bin/sh", *(_line(name, value) for name, value in directives.items())]
    path = submission.folder / f"submit-{submission.number}.sh"
    return Rendered(
        files=(RenderedFile(path, "\n".join([*lines, *_start(submission), ""]), 0o700),),
        command=Command(
            ("sbatch", "--parsable", str(path)),
            cwd=submission.folder,
            timeout=timeout,
            only_env=CLIENT_ENVIRONMENT,
            env={"LC_ALL": "C"},  # goes to the job, whose shell then starts quicker
            # In the environment they would win over the script's own lines.
            hide_env=tuple(_variables(directives)),
        ),
    )


def as_question(rendered: Rendered) -> Command:
    """The command that asks whether a submission would be taken, and when its jobs would start.

    The script goes to its standard input, because neither it nor the run's folder is there yet.
    """
    [script] = rendered.files
    words = ("sbatch", "--test-only")
    return attrs.evolve(rendered.command, argv=words, stdin=script.text, cwd=Path("/"))


def cluster_name(submission: Submission) -> str | None:
    """The cluster that a submission's jobs are in; None: where commands lead to by themselves."""
    context = submission.limits.render_context
    return named_cluster(submission.settings) or context.get("clusters")


def named_cluster(settings: Mapping[str, Any]) -> str | None:
    """The cluster that the settings name."""
    value = settings.get("clusters")
    return str(value) if value and "clusters" not in settings["skip"] else None


def _skipped(submission: Submission) -> Set[str]:
    """The options that are never given to sbatch."""
    skipped = frozenset(submission.settings["skip"])
    for name, why in _NEEDED.items():
        if name in skipped:
            raise UsageError(f"slurm: {name} cannot be skipped: {why}")
    return skipped


def _start(submission: Submission) -> Iterator[str]:
    task = '"$((SLURM_ARRAY_TASK_ID + 1))"' if submission.count > 1 else "1"
    script = str(submission.script)
    if "\n" in script:  # no line may begin with text of a path: sbatch reads #BSUB lines anywhere
        yield from ("ab_nl='", "'")
    words = f'{quote(script)} {submission.number} {task} "${{SLURM_RESTART_COUNT:-0}}"'
    # The job script would start bash itself; so one shell less is started.
    yield f"command -v bash >/dev/null && exec bash {words}"
    yield f"exec /bin/sh {words}"


def _directives(submission: Submission) -> Iterator[tuple[str, Any]]:
    """Every option in use; settings of the user come last and win."""
    yield "job-name", submission.name
    if submission.count > 1:
        most = f"%{submission.max_running}" if submission.max_running else ""
        yield "array", f"0-{submission.count - 1}{most}"
    if submission.after:
        yield "dependency", dependency(submission.after)
        yield "kill-on-invalid-dep", "yes"
    if cluster := cluster_name(submission):
        yield "clusters", cluster
    yield "output", _output(submission)
    yield "open-mode", "append"
    yield from _resources(submission.resources)
    if submission.urgency:
        yield "nice", -NICE * submission.urgency
    own = submission.settings
    yield from ((name, own[name]) for name in OPTIONS if own.get(name) is not None)
    if hosts := [host for host in submission.avoid if _NODES.fullmatch(host)]:
        yield "exclude", ",".join([*filter(None, [own.get("exclude")]), *hosts])
    comment = own.get("comment")
    yield "comment", f"{submission.token} {comment}" if comment else submission.token
    if own.get("signal"):
        yield "signal", _signal(str(own["signal"]))


def _resources(resources: Resources) -> Iterator[tuple[str, Any]]:
    """Options for what a job needs; nothing for what it leaves to the site."""
    if resources.nodes > 1:
        yield "nodes", resources.nodes
    if resources.tasks > 1:
        yield "ntasks", resources.tasks
    if resources.cores > 1:
        yield "cpus-per-task", resources.cores
    if resources.gpus:
        yield "gpus-per-task", resources.gpus
        yield "ntasks", resources.tasks
    if resources.memory is not None:
        yield "mem", f"{-(-resources.memory // 1024)}K"
    if resources.disk is not None:
        yield "tmp", f"{-(-resources.disk // 1024)}K"
    if resources.time is not None:
        yield "time", format_time(resources.time)
    if resources.queue is not None:
        yield "partition", resources.queue
    if resources.exclusive:
        yield "exclusive", True


def dependency(after: Sequence[str]) -> str:
    """`afterok:7_1:7_2:9`; for very many elements of an array the array itself."""
    elements = Counter(native.partition("_")[0] for native in after)
    whole = {array for array, count in elements.items() if count > MOST_ELEMENTS}
    words = (array if (array := native.partition("_")[0]) in whole else native for native in after)
    return "afterok:" + ":".join(dict.fromkeys(word.replace("+", "_") for word in words))


def _output(submission: Submission) -> str:
    """The system's log, in the language of slurmd's file names, which begin with the folder.

    There `%j` and the like stand for something. A backslash keeps all of the path as it is, but
    vanishes itself: where the folder has one there is no way to say it (26.05), and no log.
    """
    path = str(submission.system_log)
    if "\\" in path:
        return "/dev/null"
    return "logs/\\system.log" if "%" in path else "logs/system.log"


def format_time(duration: timedelta) -> str:
    """`1-02:03:04`; Slurm counts whole minutes and rounds up."""
    seconds = math.ceil(duration.total_seconds())
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{day}-{hour:02}:{minute:02}:{second:02}"


def _signal(value: str) -> str:
    """The warning signal goes to the batch shell (`B:`), whose job script passes it on.

    Without it Slurm signals only steps that srun has started.
    """
    return value if value.startswith(("B:", "R:", "RB:", "BR:")) else f"B:{value}"


def _line(name: str, value: Any) -> str:
    if value is True:
        return f"#SBATCH --{name}"
    return f"#SBATCH --{name}={_value(name, str(value))}"


def _value(name: str, value: str) -> str:
    """As sbatch reads a directive: in double quotes, backslash and quote escaped."""
    if any(character in value for character in "\0\n\r"):
        raise UsageError(f"slurm: the value of {name} must be a single line: {value!r}")
    if _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _variables(options: Iterable[str]) -> Iterator[str]:
    """The variables that sbatch reads in place of options."""
    for option in options:
        yield "SBATCH_" + option.upper().replace("-", "_")
        if option == "clusters":
            yield "SLURM_CLUSTERS"
