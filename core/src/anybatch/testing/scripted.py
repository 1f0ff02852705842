"""A host that runs nothing: its commands and their answers are known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from anybatch.host import Completed
from anybatch.localhost import LocalHost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anybatch.host import Command

#: What a command answers: how it ended, what it raises, or a function that is asked for that.
Answer = Completed | Exception | Callable[[], Completed]


class ScriptedHost(LocalHost):
    """A host for tests of hooks: which command is run when, and what its failure means.

    A command that is not the next one of the script fails the test. Every program is on the
    PATH; files are those of this machine, and nobody is there to be asked for a password.

    Args:
        steps: words and an answer each, in order. The first word is the program, the others
            stand anywhere among its arguments: `("bjobs -a 7", Completed(255, stderr="..."))`.
        missing: programs that are not on the PATH.
        absent: paths that are not there, whatever this machine has.
        environ: the environment of the program that uses anybatch.

    Attributes:
        steps: what is still expected; empty where all of it has been asked for.
        ran: the commands that were run.
    """

    def __init__(
        self,
        *steps: tuple[str, Answer],
        missing: tuple[str, ...] = (),
        absent: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(environ or {})
        self.name, self.user = "login1", "alice"
        self.steps = list(steps)
        self.ran: list[Command] = []
        self._missing = missing
        self._absent = absent

    def run(self, command: Command) -> Completed:
        """The next answer of the script."""
        assert self.steps, f"nothing more was expected, but: {command}"
        expected, answer = self.steps.pop(0)
        program, *words = expected.split()
        assert command.argv[0] == program, f"expected {expected}, not {command}"
        assert {*words} <= {*command.argv}, f"expected {expected}, not {command}"
        self.commands[program] += 1
        self.ran.append(command)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Completed) else answer()

    def option(self, name: str) -> str | None:
        """The value of an option of the last command (`--jobs=7`, `-n 7`); None: not there."""
        words = self.ran[-1].argv
        if name in words:
            return words[words.index(name) + 1]
        values = (word.removeprefix(f"{name}=") for word in words if word.startswith(f"{name}="))
        return next(values, None)

    def which(self, program: str) -> str | None:
        """Where a program is."""
        return None if program in self._missing else f"/usr/bin/{program}"

    def exists(self, path: Path) -> bool:
        """Whether there is a file, folder or link."""
        return str(path) not in self._absent and super().exists(path)

    def secret(self, prompt: str) -> str | None:
        """None: there is no terminal."""
        return None
