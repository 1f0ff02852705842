"""What a batch system must be able to do for jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.errors import JobError

if TYPE_CHECKING:
    from anybatch.records import Limits


def check_pack(system: str, limits: Limits) -> None:
    """See that several jobs can be one of the batch system.

    Raises:
        JobError: they cannot.
    """
    if not limits.packs:
        raise JobError(f"jobs of {system} cannot be packed; submit without a pack")


def check_urgency(system: str, urgency: int, limits: Limits) -> None:
    """See that it makes a difference.

    Raises:
        JobError: the batch system, or its plugin, has no such thing.
    """
    if urgency and not limits.urgency:
        raise JobError(
            f"the urgency is {urgency}, but jobs of {system} have none, or its plugin cannot set "
            f"it; leave out the urgency"
        )
