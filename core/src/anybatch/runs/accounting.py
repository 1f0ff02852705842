"""What only accounting knows of jobs that have ended: filled into their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.model import Outcome
    from anybatch.records import Batch, JobStatus
    from anybatch.runs.state import JobRecord, RunState

_FACTS = ("host", "started", "ended", "cpu_time", "max_memory")


def unaccounted(run: RunState) -> list[Batch]:
    """The jobs of a run that has ended whose use is not known."""
    return run.batches(job for job in run.jobs if _lacks_use(job))


def _lacks_use(job: JobRecord) -> bool:
    outcome = job.outcome
    return outcome is not None and outcome.id is not None and outcome.cpu_time is None


def fill_in(
    run: RunState, answered: Sequence[tuple[Batch, Mapping[str, JobStatus]]]
) -> list[Outcome]:
    """The outcomes with the facts that they lacked; the verdicts stay."""
    told = {
        (batch.submission.number, native_id): answer[native_id]
        for batch, answer in answered
        for native_id in batch.ids
        if native_id in answer
    }
    filled = []
    for job in run.jobs:
        status = told.get((job.submission, job.native_id or ""))
        if job.outcome is not None and status is not None:
            facts = {n: getattr(job.outcome, n) or getattr(status, n) for n in _FACTS}
            filled.append(attrs.evolve(job.outcome, **facts))
    return filled
