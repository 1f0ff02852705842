"""Finding plugins, and calling them so that a broken one costs only itself."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import traceback
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from anybatch import hookspecs
from anybatch.errors import AnybatchError, PluginError, UnknownSystem, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.metadata import EntryPoint

    from pluggy import HookImpl

GROUP = "anybatch"
SWITCHED_OFF = "switched off by ANYBATCH_DISABLED_PLUGINS"
BUILT_IN = {"local": "anybatch.local.plugin"}


class _Refused(Exception):
    """A plugin is none; why."""


@attrs.frozen
class Plugin:
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


class Plugins:
    """The plugins in use, and what was wrong with the others.

    Attributes:
        found: all plugins by name, in order; a name that two distributions claim is listed
            once for each.
    """

    def __init__(self) -> None:
        self.found: list[Plugin] = []
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._problems: dict[str, list[str]] = defaultdict(list)

    # -- loading

    def add(self, name: str, module: object, distribution: str = "") -> None:
        """Take a module's (or any object's) hooks into use under *name*.

        Its faults are recorded, not raised.
        """
        where = getattr(module, "__name__", type(module).__name__)
        try:
            if name == hookspecs.PROJECT:
                raise _Refused(f"the name {name!r} is that of the core's own settings")
            if self._manager.has_plugin(name):
                raise _Refused(f"there is a plugin {name!r} already")
            self._manager.register(module, name)
            hooks = self._implemented(module)
        except Exception as error:
            if self._manager.get_plugin(name) is module:
                self._manager.unregister(name=name)
            problem = str(error) if isinstance(error, _Refused) else _one_line(error)
            self.found.append(Plugin(name, distribution, where, problem=problem))
            return
        self.found.append(Plugin(name, distribution, where, hooks))

    def _implemented(self, module: object) -> tuple[str, ...]:
        specified = set(vars(self._manager.hook))
        hooks = sorted(caller.name for caller in self._manager.get_hookcallers(module) or ())
        for hook in hooks:
            if hook not in specified or not self._manager.hook.__dict__[hook].has_spec():
                raise _Refused(
                    f"it implements {hook!r}, which is no hook{did_you_mean(hook, _hook_names())}"
                )
        if not hooks:
            raise _Refused("it implements no hook; are its functions marked with hookimpl?")
        return tuple(hooks)

    def refuse(self, name: str, distribution: str, problem: str) -> None:
        """Record a plugin that is not used, and why."""
        self.found.append(Plugin(name, distribution, problem=problem))

    # -- asking

    def __iter__(self) -> Iterator[Plugin]:
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

    def system(self, name: str) -> Plugin:
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
            f"there is no batch system {name!r}{did_you_mean(name, known)} "
            f"(installed: {', '.join(known)}; a plugin is a package: "
            f"pip install anybatch-{name})"
        )

    def problems(self, name: str) -> list[str]:
        """What went wrong in calls of a plugin that is in use."""
        return list(self._problems[name])

    # -- calling

    def call(self, name: str, hook: str, **arguments: Any) -> Any:
        """Call one plugin's implementation of *hook*.

        Returns:
            Its answer; None where it does not implement the hook.

        Raises:
            AnybatchError: what the implementation raised on purpose.
            PluginError: it raised something else.
        """
        implementation = self._implementation(name, hook)
        if implementation is None:
            return None
        given = {key: arguments[key] for key in implementation.argnames}
        try:
            answer = implementation.function(**given)
            return list(answer) if inspect.isgenerator(answer) else answer
        except AnybatchError:
            raise
        except Exception as error:
            raise self._fault(name, f"{hook} raised {_one_line(error)}") from error

    def call_checked(
        self, name: str, hook: str, answer_type: type | tuple[type, ...], **arguments: Any
    ) -> Any:
        """Like `call`, and the answer must be of *answer_type* (or None where allowed)."""
        answer = self.call(name, hook, **arguments)
        if not isinstance(answer, answer_type):
            wanted = getattr(answer_type, "__name__", answer_type)
            raise self.plugin_error(name, f"{hook} answered {answer!r:.200} instead of a {wanted}")
        return answer

    def call_each(
        self,
        hook: str,
        arguments: Mapping[str, Mapping[str, Any]],
        answer_type: type = object,
    ) -> Iterator[tuple[Plugin, Any]]:
        """Call *hook* of each plugin named in *arguments* that implements it, in that order.

        A plugin that raises, or answers anything but an *answer_type*, is recorded and passed
        over, except for what it raises on purpose. Answers of None are passed over.
        """
        in_use = {plugin.name: plugin for plugin in self}
        for name, given in arguments.items():
            if name in in_use and hook in in_use[name].hooks:
                with contextlib.suppress(PluginError):
                    answer = self.call(name, hook, **given)
                    if answer is not None and not isinstance(answer, answer_type):
                        raise self.plugin_error(name, f"{hook} answered {answer!r:.200}")
                    if answer is not None:
                        yield in_use[name], answer

    def plugins_for(self, system: str) -> list[str]:
        """The plugins that a call about a job of *system* reaches: it, then the others."""
        others = [plugin.name for plugin in self if not plugin.is_system]
        return [system, *others]

    def plugin_error(self, name: str, problem: str) -> PluginError:
        """The error for a plugin's wrong answer, recorded for `anybatch systems`."""
        return self._fault(name, problem)

    def _fault(self, name: str, problem: str) -> PluginError:
        if problem not in self._problems[name]:
            self._problems[name].append(problem)
        distribution = next((p.distribution for p in self.found if p.name == name), "")
        return PluginError(name, distribution, problem)

    def _implementation(self, name: str, hook: str) -> HookImpl | None:
        caller = getattr(self._manager.hook, hook)
        found = [i for i in caller.get_hookimpls() if i.plugin_name == name]
        return found[0] if found else None


def load_plugins(disabled: Iterable[str] = ()) -> Plugins:
    """The built-in plugins and all that are installed, found through entry points.

    Args:
        disabled: names not to load (`ANYBATCH_DISABLED_PLUGINS`).
    """
    plugins = Plugins()
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
        module = importlib.import_module(entry.value)
    except (Exception, SystemExit) as error:
        problem = f"it cannot be imported: {_one_line(error)}"
        plugins.refuse(entry.name, _source(entry), problem)
    else:
        plugins.add(entry.name, module, _source(entry))


def _source(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""


def _one_line(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({last[0].filename}:{last[0].lineno})" if last else ""
    text = " ".join(str(error).splitlines())
    return f"{type(error).__name__}: {text}{where}"


def _hook_names() -> list[str]:
    return [name for name in vars(hookspecs) if name.startswith("anybatch_")]
