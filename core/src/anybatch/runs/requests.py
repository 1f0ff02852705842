"""Requests to be told of a run's end, in its folder: a file for each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anybatch.errors import FolderError
from anybatch.notifying import request as requests
from anybatch.notifying.request import END, FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from anybatch.host import Files
    from anybatch.notifying.request import MailRoute, Request
    from anybatch.notifying.targets import Target


def add(folder: Path, request: Request, files: Files) -> None:
    """Put a request into a run's folder, for the user's eyes alone.

    Raises:
        FolderError: it cannot be written.
    """
    place = folder / FOLDER
    files.make_private(place)
    files.write(place / f"{os.urandom(6).hex()}.json", requests.write(request), 0o600)


def read_all(folder: Path, files: Files) -> list[Request]:
    """The requests of a run.

    Raises:
        FolderError: one is not believed, cannot be read, or makes no sense.
    """
    place = folder / FOLDER
    try:
        names = sorted(name for name in files.listdir(place) if name.endswith(".json"))
        return [_read(place / name, files) for name in names if not name.startswith(".")]
    except NotADirectoryError:
        return []
    except OSError as error:
        raise FolderError(
            f"who is to be told cannot be read in {str(place)!r}: {error.strerror or error}"
        ) from error


def _read(path: Path, files: Files) -> Request:
    if why := files.distrust(path.parent) or files.distrust(path):
        raise FolderError(f"{str(path)!r} is not believed: {why}")
    try:
        return requests.read(files.read(path))
    except ValueError as error:
        raise FolderError(f"{str(path)!r} is damaged: {error}") from error


def targets(wanted: list[Request]) -> dict[Target, tuple[MailRoute, str]]:
    """Whom requests name, each once: how mail goes out, and when."""
    found: dict[Target, tuple[MailRoute, str]] = {}
    for one in wanted:
        for target in one.targets:
            if target not in found or one.moment == END:
                found[target] = (one.mail, one.moment)
    return found
