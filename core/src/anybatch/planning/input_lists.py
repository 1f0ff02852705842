"""The lists of files that jobs are given to read (`Job.input_list`), in the run's folder.

    lists/PAGE/K         one file or address a line
    lists/PAGE/K.json    the same as a JSON list

Equal lists are one. A list may be long, so nothing of it is on a command line.
"""

from __future__ import annotations

import json
import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from anybatch.model import Job, derive
from anybatch.planning.addresses import is_address
from anybatch.records import REMOTE_RUN_DIR, RenderedFile
from anybatch.worker.layout import JOBS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class InputLists:
    """The lists of a run in the making.

    Args:
        folder: the run's folder.
        base: the folder that relative paths start from.
    """

    def __init__(self, folder: Path, base: Path) -> None:
        self._folder = folder
        self._base = base
        self._numbers: dict[tuple[str, ...], int] = {}

    def located(self, job: Job, *, away: bool) -> Job:
        """*job* with its list as it is to read it.

        Addresses stay. Where the job sees our folders, paths become absolute; where files travel,
        they become inputs, and are named as they are in its working folder.

        Args:
            away: the batch system moves its files.
        """
        if not job.input_list:
            return job
        paths = {
            one: os.path.normpath(self._base / one)
            for one in job.input_list
            if not is_address(one, self._base)
        }
        if not away:
            return derive(job, {"input_list": tuple(paths.get(x, x) for x in job.input_list)})
        names = {one: place_of(path, self._base, flat=job.flat) for one, path in paths.items()}
        read = tuple(names.get(one, one) for one in job.input_list)
        staged = dict.fromkeys(paths.values())
        return derive(job, {"input_list": read, "inputs": (*job.inputs, *staged)})

    def name(self, job: Job) -> str:
        """Where the job's list is, below the run's folder; empty: it has none."""
        if not job.input_list:
            return ""
        number = self._numbers.setdefault(job.input_list, len(self._numbers))
        return f"lists/{number // JOBS}/{number}"

    def travels(self, job: Job) -> dict[str, str]:
        """What of this travels with the job: places below its scratch folder, and sources."""
        name = self.name(job)
        names = (name, f"{name}.json") if name else ()
        return {f"{REMOTE_RUN_DIR}/{one}": str(self._folder / one) for one in names}

    def files(self) -> Iterator[RenderedFile]:
        """The files to be written."""
        for entries, number in self._numbers.items():
            path = self._folder / f"lists/{number // JOBS}/{number}"
            yield RenderedFile(path, "".join(f"{entry}\n" for entry in entries))
            yield RenderedFile(path.with_name(f"{path.name}.json"), json.dumps(entries))


def place_of(source: str, base: Path, *, flat: bool) -> str:
    """Where a file goes in the working folder: as it is below *base*, else to the top."""
    path = PurePosixPath(source)
    if not flat and path.is_relative_to(base):
        return str(path.relative_to(base))
    return path.name
