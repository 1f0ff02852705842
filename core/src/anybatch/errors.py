"""Everything that anybatch raises on purpose.

    AnybatchError
    ├── UsageError            an invalid request; nothing was submitted
    │   ├── JobError          a job's description
    │   │   └── InvalidValue  a value of `Resources` or `Retry`; also a ValueError
    │   ├── SettingError      a setting, wherever it was set
    │   ├── UnknownSystem     no such batch system, or `auto` found none
    │   └── RunNotFound       no such run
    ├── FolderError           a file or folder that anybatch needs cannot be written or read
    │   └── FolderAway        a run's folder cannot be seen now; it may come back
    ├── PluginError           a plugin raised an error or returned a wrong answer
    ├── CommandError          a command of the batch system failed
    │   ├── CommandNotFound
    │   ├── CommandTimeout
    │   └── CommandFailed
    ├── Rejected              the batch system refused the submission for good
    ├── NotSubmitted          it did not take the submission for now
    ├── NotAccepted           the batch system refused to stop some jobs
    └── JobFailed             `Future.result()` of a job that is not done (in `outcome`)

`UsageError` and `FolderError` are raised before anything is submitted. The command line then ends
with exit code 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anybatch.host import Command, Completed


class AnybatchError(Exception):
    """Base of all errors that anybatch raises on purpose; its text is meant to be shown."""


class UsageError(AnybatchError):
    """The request is invalid; nothing was submitted."""


class JobError(UsageError):
    """The description of a job is invalid."""


class InvalidValue(JobError, ValueError):
    """A value of `Resources` or `Retry` is invalid."""


class SettingError(UsageError):
    """A setting is unknown, or its value is invalid."""


class UnknownSystem(UsageError):
    """There is no batch system of that name, or none is available here."""


class RunNotFound(UsageError):
    """This user has no such run on this machine."""


class FolderError(AnybatchError):
    """A file or folder that anybatch needs cannot be read or written."""


class FolderAway(FolderError):
    """A run's folder cannot be seen now: moved, not mounted, no permission. It may come back."""


class PluginError(AnybatchError):
    """A plugin raised an error, or its answer is not what the hook specifies.

    Attributes:
        plugin: the plugin's name.
        distribution: the package it comes from, as "name version"; empty for built-in plugins.
    """

    def __init__(self, plugin: str, distribution: str, problem: str) -> None:
        source = f" ({distribution})" if distribution else ""
        super().__init__(f"plugin {plugin!r}{source}: {problem}")
        self.plugin = plugin
        self.distribution = distribution


class CommandError(AnybatchError):
    """A command of the batch system failed.

    Attributes:
        command: the command.
    """

    def __init__(self, command: Command, problem: str) -> None:
        super().__init__(f"{command}: {problem}")
        self.command = command


class CommandNotFound(CommandError):
    """The program was not found."""


class CommandTimeout(CommandError):
    """The command exceeded its time limit; whether it had an effect is unknown."""


class CommandFailed(CommandError):
    """The command ended with a nonzero exit status, or its output cannot be understood.

    Attributes:
        completed: exit status and output.
    """

    def __init__(self, command: Command, completed: Completed, problem: str = "") -> None:
        said = completed.stderr.strip() or completed.stdout.strip() or "(no output)"
        what = problem or f"exit status {completed.returncode}"
        super().__init__(command, f"{what}: {shorten(said)}")
        self.completed = completed


class Rejected(AnybatchError):
    """The batch system refused a submission permanently: a second try would be refused, too."""


class NotSubmitted(AnybatchError):
    """The batch system certainly did not take a submission, for a reason that may pass."""


class NoRoom(NotSubmitted):
    """The batch system certainly took nothing: a limit on the number of jobs. Fewer may fit."""


class NotAccepted(AnybatchError):
    """The batch system refused to stop some jobs, or to send them a signal."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt *word*, or an empty text: `; did you mean 'partition'?`."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def shorten(text: str, limit: int = 2000) -> str:
    """*text*, without its middle if it is long."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} [... {len(text) - limit} characters ...] {text[-half:]}"


def shown(value: object, limit: int = 100) -> str:
    """A value that a program gave, for an error: as Python writes it, and not long."""
    try:
        return f"{value!r:.{limit}}"
    except Exception:  # such as an integer of thousands of digits
        return f"a value of type {type(value).__name__}"
