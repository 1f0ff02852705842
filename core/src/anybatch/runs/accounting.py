"""What only accounting knows of jobs that have ended: filled into their outcomes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import AnybatchError
from anybatch.runs.facts import in_order

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from anybatch.outcome import Outcome
    from anybatch.plugins.calls import Hooks
    from anybatch.records import Batch, JobStatus
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.state import RunState
    from anybatch.runs.watched import WatchedRun

_FACTS = ("host", "started", "ended", "cpu_time", "max_memory")


def fill_in(run: WatchedRun, hooks: Hooks, mutex: threading.RLock) -> None:
    """Ask what the jobs of a run that has ended used; once, and without it life goes on."""
    with mutex:
        known = run.accounted or run.state.packed  # of a pack, not of the jobs in it
        batches = [] if known else run.state.batches(filter(_lacks_use, run.state.jobs))
        run.accounted = True
    if not batches:
        return
    with contextlib.suppress(AnybatchError):
        answers = hooks.account(run.system, batches)
        with mutex:
            filled = list(_filled(run.state, list(zip(batches, answers, strict=True))))
            if filled:
                run.state.record_ended(filled)


def _lacks_use(job: JobRecord) -> bool:
    outcome = job.outcome
    return outcome is not None and outcome.id is not None and outcome.cpu_time is None


def _filled(
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
            filled.append(in_order(attrs.evolve(job.outcome, **facts)))
    return filled
