"""Which settings mean nothing on which batch system."""

from __future__ import annotations

from typing import Any

from anybatch_b2luigi import grid
from anybatch_b2luigi.settings import is_set

#: What describes a program with a shell around it. A project on the grid is none.
_OF_PROGRAMS = (
    *("env_script", "env", "executable", "executable_prefix", "task_cmd_additional_args"),
    *("shell", "working_dir", "job_name", "job_slots", "transfer_files", "anybatch_resources"),
    *("apptainer_image", "apptainer_cmd", "apptainer_mounts", "apptainer_mount_defaults"),
    "apptainer_additional_params",
)
#: What describes a project on the grid.
_OF_PROJECTS = (
    *(name for name in grid.SETTINGS.values() if name.startswith("gbasf2_")),
    *("gbasf2_project_name_prefix", "gbasf2_project_name_hash_length"),
)
_NOWHERE = ("gbasf2_install_directory", "batch_status_cache_ttl")
#: Batch systems that are told of no queue.
NO_QUEUES = ("local", "htcondor", grid.SYSTEM)


def needless(task: Any, system: str) -> list[str]:
    """Settings that somebody has set, and that mean nothing on a batch system."""
    names = [*_NOWHERE, *(_OF_PROGRAMS if system == grid.SYSTEM else _OF_PROJECTS)]
    names += [f"{one}_settings" for one in ("htcondor", "slurm") if one != system]
    names += ["queue"] if system in NO_QUEUES else []
    return [name for name in names if is_set(name, task)]
