"""What this process has seen of a run's jobs, beside what the run's journal tells."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from anybatch.records import JobStatus
from anybatch.worker.exit_records import ExitFolder, ExitRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Seconds for which a system's word that a job lives is taken: no system forgets a job that has
#: ended sooner (Slurm's MinJobAge is 2 s at least).
FRESH = 2.0


@attrs.define
class RunObservation:
    """What was seen of the jobs that have no verdict yet, by their index.

    Attributes:
        exits: where exit records are read from.
        records: the latest exit record of a job.
        statuses: the batch system's last answer.
        end_seen_at: when the first sign of a job's end was seen; monotonic seconds.
        missing_since: since when the system does not know a job; monotonic seconds.
        alive_at: when the system last said that it has a job which has not ended, or took it;
            monotonic seconds.
        asked: the jobs that the last question was about when their exit record was seen already.
        confirmed: those of which the system then said something else than that they wait.
        trouble: what was last said of the run's folder.
    """

    exits: ExitFolder
    records: dict[int, ExitRecord] = attrs.field(factory=dict)
    statuses: dict[int, JobStatus] = attrs.field(factory=dict)
    end_seen_at: dict[int, float] = attrs.field(factory=dict)
    missing_since: dict[int, float] = attrs.field(factory=dict)
    alive_at: dict[int, float] = attrs.field(factory=dict)
    asked: frozenset[int] = frozenset()
    confirmed: set[int] = attrs.field(factory=set)
    trouble: str = ""

    def forget(self, index: int) -> None:
        """Drop what was seen of a job: it has its verdict, or is run again."""
        for seen in (
            self.records,
            self.statuses,
            self.end_seen_at,
            self.missing_since,
            self.alive_at,
        ):
            seen.pop(index, None)
        self.confirmed.discard(index)

    def note_alive(self, indices: Iterable[int]) -> None:
        """The system has these jobs now, and they have not ended."""
        self.alive_at.update(dict.fromkeys(indices, time.monotonic()))

    def note_asked(self) -> None:
        """A question to the system begins; what it answers is later than these records."""
        self.asked = frozenset(self.records)

    def note_answered(self, index: int) -> None:
        """The system has said that a job runs, has ended, or is not there any more."""
        if index in self.asked:
            self.confirmed.add(index)

    def is_alive(self, index: int) -> bool:
        """Whether the system has said a moment ago that a job has not ended."""
        said = self.alive_at.get(index)
        return said is not None and time.monotonic() - said < FRESH

    def forget_end(self, index: int) -> None:
        """Drop the signs of an end: the system has begun the job anew."""
        self.records.pop(index, None)
        self.end_seen_at.pop(index, None)
        self.confirmed.discard(index)

    def is_older(self, record: ExitRecord, known: ExitRecord) -> bool:
        """Whether a record is of an earlier run of its job than the one that is known."""
        if record.restarts != known.restarts:
            return record.restarts < known.restarts
        made, before = self.exits.ended(record), self.exits.ended(known)
        return made is not None and before is not None and made < before

    def started(self, index: int, attempt: int) -> bool:
        """Whether a job's script has run in the start that the system speaks of."""
        status = self.statuses.get(index)
        restarts = status.restarts if status else 0
        return self.exits.start(index, attempt, restarts) is not None
