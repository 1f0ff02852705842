"""Projects to text. Pure.

The options are those of gbasf2 v5r7 (`gbasf2 --help`).
"""

from __future__ import annotations

import shlex
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.errors import UsageError
from anybatch.host import Command
from anybatch.model import Resources
from anybatch.records import Rendered, RenderedFile

from anybatch_gbasf2.job_ids import read_native_id
from anybatch_gbasf2.project import project_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from anybatch.records import Submission

    from anybatch_gbasf2.job_ids import NativeId

PICKLE = "serialized_basf2_path.pkl"
WRAPPER = "steering_file_wrapper.py"
PASSWORD_PIPED = "--pwstdin"
PER_JOB = timedelta(seconds=3)  #: that the client may take for each job that it does something with
_USUAL = Resources()
#: What gbasf2 has in place of a resource, which is not the same.
_INSTEAD = {"time": "gbasf2.cputime limits the CPU time of a job, in minutes"}
MANY = 1000  #: jobs of a project, where their number is not known


def render(submission: Submission) -> Rendered:
    """The files and the command of a submission."""
    settings = submission.settings
    project = project_of(settings)
    if problem := next(unsupported(submission.resources), ""):
        raise UsageError(f"gbasf2: {problem}")
    if submission.previous_ids:
        native_ids = [read_native_id(name) for name in submission.previous_ids]
        command = reschedule(native_ids, project.user)
        return Rendered(command=command, extra_timeout=PER_JOB * submission.count)
    if submission.count != settings["jobs"]:
        raise UsageError(
            f"gbasf2: project {project.name} has {settings['jobs']} jobs, but "
            f"{submission.count} jobs "
            f"of this run belong to it: the same job was given twice"
        )
    folder = submission.folder
    files = []
    if settings["pickle_file"]:
        template = settings["jinja_template"] or default_template()
        text = steering_file(template, settings["max_event"])
        folder = pickle_folder(submission)
        files.append(RenderedFile(folder / WRAPPER, text))
    answer = "" if settings["force_submission"] else "Y\n"
    words = ("gbasf2", *submit_words(settings, project.dataset))
    command = Command(words, cwd=folder, stdin=answer)
    jobs = MANY if settings["input_grouping"] else submission.count
    return Rendered(files=tuple(files), command=command, extra_timeout=PER_JOB * jobs)


def unsupported(resources: Resources) -> Iterator[str]:
    """What is asked for that gbasf2 has no option for. None of it may be left out in silence."""
    for name in attrs.fields_dict(Resources):
        if getattr(resources, name) != getattr(_USUAL, name):
            instead = _INSTEAD.get(name, "leave it out")
            yield f"the resource {name} cannot be asked for on the grid; {instead}"


def pickle_folder(submission: Submission) -> Path:
    """Where gbasf2 runs for a pickled path: jobs on the grid know its files by these names only."""
    return submission.folder / f"pickled-{submission.number}"


def submit_words(settings: Mapping[str, Any], dataset: str) -> Iterator[str]:
    """The arguments of gbasf2, for a folder that has the wrapper and the pickled path."""
    pickled = settings["pickle_file"]
    yield WRAPPER if pickled else settings["custom_steering_file"]
    yield from ("-p", settings["project_name"], "-s", settings["release"])
    files = [*([PICKLE] if pickled else []), *settings["additional_files"]]
    yield from ("-f", *files) if files else ()
    yield from _flags(settings, "lfn_sandboxfiles", "noscout")
    if settings["input_dslist"]:
        yield from ("--input_dslist", settings["input_dslist"])
    else:
        yield from ("-i", ",".join(inputs(settings)))
    yield from _option("--repetition", settings["n_repetition_job"])
    if settings["input_datafiles"]:
        yield from ("--input_datafiles", *settings["input_datafiles"])
    if settings["force_submission"]:
        yield "--force"
    for name in ("cputime", "evtpersec", "priority", "jobtype"):
        yield from _option(f"--{name}", settings[name])
    if settings["basf2opt"]:
        yield f"--basf2opt={settings['basf2opt']}"  # its value begins with a dash
    yield from _option("--input_grouping", settings["input_grouping"])
    if settings["project_lpn_path"]:
        yield from ("--output_ds", dataset)
    yield from words("additional_params", settings["additional_params"])


def inputs(settings: Mapping[str, Any]) -> list[str]:
    """The input datasets; one text may name several."""
    texts = settings["input_dataset"]
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def _flags(settings: Mapping[str, Any], *names: str) -> Iterator[str]:
    return (f"--{name}" for name in names if settings[name])


def _option(option: str, value: object) -> tuple[str, ...]:
    return () if value is None else (option, str(value))


def words(name: str, text: str | None) -> list[str]:
    """The words of a setting that has several.

    Raises:
        UsageError: a quote is not closed.
    """
    try:
        return shlex.split(text or "")
    except ValueError as error:
        raise UsageError(f"gbasf2.{name} is {text!r}: {error}") from error


@cache
def default_template() -> str:
    """The plugin's own template of the steering file around a pickled path."""
    place = resources.files("anybatch_gbasf2") / "templates" / f"{WRAPPER}.j2"
    return place.read_text("utf-8")


def steering_file(template: str, max_event: int) -> str:
    """The steering file that runs a pickled path.

    Raises:
        UsageError: the template is none.
    """
    import jinja2  # takes 50 ms, and most commands need it not

    surroundings = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    surroundings.filters["literal"] = repr
    try:
        return surroundings.from_string(template).render(
            pickle_file_path=PICKLE, max_event=max_event
        )
    except jinja2.TemplateError as error:
        source = "the template (jinja_template, jinja_template_path)"
        raise UsageError(f"gbasf2: {source}: {error}") from error


# -- commands about jobs that are there


def reschedule(native_ids: Sequence[NativeId], user: str) -> Command:
    """Has jobs run again."""
    return Command(("gb2_job_reschedule", *_which(native_ids, user), "--force"))


def kill(native_ids: Sequence[NativeId], user: str) -> Command:
    """Kills jobs. Those that are killed can be rescheduled, those that are deleted cannot."""
    limit = timedelta(minutes=2) + PER_JOB * sum(native_id.size for native_id in native_ids)
    return Command(("gb2_job_kill", "--force", *_which(native_ids, user)), timeout=limit)


def _which(native_ids: Sequence[NativeId], user: str) -> Iterator[str]:
    """Jobs by id; where one stands for all of a project, the project."""
    for native_id in native_ids:
        if native_id.every is not None:
            yield from ("--user", user, "-p", native_id.project)
            return
    yield "--jobid"
    for native_id in native_ids:
        yield from map(str, native_id.ids)


def proxy_init(group: str, hours: int) -> Command:
    """Makes a proxy, and asks on the terminal; with `PASSWORD_PIPED` reads standard input."""
    return Command(("gb2_proxy_init", "-g", group, "-v", f"{hours}:00"))


def job_output(ids: Sequence[int], user: str, folder: Path) -> Command:
    """Downloads logs to `log/ID` below a folder."""
    return Command(("gb2_job_output", "--user", user, "--jobid", *map(str, ids)), cwd=folder)


def ds_get(dataset: str, params: str, folder: Path, again: str) -> Command:
    """Downloads a dataset to a folder; the client's name of the project is put below it.

    Args:
        again: the file with those that could not be downloaded before; empty: there is none.
    """
    options = (*words("additional_download_params", params), "--force")
    failed = ("--failed_lfns", str(folder / "failed_files.txt"))
    listed = ("--input_dslist", again) if again else ()
    return Command(("gb2_ds_get", *options, f"{dataset}/sub*", *failed, *listed), cwd=folder)
