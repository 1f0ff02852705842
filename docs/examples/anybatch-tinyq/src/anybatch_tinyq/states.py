"""The words of tinyq, and what they mean. It prints no others."""

from anybatch import State

STATES = {
    "WAITING": State.QUEUED,
    "HELD": State.HELD,
    "RUNNING": State.RUNNING,
    "STOPPING": State.RUNNING,
    "ENDED": State.DONE,  # if the exit code is 0; otherwise FAILED
    "STOPPED": State.TERMINATED,
}
