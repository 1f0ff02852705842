"""Which batch system is here: every plugin is asked, `auto` chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.errors import AnybatchError, UnknownSystem
from anybatch.records import Alias, Detection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anybatch.host import Host
    from anybatch.plugins.registry import Plugins
    from anybatch.settings.layers import Settings

AUTO = "auto"


def detect(
    plugins: Plugins,
    settings: Settings,
    host: Host,
    names: Iterable[str] | None = None,
    *,
    auto: bool = False,
) -> dict[str, Detection]:
    """The answers of all plugins (or those named) that have one, by name.

    Args:
        auto: they are only asked to choose one.
    """
    answers: dict[str, Detection] = {}
    for plugin in plugins:
        if names is not None and plugin.name not in names:
            continue
        try:
            table = settings.table(plugin.name)
            given = {"host": host, "settings": table, "auto": auto}
            answer = plugins.call(plugin.name, "anybatch_detect", **given)
            if answer is None and not plugin.is_system:
                continue
            if not isinstance(answer, Detection):
                raise plugins.plugin_error(plugin.name, f"anybatch_detect answered {answer!r:.100}")
        except AnybatchError as error:
            answer = Detection(available=False, reason=str(error))
        answers[plugin.name] = answer
    return answers


def alias(name: str, plugins: Plugins) -> Alias | None:
    """What a plugin that is no batch system means by its name; None: nothing."""
    if not any(plugin.name == name and not plugin.is_system for plugin in plugins):
        return None
    answer = plugins.call(name, "anybatch_alias")
    if answer is not None and not isinstance(answer, Alias):
        raise plugins.plugin_error(name, f"anybatch_alias answered {answer!r:.100}")
    return answer


def choose(name: str, plugins: Plugins, settings: Settings, host: Host) -> str:
    """The batch system called *name*, or for `auto` the best that is here.

    Raises:
        UnknownSystem: there is none.
    """
    if name != AUTO:
        return plugins.system(name).name
    answers = detect(plugins, settings, host, names=plugins.systems, auto=True)
    wanted = {
        n: one for n, one in answers.items() if one.auto and (one.available or one.unreachable)
    }
    if not wanted:
        reasons = "; ".join(f"{n}: {answer.reason}" for n, answer in answers.items())
        raise UnknownSystem(f"no batch system is usable here ({reasons or 'none installed'})")
    best = max(sorted(wanted), key=lambda n: wanted[n].priority)
    if wanted[best].unreachable:
        others = ", ".join(n for n, answer in wanted.items() if answer.available)
        raise UnknownSystem(
            f"{best} is set up here, but {wanted[best].reason}. Try again later, or name a "
            f"system (usable now: {others or 'none'})"
        )
    return best
