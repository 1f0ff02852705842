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
_PEERS = {"anybatch": "anybatch", "submitit": "submitit", "psij": "PSI/J", "b2luigi": "b2luigi"}
_COUNT = 100  #: jobs; some start a Python for each
_ROUNDS = 2


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
    found: dict[str, list[Measured]] = {name: [] for name in _PEERS}
    for number in range(_ROUNDS):
        for name in _PEERS:
            found[name].append(_measure(name, folder / f"{name}-{number}"))
    for name in _PEERS:
        yield _row(name, found)


def _measure(name: str, folder: Path) -> Measured:
    counted = _counting(folder / "bin")
    python = sys.executable if name == "anybatch" else _python()
    path = os.pathsep.join([str(folder / "bin"), str(Path(python).parent), os.environ["PATH"]])
    program = shutil.copy(_HERE / f"with_{name}.py", folder)
    completed = subprocess.run(
        [python, program, str(_COUNT)],
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=False,
        capture_output=True,
        text=True,
    )
    if completed.returncode:
        sys.exit(f"{program} failed: {completed.stderr[-500:]}")
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


def _row(name: str, found: dict[str, list[Measured]]) -> Row:
    took = statistics.median(one.seconds for one in found[name])
    commands = found[name][0].commands
    others = sum(commands.values()) - commands["sbatch"]
    ratio = statistics.median(
        one.seconds / own.seconds for one, own in zip(found[name], found["anybatch"], strict=True)
    )
    return Row(
        f"Slurm, beside others: {_COUNT} jobs of `true` with {_PEERS[name]}{_version(name)}",
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
