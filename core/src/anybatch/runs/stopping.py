"""Stopping jobs that have not ended, or sending them a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.model import Reason, State
from anybatch.ranges import write_ranges
from anybatch.runs.state import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anybatch.records import Batch
    from anybatch.runs.state import JobRecord, RunState


def note_terminate(run: RunState, indices: Iterable[int]) -> tuple[int, list[Batch]]:
    """Put on record that jobs are to end. What was never submitted ends here.

    Returns:
        How many are to end, and those that the batch system has.
    """
    jobs = _open(run, indices)
    if jobs:
        run.record("terminate", durable=True, jobs=write_ranges(job.index for job in jobs))
        run.record_ended(
            [
                run.outcome(
                    job,
                    State.TERMINATED,
                    Reason.TERMINATED,
                    evidence=("it was never submitted",),
                )
                for job in jobs
                if run.submissions[job.submission].phase is Phase.WAITING
            ]
        )
    return len(jobs), run.batches(jobs)


def signalled(run: RunState, indices: Iterable[int]) -> list[Batch]:
    """The jobs that a signal can be sent to: the batch system has them."""
    return run.batches(_open(run, indices))


def _open(run: RunState, indices: Iterable[int]) -> Sequence[JobRecord]:
    run.catch_up()
    jobs = (run.jobs[index] for index in indices)
    return [job for job in jobs if not job.state.final]
