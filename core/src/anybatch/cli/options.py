"""The options that describe jobs: what `run`, `submit` and `render` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click

from anybatch.cli.base import Option, json_option
from anybatch.cli.params import (
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
from anybatch.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import BinaryIO

    from anybatch.session import Session

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PLACE = "{}"  #: stands for the line of --each in the words of the command

#: After the first word of the command nothing is an option of ours any more.
CONTEXT = {"allow_interspersed_args": False}


def _group(heading: str) -> Callable[..., Decorator]:
    def option(*names: str, **attributes: Any) -> Decorator:
        return click.option(*names, cls=Option, group=heading, **attributes)

    return option


_job = _group("The job")
_needs = _group("What it needs")
_files = _group("Files")
_many = _group("Many jobs")
_path = click.Path()

_OPTIONS: tuple[Decorator, ...] = (
    _job(
        "--system",
        metavar="NAME",
        shell_complete=complete_system,
        help="Batch system; default: the best that is here.",
    ),
    _job("--name", metavar="TEXT", help="What the batch system calls it; default: the program."),
    _job(
        "--job",
        "job_file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="A TOML file that describes the job; its keys are the fields of Job. What is "
        "given here beside it wins.",
    ),
    _job("--workdir", type=_path, metavar="FOLDER", help="Where it runs; default: here."),
    _job(
        "--env",
        callback=read_by(read_variable),
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a variable. Repeatable.",
    ),
    _job(
        "--env-script",
        type=_path,
        metavar="FILE",
        help="Source this shell script first (a site's or experiment's set-up).",
    ),
    _job(
        "--setup",
        multiple=True,
        metavar="LINE",
        help="A line of shell to run before the command, such as 'module load root'. Repeatable.",
    ),
    _job("--container", metavar="IMAGE", help="Run in this container image."),
    _job(
        "--set",
        "assignments",
        shell_complete=complete_assignment,
        multiple=True,
        metavar="PLUGIN.KEY=VALUE",
        help="A setting, such as slurm.qos=long; `anybatch settings --all` lists them. Repeatable.",
    ),
    _job(
        "--after",
        shell_complete=complete_run,
        multiple=True,
        metavar="RUN[:INDEX]",
        help="Start when this run, or job of it, is done. Repeatable.",
    ),
    _job(
        "--retry",
        type=click.IntRange(min=0),
        metavar="TIMES",
        help="Run it again so often where it fails, a signal ends it, its node fails or it is "
        "preempted.",
    ),
    _needs("--cores", type=click.IntRange(min=1), metavar="N", help="CPU cores for each task."),
    _needs("--gpus", type=click.IntRange(min=0), metavar="N", help="GPUs for each task."),
    _needs(
        "--memory",
        callback=read_by(parse_size),
        metavar="SIZE",
        help="On each node; for example 2GiB.",
    ),
    _needs(
        "--disk",
        callback=read_by(parse_size),
        metavar="SIZE",
        help="Scratch space; for example 10GB.",
    ),
    _needs(
        "--time",
        callback=read_by(parse_duration),
        metavar="DURATION",
        help="Time limit; for example 1h30m, 90s or 1:30:00.",
    ),
    _needs("--nodes", type=click.IntRange(min=1), metavar="N", help="Machines."),
    _needs(
        "--tasks",
        type=click.IntRange(min=1),
        metavar="N",
        help="Processes that the job starts (MPI ranks), over all nodes.",
    ),
    _needs("--queue", metavar="NAME", help="Queue or partition."),
    _needs("--exclusive", is_flag=True, default=None, help="No other job on its nodes."),
    _files(
        "--input",
        "inputs",
        type=_path,
        multiple=True,
        metavar="PATH",
        help="A file, folder or glob pattern that it finds in its working folder. Repeatable.",
    ),
    _files("--flat", is_flag=True, default=None, help="Inputs go to the top of that folder."),
    _files(
        "--output",
        "outputs",
        multiple=True,
        metavar="PATTERN",
        help="What it makes, as a glob pattern in its working folder. Repeatable.",
    ),
    _files(
        "--output-dir",
        type=_path,
        metavar="FOLDER",
        help="Where outputs are brought. {index} in it is the job's number.",
    ),
    _files("--stdin", type=_path, metavar="FILE", help="For its standard input."),
    _files(
        "--stdout",
        type=_path,
        metavar="FILE",
        help="For its standard output, with {index} as above; default: in the run's folder.",
    ),
    _files("--stderr", type=_path, metavar="FILE", help="For its standard error, likewise."),
    _many(
        "--count",
        type=click.IntRange(min=1),
        metavar="N",
        help="N jobs; the variable ANYBATCH_INDEX (0 to N-1) tells them apart.",
    ),
    _many(
        "--each",
        type=click.File("rb"),
        metavar="FILE",
        help="One job for each line of FILE (- is standard input). {} in the command is the "
        "line; without {} it is the last word.",
    ),
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
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def prepare(given: Mapping[str, Any], say: Callable[[str], None]) -> tuple[Session, list[Job]]:
    """The session and the jobs that the options describe. Nothing is submitted.

    Raises:
        UsageError: an unknown setting, or what cannot be a job.
    """
    from anybatch.session import Session

    session = Session(given["system"], on_notice=say)
    settings = _settings(given["assignments"], session)
    if settings:
        session = Session(
            given["system"],
            settings=settings,
            host=session.host,
            plugins=session.plugins,
            on_notice=say,
        )
    return session, _jobs(given, settings)


def _settings(assignments: Iterable[str], session: Session) -> dict[str, dict[str, Any]]:
    from anybatch.settings.layers import parse_assignment

    tables: dict[str, dict[str, Any]] = {}
    for text in assignments:
        table, name, value = parse_assignment(text, session.settings)
        tables.setdefault(table, {})[name] = value
    return tables


def _jobs(given: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> list[Job]:
    if given["count"] and given["each"]:
        raise JobError("--count and --each exclude each other")
    job = _overlaid(_basis(given), given, settings)
    if given["each"]:
        return list(for_each(job, given["each"]))
    return [job] * (given["count"] or 1)


def _basis(given: Mapping[str, Any]) -> Job:
    if given["job_file"]:
        return read_job(given["job_file"], given["command"])
    if not given["command"]:
        raise JobError("the command is empty; write it after the options: -- COMMAND...")
    return Job(given["command"])


#: What an option replaces as a whole; the other fields are merged.
_REPLACED = attrs.fields_dict(Job).keys() - {"command", "resources", "env", "settings", "retry"}


def _overlaid(job: Job, given: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> Job:
    """*job* with what was given beside it: tables are merged, everything else is replaced."""
    tables = {name: {**job.settings.get(name, {}), **own} for name, own in settings.items()}
    retry = {} if given["retry"] is None else {"times": given["retry"]}
    return attrs.evolve(
        job,
        resources=attrs.evolve(job.resources, **_chosen(given, attrs.fields_dict(Resources))),
        env={**job.env, **dict(given["env"])},
        settings={**job.settings, **tables},
        retry=attrs.evolve(job.retry, **retry),
        **_chosen(given, _REPLACED),
    )


def _chosen(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if given[name] not in (None, ())}


def for_each(job: Job, file: BinaryIO) -> Iterator[Job]:
    """A job for each line of a file, which keeps every byte but the line break.

    Raises:
        JobError: the file is empty.
    """
    if isinstance(job.command, str):
        raise JobError("--each needs a command of words; the job file's command is a script")
    words = job.command if any(PLACE in word for word in job.command) else (*job.command, PLACE)
    text = file.read().decode("utf-8", "surrogateescape")
    if not text:
        raise JobError("--each: the file is empty")
    for line in text.removesuffix("\n").split("\n"):
        yield attrs.evolve(job, command=[word.replace(PLACE, line) for word in words])
