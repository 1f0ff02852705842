"""Why sbatch failed: for good, for now, or with its request perhaps on its way. Pure."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

from anybatch_slurm import parse

if TYPE_CHECKING:
    from anybatch.host import Completed


class Failure(enum.Enum):
    """What a failed sbatch means."""

    UNCLEAR = "unclear"  #: the jobs may be there
    NO_ROOM = "no room"  #: there are no jobs, and fewer may be taken
    FOR_NOW = "for now"  #: there are no jobs, and the same may be taken later
    FOR_GOOD = "for good"  #: there are no jobs, and the same would be refused again


#: The request was sent, and no reply came (slurm_errno 1000 to 1010, connections that broke).
_UNCLEAR = re.compile(
    r"timed out|Zero Bytes were transmitted|slurm_receive_msg|\((send|receive|shutdown) failure\)|"
    r"Connection reset|Transport endpoint|not respond|Unexpected message received|"
    r"authentication error|Resource temporarily unavailable",
    re.IGNORECASE,
)
#: Nobody was there to take it, or nobody takes anything now.
_FOR_NOW = re.compile(
    r"Unable to contact slurm|Connection refused|"
    r"Slurm(ctld)? .*(in use by|busy)|"
    r"Problem talking to (the )?database|backup controller in standby mode|Too many open files|"
    r"Could not establish a configuration source|No route to host",
    re.IGNORECASE,
)
#: So many jobs as the controller holds (MaxJobCount).
_FULL = re.compile(r"temporarily unable to accept", re.IGNORECASE)
_POLICY = "Job violates accounting/QOS policy"
#: The words of a limit, which sbatch prints before `Job violates accounting/QOS policy`.
_LIMIT = re.compile(r"\b(?:QOS|Assoc)\w*?(?:Max|Min|Grp)\w+")

#: What to change, by words of a refusal; the first that is found is told.
_ADVICE = (
    (
        _POLICY,
        "a limit of your account on jobs at once, on size or on time; sacctmgr show assoc tells",
    ),
    (r"--nice", "only operators of the cluster may raise a job's urgency above 0"),
    (r"\baccount\b", "name an account with slurm.account"),
    (r"partition", "name a partition with --queue (slurm.partition); sinfo lists them"),
    (r"\bqos\b(?!Max)", "name a quality of service with slurm.qos"),
    (r"SubmitJob", "a limit on your jobs at once; more are handed over when some have ended"),
    (r"Wall|time limit", "request less time: --time"),
    (r"memory|Mem(?!ber)", "request less memory: --memory"),
    (r"generic resource|gres|gpu", "change --gpus or slurm.gres"),
    (r"reservation", "change slurm.reservation"),
    (r"feature", "change slurm.constraint"),
    (r"license", "change slurm.licenses"),
    (
        r"node configuration|node count|processors|cpu|node",
        "no node can run it: request less (--cores, --memory, --nodes), or change slurm.constraint "
        "or the partition",
    ),
    (r"array", "lower slurm.max_array"),
    (
        r"Unspecified error",
        "the site's own rules may ask for an account, a partition or a time: set slurm.account, "
        "--queue or --time",
    ),
)


def judge(completed: Completed) -> Failure:
    """What an sbatch means that failed, or that printed no id.

    One that was killed or said nothing may have submitted the jobs all the same, and one that
    printed an id has.
    """
    said = completed.stderr.strip()
    if completed.returncode <= 0 or not said or parse.submitted_id(completed.stdout):
        return Failure.UNCLEAR
    if _UNCLEAR.search(said):
        return Failure.UNCLEAR
    if _FOR_NOW.search(said):
        return Failure.FOR_NOW
    if _FULL.search(said):
        return Failure.NO_ROOM
    if _POLICY in said:
        # Limits on the number of jobs pass; what a job itself has too much of does not.
        limits = _LIMIT.findall(said)
        passes = not limits or any("Submit" in limit for limit in limits)
        return Failure.NO_ROOM if passes else Failure.FOR_GOOD
    return Failure.FOR_GOOD


def explain(completed: Completed) -> str:
    """Slurm's words, and what helps."""
    said = parse.complain(completed)
    found = (
        advice for words, advice in _ADVICE if re.search(words, _searched(said), re.IGNORECASE)
    )
    advice = next(found, None)
    return f"{said} ({advice})" if advice else said


def _searched(said: str) -> str:
    """Without what the words of every limit say."""
    return re.sub(rf"{_POLICY}.*", "", said) if _LIMIT.search(said) else said
