"""The captures in `data`: what commands of a real OpenLava printed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import attrs
from anybatch.host import Completed

DATA = Path(__file__).parent / "data"


@attrs.frozen
class Capture:
    """A command and what it printed."""

    command: str
    stdout: str
    stderr: str
    status: int

    @property
    def completed(self) -> Completed:
        """As a host gives it."""
        return Completed(self.status, self.stdout, self.stderr)


def names(version: str) -> list[str]:
    """The captures of a version."""
    return sorted(path.stem for path in (DATA / f"openlava-{version}").glob("*.txt"))


@cache
def read(version: str, name: str) -> Capture:
    """A capture; where bsub read a script the command is `bsub <<E` and has several lines."""
    text = (DATA / f"openlava-{version}" / f"{name}.txt").read_text()
    text, _, status = text.rpartition("--- exit status ")
    said, _, stderr = text.partition("--- stderr\n")
    end = said.index("\nE\n") + 2 if "<<E\n" in said.split("\n")[0] + "\n" else said.index("\n")
    return Capture(said[2:end], said[end + 1 :], stderr, int(status))
