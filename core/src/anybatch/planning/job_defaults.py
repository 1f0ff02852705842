"""Defaults for all jobs of a project: the tables `[job]` of settings files."""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import JobError
from anybatch.jobfile import job_of_table
from anybatch.model import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: What belongs to one job, or has a table of its own beside `[job]`.
_NOT_SHARED = {
    "command": "each job has its own",
    "after": "each job has its own",
    "input_list": "each job has its own",
    "params": "each job has its own",
    "template": "each job has its own",
    "settings": "write the tables of plugins beside [job]",
}
_PATHS = ("workdir", "env_script", "output_dir", "stdin", "stdout", "stderr")
_FIRST = ("setup", "setup_once")  #: the project's lines come before the job's
_LAST = ("cleanup",)
_TABLES = ("env", "labels")
_USUAL = Job("-")


class JobDefaults:
    """What jobs have that say nothing else.

    Args:
        tables: the tables by the files that they are from, the weakest first.

    Raises:
        JobError: a table is not one of a job.
    """

    def __init__(self, tables: Iterable[tuple[Path, Mapping[str, Any]]]) -> None:
        merged: dict[str, Any] = {}
        for path, table in tables:
            for name in table.keys() & _NOT_SHARED.keys():
                raise JobError(f"{path}: [job] cannot have {name!r}: {_NOT_SHARED[name]}")
            job_of_table({**table, "command": "-"}, f"{path}: [job]")
            for name, value in _located(table, path.parent).items():
                lower = merged.get(name)
                if isinstance(lower, dict) and isinstance(value, dict):
                    merged[name] = {**lower, **value}
                else:
                    merged[name] = value
        self.given = merged
        self._job = job_of_table({**merged, "command": "-"}, "[job]")
        self._last: tuple[Job, Job] | None = None

    def apply(self, job: Job) -> Job:
        """*job* with what it leaves open; tables and lines are put together."""
        if not self.given:
            return job
        if self._last is None or self._last[0] is not job:
            self._last = (job, attrs.evolve(job, **self._changes(job)))
        return self._last[1]

    def _changes(self, job: Job) -> dict[str, Any]:
        changes = {}
        for name in self.given:
            own, shared = getattr(job, name), getattr(self._job, name)
            if name in _TABLES:
                changes[name] = {**shared, **own}
            elif name in _FIRST:
                changes[name] = shared + own
            elif name in _LAST:
                changes[name] = own + shared
            elif name == "resources":
                changes[name] = self._resources(own, shared)
            elif own == getattr(_USUAL, name) and not _excluded(name, job):
                changes[name] = shared
        return changes

    def _resources(self, own: Any, shared: Any) -> Any:
        names = self.given["resources"]
        usual = [name for name in names if getattr(own, name) == getattr(_USUAL.resources, name)]
        return attrs.evolve(own, **{name: getattr(shared, name) for name in usual})


def _excluded(name: str, job: Job) -> bool:
    """Whether the job has said the opposite: it works in one place."""
    return (name == "scratch" and job.workdir is not None) or (name == "workdir" and job.scratch)


def _located(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A table whose relative paths start from the folder of its file."""
    located = dict(table)
    for name in _PATHS:
        if name in located:
            located[name] = str(folder / located[name])
    if "inputs" in located:
        inputs = located["inputs"]
        patterns = [inputs] if isinstance(inputs, str) else inputs
        located["inputs"] = [_pattern(pattern, folder) for pattern in patterns]
    if "container" in located and os.path.lexists(folder / located["container"]):
        located["container"] = str(folder / located["container"])
    return located


def _pattern(pattern: str, folder: Path) -> str:
    return pattern if "://" in pattern else os.path.join(glob.escape(str(folder)), pattern)
