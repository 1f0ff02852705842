"""What jobs ask for that ask for nothing, and what they may ask for at most, as settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import JobError, SettingError
from anybatch.model import derive
from anybatch.planning.plan import Largest
from anybatch.resources import Resources, write_amount
from anybatch.settings.contradictions import spoken_of
from anybatch.settings.resource_tables import DEFAULTS, LARGEST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anybatch.model import Job
    from anybatch.settings.layers import Settings

_USUAL = Resources()


@attrs.frozen
class Bound:
    """The most that jobs may ask for of something.

    Attributes:
        most: how much.
        setting: which setting says so, and where: `largest_resources.memory in anybatch.toml`.
    """

    most: Any
    setting: str


class DefaultResources:
    """The table `default_resources`, for one batch system.

    Where an option of the batch system tells of a field, its default does not hold.
    """

    def __init__(self, system: str, settings: Settings) -> None:
        self._system = system
        self._settings = settings
        self._last: tuple[Job, Resources] | None = None

    def apply(self, job: Job) -> Job:
        """*job* with what it does not ask for.

        Raises:
            SettingError: a default is no such thing.
        """
        last = self._last and self._last[0]
        if last is None or last.resources is not job.resources or last.settings is not job.settings:
            self._last = job, self._filled(job)
        assert self._last is not None
        resources = self._last[1]
        return job if resources is job.resources else derive(job, {"resources": resources})

    def _filled(self, job: Job) -> Resources:
        settings = self._settings.with_layer("call", job.settings)
        given = _bounds(settings, DEFAULTS, self._system)
        if not given:
            return job.resources
        told = spoken_of(self._system, settings)
        changes = {
            field: one.most
            for field, one in given.items()
            if field not in told and getattr(job.resources, field) == getattr(_USUAL, field)
        }
        return attrs.evolve(job.resources, **changes)


def largest(settings: Settings, system: str) -> dict[str, Bound]:
    """The table `largest_resources` for one batch system, by field.

    Raises:
        SettingError: a value is no such thing.
    """
    return _bounds(settings, LARGEST, system)


def check_largest(
    resources: Resources, bounds: Mapping[str, Bound], fields: Collection[str] | None = None
) -> None:
    """See that no more is asked for than may be.

    Args:
        fields: those that are looked at; None: all.

    Raises:
        JobError: more is, with both amounts and the setting.
    """
    for field, bound in bounds.items():
        asked = getattr(resources, field)
        if asked is not None and asked > bound.most and (fields is None or field in fields):
            raise JobError(
                f"each job asks for {field} = {write_amount(field, asked)}, and the most is "
                f"{write_amount(field, bound.most)}: {bound.setting}; request less, or change that "
                f"setting"
            )


def growth_bounds(bounds: Mapping[str, Bound]) -> Largest:
    """Those of the bounds that retries may grow to."""
    none = Bound(None, "")
    memory, time = bounds.get("memory", none), bounds.get("time", none)
    return Largest(
        memory=memory.most, memory_by=memory.setting, time=time.most, time_by=time.setting
    )


def _bounds(settings: Settings, table: str, system: str) -> dict[str, Bound]:
    """A table's values that hold for a system.

    The strongest source wins, and in each what is said of the system itself.
    """
    bounds = {}
    for field in (name for name in settings.declared.get(table, ()) if "*" not in name):
        found = settings.strongest(table, (f"{system}.{field}", field))
        if found is None:
            continue
        name, value = found
        setting = f"{table}.{name} {_where(value.source)}"
        try:
            Resources(**{field: value.value})
        except ValueError as error:
            raise SettingError(f"{setting}: {error}") from None
        bounds[field] = Bound(value.value, setting)
    return bounds


def _where(source: str) -> str:
    if source == "call":
        return "in the call"
    return "in the environment" if source == "environment" else f"in {source}"
