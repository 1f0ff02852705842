"""Which batch system is here: every plugin is asked, `auto` chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.errors import AnybatchError, UnknownSystem
from anybatch.records import Detection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anybatch.plugins.calls import Hooks
    from anybatch.settings.layers import Settings

AUTO = "auto"


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
            answer = Detection(available=False, reason=str(error))
        if answer is not None:
            answers[plugin.name] = answer
    return answers


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
    best = max(sorted(wanted), key=lambda n: wanted[n][0])
    _, answer = wanted[best]
    if answer.unreachable:
        others = ", ".join(n for n, (_, one) in wanted.items() if one.available)
        raise UnknownSystem(
            f"{best} is configured here, but {answer.reason}. Try again later, or name "
            f"another system (available now: {others or 'none'})"
        )
    return best
