"""Stopping jobs that have not ended, or sending them a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.model import Reason, State
from anybatch.ranges import write_ranges
from anybatch.runs.entries import Phase

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Sequence

    from anybatch.plugins.calls import Hooks
    from anybatch.records import Batch
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.state import RunState


def note(
    run: RunState, mutex: threading.RLock, indices: Iterable[int], signal: str | None
) -> tuple[int, list[Batch]]:
    """Put on record that jobs are to end. What was never submitted ends here.

    Returns:
        How many are told, and those that the batch system has. To be signalled, a job has to be
        there.
    """
    with mutex:
        run.catch_up()
        jobs = [job for job in (run.jobs[index] for index in indices) if not job.state.final]
        if signal is None and jobs:
            _note_terminate(run, jobs)
        batches = run.batches(jobs)
    count = len(jobs) if signal is None else sum(len(batch.ids) for batch in batches)
    return count, batches


def _note_terminate(run: RunState, jobs: Sequence[JobRecord]) -> None:
    run.record("terminate", durable=True, jobs=write_ranges(job.index for job in jobs))
    evidence = ("never submitted",)
    run.record_ended(
        [
            run.outcome(job, State.TERMINATED, Reason.TERMINATED, evidence=evidence)
            for job in jobs
            if run.submissions[job.submission].phase is Phase.WAITING
        ]
    )


def tell(system: str, hooks: Hooks, batches: Sequence[Batch], signal: str | None) -> list[str]:
    """Tell the batch system; why it did not accept it, for each job where that is so."""
    answers = hooks.terminate(system, batches, signal) if batches else []
    return [
        f"job {native_id}: {answer[native_id]}"
        for batch, answer in zip(batches, answers, strict=True)
        for native_id in batch.ids
        if native_id in answer
    ]
