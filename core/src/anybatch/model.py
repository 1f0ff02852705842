"""The vocabulary of anybatch: what to run (`Job`, `Resources`) and how it ended (`Outcome`)."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from anybatch.errors import JobError, did_you_mean
from anybatch.units import format_duration, format_size, parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_SHELL_OWNED = frozenset({"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID", "_"})


class State(str, enum.Enum):
    """Where a job is. The set is small and closed; `native_state` has the system's own word."""

    NEW = "new"  #: not submitted to the batch system yet
    QUEUED = "queued"
    HELD = "held"  #: in the queue, but will not start by itself
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TERMINATED = "terminated"
    LOST = "lost"  #: no source knows how it ended

    @property
    def final(self) -> bool:
        """Whether a job in this state will never change again."""
        return self in _FINAL


_FINAL = frozenset({State.DONE, State.FAILED, State.TERMINATED, State.LOST})


class Reason(str, enum.Enum):
    """Why a job is not done."""

    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out_of_memory"
    TIME_LIMIT = "time_limit"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"
    SETUP = "setup"  #: the working directory, the logs, env_script, env or setup failed
    STAGE_IN = "stage_in"
    STAGE_OUT = "stage_out"
    HELD = "held"
    REJECTED = "rejected"  #: the batch system refused the submission
    TERMINATED = "terminated"
    DEPENDENCY = "dependency"  #: a job that it depends on is not done
    LOST = "lost"


def _size(value: int | str | None) -> int | None:
    return None if value is None else parse_size(value)


def _duration(value: timedelta | float | str | None) -> timedelta | None:
    return None if value is None else parse_duration(value)


def _at_least(minimum: int) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError(
                f"{attribute.name} must be a whole number, {minimum} or more: {value!r}"
            )

    return check


@attrs.frozen(kw_only=True)
class Resources:
    """What a job needs. None means the default of the batch system.

    Attributes:
        nodes: number of nodes (machines).
        tasks: total number of processes (MPI ranks) on all nodes.
        cores: CPU cores per task.
        gpus: GPUs per task.
        memory: bytes per node; accepts `2 GiB`.
        disk: bytes of scratch space; accepts `10 GB`.
        time: the time limit (walltime); accepts `1h30m`.
        queue: queue or partition.
        exclusive: the nodes are not shared with other jobs.

    Raises:
        ValueError: a number is out of range, or a text is not a size or duration.
    """

    nodes: int = attrs.field(default=1, validator=_at_least(1))
    tasks: int = attrs.field(default=1, validator=_at_least(1))
    cores: int = attrs.field(default=1, validator=_at_least(1))
    gpus: int = attrs.field(default=0, validator=_at_least(0))
    memory: int | None = attrs.field(default=None, converter=_size)
    disk: int | None = attrs.field(default=None, converter=_size)
    time: timedelta | None = attrs.field(default=None, converter=_duration)
    queue: str | None = None
    exclusive: bool = False

    def describe(self) -> str:
        """What differs from the default, for people: `4 cores, 2 GiB, 1h`."""
        parts = [
            f"{value} {name if value == 1 else f'{name}s'}"
            for name, value, usual in (
                ("node", self.nodes, 1),
                ("task", self.tasks, 1),
                ("core", self.cores, 1),
                ("GPU", self.gpus, 0),
            )
            if value != usual
        ]
        parts += [format_size(self.memory)] if self.memory else []
        parts += [f"{format_size(self.disk)} of disk"] if self.disk else []
        parts += [format_duration(self.time)] if self.time else []
        parts += [f"queue {self.queue}"] if self.queue else []
        parts += ["exclusive"] if self.exclusive else []
        return ", ".join(parts)


def _reasons(values: Iterable[Reason | str]) -> frozenset[Reason]:
    return frozenset(map(_reason, values))


def _reason(value: Reason | str) -> Reason:
    try:
        return Reason(value)
    except ValueError:
        hint = did_you_mean(str(value), [reason.value for reason in Reason])
        raise ValueError(f"on: unknown reason {value!r}{hint}") from None


@attrs.frozen
class Retry:
    """When a failed job is run again.

    Attributes:
        times: the maximum number of attempts after the first.
        on: the reasons to retry for; by default those that may go away by themselves. A lost job
            may still be running somewhere, so it is run again only if `Reason.LOST` is listed.

    Raises:
        ValueError: a negative number, or an unknown reason.
    """

    times: int = attrs.field(default=0, validator=_at_least(0))
    on: frozenset[Reason] = attrs.field(
        default=frozenset({Reason.EXIT_CODE, Reason.SIGNAL, Reason.NODE_FAILURE, Reason.PREEMPTED}),
        converter=_reasons,
    )


class RunHandle(Protocol):
    """A run that was submitted: an `anybatch.Run`."""

    id: str


def _command(value: str | Sequence[str]) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(value)


def _lines(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _many(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


def _variables(value: Mapping[str, str]) -> Mapping[str, str]:
    return dict(value)


def _retry(value: int | Retry) -> Retry:
    return value if isinstance(value, Retry) else Retry(value)


def _frozen_tables(value: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    return {plugin: dict(table) for plugin, table in value.items()}


@attrs.frozen
class Job:
    """What to run.

    Attributes:
        command: a program and its arguments, or the text of a shell script.
        name: the job's name in the batch system; None: the program's name.
        workdir: working directory of the command; None: the current folder of the submitting
            program. `{index}` stands for the job's number; such a folder is made if needed.
        env: environment variables for the command.
        env_script: a shell script, sourced before `env` and `setup` (site or experiment set-up).
        setup: shell lines to run before the command; each must succeed.
        resources: what the job needs.
        inputs: files, folders or glob patterns to make available in the working directory. Their
            layout is kept relative to the current folder of the submitting program.
        flat: inputs go directly into the working directory, without subfolders.
        outputs: glob patterns, relative to the working directory, of files the command produces.
            The job fails if a pattern matches nothing after the command has succeeded.
        output_dir: folder to collect the outputs in; None: they stay. May contain `{index}`.
        stdin: a file to read standard input from.
        stdout, stderr: files for the output; None: in the run's folder. May contain `{index}`.
        container: an image to run the command in, for plugins that support containers.
        settings: settings of plugins for this job: `{"slurm": {"qos": "long"}}`.
        after: jobs (of the same submission), runs, or run IDs that must be done first.
        retry: how often, or when, the job is run again if it fails.
        labels: free texts by name, kept with the job; `Session.runs` finds runs by them.

    Raises:
        JobError: the description is not a valid job: no command, a NUL character, an invalid
            variable name, ...
    """

    command: str | tuple[str, ...] = attrs.field(converter=_command)
    name: str | None = attrs.field(default=None, kw_only=True)
    workdir: Path | None = attrs.field(default=None, converter=_path, kw_only=True)
    env: Mapping[str, str] = attrs.field(factory=dict, converter=_variables, kw_only=True)
    env_script: Path | None = attrs.field(default=None, converter=_path, kw_only=True)
    setup: tuple[str, ...] = attrs.field(default=(), converter=_lines, kw_only=True)
    resources: Resources = attrs.field(factory=Resources, kw_only=True)
    inputs: tuple[str, ...] = attrs.field(default=(), converter=_lines, kw_only=True)
    flat: bool = attrs.field(default=False, kw_only=True)
    outputs: tuple[str, ...] = attrs.field(default=(), converter=_lines, kw_only=True)
    output_dir: Path | None = attrs.field(default=None, converter=_path, kw_only=True)
    stdin: Path | None = attrs.field(default=None, converter=_path, kw_only=True)
    stdout: Path | None = attrs.field(default=None, converter=_path, kw_only=True)
    stderr: Path | None = attrs.field(default=None, converter=_path, kw_only=True)
    container: str | None = attrs.field(default=None, kw_only=True)
    settings: Mapping[str, Mapping[str, Any]] = attrs.field(
        factory=dict, converter=_frozen_tables, kw_only=True
    )
    after: tuple[Job | RunHandle | str, ...] = attrs.field(
        default=(), converter=_many, kw_only=True
    )
    retry: Retry = attrs.field(default=Retry(), converter=_retry, kw_only=True)
    labels: Mapping[str, str] = attrs.field(factory=dict, converter=_variables, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.command, str):
            problem = "" if self.command.strip() else "the command is empty"
        else:
            problem = _check_words(self.command)
        problem = problem or _check_name(self.name) or _check_env(self.env)
        problem = problem or _check_texts(self) or _check_labels(self.labels)
        if problem:
            raise JobError(problem)


def _check_words(words: tuple[str, ...]) -> str:
    if not words:
        return "the command is empty"
    for number, word in enumerate(words):
        if not isinstance(word, str):
            kind = type(word).__name__
            return f"argument {number} of the command must be a string, not {kind}: {word!r}"
        if flaw := _flaw(word):
            return f"argument {number} of the command contains {flaw}: {word!r}"
    return "" if words[0] else "the name of the program is empty"


def _check_name(name: str | None) -> str:
    if name is None:
        return ""
    if not name.strip() or any(ord(character) < 32 for character in name):
        return f"the job name must be a single non-empty line: {name!r}"
    flaw = _flaw(name)
    return flaw and f"the job name contains {flaw}: {name!r}"


def _check_env(env: Mapping[str, str]) -> str:
    for name, value in env.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            return f"env: {name!r} is not a valid variable name"
        if name in _SHELL_OWNED or name.startswith(("ANYBATCH_", "ab_")):
            return f"env: {name!r} is reserved by the shell or by anybatch"
        if not isinstance(value, str):
            kind = type(value).__name__
            return f"env: the value of {name!r} must be a string, not {kind}: {value!r}"
        if flaw := _flaw(value):
            return f"env: the value of {name!r} contains {flaw}"
    return ""


def _check_labels(labels: Mapping[str, str]) -> str:
    for name, value in labels.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name):
            return (
                f"labels: {name!r} is not a valid name; use letters, digits and . _ - "
                f"(first a letter)"
            )
        if not isinstance(value, str):
            kind = type(value).__name__
            return f"labels: the value of {name!r} must be a string, not {kind}: {value!r}"
        if "\n" in value:
            return f"labels: the value of {name!r} must be a single line: {value!r}"
        if flaw := _flaw(value):
            return f"labels: the value of {name!r} contains {flaw}"
    return ""


def _check_texts(job: Job) -> str:
    texts = {
        "command": (job.command,) if isinstance(job.command, str) else (),
        "workdir": (job.workdir,),
        "env_script": (job.env_script,),
        "setup": job.setup,
        "inputs": job.inputs,
        "outputs": job.outputs,
        "output_dir": (job.output_dir,),
        "stdin": (job.stdin,),
        "stdout": (job.stdout,),
        "stderr": (job.stderr,),
        "container": (job.container,),
    }
    for field, values in texts.items():
        flaws = (_flaw(str(value)) for value in values if value is not None)
        if flaw := next(filter(None, flaws), ""):
            return f"{field} contains {flaw}"
    return ""


def _flaw(text: str) -> str:
    """What *text* contains that cannot be passed to a program; empty: nothing of the kind."""
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        return f"an unpaired surrogate, which is not valid text ({text[error.start]!r})"
    return ""
