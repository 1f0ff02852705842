"""Shapes of what stands in `run.json`; ValueError or TypeError where it is something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch.ranges import read_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping


def logs(plain: Any, count: int) -> tuple[tuple[str, str], ...]:
    """Paths of logs by ranges of jobs."""
    spans = tuple((text(indices), text(name)) for indices, name in plain)
    for indices, _ in spans:
        read_ranges(indices, below=count)
    return spans


def ranges(plain: Any, count: int) -> str:
    """Ranges of jobs."""
    read_ranges(text(plain), below=count)
    return text(plain)


def labels(plain: Any, count: int) -> tuple[tuple[str, Mapping[str, str]], ...]:
    """Labels by ranges of jobs."""
    spans = tuple((text(indices), table) for indices, table in plain)
    for indices, table in spans:
        read_ranges(indices, below=count)
        for name, label in table.items():
            text(name), text(label)
    return spans


def text(plain: Any) -> str:
    """A text."""
    if not isinstance(plain, str):
        raise TypeError(f"{plain!r:.100} is not a string")
    return plain


def whole(plain: Any) -> int:
    """A whole number, 0 or more."""
    if not isinstance(plain, int) or isinstance(plain, bool) or plain < 0:
        raise TypeError(f"{plain!r:.100} is not a whole number")
    return plain


def index(plain: Any) -> int | None:
    """A job's number, or None for all."""
    return None if plain is None else whole(plain)
