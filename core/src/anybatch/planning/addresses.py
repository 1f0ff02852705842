"""Inputs that are addresses (`https://...`), which some batch systems fetch where the job runs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from anybatch.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from anybatch.model import Job

_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/]*)(?P<path>.*)", re.DOTALL
)
#: What neither lists of files nor shells nor macros of submit files take for something else.
_PLAIN = re.compile(r"[A-Za-z0-9._~:/@!&*+;=%\[\]-]*")


def is_address(pattern: str, base: Path) -> bool:
    """Whether an input is an address, and not a file or folder that is called so."""
    return bool(_ADDRESS.match(pattern)) and not os.path.lexists(os.path.normpath(base / pattern))


def fetched(job: Job, base: Path, fetches: Collection[str], system: str) -> dict[str, str]:
    """The addresses among a job's inputs, by the name that each has in the working folder.

    Args:
        fetches: the schemes that are fetched.
        system: the batch system, for errors.

    Raises:
        JobError: one that is not fetched, or that has no plain name.
    """
    found: dict[str, str] = {}
    for address in filter(lambda pattern: is_address(pattern, base), job.inputs):
        problem = _problem(address, fetches, system)
        if not problem and job.copy_inputs:
            problem = (
                "cannot be copied at submission (copy_inputs): it is fetched when a job starts"
            )
        name = address.rpartition("/")[2]
        if not problem and found.get(name, address) != address:
            problem = f"would have the same name as {found[name]}"
        if problem:
            raise JobError(f"input {address!r} {problem}")
        found[name] = address
    return found


def _problem(address: str, fetches: Collection[str], system: str) -> str:
    match = _ADDRESS.match(address)
    if match is None or match["scheme"] not in fetches:
        kinds = ", ".join(f"{name}://" for name in fetches)
        others = f"only {kinds}" if kinds else "and fetches none for these jobs"
        return (
            f"is an address that {system} does not fetch ({others}); fetch it in the command or "
            f"in `setup`"
        )
    if re.search(r":[^@]*@", match["host"]):
        return "has a password, which everybody could read who can see the queue"
    if "?" in address or "#" in address:
        return "has `?` or `#` in it, so its file would have no plain name; fetch it in `setup`"
    if "*" in address or not _PLAIN.fullmatch(match["host"] + match["path"]):
        return (
            "has characters that cannot stand in an address, or are a pattern; write %XX for them"
        )
    if match["path"].rpartition("/")[2] in ("", ".", ".."):
        return "must end with the name of a file"
    return ""
