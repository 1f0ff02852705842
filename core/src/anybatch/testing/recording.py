"""A host that remembers its commands, and lets a test spoil what they answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from anybatch.host import Command, Completed
from anybatch.localhost import LocalHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    #: Answers a command in place of the machine; its second argument would run it.
    Fault = Callable[[Command, Callable[[Command], Completed]], Completed]

_MOST_LINES = 6
_MOST_COMMANDS = 20


@attrs.frozen
class Ran:
    """A command that was run: how it ended, or what it raised."""

    command: Command
    end: Completed | Exception

    def told(self) -> Iterator[str]:
        """The command and the first lines of what it printed."""
        yield f"$ {self.command}"
        if isinstance(self.end, Exception):
            yield f"  {type(self.end).__name__}: {self.end}"
            return
        yield f"  exit status {self.end.returncode}"
        for text in (self.end.stdout, self.end.stderr):
            lines = text.splitlines()
            yield from (f"  {line[:200]}" for line in lines[:_MOST_LINES])
            if len(lines) > _MOST_LINES:
                yield f"  ... {len(lines) - _MOST_LINES} more lines"


class RecordingHost(LocalHost):
    """This machine; what is run on it is kept in a list.

    Args:
        ran: where each command goes when it has ended.

    Attributes:
        fault: answers commands in place of the machine, while it is not None.
        seconds: how long all commands took.
    """

    def __init__(self, ran: list[Ran]) -> None:
        super().__init__()
        self._ran = ran
        self.seconds = 0.0
        self.fault: Fault | None = None

    def run(self, command: Command) -> Completed:
        """See `Host.run`."""
        run, begin = super().run, time.monotonic()
        try:
            completed = self.fault(command, run) if self.fault else run(command)
        except Exception as error:
            self._ran.append(Ran(command, error))
            raise
        finally:
            self.seconds += time.monotonic() - begin
        self._ran.append(Ran(command, completed))
        return completed


def last_commands(ran: Sequence[Ran]) -> str:
    """The last commands with what they printed, for the report of a failed test."""
    left_out = len(ran) - _MOST_COMMANDS
    lines = [f"({left_out} before)"] if left_out > 0 else []
    return "\n".join([*lines, *(line for one in ran[-_MOST_COMMANDS:] for line in one.told())])
