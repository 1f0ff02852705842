"""The one door to the outside: where commands run and files lie.

Hooks get a `Host` and touch nothing else: no `subprocess`, no `open`, no `os.environ`. So a
plugin works unchanged on this machine, in a test, and behind whatever else may implement
`Host` later.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from contextlib import AbstractContextManager


def _words(words: Sequence[str]) -> tuple[str, ...]:
    if isinstance(words, str):
        raise TypeError(f"a command is a sequence of words, not the text {words!r}")
    return tuple(words)


def _nonempty(_: object, __: object, words: tuple[str, ...]) -> None:
    if not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"a command needs at least one word, and only words: {words!r}")


@attrs.frozen
class Command:
    """A command to run: words, never a shell line.

    Attributes:
        argv: the program and its arguments.
        stdin: text for its standard input.
        cwd: where it runs; None: wherever the program that uses anybatch runs.
        timeout: after which it is ended (TERM, then KILL).
        only_env: None: it sees the environment of the calling program. Otherwise names or
            patterns (`SLURM_CONF`, `KRB5*`), and it sees only those; what a submit command
            would carry over to the job is kept from it this way.
        hide_env: names or patterns that it must not see.
        env: variables set on top.
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
        returncode: its exit status; negative: the signal that killed it.
        stdout, stderr: what it printed, decoded as UTF-8 (other bytes replaced).
        seconds: how long it took.
    """

    returncode: int
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the exit status is 0."""
        return self.returncode == 0


@attrs.frozen
class Listing:
    """The names in a folder.

    Attributes:
        changed: the folder's time of change, in nanoseconds; read before the names.
        names: unordered.
    """

    changed: int
    names: tuple[str, ...]


class Files(Protocol):
    """The files of a machine. Where a run's folder is touched on the cluster's side, it is here.

    OSError where nothing else is said.
    """

    def read(self, path: Path) -> str:
        """The text of a file (UTF-8, other bytes kept as surrogates); OSError where not."""

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Write a file in one step (temporary file, then rename), folders made as needed.

        Raises:
            FolderError: it cannot be written.
        """

    def link(self, path: Path, target: str) -> None:
        """Make a symbolic link, folders made as needed; what is there already stays.

        Raises:
            FolderError: it cannot be made.
        """

    def exists(self, path: Path) -> bool:
        """Whether a file or folder is there; a link that leads nowhere is neither.

        Raises:
            OSError: it cannot be told: no permission, a link in a circle.
        """

    def listdir(self, folder: Path) -> list[str]:
        """The names in a folder, unordered; empty where the folder is not there."""

    def glob(self, pattern: str) -> list[Path]:
        """The paths that match, sorted. `**` crosses folders."""

    # -- what runs need of their folders

    def make_folder(self, path: Path, mode: int = 0o700) -> None:
        """Make a folder, and those above it, as the umask allows; one that is there stays.

        Args:
            mode: of the folder itself; by default it is its owner's alone.

        Raises:
            FolderError: it cannot be made.
        """

    def append(self, path: Path, data: bytes, *, durable: bool = False) -> None:
        """Add to a file, all of *data* in one step, or fail.

        Args:
            durable: it is on the disk before this returns.
        """

    def read_from(self, path: Path, start: int) -> bytes:
        """The bytes of a file from *start* on; negative: so many before its end."""

    def list_changed(self, folder: Path, since: int = -1) -> Listing | None:
        """The names in a folder; None where its time of change is still *since*."""

    def changed_at(self, path: Path) -> datetime | None:
        """When a file was last changed (aware, UTC); None where that cannot be told."""

    def is_file(self, path: Path) -> bool:
        """Whether it is a plain file; a link is what it leads to."""

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder with all in it, as far as that can be done."""


class Lease(Protocol):
    """A right that one process at a time can have; free when its last holder is gone."""

    def take(self) -> bool:
        """Try to get it; whether this process has it now."""

    def drop(self) -> None:
        """Give it back."""

    def inherited(self) -> AbstractContextManager[None]:
        """Commands that this thread runs inside hold it too, as long as they run.

        So it outlasts a killed caller until its command has ended.
        """


class Host(Files, Protocol):
    """A machine: commands and files. `LocalHost` is this one.

    Attributes:
        name: the machine's name.
        user: the user's login name.
        environ: the environment of the program that uses anybatch.
        commands: how many commands were run so far, for each program.
        busy: whether a command runs now, or a user is asked; in any thread.
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
            CommandNotFound: the program is not there.
            CommandTimeout: it was ended after its time limit.
        """

    def lease(self, name: str) -> Lease:
        """A right that one process of this user on this machine can have; not held yet."""

    def secret(self, prompt: str) -> str | None:
        """A password that the user is asked for; None: there is no terminal to ask on.

        It may take as long as the user does: never wait for it where jobs are watched.
        """

    def which(self, program: str) -> str | None:
        """The path of *program*, or None where it is not on the PATH."""
