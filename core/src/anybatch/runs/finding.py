"""Which runs a word means: an ID or a part of it, a name, a folder, `@` or `@2`."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from anybatch.errors import FolderError, RunNotFound, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anybatch.runs.index import Index
    from anybatch.selection import Selection

_SHOWN = 5  #: runs that are named if several match
SECOND = len("20261120-094725")  #: of an ID; what follows is in no order
_LIST = "`anybatch status --all` lists all runs"


def find_run(index: Index, selection: Selection) -> str:
    """The ID of the run that a selection names; not for `all`.

    A name means the active run of this name, and if none is active the latest. A word that is a
    part of one run's ID and the name of another may mean either.

    Raises:
        RunNotFound: none or several match.
        FolderError: the index cannot be read, or is not believed.
    """
    word = selection.run
    if selection.is_folder:
        return _by_folder(index, word)
    if index.has(word):
        return word
    if selection.last is not None:
        return _last(index, selection.last)
    known = index.known()
    parts = [run for run in known if word and word in run]
    active = [run for run in index.active() if _name(index, run) == word]
    ended = (run for run in sorted(known, reverse=True) if word and _name(index, run) == word)
    named = active or list(itertools.islice(ended, 1))
    found = sorted({*parts, *named})
    if len(found) > 1:
        raise RunNotFound(f"{word!r} matches {len(found)} runs; {_those(index, found)}")
    if not found:
        names = (_name(index, run) for run in known)
        hint = did_you_mean(word, [*known, *filter(None, names)]).replace("; did", ". Did")
        raise RunNotFound(f"no run matches {word!r:.100}{hint or '.'} ({_LIST})")
    return found[0]


def in_order(index: Index, runs: Iterable[str]) -> list[str]:
    """Runs in the order of their submission, also those of the same second."""
    runs = sorted(runs)
    seconds = [run[:SECOND] for run in runs]
    doubtful = {a for a, b in itertools.pairwise(seconds) if a == b}

    def key(run: str) -> tuple[str, float, str]:
        second = run[:SECOND]
        return second, _created(index, run) if second in doubtful else 0.0, run

    return sorted(runs, key=key)


def _last(index: Index, number: int) -> str:
    known = sorted(index.known(), reverse=True)
    if number > len(known):
        are = "are no runs" if not known else f"is no run @{number}: only {len(known)} are known"
        raise RunNotFound(f"there {are} ({_LIST})")
    second = known[number - 1][:SECOND]
    latest = [run for run in known if run[:SECOND] >= second]
    return in_order(index, latest)[-number]


def _by_folder(index: Index, word: str) -> str:
    folder = Path(os.path.realpath(word))
    run = folder.name
    if not index.has(run):
        raise RunNotFound(f"{word!r:.200} is not the folder of one of your runs ({_LIST})")
    known = index.summary(run).folder
    if Path(os.path.realpath(known)) != folder:
        raise RunNotFound(
            f"{word!r:.200} is not the folder that run {run} is known by, which is "
            f"{str(known)!r:.200}"
        )
    return run


def _name(index: Index, run: str) -> str | None:
    with contextlib.suppress(FolderError, RunNotFound):
        return index.summary(run).name
    return None


def _created(index: Index, run: str) -> float:
    with contextlib.suppress(FolderError, RunNotFound):
        if created := index.summary(run).created:
            return created.timestamp()
    return 0.0


def _those(index: Index, runs: Iterable[str]) -> str:
    """`they are RUN (fit), RUN`."""
    latest = in_order(index, runs)[::-1]
    which = "they are" if len(latest) <= _SHOWN else "the latest are"
    return f"{which} {', '.join(_described(index, latest[:_SHOWN]))}"


def _described(index: Index, runs: Iterable[str]) -> Iterator[str]:
    for run in runs:
        name = _name(index, run)
        yield f"{run} ({name})" if name else run
