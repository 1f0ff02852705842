"""`python -m benchmarks [NAME...]`: measure, print, and write `docs/benchmarks.md`."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import anybatch
import attrs

from benchmarks import describing, graph, htcondor, local, peers, slurm, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.measure import Row

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"

GROUPS: dict[str, Callable[[Path], Iterable[Row]]] = {
    "start": lambda folder: start.rows(),
    "describing": describing.rows,
    "local": local.rows,
    "slurm": slurm.rows,
    "htcondor": htcondor.rows,
    "peers": peers.rows,
    "graph": graph.rows,
}


def main() -> None:
    """Measure the groups that are named, or all; only all are written down."""
    names = sys.argv[1:] or list(GROUPS)
    if names == ["--here", "htcondor"]:
        with tempfile.TemporaryDirectory() as name:
            os.environ["XDG_STATE_HOME"] = f"{name}/state"
            found = list(htcondor.rows_here(Path(name)))
        print(json.dumps([attrs.asdict(row) for row in found]))
        return
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_STATE_HOME"] = f"{name}/state"
        found = [row for group in names for row in _measure(group, Path(name) / group)]
        if names == list(GROUPS):  # while there is a working folder: sbatch wants one
            PAGE.write_text(_page(found))
    if any(row.kept is False for row in found):
        print("some promises are missed")


def _measure(group: str, folder: Path) -> list[Row]:
    folder.mkdir()
    found = []
    for row in GROUPS[group](folder):
        print(_line(row), flush=True)
        found.append(row)
    return found


def _line(row: Row) -> str:
    kept = {None: "", True: "kept", False: "**missed**"}[row.kept]
    return f"| {row.what} | {row.value} | {row.beside} | {row.limit} | {kept} |"


def _page(found: list[Row]) -> str:
    when = datetime.now(timezone.utc)
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Raw commands and anybatch run in turn on the same cluster;",
        "times are medians, ratios the medians of pairs. Other libraries do the same jobs in the",
        "same run, with the settings that they come with; two of them start a Python for each job.",
        "",
        f"{when:%Y-%m-%d}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, anybatch {anybatch.__version__}, "
        f"Slurm {slurm.version()} (one node that claims 64 cores), "
        f"HTCondor {htcondor.version()} (a pool of one machine that claims 32 cores).",
        "",
        "| what | measured | beside | promised | |",
        "|---|---|---|---|---|",
        *map(_line, found),
        "",
        "Jobs of `true` show what the job script costs: some milliseconds of CPU for each (a bash,",
        "a process that keeps the exit status safe from signals, the exit record and the logs),",
        "where a raw job has a shell alone. Cores that jobs keep busy pay for it. This Slurm",
        "starts 64 jobs a second: raw ones just end within it, ours may miss it, and wait for",
        "the next.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
