"""`--pack`: how many jobs of a run are one job of the batch system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch.cli.base import option_group
from anybatch.cli.params import WholeNumber
from anybatch.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anybatch.cli.base import Decorator
    from anybatch.packing import Pack

_many = option_group("Many jobs")

PACK_OPTIONS: tuple[Decorator, ...] = (
    _many(
        "--pack",
        type=WholeNumber(1),
        metavar="N",
        help="Hand over N jobs as one job of the batch system, which runs them one after another. "
        "--time is then the limit of all N.",
    ),
    _many(
        "--side-by-side",
        type=WholeNumber(1),
        metavar="M",
        help="Run M jobs of a pack at once. The pack asks for M times their cores, GPUs, memory "
        "and disk.",
    ),
)


def pack_of(given: Mapping[str, Any]) -> Pack | None:
    """The pack that options describe; None: there is none.

    Raises:
        JobError: there is nothing whose jobs could run side by side.
    """
    from anybatch.packing import Pack

    if given["pack"] is None:
        if given["side_by_side"] is not None:
            raise JobError("--side-by-side is about the jobs of a pack; give --pack N as well")
        return None
    return Pack(given["pack"], given["side_by_side"] or 1)
