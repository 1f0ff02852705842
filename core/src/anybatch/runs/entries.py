"""What a run's state has of each job and of each submission.

An event may be read before or after others that it does not depend on. So each entry keeps what
tells old from new: the attempt or the try that an event names, and a stamp where two processes may
say different things of one.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from anybatch.model import State
from anybatch.outcome import Outcome
from anybatch.planning.plan import Planned
from anybatch.runs.moments import Moment, this_boot

#: A Lamport clock and the writer's name: whoever has read an event writes a later one.
Stamp = tuple[int, str]
FIRST: Stamp = (-1, "")
_KEPT = 8  #: failed tries of a submission that are remembered
#: What each machine counts from: when it was written, what it is, and since when.
Signs = Mapping[str, tuple[Stamp, str, Moment]]
_NONE: Signs = MappingProxyType({})


@attrs.define
class JobRecord:
    """A job as the watcher sees it.

    Attributes:
        index: its number in the run.
        submission: number of the submission that it is in (the latest, after a retry).
        attempt: 0, or the number of the retry.
        native_id: the batch system's id; None before it is submitted; empty where the system has
            the job and nobody knows its id.
        state: the last known.
        native_state: the system's own word for it.
        message: what the system said beside it; None once it has ended.
        submitted: when.
        outcome: the verdict.
        past: the verdicts on its earlier attempts, by attempt, with their stamps.
        since: the attempt with which somebody last had it run again; 0: nobody has.
        stopped: the batch system was told to end it.
        signs: what each machine counts time from, as `sign` tells it.
        told, signed, judged: stamps of what state, the last word of no sign, and outcome are from.
        stop_reason: why somebody asked for its end, with its stamp; empty: not told.
        unwanted, reopened: stamps of the last wish for its end, and of that to run it again.
    """

    index: int
    submission: int = -1
    attempt: int = 0
    native_id: str | None = None
    state: State = State.NEW
    native_state: str | None = None
    message: str | None = None
    submitted: float | None = None
    outcome: Outcome | None = None
    past: dict[int, tuple[Stamp, Outcome]] | None = None
    since: int = 0
    stopped: bool = False
    signs: Signs = _NONE
    told: Stamp = attrs.field(default=FIRST, eq=False)
    signed: Stamp = attrs.field(default=FIRST, eq=False)
    judged: Stamp = FIRST
    stop_reason: tuple[Stamp, str] = (FIRST, "")
    unwanted: Stamp = FIRST
    reopened: Stamp = FIRST

    @property
    def terminated(self) -> bool:
        """Whether somebody asked for its end since it was last wanted, in whichever attempt."""
        return self.unwanted > self.reopened

    @property
    def attempts(self) -> list[Outcome]:
        """The verdicts on its attempts, as far as they are on record, oldest first."""
        past = [self.past[number][1] for number in sorted(self.past or ())] if self.past else []
        return [*past, self.outcome] if self.outcome else past

    def remember(self, outcome: Outcome, stamp: Stamp) -> None:
        """The verdict on an earlier attempt; of several the one stamped last."""
        self.past = self.past or {}
        known = self.past.get(outcome.attempt)
        if known is None or stamp >= known[0]:
            self.past[outcome.attempt] = (stamp, outcome)

    @property
    def sign(self) -> tuple[str, Moment] | None:
        """What this machine counts time from, and since when.

        `missing`: the system does not know the job. `ended`: it says so, and no record is there.
        `away`: there is some sign of its end, and the system cannot be asked. `back`: it can again.
        """
        stamp, sign, at = self.signs.get(this_boot(), (FIRST, "", None))
        return (sign, at) if at is not None and stamp > self.signed else None

    def note_sign(self, sign: str | None, at: Moment, stamp: Stamp) -> None:
        """A sign, as a machine counts it; None: there is none, for all machines."""
        if sign is None:
            self.signed = max(self.signed, stamp)
        elif stamp >= self.signs.get(at.boot, (FIRST,))[0]:
            self.signs = {**self.signs, at.boot: (stamp, sign, at)}

    def begin(self, planned: Planned) -> None:
        """It is in this submission now. A wish for its end holds for a retry, too."""
        if self.outcome:
            self.remember(self.outcome, self.judged)
        self.outcome = None
        self.submission, self.attempt = planned.submission.number, planned.attempt
        self.native_id, self.native_state, self.message, self.submitted = None, None, None, None
        self.signs, self.stopped = _NONE, False
        self.told = self.signed = self.judged = FIRST

    def set_apart(self, number: int) -> None:
        """It is in submission *number* now, in the same attempt."""
        self.submission = number
        self.native_id, self.submitted, self.stopped = None, None, False
        if not self.state.final:
            self.native_state, self.message, self.signs = None, None, _NONE
            self.told = self.signed = FIRST


class Phase(str, enum.Enum):
    """How far a submission is."""

    WAITING = "waiting"  #: not tried yet, or known to have left no jobs
    SUBMITTING = "submitting"  #: announced; whether there are jobs is not known
    SUBMITTED = "submitted"
    REFUSED = "refused"


@attrs.frozen(order=True)
class Failure:
    """Why a try of a submission failed, when, and whether the batch system refused it."""

    text: str
    refused: bool
    at: Moment

    def is_refusal(self, text: str) -> bool:
        """Whether it was refused with these words."""
        return self.refused and self.text == text


@attrs.define
class SubmissionState:
    """A submission as the submitter sees it.

    Attributes:
        planned: what it is.
        tries: how many submit commands were announced.
        absent: the last of them that was looked up and has certainly left no jobs.
        announced_most: how many of its tasks were to run at once; None: all.
        parted: some of its jobs have become submissions of their own; the rest will.
        host: the machine that the last of them runs on; empty: several.
        lasts: how long it may run, in seconds.
        announced: when it was about to run; seconds since 1970.
        unfound: the last try that a look-up did not find, and when that was first on each machine.
        failures: when and why the last tries failed, by try, and whether they were refused.
        has_jobs: the batch system has the jobs.
        refused: it is not tried any more.
        taken: the stamp of what told the ids.
        planned_at: when it was put on record, where it has a pause.
        unavoiding: hosts are not avoided any more: it was refused with them.
        doubts: how many lines of journals cannot be read; each may have announced it.
        cleared: how many of them were known when it was last looked up, and certainly not there.
        throttles: how many tasks were let run at once later, by try.
    """

    planned: Planned
    tries: int = 0
    announced_most: int | None = None
    parted: bool = False
    absent: int = 0
    host: str = ""
    lasts: float = 0.0
    announced: float | None = None
    unfound: tuple[int, Mapping[str, Moment]] = (0, MappingProxyType({}))
    failures: dict[int, Failure] = attrs.field(factory=dict)
    has_jobs: bool = False
    refused: bool = False
    taken: Stamp = FIRST
    planned_at: Moment | None = None
    unavoiding: bool = False
    doubts: int = 0
    cleared: int = 0
    throttles: dict[int, tuple[Stamp, int | None]] = attrs.field(factory=dict)

    @property
    def most(self) -> int | None:
        """How many of its tasks the batch system runs at once; None: all."""
        return self.throttles.get(self.tries, (FIRST, self.announced_most))[1]

    def throttle(self, number: int, most: int | None, stamp: Stamp) -> None:
        """So many tasks of try *number* may run at once from now on."""
        known = self.throttles.get(number, (FIRST, None))
        if stamp >= known[0]:
            self.throttles[number] = stamp, most

    def rest(self, at: Moment) -> float:
        """Seconds of its pause that are left."""
        if self.planned_at is None or not self.planned.pause:
            return 0.0
        return max(0.0, self.planned.pause.total_seconds() - self.planned_at.about_until(at))

    @property
    def phase(self) -> Phase:
        """How far it is."""
        if self.has_jobs:
            return Phase.SUBMITTED
        if self.refused:
            return Phase.REFUSED
        open_ = self.tries > self.absent or self.doubts > self.cleared
        return Phase.SUBMITTING if open_ else Phase.WAITING

    @property
    def trouble(self) -> str:
        """Why the last try failed; empty where it did not, or has not been told."""
        return self.failures[self.tries].text if self.tries in self.failures else ""

    def announce(
        self, number: int, host: str, lasts: float, at: float | None, most: int | None = None
    ) -> None:
        """A submit command is about to run, which is try *number*."""
        if number > self.tries:
            self.tries, self.host, self.lasts, self.announced = number, host, lasts, at
            self.announced_most = most
        elif number == self.tries:  # two processes, neither of which knew of the other
            self.host = host if self.host == host else ""
            self.lasts = max(self.lasts, lasts)
            self.announced = min(filter(None, (self.announced, at)), default=None)
            both = self.announced_most, most
            self.announced_most = None if None in both else max(filter(None, both))

    def fail(self, number: int, failure: Failure) -> None:
        """Try *number* has failed."""
        self.failures[number] = min(self.failures.get(number, failure), failure)
        for old in sorted(self.failures)[:-_KEPT]:
            del self.failures[old]

    def miss(self, number: int, at: Moment) -> None:
        """A look-up did not find try *number*."""
        last, since = self.unfound
        if number == last:
            first = since.get(at.boot, at)
            self.unfound = (number, {**since, at.boot: min(first, at, key=_by_ticks)})
        elif number > last:
            self.unfound = (number, {at.boot: at})

    @property
    def unfound_since(self) -> Moment | None:
        """Since when this machine has not found the last try; None: it has not looked yet."""
        number, since = self.unfound
        return since.get(this_boot()) if number == self.tries else None

    def equal_refusals(self) -> tuple[int, float]:
        """How many of the last tries were refused with the same words, and for how many seconds."""
        tries: list[Moment] = []
        number = self.tries
        while (failure := self.failures.get(number)) and failure.is_refusal(self.trouble):
            tries.append(failure.at)
            number -= 1
        return len(tries), tries[-1].until(tries[0]) if tries else 0.0


def _by_ticks(at: Moment) -> tuple[float, float]:
    return at.ticks, at.wall
