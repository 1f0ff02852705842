"""What the batch system's word about a pack means for one of the jobs in it. Pure.

The system knows packs only. That one runs does not mean that each job of it does, and how it ended
says nothing of a job that had ended before. A pack that is started anew passes such jobs by, so
their records hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from anybatch.model import State

if TYPE_CHECKING:
    from anybatch.records import JobStatus
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.observation import RunObservation
    from anybatch.runs.state import RunState
    from anybatch.worker.exit_records import ExitRecord


#: What is told of the pack, and not of any job in it.
_OF_THE_PACK: dict[str, Any] = dict.fromkeys(
    ("started", "ended", "cpu_time", "max_memory", "exit_code", "signal", "stdout", "stderr")
)
NOT_BEGUN = "it had not begun when its pack ended"
WAITS = "its pack runs, and it has not had its turn yet"


def status_of_member(status: JobStatus, record: ExitRecord | None, *, begun: bool) -> JobStatus:
    """The status of a job of a pack.

    Args:
        status: of the pack.
        record: the job's exit record, as far as there is one.
        begun: whether its script has begun, in the start of the pack that *status* is about.
    """
    own: JobStatus = attrs.evolve(status, **_OF_THE_PACK)
    if record is not None and record.conclusive:
        return attrs.evolve(own, state=State.RUNNING, reason=None, restarts=record.restarts)
    if begun or record is not None:
        return own
    if status.state is State.RUNNING:
        return attrs.evolve(own, state=State.QUEUED, message=WAITS)
    if status.state.final:
        message = f"{NOT_BEGUN}: {status.message}" if status.message else NOT_BEGUN
        return attrs.evolve(own, message=message)
    return own


def own_word(run: RunState, seen: RunObservation, job: JobRecord, status: JobStatus) -> JobStatus:
    """What the system says of a job, which it may know only as a part of a pack."""
    if not run.packed:
        return status
    begun = seen.exits.start(job.index, job.attempt, status.restarts) is not None
    return status_of_member(status, seen.records.get(job.index), begun=begun)
