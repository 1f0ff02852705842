"""Jobs that would get in each other's way: files and folders that two of them would write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anybatch.errors import JobError
from anybatch.quoting import INDEX
from anybatch.templates import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.model import Job
    from anybatch.planning.paths import Resolver


def check_logs(jobs: Sequence[Job], resolver: Resolver) -> None:
    """Refuse logs that would overwrite each other, and logs that are no files.

    One job may write both its streams to a file; a device such as `/dev/null` takes all.

    Raises:
        JobError: two jobs have the same log file, or it is a folder.
    """
    owners: dict[str, int] = {}
    for index, job in enumerate(jobs):
        for field in ("stdout", "stderr"):
            if getattr(job, field) is None:
                continue
            path = _path(job, field, index, resolver)
            if path.startswith("/dev/"):
                continue
            other = owners.setdefault(path, index)
            if other != index:
                raise JobError(
                    f"{field}: jobs {other} and {index} would overwrite each other's log "
                    f"{path}; write {INDEX} in its name, which stands for the job's number"
                )
            if resolver.log(getattr(job, field)) == path and os.path.isdir(path):
                raise JobError(f"{field}: {path} is a folder; name a file in it")


def check_copies(jobs: Sequence[Job], resolver: Resolver) -> None:
    """Refuse jobs that would share the working directory that their copies go to.

    Raises:
        JobError: there are such.
    """
    owners: dict[str, int] = {}
    for index, job in enumerate(jobs):
        if not job.copy_inputs or job.workdir is None or not job.template:
            continue
        path = _path(job, "workdir", index, resolver)
        if (other := owners.setdefault(path, index)) != index:
            raise JobError(
                f"jobs {other} and {index} have the same workdir {path}, and copy_inputs needs "
                f"one of the job's own; write {INDEX} in its name"
            )


def _path(job: Job, field: str, index: int, resolver: Resolver) -> str:
    path = str(getattr(job, field))
    if job.template:
        return resolver.absolute(Names(index, job.params).fill(path))
    return resolver.absolute(path).replace(INDEX, str(index))
