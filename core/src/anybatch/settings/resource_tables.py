"""The tables `default_resources` and `largest_resources`, for all batch systems and for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anybatch.records import Kind, Setting
from anybatch.settings.schema import SettingsSchema

DEFAULTS = "default_resources"  #: the table with what jobs ask for that ask for nothing
LARGEST = "largest_resources"  #: the table with the most that jobs may ask for
_AMOUNTS: Mapping[str, Kind] = {
    "nodes": Kind.INTEGER,
    "tasks": Kind.INTEGER,
    "cores": Kind.INTEGER,
    "gpus": Kind.INTEGER,
    "memory": Kind.SIZE,
    "disk": Kind.SIZE,
    "time": Kind.DURATION,
}
_CHOICES: Mapping[str, Kind] = {"queue": Kind.TEXT, "exclusive": Kind.FLAG}


def resource_settings() -> dict[str, list[Setting]]:
    """The settings of both tables. A name after a system's, `slurm.memory`, is for that one."""
    return {
        DEFAULTS: _settings(
            {**_AMOUNTS, **_CHOICES}, "What a job asks for that says nothing of {}."
        ),
        LARGEST: _settings(_AMOUNTS, "A job that asks for more {} is refused."),
    }


def resource_schemas() -> dict[str, SettingsSchema]:
    """The same for `Settings`."""
    return {table: SettingsSchema(settings) for table, settings in resource_settings().items()}


def flattened(table: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a table by one name each: `{"slurm": {"memory": 1}}` has `slurm.memory`."""
    if table not in (DEFAULTS, LARGEST):
        return values
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update((f"{name}.{field}", one) for field, one in value.items())
        else:
            flat[name] = value
    return flat


def _settings(fields: Mapping[str, Kind], text: str) -> list[Setting]:
    return [
        Setting(name=f"{prefix}{name}", kind=kind, help=text.format(f"`{name}`") + more)
        for prefix, more in (("", ""), ("*.", " Of the batch system that `*` stands for."))
        for name, kind in fields.items()
    ]
