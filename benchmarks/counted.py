"""Programs in turn on one Slurm: how long each takes, and how often it asks the scheduler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.slurm import ENGINES

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo")


@attrs.frozen
class Measured:
    """One run of a program.

    Attributes:
        seconds: from the first call to the last verdict.
        commands: of the scheduler, by name.
    """

    seconds: float
    commands: Counter[str]

    @property
    def others(self) -> int:
        """How many commands there were besides sbatch."""
        return sum(self.commands.values()) - self.commands["sbatch"]

    def __str__(self) -> str:
        sbatch = self.commands["sbatch"]
        return f"{self.seconds:.1f} s, {sbatch} sbatch, {self.others} other commands"


def measure(
    python: str, program: Path, arguments: Sequence[str], folder: Path, cluster: str
) -> Measured:
    """Run a copy of a program in a folder of its own; what it prints last are its seconds."""
    counted = _counting(folder / "bin")
    path = os.pathsep.join([str(folder / "bin"), str(Path(python).parent), os.environ["PATH"]])
    completed = subprocess.run(
        [python, shutil.copy(program, folder), *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PATH": path,
            "SLURM_CONF": str(ENGINES / f"slurm-{cluster}" / "slurm.conf"),
        },
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
