"""Whether jobs can be run again with more than they had."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from anybatch.errors import JobError, UsageError
from anybatch.retries import with_checkpoints
from anybatch.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anybatch.model import Job, Resources
    from anybatch.planning.plan import Planned
    from anybatch.retries import Retry


_ROUNDED = 1e-9  #: of a logarithm


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


def growth_notes(planned: Iterable[Planned]) -> Iterator[str]:
    """What will not grow as far as its rule allows, because of a setting."""
    for one in planned:
        resources, largest = one.submission.resources, one.largest
        for rule in one.retry.rules:
            own_memory, own_time = rule.limits()
            where = f"retry: {rule.reason.value}"
            if _stops(rule.memory, rule.times, resources.memory, largest.memory, own_memory):
                most = format_size(largest.memory or 0)
                yield f"{where}: memory grows to {most} at most: {largest.memory_by}"
            if _stops(rule.time, rule.times, resources.time, largest.time, own_time):
                most = format_duration(largest.time or timedelta(0))
                yield f"{where}: time grows to {most} at most: {largest.time_by}"


def _stops(factor: float | None, times: int, now: Any, most: Any, own: Any) -> bool:
    """Whether what grows comes to *most*, before it comes to its rule's own limit."""
    if factor is None or now is None or most is None or (own is not None and own <= most):
        return False
    return bool(math.log(factor) * times > math.log(most / now) + _ROUNDED)


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
