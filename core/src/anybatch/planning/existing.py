"""Jobs whose outputs are there already, and newer than their inputs: they need not run.

That outputs are there proves something only where the job script brings them: each file in one
step, all of them after the command has succeeded. In the working folder one may be half written.
A batch system that moves files may leave half a file, so there the job script sends a list along:

    .NAME.whole     beside the output NAME: a line for each of its files, `LENGTH ./NAME/FILE`
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from anybatch.encoding import to_bytes
from anybatch.errors import JobError
from anybatch.planning.folders import files_below, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anybatch.model import Job
    from anybatch.planning.plan import Planned, Wait

_MAGIC = frozenset("*?[")


def check_skipping(job: Job, output_dir: str) -> None:
    """See that outputs can tell whether a job was done.

    Args:
        output_dir: where they are brought to; empty: nowhere.

    Raises:
        JobError: they cannot.
    """
    if not job.outputs:
        raise JobError("skip_existing: the job names no outputs, so nothing tells if it was done")
    if not output_dir:
        raise JobError(
            "skip_existing needs output_dir: an output in the working directory may be half "
            "written, by a job that was killed"
        )
    for pattern in job.outputs:
        if not _MAGIC.isdisjoint(pattern):
            raise JobError(
                f"skip_existing: output {pattern!r} is a pattern, so nothing tells if all of its "
                f"files are there; name each file, or their folder"
            )


def are_there(outputs: Iterable[str], inputs: Iterable[str], *, moved: bool = False) -> bool:
    """Whether all outputs of a job are there, each newer than all of its inputs.

    Of two equal times nobody knows which was first, and of one in the future nobody knows when it
    was, for clocks differ: then the job runs. Links are followed, and one that is newer than what
    it leads to counts as new. Optional outputs tell nothing.

    Args:
        moved: the batch system has moved them, so that only the list sent along proves them whole.

    Raises:
        JobError: a folder that cannot be read.
    """
    oldest, now = [], time.time_ns()
    for place in outputs:
        times = list(_times(place))
        if not times or max(times) > now or (moved and not _is_whole(place)):
            return False
        oldest.append(min(times))
    newest = max((changed for path in inputs for changed in _changes(path)), default=-1)
    return min(oldest) > newest


def _is_whole(place: str) -> bool:
    """Whether all files of an output are as long as they were where the job ran."""
    folder, name = os.path.split(place)
    try:
        told = set(Path(folder, f".{name}.whole").read_bytes().splitlines())
    except OSError:
        return False
    found = set()
    for inner in files_below(place):
        file = os.path.join(name, inner) if inner else name
        size = os.stat(os.path.join(folder, file)).st_size
        found.update(to_bytes(f"{size} ./{file}").splitlines())
    return bool(told) and told <= found


def _times(path: str) -> Iterator[int]:
    """When the files of an output were written; none where it is not there, or is no file."""
    for inner in files_below(path) if os.path.exists(path) else ():
        file = os.path.join(path, inner) if inner else path
        if os.path.isfile(file):
            yield os.stat(file).st_mtime_ns


def _changes(path: str) -> Iterator[int]:
    """When an input was changed last: its files, and the links and folders that lead to them."""
    yield os.lstat(path).st_mtime_ns
    yield os.stat(path).st_mtime_ns
    for folder, names in walk(path):
        yield os.stat(folder).st_mtime_ns
        for name in names:
            file = os.path.join(folder, name)
            yield os.lstat(file).st_mtime_ns
            yield os.stat(file).st_mtime_ns


def not_changed(there: set[int], waits: Sequence[Sequence[Wait]]) -> set[int]:
    """Those of the jobs whose outputs are there that run after nothing that runs.

    What a job runs after may change its inputs.
    """
    while True:
        changed = {
            index
            for index in there
            if any(run or other not in there for run, other in waits[index])
        }
        if not changed:
            return there
        there = there - changed


def skipping(planned: Sequence[Planned], count: int) -> Iterator[str]:
    """What to tell of jobs that need not run."""
    skipped = sum(len(one.indices) for one in planned if one.skipped)
    if skipped:
        jobs = "1 job" if count == 1 else f"{count} jobs"
        yield f"{skipped} of {jobs} will not run: the outputs are there, newer than the inputs"
