"""The words of anybatch: what to run (`Job`, `Resources`) and how it went (`Outcome`)."""

from __future__ import annotations

import enum
import re
import signal as signals
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from anybatch.errors import JobError
from anybatch.units import format_duration, format_size, parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHELL_OWNED = frozenset({"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID", "_"})


class State(str, enum.Enum):
    """Where a job is. Small and closed; the system's own word is kept beside it."""

    NEW = "new"  #: not handed to the batch system yet
    QUEUED = "queued"
    HELD = "held"  #: in the queue, and will not start by itself
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TERMINATED = "terminated"
    LOST = "lost"  #: nothing that was asked knows how it ended

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
    SETUP = "setup"  #: working folder, logs, env_script, env or setup
    STAGE_IN = "stage_in"
    STAGE_OUT = "stage_out"
    HELD = "held"
    REJECTED = "rejected"  #: the batch system refused the submission
    TERMINATED = "terminated"
    DEPENDENCY = "dependency"  #: a job that it was to run after is not done
    LOST = "lost"


def _size(value: int | str | None) -> int | None:
    return None if value is None else parse_size(value)


def _duration(value: timedelta | float | str | None) -> timedelta | None:
    return None if value is None else parse_duration(value)


def _at_least(minimum: int) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError(f"{attribute.name} must be {minimum} or more: {value!r}")

    return check


@attrs.frozen(kw_only=True)
class Resources:
    """What a job needs. None: what the batch system gives by default.

    Attributes:
        nodes: machines.
        tasks: processes that the job starts (MPI ranks), over all nodes.
        cores: CPU cores for each task.
        gpus: GPUs for each task.
        memory: bytes on each node; accepts `2 GiB`.
        disk: bytes of scratch space; accepts `10 GB`.
        time: the time limit (walltime); accepts `1h30m`.
        queue: queue or partition.
        exclusive: no other job on the nodes.

    Raises:
        ValueError: a number out of range, or a text that is no size or duration.
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
            f"{value} {name}"
            for name, value, usual in (
                ("nodes", self.nodes, 1),
                ("tasks", self.tasks, 1),
                ("cores", self.cores, 1),
                ("gpus", self.gpus, 0),
            )
            if value != usual
        ]
        parts += [format_size(self.memory)] if self.memory else []
        parts += [format_duration(self.time)] if self.time else []
        return ", ".join(parts)


def _reasons(values: Iterable[Reason | str]) -> frozenset[Reason]:
    return frozenset(Reason(value) for value in values)


@attrs.frozen
class Retry:
    """When a job is run again by itself.

    Attributes:
        times: how many attempts are made after the first.
        on: for which reasons; by default what may pass by itself. A lost job may still be
            running somewhere: it is run again only where `Reason.LOST` is named.
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
        command: a sequence of words, or the text of a shell script.
        name: what the batch system calls it; None: the program's name.
        workdir: where the command runs; None: where the submitting program runs. `{index}`
            stands for the job's number; such a folder is made when it is not there.
        env: variables set for the command.
        env_script: sourced before anything else of the job (site or experiment set-up).
        setup: shell lines run before the command, each of which must succeed.
        resources: what it needs.
        inputs: files, folders or glob patterns that the command finds in its working folder,
            with their layout relative to where the submitting program runs.
        flat: inputs go to the top of the working folder instead.
        outputs: glob patterns, relative to the working folder, of what the command makes.
            A pattern that matches nothing after a successful command is a failure.
        output_dir: where outputs are brought; None: they stay. May hold `{index}`.
        stdin: a file for the command's standard input.
        stdout, stderr: files for its output; None: in the run's folder. May hold `{index}`.
        container: an image that the command runs in, for plugins that know containers.
        settings: settings of plugins for this job: `{"slurm": {"qos": "long"}}`.
        after: jobs (of the same submission), runs, or ids of runs that must be done first.
        retry: how often, or when, it is run again by itself.

    Raises:
        JobError: the description cannot be a job: no command, a NUL character, a variable
            name that no shell knows, ...
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

    def __attrs_post_init__(self) -> None:
        if isinstance(self.command, str):
            problem = "" if self.command.strip() else "the command is empty"
        else:
            problem = _check_words(self.command)
        problem = problem or _check_name(self.name) or _check_env(self.env)
        problem = problem or _check_texts(self)
        if problem:
            raise JobError(problem)


def _check_words(words: tuple[str, ...]) -> str:
    if not words:
        return "the command is empty"
    for number, word in enumerate(words):
        if not isinstance(word, str):
            return f"word {number} of the command is no text: {word!r}"
        if flaw := _flaw(word):
            return f"word {number} of the command holds {flaw}: {word!r}"
    return "" if words[0] else "the command's first word is empty"


def _check_name(name: str | None) -> str:
    if name is None:
        return ""
    if not name.strip() or any(ord(character) < 32 for character in name):
        return f"a job's name is one line of text: {name!r}"
    flaw = _flaw(name)
    return flaw and f"a job's name holds {flaw}: {name!r}"


def _check_env(env: Mapping[str, str]) -> str:
    for name, value in env.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            return f"env: {name!r} is no name of a variable"
        if name in _SHELL_OWNED or name.startswith(("ANYBATCH_", "ab_")):
            return f"env: {name!r} belongs to the shell or to anybatch and cannot be set"
        if not isinstance(value, str):
            return f"env: the value of {name!r} is no text: {value!r}"
        if flaw := _flaw(value):
            return f"env: the value of {name!r} holds {flaw}"
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
            return f"{field} holds {flaw}"
    return ""


def _flaw(text: str) -> str:
    """What *text* holds that no program can be given; empty: nothing of the kind."""
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        return f"half a character ({text[error.start]!r})"
    return ""


@attrs.frozen
class JobId:
    """A job as a batch system knows it.

    Attributes:
        system: the plugin's name.
        native_id: the id as the system spells it; an element of an array in full (`3505_7`).
    """

    system: str
    native_id: str

    def __str__(self) -> str:
        return self.native_id


@attrs.frozen(kw_only=True)
class Outcome:
    """How a job ended, and how that is known.

    Attributes:
        run, index: which job.
        id: the batch system's id; None where it never had one.
        state: done, failed, terminated or lost.
        reason: why it is not done; None for done.
        exit_code: of the command; None where a signal ended it or it never ran.
        signal: number of the signal that ended the command.
        native_state: the system's own last word.
        message: what the system or the job script said of it.
        host: the machine it ran on.
        submitted, started, ended: times in UTC.
        evidence: what the verdict rests on, or for a lost job everything that was asked.
        stdout, stderr: its logs.
        cpu_time: CPU time used; max_memory: peak resident memory in bytes, where accounted.
        attempt: 0, or the number of the retry.
    """

    run: str
    index: int
    state: State
    reason: Reason | None = None
    id: JobId | None = None
    exit_code: int | None = None
    signal: int | None = None
    native_state: str | None = None
    message: str | None = None
    host: str | None = None
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    evidence: tuple[str, ...] = ()
    stdout: Path | None = None
    stderr: Path | None = None
    cpu_time: timedelta | None = None
    max_memory: int | None = None
    attempt: int = 0

    @property
    def done(self) -> bool:
        """Whether the job did what it was to do."""
        return self.state is State.DONE

    def describe(self) -> str:
        """One line for people: which job, how it ended, why, and where to look next."""
        text = f"job {self.run}:{self.index} {self.state.value}"
        if why := self.why():
            text += f" ({why})"
        if self.stderr and not self.done and not self._never_ran:
            text += f"; its log: {self.stderr}"
        return text

    def why(self) -> str:
        """The reason for people: `exit code 3`, `SIGKILL`, `time limit`; empty for done."""
        words = {
            None: "",
            Reason.EXIT_CODE: "" if self.exit_code is None else f"exit code {self.exit_code}",
            Reason.SIGNAL: signal_name(self.signal),
            Reason.TERMINATED: "",
            Reason.LOST: "; ".join(self.evidence),
        }.get(self.reason, self.reason.value.replace("_", " ") if self.reason else "")
        return ": ".join(filter(None, (words, self.message)))

    @property
    def _never_ran(self) -> bool:
        stopped = self.reason is Reason.TERMINATED and self.started is None
        return stopped or self.reason in (Reason.REJECTED, Reason.DEPENDENCY)


def signal_name(number: int | None) -> str:
    """`SIGKILL` for 9; `signal 99` for a number without a name."""
    if number is None:
        return "a signal"
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
