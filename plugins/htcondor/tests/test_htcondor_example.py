"""`examples/transfer.py` on a real machine that shares no folder with the submitter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "transfer.py"


def test_the_example_runs_where_no_folder_is_shared(away: None) -> None:
    """Program, folder and sample arrive with their layout, and the results come back."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "htcondor"],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("on worker in ") == 3
    sums = [path.read_text() for path in sorted(Path("transfer/results").glob("*/fits/sum.txt"))]
    assert sums == [
        "samples/muons.txt: 42\n",
        "samples/pions.txt: 210\n",
        "samples/kaons.txt: 700\n",
    ]
    assert not Path("transfer/work").exists()
