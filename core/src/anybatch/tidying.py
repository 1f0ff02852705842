"""Removing runs that have ended, and what their folders take on the disk.

    removals, kept = plan_removal(session, ended_before=timedelta(days=30))
    for one in removals:
        remove(session, one)

Nothing is touched of a run that may still change, or that another such run waits for.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from anybatch import arguments
from anybatch.errors import FolderAway, FolderError, RunNotFound, UnknownSystem, UsageError
from anybatch.history import Wanted
from anybatch.model import State
from anybatch.runs.finding import find_run
from anybatch.runs.index import Index
from anybatch.selection import ALL, read_selection
from anybatch.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anybatch.history import Listed

_STATES = arguments.a_set_of(State)
_A_TIME = arguments.is_a(timedelta, "a timedelta")
_A_NUMBER = arguments.is_a(int, "a whole number")
_BLOCK = 512  #: bytes that `st_blocks` counts
_FAILURES = frozenset({State.FAILED, State.LOST})


@attrs.frozen(kw_only=True)
class Which:
    """Which runs that have ended are removed, where they are not named.

    Attributes:
        ended_before: those that ended so long ago.
        states: those all of whose jobs are in these states; empty: any.
        keep_failed: not those with a job that failed or is lost.
        over: those whose folder takes more than so many bytes.
        largest: of all these so many, whose folders are the largest; None: all.

    Raises:
        UsageError: a value of a wrong type.
    """

    ended_before: timedelta | None = attrs.field(default=None, validator=_A_TIME)
    states: frozenset[State] = attrs.field(default=frozenset(), validator=_STATES)
    keep_failed: bool = False
    over: int | None = attrs.field(default=None, validator=_A_NUMBER)
    largest: int | None = attrs.field(default=None, validator=_A_NUMBER)

    def fits(self, one: Listed) -> bool:
        """Whether a run is one of them, but for its size."""
        if self.ended_before is not None:
            age = datetime.now(timezone.utc) - (one.ended or one.created)
            if age < self.ended_before:
                return False
        if self.keep_failed and not _FAILURES.isdisjoint(one.counts):
            return False
        return not self.states or self.states >= {*one.counts}


@attrs.frozen(kw_only=True)
class Removal:
    """A run that is removed.

    Attributes:
        run: its id.
        folder: of the run, which is removed; None: the run is only forgotten.
        size: bytes on the disk that it takes.
        why: why it is only forgotten.
    """

    run: str
    folder: Path | None = None
    size: int = 0
    why: str = ""


def plan_removal(
    session: Session, names: Sequence[str] = (), which: Which | None = None
) -> tuple[list[Removal], dict[str, str]]:
    """The runs to remove, and why others that would fit are kept.

    Args:
        names: runs, as `Session.attach` takes them; empty: all that have ended.
        which: of these, those that fit.

    Raises:
        UsageError: a run that is named may still change, or is waited for; or there is none.
        FolderError: the index cannot be read, or is not believed.
    """
    which = Which() if which is None else which
    arguments.must_be(Session, session, "session", "a Session")
    arguments.must_be(Which, which, "which", "an anybatch.tidying.Which")
    names, index = arguments.names(names, "names"), Index()
    needed = _needed(session)
    found: list[Removal] = []
    kept: dict[str, str] = {}
    if names:
        for name in dict.fromkeys(_find(index, text) for text in names):
            try:
                found.append(_look(session, name, needed))
            except UsageError as error:
                raise UsageError(f"{error}; nothing was removed") from None
        if which != Which():
            fits = {one.id for one in _ended(session) if which.fits(one)}
            found = [one for one in found if one.run in fits]
    else:
        for listed in _ended(session):
            if which.fits(listed):
                try:
                    one = _look(session, listed.id, needed)
                except UsageError as error:
                    kept[listed.id] = str(error)
                    continue
                if one.folder is None:  # nobody has said that it will not come back
                    kept[listed.id] = one.why
                else:
                    found.append(one)
    if which.over is not None:
        found = [one for one in found if one.size > which.over]
    if which.largest is not None:
        found = sorted(found, key=lambda one: -one.size)[: which.largest]
    return found, kept


def _ended(session: Session) -> list[Listed]:
    return [one for one in session.history(Wanted(ended=None)) if not one.active]


def remove(session: Session, removal: Removal) -> None:
    """Remove a run's folder, and forget the run.

    Raises:
        UsageError: it may change again meanwhile; it was not removed.
        FolderError: its folder cannot be removed, or the index not be written.
    """
    arguments.must_be(Removal, removal, "removal", "one that plan_removal has planned")
    if removal.folder is None:
        Index().remove(removal.run)
        return
    with _unchanged(session, removal.run):
        place = Path(os.path.realpath(removal.folder))  # it may have been moved, and be a link here
        session.host.remove(place)
        if removal.folder.is_symlink():
            session.host.remove(removal.folder)
        if session.host.exists(place):
            raise FolderError(
                f"run {removal.run}: its folder {str(removal.folder)!r} cannot be removed whole; "
                f"the run is still known"
            )
        Index().remove(removal.run)


def folder_size(folder: Path) -> int:
    """Bytes on the disk that a folder takes, with all that is in it; links are not followed.

    What cannot be looked at is not counted.
    """
    total, left = 0, [str(folder)]
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
    return total


def _find(index: Index, text: str) -> str:
    selection = read_selection(text)
    if selection.parts:
        raise UsageError(f"only whole runs can be removed, not {text!r:.100}; nothing was removed")
    if selection.run == ALL:
        raise UsageError("`all` means active runs, which cannot be removed; nothing was removed")
    return find_run(index, selection)


def _needed(session: Session) -> dict[str, str]:
    """The runs that active ones wait for, with one of these."""
    return {
        name: run.id
        for run in session.runs()
        for one in run.watched.state.submissions
        for name, _ in one.planned.waits
        if name != run.id
    }


def _look(session: Session, run: str, needed: dict[str, str]) -> Removal:
    """What would be removed of a run.

    Raises:
        UsageError: it may still change, or another run waits for it.
    """
    if run in needed:
        raise UsageError(f"run {run} is waited for by run {needed[run]}, which has not ended")
    try:
        known = session.attach(run)
    except FolderAway as error:
        return Removal(run=run, why=str(error))
    except (FolderError, UnknownSystem) as error:
        return Removal(run=run, why=f"its folder cannot be read: {error}")
    if not known.finished:
        known.refresh()
    if not known.finished:
        raise UsageError(
            f"run {run} has jobs that have not ended (to end them: anybatch cancel {run})"
        )
    return Removal(run=run, folder=known.folder, size=folder_size(known.folder))


@contextlib.contextmanager
def _unchanged(session: Session, run: str) -> Iterator[None]:
    """Inside, no other process has jobs of the run run again.

    Raises:
        UsageError: one has, or is about to.
    """
    known = session.attach(run)
    with known.watched.right.held() as mine:
        if mine:
            known.refresh()
        if not mine or not known.finished:
            raise UsageError(f"run {run} is active again; it was not removed")
        yield


def sizes(names: Sequence[str] = ()) -> list[tuple[str, Path, int]]:
    """What runs take on the disk: id, folder and bytes, the largest first.

    Args:
        names: as for `plan_removal`; empty: all runs, also active ones.

    Raises:
        UsageError: there is no such run.
        FolderError: the index cannot be read, or is not believed.
    """
    names, index = arguments.names(names, "names"), Index()
    found = []
    for name in dict.fromkeys(_find(index, text) for text in names) if names else index.known():
        with contextlib.suppress(FolderError, RunNotFound):
            folder = index.summary(name).folder
            found.append((name, folder, folder_size(folder)))
    return sorted(found, key=lambda one: -one[2])
