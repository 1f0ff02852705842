"""The grid's words for where a job is: DIRAC's.

https://github.com/DIRACGrid/DIRAC/blob/integration/src/DIRAC/WorkloadManagementSystem/Client/JobStatus.py
(7.3 to 8.0): the states and the state machine of jobs.
"""

from __future__ import annotations

from anybatch import Reason, State

#: Every state of DIRAC. One that is not here counts as running: not known is no end. Completed is
#: no end either: the payload has finished, and requests make it Done or Failed. Stalled goes on to
#: Running, Failed or Killed.
STATES: dict[str, State] = {
    "Submitting": State.QUEUED,
    "Received": State.QUEUED,
    "Checking": State.QUEUED,
    "Staging": State.QUEUED,
    "Scouting": State.QUEUED,
    "Waiting": State.QUEUED,
    "Matched": State.QUEUED,
    "Rescheduled": State.QUEUED,
    "Running": State.RUNNING,
    "Stalled": State.RUNNING,
    "Completing": State.RUNNING,
    "Completed": State.RUNNING,
    "Done": State.DONE,
    "Failed": State.FAILED,
    "Killed": State.TERMINATED,
    "Deleted": State.TERMINATED,
}

#: What the application says of itself after a success.
APPLICATION_DONE = "Done"
#: How DIRAC names jobs that their site has lost.
_STALLED = "stalled"


def read_state(status: str, minor: str, application: str) -> tuple[State, Reason | None]:
    """State and reason; Done is only done where the application says so too."""
    state = STATES.get(status, State.RUNNING)
    if state is State.DONE and application != APPLICATION_DONE:
        return State.FAILED, Reason.STAGE_OUT  # its output could not be uploaded
    if state is State.FAILED:
        return state, Reason.NODE_FAILURE if _STALLED in minor.lower() else Reason.EXIT_CODE
    return state, None
