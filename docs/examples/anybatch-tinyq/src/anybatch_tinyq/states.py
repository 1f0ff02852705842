"""The words of tinyq, and what they mean. `tinyq list` prints no others."""

from __future__ import annotations

from anybatch import State

STATES = {
    "WAITING": State.QUEUED,
    "RUNNING": State.RUNNING,
    "STOPPING": State.RUNNING,
    "ENDED": State.DONE,  # if the exit code is 0; otherwise FAILED
    "STOPPED": State.TERMINATED,
}
