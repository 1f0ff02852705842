"""What a line of progress looks like, at any width. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from anybatch.counts import write_counts
from anybatch.model import State
from anybatch.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Segment = tuple[str, str]  #: a text and its style
STYLES = {
    State.HELD: "yellow",
    State.RUNNING: "cyan",
    State.DONE: "green",
    State.FAILED: "bold red",
    State.TERMINATED: "yellow",
    State.LOST: "bold red",
}
_BAR = (10, 40)  #: the shortest and the longest bar


@attrs.frozen(kw_only=True)
class View:
    """How far some runs are.

    Attributes:
        title: which runs.
        counts: how many jobs are in which state.
        elapsed: since they were submitted.
        rate: jobs that end in a second; None: not known.
        left: how long the rest will take; None: not known.
    """

    title: str
    counts: Mapping[State, int]
    elapsed: timedelta
    rate: float | None = None
    left: timedelta | None = None

    @property
    def total(self) -> int:
        """How many jobs there are."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """How many have their verdict."""
        return sum(number for state, number in self.counts.items() if state.final)


def write_line(view: View) -> str:
    """The progress as a line of text: `run X: 3 running, 2 done, 1m left`."""
    left = f", {_coarse(view.left)} left" if view.left else ""
    return f"{view.title}: {write_counts(view.counts)}{left}"


def draw(view: View, width: int, *, ascii_only: bool = False) -> list[Segment]:
    """The progress in not more than *width* columns: what matters least is left out."""
    line: list[Segment] = []
    for bar, parts in _layouts(view):
        room = width - sum(len(text) for text, _ in _joined(parts)) - bar
        if room >= bar * _BAR[0]:
            first = _bar(view, min(room, _BAR[1]), ascii_only) if bar else []
            line = [*first, *([(" ", "")] if bar else []), *_joined(parts)]
            break
    return line


def _layouts(view: View) -> Iterator[tuple[bool, Sequence[Sequence[Segment]]]]:
    """Whether there is a bar, and what stands beside it; the fullest first."""
    title: list[Segment] = [(view.title, "")]
    number: list[Segment] = [(f"{view.ended}/{view.total}", "bold")]
    counts = _counts(view, short=False)
    short = _counts(view, short=True)
    rate: list[Segment] = [(_rate(view.rate), "dim")] if view.rate else []
    left: list[Segment] = [(f"{_coarse(view.left)} left", "")] if view.left else []
    elapsed: list[Segment] = [(_coarse(view.elapsed), "dim")]
    yield True, [number, counts, rate, left, elapsed, title]
    yield True, [number, counts, rate, left, elapsed]
    yield True, [number, counts, left, elapsed]
    yield True, [number, counts, left]
    yield True, [number, short, left]
    yield False, [number, short, left]
    yield False, [number, short]
    yield False, [number]
    yield False, []


def _joined(parts: Sequence[Sequence[Segment]]) -> list[Segment]:
    found: list[Segment] = []
    for part in filter(None, parts):
        found += [("  ", ""), *part] if found else part
    return found


def _counts(view: View, *, short: bool) -> list[Segment]:
    found: list[Segment] = []
    for state, number in view.counts.items():
        if found:
            found.append((" " if short else ", ", ""))
        text = f"{number}{state.value[0]}" if short else f"{number} {state.value}"
        found.append((text, STYLES.get(state, "")))
    return found


def _bar(view: View, width: int, ascii_only: bool) -> list[Segment]:
    full, empty = ("#", "-") if ascii_only else ("━", "╌")
    done = view.counts.get(State.DONE, 0)
    total = max(view.total, 1)
    filled = width * view.ended // total
    if 0 < view.ended < total:
        filled = min(max(filled, 1), width - 1)
    red = -(-filled * (view.ended - done) // max(view.ended, 1))  # one failure is seen
    green = filled - red
    style = "red" if view.counts.get(State.FAILED) or view.counts.get(State.LOST) else "yellow"
    parts = [(full * green, "green"), (full * red, style), (empty * (width - green - red), "dim")]
    return [part for part in parts if part[0]]


def _rate(rate: float) -> str:
    """`3.2/s`, `14/min`, `2/h`."""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1:
            return f"{rate * seconds:.{1 if rate * seconds < 10 else 0}f}/{unit}"
    return f"{rate * 86_400:.1f}/d"


def _coarse(duration: timedelta) -> str:
    """A duration in two units, so that it does not jump."""
    hours, minutes = timedelta(hours=1), timedelta(minutes=1)
    unit = hours if duration >= 24 * hours else minutes if duration >= hours else timedelta(0)
    unit = unit or timedelta(seconds=1)
    return format_duration(max(duration, timedelta(0)) // unit * unit)
