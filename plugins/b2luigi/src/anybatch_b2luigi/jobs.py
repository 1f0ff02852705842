"""From a task of b2luigi to a job of anybatch."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch import Job, Resources, UsageError
from b2luigi.core.utils import create_cmd_from_task, get_filename, get_log_file_dir, map_folder

from anybatch_b2luigi import grid
from anybatch_b2luigi.needless import NO_QUEUES
from anybatch_b2luigi.settings import get, split_htcondor, split_slurm, table, words

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The labels that a program finds its jobs by.
PROGRAM, TASK = "b2luigi.program", "b2luigi.task"
PROJECT = "b2luigi.project"  #: on the grid


def program() -> Path:
    """The file with the tasks: the program, or what the command `b2luigi` was given."""
    return Path(get_filename())


def labels_of(task: Any) -> dict[str, str]:
    """What the job of a task is found by."""
    return {PROGRAM: str(program()), TASK: task.task_id}


def job_of(task: Any, system: str) -> Job:
    """The job that runs a task, or is its project on the grid, with b2luigi's settings.

    Raises:
        UsageError: a setting that cannot be.
    """
    own = table("anybatch_settings", task)
    if system == grid.SYSTEM:
        job = grid.job_of(task, {**labels_of(task), PROJECT: grid.project_of(task)})
    else:
        job = _job_of(task, system)
    settings = {name: {**job.settings.get(name, {}), **values} for name, values in own.items()}
    return attrs.evolve(job, settings={**job.settings, **settings})


def _job_of(task: Any, system: str) -> Job:
    """Its logs are where b2luigi looks for them: `stdout` and `stderr` in the task's log folder."""
    name, resources, own = _native(task, system)
    logs = Path(get_log_file_dir(task)).absolute()
    logs.mkdir(parents=True, exist_ok=True)
    image = get("apptainer_image", task, "")
    settings: dict[str, Mapping[str, Any]] = {system: own} if own else {}
    if image:
        settings["apptainer"] = _container(task, logs)
    inputs = _inputs(task)
    if inputs and system == "htcondor":
        settings[system] = {"transfer": "native", **own}  # as b2luigi has it
    working_dir = Path(get("working_dir", task, program().parent))
    env_script = get("env_script", task, "")
    return Job(
        _script(task),
        name=name or get("job_name", task, "") or program().stem,
        workdir=None if inputs else program().parent / working_dir,
        env=_variables(task),
        env_script=_from(working_dir, env_script) if env_script else None,
        resources=_resources(task, system, resources),
        inputs=inputs,
        flat=True,
        stdout=logs / "stdout",
        stderr=logs / "stderr",
        container=image or None,
        settings=settings,
        labels=labels_of(task),
    )


def _native(task: Any, system: str) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
    """The job's name, resources and settings, from the settings for one batch system."""
    if system == "slurm":
        name, own = split_slurm(table("slurm_settings", task))
        return name, {}, own
    if system == "htcondor":
        return split_htcondor(table("htcondor_settings", task))
    return None, {}, {}


def _resources(task: Any, system: str, native: Mapping[str, Any]) -> Resources:
    asked = dict(native)
    if (queue := get("queue", task)) and system not in NO_QUEUES:
        asked["queue"] = str(queue)
    if slots := get("job_slots", task):
        asked["cores"] = int(slots)
    try:
        return Resources(**{**asked, **table("anybatch_resources", task)})
    except (TypeError, ValueError) as error:
        raise UsageError(f"the resources of {task}: {error}") from error


def _script(task: Any) -> str:
    """The command as shell text: what a user gives may be several words, on purpose."""
    for name in ("executable", "executable_prefix", "task_cmd_additional_args"):
        words(name, task)
    command = list(create_cmd_from_task(task))
    if "--batch-runner" in command:  # a program, not the command `b2luigi`: quote its name
        place = command.index("--batch-runner") - 1
        command[place] = shlex.quote(command[place]) if command[place] else ""
    shell = get("shell", task, "bash")
    return f"#!/bin/{shell}\nexec {' '.join(word for word in command if word)}\n"


def _variables(task: Any) -> dict[str, str]:
    """`env`; the task's own replaces the program's, as in b2luigi."""
    variables = get("env", task, {})
    if not isinstance(variables, dict):
        raise UsageError(f"the setting env must be a table: {variables!r}")
    return {name: str(value) for name, value in variables.items()}


def _from(folder: Path, path: str) -> Path:
    """A path as the job's shell would find it from its working folder."""
    return program().parent / folder / os.path.expandvars(os.path.expanduser(path))


def _inputs(task: Any) -> tuple[str, ...]:
    """`transfer_files`: they go to the job's own folder.

    Raises:
        UsageError: b2luigi's rules for them are not kept.
    """
    files = words("transfer_files", task)
    if files and get("working_dir", task, "") != ".":
        raise UsageError("with transfer_files, the setting working_dir must be '.'")
    for file in files:
        if os.path.abspath(file) != file:
            raise UsageError(f"transfer_files must be absolute paths: {file!r}")
    return tuple(dict.fromkeys(files))


def _container(task: Any, logs: Path) -> dict[str, Any]:
    """Settings of the Apptainer plugin, whose own mounts are the folders that every job needs."""
    mounts = list(words("apptainer_mounts", task))
    if get("apptainer_mount_defaults", task, True):
        results = map_folder(get("result_dir", task, ".", deprecated=("result_path",)))
        os.makedirs(results, exist_ok=True)
        mounts += [os.path.abspath(results), str(logs), str(program().parent)]
    params = get("apptainer_additional_params", task, "")
    made: dict[str, Any] = {
        "mounts": list(dict.fromkeys(mounts)),
        "additional_params": shlex.split(params) if isinstance(params, str) else list(params),
    }
    command = get("apptainer_cmd", task, "")
    return {**made, "command": command} if command else made
