"""Short forms for many numbers and many equal values, as journals and run folders hold them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")


def write_ranges(numbers: Iterable[int]) -> str:
    """`0-3,7` for 0, 1, 2, 3, 7; the order is kept."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in parts)


def read_ranges(text: str, below: int | None = None) -> list[int]:
    """The inverse of `write_ranges`.

    Args:
        below: all numbers must be.

    Raises:
        ValueError: the text is none of its results.
    """
    numbers: list[int] = []
    for part in text.split(",") if text else []:
        first, _, last = part.partition("-")
        begin, end = int(first), int(last or first) + 1
        if begin >= end or (below is not None and end > below):
            raise ValueError(f"invalid range {part:.50}")
        numbers.extend(range(begin, end))
    return numbers


def spans(values: Sequence[T]) -> list[tuple[str, T]]:
    """Runs of equal values: `[("0-2", "a"), ("3", "b")]` for a, a, a, b."""
    found = []
    for value, indices in groupby(range(len(values)), key=values.__getitem__):
        found.append((write_ranges(indices), value))
    return found


def by_index(found: Iterable[tuple[str, T]], count: int) -> Sequence[T | None]:
    """The inverse of `spans`: *count* values; None where none is named."""
    values: list[T | None] = [None] * count
    for indices, value in found:
        for index in read_ranges(indices):
            values[index] = value
    return values


#: Jobs in a page of a run's task lines; bash reads so many lines in 0.1 ms, 100,000 in 40 ms.
PAGE = 200


def page_of(task: int) -> int:
    """The page with the line of *task* (1..count)."""
    return (task - 1) // PAGE
