"""The options that describe jobs: what `run`, `submit` and `render` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click

from anybatch.cli.asking import CHECK_OPTION
from anybatch.cli.base import json_option, option_group
from anybatch.cli.describing import DESCRIBING_OPTIONS, many_of
from anybatch.cli.file_options import FILE_OPTIONS
from anybatch.cli.limit import LIMIT_OPTIONS
from anybatch.cli.notify_options import NOTIFY_OPTIONS
from anybatch.cli.pack_options import PACK_OPTIONS
from anybatch.cli.params import (
    WholeNumber,
    complete_assignment,
    complete_file,
    complete_run,
    complete_system,
    read_by,
    read_variable,
)
from anybatch.errors import JobError
from anybatch.jobfile import read_job
from anybatch.model import Job, Resources
from anybatch.retries import Retry, RetryRule, read_retry_option
from anybatch.units import parse_duration, parse_size
from anybatch.urgency import MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from anybatch.cli.base import Decorator
    from anybatch.session import Session

#: Options end at the first word of the command; what follows belongs to the command.
CONTEXT = {"allow_interspersed_args": False}

_job = option_group("Job")
_needs = option_group("Resources")
_path = click.Path()

set_option: Decorator = _job(
    "--set",
    "assignments",
    shell_complete=complete_assignment,
    multiple=True,
    metavar="PLUGIN.KEY=VALUE",
    help="Change a setting, for example slurm.qos=long. `anybatch settings --all` lists all "
    'settings. A list is a,b, or ["a,b", "c"] if a word has a comma. Repeatable.',
)

urgency_option: Decorator = _job(
    "--urgency",
    type=WholeNumber(-MOST, MOST),
    metavar="N",
    help=f"Which of your waiting jobs come sooner: {-MOST} to {MOST}, usually 0. Slurm lets most "
    "users only lower it.",
)

_RESOURCES: tuple[Decorator, ...] = (
    _needs("--cores", type=WholeNumber(1), metavar="N", help="CPU cores per task."),
    _needs("--gpus", type=WholeNumber(0), metavar="N", help="GPUs per task."),
    _needs(
        "--memory",
        callback=read_by(parse_size),
        metavar="SIZE",
        help="Memory per node, for example 2GiB.",
    ),
    _needs(
        "--disk",
        callback=read_by(parse_size),
        metavar="SIZE",
        help="Scratch space, for example 10GB.",
    ),
    _needs(
        "--time",
        callback=read_by(parse_duration),
        metavar="DURATION",
        help="Time limit, for example 1h30m, 90s or 1:30:00.",
    ),
    _needs("--nodes", type=WholeNumber(1), metavar="N", help="Number of nodes."),
    _needs(
        "--tasks",
        type=WholeNumber(1),
        metavar="N",
        help="Total number of processes (MPI ranks) on all nodes.",
    ),
    _needs("--queue", metavar="NAME", help="Queue or partition to submit to."),
    _needs(
        "--exclusive",
        is_flag=True,
        default=None,
        help="Do not share the nodes with other jobs.",
    ),
    _needs(
        "--no-check",
        is_flag=True,
        help="Submit also what no node of the batch system could run.",
    ),
)

_OPTIONS: tuple[Decorator, ...] = (
    _job(
        "--system",
        metavar="NAME",
        shell_complete=complete_system,
        help="Batch system to use (default: the best one available).",
    ),
    _job("--name", metavar="TEXT", help="Job name (default: the program's name)."),
    _job(
        "--job",
        "job_file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Read the job from a TOML file; its keys are the fields of Job. Options given on the "
        "command line override it.",
    ),
    _job(
        "--workdir",
        type=_path,
        metavar="FOLDER",
        help="Working directory (default: the current one).",
    ),
    _job(
        "--env",
        callback=read_by(read_variable),
        multiple=True,
        metavar="NAME=VALUE",
        help="Set an environment variable. Repeatable.",
    ),
    _job(
        "--env-script",
        type=_path,
        metavar="FILE",
        help="Source this shell script first, for example the set-up of an experiment.",
    ),
    _job(
        "--setup",
        multiple=True,
        metavar="LINE",
        help="Run this shell line before the command, for example 'module load root'. Repeatable.",
    ),
    _job(
        "--setup-once",
        multiple=True,
        metavar="LINE",
        help="Run this shell line once on each node, for all jobs of the run there, which wait for "
        "it. $ANYBATCH_NODE_DIR is a folder for what it makes. Repeatable.",
    ),
    _job(
        "--cleanup",
        multiple=True,
        metavar="LINE",
        help="Run this shell line at the end, however the job has ended. Repeatable.",
    ),
    _job("--container", metavar="IMAGE", help="Run the command in this container image."),
    _job(
        "--label",
        "labels",
        callback=read_by(read_variable),
        multiple=True,
        metavar="NAME=VALUE",
        help="Label the jobs; `anybatch status --label` finds them again. Repeatable.",
    ),
    set_option,
    _job(
        "--after",
        shell_complete=complete_run,
        multiple=True,
        metavar="RUN[:JOBS]",
        help="Start only after this run, or these jobs of it, are done. Repeatable.",
    ),
    urgency_option,
    _job(
        "--checkpoint",
        is_flag=True,
        default=None,
        help="Exit code 85 means that the job has saved its state and wants to be run again.",
    ),
    _job(
        "--retry",
        callback=read_by(read_retry_option),
        multiple=True,
        metavar="TIMES|REASON=TIMES[,...]",
        help="Rerun a failed job up to TIMES times (nonzero exit, signal, node failure or "
        "preemption). For one reason alone, counted apart: out_of_memory=2,memory=x2,most=64GiB; "
        "time_limit=1,time=x1.5; exit_code=5,codes=75,pause=1m; node_failure=3. Repeatable.",
    ),
    *_RESOURCES,
    CHECK_OPTION,
    *FILE_OPTIONS,
    *DESCRIBING_OPTIONS,
    *PACK_OPTIONS,
    *LIMIT_OPTIONS,
    *NOTIFY_OPTIONS,
    json_option,
    click.argument(
        "command",
        metavar="-- COMMAND...",
        nargs=-1,
        type=click.UNPROCESSED,
        shell_complete=complete_file,
    ),
)


def job_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that describe jobs."""
    return _with(function, _OPTIONS)


def resource_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what jobs need."""
    return _with(function, _RESOURCES)


def _with(function: Callable[..., Any], options: Sequence[Decorator]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


def prepare(given: Mapping[str, Any], say: Callable[[str], None]) -> tuple[Session, Sequence[Job]]:
    """The session and the jobs that the options describe. Nothing is submitted.

    Raises:
        UsageError: an unknown setting, or what cannot be a job.
    """
    from anybatch.session import Session

    session = Session(given["system"], on_notice=say)
    settings = read_assignments(given["assignments"], session)
    if given["no_check"]:
        settings.setdefault("anybatch", {})["check_resources"] = False
    if settings:
        session = Session(
            given["system"],
            settings=settings,
            host=session.host,
            plugins=session.plugins,
            on_notice=say,
        )
    return session, many_of(_overlaid(_basis(given), given, settings), given)


def read_assignments(assignments: Iterable[str], session: Session) -> dict[str, dict[str, Any]]:
    """The settings of `--set`, by plugin.

    Raises:
        SettingError: no such setting, or a value that does not fit.
    """
    from anybatch.settings.layers import parse_assignment

    tables: dict[str, dict[str, Any]] = {}
    for text in assignments:
        table, name, value = parse_assignment(text, session.settings)
        tables.setdefault(table, {})[name] = value
    return tables


def _basis(given: Mapping[str, Any]) -> Job:
    if given["job_file"]:
        return read_job(given["job_file"], given["command"])
    if not given["command"]:
        raise JobError(
            "no command given; put it after the options, for example: anybatch run -- ./fit 7"
        )
    return Job(given["command"])


#: What an option replaces as a whole; the other fields are merged.
_REPLACED = attrs.fields_dict(Job).keys() - {
    "command",
    "resources",
    "env",
    "labels",
    "settings",
    "retry",
    "params",
    "input_list",
    "template",
}


def _overlaid(job: Job, given: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> Job:
    """*job* with what was given beside it: tables are merged, everything else is replaced."""
    tables = {name: {**job.settings.get(name, {}), **own} for name, own in settings.items()}
    return attrs.evolve(
        job,
        resources=attrs.evolve(job.resources, **_chosen(given, attrs.fields_dict(Resources))),
        env={**job.env, **dict(given["env"])},
        labels={**job.labels, **dict(given["labels"])},
        settings={**job.settings, **tables},
        retry=_retry(job.retry, given["retry"]),
        **_chosen(given, _REPLACED),
    )


def _retry(retry: Retry, given: Iterable[int | RetryRule]) -> Retry:
    """*retry* with what was given beside it, rule by rule.

    Raises:
        JobError: two of these are about the same.
    """
    given = list(given)
    what = [one.reason.value if isinstance(one, RetryRule) else "TIMES" for one in given]
    for name in what:
        if what.count(name) > 1:
            raise JobError(f"--retry: {name} is given twice, and only one can hold")
    for one in given:
        if isinstance(one, RetryRule):
            others = (rule for rule in retry.rules if rule.reason is not one.reason)
            retry = attrs.evolve(retry, rules=(*others, one))
        else:
            retry = attrs.evolve(retry, times=one)
    return retry


def _chosen(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) not in (None, ())}
