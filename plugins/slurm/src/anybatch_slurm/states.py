"""Slurm's words for where a job is.

https://slurm.schedmd.com/job_state_codes.html (26.05), "Job states" and "Job state flags".
"""

from __future__ import annotations

from anybatch.model import Reason, State

#: Every word of the manual. A word that is not here is kept and counts as running: not known.
STATES: dict[str, tuple[State, Reason | None]] = {
    # base states
    "BOOT_FAIL": (State.FAILED, Reason.NODE_FAILURE),
    "CANCELLED": (State.TERMINATED, None),
    "COMPLETED": (State.DONE, None),
    "DEADLINE": (State.FAILED, Reason.TIME_LIMIT),
    "FAILED": (State.FAILED, None),
    "NODE_FAIL": (State.FAILED, Reason.NODE_FAILURE),
    "OUT_OF_MEMORY": (State.FAILED, Reason.OUT_OF_MEMORY),
    "PENDING": (State.QUEUED, None),
    "PREEMPTED": (State.FAILED, Reason.PREEMPTED),
    "RUNNING": (State.RUNNING, None),
    "SUSPENDED": (State.RUNNING, None),
    "TIMEOUT": (State.FAILED, Reason.TIME_LIMIT),
    # flags, which stand in for the base state while they hold
    "COMPLETING": (State.RUNNING, None),
    "CONFIGURING": (State.RUNNING, None),
    "EXPEDITING": (State.QUEUED, None),
    "LAUNCH_FAILED": (State.QUEUED, None),
    "POWER_UP_NODE": (State.QUEUED, None),
    "RECONFIG_FAIL": (State.QUEUED, None),
    "REQUEUED": (State.QUEUED, None),
    "REQUEUE_FED": (State.QUEUED, None),
    "REQUEUE_HOLD": (State.HELD, None),
    "RESIZING": (State.RUNNING, None),
    "RESV_DEL_HOLD": (State.HELD, None),
    "REVOKED": (State.RUNNING, None),  # another cluster of the federation has started it
    "SIGNALING": (State.RUNNING, None),
    "SPECIAL_EXIT": (State.HELD, None),
    "STAGE_OUT": (State.RUNNING, None),
    "STOPPED": (State.RUNNING, None),
    "UPDATE_DB": (State.RUNNING, None),
}

#: Reasons of a pending job that end only when somebody does something (squeue(1), REASON CODES).
HELD_REASONS = frozenset(
    {
        "JobHeldAdmin",
        "JobHeldUser",
        "JobHoldMaxRequeue",
        "DependencyNeverSatisfied",
        "BadConstraints",
        "launch failed requeued held",
        "launch_failed_requeued_held",
        "job requeued in held state",
        "job_requeued_in_held_state",
    }
)

#: Words that sacct cuts to its column's width where it is not asked for `--parsable2`.
_CUT = "+"


def read_state(word: str) -> tuple[State, Reason | None, str]:
    """State, reason and the plain word for what a Slurm command printed.

    `CANCELLED by 1000` and the cut `CANCELLED+` are CANCELLED; `OUT_OF_ME+` is the one word
    that begins so. A word that may be several is not known.
    """
    plain = word.split(" ", maxsplit=1)[0]
    if plain.endswith(_CUT):
        begin = plain.rstrip(_CUT)
        whole = [known for known in STATES if known.startswith(begin)]
        plain = whole[0] if len(whole) == 1 else begin
    state, reason = STATES.get(plain, (State.RUNNING, None))
    return state, reason, plain
