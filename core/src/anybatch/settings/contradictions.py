"""What a job asks for and what settings say of the same thing: equal, or refused.

A default gives way: that of a plugin, and that of a site's plugin. What a user has set, in a file,
in the environment or in the call, and what the job asks for are two answers to one question.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import JobError
from anybatch.model import Job, Resources
from anybatch.settings.layers import DEFAULT, SITE
from anybatch.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from anybatch.records import Setting
    from anybatch.settings.layers import Settings, Value

_USUAL = Resources()
_WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "memory": format_size,
    "disk": format_size,
    "time": format_duration,
}


def settled(plugin: str, settings: Settings, job: Job) -> dict[str, Any]:
    """The settings of *plugin* for *job*, without defaults that the job's own requests replace.

    Raises:
        JobError: a setting contradicts what the job asks for.
    """
    table, asked = settings.table(plugin), _asked(job)
    if not asked:
        return table
    values = settings.explain(plugin)
    for name, value in values.items():
        if table[name] is False:  # it takes back what was set elsewhere
            continue
        for field in _contradicted(settings.declared[plugin][name], value.value, asked):
            if value.source != DEFAULT and not value.source.startswith(SITE):
                raise JobError(_told(f"{plugin}.{name}", value, field, asked[field]))
            table[name] = None
    return table


def _asked(job: Job) -> dict[str, Any]:
    """What the job itself asks for, by field."""
    fields = {
        name: getattr(job.resources, name)
        for name in attrs.fields_dict(Resources)
        if getattr(job.resources, name) != getattr(_USUAL, name)
    }
    own = {"name": job.name, "container": job.container}
    return {**fields, **{name: value for name, value in own.items() if value is not None}}


def _contradicted(setting: Setting, value: Any, asked: Mapping[str, Any]) -> Iterator[str]:
    """The fields of which the setting tells something else, or what cannot be compared."""
    if setting.same_as in asked and str(value) != str(asked[setting.same_as]):
        yield setting.same_as
    for field, pattern in setting.overlaps.items():
        if field in asked and re.search(pattern, f"{setting.name}={value}"):
            yield field


def _told(name: str, value: Value, field: str, asked: Any) -> str:
    wanted = _WRITTEN.get(field, str)(asked)
    where = "the call" if value.source == "call" else value.source
    return (
        f"the job asks for {field} = {wanted}, and {name} = {value.value} (from {where}) speaks of "
        f"the same thing. Give only one of them: leave out {field}, or remove the setting there"
    )
