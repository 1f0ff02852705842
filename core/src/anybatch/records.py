"""What hooks take and give. A plugin author reads this beside `hookspecs.py`."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from anybatch import validators
from anybatch.declarations import Kind as Kind
from anybatch.declarations import Setting as Setting
from anybatch.declarations import SiteDefault as SiteDefault
from anybatch.declarations import from_folder as from_folder
from anybatch.host import Command
from anybatch.model import Reason, Resources, State
from anybatch.validators import all_are, is_a, is_aware, is_table, or_none, to_texts
from anybatch.worker_paths import ForbiddenMountPath, WorkerPath


@attrs.frozen(kw_only=True)
class Detection:
    """A plugin's answer to "are your tools here?".

    Attributes:
        available: whether jobs can be handed to it now.
        reason: why, or why not, in one sentence.
        version: the system's version.
        priority: `auto` takes the available system with the highest; `local` has 0. None: `auto`
            never takes it; users have to name it.
        unreachable: it is set up here and does not answer now. `auto` then chooses none rather
            than one of lower priority, because a login node cannot stand in for a cluster.
        details: further facts for `anybatch doctor`, such as the default queue.
    """

    available: bool = attrs.field(validator=is_a(bool))
    reason: str = attrs.field(validator=is_a(str))
    version: str | None = attrs.field(default=None, validator=or_none(is_a(str)))
    priority: int | None = attrs.field(default=50, validator=or_none(is_a(int)))
    unreachable: bool = attrs.field(default=False, validator=is_a(bool))
    details: Mapping[str, str] = attrs.field(factory=dict, validator=is_table)


@attrs.frozen(kw_only=True)
class Alias:
    """What a plugin that is not a batch system means where a user names it as one.

    Attributes:
        system: the batch system that is used.
        settings: set for the plugins named, unless something else sets them.
    """

    system: str = attrs.field(validator=is_a(str))
    settings: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, validator=is_a(Mapping))


@attrs.frozen(kw_only=True)
class Environment:
    """A plugin's part in a job's environment.

    Attributes:
        scrub: names or patterns that no job inherits (`SLURM_*`), whatever `inherit_env` says.
        keep: exceptions from `scrub` (`SLURM_CONF`).
        env: variables for the job; what the job sets itself wins.
        setup: shell lines before the job's own.
        wrapper: words put before the command, which is then run by the program they name
            (`apptainer exec IMAGE`). `env_script`, `env` and `setup` take effect inside it.
            If the program ends before it has run them, the job's set-up has failed.
        forbidden_names: what the wrapper cannot mount, or the batch system cannot move. A job
            with such a path or name is refused.
        runs_container: a batch system's own: it runs the job in `Submission.container` itself,
            so wrappers of other plugins are left out.
    """

    scrub: tuple[str, ...] = attrs.field(default=(), converter=to_texts, validator=all_are(str))
    keep: tuple[str, ...] = attrs.field(default=(), converter=to_texts, validator=all_are(str))
    env: Mapping[str, str] = attrs.field(factory=dict, validator=validators.are_variables)
    setup: tuple[str, ...] = attrs.field(default=(), converter=to_texts, validator=all_are(str))
    wrapper: tuple[str | WorkerPath, ...] = attrs.field(
        default=(), converter=to_texts, validator=all_are(str, WorkerPath)
    )
    forbidden_names: tuple[ForbiddenMountPath, ...] = attrs.field(
        default=(), converter=to_texts, validator=all_are(ForbiddenMountPath)
    )
    runs_container: bool = attrs.field(default=False, validator=is_a(bool))


class Transfer(str, enum.Enum):
    """Who moves a job's files."""

    SHARED = "shared"  #: nobody: the job sees the same folders; inputs elsewhere are linked
    SCRIPT = "script"  #: the job script copies them
    SYSTEM = "system"  #: the batch system, see `anybatch.transfer`


#: Where the run's folder is in the scratch folder of a job whose files the batch system moves.
REMOTE_RUN_DIR = ".anybatch"


@attrs.frozen(kw_only=True)
class Limits:
    """What a batch system allows.

    Attributes:
        array: the most jobs that one submit command takes.
        dependencies: whether it can start jobs after others by itself.
        late_arrival: how long after a submit command that failed its jobs may still appear,
            because the request is on its way. Only then are they taken as not submitted.
        fetches: the schemes of addresses (`https`) that it fetches as inputs of jobs whose files
            it moves.
        reruns: whether it may run a job again though its script has ended, as the job may ask it
            to. An exit record is then believed after the system was asked as well.
        packs: whether a job is a command of ours, so that it may run several jobs of a run.
        max_running: whether it itself keeps to `Submission.max_running`; else the core does.
        urgency: whether `Submission.urgency` reaches it; else jobs that have one are refused.
        render_context: what else `anybatch_render` needs to know of the system, such as the
            unit of memory; kept with each submission. If it names a `cluster`, users are told.
    """

    array: int = attrs.field(default=1, validator=[is_a(int), attrs.validators.ge(1)])
    dependencies: bool = attrs.field(default=False, validator=is_a(bool))
    late_arrival: timedelta = attrs.field(default=timedelta(0), validator=is_a(timedelta))
    fetches: tuple[str, ...] = attrs.field(default=(), converter=to_texts, validator=all_are(str))
    reruns: bool = attrs.field(default=False, validator=is_a(bool))
    packs: bool = attrs.field(default=True, validator=is_a(bool))
    max_running: bool = attrs.field(default=False, validator=is_a(bool))
    urgency: bool = attrs.field(default=False, validator=is_a(bool))
    render_context: Mapping[str, str] = attrs.field(factory=dict, validator=is_table)


@attrs.frozen(kw_only=True)
class Submission:
    """N jobs with equal directives, to be handed over by one submit command.

    The job of task *t* (1..count) is run by `/bin/sh SCRIPT NUMBER t RESTARTS`.

    Attributes:
        token: letters, digits and `-`; travels with the jobs, so that they are found again.
        run: the run's id.
        number: the submission's number in the run, from 0.
        folder: the run's folder, seen by workers on a shared file system.
        count: how many jobs.
        name: of the job.
        resources: what each job needs.
        urgency: of each job, -100 to 100, where `Limits.urgency`; see `anybatch.urgency`.
        settings: the system's settings for these jobs, checked, defaults filled in.
        after: ids of jobs that must be done first, where `Limits.dependencies`.
        container: the image, where the job has one.
        pack: how many jobs of the run are one of these, at most.
        members: how many jobs of the run they are together, where that is more than one.
        transfer: who moves files.
        transfer_sets: where that is the batch system, what each job of the run takes along, or
            one for all; see `anybatch.transfer`.
        limits: what `anybatch_limits` answered.
        avoid: hosts where jobs failed (as in `JobStatus.host`, or as they call themselves).
        max_running: most of the jobs that run at once, where `Limits.max_running`; None: all.
        previous_ids: the ids that jobs had before which it runs again, in the order of tasks.
    """

    token: str
    run: str
    number: int
    folder: Path
    count: int
    name: str
    resources: Resources = attrs.field(factory=Resources)
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    after: tuple[str, ...] = ()
    container: str | None = None
    pack: int = 1
    members: int = 0
    transfer: Transfer = Transfer.SHARED
    transfer_sets: tuple[str, ...] = ()
    limits: Limits = attrs.field(factory=Limits)
    avoid: tuple[str, ...] = ()
    max_running: int | None = None
    previous_ids: tuple[str, ...] = ()
    urgency: int = 0

    @property
    def script(self) -> Path:
        """The job script, as the job finds it where it is started."""
        folder = Path(REMOTE_RUN_DIR) if self.transfer is Transfer.SYSTEM else self.folder
        return folder / "job.sh"

    @property
    def system_log(self) -> Path:
        """Where the batch system may append what it has to say about jobs by itself."""
        return self.folder / "logs" / "system.log"


@attrs.frozen(kw_only=True)
class Batch:
    """Jobs of one submission that are asked about, or stopped.

    Attributes:
        submission: what they were submitted as.
        ids: their native ids, in the order of tasks; some or all of the submission's.
    """

    submission: Submission
    ids: tuple[str, ...]


@attrs.frozen
class RenderedFile:
    """A file that a submission needs, with its whole text."""

    path: Path = attrs.field(validator=is_a(Path))
    text: str = attrs.field(repr=False, validator=is_a(str))
    mode: int = attrs.field(default=0o600, validator=is_a(int))


@attrs.frozen(kw_only=True)
class Rendered:
    """A submission as text.

    Attributes:
        files: written first.
        command: then run; its time limit is `submit_timeout`.
        extra_timeout: is added to that limit, where the command does something with each job.
    """

    files: tuple[RenderedFile, ...] = attrs.field(
        default=(), converter=to_texts, validator=all_are(RenderedFile)
    )
    command: Command = attrs.field(validator=is_a(Command))
    extra_timeout: timedelta = attrs.field(default=timedelta(0), validator=is_a(timedelta))


@attrs.frozen(kw_only=True)
class JobStatus:
    """What a batch system says of a job.

    Attributes:
        state: any but new and lost. A final one is a verdict.
        native_state: the system's own word.
        source: who said so, for the evidence: `squeue`, `sacct`, `condor event log`.
        reason: for a state that is not done, where the system's word tells it; None: the exit
            code and the signal decide.
        message: more from the system: why it is held, why it was killed.
        exit_code, signal: kept apart; None: not known.
        host, submitted, started, ended: where and when (aware, UTC).
        restarts: how often the system has run it again by itself.
        cpu_time, max_memory: what it used, where accounted.
        stdout, stderr: its logs, once it has ended, where they are not where the run has them.
        never_started: the system concludes that the job ended before it was started. If the job
            has left a start record, this answer is not believed.
        authoritative: the system's answer is all there will be; its jobs write no exit records.
        needs_record: the system also says done of jobs that a signal has ended. Without an exit
            record, its done is not a success.
        undelivered: the system moves the job's files, and ended the job before all had arrived.
            An exit record then makes no success: it proves that the command ended, no more.
    """

    state: State = attrs.field(validator=validators.is_told)
    native_state: str = attrs.field(validator=is_a(str))
    source: str = attrs.field(validator=is_a(str))
    reason: Reason | None = attrs.field(default=None, validator=or_none(is_a(Reason)))
    message: str | None = attrs.field(default=None, validator=or_none(is_a(str)))
    exit_code: int | None = attrs.field(default=None, validator=or_none(is_a(int)))
    signal: int | None = attrs.field(default=None, validator=or_none(is_a(int)))
    host: str | None = attrs.field(default=None, validator=or_none(is_a(str)))
    submitted: datetime | None = attrs.field(default=None, validator=is_aware)
    started: datetime | None = attrs.field(default=None, validator=is_aware)
    ended: datetime | None = attrs.field(default=None, validator=is_aware)
    restarts: int = attrs.field(default=0, validator=validators.is_count)
    cpu_time: timedelta | None = attrs.field(default=None, validator=or_none(is_a(timedelta)))
    max_memory: int | None = attrs.field(default=None, validator=or_none(validators.is_count))
    stdout: Path | None = attrs.field(default=None, validator=or_none(is_a(Path)))
    stderr: Path | None = attrs.field(default=None, validator=or_none(is_a(Path)))
    never_started: bool = attrs.field(default=False, validator=is_a(bool))
    authoritative: bool = attrs.field(default=False, validator=is_a(bool))
    needs_record: bool = attrs.field(default=False, validator=is_a(bool))
    undelivered: bool = attrs.field(default=False, validator=is_a(bool))

    def __attrs_post_init__(self) -> None:
        if self.state is State.DONE and (self.never_started or self.undelivered):
            why = "never started" if self.never_started else "has not delivered its files"
            raise ValueError(f"a job that {why} cannot be done")


@attrs.frozen
class Unreachable:
    """Nothing can be said of a job, or done to it, from here now. It is no sign of its end.

    The job is on another cluster than the one that the commands lead to, or on another machine.
    Nothing changes, time in which it is so does not count, and a stop is told later.

    Attributes:
        reason: why, for users, with the name of what is missed: `this is the cluster 'b', and the
            job is on 'a'`.
    """

    reason: str = attrs.field(validator=[is_a(str), attrs.validators.min_len(1)])


@attrs.frozen(kw_only=True)
class Change:
    """A job's change of state, for observers."""

    run: str
    index: int
    id: str | None
    old: State
    new: State
    time: datetime
