"""The words that the supervisor has for a job, and what they mean to anybatch."""

from __future__ import annotations

import enum

from anybatch.model import Reason, State


class Word(str, enum.Enum):
    """Where a job is. All from `DONE` on are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"  #: exit status 0
    FAILED = "FAILED"  #: any other exit status, or a signal
    TIME_LIMIT = "TIME_LIMIT"  #: ended by the supervisor
    TERMINATED = "TERMINATED"  #: ended, or taken from the queue, because a user asked for it
    DEPENDENCY = "DEPENDENCY"  #: a job that it was to run after is not done
    NOT_STARTED = "NOT_STARTED"  #: the operating system refused to start it
    NODE_FAILURE = "NODE_FAILURE"  #: the machine went down under it
    GONE = "GONE"  #: it ended while no supervisor was there to see how


MEANING: dict[Word, tuple[State, Reason | None]] = {
    Word.QUEUED: (State.QUEUED, None),
    Word.RUNNING: (State.RUNNING, None),
    Word.DONE: (State.DONE, None),
    Word.FAILED: (State.FAILED, None),
    Word.TIME_LIMIT: (State.FAILED, Reason.TIME_LIMIT),
    Word.TERMINATED: (State.TERMINATED, Reason.TERMINATED),
    Word.DEPENDENCY: (State.TERMINATED, Reason.DEPENDENCY),
    Word.NOT_STARTED: (State.FAILED, Reason.SETUP),
    Word.NODE_FAILURE: (State.FAILED, Reason.NODE_FAILURE),
    Word.GONE: (State.FAILED, Reason.LOST),
}
