"""What is in a user's folder that is to be moved or copied."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anybatch.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Iterator


def walk(source: str, above: frozenset[str] = frozenset()) -> Iterator[tuple[str, list[str]]]:
    """The folder *source* and all below it, with the files in each; nothing where it is a file.

    Links are followed, but not those that lead back to a folder above. What is no file is passed
    over, such as links that lead nowhere.

    Raises:
        JobError: a folder that cannot be read.
    """
    if not os.path.isdir(source) or (real := os.path.realpath(source)) in above:
        return
    try:
        names = sorted(os.listdir(source))
    except OSError as error:
        raise JobError(f"input {source}: {error.strerror}") from error
    paths = {name: os.path.join(source, name) for name in names}
    yield source, [name for name, path in paths.items() if os.path.isfile(path)]
    for path in paths.values():
        yield from walk(path, above | {real})


def files_below(source: str) -> Iterator[str]:
    """The paths of all files in a folder from there on; an empty one where *source* is a file.

    Raises:
        JobError: a folder that cannot be read.
    """
    if not os.path.isdir(source):
        yield ""
    for folder, names in walk(source):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), source)
