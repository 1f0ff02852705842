"""A scripted host: it answers with what a real pool answered, and fails on any other command."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch.host import Command, Completed
from anybatch.records import Submission
from anybatch_htcondor.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parent / "data"
TOKEN = "ab-20261120-094725-64a26d-0"

Answer = "Completed | Exception | Callable[[], Completed]"


def data(name: str) -> str:
    """A captured output of 25.14: `q running`, `rm hung.stderr`."""
    tool, _, rest = name.partition(" ")
    return (DATA / f"condor_{tool}-25.14-{rest}.txt").read_text()


def said(name: str) -> Completed:
    """A command that printed what was captured."""
    return Completed(0, stdout=data(name))


def failed(name: str, returncode: int = 1) -> Completed:
    """A command that failed with what was captured."""
    return Completed(returncode, stderr=data(f"{name}.stderr"))


def table(**own: Any) -> dict[str, Any]:
    """The plugin's settings, as the core hands them over."""
    defaults = {one.name: one.default for one in SETTINGS if "*" not in one.name}
    return {**defaults, **own}


def submission(own: Mapping[str, Any] | None = None, **fields: Any) -> Submission:
    """A submission of one job, or what is given."""
    usual: dict[str, Any] = {
        **{"token": TOKEN, "run": "20261120-094725-64a26d", "number": 0},
        **{"folder": Path("/runs/one"), "count": 1, "name": "fit"},
    }
    return Submission(**{**usual, **fields, "settings": table(**(own or {}))})


class Script:
    """A host whose commands and their answers are known beforehand, in order.

    Files are those of this machine.

    Args:
        steps: the words that a command begins with or holds, in order, and its answer.
    """

    def __init__(self, *steps: tuple[str, Any]) -> None:
        self.name, self.user = "login1", "alice"
        self.environ: Mapping[str, str] = {}
        self.commands: Counter[str] = Counter()
        self.tools = {"condor_submit", "condor_q", "condor_rm", "condor_history"}
        self.ran: list[Command] = []
        self.steps = list(steps)

    def run(self, command: Command) -> Completed:
        """The next answer of the script."""
        assert self.steps, f"nothing more was expected, but: {command}"
        expected, answer = self.steps.pop(0)
        wanted = expected.split()
        assert command.argv[0] == wanted[0], f"expected {expected}, not {command}"
        assert set(wanted) <= set(command.argv), f"expected {expected}, not {command}"
        self.commands[command.argv[0]] += 1
        self.ran.append(command)
        answer = answer if isinstance(answer, (Completed, Exception)) else answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def which(self, program: str) -> str | None:
        """Where a tool is."""
        return f"/usr/bin/{program}" if program in self.tools else None

    def read(self, path: Path) -> str:
        """The plugin reads no files by the host."""
        raise AssertionError(path)

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Nor does it write any."""
        raise AssertionError(path)

    def link(self, path: Path, target: str) -> None:
        """Nor make links."""
        raise AssertionError(path)

    def listdir(self, folder: Path) -> list[str]:
        """Where event logs are looked for."""
        return os.listdir(folder) if folder.is_dir() else []

    def glob(self, pattern: str) -> list[Path]:
        """They are not looked for by patterns."""
        raise AssertionError(pattern)

    def option(self, name: str) -> str | None:
        """The word after an option of the last command."""
        words = self.ran[-1].argv
        return words[words.index(name) + 1] if name in words else None
