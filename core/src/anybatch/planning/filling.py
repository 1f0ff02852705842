"""Templates filled in: a job as it is to run, with its number and parameters in the texts."""

from __future__ import annotations

import glob
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from anybatch import job_fields as fields
from anybatch.errors import JobError
from anybatch.model import Job, derive
from anybatch.parameters import variable
from anybatch.templates import INPUTS, Names

if TYPE_CHECKING:
    from collections.abc import Iterable

_PATHS = ("workdir", "output_dir", "stdin", "stdout", "stderr")
_PATTERNS = ("outputs", "optional_outputs")


def filled(job: Job, index: int) -> Job:
    """Job number *index* with its known names filled in; the same job where there are none.

    Raises:
        JobError: what comes out is no command or no name, or the text of a shell script has a name.
    """
    if not job.template:
        return job
    names, changes = Names(index, job.params), dict[str, Any]()
    if isinstance(job.command, str):
        _check_script(job.command, names)
    else:
        _check_inputs(job)
        changes["command"] = names.fill_words(job.command, job.input_list)
        if not changes["command"][0]:
            raise JobError(f"job {index}: the name of the program is empty: {job.command[0]!r}")
    if job.name is not None:
        changes["name"] = names.fill(job.name)
        if problem := fields.check_name(changes["name"]):
            raise JobError(f"job {index}: {problem}")
    for field in _PATHS:
        path = getattr(job, field)
        if path is not None and "{" in str(path):
            changes[field] = Path(names.fill(str(path)))
    if job.env:
        changes["env"] = {name: names.fill(value) for name, value in job.env.items()}
    if job.inputs:
        changes["inputs"] = tuple(map(names.fill, job.inputs))
    for field in _PATTERNS:
        if patterns := getattr(job, field):
            changes[field] = tuple(names.fill(pattern, glob.escape) for pattern in patterns)
    return derive(job, changes)


def _check_inputs(job: Job) -> None:
    for word in job.command if job.input_list else ():
        if word != INPUTS and INPUTS in word.replace("{{inputs}}", ""):
            raise JobError(
                f"{INPUTS} must be a word of its own, because it stands for a word for each file: "
                f"{word!r:.80}; or have the command read $ANYBATCH_INPUT_LIST"
            )


def _check_script(text: str, names: Names) -> None:
    """A value must not become shell syntax, so the text of a script stays as it is."""
    if text.startswith("#!"):
        return
    for name in names.used(text):
        if name not in ("index", "#"):
            raise JobError(
                f"the command is the text of a shell script, where {{{name}}} is not filled in; "
                f'write "${variable(name or "1")}", or give the command as a list of words'
            )


def name_of(job: Job) -> str:
    """The job's name in the batch system, with the names of its templates in it."""
    if job.name is not None:
        return job.name
    program = "script" if isinstance(job.command, str) else PurePosixPath(job.command[0]).name
    return "".join(c if c.isprintable() else "?" for c in program) or "job"


def common_name(jobs: Iterable[tuple[int, Job]]) -> str:
    """The name of jobs that share a submission: where it differs, their template."""
    template, found = "", set[str]()
    for index, job in jobs:
        template = name_of(job)
        if not job.template or "{" not in template:
            return template
        found.add(Names(index, job.params).fill(template))
        if len(found) > 1:
            return template
    return found.pop()
