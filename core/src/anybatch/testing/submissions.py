"""Submissions for unit tests, as the core would make them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch.model import Resources
from anybatch.plugins.calls import Hooks
from anybatch.plugins.registry import Plugins, load_plugins
from anybatch.records import Setting, Submission
from anybatch.settings.layers import Settings
from anybatch.settings.schema import SettingsSchema
from anybatch.testing.scripted import ScriptedHost

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN = "20261120-094725-64a26d"


def submission(
    system: str | type,
    *,
    count: int = 1,
    resources: Resources | None = None,
    settings: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Submission:
    """A submission of jobs to a batch system, for tests of `anybatch_render` and other hooks.

    Args:
        system: the name of an installed plugin, or a plugin's class.
        count: how many jobs.
        resources: what each job needs; None: nothing is said of it.
        settings: the plugin's settings, as a user writes them. They are checked against what the
            plugin declares, and its defaults are filled in.
        fields: any other attributes of `anybatch.records.Submission`.

    Raises:
        SettingError: a setting that the plugin does not declare, or a value that does not fit.
        UnknownSystem: the plugin is not installed, or cannot be used.

    Example:
        one = submission("tinyq", count=3, settings={"queue": "short"})
        assert "--queue=short" in render(one).command.argv
    """
    name, declared = _declared(system)
    table = declared.with_layer("call", {name: settings} if settings else {}).table(name)
    plain: dict[str, Any] = {
        "token": f"ab-{RUN}-0",
        "run": RUN,
        "number": 0,
        "folder": Path("/runs") / RUN,
        "name": "fit",
    }
    plain.update(fields, count=count, resources=resources or Resources(), settings=table)
    return Submission(**plain)


@cache
def _declared(system: str | type) -> tuple[str, Settings]:
    """A plugin's name, and its settings without any from files or the environment."""
    host = ScriptedHost()
    if isinstance(system, str):
        plugins, name = load_plugins(host), system
    else:
        plugins, name = Plugins(host), system.__name__.lower()
        plugins.add(name, system)
    plugins.system(name)
    schemas = {
        plugin.name: SettingsSchema(one for one in records if isinstance(one, Setting))
        for plugin, records in Hooks(plugins).settings()
    }
    return name, Settings({name: schemas.get(name, SettingsSchema())}, ())
