"""How a job went, or goes: `Outcome`, `JobView`, and the error for one that is not done."""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from anybatch.errors import AnybatchError
from anybatch.model import Reason, State
from anybatch.parameters import Value, describe
from anybatch.resources import Resources


@attrs.frozen
class JobId:
    """The ID of a job in its batch system.

    Attributes:
        system: the plugin's name.
        native_id: the ID as the system spells it; for an element of an array in full (`3505_7`).
    """

    system: str
    native_id: str

    def __str__(self) -> str:
        return self.native_id


@attrs.frozen(kw_only=True)
class Outcome:
    """How a job ended, and how that is known.

    Attributes:
        run, index: which job.
        id: the ID in the batch system; None if it never had one.
        state: done, failed, terminated or lost.
        reason: why the job is not done; None for done.
        exit_code: of the command; None if a signal killed it or it never ran.
        signal: number of the signal that killed the command.
        native_state: the last state in the system's own words.
        message: what the system or the job script says about the end.
        host: the machine the job ran on.
        submitted, started, ended: times in UTC.
        evidence: what the verdict is based on; for a lost job, every source that was asked.
        stdout, stderr: the paths of its logs; the files may be missing if it never ran.
        cpu_time: CPU time used, if the system accounts for it.
        max_memory: peak resident memory in bytes, if the system accounts for it.
        attempt: 0, or the number of the retry.
        params: the parameters that the job was described with.
    """

    run: str
    index: int
    state: State
    reason: Reason | None = None
    id: JobId | None = None
    exit_code: int | None = None
    signal: int | None = None
    native_state: str | None = None
    message: str | None = None
    host: str | None = None
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    evidence: tuple[str, ...] = ()
    stdout: Path
    stderr: Path
    cpu_time: timedelta | None = None
    max_memory: int | None = None
    attempt: int = 0
    params: Mapping[str, Value] = attrs.field(factory=dict)

    @property
    def done(self) -> bool:
        """Whether the job succeeded."""
        return self.state is State.DONE

    def describe(self) -> str:
        """One line for people: which job, how it ended, why, and where to look next."""
        params = f" ({describe(self.params)})" if self.params else ""
        text = f"job {self.run}:{self.index}{params} {self.state.value}"
        if why := self.why():
            text += f": {why}"
        if not self.done and self.has_log:
            text += f" (log: {self.stderr})"
        return text

    @property
    def has_log(self) -> bool:
        """Whether there is a log of its errors: a job that ended early may have left none."""
        try:
            return not self._never_ran and self.stderr.exists()
        except OSError:  # its folder is away or forbidden
            return False

    def why(self) -> str:
        """The reason for people: `exit code 3`, `SIGKILL`, `time limit`; empty for done."""
        if self.reason is Reason.EXIT_CODE and self.exit_code in _HINTS and self.message:
            return f"{self.message} (exit code {self.exit_code})"
        words = {
            None: "",
            Reason.EXIT_CODE: _exit_code(self.exit_code),
            Reason.SIGNAL: signal_name(self.signal),
            Reason.TERMINATED: "",
            Reason.LOST: "; ".join(self.evidence),
        }.get(self.reason, self.reason.value.replace("_", " ") if self.reason else "")
        return ": ".join(filter(None, (words, self.message)))

    @property
    def _never_ran(self) -> bool:
        stopped = self.reason is Reason.TERMINATED and self.started is None
        return stopped or self.reason in (Reason.REJECTED, Reason.DEPENDENCY)


_HINTS = {126: " (usually: not executable)", 127: " (usually: command not found)"}


def _exit_code(code: int | None) -> str:
    """`exit code 3`; what shells mean by their own codes is said."""
    return "" if code is None else f"exit code {code}{_HINTS.get(code, '')}"


def signal_name(number: int | None) -> str:
    """`SIGKILL` for 9; `signal 99` for a number without a name."""
    if number is None:
        return "a signal"
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


@attrs.frozen(kw_only=True)
class JobView:
    """A job as it is now: see `Job` and `Outcome` for the attributes."""

    run: str
    index: int
    name: str
    labels: Mapping[str, str]
    params: Mapping[str, Value]
    resources: Resources
    id: JobId | None
    state: State
    reason: Reason | None
    exit_code: int | None
    signal: int | None
    native_state: str | None
    message: str | None
    host: str | None
    submitted: datetime | None
    started: datetime | None
    ended: datetime | None
    stdout: Path
    stderr: Path
    cpu_time: timedelta | None
    max_memory: int | None
    attempt: int


class JobFailed(AnybatchError):
    """A job that a program waited for is not done.

    Attributes:
        outcome: how it ended.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.describe())
        self.outcome = outcome
