"""What a job asks for and what settings say of the same thing: equal, or refused.

A default gives way: that of a plugin, and that of a site's plugin. What a user has set, in a file,
in the environment or in the call, and what the job asks for are two answers to one question.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import JobError
from anybatch.model import Job, Resources
from anybatch.resources import write_amount
from anybatch.settings.layers import DEFAULT, SITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anybatch.records import Setting
    from anybatch.settings.layers import Settings, Value

_USUAL = Resources()


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
            if not _gives_way(value):
                raise JobError(_told(f"{plugin}.{name}", value, field, asked[field]))
            table[name] = None
    return table


@attrs.frozen(kw_only=True)
class Change:
    """What is different where jobs are run again.

    Attributes:
        resources: what each job asks for from now on.
        fields: those of them that are changed.
        container: the image that the jobs keep.
        urgency: how urgent each job is from now on.
        settings: of the batch system, that are changed.
    """

    resources: Resources
    fields: Collection[str]
    container: str | None
    urgency: int
    settings: Mapping[str, Any]


def settled_anew(
    plugin: str, settings: Settings, before: Mapping[str, Any], change: Change
) -> dict[str, Any]:
    """The settings of *plugin* for jobs that were submitted with *before* and are changed.

    What is not changed was compared when the jobs were submitted.

    Args:
        settings: tell what is declared, and which values are defaults.

    Raises:
        JobError: a setting, of then or now, contradicts what the jobs ask for.
    """
    table = {**before}
    for name, value in change.settings.items():
        table[name] = _over(before.get(name), value)
    own = _given(container=change.container, urgency=change.urgency or None)
    asked = {**_requested(change.resources), **own}
    declared, usual = settings.declared[plugin], settings.explain(plugin)
    for name, value in table.items():
        if value is None or value is False or name not in declared:
            continue
        new = name in change.settings
        for field in _contradicted(declared[name], value, asked):
            if not new and field not in change.fields:
                continue
            source = usual.get(name)
            if new or source is None or source.value != value or not _gives_way(source):
                raise JobError(_told_anew(f"{plugin}.{name}", value, field, asked[field], new=new))
            table[name] = None
    return table


def spoken_of(plugin: str, settings: Settings) -> set[str]:
    """The fields of a job that settings tell of which somebody has set; defaults do not count."""
    told: set[str] = set()
    for name, value in settings.explain(plugin).items():
        setting = settings.declared[plugin][name]
        if value.value is not False and not _gives_way(value):
            found = (
                f
                for f, pattern in setting.overlaps.items()
                if _tells(setting, value.value, pattern)
            )
            told.update(filter(None, [setting.same_as]), found)
    return told


def _tells(setting: Setting, value: Any, pattern: str) -> bool:
    return re.search(pattern, f"{setting.name}={value}") is not None


def _over(old: Any, new: Any) -> Any:
    """A changed setting; of a table its keys."""
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new


def _gives_way(value: Value) -> bool:
    return value.source == DEFAULT or value.source.startswith(SITE)


def _asked(job: Job) -> dict[str, Any]:
    """What the job itself asks for, by field."""
    own = _given(name=job.name, container=job.container, urgency=job.urgency or None)
    return {**_requested(job.resources), **own}


def _requested(resources: Resources) -> dict[str, Any]:
    return {
        name: getattr(resources, name)
        for name in attrs.fields_dict(Resources)
        if getattr(resources, name) != getattr(_USUAL, name)
    }


def _given(**own: str | int | None) -> dict[str, Any]:
    return {name: value for name, value in own.items() if value is not None}


def _contradicted(setting: Setting, value: Any, asked: Mapping[str, Any]) -> Iterator[str]:
    """The fields of which the setting tells something else, or what cannot be compared."""
    if setting.same_as in asked and str(value) != str(asked[setting.same_as]):
        yield setting.same_as
    for field, pattern in setting.overlaps.items():
        if field in asked and _tells(setting, value, pattern):
            yield field


def _told(name: str, value: Value, field: str, asked: Any) -> str:
    wanted = write_amount(field, asked)
    where = "the call" if value.source == "call" else value.source
    return (
        f"the job asks for {field} = {wanted}, and {name} = {value.value} (from {where}) speaks of "
        f"the same thing. Give only one of them: leave out {field}, or remove the setting there"
    )


def _told_anew(name: str, value: Any, field: str, asked: Any, *, new: bool) -> str:
    wanted = write_amount(field, asked)
    if new:
        since, how = "as this rerun wants", f"leave out {name}"
    else:
        since, how = (
            "as they were submitted with",
            (f"leave out {field}, or take the setting back with {name} = false"),
        )
    return (
        f"the jobs ask for {field} = {wanted}, and {name} = {value} ({since}) speaks of the same "
        f"thing. Give only one of them: {how}"
    )
