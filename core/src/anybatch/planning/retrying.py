"""Whether jobs can be run again with more than they had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch.errors import JobError, UsageError
from anybatch.retries import with_checkpoints
from anybatch.units import format_duration, format_size

if TYPE_CHECKING:
    from anybatch.model import Job, Resources
    from anybatch.retries import Retry


def check_growth(retry: Retry, resources: Resources) -> None:
    """See that what is to grow is known, and can.

    Raises:
        JobError: it is not, or it has grown to its limit already.
    """
    for rule in retry.rules:
        where = f"retry: {rule.reason.value}"
        most_memory, most_time = rule.limits()
        if rule.memory is not None and resources.memory is None:
            raise JobError(f"{where}: memory cannot grow, for none is asked for; set it (--memory)")
        if rule.time is not None and resources.time is None:
            raise JobError(f"{where}: time cannot grow, for no limit is set; set it (--time)")
        if most_memory is not None and most_memory <= (resources.memory or 0):
            asked = format_size(resources.memory or 0)
            raise JobError(f"{where}: most is {rule.most}, and the job asks for {asked} already")
        if most_time is not None and resources.time is not None and most_time <= resources.time:
            asked = format_duration(resources.time)
            raise JobError(f"{where}: most is {rule.most}, and the job asks for {asked} already")


def checkpointing(job: Job, code: int) -> dict[str, Any]:
    """The fields of `Planned` that say when a job is run again.

    Args:
        code: the setting `checkpoint_exit_code`.

    Raises:
        UsageError: it is none that a command can tell from success and from signals.
    """
    if not job.checkpoint:
        return {"retry": job.retry}
    if not 1 <= code <= 125:
        raise UsageError(f"checkpoint_exit_code must be 1 to 125, not {code}")
    return {"retry": with_checkpoints(job.retry), "checkpoint": code}
