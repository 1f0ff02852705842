"""How things are timed: whole processes, several rounds in turn, medians and ratios."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@attrs.frozen
class Row:
    """A line of the table.

    Attributes:
        what: was measured.
        value: the measured median, with its unit.
        beside: what it is compared with; empty: nothing.
        limit: what was promised.
        kept: whether the promise was kept; None: there is none.
    """

    what: str
    value: str
    beside: str = ""
    limit: str = ""
    kept: bool | None = None


def alternate(
    rounds: int, ours: Callable[[], float], theirs: Callable[[], float]
) -> tuple[float, float, float]:
    """Medians of both, and of the ratio pair by pair; in turn, so that drift hits both."""
    pairs = [(theirs(), ours()) for _ in range(rounds)]
    return (
        statistics.median(own for _, own in pairs),
        statistics.median(raw for raw, _ in pairs),
        statistics.median(own / raw for raw, own in pairs),
    )


def submit_to_verdict(
    name: str,
    count: int,
    ours: Callable[[int], object],
    theirs: Callable[[int], object],
    *,
    commands: str,
    rounds: int,
    limit: float,
) -> Row:
    """A row on whole runs of *count* jobs, ours beside those of raw commands.

    Args:
        name: the batch system's.
        commands: what *theirs* runs, for the table.
        limit: how many times as long ours may take.
    """
    own, raw, ratio = alternate(
        rounds,
        ours=lambda: seconds(lambda: ours(count)),
        theirs=lambda: seconds(lambda: theirs(count)),
    )
    return Row(
        f"{name}: {count:,} jobs of `true`, submit to last verdict",
        f"{own:.1f} s",
        f"{ratio:.2f} times the raw {raw:.1f} s ({commands})",
        f"{limit:g} times",
        ratio <= limit,
    )


def seconds(work: Callable[[], object]) -> float:
    """How long *work* takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def process_seconds(argv: Sequence[str], rounds: int = 11) -> float:
    """The median of whole runs of a program, after one that is not counted."""
    times = [seconds(lambda: subprocess.run(argv, check=True, capture_output=True))]
    times += [
        seconds(lambda: subprocess.run(argv, check=True, capture_output=True))
        for _ in range(rounds)
    ]
    return statistics.median(times[1:])


def in_process(program: str, folder: Path, *arguments: str) -> Mapping[str, Any]:
    """Run *program* in a Python of its own; what it prints last is JSON."""
    completed = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
        check=True,
        capture_output=True,
        text=True,
    )
    answer: Mapping[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    return answer


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process, its commands left out."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
