"""The only way to the outside: a `Host` runs commands and reads and writes files.

Hooks use a `Host` and nothing else: no `subprocess`, no `open`, no `os.environ`. A plugin
therefore works unchanged on this machine, in a test, and with any later implementation of `Host`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from contextlib import AbstractContextManager


def _words(words: Sequence[str]) -> tuple[str, ...]:
    if isinstance(words, str):
        raise TypeError(f"a command must be a sequence of words, not the string {words!r}")
    return tuple(words)


def _nonempty(_: object, __: object, words: tuple[str, ...]) -> None:
    if not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"a command must be a non-empty sequence of strings: {words!r}")


@attrs.frozen
class Command:
    """A command to run: words, never a shell line.

    Attributes:
        argv: the program and its arguments.
        stdin: text for its standard input.
        cwd: working directory; None: that of the program that uses anybatch.
        timeout: time limit, after which the command is killed (TERM, then KILL).
        only_env: names or patterns (`SLURM_CONF`, `KRB5*`) of the variables that the command
            sees; None: it sees the environment of the calling program. This keeps a submit
            command from passing the environment on to the job.
        hide_env: names or patterns of variables that the command must not see.
        env: variables that are set in addition.
    """

    argv: tuple[str, ...] = attrs.field(converter=_words, validator=_nonempty)
    stdin: str = attrs.field(default="", kw_only=True)
    cwd: Path | None = attrs.field(default=None, kw_only=True)
    timeout: timedelta = attrs.field(default=timedelta(seconds=60), kw_only=True)
    only_env: tuple[str, ...] | None = attrs.field(default=None, kw_only=True)
    hide_env: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    env: Mapping[str, str] = attrs.field(factory=dict, kw_only=True, repr=False)

    def __str__(self) -> str:
        return shlex.join(self.argv)


@attrs.frozen
class Completed:
    """How a command ended.

    Attributes:
        returncode: the exit status; negative: the number of the signal that killed it.
        stdout, stderr: the output, decoded as UTF-8 (other bytes are replaced).
        seconds: the duration.
    """

    returncode: int
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the exit status is 0."""
        return self.returncode == 0


class Host(Protocol):
    """A machine: commands and files. `LocalHost` is this one.

    Attributes:
        name: the machine's name.
        user: the user's login name.
        environ: the environment of the program that uses anybatch.
        commands: the number of commands run so far, by program.
        busy: whether any thread is running a command or asking the user.
    """

    name: str
    user: str
    environ: Mapping[str, str]
    commands: Counter[str]

    @property
    def busy(self) -> bool:
        """See the class."""

    def run(self, command: Command) -> Completed:
        """Run *command* to its end. An exit status other than 0 is an answer, not an error.

        Raises:
            CommandNotFound: the program was not found.
            CommandTimeout: it was killed after its time limit.
        """

    def inheriting(self, descriptor: int) -> AbstractContextManager[None]:
        """Inside, commands of this thread keep *descriptor* open as long as they run."""

    def secret(self, prompt: str) -> str | None:
        """Ask the user for a password; None: there is no terminal to ask on.

        This takes as long as the user needs. Never wait for it in code that watches jobs.
        """

    def which(self, program: str) -> str | None:
        """The path of *program*, or None if it is not on the PATH."""

    def read(self, path: Path) -> str:
        """The text of a file (UTF-8, other bytes kept as surrogates); OSError if unreadable."""

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Write a file in one step (temporary file, then rename). Missing folders are made.

        Raises:
            FolderError: the file cannot be written.
        """

    def link(self, path: Path, target: str) -> None:
        """Make a symbolic link. Missing folders are made; an existing file or link stays.

        Raises:
            FolderError: the link cannot be made.
        """

    def exists(self, path: Path) -> bool:
        """Whether a file or folder exists. A broken link does not count.

        Raises:
            OSError: that cannot be determined: no permission, a loop of links.
        """

    def listdir(self, folder: Path) -> list[str]:
        """The names in a folder, in any order; empty if the folder does not exist."""

    def glob(self, pattern: str) -> list[Path]:
        """The paths that match, sorted. `**` matches any number of folders."""
