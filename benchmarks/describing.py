"""What CPU time it costs to describe many jobs, and to plan them; nothing is submitted."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.measure import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MEASURE = """
import resource, sys, time
from anybatch import Job, Session
begin = time.process_time()
jobs = Job(["fit", "--seed", "{seed}"]).sweep(seed=range(int(sys.argv[1])))
if sys.argv[2] == "plan":
    assert Session("local").plan(jobs).count == len(jobs)
else:
    assert sum(1 for _ in jobs) == len(jobs)
seconds = time.process_time() - begin
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def rows(folder: Path) -> Iterator[Row]:
    """A million jobs described and looked at, and a hundred thousand planned."""
    for what, number, step, limit in (
        ("1,000,000 jobs of a sweep, described", 1_000_000, "describe", (2.0, 200)),
        ("100,000 jobs of a sweep, planned", 100_000, "plan", (10.0, 150)),
    ):
        argv = [sys.executable, "-c", _MEASURE, str(number), step]
        done = subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True)
        seconds, megabytes = map(float, done.stdout.split())
        yield Row(
            what,
            f"{seconds:.1f} s of CPU, {megabytes:.0f} MB",
            "",
            f"{limit[0]:.0f} s, {limit[1]} MB",
            seconds <= limit[0] and megabytes <= limit[1],
        )
