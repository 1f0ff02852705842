"""What this process has seen of a run's jobs, beside what the run's journal tells."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from anybatch.records import JobStatus
from anybatch.runs.moments import Moment
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
        statuses: the batch system's last answer; of a packed job about its pack.
        ended_at: when the first sign of a job's end was made, as far as that is told, else seen.
        missing: since when the system does not know a job.
        answered_at: when the system was asked for what it said last of a job, or said nothing of.
        back_at: when it was asked for the first answer about a job after some that it did not give.
        away: the jobs of which the last question told nothing.
        unreachable: why nothing can be said of a job from here.
        alive_at: when the system last said that it has a job which has not ended, or took it;
            monotonic seconds.
        trouble: what was last said of the run's folder.
    """

    exits: ExitFolder
    records: dict[int, ExitRecord] = attrs.field(factory=dict)
    statuses: dict[int, JobStatus] = attrs.field(factory=dict)
    ended_at: dict[int, Moment] = attrs.field(factory=dict)
    missing: dict[int, Moment] = attrs.field(factory=dict)
    answered_at: dict[int, Moment] = attrs.field(factory=dict)
    back_at: dict[int, Moment] = attrs.field(factory=dict)
    away: set[int] = attrs.field(factory=set)
    unreachable: dict[int, str] = attrs.field(factory=dict)
    alive_at: dict[int, float] = attrs.field(factory=dict)
    trouble: str = ""

    def forget(self, index: int) -> None:
        """Drop what was seen of a job: it has its verdict, or is run again."""
        for seen in (
            self.records,
            self.statuses,
            self.ended_at,
            self.missing,
            self.answered_at,
            self.back_at,
            self.unreachable,
            self.alive_at,
        ):
            seen.pop(index, None)
        self.away.discard(index)

    def note_alive(self, indices: Iterable[int]) -> None:
        """The system has these jobs now, and they have not ended."""
        self.alive_at.update(dict.fromkeys(indices, time.monotonic()))

    def is_alive(self, index: int) -> bool:
        """Whether the system has said a moment ago that a job has not ended."""
        said = self.alive_at.get(index)
        return said is not None and time.monotonic() - said < FRESH

    def waited(self, index: int) -> float:
        """Seconds from the first sign of a job's end to the last answer of the system.

        Time in which it could not be asked does not count.
        """
        answered, ended = self.answered_at.get(index), self.ended_at.get(index)
        if answered is None or ended is None:
            return 0.0
        spans = [ended.until(answered)]
        if back := self.back_at.get(index):
            spans.append(back.until(answered))
        return min(spans)

    def forget_end(self, index: int) -> None:
        """Drop the signs of an end: the system has begun the job anew."""
        self.records.pop(index, None)
        self.ended_at.pop(index, None)

    def is_new_trouble(self, text: str) -> bool:
        """Note what is to be said of the run's folder; whether that is news."""
        known, self.trouble = self.trouble, text
        return known != text

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
