"""How waiting looks: a line that is drawn anew on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from anybatch.cli.base import say
from anybatch.cli.drawing import View, draw, write_line
from anybatch.cli.pace import Pace
from anybatch.localhost import LocalHost
from anybatch.model import State
from anybatch.printable import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from anybatch.run import Run

PAUSE = 3.0  #: seconds between two lines at first, if nothing is drawn
GROWS = 20  #: later the pause is the time that has passed, divided by this
LONGEST_PAUSE = 600.0  #: seconds
SPARE = 3  #: columns that are left free: a `^C` in the last one would break the line
FIRST = 5  #: failures that are told as they come
FAILED = (State.FAILED, State.LOST)


def progress() -> Progress:
    """A line that is drawn anew if standard error can show one, else lines."""
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
        self._said: object = None
        self._begun = self._due = clock()
        self._pace = Pace()
        self._told: set[tuple[str, int]] = set()
        self._failed = 0

    def say(self, text: str) -> None:
        """Print a notice."""
        self._write(text)

    def update(self, runs: Sequence[Run]) -> None:
        """Show how far the runs are, and the first failures."""
        view = self.view(runs)
        self._tell_failures(view, runs)
        if self._clock() >= self._due:
            self._show(view)

    def finish(self, runs: Sequence[Run]) -> None:
        """Show how the runs ended."""
        self._show(self.view(runs))

    def quiet(self) -> None:
        """Show no progress any more, because something else is printed; notices still are."""
        self._due = float("inf")

    def view(self, runs: Sequence[Run]) -> View:
        """How far the runs are."""
        counts: Counter[State] = Counter()
        for run in runs:
            counts.update(run.counts)
        ended = sum(number for state, number in counts.items() if state.final)
        self._pace.note(ended, self._clock())
        now = datetime.now(timezone.utc)
        return View(
            title=f"run {runs[0].id}" if len(runs) == 1 else f"{len(runs)} runs",
            counts={state: counts[state] for state in State if counts[state]},
            elapsed=now - min((run.created for run in runs), default=now),
            rate=self._pace.rate,
            left=self._pace.left(sum(counts.values()) - ended),
        )

    def _tell_failures(self, view: View, runs: Sequence[Run]) -> None:
        """The first jobs that failed, as they do; not of a single job, which ends it all."""
        failed = sum(view.counts.get(state, 0) for state in FAILED)
        if view.total == 1 or failed == self._failed or len(self._told) >= FIRST:
            return
        self._failed = failed
        for text, key in self._new_failures(runs):
            if len(self._told) >= FIRST:
                self.say("further failures are counted, and summed up at the end")
                break
            self._told.add(key)
            self.say(text)

    def _new_failures(self, runs: Sequence[Run]) -> Iterator[tuple[str, tuple[str, int]]]:
        for run in runs:
            for outcome in filter(None, run.outcomes):
                key = (run.id, outcome.index)
                if outcome.state in FAILED and key not in self._told:
                    yield outcome.describe(), key

    def _show(self, view: View) -> None:
        if (view.title, view.counts) != self._said:
            self._said = (view.title, view.counts)
            now = self._clock()
            pause = min(max(PAUSE, (now - self._begun) / GROWS), LONGEST_PAUSE)
            self._due = now + pause
            self.say(write_line(view))

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
    """A line that is drawn anew, with notices above it. It begins with the first update."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Any = None
        self._line: Any = None
        self._quiet = False

    def say(self, text: str) -> None:
        """Print a notice above the line."""
        live = self._live  # another thread may end it at any time
        if live is None:
            super().say(text)
        else:
            live.console.print(f"anybatch: {escaped(text)}", soft_wrap=True)

    def update(self, runs: Sequence[Run]) -> None:
        """Draw how far the runs are."""
        view = self.view(runs)
        if not self._quiet:
            if self._live is None:
                self._live, self._line = _live()
                self._live.start()
            self._line.view = view
        self._tell_failures(view, runs)

    def finish(self, runs: Sequence[Run]) -> None:
        """Put a line in the place of what was drawn."""
        self._end()
        super().finish(runs)

    def quiet(self) -> None:
        """See `Progress.quiet`."""
        self._quiet = True
        self._end()

    def _end(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()


def _live() -> Any:
    from rich.console import Console  # takes 100 ms
    from rich.live import Live
    from rich.text import Text

    class Line:
        view: View | None = None

        def __rich_console__(self, console: Any, options: Any) -> Iterator[Text]:
            if self.view is not None:
                room = options.max_width - SPARE
                segments = draw(self.view, room, ascii_only=options.ascii_only)
                yield Text.assemble(*segments, no_wrap=True, overflow="crop", end="")

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    line = Line()
    return Live(line, console=console, transient=True, refresh_per_second=4), line
