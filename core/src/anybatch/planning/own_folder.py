"""Jobs that work on copies, in a folder of their own: what they cannot ask for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anybatch.errors import JobError
from anybatch.quoting import INDEX

if TYPE_CHECKING:
    from anybatch.model import Job


def check_own_folder(job: Job, *, own: bool) -> None:
    """That a job works in one place, and alone where it changes copies.

    Args:
        own: no other job of the run works in its folder.

    Raises:
        JobError: it does not.
    """
    if job.scratch and job.workdir is not None:
        raise JobError(
            f"scratch and workdir {str(job.workdir)!r} cannot be used together: with scratch a job "
            f"works in a folder of its own on the node's disk; leave one of them out"
        )
    if job.copy_inputs and not own:
        raise JobError(
            f"copy_inputs needs a working directory of the job's own, where nobody else uses the "
            f"copies; use scratch, or write {INDEX} in workdir, which stands for the job's number"
        )


def check_copies(job: Job, inputs: tuple[tuple[str, str], ...]) -> None:
    """That no copy is named as an output, which it never is.

    Args:
        inputs: sources and where their copies are, relative to the working folder.

    Raises:
        JobError: one is.
    """
    places = {place: source for source, place in inputs}
    for pattern in job.outputs + job.optional_outputs:
        if source := places.get(os.path.normpath(pattern)):
            raise JobError(
                f"output {pattern!r} is the job's copy of input {source}, which is not collected; "
                f"have the command write to another name"
            )
