"""How quickly the library and the command line are there."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.measure import Row, process_seconds

ANYBATCH = str(Path(sys.executable).parent / "anybatch")


def rows() -> list[Row]:
    """Import and help, beside a Python that does nothing."""
    nothing = process_seconds([sys.executable, "-c", "pass"])
    imported = process_seconds([sys.executable, "-c", "import anybatch"]) - nothing
    helped = process_seconds([ANYBATCH, "--help"])
    return [
        Row(
            "`import anybatch`",
            f"{imported * 1000:.0f} ms",
            f"on top of Python's {nothing * 1000:.0f} ms",
            "60 ms",
            imported <= 0.060,
        ),
        Row("`anybatch --help`", f"{helped * 1000:.0f} ms", "", "150 ms", helped <= 0.150),
    ]
