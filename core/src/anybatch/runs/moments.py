"""Moments that another process may count from, also when the wall clock was set meanwhile.

On one machine, until it is started anew, time is counted by a clock that nobody sets. Between two
machines nothing is counted, for their clocks may differ: each counts from what it has seen. Only a
pause that somebody wishes may be off by the difference.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from datetime import datetime


@attrs.frozen(order=True)
class Moment:
    """A point in time.

    Attributes:
        wall: seconds since 1970, as this machine had them.
        boot: which start of which machine `ticks` counts from.
        ticks: seconds of that machine's monotonic clock.
    """

    wall: float
    boot: str
    ticks: float

    def until(self, later: Moment) -> float:
        """The seconds from this moment to a *later* one; never negative, 0 between machines."""
        return max(0.0, later.ticks - self.ticks) if self.boot == later.boot else 0.0

    def about_until(self, later: Moment) -> float:
        """The same, and between machines by their wall clocks: only for what may be off."""
        if self.boot == later.boot:
            return self.until(later)
        return max(0.0, later.wall - self.wall)

    def plain(self) -> list[float | str]:
        """As it stands in a journal."""
        return [round(self.wall, 3), self.boot, round(self.ticks, 3)]


def moment_of(at: datetime | None, *, after: float | None) -> Moment | None:
    """A time that a file server or a batch system has told, as a moment of this machine.

    Args:
        after: seconds since 1970, at which what it is a time of had not happened.

    Returns:
        None where it cannot be: their clock and ours differ too much to count from it.
    """
    here = now()
    if at is None or not (after or 0.0) <= at.timestamp() <= here.wall:
        return None
    return Moment(at.timestamp(), here.boot, here.ticks - (here.wall - at.timestamp()))


def now() -> Moment:
    """This moment."""
    return Moment(time.time(), _boot(), time.monotonic())


def read_moment(plain: Any) -> Moment | None:
    """The inverse of `Moment.plain`; None where it makes no sense."""
    try:
        wall, boot, ticks = plain
        return Moment(float(wall), str(boot), float(ticks))
    except (TypeError, ValueError, OverflowError):
        return None


def this_boot() -> str:
    """What a moment of this machine has as `boot`."""
    return _boot()


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()[:13]
    except OSError:
        return ""
