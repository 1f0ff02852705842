"""Everything that anybatch raises on purpose.

    AnybatchError
    ├── UsageError            you asked for something that cannot be: nothing was submitted
    │   ├── JobError          a job's description
    │   ├── SettingError      a setting, wherever it was set
    │   ├── UnknownSystem     no such batch system, or `auto` found none
    │   └── RunNotFound       no run of that name
    ├── FolderError           a file or folder of ours cannot be written or read
    ├── PluginError           a plugin raised or answered rubbish
    ├── CommandError          a command of the batch system
    │   ├── CommandNotFound
    │   ├── CommandTimeout
    │   └── CommandFailed
    ├── Rejected              the batch system refused the submission for good
    ├── NotAccepted           the batch system does not stop some of the jobs
    └── JobFailed             `Future.result()` of a job that is not done

`UsageError` and `FolderError` come before anything is submitted; the command line ends with
exit code 2 on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anybatch.host import Command, Completed
    from anybatch.model import Outcome


class AnybatchError(Exception):
    """Base of all errors that anybatch raises on purpose; its text is meant to be shown."""


class UsageError(AnybatchError):
    """What was asked for cannot be done; nothing was submitted."""


class JobError(UsageError):
    """A job's description is wrong."""


class SettingError(UsageError):
    """A setting is unknown or has a value that it cannot have."""


class UnknownSystem(UsageError):
    """No plugin of that name is a batch system, or none is usable here."""


class RunNotFound(UsageError):
    """No run of that name is known to this user on this machine."""


class FolderError(AnybatchError):
    """A file or folder that anybatch needs cannot be read or written."""


class PluginError(AnybatchError):
    """A plugin raised, or its answer is not what the hook asks for.

    Attributes:
        plugin: the plugin's name.
        distribution: where it comes from, as "name version"; empty for built-in plugins.
    """

    def __init__(self, plugin: str, distribution: str, problem: str) -> None:
        source = f" ({distribution})" if distribution else ""
        super().__init__(f"plugin {plugin!r}{source}: {problem}")
        self.plugin = plugin
        self.distribution = distribution


class CommandError(AnybatchError):
    """A command of the batch system did not do its work.

    Attributes:
        command: what was run.
    """

    def __init__(self, command: Command, problem: str) -> None:
        super().__init__(f"{command}: {problem}")
        self.command = command


class CommandNotFound(CommandError):
    """The program is not there."""


class CommandTimeout(CommandError):
    """The command did not end within its time limit; whether it had an effect is not known."""


class CommandFailed(CommandError):
    """The command ended with an exit status other than 0, or its answer makes no sense.

    Attributes:
        completed: exit status and output.
    """

    def __init__(self, command: Command, completed: Completed, problem: str = "") -> None:
        said = completed.stderr.strip() or completed.stdout.strip() or "(no output)"
        what = problem or f"exit status {completed.returncode}"
        super().__init__(command, f"{what}: {shorten(said)}")
        self.completed = completed


class Rejected(AnybatchError):
    """The batch system refused a submission for good: the same would be refused again."""


class NotAccepted(AnybatchError):
    """The batch system did not accept to stop some jobs, or to send them a signal."""


class JobFailed(AnybatchError):
    """A job that somebody waited for is not done.

    Attributes:
        outcome: how it ended.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.describe())
        self.outcome = outcome


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt *word*, or an empty text: `; did you mean 'partition'?`."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def shorten(text: str, limit: int = 2000) -> str:
    """*text* with its middle left out where it is too long to be read at a glance."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} [... {len(text) - limit} characters ...] {text[-half:]}"
