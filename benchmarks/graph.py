"""Slurm: a graph of b2luigi's tasks through anybatch, and with b2luigi's own process for Slurm."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.counted import Measured, measure
from benchmarks.measure import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = Path(__file__).parent / "peers" / "with_layers.py"
_LAYERS, _WIDTH = 4, 50
_ROUNDS = 2


def rows(folder: Path) -> Iterator[Row]:
    """Both in turn, as often as there are rounds; nothing where b2luigi is not installed."""
    if importlib.util.find_spec("b2luigi") is None:
        return
    pairs = [
        (_run("anybatch", folder / f"anybatch-{n}"), _run("slurm", folder / f"slurm-{n}"))
        for n in range(_ROUNDS)
    ]
    ours, theirs = (sorted(some, key=_seconds) for some in zip(*pairs, strict=True))
    own, raw = ours[len(ours) // 2], theirs[len(theirs) // 2]
    what = f"Slurm, {_LAYERS * _WIDTH} tasks of b2luigi in {_LAYERS} layers"
    yield Row(
        f"{what}: through anybatch",
        str(own),
        "",
        f"{_LAYERS} sbatch",
        all(one.commands["sbatch"] == _LAYERS for one in ours),
    )
    took, sbatch, others = (
        statistics.median(ratio)
        for ratio in zip(*(_ratios(one, other) for one, other in pairs), strict=True)
    )
    yield Row(
        f"{what}: b2luigi's own process for Slurm",
        str(raw),
        f"{took:.1f} times the time, {sbatch:.0f} times the sbatch, "
        f"{others:.0f} times the other commands",
    )


def _run(system: str, folder: Path) -> Measured:
    words = [system, str(_LAYERS), str(_WIDTH)]
    return measure(sys.executable, _PROGRAM, words, folder, cluster="plain")


def _seconds(one: Measured) -> float:
    return one.seconds


def _ratios(ours: Measured, theirs: Measured) -> tuple[float, float, float]:
    return (
        theirs.seconds / ours.seconds,
        theirs.commands["sbatch"] / ours.commands["sbatch"],
        theirs.others / max(1, ours.others),
    )
