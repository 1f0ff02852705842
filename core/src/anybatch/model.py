"""The vocabulary of anybatch: what to run (`Job`, `Resources`), and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, overload

import attrs

from anybatch import job_fields as fields
from anybatch import job_tables, parameters, sweeps
from anybatch.errors import JobError, shown
from anybatch.parameters import Value
from anybatch.resources import Resources
from anybatch.retries import Retry, read_retry
from anybatch.states import Reason, State
from anybatch.urgency import problem_of

if TYPE_CHECKING:
    import os

__all__ = ["Job", "Jobs", "Reason", "Resources", "Retry", "RunHandle", "State"]

Command = str | Iterable[str]


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
        urgency: -100 to 100: which of your waiting jobs comes sooner; 0 is usual.
        inputs: files, folders or glob patterns to make available in the working directory. Their
            layout is kept relative to the current folder of the submitting program.
        flat: inputs go directly into the working directory, without subfolders.
        copy_inputs: the job gets copies of its inputs as they are at submission.
        outputs: glob patterns, relative to the working directory, of files the command produces.
            The job fails if a pattern matches nothing after the command has succeeded.
        optional_outputs: likewise, but a pattern may match nothing.
        output_dir: folder to collect the outputs in; None: they stay. May contain `{index}`.
        skip_existing: a job does not run, and is done, if all its outputs are in `output_dir` and
            newer than its inputs. Outputs of a command that fails are not brought there then.
        stdin: a file to read standard input from.
        stdout, stderr: files for the output; None: in the run's folder. May contain `{index}`.
        container: an image to run the command in, for plugins that support containers.
        settings: settings of plugins for this job: `{"slurm": {"qos": "long"}}`.
        after: jobs (of the same submission), runs, or run IDs that must be done first.
        retry: how often, or when, the job is run again if it fails: a number, a `Retry`, or a
            table such as `{"node_failure": 3, "out_of_memory": {"times": 2, "memory": "x2"}}`.
        checkpoint: exit code 85 (setting `checkpoint_exit_code`), or `anybatch requeue-me`, means
            that the command has saved its state and wants to be run again. It is no failure.
        labels: free texts by name, kept with the job; `Session.runs` finds runs by them.
        params: parameters by name, kept with the job, and the variables `ANYBATCH_PARAM_NAME` in
            it. Their names in braces (`{seed}`) are filled in, see `templates`.
        input_list: files and addresses (`root://...`) that the command is to read. The job finds
            them in a file, `ANYBATCH_INPUT_LIST`, and by `anybatch.inputs()`; `{inputs}` in the
            command stands for them, a word each.
        template: `{index}` is filled in in the same places. So it always is if there are
            parameters or an `input_list`.

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
    urgency: int = attrs.field(default=0, kw_only=True)
    inputs: tuple[str, ...] = attrs.field(default=(), converter=fields.paths, kw_only=True)
    flat: bool = attrs.field(default=False, kw_only=True)
    copy_inputs: bool = attrs.field(default=False, kw_only=True)
    outputs: tuple[str, ...] = attrs.field(default=(), converter=fields.paths, kw_only=True)
    optional_outputs: tuple[str, ...] = attrs.field(
        default=(), converter=fields.paths, kw_only=True
    )
    output_dir: Path | None = attrs.field(default=None, converter=fields.path, kw_only=True)
    skip_existing: bool = attrs.field(default=False, kw_only=True)
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
    checkpoint: bool = attrs.field(default=False, kw_only=True)
    labels: Mapping[str, str] = attrs.field(factory=dict, converter=fields.table, kw_only=True)
    params: Mapping[str, Value] = attrs.field(
        factory=dict, converter=parameters.convert, kw_only=True
    )
    input_list: tuple[str, ...] = attrs.field(default=(), converter=fields.paths, kw_only=True)
    template: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        problem = (
            fields.check_kinds(self)
            or fields.check_command(self.command)
            or fields.check_name(self.name)
            or fields.check_env(self.env)
            or _check_kinds(self)
            or problem_of(self.urgency)
            or fields.check_texts(self)
            or fields.check_labels(self.labels)
            or parameters.check(self.params)
            or fields.check_files(self.input_list)
        )
        if problem:
            raise JobError(problem)
        if (self.params or self.input_list) and not self.template:
            object.__setattr__(self, "template", True)

    def to_dict(self, *, exact: bool = True) -> dict[str, Any]:
        """The job as texts, numbers, lists and tables, for JSON and TOML: what is not usual.

        Args:
            exact: a setting that is something else is an error; else it becomes a text.

        Raises:
            JobError: it waits for a job of the same submission, or a setting is something else.
        """
        fields = {name: getattr(self, name) for name in attrs.fields_dict(Job)}
        if self.params or self.input_list:
            fields["template"] = False  # which goes without saying
        return job_tables.write_fields(fields, _usual(), exact=exact)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Job:
        """The inverse of `to_dict`, and what job files hold.

        Raises:
            JobError: it does not describe a valid job.
        """
        return cls(**job_tables.read_fields(table))

    def sweep(
        self: Job | Command,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        zip: bool = False,
        jobs: int | None = None,
        **more: Any,
    ) -> Jobs:
        """A job for each combination of parameters, made of this one when it is looked at.

            Job(["fit", "{seed}", "{cut}"]).sweep(seed=range(100), cut=[5.15, 5.2])

        `Job.sweep(command, seed=...)` is short for `Job(command).sweep(seed=...)`.

        Args:
            values: for each parameter its values: a list, a range, any iterable; or one value.
                The last varies fastest. Names that are taken here go into *values*.
            zip: the first values of all make a job, then the second, ...; instead of all
                combinations.
            jobs: how many jobs there are to be; an iterable without an end is read so far.

        Raises:
            JobError: a name or value that cannot be, too many values, or an iterable without an
                end and no *jobs*; with *jobs* another number, with *zip* different lengths.
        """
        job = self if isinstance(self, Job) else Job(self)
        axes = sweeps.sweep(sweeps.named(values, more), zipped=zip, jobs=jobs)
        return Jobs(job, sweeps.Table()).times(axes)

    def split(
        self: Job | Command,
        files: Iterable[str | os.PathLike[str]],
        values: Mapping[str, Any] | None = None,
        /,
        *,
        per_job: int | None = None,
        jobs: int | None = None,
        **more: Any,
    ) -> Jobs:
        """A job for each part of *files*, in their order, as its `input_list`.

        `Job.split(command, files, ...)` is short for `Job(command).split(files, ...)`.

        Args:
            files: paths and addresses.
            values: for each parameter its values, one for each part: a list of as many, or an
                iterable that may have no end; or one value for all.
            per_job: how many files a part has, at most.
            jobs: how many parts there are; 11 files in 4 parts are 3, 3, 3 and 2.

        Raises:
            JobError: no files, neither or both of *per_job* and *jobs*, more parts than files, a
                parameter with too few or too many values.
        """
        job = self if isinstance(self, Job) else Job(self)
        return Jobs(job, sweeps.Table()).split(
            files, sweeps.named(values, more), per_job=per_job, jobs=jobs
        )


def _check_kinds(job: Job) -> str:
    if not isinstance(job.resources, Resources):
        return f"resources must be Resources(cores=2, ...), not {shown(job.resources)}"
    for item in job.after:
        if isinstance(item, (Job, str)) or isinstance(getattr(item, "id", None), str):
            continue
        if isinstance(index := getattr(item, "index", None), int):  # a JobView or an Outcome
            name = f"{getattr(item, 'run', 'RUN')}:{index}"
            return f"after: name a job of an earlier run by the text {name!r}"
        return f"after takes jobs of the same submission, runs, or texts RUN:0, not {shown(item)}"
    return ""


@cache
def _usual() -> Mapping[str, Any]:
    fields = {name: getattr(Job("-"), name) for name in attrs.fields_dict(Job)}
    return {**fields, "command": None}


_SETTERS = {name: getattr(Job, name).__set__ for name in attrs.fields_dict(Job)}


def derive(job: Job, changes: Mapping[str, Any]) -> Job:
    """A copy of *job* with changes that need no check; twenty times as fast as `attrs.evolve`."""
    made = object.__new__(Job)
    for name, set_field in _SETTERS.items():
        set_field(made, changes[name] if name in changes else getattr(job, name))
    return made


class Jobs(Sequence[Job]):
    """Jobs of one template, each made when it is looked at: a million of them take no time.

    `Session.submit` takes it like a list. Made by `Job.sweep`.

    Attributes:
        job: the template.
        table: the values that the jobs differ by.
    """

    def __init__(self, job: Job, table: sweeps.Table) -> None:
        self.job, self.table = derive(job, {"template": True}), table
        self._shared = [
            (set_field, getattr(self.job, name))
            for name, set_field in _SETTERS.items()
            if name != "params"
        ]

    def __repr__(self) -> str:
        return f"<{len(self)} jobs of {shown(self.job.command)}>"

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Job]:
        return map(self._made, self.table)

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...
    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return [self[number] for number in numbers]
        return self._made(self.table.row(numbers))

    def sweep(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        zip: bool = False,
        jobs: int | None = None,
        **more: Any,
    ) -> Jobs:
        """Each of these jobs with each combination of further parameters: see `Job.sweep`."""
        return self.times(sweeps.sweep(sweeps.named(values, more), zipped=zip, jobs=jobs))

    def split(
        self,
        files: Iterable[str | os.PathLike[str]],
        values: Mapping[str, Any] | None = None,
        /,
        *,
        per_job: int | None = None,
        jobs: int | None = None,
        **more: Any,
    ) -> Jobs:
        """Each of these jobs with each part of *files*: see `Job.split`."""
        listed = sweeps.read_files(files)
        if problem := fields.check_files(listed):
            raise JobError(problem)
        parts = sweeps.parts(listed, per_job, jobs)
        return self.times([sweeps.along(sweeps.named(values, more), len(parts), inputs=parts)])

    def times(self, axes: Sequence[sweeps.Axis]) -> Jobs:
        """Each of these jobs with each row of further values.

        Raises:
            JobError: a parameter is there twice, there are too many jobs, or none.
        """
        table = self.table.times(axes)
        if problem := parameters.check_names([*self.job.params, *table.params]):
            raise JobError(problem)
        return Jobs(self.job, table)

    def _made(self, row: dict[str, Any]) -> Job:
        made = object.__new__(Job)
        for set_field, value in self._shared:
            set_field(made, value)
        if "inputs" in row:
            _SETTERS["input_list"](made, row.pop("inputs"))
        _SETTERS["params"](made, {**self.job.params, **row} if self.job.params else row)
        return made
