"""A job's files: which inputs there are and where they go, before anything is submitted."""

from __future__ import annotations

import glob
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from anybatch.encoding import file_name
from anybatch.errors import JobError
from anybatch.planning.addresses import is_address
from anybatch.planning.input_lists import place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.host import Host
    from anybatch.model import Job

_MAGIC = frozenset("*?[")


def resolve_inputs(
    job: Job, base: Path, host: Host
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The sources of a job's inputs, and where each goes in the working folder.

    A relative input keeps its layout below *base*, where the submitting program runs; one from
    elsewhere goes to the top. Addresses are left out.

    Returns:
        Pairs of an absolute source and a relative destination; notes on what was dropped.

    Raises:
        JobError: an input that is not there, a link to nothing, a pattern without a match, two
            inputs of one name.
    """
    placed: dict[str, str] = {}
    notes = []
    for pattern in job.inputs:
        if is_address(pattern, base):
            continue
        for source in _matches(pattern, base, host):
            if not os.path.exists(source):
                raise JobError(f"input {source} is a link that points to nothing")
            destination = place_of(source, base, flat=job.flat)
            if destination in ("", "."):
                raise JobError(
                    f"input {pattern!r} is the working directory itself; name files or folders "
                    f"inside it"
                )
            if placed.get(destination) == source:
                notes.append(f"input {source} is listed twice")
            elif destination in placed:
                raise JobError(
                    f"inputs {placed[destination]} and {source} would have the same name, "
                    f"{destination!r}, in the working directory"
                )
            placed[destination] = source
    # A folder comes before what is in it, for which it would else be made.
    places = sorted(placed, key=lambda destination: destination.count("/"))
    return tuple((placed[destination], destination) for destination in places), tuple(notes)


def _matches(pattern: str, base: Path, host: Host) -> Sequence[str]:
    path = os.path.normpath(base / pattern)
    if os.path.lexists(path):
        return [path]
    if _MAGIC.isdisjoint(pattern):
        raise JobError(f"input {pattern!r} does not exist (looked for {path})")
    found = [os.path.normpath(_named(match)) for match in host.glob(_below(base, pattern))]
    if not found:
        raise JobError(f"input {pattern!r} matches nothing in {base}")
    return found


def _named(match: Path) -> str:
    try:
        return file_name(str(match))
    except ValueError as error:
        raise JobError(str(error)) from None


def _below(base: Path, pattern: str) -> str:
    """A pattern that starts from *base*, whose own name is none."""
    return os.path.join(glob.escape(str(base)), pattern)


def program_of(job: Job) -> str:
    """The path of a program such as `./fit`, which has to be where the job works; else empty."""
    if isinstance(job.command, str) or "/" not in job.command[0]:
        return ""
    path = os.path.normpath(job.command[0])
    return "" if path.startswith(("/", "..")) else path


def check_outputs(job: Job) -> None:
    """That every output pattern stays in the working folder.

    Raises:
        JobError: an absolute path, `..`, or a folder `**`, which a shell does not know. Within a
            name (`a**b`) two stars mean what one means.
    """
    for pattern in job.outputs + job.optional_outputs:
        parts = PurePosixPath(pattern).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise JobError(f"output {pattern!r} must be a path inside the working directory")
        if "**" in parts:
            raise JobError(f"output {pattern!r}: '**' is not supported; name the directories")
