"""`examples/scan.py` on the simulator, in both dialects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsfsim.fixture import Simulator

EXAMPLE = Path(__file__).parents[3] / "examples" / "scan.py"


def test_the_example_gives_more_memory_to_those_that_need_it(
    cluster: Simulator, anybatch_home: Path
) -> None:
    """Each round is one array of the points that are left, and all come to an end."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "lsf", "long"],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    rounds = [line[2:] for line in lines if line[0] == "run"]
    assert rounds == [
        ["6", "points", "with", "64", "MiB,", "1h,", "queue", "long"],
        ["4", "points", "with", "128", "MiB,", "1h,", "queue", "long"],
        ["2", "points", "with", "256", "MiB,", "1h,", "queue", "long"],
    ]
    assert lines[-6:] == [
        *(["20", "0.5", "64", "MiB", "-10.0"], ["20", "1.0", "64", "MiB", "-20.0"]),
        *(["26", "0.5", "128", "MiB", "-13.0"], ["26", "1.0", "128", "MiB", "-26.0"]),
        *(["27", "0.5", "256", "MiB", "-13.5"], ["27", "1.0", "256", "MiB", "-27.0"]),
    ]
    listed = cluster.run("bjobs", "-a", "-w").stdout.splitlines()
    ours = [row.split()[0] for row in listed if "scan[" in row]
    assert (len(ours), len(set(ours))) == (12, 3)
