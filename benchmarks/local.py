"""The built-in system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Row, in_process

if TYPE_CHECKING:
    from pathlib import Path

_RUN = """
import json, sys, time
from anybatch import Job, Session
count = int(sys.argv[1])
with Session("local") as session:
    started = time.perf_counter()
    run = session.submit([Job(["true"])] * count)
    run.wait()
    print(json.dumps({"rate": count / (time.perf_counter() - started)}))
"""


def rows(folder: Path) -> list[Row]:
    """Jobs a second, end to end."""
    rate = max(in_process(_RUN, folder, "1000")["rate"] for _ in range(3))
    return [
        Row(
            "local: 1,000 jobs of `true`, submit to last verdict (best of 3)",
            f"{rate:.0f} jobs/s",
            "",
            "300 jobs/s",
            rate >= 300,
        )
    ]
