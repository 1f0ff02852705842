"""LSF's words for where a job is, and for why it was ended, and what they come to. Pure.

https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=execution-about-job-states
https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=jobs-termination-reasons-displayed-by-bacct-bhist-bjobs
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
from anybatch.model import Reason, State
from anybatch.records import JobStatus

if TYPE_CHECKING:
    from datetime import datetime

#: No round of scheduling takes longer (MBD_SLEEP_TIME; a minute by default).
LONGEST_ROUND = timedelta(minutes=15)

#: Every word of the manual. A word that is not here is kept and counts as running: not known.
STATES: dict[str, State] = {
    "DONE": State.DONE,
    "EXIT": State.FAILED,
    "PEND": State.QUEUED,
    "POST_DONE": State.DONE,
    "POST_ERR": State.DONE,  # what runs after the job has failed, not the job
    "PROV": State.QUEUED,  # its machine is being started
    "PSUSP": State.HELD,
    "RUN": State.RUNNING,
    "SSUSP": State.RUNNING,
    "UNKWN": State.RUNNING,  # its machine does not answer; the job may well go on there
    "USUSP": State.RUNNING,
    "WAIT": State.QUEUED,  # in a chunk, behind others
    "ZOMBI": State.RUNNING,  # killed while its machine did not answer: it is EXIT once it does
}

#: Words of a job about which LSF itself is not sure.
DOUBTFUL = {
    "SSUSP": "suspended by LSF",
    "UNKWN": "LSF has lost contact with the machine that it runs on",
    "USUSP": "suspended by its owner or an administrator",
    "ZOMBI": "killed, but the machine that it runs on does not answer",
}

#: Why LSF has ended a job; for those with None the exit code or the signal tells.
TERMINATIONS: dict[str, tuple[State, Reason | None]] = {
    "TERM_ADMIN": (State.TERMINATED, None),
    "TERM_BUCKET_KILL": (State.TERMINATED, None),
    "TERM_CHKPNT": (State.TERMINATED, None),
    "TERM_CPULIMIT": (State.FAILED, Reason.TIME_LIMIT),
    "TERM_CSM_ALLOC": (State.FAILED, Reason.NODE_FAILURE),
    "TERM_CWD_NOTEXIST": (State.FAILED, Reason.SETUP),
    "TERM_DATA": (State.FAILED, Reason.STAGE_IN),
    "TERM_DEADLINE": (State.FAILED, Reason.TIME_LIMIT),
    "TERM_EXTERNAL_SIGNAL": (State.FAILED, None),
    "TERM_FORCE_ADMIN": (State.TERMINATED, None),
    "TERM_FORCE_OWNER": (State.TERMINATED, None),
    "TERM_KUBE": (State.FAILED, Reason.NODE_FAILURE),
    "TERM_LOAD": (State.FAILED, Reason.PREEMPTED),
    "TERM_MC_RECALL": (State.FAILED, Reason.PREEMPTED),
    "TERM_MEMLIMIT": (State.FAILED, Reason.OUT_OF_MEMORY),
    "TERM_ORPHAN_SYSTEM": (State.TERMINATED, Reason.DEPENDENCY),
    "TERM_OTHER": (State.TERMINATED, None),
    "TERM_OWNER": (State.TERMINATED, None),
    "TERM_PREEMPT": (State.FAILED, Reason.PREEMPTED),
    "TERM_PRE_EXEC_FAIL": (State.FAILED, Reason.SETUP),
    "TERM_PROCESSLIMIT": (State.FAILED, None),
    "TERM_RC": (State.FAILED, Reason.NODE_FAILURE),
    "TERM_REMOVE_HUNG_JOB": (State.TERMINATED, None),
    "TERM_RMS": (State.FAILED, Reason.NODE_FAILURE),
    "TERM_RUNLIMIT": (State.FAILED, Reason.TIME_LIMIT),
    "TERM_SLURM": (State.FAILED, Reason.NODE_FAILURE),
    "TERM_SWAP": (State.FAILED, Reason.OUT_OF_MEMORY),
    "TERM_THREADLIMIT": (State.FAILED, None),
    "TERM_UNKNOWN": (State.FAILED, None),
    "TERM_WINDOW": (State.FAILED, Reason.TIME_LIMIT),
    "TERM_ZOMBIE": (State.FAILED, Reason.NODE_FAILURE),
}

#: It has ended to be run again (`brequeue`), and bjobs has not put it back among the others yet.
REQUEUED = frozenset({"TERM_REQUEUE_ADMIN", "TERM_REQUEUE_OWNER"})

TERM = re.compile(r"\bTERM_[A-Z_]+")


@attrs.frozen(kw_only=True)
class Said:
    """What a command tells of a job.

    Attributes:
        word: its state.
        code, signal: how it ended; shells have 128 and a signal for a code.
        why: text with a word of `TERMINATIONS`, or empty.
        host: where it runs; `?`: it runs, nobody tells where; empty: it does not run yet.
        ended_by: what else tells how it was ended: state, reason and message.
        waits: why it waits, if it does.
    """

    word: str
    code: int | None = None
    signal: int | None = None
    why: str = ""
    host: str = ""
    ended_by: tuple[State, Reason | None, str] | None = None
    waits: str = ""


def status_of(source: str, said: Said) -> JobStatus:
    """The status that words come to."""
    place = None if said.host in ("", "-") else said.host
    status = JobStatus(
        state=STATES.get(said.word, State.RUNNING),
        native_state=said.word,
        source=source,
        message=DOUBTFUL.get(said.word),
        host=place.split(":")[0].split("*")[-1] if place and place != "?" else None,
    )
    if status.state is State.FAILED or (status.state is State.DONE and said.code):
        return _failed(status, said, ran=place is not None)
    if status.state is State.DONE:
        return attrs.evolve(status, exit_code=0)
    if status.state in (State.QUEUED, State.HELD) and said.waits:
        return attrs.evolve(status, message=said.waits)
    return status


def _failed(status: JobStatus, said: Said, *, ran: bool) -> JobStatus:
    term = TERM.search(said.why)
    if term and term[0] in REQUEUED:
        return attrs.evolve(status, state=State.QUEUED, message=said.why)
    state, reason = TERMINATIONS.get(term[0] if term else "", (State.FAILED, None))
    message = said.why or None
    if said.ended_by and not message:
        state, reason, message = said.ended_by
    code, signal = said.code or None, said.signal
    if signal is None and code is not None and 128 < code <= 128 + 64:
        # The job script itself never ends so without a record, which is then believed.
        signal, code = code - 128, None
    never_started = code is None and signal is None and not ran
    if never_started and reason is None:
        state = State.TERMINATED  # killed while it was pending
    return attrs.evolve(
        status,
        state=state,
        reason=reason,
        message=message,
        exit_code=code,
        signal=signal,
        never_started=never_started,
    )


def distrusted(status: JobStatus) -> JobStatus:
    """What OpenLava says, whose DONE may be the end of a job that a signal has ended.

    Up to 4.0 its res takes the exit code of a shell that a signal has ended, and that is 0
    (lsf/res/res.handler.c).
    """
    return attrs.evolve(status, needs_record=True) if status.state is State.DONE else status


def settled(listed: JobStatus, logged: JobStatus, now: datetime) -> JobStatus:
    """The status of a job that bjobs lists as ended, and of which bhist knows the past as well.

    OpenLava shows a job that is to run again as EXIT or DONE until its next round of scheduling.
    """
    if logged.state.final:
        return listed if logged.never_started and not listed.never_started else logged
    if logged.state in (State.QUEUED, State.HELD):
        forgotten = listed.ended is not None and now - listed.ended > LONGEST_ROUND
        return listed if forgotten else logged
    begun_again = logged.started and listed.ended and logged.started >= listed.ended
    return logged if begun_again else listed
