"""A job as programs see it: `JobView`, from what is on record and what this process has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.outcome import JobView

if TYPE_CHECKING:
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.watched import WatchedRun

_FACTS = (
    *("reason", "exit_code", "signal", "host", "submitted", "started", "ended"),
    *("cpu_time", "max_memory"),
)


def view_of(run: WatchedRun, job: JobRecord) -> JobView:
    """A job as it is now. The verdict's facts count; until it is there, the system's last word."""
    state = run.state
    stdout, stderr = state.logs(job)
    known = job.outcome or run.seen.statuses.get(job.index)
    facts = {name: getattr(known, name, None) for name in _FACTS}
    facts["submitted"] = facts["submitted"] or state.submitted_at(job)
    return JobView(
        run=state.id,
        index=job.index,
        name=state.name(job),
        labels=state.labels(job),
        params=state.params(job),
        resources=state.submission_of(job).resources,
        id=state.id_of(job),
        state=job.state,
        native_state=job.native_state,
        message=job.outcome.message if job.outcome else run.said_of(job),
        stdout=stdout,
        stderr=stderr,
        attempt=job.attempt,
        **facts,
    )
