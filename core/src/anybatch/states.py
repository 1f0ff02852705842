"""How a job goes: its states, and the reasons why one is not done."""

from __future__ import annotations

import enum


class State(str, enum.Enum):
    """Where a job is. The set is small and closed; `native_state` has the system's own word."""

    NEW = "new"  #: not submitted to the batch system yet
    QUEUED = "queued"
    HELD = "held"  #: in the queue, but will not start by itself
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TERMINATED = "terminated"
    LOST = "lost"  #: no source knows how it ended

    @property
    def final(self) -> bool:
        """Whether a job in this state will never change again."""
        return self in _FINAL


_FINAL = frozenset({State.DONE, State.FAILED, State.TERMINATED, State.LOST})


class Reason(str, enum.Enum):
    """Why a job is not done."""

    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out_of_memory"
    TIME_LIMIT = "time_limit"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"
    CHECKPOINTED = "checkpointed"  #: it has saved its state, and wants to be run again
    SETUP = "setup"  #: the working directory, the logs, env_script, env or setup failed
    STAGE_IN = "stage_in"
    STAGE_OUT = "stage_out"
    HELD = "held"
    REJECTED = "rejected"  #: the batch system refused the submission
    TERMINATED = "terminated"
    DEPENDENCY = "dependency"  #: a job that it depends on is not done
    LOST = "lost"
