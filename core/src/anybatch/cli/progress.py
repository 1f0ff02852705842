"""How waiting looks: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from anybatch.cli.base import say
from anybatch.localhost import LocalHost
from anybatch.printable import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from anybatch.model import State
    from anybatch.run import Run

PAUSE = 3.0  #: seconds between two lines if there is no bar
SPARE = 3  #: columns that the bar leaves free: a `^C` in the last one would break the line


def progress() -> Progress:
    """A bar if standard error can show one, else lines."""
    kind = LocalHost().environ.get("TERM", "dumb")
    return Bar() if sys.stderr.isatty() and kind != "dumb" else Progress()


class Progress:
    """A line for each change of the counts, but not one more often than every few seconds.

    Args:
        write: prints a line; also called from the thread that watches.
        clock: tells seconds.
    """

    def __init__(
        self, write: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._said = ""
        self._due = clock()

    def say(self, text: str) -> None:
        """Print a notice."""
        self._write(text)

    def update(self, runs: Sequence[Run]) -> None:
        """Show how far the runs are."""
        if self._clock() >= self._due:
            self._show(runs)

    def finish(self, runs: Sequence[Run]) -> None:
        """Show how the runs ended."""
        self._show(runs)

    def _show(self, runs: Sequence[Run]) -> None:
        text = describe(runs)
        if text != self._said:
            self._said = text
            self._due = self._clock() + PAUSE
            self.say(text)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        """Leave the terminal as it was."""


class Bar(Progress):
    """A progress bar, with notices above it. It begins with the first update."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Any = None

    def say(self, text: str) -> None:
        """Print a notice above the bar."""
        bar = self._bar  # another thread may end it at any time
        if bar is None:
            super().say(text)
        else:
            bar.console.print(f"anybatch: {shown(text)}", soft_wrap=True)

    def update(self, runs: Sequence[Run]) -> None:
        """Draw how far the runs are."""
        if self._bar is None:
            self._bar = _bar()
            self._bar.start()
        counts = total(runs)
        ended = sum(number for state, number in counts.items() if state.final)
        self._bar.update(
            self._bar.task_ids[0],
            total=sum(counts.values()),
            completed=ended,
            description=_title(runs),
            counts=write_counts(counts),
        )

    def finish(self, runs: Sequence[Run]) -> None:
        """Put a line in the place of the bar."""
        self._end()
        super().finish(runs)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> Any:
    from rich.console import Console  # takes 100 ms
    from rich.constrain import Constrain
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)

    class Narrow(Progress):
        def get_renderable(self) -> Constrain:
            return Constrain(super().get_renderable(), max(console.width - SPARE, 1))

    bar = Narrow(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}", markup=False),
        TextColumn("{task.fields[counts]}", markup=False),
        TimeElapsedColumn(table_column=Column(min_width=7, no_wrap=True)),
        console=console,
        transient=True,
    )
    bar.add_task("", total=None, counts="")
    return bar


def describe(runs: Sequence[Run]) -> str:
    """`run 20261120-094725-64a26d: 3 running, 2 done`."""
    return f"{_title(runs)}: {write_counts(total(runs))}"


def _title(runs: Sequence[Run]) -> str:
    return f"run {runs[0].id}" if len(runs) == 1 else f"{len(runs)} runs"


def total(runs: Sequence[Run]) -> Counter[State]:
    """How many jobs of all the runs are in each state."""
    counts: Counter[State] = Counter()
    for run in runs:
        counts.update(run.counts)
    return counts


def write_counts(counts: Mapping[State, int]) -> str:
    """`3 running, 2 done`."""
    return ", ".join(f"{number} {state.value}" for state, number in counts.items())
