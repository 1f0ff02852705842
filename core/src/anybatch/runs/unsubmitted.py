"""Why a job has not been handed to the batch system yet, for whoever looks at it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from anybatch.model import State
from anybatch.ranges import write_ranges
from anybatch.runs.entries import Phase
from anybatch.runs.moments import now
from anybatch.units import format_duration

if TYPE_CHECKING:
    from anybatch.runs.entries import JobRecord, SubmissionState
    from anybatch.runs.share import Share
    from anybatch.runs.state import RunState

_MOST = 3  #: runs that are named


class Unsubmitted:
    """Tells why jobs of a run are not submitted.

    Args:
        run: its state.
        share: of what limits several runs together.
    """

    def __init__(self, run: RunState, share: Share) -> None:
        self._run = run
        self._share = share
        self._waits: tuple[int, dict[int, str | None]] = (-1, {})

    def why(self, job: JobRecord) -> str | None:
        """Why the batch system has no such job; None: it has, or nothing is known against it."""
        one = self._run.submissions[job.submission]
        if one.has_jobs or job.state.final:
            return None
        if (rest := one.rest(now())) > 0:
            return f"waits {format_duration(timedelta(seconds=round(rest)))} to be run again"
        if one.trouble:
            return f"not submitted yet: {one.trouble}"
        if one.phase is not Phase.WAITING:
            return None
        first = self._what_first(one) if one.planned.waits else None
        return first or self._limited(one)

    def _limited(self, one: SubmissionState) -> str | None:
        words = self._run.limit.words(), self._share.words(one.planned.pack)
        told = " and ".join(filter(None, words))
        return f"not submitted yet: {told}" if told else None

    def _what_first(self, one: SubmissionState) -> str | None:
        """The same for all jobs of a submission, of which there may be thousands."""
        if self._waits[0] != self._run.events:
            self._waits = self._run.events, {}
        known, number = self._waits[1], one.planned.submission.number
        if number not in known:
            known[number] = _waits(self._run, one)
        return known[number]


def _waits(run: RunState, one: SubmissionState) -> str | None:
    """The runs and jobs that it is to run after; of its own run those that are not done.

    Whether a job of another run is done is looked at when it is to be submitted, and not here.
    """
    waits: dict[str, list[int]] = {}
    for name, index in one.planned.waits:
        indices = waits.setdefault(name, [])
        if index is not None:
            indices.append(index)
    if run.id in waits:
        jobs = waits.pop(run.id)
        if left := [index for index in jobs if run.jobs[index].state is not State.DONE]:
            waits = {run.id: left, **waits}
    named = [
        f"{name}:{write_ranges(sorted(indices))}" if indices else name
        for name, indices in waits.items()
    ]
    if not named:
        return None
    more = f" and {len(named) - _MOST} more runs" if len(named) > _MOST else ""
    return f"runs after {', '.join(named[:_MOST])}{more}"
