"""HTCondor's words for where a job is, and why it is held.

Job status and hold reason codes: https://htcondor.readthedocs.io/en/latest/classad-attributes/
job-classad-attributes.html; events: .../codes-other-values/job-event-log-codes.html.
"""

from __future__ import annotations

from anybatch.model import Reason, State

#: `JobStatus` in the queue. What has ended stands there only until its files are fetched.
QUEUE_STATES: dict[int, tuple[State, str]] = {
    1: (State.QUEUED, "idle"),
    2: (State.RUNNING, "running"),
    3: (State.RUNNING, "removing"),  # its machine has not confirmed yet
    4: (State.DONE, "completed"),
    5: (State.HELD, "held"),
    6: (State.RUNNING, "transferring output"),
    7: (State.RUNNING, "suspended"),
}
IDLE, REMOVED, COMPLETED, HELD = 1, 3, 4, 5

#: Events of the job event log that say where the job is then. Final ones are read apart.
EVENT_STATES: dict[int, tuple[State, str]] = {
    0: (State.QUEUED, "idle"),  # SUBMIT
    1: (State.RUNNING, "running"),  # EXECUTE
    3: (State.RUNNING, "checkpointed"),  # CHECKPOINTED
    4: (State.QUEUED, "evicted"),  # JOB_EVICTED
    7: (State.QUEUED, "shadow exception"),  # SHADOW_EXCEPTION
    10: (State.RUNNING, "suspended"),  # JOB_SUSPENDED
    11: (State.RUNNING, "running"),  # JOB_UNSUSPENDED
    13: (State.QUEUED, "released"),  # JOB_RELEASED
    22: (State.RUNNING, "disconnected"),  # JOB_DISCONNECTED
    23: (State.RUNNING, "running"),  # JOB_RECONNECTED
    24: (State.QUEUED, "reconnect failed"),  # JOB_RECONNECT_FAILED
}
SUBMIT, EXECUTE, EVICTED, TERMINATED, IMAGE_SIZE, SHADOW_EXCEPTION = 0, 1, 4, 5, 6, 7
ABORTED, HOLD, REMOTE_ERROR, DISCONNECTED, RECONNECT_FAILED, TRANSFER = 9, 12, 21, 22, 24, 40
CLUSTER_SUBMIT, CLUSTER_REMOVE = 35, 36

#: `Type` of a FILE_TRANSFER event.
TRANSFER_STATES: dict[int, tuple[State, str]] = {
    1: (State.QUEUED, "waiting to transfer input"),
    2: (State.RUNNING, "transferring input"),
    4: (State.RUNNING, "waiting to transfer output"),
    5: (State.RUNNING, "transferring output"),
}

#: Holds that somebody wanted, and one that passes by itself (input is spooled).
WANTED_HOLDS = (1, 15, 16)
#: Holds for the time that the job was given: job duration and execute duration exceeded.
TIME_HOLDS = (46, 47)
#: Out of resources, told by the machine (34) or by a policy of its (21, 26).
_RESOURCE_HOLDS = (21, 26, 34)
_MEMORY, _DISK = 102, 104


def hold_reason(code: int | None, subcode: int | None) -> Reason:
    """Why a job is held, as the reason of one that was removed for it."""
    if code in TIME_HOLDS:
        return Reason.TIME_LIMIT
    if code in _RESOURCE_HOLDS and subcode == _MEMORY:
        return Reason.OUT_OF_MEMORY
    return Reason.HELD


def hold_message(text: str | None, code: int | None, subcode: int | None) -> str:
    """A hold for people: what is exceeded, HTCondor's words, and its codes."""
    what = {Reason.TIME_LIMIT: "over time", Reason.OUT_OF_MEMORY: "out of memory"}.get(
        hold_reason(code, subcode), ""
    )
    if code in _RESOURCE_HOLDS and subcode == _DISK:
        what = "over disk"
    codes = f"hold code {code or 0}, subcode {subcode or 0}"
    return f"{': '.join(filter(None, (what, text)))} ({codes})".strip()
