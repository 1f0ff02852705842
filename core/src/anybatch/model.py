"""The vocabulary of anybatch: what to run (`Job`, `Resources`), and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import attrs

from anybatch import job_fields as fields
from anybatch.errors import JobError
from anybatch.retries import Retry, read_retry
from anybatch.states import Reason, State
from anybatch.units import format_duration, format_size, parse_duration, parse_size

__all__ = ["Job", "Reason", "Resources", "Retry", "RunHandle", "State"]


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


def _is_a(kind: type, words: str) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not attribute.default and not isinstance(value, kind):
            raise ValueError(f"{attribute.name} must be {words}, not {value!r:.100}")

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
    queue: str | None = attrs.field(default=None, validator=_is_a(str, "a text"))
    exclusive: bool = attrs.field(default=False, validator=_is_a(bool, "True or False"))

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


class RunHandle(Protocol):
    """A run that was submitted: an `anybatch.Run`."""

    id: str


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
        setup_once: shell lines that one job of the run runs on each node before its command. The
            others wait for it. What they leave in `$ANYBATCH_NODE_DIR` is there for all of them.
        cleanup: shell lines to run at the end, whether the job has succeeded or not.
        scratch: the command works in a folder of its own on the node's disk, which is removed.
        resources: what the job needs.
        inputs: files, folders or glob patterns to make available in the working directory. Their
            layout is kept relative to the current folder of the submitting program.
        flat: inputs go directly into the working directory, without subfolders.
        copy_inputs: the job gets copies of its inputs as they are at submission.
        outputs: glob patterns, relative to the working directory, of files the command produces.
            The job fails if a pattern matches nothing after the command has succeeded.
        optional_outputs: likewise, but a pattern may match nothing.
        output_dir: folder to collect the outputs in; None: they stay. May contain `{index}`.
        stdin: a file to read standard input from.
        stdout, stderr: files for the output; None: in the run's folder. May contain `{index}`.
        container: an image to run the command in, for plugins that support containers.
        settings: settings of plugins for this job: `{"slurm": {"qos": "long"}}`.
        after: jobs (of the same submission), runs, or run IDs that must be done first.
        retry: how often, or when, the job is run again if it fails: a number, a `Retry`, or a
            table such as `{"node_failure": 3, "out_of_memory": {"times": 2, "memory": "x2"}}`.
        labels: free texts by name, kept with the job; `Session.runs` finds runs by them.

    Raises:
        JobError: the description is not a valid job: no command, a NUL character, an invalid
            variable name, ...
    """

    command: str | tuple[str, ...] = attrs.field(converter=fields.command)
    name: str | None = attrs.field(default=None, kw_only=True)
    workdir: Path | None = attrs.field(default=None, converter=fields.path, kw_only=True)
    env: Mapping[str, str] = attrs.field(factory=dict, converter=fields.table, kw_only=True)
    env_script: Path | None = attrs.field(default=None, converter=fields.path, kw_only=True)
    setup: tuple[str, ...] = attrs.field(default=(), converter=fields.texts, kw_only=True)
    setup_once: tuple[str, ...] = attrs.field(default=(), converter=fields.texts, kw_only=True)
    cleanup: tuple[str, ...] = attrs.field(default=(), converter=fields.texts, kw_only=True)
    scratch: bool = attrs.field(default=False, kw_only=True)
    resources: Resources = attrs.field(factory=Resources, kw_only=True)
    inputs: tuple[str, ...] = attrs.field(default=(), converter=fields.paths, kw_only=True)
    flat: bool = attrs.field(default=False, kw_only=True)
    copy_inputs: bool = attrs.field(default=False, kw_only=True)
    outputs: tuple[str, ...] = attrs.field(default=(), converter=fields.paths, kw_only=True)
    optional_outputs: tuple[str, ...] = attrs.field(
        default=(), converter=fields.paths, kw_only=True
    )
    output_dir: Path | None = attrs.field(default=None, converter=fields.path, kw_only=True)
    stdin: Path | None = attrs.field(default=None, converter=fields.path, kw_only=True)
    stdout: Path | None = attrs.field(default=None, converter=fields.path, kw_only=True)
    stderr: Path | None = attrs.field(default=None, converter=fields.path, kw_only=True)
    container: str | None = attrs.field(default=None, kw_only=True)
    settings: Mapping[str, Mapping[str, Any]] = attrs.field(
        factory=dict, converter=fields.tables, kw_only=True
    )
    after: tuple[Job | RunHandle | str, ...] = attrs.field(
        default=(), converter=fields.many, kw_only=True
    )
    retry: Retry = attrs.field(default=Retry(), converter=read_retry, kw_only=True)
    labels: Mapping[str, str] = attrs.field(factory=dict, converter=fields.table, kw_only=True)

    def __attrs_post_init__(self) -> None:
        problem = (
            fields.check_kinds(self)
            or fields.check_command(self.command)
            or fields.check_name(self.name)
            or fields.check_env(self.env)
            or _check_kinds(self)
            or _check_texts(self)
            or fields.check_labels(self.labels)
        )
        if problem:
            raise JobError(problem)


def _check_kinds(job: Job) -> str:
    if not isinstance(job.resources, Resources):
        return f"resources must be Resources(cores=2, ...), not {job.resources!r:.100}"
    for item in job.after:
        if isinstance(item, (Job, str)) or isinstance(getattr(item, "id", None), str):
            continue
        if isinstance(index := getattr(item, "index", None), int):  # a JobView or an Outcome
            name = f"{getattr(item, 'run', 'RUN')}:{index}"
            return f"after: name a job of an earlier run by the text {name!r}"
        return f"after takes jobs of the same submission, runs, or texts RUN:0, not {item!r:.100}"
    return ""


def _check_texts(job: Job) -> str:
    texts = {
        "command": (job.command,) if isinstance(job.command, str) else (),
        "workdir": (job.workdir,),
        "env_script": (job.env_script,),
        "setup": job.setup,
        "setup_once": job.setup_once,
        "cleanup": job.cleanup,
        "inputs": job.inputs,
        "outputs": job.outputs,
        "optional_outputs": job.optional_outputs,
        "output_dir": (job.output_dir,),
        "stdin": (job.stdin,),
        "stdout": (job.stdout,),
        "stderr": (job.stderr,),
        "container": (job.container,),
    }
    for field, values in texts.items():
        flaws = (fields.flaw(str(value)) for value in values if value is not None)
        if flaw := next(filter(None, flaws), ""):
            return f"{field} contains {flaw}"
    return ""
