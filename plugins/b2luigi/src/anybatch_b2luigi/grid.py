"""Tasks that are projects on the grid: those with `create_path`, on the batch system `gbasf2`."""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch import Job, UsageError
from b2luigi.core.utils import (
    create_output_file_name,
    flatten_to_dict,
    get_log_file_dir,
    get_task_file_dir,
)

from anybatch_b2luigi.settings import get

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch import Run

SYSTEM = "gbasf2"

#: Settings of b2luigi, by those of the gbasf2 plugin that mean the same.
SETTINGS: Mapping[str, str] = {
    **{
        name: f"gbasf2_{name}"
        for name in (
            *("custom_steering_file", "jinja_template_path", "release", "additional_files"),
            *("input_dataset", "input_dslist", "input_datafiles", "input_grouping"),
            *("force_submission", "noscout", "lfn_sandboxfiles", "cputime", "evtpersec"),
            *("priority", "jobtype", "basf2opt", "additional_params", "max_retries"),
            *("download_dataset", "download_logs", "additional_download_params"),
            *("print_status_updates", "setup_path", "proxy_group", "proxy_lifetime"),
            *("min_proxy_lifetime", "project_lpn_path"),
        )
    },
    "n_repetition_job": "gbasf2_n_repition_job",  # spelled so in b2luigi
    "max_event": "max_event",
}
#: Those that are true or false; elsewhere False says that nothing is set.
_FLAGS = frozenset(
    {
        *("force_submission", "noscout", "lfn_sandboxfiles"),
        *("download_dataset", "download_logs", "print_status_updates"),
    }
)
#: Paths, which b2luigi takes from the folder where the program was started.
_PATHS = ("custom_steering_file", "jinja_template_path", "input_dslist")

#: An output on the grid: stem, place in the project, grid job, attempt, extensions.
_GRID_NAME = re.compile(r"(?P<stem>.+)_\d+_job\d+_\d+(?P<extensions>\..+)")


def project_of(task: Any) -> str:
    """The name of a task's project: b2luigi's prefix and hash of the task.

    Raises:
        ValueError: there is no prefix, or it makes no name.
    """
    from b2luigi.contrib.gbasf2.process import get_unique_project_name  # needs jinja2

    name: str = get_unique_project_name(task)
    return name


def job_of(task: Any, labels: Mapping[str, str]) -> Job:
    """The job that is a task's project.

    Raises:
        UsageError: a task that cannot run on the grid.
    """
    own = settings_of(task)
    own["project_name"] = project_of(task)
    own["download_to"] = str(_download_folder(task))
    file = own.get("custom_steering_file")
    if not file:
        file = own["pickle_file"] = _pickled(task)
    return Job(["basf2", file], settings={SYSTEM: own}, labels=labels)


def settings_of(task: Any) -> dict[str, Any]:
    """Settings of the gbasf2 plugin, from those that b2luigi finds."""
    own: dict[str, Any] = {}
    for name, theirs in SETTINGS.items():
        value = get(theirs, task)
        if name in _FLAGS and value is not None:
            own[name] = bool(value)
        elif value not in (None, False, ""):
            own[name] = value
    if own.get("proxy_group", "belle") == "belle":
        own.pop("project_lpn_path", None)  # b2luigi uses it for other groups only
    for name in _PATHS:
        if name in own:
            own[name] = os.path.abspath(own[name])
    files = own.get("additional_files", ())
    if isinstance(files, str):
        raise UsageError(f"the setting gbasf2_additional_files must be a list: {files!r}")
    if files:
        own["additional_files"] = [os.path.abspath(file) for file in files]
    return own


def _pickled(task: Any) -> str:
    """The file with the task's pickled path."""
    if not callable(getattr(task, "create_path", None)):
        raise UsageError(
            f"{task} cannot run on the grid: it needs a method create_path, or the setting "
            f"gbasf2_custom_steering_file"
        )
    try:
        from b2luigi.contrib.gbasf2.gbasf2_utils.pickle_utils import write_path_and_state_to_file
    except ImportError as error:
        raise UsageError(f"{task} needs basf2 for its path: {error}") from error
    path = task.create_path()
    folder = Path(get_task_file_dir(task)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    file, part = folder / "serialized_basf2_path.pkl", folder / f"path.{os.getpid()}.part"
    write_path_and_state_to_file(path, str(part))
    part.replace(file)
    return str(file)


def _download_folder(task: Any) -> Path:
    """Where the project's folder is while its files are not yet the task's outputs."""
    return Path(create_output_file_name(task, "")).absolute()


# -- when the project has ended


def collect(task: Any) -> None:
    """Make the files of a downloaded project the task's outputs.

    b2luigi expects a folder with the name of each output: `B.root/B_00000_job700001_00.root`.
    Files that are of no output stay where they are.

    Raises:
        UsageError: something else has the name of an output.
    """
    project = _download_folder(task) / project_of(task)
    files = sorted(project.glob("sub*/*.root"))
    targets = {
        name: Path(target.path).absolute()
        for name, target in flatten_to_dict(task.output()).items()
        if hasattr(target, "path")
    }
    of_output: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        if name := output_of(file.name, targets):
            of_output[name].append(file)
    for name, own in of_output.items():
        move(own, targets[name])
    for folder in (*project.glob("sub*"), project):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def output_of(file: str, outputs: Iterable[str]) -> str | None:
    """The output of a task that a file of its project belongs to; None: it is of none.

    `B_mc_00000_job7_00.root` is of `B_mc.root`, and never of `B.root`. Of files that are not
    called as gbasf2 calls them since version 5, the longest name that fits decides.
    """
    found = _GRID_NAME.fullmatch(file)
    best = None
    for name in outputs:
        stem, extensions = split_extensions(os.path.basename(name))
        if found:
            fits = (stem, extensions) == (found["stem"], found["extensions"])
        else:
            fits = file.startswith(f"{stem}_") and file.endswith(extensions)
        if fits and (best is None or len(name) > len(best)):
            best = name
    return best


def split_extensions(name: str) -> tuple[str, str]:
    """A file's name up to its first dot, and the rest; dots in front are of the name."""
    bare = name.lstrip(".")
    stem, dot, rest = bare.partition(".")
    return name[: len(name) - len(bare)] + stem, dot + rest


def move(files: Sequence[Path], target: Path) -> None:
    """Files into a folder that is there complete or not at all."""
    there = set(os.listdir(target)) if target.is_dir() else set()
    if (target.exists() and not target.is_dir()) or there - {file.name for file in files}:
        raise UsageError(f"{target} is there, and is no download of this project; remove it")
    partial = target.with_name(f"{target.name}.collected")
    shutil.rmtree(partial, ignore_errors=True)  # from a program that was killed here
    partial.mkdir(parents=True)
    for file in files:
        shutil.move(file, partial / file.name)
    if there:
        shutil.rmtree(target)
    partial.rename(target)


def link_logs(task: Any, run: Run) -> None:
    """Have the logs of the project where b2luigi has them: `gbasf2_logs` in the log folder."""
    project = project_of(task)
    logs = run.folder / "logs" / project
    place = Path(get_log_file_dir(task)) / "gbasf2_logs" / project
    if logs.is_dir() and (place.is_symlink() or not place.exists()):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(logs)
