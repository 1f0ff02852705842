"""What the batch system's word about a pack means for one of the jobs in it. Pure.

The system knows packs only. That one runs does not mean that each job of it does, and how it ended
says nothing of a job that had ended before. A pack that is started anew passes such jobs by, so
their records hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from anybatch.model import Reason, State
from anybatch.records import Transfer

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
OUT_OF_TIME = "its pack stopped shortly before its time limit"
NO_SIGN = "nothing of it came back from its pack"


_OUT_OF_TIME = 124  #: the exit code of a pack that has stopped itself so (`pieces/apart.sh`)


def status_of_member(
    status: JobStatus, record: ExitRecord | None, *, begun: bool, moved: bool = False
) -> JobStatus:
    """The status of a job of a pack.

    Args:
        status: of the pack.
        record: the job's exit record, as far as there is one.
        begun: whether its script has begun, in the start of the pack that *status* is about.
        moved: the batch system moves the files of the pack, so they come at its end.
    """
    own: JobStatus = attrs.evolve(status, **_OF_THE_PACK, needs_record=record is None)
    if moved:
        stopped = status.state is State.FAILED and status.exit_code == _OUT_OF_TIME
        if stopped and not status.undelivered:
            own = attrs.evolve(own, reason=Reason.TIME_LIMIT, message=OUT_OF_TIME)
        return _status_when_moved(own, record, begun=begun, sign=NOT_BEGUN if stopped else NO_SIGN)
    if record is not None and record.conclusive:
        return attrs.evolve(own, state=State.RUNNING, reason=None, restarts=record.restarts)
    if begun or record is not None:
        return own
    if status.state is State.RUNNING:
        return attrs.evolve(own, state=State.QUEUED, message=WAITS)
    return _with_message(own, NOT_BEGUN)


def _status_when_moved(
    own: JobStatus, record: ExitRecord | None, *, begun: bool, sign: str
) -> JobStatus:
    """Until the pack has ended nobody knows; then its files are there, or never will be.

    Args:
        sign: what it means that a job has left nothing.
    """
    if not own.state.final:
        return own
    if record is not None and record.conclusive and not own.undelivered:
        state = State.DONE if record.exit_code == 0 else State.FAILED
        return attrs.evolve(own, state=state, reason=None, message=None, restarts=record.restarts)
    return own if begun or record is not None else _with_message(own, sign)


def _with_message(own: JobStatus, text: str) -> JobStatus:
    """An end with what is to be said of it."""
    if not own.state.final:
        return own
    return attrs.evolve(own, message=f"{text}: {own.message}" if own.message else text)


def own_word(run: RunState, seen: RunObservation, job: JobRecord, status: JobStatus) -> JobStatus:
    """What the system says of a job, which it may know only as a part of a pack.

    It depends on what the job has left, so it is made of the system's answer each time.
    """
    if not run.packed:
        return status
    begun = seen.exits.start(job.index, job.attempt, status.restarts) is not None
    moved = run.submission_of(job).transfer is Transfer.SYSTEM
    return status_of_member(status, seen.records.get(job.index), begun=begun, moved=moved)
