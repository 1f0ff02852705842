"""Verdicts: how a job ended, from the evidence. Pure.

Two witnesses: the job's own exit record, and the batch system's answer. Gone from the queue is not
evidence. `judge` answers None where the evidence is not enough yet.

    record     the system: none, not final  terminated   a reason     done       failed
    none       wait; then lost (`Watcher`)  terminated   that reason  done (1)   by its own word
    exit 0     done (2)                     terminated   that (3)     done       done (4)
    exit N     failed (2)                   terminated   that reason  failed     failed
    a signal   wait; then signal (5)        terminated   that reason  signal (6) signal (5)

Exit N is any failure that the record tells, that of the set-up and of moving files too. 129 to 192
is a signal, as shells tell it of their children. A reason is one that no record tells better:
memory, time, node, preempted, dependency, held.

1. Not where the system says it of killed jobs as well (`needs_record`): then a signal; nor where
   somebody asked for the job's end: then terminated.
2. At once. Where the system may run a job again by itself (`reruns`): when it says that the job
   has ended or is not there, or still says that it runs when patience is over; not while it has it
   in its queue. If somebody asked for its end, and it is not there: terminated, for the record may
   be of a run before the one that was stopped. Where it moves the files (`transferred`): with its
   final word, or when it does not know the job any more; then a job that was held last was given
   up with its files: held.
3. But for a node that failed after all was done and in its place: done.
4. The record is the job's own word. Not done where files were not delivered, where the system
   names a signal, or where somebody asked for the job's end.
5. Terminated where somebody asked for the end.
6. Done where the record has exit code 0 and the signal is none that ends jobs.

A record of a signal is none where a later start of the job is on record: it ended an earlier run.

A job that checkpoints and ends with its code has the reason checkpointed in place of a bare exit
code, time, preempted and node: it has saved its state, and is run again.

Nobody's kill is a success in any cell. Where the witnesses disagree, the evidence says so.
"""

from __future__ import annotations

import signal as signals
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

#: What a job that has saved its state may seem to have ended by.
_CHECKPOINTS = frozenset(
    {Reason.EXIT_CODE, Reason.TIME_LIMIT, Reason.PREEMPTED, Reason.NODE_FAILURE}
)

#: Signals by which schedulers and people end jobs; others are taken for messages to a job.
_ENDING = frozenset({"TERM", "INT", "QUIT", "KILL", "XCPU", "ABRT"})


@attrs.frozen(kw_only=True)
class Evidence:
    """All that is known of a job that may have ended.

    Attributes:
        record: its exit record.
        status: the system's last answer; None: it does not know the job, or was not asked.
        terminated: somebody asked through anybatch for its end.
        checkpoint: the exit code by which the job wants to be run again; 0: none.
        started: its script ran.
        restarted_uncounted: its script was started once more after the record was made, though
            the system counts no restart.
        reruns: the system may run it again by itself.
        missing: the system does not know it (any more).
        was_held: it was held when the system said last what it does.
        transferred: the batch system moves its files; they may be on their way until it says that
            the job has ended.
        may_wait: whether more evidence may still come: seconds since the first sign of the end
            are few.
    """

    record: ExitRecord | None = None
    status: JobStatus | None = None
    terminated: bool = False
    checkpoint: int = 0
    started: bool = False
    restarted_uncounted: bool = False
    reruns: bool = False
    missing: bool = False
    was_held: bool = False
    transferred: bool = False
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
    verdict = None
    if status is not None and status.state.final:
        if record or not evidence.may_wait or not _record_may_come(status):
            verdict = _by_both(evidence, record, status)
    elif record and not evidence.transferred:
        verdict = _by_record_alone(evidence, record, status)
    if verdict and record and _has_checkpointed(evidence, record, verdict):
        verdict = attrs.evolve(verdict, reason=Reason.CHECKPOINTED)
    if verdict and record and status and _disagree(record, status):
        verdict = attrs.evolve(verdict, evidence=(*verdict.evidence, "they disagree"))
    return verdict


def _has_checkpointed(evidence: Evidence, record: ExitRecord, verdict: Verdict) -> bool:
    """Whether its own word is that it wants to go on later.

    It may have had the word that its time is over or its place is needed, so the system's word for
    that makes no failure of it. Memory that ran out may have cost the state that it saved.
    """
    said = record.phase == "command" and record.exit_code == evidence.checkpoint != 0
    return said and verdict.state is State.FAILED and verdict.reason in _CHECKPOINTS


def _disagree(record: ExitRecord, status: JobStatus) -> bool:
    success = record.exit_code == 0 and record.phase == "command"
    return status.state.final and success is not (status.state is State.DONE)


def _restarted(record: ExitRecord, status: JobStatus | None) -> bool:
    return status is not None and status.restarts > record.restarts


def _by_record_alone(
    evidence: Evidence, record: ExitRecord, status: JobStatus | None
) -> Verdict | None:
    """The system has not said that it has ended, or was not asked."""
    queued = status is not None and status.state in (State.QUEUED, State.HELD)
    begun_anew = queued and not evidence.missing
    if evidence.missing and evidence.was_held:
        said = "it was held, and is not known any more"
        named = (f"exit record {record.name}", *_said(status), said)
        held = Reason.TERMINATED if evidence.terminated else Reason.HELD
        state = State.TERMINATED if evidence.terminated else State.FAILED
        return Verdict(state=state, reason=held, exit_code=record.exit_code, evidence=named)
    if not record.conclusive:
        if begun_anew or evidence.may_wait or evidence.restarted_uncounted:
            return None
        return _by_signal(record, status, terminated=evidence.terminated)
    if evidence.reruns and not evidence.missing and (begun_anew or evidence.may_wait):
        return None
    if evidence.reruns and evidence.missing and evidence.terminated and record.exit_code == 0:
        said = "it was to be stopped, and is not known any more"
        named = (f"exit record {record.name}, maybe of a run before", *_said(status), said)
        facts: dict[str, Any] = {"exit_code": record.exit_code, "evidence": named}
        return Verdict(state=State.TERMINATED, reason=Reason.TERMINATED, **facts)
    return _by_record(record, status)


def _by_record(record: ExitRecord, status: JobStatus | None) -> Verdict:
    named = (f"exit record {record.name}", *_said(status))
    if record.exit_code == 0 and record.phase not in _PHASES:
        return Verdict(state=State.DONE, exit_code=0, evidence=named)
    reason = _PHASES.get(record.phase, Reason.EXIT_CODE)
    return Verdict(state=State.FAILED, reason=reason, exit_code=record.exit_code, evidence=named)


def _by_both(evidence: Evidence, record: ExitRecord | None, status: JobStatus) -> Verdict:
    """The system says that it has ended; the record adds how the command did."""
    sources = (f"exit record {record.name}",) if record else ()
    facts: dict[str, Any] = {"evidence": (*sources, *_said(status))}
    facts["exit_code"] = record.exit_code if record else status.exit_code
    facts["signal"] = record.signal if record else status.signal
    if status.state is State.TERMINATED:
        return Verdict(state=State.TERMINATED, reason=status.reason or Reason.TERMINATED, **facts)
    if status.reason in _STRONGER and not _done_before(record, status):
        return Verdict(state=State.FAILED, reason=status.reason, **facts)
    if record and record.conclusive and not _killed(evidence, record, status):
        return _by_record(record, status)
    if status.state is State.DONE and _vouched_for(evidence, record, status):
        return Verdict(state=State.DONE, **{**facts, "exit_code": 0})
    if status.reason is Reason.LOST and record is None:
        return Verdict(state=State.LOST, reason=Reason.LOST, **facts)
    if record is None and status.state is State.DONE:  # nor is its exit code believed
        said = f"{status.source} says {status.native_state}, but the job has left no exit record"
        facts = {"message": said, "evidence": (*facts["evidence"], "no exit record")}
        facts |= {"exit_code": None, "signal": None}
    if evidence.terminated:
        return Verdict(state=State.TERMINATED, reason=Reason.TERMINATED, **facts)
    if record and record.exit_code == 0 and facts["signal"] is None:
        facts["signal"] = status.signal or _number(record.caught)
    if record and record.phase in _PHASES:
        return Verdict(state=State.FAILED, reason=_PHASES[record.phase], **facts)
    return Verdict(state=State.FAILED, reason=_why(evidence, facts, status), **facts)


def _done_before(record: ExitRecord | None, status: JobStatus) -> bool:
    """Whether a node failed after all was done and in its place."""
    ended = record is not None and record.conclusive and record.exit_code == 0
    return ended and status.reason is Reason.NODE_FAILURE and not status.undelivered


def _killed(evidence: Evidence, record: ExitRecord, status: JobStatus) -> bool:
    """Whether a job whose record tells of success was ended by somebody, or lost its files."""
    if record.exit_code != 0 or record.phase != "command" or status.state is State.DONE:
        return False
    return evidence.terminated or status.signal is not None or status.undelivered


def _vouched_for(evidence: Evidence, record: ExitRecord | None, status: JobStatus) -> bool:
    """Whether the system's word that it is done makes a success of what no record proves."""
    if record is None:
        ended_by_us = evidence.terminated and not status.authoritative
        return not ended_by_us and not status.needs_record
    if record.exit_code != 0 or record.phase != "command":
        return False
    return record.caught not in _ENDING or not (evidence.terminated or status.needs_record)


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


def _record_may_come(status: JobStatus) -> bool:
    """A network file system may show the record after the system has spoken."""
    strong = status.reason in _STRONGER or status.state is State.TERMINATED
    return not (strong or status.authoritative)


def _by_signal(record: ExitRecord, status: JobStatus | None, *, terminated: bool) -> Verdict:
    """A signal ended it or was caught, and the system does not say why."""
    named = (f"exit record {record.name}", *_said(status))
    facts: dict[str, Any] = {"exit_code": record.exit_code, "signal": record.signal}
    if terminated:
        return Verdict(state=State.TERMINATED, reason=Reason.TERMINATED, evidence=named, **facts)
    reason = _PHASES.get(record.phase)
    if record.exit_code == 0 and reason is None:
        if record.caught not in _ENDING:
            return Verdict(state=State.DONE, exit_code=0, evidence=named)
        facts["signal"] = _number(record.caught)
    reason = reason or (Reason.SIGNAL if facts["signal"] is not None else Reason.EXIT_CODE)
    return Verdict(state=State.FAILED, reason=reason, evidence=named, **facts)


def _number(caught: str | None) -> int | None:
    """The number of a signal; None where it has none here."""
    return getattr(signals, f"SIG{caught}", None)


def _said(status: JobStatus | None) -> tuple[str, ...]:
    return (f"{status.source}: {status.native_state}",) if status else ()
