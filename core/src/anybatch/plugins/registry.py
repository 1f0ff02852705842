"""Finding plugins and checking them, so that a broken one costs only itself."""

from __future__ import annotations

import inspect
import re
import traceback
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from anybatch import hookspecs
from anybatch.arguments import must_be
from anybatch.errors import PluginError, UnknownSystem, did_you_mean
from anybatch.host import Host
from anybatch.localhost import LocalHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.metadata import EntryPoint

    from pluggy import HookImpl


GROUP = "anybatch"
SWITCHED_OFF = "switched off by ANYBATCH_DISABLED_PLUGINS"
BUILT_IN = {"local": "anybatch.local.plugin:Local"}
#: A batch system without one of these could not keep its promises.
NEEDED = (
    *("anybatch_render", "anybatch_submit", "anybatch_find"),
    *("anybatch_status", "anybatch_terminate"),
)
#: A plugin's name is a table of settings and a part of environment variables.
_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Distributions of this project, to be advised by name. Nobody owns any other name.
KNOWN = ("slurm", "htcondor", "lsf", "gbasf2", "apptainer")


class _Refused(Exception):
    """Why a plugin cannot be used."""


@attrs.frozen
class InstalledPlugin:
    """A plugin that was found.

    Attributes:
        name: the entry point's name.
        distribution: "name version" of the package it comes from; empty: part of anybatch.
        module: where its hooks are; empty where it did not load.
        hooks: the names of the hooks that it implements.
        problem: why it is not used; None: it is.
    """

    name: str
    distribution: str
    module: str = ""
    hooks: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def is_system(self) -> bool:
        """Whether it is a batch system."""
        return "anybatch_submit" in self.hooks


def host_of(host: Host | None, plugins: Plugins | None) -> Host:
    """The host of a session: its own, that of its plugins, or this machine.

    Raises:
        UsageError: one of them is something else.
    """
    if plugins is not None:
        must_be(Plugins, plugins, "plugins", "what load_plugins returns")
    if host is None:
        return plugins.host if plugins else LocalHost()
    must_be(Host, host, "host", "a Host, such as LocalHost()")
    return host


class Plugins:
    """The plugins in use, and what was wrong with the others.

    Attributes:
        found: all plugins by name, in order; a name that two distributions claim is listed
            once for each.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.found: list[InstalledPlugin] = []
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._problems: dict[str, list[str]] = defaultdict(list)

    # -- loading

    def add(self, name: str, plugin: object, distribution: str = "") -> None:
        """Take a plugin's hooks into use under *name*; its faults are recorded, not raised.

        Args:
            plugin: a class, which is made with the host; a module, or any object with hooks.
        """
        where = getattr(plugin, "__name__", type(plugin).__name__)
        try:
            self._check_name(name)
            made: object = plugin(self.host) if isinstance(plugin, type) else plugin
            hooks = check_hooks(made)
            self._manager.register(made, name)
        except (Exception, SystemExit) as error:
            problem = str(error) if isinstance(error, _Refused) else one_line(error)
            self.found.append(InstalledPlugin(name, distribution, where, problem=problem))
            return
        self.found.append(InstalledPlugin(name, distribution, where, hooks))

    def _check_name(self, name: str) -> None:
        if name == hookspecs.PROJECT:
            raise _Refused(f"the name {name!r} is reserved for the core's own settings")
        if not _NAME.fullmatch(name):
            raise _Refused(f"the name {name!r} may only contain lower-case letters, digits and _")
        if self._manager.has_plugin(name):
            raise _Refused(f"another plugin is already named {name!r}")

    def refuse(self, name: str, distribution: str, problem: str) -> None:
        """Record a plugin that is not used, and why."""
        self.found.append(InstalledPlugin(name, distribution, problem=problem))

    # -- asking

    def __iter__(self) -> Iterator[InstalledPlugin]:
        """The plugins in use, sorted by name."""
        return iter(sorted((p for p in self.found if p.problem is None), key=lambda p: p.name))

    @property
    def systems(self) -> list[str]:
        """The names of the batch systems in use."""
        return [plugin.name for plugin in self if plugin.is_system]

    @property
    def aliases(self) -> list[str]:
        """The names of the plugins in use that stand for a batch system and are none."""
        return [p.name for p in self if not p.is_system and "anybatch_alias" in p.hooks]

    def system(self, name: str) -> InstalledPlugin:
        """The batch system called *name*.

        Raises:
            UnknownSystem: there is none, with what there is instead.
        """
        for plugin in self.found:
            if plugin.name == name and plugin.problem:
                raise UnknownSystem(f"plugin {name!r} cannot be used: {plugin.problem}")
        for plugin in self:
            if plugin.name == name and plugin.is_system:
                return plugin
        known = sorted([*self.systems, *self.aliases])
        raise UnknownSystem(
            f"no batch system named {name!r}{did_you_mean(name, [*known, *KNOWN])} "
            f"(installed: {', '.join(known)}){_how_to_install(name)}"
        )

    def problems(self, name: str) -> list[str]:
        """What went wrong in calls of a plugin that is in use."""
        return list(self._problems[name])

    def get(self, name: str) -> InstalledPlugin:
        """The plugin in use called *name*."""
        return next(plugin for plugin in self if plugin.name == name)

    def implementing(self, hook: str) -> list[InstalledPlugin]:
        """The plugins in use that implement *hook*, sorted by name."""
        return [plugin for plugin in self if hook in plugin.hooks]

    def plugins_for(self, system: str, hook: str | None = None) -> list[InstalledPlugin]:
        """The plugins that a call about a job of *system* reaches: the system, then the others."""
        reached = [plugin for plugin in self if plugin.name == system or not plugin.is_system]
        wanted = [plugin for plugin in reached if hook is None or hook in plugin.hooks]
        return sorted(wanted, key=lambda plugin: plugin.name != system)

    def implementation(self, name: str, hook: str) -> HookImpl | None:
        """A plugin's implementation of *hook*; None where it has none."""
        caller = getattr(self._manager.hook, hook)
        return next((i for i in caller.get_hookimpls() if i.plugin_name == name), None)

    def plugin_error(self, name: str, problem: str) -> PluginError:
        """The error for what a plugin did wrong, recorded for `anybatch systems`."""
        if problem not in self._problems[name]:
            self._problems[name].append(problem)
        distribution = next((p.distribution for p in self.found if p.name == name), "")
        return PluginError(name, distribution, problem)


def check_hooks(plugin: object) -> tuple[str, ...]:
    """The names of the hooks that an object implements.

    Raises:
        _Refused: they are not as the specifications say; what is wrong, in a sentence.
    """
    specified = _specified()
    hooks = []
    for name in dir(plugin):
        function = getattr(plugin, name, None)
        marked = getattr(function, "anybatch_impl", None) is not None
        if not marked and name in specified and not _inherited(plugin, name):
            raise _Refused(f"{name} is not marked with hookimpl")
        if not marked or not callable(function):
            continue
        if name not in specified:
            hint = did_you_mean(name, specified)
            raise _Refused(f"{name!r} is not a hook{hint}")
        _check_signature(name, function, specified[name])
        hooks.append(name)
    if not hooks:
        raise _Refused("defines no hooks; did you forget @hookimpl?")
    missing = [name for name in NEEDED if name not in hooks]
    if "anybatch_submit" in hooks and missing:
        raise _Refused(f"implements anybatch_submit, but not {missing[0]}")
    return tuple(hooks)


def _inherited(plugin: object, name: str) -> bool:
    """Whether it is a default of the base classes in `anybatch.system`."""
    function = getattr(type(plugin), name, None)
    return function is not None and function.__module__ == "anybatch.system"


def _check_signature(name: str, function: Callable[..., Any], allowed: tuple[str, ...]) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise _Refused(f"{name} is asynchronous; hooks must be plain functions")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is inspect.Parameter.empty and parameter.name not in allowed:
            raise _Refused(
                f"{name} has no parameter {parameter.name!r}; allowed are: {', '.join(allowed)}"
            )


def _specified() -> dict[str, tuple[str, ...]]:
    """The parameters of each hook."""
    return {
        name: tuple(inspect.signature(spec).parameters)
        for name, spec in vars(hookspecs).items()
        if name.startswith("anybatch_")
    }


def load_plugins(host: Host, disabled: Iterable[str] = ()) -> Plugins:
    """The built-in plugins and all that are installed, found through entry points.

    Args:
        host: which plugins are made with.
        disabled: names not to load (`ANYBATCH_DISABLED_PLUGINS`).
    """
    plugins = Plugins(host)
    off = set(disabled)
    for name, candidates in sorted(_candidates().items()):
        if name in off:
            plugins.refuse(name, _source(candidates[0]), SWITCHED_OFF)
        elif len(candidates) > 1:
            claimed = " and ".join(_source(entry) or "anybatch itself" for entry in candidates)
            for entry in candidates:
                problem = f"the name {name!r} is claimed by {claimed}; uninstall one of them"
                plugins.refuse(name, _source(entry), problem)
        else:
            _load(plugins, candidates[0])
    return plugins


def _candidates() -> dict[str, list[EntryPoint]]:
    from importlib.metadata import EntryPoint, entry_points

    built_in = [EntryPoint(name, module, GROUP) for name, module in BUILT_IN.items()]
    candidates: dict[str, list[EntryPoint]] = defaultdict(list)
    for entry in [*built_in, *_distinct(entry_points(group=GROUP))]:
        candidates[entry.name].append(entry)
    return candidates


def _distinct(entries: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Without repetitions: one distribution may be found twice on the import path."""
    seen = {(entry.name, entry.value, _source(entry)): entry for entry in entries}
    return list(seen.values())


def _load(plugins: Plugins, entry: EntryPoint) -> None:
    try:
        plugin = entry.load()
    except (Exception, SystemExit) as error:
        problem = f"cannot be imported: {one_line(error)}"
        plugins.refuse(entry.name, _source(entry), problem)
    else:
        plugins.add(entry.name, plugin, _source(entry))


def _source(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""


def one_line(error: BaseException) -> str:
    """An error's type, text and place."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({last[0].filename}:{last[0].lineno})" if last else ""
    text = " ".join(str(error).splitlines())
    return f"{type(error).__name__}: {text}{where}"


def _how_to_install(name: str) -> str:
    return f"; to install it: pip install anybatch-{name}" if name in KNOWN else ""
