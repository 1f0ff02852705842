"""This user's runs as a list: active ones and ended ones, at the cost of those that are listed.

What is listed of a run that has ended is in the index, so its folder is not opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import attrs

from anybatch import arguments
from anybatch.errors import FolderError, RunNotFound, UnknownSystem
from anybatch.model import State
from anybatch.runs.finding import SECOND

if TYPE_CHECKING:
    from anybatch.catalogue import Catalogue
    from anybatch.run import Run
    from anybatch.runs.summary import Summary

DAY = timedelta(days=1)
_A_TEXT = arguments.is_a(str, "a text")
_STATES = arguments.a_set_of(State)
_A_TIME = arguments.is_a(timedelta, "a timedelta")
_A_NUMBER = arguments.is_a(int, "a whole number")


@attrs.frozen(kw_only=True)
class Wanted:
    """Which runs are listed.

    Attributes:
        ended: also runs that have ended within this time; None: also all that have ended.
        limit: only so many, the latest; None: all.
        name: only those whose name matches this glob pattern.
        states: only those with a job in one of these states; empty: all.
        system: only those of this batch system.
        label: only those with a job that has this label: `NAME=VALUE`, or `NAME`.

    Raises:
        UsageError: a value of a wrong type.
    """

    ended: timedelta | None = attrs.field(default=DAY, validator=_A_TIME)
    limit: int | None = attrs.field(default=None, validator=_A_NUMBER)
    name: str | None = attrs.field(default=None, validator=_A_TEXT)
    states: frozenset[State] = attrs.field(default=frozenset(), validator=_STATES)
    system: str | None = attrs.field(default=None, validator=_A_TEXT)
    label: str | None = attrs.field(default=None, validator=_A_TEXT)

    @property
    def since(self) -> float | None:
        """When runs that are listed have ended at the earliest; seconds since 1970."""
        return None if self.ended is None else time.time() - self.ended.total_seconds()


@attrs.frozen(kw_only=True)
class Listed:
    """A run in a list.

    Attributes:
        id, name, system, created: of the run.
        active: whether it may still change.
        ended: when it ended; None: it has not.
        counts: how many jobs are in which state.
    """

    id: str
    name: str
    system: str
    created: datetime
    active: bool
    ended: datetime | None
    counts: Mapping[State, int]


def history(catalogue: Catalogue, wanted: Wanted | None) -> list[Listed]:
    """The runs that are wanted, in the order of their submission: see `Session.history`."""
    wanted = Wanted() if wanted is None else wanted
    arguments.must_be(Wanted, wanted, "wanted", "an anybatch.history.Wanted")
    active = {run.id: run for run in catalogue.active()}
    found = [of_run(run) for run in active.values() if _fits(of_run(run), wanted, run.has_label)]
    for name in catalogue.index.ended(wanted.since):
        if wanted.limit and _are_later(found, name, wanted.limit):
            break
        if name not in active and (one := _ended(catalogue, name, wanted)):
            found.append(one)
    found.sort(key=lambda one: (one.created, one.id))
    return found[-wanted.limit :] if wanted.limit else found


def _are_later(found: list[Listed], name: str, number: int) -> bool:
    """Whether so many runs were submitted in a later second."""
    return sum(one.id[:SECOND] > name[:SECOND] for one in found) >= number


def _ended(catalogue: Catalogue, name: str, wanted: Wanted) -> Listed | None:
    """A run that has ended, if it is wanted; it is opened only if the index does not tell all."""
    try:
        summary = catalogue.index.summary(name)
        one = _of_summary(name, summary) or of_run(catalogue.attach(name))

        def has_label(label: str) -> bool:
            known = summary.has_label(label)
            return catalogue.attach(name).has_label(label) if known is None else known

        return one if _fits(one, wanted, has_label) else None
    except (FolderError, UnknownSystem) as error:
        catalogue.note_unreadable(name, error)
    except RunNotFound:
        pass  # it was removed a moment ago
    return None


def _of_summary(name: str, summary: Summary) -> Listed | None:
    if None in (summary.name, summary.system, summary.created, summary.ended, summary.counts):
        return None
    assert summary.created is not None
    return Listed(
        id=name,
        name=summary.name or "",
        system=summary.system or "",
        created=summary.created,
        active=False,
        ended=summary.ended,
        counts=summary.counts or {},
    )


def of_run(run: Run) -> Listed:
    """A run that is open."""
    ends = [one.ended for one in run.outcomes if one and one.ended] if run.finished else []
    return Listed(
        id=run.id,
        name=run.name,
        system=run.system,
        created=run.created,
        active=not run.finished,
        ended=max(ends, default=None),
        counts=run.counts,
    )


def _fits(one: Listed, wanted: Wanted, has_label: Callable[[str], bool]) -> bool:
    return (
        (wanted.name is None or fnmatchcase(one.name, wanted.name))
        and wanted.system in (None, one.system)
        and (not wanted.states or not wanted.states.isdisjoint(one.counts))
        and (wanted.label is None or has_label(wanted.label))
    )
