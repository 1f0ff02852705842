"""Where jobs of a run write to: no two may overwrite each other's files."""

from __future__ import annotations

import itertools
import os
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from anybatch.encoding import to_bytes
from anybatch.errors import JobError, shown
from anybatch.quoting import INDEX
from anybatch.templates import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from anybatch.model import Job
    from anybatch.planning.plan import Wait

_MAGIC = frozenset("*?[\\")
_LONGEST_NAME = 255  #: bytes, on Linux (NAME_MAX)
_LONGEST_PATH = 4095  #: bytes, on Linux (PATH_MAX)
_CACHED = 10_000  #: folders whose links are known at once


class Targets:
    """The files that jobs of a run write, and the inputs that are put in their way.

    Args:
        base: the folder that relative paths start from.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._owners: dict[str, int] = {}
        self._shared: dict[tuple[str, int | None], int] = {}
        self._copies: dict[str, int] = {}
        self._inputs: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def check(self, jobs: Sequence[Job], waits: Sequence[Sequence[Wait]]) -> None:
        """Refuse files that would overwrite each other, logs that are folders, names too long.

        One job may write its streams and an output to one file; a device such as `/dev/null`
        takes all. A job that waits for another may write its outputs anew. Of a pattern nobody
        knows what it will match.

        Raises:
            JobError: two jobs have the same log or output, a log is a folder, or a name is none
                that a file can have.
        """
        # In this order who waits comes later, so that looking at the last is enough.
        for index in _in_order(waits):
            job = jobs[index]
            for field in ("stdout", "stderr"):
                if path := self._log(field, job, index):
                    self._claim_log(field, path, index)
            outputs = list(self._outputs(job, index))
            alike = not waits[index] and not any(path for _, path in outputs)
            for name, path in outputs:
                if path:
                    self._claim_output(name, path, index, waits)
                else:
                    self._note_shared(name, job, index, alike=alike)
            self._claim_copies(job, index)
            for field in ("workdir", "output_dir"):
                if (folder := getattr(job, field)) is not None:
                    _check_length(field, self._absolute(_filled(job, str(folder), index)))
        self._check_nested(waits)

    def check_inputs(self, workdir: str, inputs: Sequence[tuple[str, str]]) -> None:
        """Refuse inputs of two jobs that would have one name in one working folder.

        Raises:
            JobError: there are such.
        """
        for source, destination in inputs:
            path = os.path.join(self._real(workdir), destination)
            other = self._inputs.setdefault(path, source)
            if other != source:
                raise JobError(
                    f"inputs {other} and {source} of two jobs would have the same name, "
                    f"{destination!r}, in the working directory {workdir}; give each job a workdir "
                    f"of its own, with {INDEX} in its name"
                )

    def _log(self, field: str, job: Job, index: int) -> str:
        path = getattr(job, field)
        if path is None:
            return ""
        place = self._place(job, str(path), index)
        if place.startswith("/dev/"):
            return ""
        _check_length(field, place)
        if "{" not in str(path) and os.path.isdir(place):
            raise JobError(f"{field}: {self._absolute(path)} is a folder; name a file in it")
        return place

    def _claim_copies(self, job: Job, index: int) -> None:
        """Copies go to a working directory that no other job has."""
        if not job.copy_inputs or job.workdir is None or not job.template:
            return
        path = self._place(job, str(job.workdir), index)
        if (other := self._copies.setdefault(path, index)) != index:
            raise JobError(
                f"jobs {other} and {index} have the same workdir {path}, and copy_inputs needs one "
                f"of the job's own; write {INDEX} in its name"
            )

    def _claim_log(self, field: str, path: str, index: int) -> None:
        other = self._owners.setdefault(path, index)
        if other != index:
            raise JobError(
                f"{field}: jobs {other} and {index} would overwrite each other's log "
                f"{path}; write {INDEX} in its name, which stands for the job's number"
            )

    def _outputs(self, job: Job, index: int) -> Iterator[tuple[str, str]]:
        """The outputs, and where they come to; an empty text: it may be beside those of others."""
        for name in (*job.outputs, *job.optional_outputs):
            # A folder's files are put beside those that are there.
            if _MAGIC.isdisjoint(name) and not name.endswith("/"):
                place = self._place(job, f"{job.output_dir or job.workdir or '.'}/{name}", index)
                _check_length("outputs", place)
                yield name, place
            else:
                yield name, ""

    def _place(self, job: Job, path: str, index: int) -> str:
        """A path of a job, its names filled in; without links, as far as all jobs share it."""
        place = self._absolute(_filled(job, path, index))
        shared = self._absolute(os.path.dirname(path.partition("{")[0])) if "{" in path else ""
        folder = shared if place.startswith(f"{shared}/") and shared else os.path.dirname(place)
        return self._real(folder) + place[len(folder.rstrip("/")) :]

    def _absolute(self, path: Path | str) -> str:
        return os.path.normpath(self._base / path)

    def _claim_output(
        self, name: str, path: str, index: int, waits: Sequence[Sequence[Wait]]
    ) -> None:
        other = self._owners.setdefault(path, index)
        if other == index:
            return
        if not _waits_for(index, other, waits):
            both = f"{min(other, index)} and {max(other, index)}"
            raise JobError(
                f"outputs: jobs {both} would overwrite each other's {path}; write "
                f"{INDEX} in output_dir or workdir, which stands for the job's number, or a "
                f"pattern ({name}/* for a folder that all fill)"
            )
        self._owners[path] = index

    def _note_shared(self, name: str, job: Job, index: int, *, alike: bool) -> None:
        """Note the folder that a pattern's files come to; of jobs that are alike one will do."""
        parts = itertools.takewhile(_MAGIC.isdisjoint, name.split("/")[:-1])
        folder = "/".join((str(job.output_dir or job.workdir or "."), *parts))
        place = self._place(job, f"{folder}/x", index)
        self._shared.setdefault((place, None if alike else index), index)

    def _check_nested(self, waits: Sequence[Sequence[Wait]]) -> None:
        """Refuse outputs that come to a folder which another job brings as a whole.

        Raises:
            JobError: there are such.
        """
        holders: dict[str, str] = {}
        places = ((path, index) for (path, _), index in self._shared.items())
        for path, index in itertools.chain(self._owners.items(), places):
            holder = self._holder(os.path.dirname(path), holders)
            other = self._owners[holder] if holder else index
            if other != index and not (
                _waits_for(index, other, waits) or _waits_for(other, index, waits)
            ):
                raise JobError(
                    f"outputs: jobs {min(other, index)} and {max(other, index)} would overwrite "
                    f"each other's files: {os.path.dirname(path)} is in {holder}, which job "
                    f"{other} makes; write {INDEX} in output_dir or workdir, which stands for "
                    f"the job's number"
                )

    def _holder(self, folder: str, holders: dict[str, str]) -> str:
        """The output that *folder* is in, or is; an empty text: none."""
        if folder in self._owners:
            return folder
        if folder not in holders:
            if len(holders) >= _CACHED:
                holders.clear()
            above = os.path.dirname(folder)
            holders[folder] = self._holder(above, holders) if above != folder else ""
        return holders[folder]

    def _real(self, folder: str) -> str:
        """A folder without links."""
        if folder not in self._folders:
            if len(self._folders) >= _CACHED:
                self._folders.clear()
            self._folders[folder] = os.path.realpath(folder)
        return self._folders[folder]


def _check_length(field: str, path: str) -> None:
    """Refuse what no file system of Linux takes.

    Raises:
        JobError: a name of over 255 bytes, or a path of over 4095.
    """
    if len(path) * 4 <= _LONGEST_NAME or (path.isascii() and len(path) <= _LONGEST_NAME):
        return  # as most are, and this is asked for each job
    data = to_bytes(path)
    if len(data) > _LONGEST_PATH:
        raise JobError(f"{field}: a path of {len(data)} bytes is too long: {shown(path)}")
    for name in data.split(b"/"):
        if len(name) > _LONGEST_NAME:
            raise JobError(
                f"{field}: a name of {len(name)} bytes is too long for a file or folder (at most "
                f"{_LONGEST_NAME}): {shown(name.decode('utf-8', 'surrogateescape'))}"
            )


def _filled(job: Job, text: str, index: int) -> str:
    """*text* with the job's number, and where it is a template its parameters."""
    if job.template:
        return Names(index, job.params).fill(text)
    return text.replace(INDEX, str(index))


def _in_order(waits: Sequence[Sequence[Wait]]) -> Iterable[int]:
    if not any(waits):
        return range(len(waits))
    graph = {index: _own(some) for index, some in enumerate(waits)}
    return TopologicalSorter(graph).static_order()


def _own(waits: Iterable[Wait]) -> list[int]:
    """The jobs of the same run that are waited for."""
    return [index for run, index in waits if not run and index is not None]


def _waits_for(index: int, other: int, waits: Sequence[Sequence[Wait]]) -> bool:
    """Whether a job starts only after another of the run."""
    seen, ahead = {index}, [index]
    while ahead:
        for found in _own(waits[ahead.pop()]):
            if found == other:
                return True
            if found not in seen:
                seen.add(found)
                ahead.append(found)
    return False
