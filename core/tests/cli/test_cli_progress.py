"""How waiting looks: lines, and what is drawn on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from anybatch import Job
from anybatch.cli.drawing import View, draw, write_line
from anybatch.cli.pace import ENOUGH, LOOKS_BACK, Pace
from anybatch.cli.progress import FIRST, LONGEST_PAUSE, PAUSE, SPARE, Progress
from anybatch.model import State
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch import Session

VIEWS = st.builds(
    View,
    title=st.sampled_from(["run 20261120-094725-64a26d", "12 runs"]),
    counts=st.dictionaries(st.sampled_from(State), st.integers(1, 10**6), min_size=1),
    elapsed=st.timedeltas(timedelta(0), timedelta(days=400)),
    rate=st.none() | st.floats(1e-6, 1e4),
    left=st.none() | st.timedeltas(timedelta(0), timedelta(days=400)),
)
USUAL = View(
    title="run 20261120-094725-64a26d",
    counts={State.QUEUED: 142, State.RUNNING: 2, State.DONE: 57, State.FAILED: 1},
    elapsed=timedelta(seconds=75),
    rate=3.21,
    left=timedelta(seconds=45),
)


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def text(view: View, width: int, *, ascii_only: bool = False) -> str:
    return "".join(text for text, _ in draw(view, width, ascii_only=ascii_only))


# -- what is drawn


@given(VIEWS, st.integers(0, 200))
def test_a_line_fits_any_width(view: View, width: int) -> None:
    """Whatever is in it; the numbers are there as long as they fit."""
    drawn = text(view, width)
    number = f"{view.ended}/{view.total}"
    assert len(drawn) <= width
    assert drawn.isprintable()
    assert (number in drawn) == (len(number) <= width)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (8, "58/202"),
        (22, "58/202  142q 2r 57d 1f"),
        (37, "58/202  142q 2r 57d 1f  45s left"),
        (57, "BAR 58/202  142q 2r 57d 1f  45s left"),
        (72, "BAR 58/202  142 queued, 2 running, 57 done, 1 failed  45s left"),
        (77, "BAR 58/202  142 queued, 2 running, 57 done, 1 failed  45s left  1m15s"),
        (97, "BAR 58/202  142 queued, 2 running, 57 done, 1 failed  3.2/s  45s left  1m15s"),
        (
            197,
            "BAR 58/202  142 queued, 2 running, 57 done, 1 failed  3.2/s  45s left  1m15s"
            "  run 20261120-094725-64a26d",
        ),
    ],
)
def test_what_matters_least_is_left_out(width: int, expected: str) -> None:
    """Title, rate, elapsed time, words, bar, time left: in this order."""
    drawn = text(USUAL, width, ascii_only=True)
    assert re.sub("^[#-]{10,40} ", "BAR ", drawn) == expected


@given(VIEWS)
def test_a_failure_is_seen_in_the_bar(view: View) -> None:
    """However few of many; the bar is full only at the end."""
    styles = dict(reversed([(style, text) for text, style in draw(view, 200)[:3]]))
    failed = view.counts.get(State.FAILED, 0) + view.counts.get(State.LOST, 0)
    assert bool(failed) == ("red" in styles)
    if view.ended < view.total:
        assert "╌" in text(view, 200)


def test_a_line_of_text() -> None:
    """Where nothing is drawn."""
    assert write_line(USUAL) == (
        "run 20261120-094725-64a26d: 142 queued, 2 running, 57 done, 1 failed, 45s left"
    )


# -- how fast


def test_the_rate_is_that_of_the_last_minute() -> None:
    """It is known after five ends, follows a change, and starts anew when jobs run again."""
    pace = Pace()
    for second in range(ENOUGH):
        pace.note(second, float(second))
        assert pace.rate is None
    pace.note(ENOUGH, float(ENOUGH))
    assert pace.rate == 1
    assert pace.left(30) == timedelta(seconds=30)
    assert pace.left(0) is None
    for second in range(200):
        pace.note(ENOUGH + 10 * second, ENOUGH + float(second))
    assert pace.rate == pytest.approx(10, rel=0.05)
    pace.note(3, 300.0)
    assert pace.rate is None


def test_a_slow_rate_is_that_of_the_last_five_ends() -> None:
    """A job an hour is one an hour, and many samples cost little."""
    pace = Pace()
    for second in range(0, 10 * 3600, 5):
        pace.note(second // 3600, float(second))
    assert pace.rate == pytest.approx(1 / 3600, rel=0.3)
    assert len(pace._samples) <= 6 * 3600 / 5
    fast = Pace()
    for number in range(10_000):
        fast.note(number, number / 100)
    assert len(fast._samples) <= LOOKS_BACK + 5


# -- lines


@pytest.mark.system
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


@pytest.mark.system
def test_the_first_failures_are_told_as_they_come(
    home: Path, new_session: Callable[..., Session]
) -> None:
    """Of many only the first, and then that others are counted; lines come ever more seldom."""
    lines: list[str] = []
    clock = Clock()
    session = new_session("local")
    run = session.submit([Job(["false"])] * (FIRST + 3))
    with Progress(lines.append, clock) as progress:
        run.wait()
        for _ in range(3):
            clock.now += 100_000
            progress.update([run])
    told = [line for line in lines if " failed: exit code 1 (log: " in line]
    assert len(told) == FIRST
    assert lines[FIRST] == "further failures are counted, and summed up at the end"
    assert len(lines) == FIRST + 2
    assert progress._due == clock.now - 200_000 + LONGEST_PAUSE
    lines.clear()
    alone = session.submit(Job(["false"]))
    alone.wait()
    Progress(lines.append, clock).update([alone])
    assert lines == [f"run {alone.id}: 1 failed"]


@pytest.mark.system
def test_several_runs_are_counted_together(home: Path, new_session: Callable[..., Session]) -> None:
    """Of several runs the counts are sums."""
    lines: list[str] = []
    session = new_session("local")
    runs = [session.submit(Job(["true"])), session.submit([Job(["true"])] * 2)]
    for run in runs:
        run.wait()
    Progress(lines.append).finish(runs)
    assert lines == ["2 runs: 3 done"]


# -- on terminals

_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(words: list[str], columns: int, **environ: str) -> bytes:
    """What a program writes to a terminal so wide, both streams."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    inherited = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "anybatch", *words],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env={**inherited, "TERM": "xterm-256color", **environ},
    )
    os.close(slave)
    drawn = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # its other end was closed
            break
        if not chunk:
            break
        drawn += chunk
    os.close(master)
    process.wait()
    return drawn


@pytest.mark.system
@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_what_is_drawn_fits_the_terminal(home: Path, columns: int) -> None:
    """At each width the line is drawn in its place, never wrapped, and taken away at the end."""
    drawn = on_a_terminal(["run", "--count", "4", "--", "sleep", "0.4"], columns)
    lines = [line for line in re.split(rb"[\r\n]+", drawn) if re.search(rb"\d/4", line)]
    assert lines, "nothing was drawn"
    for line in lines:
        assert len(_ESCAPE.sub(b"", line).decode()) <= columns - SPARE
    assert b"\x1b[?25h" in drawn  # the cursor is shown again
    assert re.search(rb"anybatch: run \S+: 4 done", drawn)


@pytest.mark.system
@pytest.mark.parametrize(("variable", "drawn"), [("NO_COLOR", True), ("TERM", False)])
def test_terminals_that_are_not_to_be_coloured(home: Path, variable: str, drawn: bool) -> None:
    """NO_COLOR leaves the line and takes its colours; a dumb terminal has neither."""
    value = "1" if drawn else "dumb"
    words = ["run", "--count", "2", "--", "sleep", "0.4"]
    shown = on_a_terminal(words, 80, **{variable: value})
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9][;m]", shown)
    assert bool(re.search(rb"\d/2", shown)) == drawn
    assert re.search(rb"anybatch: run \S+: 2 done", shown)


@pytest.mark.system
def test_a_single_job_is_heard_while_it_runs(
    home: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Its output and errors are printed as they come, and the line that is drawn gives way."""
    script = "echo begins; until test -e go; do sleep 0.02; done; printf ends >&2"
    words = ["run", "--", "sh", "-c", script]
    process = start(*words)
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"begins\n"
    (home / "go").touch()
    assert process.stdout.read() == b""
    assert b"ends" in process.stderr.read()
    assert process.wait() == 0
    drawn = on_a_terminal(words, 80)
    assert re.search(rb"begins\r\nends(\x1b\S*|\r\n)*anybatch: run \S+: 1 done", drawn)
