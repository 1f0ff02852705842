"""Jobs that need not run: their outputs were there when the run was planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch.model import State

if TYPE_CHECKING:
    from anybatch.runs.entries import SubmissionState
    from anybatch.runs.state import RunState

_EVIDENCE = ("outputs were there, newer than the inputs",)


def end_skipped(run: RunState, one: SubmissionState) -> None:
    """Put on record that the jobs of a submission are done, which is never handed over."""
    facts: dict[str, Any] = {"message": "skipped", "evidence": _EVIDENCE}
    jobs = [run.jobs[index] for index in run.left(one)]
    run.record_ended([run.outcome(job, State.DONE, None, **facts) for job in jobs])
