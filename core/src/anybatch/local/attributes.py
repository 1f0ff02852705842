"""What a process hands on to those it starts: a job gets the attributes of who submits it.

Without this, jobs would get those of whoever started the supervisor first. What an ordinary user
cannot take on is left as the supervisor has it: groups, a lower nice value, higher hard limits.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Limits by their names in setrlimit(2) without RLIMIT_; those that this system knows.
_LIMITS = {
    name: getattr(resource, f"RLIMIT_{name}")
    for name in ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "STACK")
    if hasattr(resource, f"RLIMIT_{name}")
}
_NICE = shutil.which("nice", path="/usr/local/bin:/usr/bin:/bin")


@attrs.frozen(kw_only=True)
class Attributes:
    """Attributes of a process.

    Attributes:
        umask: its mask for new files.
        nice: its nice value.
        cores: the processors that it may use.
        limits: its soft limits, by name (`NOFILE`); -1: none.
    """

    umask: int
    nice: int
    cores: tuple[int, ...]
    limits: Mapping[str, int]


def own() -> Attributes:
    """Those of this process."""
    umask = os.umask(0o077)
    os.umask(umask)
    return Attributes(
        umask=umask,
        nice=os.getpriority(os.PRIO_PROCESS, 0),
        cores=tuple(sorted(os.sched_getaffinity(0))),
        limits={name: resource.getrlimit(number)[0] for name, number in _LIMITS.items()},
    )


@contextlib.contextmanager
def taken_on(wanted: Attributes) -> Iterator[None]:
    """Have them while a process is started, which inherits them; all but the nice value."""
    before = own()
    _take_on(wanted)
    try:
        yield
    finally:
        _take_on(before)


def _take_on(wanted: Attributes) -> None:
    os.umask(wanted.umask)
    with contextlib.suppress(OSError, ValueError):  # processors that are no longer there
        os.sched_setaffinity(0, wanted.cores)
    for name, soft in wanted.limits.items():
        hard = resource.getrlimit(_LIMITS[name])[1]
        unlimited = hard == resource.RLIM_INFINITY
        too_high = not unlimited and (soft == resource.RLIM_INFINITY or soft > hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(_LIMITS[name], (hard if too_high else soft, hard))


def nicer(wanted: Attributes) -> tuple[str, ...]:
    """The words before a command that give it the nice value; a lower one is root's to give."""
    more = wanted.nice - os.getpriority(os.PRIO_PROCESS, 0)
    return (_NICE, "-n", str(more)) if _NICE and (more > 0 or (os.geteuid() == 0 and more)) else ()
