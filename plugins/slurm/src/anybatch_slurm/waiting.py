"""Why a job waits, in plain words. Pure.

https://slurm.schedmd.com/job_reason_codes.html (26.05). A code that is not here is shown as it is.
"""

from __future__ import annotations

import re

#: What passes by itself.
_PASSES = {
    "Priority": "jobs with a higher priority are waiting before it",
    "Resources": "the nodes that it needs are in use",
    "BeginTime": "its start time has not come; a job that Slurm runs again waits some minutes",
    "Dependency": "a job that it depends on has not ended",
    "Prolog": "the prolog of its nodes is running",
    "Cleaning": "it is run again, and its last run is being cleaned up",
    "Licenses": "the licenses that it needs are in use",
    "JobArrayTaskLimit": "as many jobs of its array run as its limit allows",
    "ReqNodeNotAvail": "a node that it needs is down, drained, or reserved",
    "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions": (
        "the nodes that it needs are down, drained, or kept for other jobs"
    ),
    "NodeDown": "a node that it needs is down",
    "PartitionDown": "its partition takes jobs and starts none",
    "Reservation": "its reservation has not begun",
    "ReservationDeleted": "its reservation was deleted; the administrators have to release it",
    "BurstBufferResources": "the burst buffer has not enough room",
    "BurstBufferStageIn": "its files are being brought into the burst buffer",
    "MaxPoweredUpNodes": "as many nodes are powered up as may be",
    "SystemFailure": "Slurm, a file system or the network has failed",
    "Reconfig": "Slurm reads its configuration",
    "FedJobLock": "the clusters of the federation agree on who starts it",
    "QOSResourceLimit": "jobs of its QOS use what they may; it waits until some have ended",
    "AssociationResourceLimit": "jobs of its account use what they may; it waits for their end",
}

#: What ends only when somebody changes something.
_STAYS = {
    "JobHeldUser": "it is held; release it (scontrol release ID), or cancel it",
    "JobHeldAdmin": "an administrator holds it; ask them",
    "JobHoldMaxRequeue": "it was run again too often, and is held; find out why it fails",
    "DependencyNeverSatisfied": "a job that it depends on has failed",
    "BadConstraints": "no node can ever run it; ask for less, or for other features",
    "PartitionNodeLimit": "its partition gives no job so many nodes; ask for fewer (--nodes)",
    "PartitionTimeLimit": "its partition gives no job so much time; ask for less (--time)",
    "PartitionInactive": "its partition is switched off; use another (--queue)",
    "QOSUsageThreshold": "its QOS is used up",
    "QOSTimeLimit": "its QOS has no time left",
    "AssociationTimeLimit": "its account has no time left",
    "InvalidAccount": "its account is not valid; name another (--set slurm.account=...)",
    "InvalidQOS": "its QOS is not valid; name another (--set slurm.qos=...)",
    "AccountNotAllowed": "its account may not use this partition",
    "QOSNotAllowed": "its QOS may not be used in this partition",
    "NodeNotAvail": "a node that it names is not there",
    "launch failed requeued held": "it could not be started, and is held",
    "job requeued in held state": "it was requeued, and is held; release it (scontrol release ID)",
}

#: Limits of a QOS or of an account (Assoc), by what counts (Grp: all jobs; Max: each) and for whom.
_LIMIT = re.compile(
    r"(?P<whose>QOS|Assoc)(?P<all>Grp|Max)(?P<what>[A-Z]\w*?)"
    r"(?P<each>PerUser|PerAccount|PerJob|PerNode|MinutesPerJob)?(?:Limit)?"
)
_WHAT = {
    "Jobs": "running jobs",
    "Submit": "submitted jobs",
    "SubmitJobs": "submitted jobs",
    "Cpu": "cores",
    "CPU": "cores",
    "Mem": "memory",
    "Memory": "memory",
    "Node": "nodes",
    "Nodes": "nodes",
    "GRES": "GPUs or other generic resources",
    "Wall": "time",
    "WallDuration": "time",
    "Billing": "billing units",
    "Energy": "energy",
    "License": "licenses",
    "BB": "burst buffer",
    "Unknown": "a resource",
}


def explain(code: str) -> str:
    """A reason code with plain words after it: `Priority: jobs with ...`."""
    # `ReqNodeNotAvail, UnavailableNodes:n1`; older versions write some with underscores.
    first = code.split(",", maxsplit=1)[0].replace("_", " ").strip("() ")
    words = _PASSES.get(first, "")
    if stays := _STAYS.get(first):
        words = f"it will not start by itself: {stays}"
    words = words or _limit(first)
    return f"{code}: {words}" if words else code


def _limit(code: str) -> str:
    match = _LIMIT.fullmatch(code)
    if match is None:
        return ""
    what = _WHAT.get(re.sub(r"(?:Run|Cpu)?Minutes$", "", match["what"]) or "Cpu", match["what"])
    owner = "its QOS" if match["whose"] == "QOS" else "its account"
    if match["each"] in ("PerJob", "PerNode", "MinutesPerJob"):
        return f"it will not start by itself: {owner} gives no job so much ({what}); ask for less"
    whose = {"PerUser": " for each user", "PerAccount": " for each account"}.get(
        match["each"] or "", ""
    )
    return f"{owner} has a limit on {what}{whose}, which is reached; it waits until jobs have ended"
