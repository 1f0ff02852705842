"""The only way to the outside: a `Host` runs commands and reads and writes files.

Hooks use a `Host` and nothing else: no `subprocess`, no `open`, no `os.environ`. A plugin
therefore works unchanged on this machine, in a test, and with any later implementation of `Host`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

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

    def read(self, path: Path, *, own: bool = False) -> str:
        """The text of a plain file (UTF-8, other bytes kept as surrogates).

        Args:
            own: see `read_from`.

        Raises:
            OSError: it cannot be read, it is no plain file, or it is larger than 2 GiB.
        """

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

    def copy(self, path: Path, source: str) -> None:
        """Make a copy of a plain file: data, permissions and time of change. Folders are made.

        Raises:
            FolderError: it cannot be read or written, or changed meanwhile.
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

    # -- what runs need of their folders

    def make_folder(self, path: Path, mode: int = 0o777) -> None:
        """Make a folder, and those above it, as the umask allows; one that is there stays.

        Raises:
            FolderError: it cannot be made.
        """

    def make_private(self, path: Path) -> None:
        """Make a folder that is its owner's alone, whatever the umask; one that is there stays.

        Raises:
            FolderError: it cannot be made, or what is there is not believed (`distrust`).
        """

    def distrust(self, path: Path) -> str:
        """Why a folder and what is in it are not believed; an empty text: they are.

        Others own it, others can write to it, or it is a link, which may lead anywhere.
        """

    def append(self, path: Path, data: bytes, *, durable: bool = False) -> None:
        """Add to a file, all of *data* in one step, or fail.

        Args:
            durable: it is on the disk before this returns.
        """

    def read_from(self, path: Path, start: int, most: int = -1, *, own: bool = False) -> bytes:
        """The bytes of a file from *start* on; negative: so many before its end.

        Args:
            most: no more than so many; negative: to the end.
            own: refuse a file that somebody else owns (`NotOwn`). It is asked of what was opened,
                so it holds whatever is put in the place of a folder meanwhile.
        """

    def list_changed(self, folder: Path, since: int = -1) -> Listing | None:
        """The names in a folder of this user's; None where its time of change is still *since*.

        Raises:
            NotOwn: it is somebody else's.
        """

    def changed_at(self, path: Path) -> datetime | None:
        """When a file was last changed (aware, UTC); None where that cannot be told."""

    def is_file(self, path: Path) -> bool:
        """Whether it is a plain file; a link is what it leads to."""

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder with all in it, as far as that can be done."""


@attrs.frozen
class LeaseHolder:
    """Who has a lease, or had it last.

    Attributes:
        text: for people: `process 123 (stopped)`.
        alive: it is a process of this machine that has not ended.
        stopped: it is stopped (Ctrl-Z), and does nothing.
        here: it is this process.
    """

    text: str
    alive: bool = False
    stopped: bool = False
    here: bool = False


class Lease(Protocol):
    """A right that one process at a time can have; free when its last holder is gone."""

    def take(self) -> bool:
        """Try to get it; whether this process has it now, once more. `drop` belongs to each.

        Raises:
            FolderError: that cannot be tried.
        """

    def drop(self) -> None:
        """Give it back, as often as it was taken."""

    def claim(self, step: str) -> bool:
        """Whether this is the one that takes a step, of all holders on all machines.

        Machines may share a folder without sharing its locks; then several of them have the lease
        at once. A step that was claimed and not taken, because its claimant died, can be claimed
        again later. It is for who has the lease.

        Args:
            step: names what is to be done, the same for all who would do it.

        Raises:
            FolderError: the folder cannot be written.
        """

    def holder(self) -> LeaseHolder | None:
        """Who has it, or was the last to have it and may take it again; None: nobody."""

    def leave(self) -> None:
        """This process will not take it again: it is not named as the holder any more."""

    def inherited(self) -> AbstractContextManager[None]:
        """Commands that this thread runs inside hold it too, as long as they run.

        So it outlasts a killed caller until its command has ended.
        """


@runtime_checkable
class Host(Files, Protocol):
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

    def lease(self, folder: Path) -> Lease:
        """A right about a folder of this user's, that one process can have; not held yet."""

    def secret(self, prompt: str) -> str | None:
        """Ask the user for a password; None: there is no terminal to ask on.

        This takes as long as the user needs. Never wait for it in code that watches jobs.
        """

    def which(self, program: str) -> str | None:
        """The path of *program*, or None if it is not on the PATH."""
