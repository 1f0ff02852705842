"""Slurm: the same jobs with other libraries, each a program of its own in the same run.

Their Python is that of an environment of their own, $(VENV)/peers; see `requirements.txt`. They
are used as their documentation advises, with the settings that they come with.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.measure import Row
from benchmarks.slurm import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
_COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo")
#: Titles, and how many jobs are measured with each; not 1,000 where they would take an hour.
_PEERS = {
    "anybatch": ("anybatch", (100, 1000)),
    "submitit": ("submitit", (100, 1000)),
    "psij": ("PSI/J", (100, 1000)),
    "b2luigi": ("b2luigi", (100,)),
}
_ROUNDS = {100: 3, 1000: 1}


@attrs.frozen
class Measured:
    """One run of a program.

    Attributes:
        seconds: from the first call to the last verdict.
        commands: of the scheduler, by name.
    """

    seconds: float
    commands: Counter[str]


def rows(folder: Path) -> Iterator[Row]:
    """All of them in turn, as often as there are rounds."""
    os.environ["SLURM_CONF"] = str(ENGINES / "slurm-accounting" / "slurm.conf")
    for count, rounds in _ROUNDS.items():
        names = [name for name, (_, counts) in _PEERS.items() if count in counts]
        found: dict[str, list[Measured]] = {name: [] for name in names}
        for number in range(rounds):
            for name in names:
                where = folder / f"{name}-{count}-{number}"
                found[name].append(_measure(name, count, where))
        for name in names:
            yield _row(name, count, found)


def _measure(name: str, count: int, folder: Path) -> Measured:
    counted = _counting(folder / "bin")
    python = sys.executable if name == "anybatch" else _python()
    path = os.pathsep.join([str(folder / "bin"), str(Path(python).parent), os.environ["PATH"]])
    program = shutil.copy(_HERE / f"with_{name}.py", folder)
    completed = subprocess.run(
        [python, program, str(count)],
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    took: float = json.loads(completed.stdout.splitlines()[-1])
    return Measured(took, Counter(counted.read_text().split()))


def _counting(folder: Path) -> Path:
    """Put a script that counts before each command; the file with a line for each call."""
    folder.mkdir(parents=True)
    counted = folder / "counted"
    counted.touch()
    for name in _COMMANDS:
        script = folder / name
        real = shutil.which(name)
        script.write_text(f'#!/bin/sh\necho {name} >>{counted}\nexec {real} "$@"\n')
        script.chmod(0o755)
    return counted


def _row(name: str, count: int, found: dict[str, list[Measured]]) -> Row:
    took = statistics.median(one.seconds for one in found[name])
    commands = found[name][0].commands
    others = sum(commands.values()) - commands["sbatch"]
    ratio = statistics.median(
        one.seconds / own.seconds for one, own in zip(found[name], found["anybatch"], strict=True)
    )
    title, _ = _PEERS[name]
    return Row(
        f"Slurm, beside others: {count:,} jobs of `true` with {title}{_version(name)}",
        f"{took:.1f} s, {commands['sbatch']} sbatch, {others} other commands",
        "" if name == "anybatch" else f"{ratio:.1f} times anybatch",
    )


def _python() -> str:
    python = Path(sys.prefix) / "peers" / "bin" / "python"
    if not python.exists():
        sys.exit(f"{python} is not there: run `make bench`")
    return str(python)


def _version(name: str) -> str:
    found = re.search(rf"^{name}\S*==(\S+)", (_HERE / "requirements.txt").read_text(), re.M)
    return f" {found[1]}" if found else ""
