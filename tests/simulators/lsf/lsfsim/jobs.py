"""Jobs and what is known of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsfsim.workers import Copy

#: Why LSF ends a job, as bjobs, bhist and bacct show it.
TERMINATIONS = {
    "TERM_OWNER": "job killed by owner",
    "TERM_ADMIN": "job killed by root or LSF administrator",
    "TERM_MEMLIMIT": "job killed after reaching LSF memory usage limit",
    "TERM_RUNLIMIT": "job killed after reaching LSF run time limit",
    "TERM_FORCE_OWNER": "job killed by owner without time for cleanup",
    "TERM_EXTERNAL_SIGNAL": "job killed by a signal external to LSF",
    "TERM_REQUEUE_OWNER": "job killed and requeued by owner",
    "TERM_ZOMBIE": "job exited while LSF is not available",
}
FINISHED = ("DONE", "EXIT")
AWAY = ("UNKWN", "ZOMBI")


class Refused(Exception):
    """What a command prints on standard error before it gives up."""


@dataclass
class Spec:
    """What was submitted: one job, or an array of them."""

    number: int
    name: str
    queue: str
    user: str
    host: str
    cwd: str
    script: str  # where it is spooled
    command: str  # its text, as bjobs -l shows it
    options: dict[str, str]
    env: dict[str, str]
    slots: int = 1
    run_limit: float | None = None  # seconds
    memory_limit: int | None = None  # bytes
    elements: tuple[int, ...] = ()
    at_once: int = 0  # of an array; 0: any number
    priority: int = 0  # -sp
    copies: list[Copy] = field(default_factory=list)  # -f


@dataclass
class Job:
    """A job, or an element of an array (index 1 and more)."""

    spec: Spec
    index: int
    submitted: float
    state: str = "PEND"
    pid: int = 0
    started: float = 0.0
    ended: float = 0.0
    code: int = 0  # as bjobs shows it: 128 more than the signal
    signal: int = 0
    why: str = ""
    cpu: float = 0.0
    memory: int = 0  # kB
    again: str = ""  # the state that follows on this run, as the job is to run again
    forgotten: bool = False  # its host went away, and nobody knows how it ended
    remnant: bool = False  # of OpenLava: its outer shell has gone, and others of it have not
    killing: list[tuple[float, int]] = field(default_factory=list)  # signals to come, and when
    hindrance: str = ""  # why it was not started when slots were given out last
    events: list[tuple[float, str]] = field(default_factory=list)  # for bhist

    @property
    def id(self) -> str:
        """`123`, or `123[4]`."""
        return f"{self.spec.number}[{self.index}]" if self.index else str(self.spec.number)

    @property
    def name(self) -> str:
        """As bjobs shows it: `fit[4]` for an element."""
        return f"{self.spec.name}[{self.index}]" if self.index else self.spec.name

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.state in FINISHED

    @property
    def waits(self) -> bool:
        """Whether there are reasons why it does not run."""
        return self.state in ("PEND", "PSUSP")

    @property
    def reason(self) -> str:
        """`TERM_OWNER: job killed by owner`, or nothing."""
        return f"{self.why}: {TERMINATIONS[self.why]}" if self.why else ""

    @property
    def why_waits(self) -> str:
        """A reason to wait, as commands show it."""
        if self.state == "PSUSP":
            return "The job was suspended by the user while pending"
        return self.hindrance or "New job is waiting for scheduling"

    def tell(self, when: float, text: str) -> None:
        """Write down what has happened."""
        self.events.append((when, text))

    def start_over(self, state: str) -> None:
        """It waits again, as if it had not run."""
        self.state, self.again, self.why = state, "", ""
        self.pid, self.code, self.signal = 0, 0, 0
        self.started = self.ended = 0.0
        self.forgotten = self.remnant = False
        self.killing = []


def read_indices(text: str) -> tuple[int, ...]:
    """`1-10:2,15`.

    Raises:
        ValueError: it is no list of indices.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if not match or not int(match[1]):
            raise ValueError(part)
        last, step = int(match[2] or match[1]), int(match[3] or 1)
        if last > 2_147_483_646:
            raise ValueError(part)
        found.update(dict.fromkeys(range(int(match[1]), last + 1, step)))
    return tuple(found)
