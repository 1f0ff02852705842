"""Which batch system is here: every plugin is asked, `auto` chooses."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import (
    AnybatchError,
    CommandError,
    CommandNotFound,
    UnknownSystem,
    UsageError,
    shown,
)
from anybatch.records import Detection
from anybatch.settings.layers import SITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anybatch.plugins.calls import Hooks
    from anybatch.plugins.registry import Plugins
    from anybatch.settings.layers import Settings

AUTO = "auto"
_BUILT_IN = "local"


@attrs.frozen
class _Known:
    """What shows that a batch system is set up here, whether there is a plugin for it or not.

    Attributes:
        name: what it is called.
        plugins: names of plugins for it.
        ours: whether the first of them is a package of ours.
        signs: environment variables and configuration files.
    """

    name: str
    plugins: tuple[str, ...]
    ours: bool
    signs: tuple[str, ...]


_KNOWN = (
    _Known("Slurm", ("slurm",), True, ("SLURM_CONF", "/etc/slurm/slurm.conf")),
    _Known("HTCondor", ("htcondor",), True, ("CONDOR_CONFIG", "/etc/condor/condor_config")),
    _Known("LSF", ("lsf",), True, ("LSF_ENVDIR", "/etc/lsf.conf")),
    _Known("PBS", ("pbs", "openpbs", "pbspro", "torque"), False, ("PBS_SERVER", "/etc/pbs.conf")),
    _Known("Grid Engine", ("gridengine", "sge", "uge", "ogs"), False, ("SGE_ROOT",)),
)


def detect(
    hooks: Hooks,
    settings: Settings,
    names: Iterable[str] | None = None,
    *,
    choosing: bool = False,
) -> dict[str, Detection]:
    """The answers of all plugins (or those named) that have one, by name.

    Args:
        choosing: the answers only serve to choose one for `auto`.
    """
    answers: dict[str, Detection] = {}
    for plugin in hooks.plugins:
        if names is not None and plugin.name not in names:
            continue
        try:
            table = settings.table(plugin.name)
            answer = hooks.detect(plugin.name, table, choosing=choosing)
        except AnybatchError as error:
            # A tool that fails is a sign of a cluster; a plugin's own fault is none.
            fails = isinstance(error, CommandError) and not isinstance(error, CommandNotFound)
            answer = Detection(available=False, unreachable=fails, reason=str(error))
        if answer is not None:
            answers[plugin.name] = answer
    return answers


def given_name(system: str | None, plugins: Plugins) -> str | None:
    """A system's name as it was given.

    Raises:
        UsageError: it is no text.
        UnknownSystem: no plugin has that name.
    """
    if not isinstance(system, str | None):
        raise UsageError(f"system must be a batch system's name, not {shown(system)}")
    if system not in (None, "", AUTO) and all(one.name != system for one in plugins):
        plugins.system(system)
    return system


def stands_for(name: str, hooks: Hooks, settings: Settings) -> tuple[str, Settings]:
    """The batch system that a plugin's name stands for, and the settings that it brings."""
    if any(one.name == name and not one.is_system for one in hooks.plugins):
        meant = hooks.alias(name)
        if meant is not None:
            return meant.system, settings.with_layer(f"{SITE}{name}", meant.settings, lowest=True)
    return name, settings


def choose(name: str, hooks: Hooks, settings: Settings) -> str:
    """The batch system called *name*, or for `auto` the best that is here.

    Raises:
        UnknownSystem: there is none.
    """
    if name != AUTO:
        return hooks.plugins.system(name).name
    answers = detect(hooks, settings, names=hooks.plugins.systems, choosing=True)
    wanted = {
        name: (answer.priority, answer)
        for name, answer in answers.items()
        if answer.priority is not None and (answer.available or answer.unreachable)
    }
    if not wanted:
        reasons = "; ".join(f"{n}: {answer.reason}" for n, answer in answers.items())
        raise UnknownSystem(f"no batch system is available here ({reasons or 'none installed'})")
    # Of equal ones, one that answers.
    best = max(sorted(wanted), key=lambda n: (wanted[n][0], wanted[n][1].available))
    _, answer = wanted[best]
    if answer.unreachable:
        others = ", ".join(f"`--system {n}`" for n, (_, one) in wanted.items() if one.available)
        raise UnknownSystem(
            f"{best} seems to be set up here, but cannot be used: {answer.reason}. Try again "
            f"later, or choose a system (available now: {others or 'none'})"
        )
    if best == _BUILT_IN:
        _see_that_nothing_is_missed(hooks.plugins)
    return best


def _see_that_nothing_is_missed(plugins: Plugins) -> None:
    """No login node is a stand-in for its cluster only because a plugin is not installed.

    One that is switched off is not missed.

    Raises:
        UnknownSystem: there are signs of a batch system that no plugin is for.
    """
    installed = {one.name for one in plugins.found}
    for known in _KNOWN:
        if not installed.isdisjoint(known.plugins):
            continue
        for sign in known.signs:
            is_file = sign.startswith("/")
            if plugins.host.exists(Path(sign)) if is_file else plugins.host.environ.get(sign):
                how = f" (pip install anybatch-{known.plugins[0]})" if known.ours else ""
                what = f"{sign} is {'there' if is_file else 'set'}"
                raise UnknownSystem(
                    f"{known.name} seems to be set up here ({what}), but no plugin for it is "
                    f"installed{how}; to run jobs on this machine all the same: --system local"
                )


@contextlib.contextmanager
def must_be_here(system: str) -> Iterator[None]:
    """Inside, a command that cannot be run, or fails, means that *system* is not available.

    Raises:
        UnknownSystem: it is not; the first command that has failed is named.
    """
    try:
        yield
    except CommandError as error:
        why = str(error)
        if isinstance(error, CommandNotFound):
            why = f"{error.command.argv[0]} is not on the PATH"
        raise UnknownSystem(
            f"{system} is not available here: {why} (see: anybatch doctor --system {system})"
        ) from error
