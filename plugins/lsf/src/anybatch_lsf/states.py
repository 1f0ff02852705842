"""LSF's words for where a job is, and for why it was ended.

https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=execution-about-job-states
https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=jobs-termination-reasons-displayed-by-bacct-bhist-bjobs
"""

from __future__ import annotations

from anybatch.model import Reason, State

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
    "TERM_REQUEUE_ADMIN": (State.TERMINATED, None),
    "TERM_REQUEUE_OWNER": (State.TERMINATED, None),
    "TERM_RMS": (State.FAILED, Reason.NODE_FAILURE),
    "TERM_RUNLIMIT": (State.FAILED, Reason.TIME_LIMIT),
    "TERM_SLURM": (State.FAILED, Reason.NODE_FAILURE),
    "TERM_SWAP": (State.FAILED, Reason.OUT_OF_MEMORY),
    "TERM_THREADLIMIT": (State.FAILED, None),
    "TERM_UNKNOWN": (State.FAILED, None),
    "TERM_WINDOW": (State.FAILED, Reason.TIME_LIMIT),
    "TERM_ZOMBIE": (State.FAILED, Reason.NODE_FAILURE),
}
