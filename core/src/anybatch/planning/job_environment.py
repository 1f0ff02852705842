"""The environment of a job: what it inherits, and what plugins contribute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from anybatch.encoding import as_utf_8
from anybatch.localhost import matches
from anybatch.worker_paths import ForbiddenMountPath, WorkerPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anybatch.records import Environment

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEVER = (
    *("ANYBATCH_*", "ab_*", "BASH_*", "SHELLOPTS", "BASHOPTS"),
    *("EUID", "UID", "PPID", "_", "SHLVL", "PWD", "OLDPWD"),
)


@attrs.frozen
class JobEnvironment:
    """The contributions of all plugins to one job, as one.

    Attributes:
        contained: the job's command runs in another program: a wrapper's or the batch system's.
    """

    scrub: tuple[str, ...]
    keep: tuple[str, ...]
    env: Mapping[str, str]
    setup: tuple[str, ...]
    wrapper: tuple[str | WorkerPath, ...]
    forbidden_names: tuple[ForbiddenMountPath, ...] = ()
    contained: bool = False


def merge(contributions: Iterable[Environment]) -> JobEnvironment:
    """The contributions one after the other; the wrapper of the first is the innermost."""
    scrub: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    env: dict[str, str] = {}
    setup: tuple[str, ...] = ()
    wrapper: tuple[str | WorkerPath, ...] = ()
    forbidden_names: tuple[ForbiddenMountPath, ...] = ()
    contained = False
    for one in contributions:
        scrub, keep, setup = scrub + one.scrub, keep + one.keep, setup + one.setup
        env.update(one.env)
        wrapper, forbidden_names = one.wrapper + wrapper, forbidden_names + one.forbidden_names
        contained = contained or one.runs_container
    return JobEnvironment(
        scrub, keep, env, setup, wrapper, forbidden_names, contained or bool(wrapper)
    )


def inherited(
    environ: Mapping[str, str], patterns: Sequence[str], composed: JobEnvironment
) -> dict[str, str]:
    """The variables that a job gets from the submitting program.

    Args:
        patterns: the setting `inherit_env`.
        composed: whose `scrub` is left out, `keep` excepted.
    """
    return {
        name: as_utf_8(value)
        for name, value in sorted(environ.items())
        if matches(name, patterns)
        and _NAME.fullmatch(name)
        and not matches(name, _NEVER)
        and (matches(name, composed.keep) or not matches(name, composed.scrub))
    }
