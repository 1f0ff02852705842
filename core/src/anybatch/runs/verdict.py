"""Verdicts: how a job ended, from the evidence. Pure.

done, failed and terminated need an exit record or the system's own word. Gone from the queue is
not evidence. `judge` answers None where the evidence is not enough yet.
"""

from __future__ import annotations

from typing import Any

import attrs

from anybatch.model import Reason, State
from anybatch.records import JobStatus
from anybatch.worker.exit_records import ExitRecord

_PHASES = {
    "setup": Reason.SETUP,
    "stage_in": Reason.STAGE_IN,
    "stage_out": Reason.STAGE_OUT,
}

#: Reasons of a system that hold whatever the job's own record says of its exit.
_STRONGER = frozenset(
    {
        Reason.OUT_OF_MEMORY,
        Reason.TIME_LIMIT,
        Reason.NODE_FAILURE,
        Reason.PREEMPTED,
        Reason.DEPENDENCY,
        Reason.HELD,
    }
)


@attrs.frozen(kw_only=True)
class Evidence:
    """All that is known of a job that may have ended.

    Attributes:
        record: its exit record.
        status: the system's last answer; None: it does not know the job, or was not asked.
        terminated: somebody asked through anybatch for its end.
        started: its script ran.
        restarted_uncounted: its script was started once more after the record was made, though
            the system counts no restart.
        transferred: the batch system moves its files; they may be on their way until it says that
            the job has ended.
        unconfirmed: the system may have begun the job anew after the record, and was not asked
            since.
        may_wait: whether more evidence may still come: seconds since the first sign of the end
            are few.
    """

    record: ExitRecord | None = None
    status: JobStatus | None = None
    terminated: bool = False
    started: bool = False
    restarted_uncounted: bool = False
    transferred: bool = False
    unconfirmed: bool = False
    may_wait: bool = True


@attrs.frozen(kw_only=True)
class Verdict:
    """How a job ended.

    Attributes:
        state, reason, exit_code, signal: as in `Outcome`.
        message: what only the whole of the evidence says.
        evidence: what it rests on.
    """

    state: State
    reason: Reason | None = None
    exit_code: int | None = None
    signal: int | None = None
    message: str | None = None
    evidence: tuple[str, ...] = ()


def judge(evidence: Evidence) -> Verdict | None:
    """The verdict, or None: wait, and ask again."""
    record, status = evidence.record, evidence.status
    if record and _restarted(record, status):
        record = None  # of a run of the job that the system has begun anew
    final = status is not None and status.state.final
    settled = final or not (evidence.transferred or (evidence.unconfirmed and evidence.may_wait))
    undelivered = status is not None and final and status.undelivered
    if record and record.conclusive and settled and not undelivered:
        return _by_record(record, status)
    if status and final:
        return _by_status(evidence, record, status)
    waiting = evidence.restarted_uncounted or (
        status is not None and status.state in (State.QUEUED, State.HELD)
    )
    if record and not evidence.may_wait and not waiting and not evidence.transferred:
        return _by_signal(record, status, terminated=evidence.terminated)
    return None


def _restarted(record: ExitRecord, status: JobStatus | None) -> bool:
    return status is not None and status.restarts > record.restarts


def _by_record(record: ExitRecord, status: JobStatus | None) -> Verdict:
    named = (f"exit record {record.name}", *_said(status))
    if record.phase in _PHASES:
        return Verdict(
            state=State.FAILED,
            reason=_PHASES[record.phase],
            exit_code=record.exit_code,
            evidence=named,
        )
    if record.exit_code == 0:
        return Verdict(state=State.DONE, exit_code=0, evidence=named)
    return Verdict(
        state=State.FAILED,
        reason=Reason.EXIT_CODE,
        exit_code=record.exit_code,
        evidence=named,
    )


def _by_status(evidence: Evidence, record: ExitRecord | None, status: JobStatus) -> Verdict | None:
    """The system says that it has ended; the record adds how the command did."""
    if record is None and evidence.may_wait and _record_may_come(evidence, status):
        return None
    sources = (f"exit record {record.name}",) if record else ()
    facts: dict[str, Any] = {"evidence": (*sources, *_said(status))}
    facts["exit_code"] = record.exit_code if record else status.exit_code
    facts["signal"] = record.signal if record else status.signal
    if record is None and status.state is State.DONE and status.needs_record:
        said = f"{status.source} says {status.native_state}, but the job has left no exit record"
        facts = {"message": said, "evidence": (*facts["evidence"], "no exit record")}
        facts |= {"exit_code": None, "signal": None}
    elif status.state is State.DONE and (record is None or record.exit_code == 0):
        return Verdict(state=State.DONE, **{**facts, "exit_code": 0})
    if status.state is State.TERMINATED:
        return Verdict(state=State.TERMINATED, reason=status.reason or Reason.TERMINATED, **facts)
    if status.reason is Reason.LOST and record is None:
        return Verdict(state=State.LOST, reason=Reason.LOST, **facts)
    if status.reason in _STRONGER:
        state = State.FAILED if status.state is State.DONE else status.state
        return Verdict(state=state, reason=status.reason, **facts)
    if evidence.terminated:
        return Verdict(state=State.TERMINATED, reason=Reason.TERMINATED, **facts)
    if record and record.phase in _PHASES:
        return Verdict(state=State.FAILED, reason=_PHASES[record.phase], **facts)
    return Verdict(state=State.FAILED, reason=_why(evidence, facts, status), **facts)


def _why(evidence: Evidence, facts: dict[str, Any], status: JobStatus) -> Reason:
    if status.reason and status.reason is not Reason.LOST:
        return status.reason
    if facts["signal"] is not None:
        return Reason.SIGNAL
    if status.undelivered and facts["exit_code"] == 0:
        return Reason.STAGE_OUT  # the command did its part
    if evidence.record or evidence.started:
        return Reason.EXIT_CODE if facts["exit_code"] else Reason.SIGNAL
    return Reason.SETUP  # the script itself never came to its first line


def _record_may_come(evidence: Evidence, status: JobStatus) -> bool:
    """A network file system may show the record after the system has spoken."""
    strong = status.reason in _STRONGER or status.state is State.TERMINATED
    return not (strong or status.authoritative)


def _by_signal(record: ExitRecord, status: JobStatus | None, *, terminated: bool) -> Verdict:
    """A signal ended it or was caught, and the system does not say why."""
    named = (f"exit record {record.name}", *_said(status))
    facts: dict[str, Any] = {"exit_code": record.exit_code, "signal": record.signal}
    if terminated:
        return Verdict(state=State.TERMINATED, reason=Reason.TERMINATED, evidence=named, **facts)
    if record.exit_code == 0 and record.phase == "command":
        return Verdict(state=State.DONE, exit_code=0, evidence=named)
    reason = _PHASES.get(record.phase)
    reason = reason or (Reason.SIGNAL if record.signal is not None else Reason.EXIT_CODE)
    return Verdict(state=State.FAILED, reason=reason, evidence=named, **facts)


def _said(status: JobStatus | None) -> tuple[str, ...]:
    return (f"{status.source}: {status.native_state}",) if status else ()
