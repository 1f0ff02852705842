"""Slurm: the same jobs with other libraries, each a program of its own in the same run.

Their Python is that of an environment of their own, $(VENV)/peers; see `requirements.txt`. They
are used as their documentation advises, with the settings that they come with.
"""

from __future__ import annotations

import re
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.counted import Measured, measure
from benchmarks.measure import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
_PEERS = {"anybatch": "anybatch", "submitit": "submitit", "psij": "PSI/J", "b2luigi": "b2luigi"}
_COUNT = 100  #: jobs; some start a Python for each
_ROUNDS = 2


def rows(folder: Path) -> Iterator[Row]:
    """All of them in turn, as often as there are rounds."""
    found: dict[str, list[Measured]] = {name: [] for name in _PEERS}
    for number in range(_ROUNDS):
        for name in _PEERS:
            found[name].append(_measure(name, folder / f"{name}-{number}"))
    for name in _PEERS:
        yield _row(name, found)


def _measure(name: str, folder: Path) -> Measured:
    python = sys.executable if name == "anybatch" else _python()
    program = _HERE / f"with_{name}.py"
    return measure(python, program, [str(_COUNT)], folder, cluster="accounting")


def _row(name: str, found: dict[str, list[Measured]]) -> Row:
    took = statistics.median(one.seconds for one in found[name])
    ratio = statistics.median(
        one.seconds / own.seconds for one, own in zip(found[name], found["anybatch"], strict=True)
    )
    return Row(
        f"Slurm, beside others: {_COUNT} jobs of `true` with {_PEERS[name]}{_version(name)}",
        str(attrs.evolve(found[name][0], seconds=took)),
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
