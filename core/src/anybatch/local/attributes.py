"""What a process hands down besides its environment: a job gets it from its submitter.

The supervisor starts jobs for whoever submits, so it has to give each job the umask, niceness,
processors, limits and groups that its submitter has, and not its own.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMITS = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}


@attrs.frozen(kw_only=True)
class Attributes:
    """What a process hands down.

    Attributes:
        umask: of the files that it makes.
        nice: -20 to 19.
        cores: numbers of the processors that it may use.
        group, groups: its group, and all that it is in.
        limits: soft and hard, by the names of the module `resource`; -1: none.
    """

    umask: int
    nice: int
    cores: tuple[int, ...]
    group: int
    groups: tuple[int, ...]
    limits: Mapping[str, tuple[int, int]]


def own() -> Attributes:
    """Those of this process."""
    return Attributes(
        umask=_umask(),
        nice=os.getpriority(os.PRIO_PROCESS, 0),
        cores=tuple(sorted(os.sched_getaffinity(0))),
        group=os.getgid(),
        groups=tuple(sorted(os.getgroups())),
        limits={name: resource.getrlimit(number) for name, number in _LIMITS.items()},
    )


def _umask() -> int:
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("Umask:"):  # Linux 4.7
            return int(line.split()[1], 8)
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def take(wanted: Attributes) -> Iterator[str]:
    """Take on attributes in place of those of this process; what the kernel does not allow.

    Limits come last: no memory may be left under them for anything but the start of a program.
    """
    os.umask(wanted.umask)
    if (wanted.group, wanted.groups) != (os.getgid(), tuple(sorted(os.getgroups()))):
        try:
            os.setgroups(wanted.groups)
            os.setgid(wanted.group)
        except PermissionError:
            yield f"the groups {', '.join(map(str, wanted.groups or (wanted.group,)))}"
    try:
        os.sched_setaffinity(0, wanted.cores)
    except OSError:
        yield f"the processors {', '.join(map(str, wanted.cores))}"
    if wanted.nice != os.getpriority(os.PRIO_PROCESS, 0):
        try:
            os.setpriority(os.PRIO_PROCESS, 0, wanted.nice)
        except PermissionError:
            yield f"niceness {wanted.nice}"
    for name, (soft, hard) in wanted.limits.items():
        if not _limit(name, soft, hard):
            yield f"{name} {hard}"


def lacks(wanted: Attributes, given: Attributes, *, privileged: bool) -> str:
    """What processes that have *given* cannot give a job that wants more, for users; else empty.

    Args:
        privileged: the kernel lets them take any niceness.
    """
    least = given.limits.get("RLIMIT_NICE", (0, 0))[0]
    allowed = privileged or least == resource.RLIM_INFINITY or wanted.nice >= 20 - least
    if wanted.nice >= given.nice or allowed:
        return ""
    return (
        f"local jobs have niceness {given.nice}, not {wanted.nice} as you have: the supervisor was "
        f"started with it. It ends ten seconds after its last job; the next is yours"
    )


def _limit(name: str, soft: int, hard: int) -> bool:
    number = _LIMITS.get(name)
    if number is None or resource.getrlimit(number) == (soft, hard):
        return True
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(number, (soft, hard))
        return True
    with contextlib.suppress(ValueError, OSError):  # raised a hard limit: as far as may be
        resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))
    return False
