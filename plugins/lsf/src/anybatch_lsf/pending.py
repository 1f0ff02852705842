"""Why a job waits, in plain words. Pure.

The sentences are those of OpenLava's lsbatch/lib/lsb.reason.c, which are LSF's too, and those of
LSF 10.1's key reasons (`bjobs -p1`). One that is not here is shown as it is.

How many hosts give a reason, and in which order, changes with every round of scheduling. It is left
out: each change of a message is an event in the journal of a run.
"""

from __future__ import annotations

import re

_MOST = 3  #: reasons that are told
_NEVER = "if no host ever has what it asks for, it never starts"

#: What ends only when somebody changes something.
_STAYS = {
    "There are no suitable hosts for the job": "ask for less, or for another queue (--queue)",
    "Dependency condition invalid or never satisfied": "a job that it depends on has failed",
    "The job was suspended by the user while pending": "it is held; bresume releases it",
    "The job was suspended by LSF admin or root while pending": "an administrator holds it",
    "Job was suspended by LSF admin or root while pending": "an administrator holds it",
    "The queue is inactivated by the administrator": "use another queue (--queue), or ask them",
    "Unable to determine user account for execution": "ask the administrators",
    "The user has no permission to run the job on remote host/cluster": "ask the administrators",
    "Event is rejected by eeventd due to syntax error": "correct the condition that it waits for",
    "Failed to get user password": "ask the administrators",
}
#: What passes by itself, or may.
_PASSES = {
    "New job is waiting for scheduling": "LSF has not looked at it yet",
    "The job has a specified start time": "that has not come",
    "Job dependency condition not satisfied": "a job that it depends on has not ended",
    "Requeued job is waiting for rescheduling": "it is run again",
    "The job has been requeued": "it is run again",
    "Preempted job is waiting to be resumed": "a more urgent job has its place",
    "The queue is inactivated by its time windows": "it starts jobs at certain times only",
    "The queue has reached its job slot limit": "it waits until jobs of the queue have ended",
    "The queue has not enough job slots for the parallel job": "others use them",
    "User has reached the per-user job slot limit of the queue": "it waits until yours have ended",
    "Not enough per-user job slots of the queue for the parallel job": "your jobs use them",
    "The user has reached his/her job slot limit": "it waits until your jobs have ended",
    "The user has not enough job slots for the parallel job": "your jobs use them",
    "One of the user's groups has reached its job slot limit": "it waits for jobs of the group",
    "The job array has reached its job slot limit": "as many of its jobs run as may at once",
    "The job group limit has been reached": "it waits until jobs of the group have ended",
    "Not allowed due to resource limit.": "it waits until other jobs have ended",
    "The job's pre-exec command exited with non-zero status": "it is tried again on other hosts",
    "The queue's pre-exec command exited with non-zero status": "it is tried again on other hosts",
    "The schedule of the job is postponed for a while": "",
    "Job slot limit reached": "the slots of these hosts are in use",
    "Not enough job slot(s)": "other jobs use them",
    "Job's resource requirements not satisfied": (f"as hosts are now; {_NEVER}"),
    "Job's requirements for resource reservation not satisfied": (
        f"hosts have less left than it asks for; {_NEVER}"
    ),
    "Not enough hosts to meet the job's spanning requirement": (
        "fewer hosts are free than it asks for (--nodes)"
    ),
    "Not enough processors to meet the job's spanning requirement": (
        f"no host has so many slots free; {_NEVER}"
    ),
    "Job's requirement for exclusive execution not satisfied": "no host is empty (--exclusive)",
    "Just started a job recently": "LSF starts no two jobs on a host at the same moment",
}
#: What is true of hosts that are none for the job; told if nothing else is.
_OTHER_HOSTS = {
    "Not specified in job submission": "hosts that it does not ask for",
    "Not usable to the queue": "hosts of other queues",
    "Closed by LSF administrator": "hosts that take no jobs now",
    "Load information unavailable": "hosts that do not answer",
    "Unable to reach slave batch server": "hosts that do not answer",
    "Dispatch windows closed": "hosts that start jobs at certain times only",
    "Not the same type as the submission host": "hosts of another kind",
    "LIM is unreachable now": "hosts that do not answer",
}
_RESERVED = re.compile(r"Job'?s? requirements for reserving resource \((\w+)\) not satisfied")
_LOAD = re.compile(r"^(The .* is (beyond threshold|low)|There are too many|Load threshold reached)")
#: Behind a reason.
_HOSTS = re.compile(r":\s*\d+ hosts?$")
#: Headings of LSF 10.1 above reasons: `Candidate host pending reasons (0 of 4 hosts).`
_HEADING = re.compile(r"andidate host pending reasons")


def explain(text: str) -> str:
    """Pending reasons, as commands print them, with plain words: those that matter most first."""
    found = sorted(dict.fromkeys(filter(None, map(_sentence, re.split(r"[;\n]", text)))), key=_rank)
    if any(reason not in _OTHER_HOSTS for reason in found):
        found = [reason for reason in found if reason not in _OTHER_HOSTS]
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(map(_explained, found[:_MOST])) + more


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return "" if _HEADING.search(text) else _HOSTS.sub("", text).strip()


def _rank(reason: str) -> tuple[bool, bool, str]:
    return (reason not in _STAYS, reason in _OTHER_HOSTS, reason)


def _explained(reason: str) -> str:
    words = _PASSES.get(reason) or _OTHER_HOSTS.get(reason, "")
    if stays := _STAYS.get(reason):
        words = f"it will not start by itself: {stays}"
    elif found := _RESERVED.fullmatch(reason):
        words = f"hosts have less {found[1]} left than it asks for; {_NEVER}"
    elif _LOAD.search(reason):
        words = "hosts are too busy"
    return f"{reason} ({words})" if words else reason
