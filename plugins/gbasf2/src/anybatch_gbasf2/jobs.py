"""Jobs for gbasf2: made by programs (`steering_job`, `path_job`), and completed for the grid."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch import Job, Reason, Rejected, Retry, UsageError

from anybatch_gbasf2 import render
from anybatch_gbasf2.names import digest, project_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anybatch.host import Host

SYSTEM = "gbasf2"
BASF2 = "basf2"
#: What gb2_job_reschedule may mend. It takes no job that the grid calls Done.
RESCHEDULED = frozenset({Reason.EXIT_CODE, Reason.NODE_FAILURE})

#: What a grid job has no part in, and what there is instead.
_FOREIGN = {
    "workdir": "",
    "env": "",
    "env_script": "",
    "setup": "",
    "setup_once": "",
    "cleanup": "",
    "scratch": "",
    "inputs": "gbasf2.additional_files, gbasf2.input_dataset",
    "outputs": "the steering file, whose outputs are all collected",
    "optional_outputs": "the steering file, whose outputs are all collected",
    "stdin": "",
    "stdout": "gbasf2.download_logs",
    "stderr": "gbasf2.download_logs",
    "container": "",
    "urgency": "gbasf2.priority, 0 to 10",
    "skip_existing": "the same job again, which is the same project",
    "checkpoint": "",
    "params": "the steering file's text, which makes each project",
    "input_list": "gbasf2.input_dataset",
}
_ANY = Job([BASF2, "-"])
#: Settings that name a file, whose text belongs to what the project is.
_FILES = ("custom_steering_file", "pickle_file", "input_dslist", "jinja_template_path")
#: Settings that are words of commands, and would be options if they began with a dash.
_WORDS = (
    *("release", "jobtype", "user", "proxy_group", "project_lpn_path"),
    *("input_dataset", "input_datafiles"),
)


def steering_job(file: Path | str, **settings: Any) -> Job:
    """A job that runs a steering file on the grid.

    Args:
        file: the steering file.
        settings: of the plugin: `input_dataset`, `project_name_prefix`, ...
    """
    table = {"custom_steering_file": str(file), **settings}
    return Job([BASF2, str(file)], settings={SYSTEM: table})


def path_job(path: Any, file: Path | str, **settings: Any) -> Job:
    """A job that runs a basf2 path on the grid, with aliases, global tags and log level as now.

    basf2 is needed where this is called.

    Args:
        path: the `basf2.Path`.
        file: where it is pickled to.
        settings: of the plugin: `input_dataset`, `project_name_prefix`, ...
    """
    _pickle(path, Path(file))
    return Job([BASF2, str(file)], settings={SYSTEM: {"pickle_file": str(file), **settings}})


def _pickle(path: Any, file: Path) -> None:
    import pickle

    # Only here, for it is nothing that pip brings, and the plugin does without.
    import basf2
    from basf2 import pickle_path
    from variables import variables

    state = pickle_path.serialize_path(path)
    names = [str(name) for name in variables.getAliasNames()]
    state["aliases"] = {name: str(variables.getVariable(name).name) for name in names}
    state["globaltags"] = list(basf2.conditions.globaltags)
    state["log_level"] = basf2.logging.log_level
    file.write_bytes(pickle.dumps(state))


# -- completed for the grid


def complete(
    job: Job,
    settings: Mapping[str, Any],
    folder: Path,
    host: Host,
    user: Callable[[], str],
    files: Callable[[str, Sequence[str]], Sequence[str]],
) -> list[Job]:
    """The jobs of a run that a job is: one for each grid job, where their number is known.

    Args:
        settings: the job's.
        folder: where relative paths start.
        user: asks for the user of the proxy.
        files: asks for the files of datasets.

    Raises:
        UsageError: it is no job for the grid.
    """
    _check(job, settings)
    table = dict(settings)
    for name in _FILES:
        if table[name]:
            table[name] = _existing(name, folder / table[name], host)
    paths = (folder / name for name in table["additional_files"])
    table["additional_files"] = [_existing("additional_files", path, host) for path in paths]
    table["release"] = table["release"] or _release(host)
    table["user"] = table["user"] or user()
    table["download_to"] = os.path.normpath(
        folder / (table["download_to"] or job.output_dir or ".")
    )
    content = _content(table, host)
    table["content_digest"] = digest(content)
    table["project_name"] = project_name(table, content)
    table["jinja_template"] = content.get("jinja_template_path", table["jinja_template"])
    if table["jobs"] is None:
        table["jobs"] = _count(table, content, files)
    if table["jobs"] < 1:
        raise UsageError("gbasf2: the input has no files")
    given = {name: value for name, value in table.items() if value is not None}
    made = attrs.evolve(
        job,
        settings={**job.settings, SYSTEM: given},
        output_dir=None,
        retry=Retry(table["max_retries"], RESCHEDULED) if table["max_retries"] else job.retry,
        name=job.name or table["project_name"],
    )
    return [made] * table["jobs"]


def check_unchanged(settings: Mapping[str, Any], host: Host) -> None:
    """Its files are what they were when the job was completed, which may be long ago.

    Raises:
        Rejected: they are not, and the project has the name of another job.
    """
    try:
        same = digest(_content(settings, host)) == settings["content_digest"]
    except OSError as error:
        raise Rejected(f"gbasf2: cannot read {error.filename}: {error.strerror}") from error
    if not same:
        files = ", ".join(settings[name] for name in _FILES if settings[name])
        raise Rejected(
            f"gbasf2: {files} changed after project {settings['project_name']} was planned; "
            f"submit the job again"
        )


def _content(settings: Mapping[str, Any], host: Host) -> dict[str, str]:
    return {name: host.read(Path(settings[name])) for name in _FILES if settings[name]}


def _check(job: Job, settings: Mapping[str, Any]) -> None:
    problem = next(_problems(job, settings), "")
    if problem:
        raise UsageError(f"gbasf2: {problem}")


def _problems(job: Job, settings: Mapping[str, Any]) -> Iterator[str]:
    """What makes a job none for the grid."""
    steering, pickled = settings["custom_steering_file"], settings["pickle_file"]
    file = steering or pickled
    if isinstance(job.command, str) or job.command[0] != BASF2 or not file:
        yield (
            "the grid runs only basf2: use the command `basf2 FILE` and set "
            "gbasf2.custom_steering_file to FILE, or use anybatch_gbasf2.path_job"
        )
    elif steering and pickled:
        yield "custom_steering_file and pickle_file cannot be used together"
    elif job.command != (BASF2, file):
        yield f"the command {' '.join(job.command)!r} does not run the file {file!r}"
    for name, instead in _FOREIGN.items():
        if getattr(job, name) != getattr(_ANY, name):
            yield f"{name} is not supported on the grid" + (f"; use {instead}" if instead else "")
    yield from render.unsupported(job.resources)
    datasets, listed = render.inputs(settings), settings["input_dslist"]
    if bool(datasets) == bool(listed):
        yield "set exactly one of input_dataset and input_dslist"
    if settings["proxy_group"] != "belle" and not settings["project_lpn_path"]:
        yield "groups other than belle need project_lpn_path, the folder for their datasets"
    for name in _WORDS:
        value = settings[name] or ()
        for text in (value,) if isinstance(value, str) else value:
            if text.startswith("-"):
                yield f"{name} {text!r} must not start with -, as options do"
    least, most = settings["min_proxy_lifetime"], settings["proxy_lifetime"]
    if least >= most:
        yield (
            f"min_proxy_lifetime ({least} h) must be less than proxy_lifetime ({most} h), "
            f"the lifetime of a new proxy"
        )
    if settings["priority"] not in (None, *range(11)):
        yield f"priority must be between 0 and 10: {settings['priority']}"
    if settings["max_retries"] < 0:
        yield f"max_retries must be 0 or more: {settings['max_retries']}"


def _existing(name: str, path: Path, host: Host) -> str:
    place = Path(os.path.normpath(path))
    if not host.exists(place):
        raise UsageError(f"gbasf2.{name}: no such file: {place}")
    return str(place)


def _release(host: Host) -> str:
    release = host.environ.get("BELLE2_RELEASE", "")
    if release in ("", "head"):
        raise UsageError("gbasf2: the basf2 release is unknown; set gbasf2.release")
    return release


def _count(
    table: Mapping[str, Any],
    content: Mapping[str, str],
    files: Callable[[str, Sequence[str]], Sequence[str]],
) -> int:
    """How many jobs gbasf2 will make: one for each input file, each so often."""
    if table["input_grouping"]:
        return 1
    names = content["input_dslist"].split() if table["input_dslist"] else render.inputs(table)
    datasets = [name for name in names if not name.endswith(".root")]
    number = len(names) - len(datasets)
    if datasets:
        number += len(files(table["user"], datasets))
    return number * (table["n_repetition_job"] or 1)
