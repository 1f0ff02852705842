"""Copies of inputs in a run's folder, as they are at submission (`Job.copy_inputs`).

    inputs/K/NAME    a file or folder, once for all jobs of the run that name it

Jobs take their own copies from there, so none of them changes what another attempt or job gets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from anybatch.errors import JobError
from anybatch.planning.folders import files_below, walk
from anybatch.planning.plan import Copy
from anybatch.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator


class InputCopies:
    """The copies of a run in the making.

    Args:
        folder: the run's folder.
        limit: bytes of all copies together.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit
        self._size = 0
        self._names: dict[str, str] = {}
        self._files: list[Copy] = []
        self._folders: list[Path] = []

    def take(self, source: str) -> str:
        """Where the copy of *source* will be, below the run's folder.

        Raises:
            JobError: it cannot be read, is no file or folder, or is more than may be copied.
        """
        if source not in self._names:
            name = f"inputs/{len(self._names)}/{os.path.basename(source)}"
            self._add(source, self.folder / name)
            self._names[source] = name
        return self._names[source]

    def _add(self, source: str, place: Path) -> None:
        if not os.path.isdir(source) and not os.path.isfile(source):
            raise JobError(f"input {source} cannot be copied: it is neither a file nor a folder")
        self._folders.append(place.parent)
        self._folders += [place / os.path.relpath(folder, source) for folder, _ in walk(source)]
        for name in files_below(source):
            path = Path(source, name)
            self._count(path)
            self._files.append(Copy(place / name, str(path)))

    def _count(self, path: Path) -> None:
        try:
            self._size += path.stat().st_size
        except OSError as error:
            raise JobError(f"input {path} cannot be copied: {error.strerror}") from error
        if self._size > self._limit:
            raise JobError(
                f"the inputs to copy, up to {path}, have more than {format_size(self._limit)}; "
                f"leave copy_inputs out, or raise the setting copy_limit"
            )

    def folders(self) -> Iterator[Path]:
        """The folders that the copies need, those above first."""
        yield from self._folders

    def files(self) -> Iterator[Copy]:
        """The files to be copied."""
        yield from self._files
