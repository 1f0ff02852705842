"""Lines of progress where there is no terminal, on a real run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anybatch import Job
from anybatch.cli.progress import PAUSE, SPARE, Progress, _bar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch import Session

pytestmark = pytest.mark.system


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_for_each_change(home: Path, new_session: Callable[..., Session]) -> None:
    """A change of the counts is a line, but not sooner than a pause after the last; the end is."""
    lines: list[str] = []
    clock = Clock()
    run = new_session("local").submit([Job(["sleep", "60"])] * 2)
    title = f"run {run.id}: "
    with Progress(lines.append, clock) as progress:
        progress.update([run])
        progress.update([run])
        assert lines == [title + "2 queued"]
        run.terminate()
        run.wait()
        progress.update([run])
        assert len(lines) == 1
        clock.now += PAUSE
        progress.update([run])
        assert lines[1:] == [title + "2 terminated"]
        progress.finish([run])
        assert len(lines) == 2


def test_several_runs_are_counted_together(home: Path, new_session: Callable[..., Session]) -> None:
    """Of several runs the counts are sums."""
    lines: list[str] = []
    session = new_session("local")
    runs = [session.submit(Job(["true"])), session.submit([Job(["true"])] * 2)]
    for run in runs:
        run.wait()
    Progress(lines.append).finish(runs)
    assert lines == ["2 runs: 3 done"]


def test_the_bar_leaves_room_for_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line never reaches the last columns, where the terminal writes `^C` and would wrap."""
    monkeypatch.setenv("COLUMNS", "80")
    bar = _bar()
    [task] = bar.task_ids
    counts = "142 queued, 57 done, 1 failed"
    title = "run 20261120-094725-64a26d"
    bar.update(task, total=200, completed=58, description=title, counts=counts)
    lines = bar.console.render_lines(bar.get_renderable(), pad=False)
    widths = [sum(segment.cell_length for segment in line) for line in lines]
    assert 60 < max(widths) <= 80 - SPARE
