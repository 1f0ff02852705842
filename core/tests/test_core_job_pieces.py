"""The job script has the pieces that the run's jobs need, and no others."""

from __future__ import annotations

import itertools
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.model import Job
from anybatch.records import Environment
from anybatch.worker.script import PIECES

from .shells import write_run
from .toy import Toy

if TYPE_CHECKING:
    from pathlib import Path

    from .shells import RunFolder, Shell

pytestmark = pytest.mark.usefixtures("isolated")

#: What makes a run need a piece.
NEEDS: dict[str, dict[str, Any]] = {
    "setup": {"setup": ["ready=yes; export ready"]},
    "stage_in": {"inputs": ["in.txt"]},
    "copies": {"inputs": ["in.txt"], "copy_inputs": True},
    "stage_out": {"optional_outputs": ["out.txt", "none"]},
    "cleanup": {"cleanup": ["true"]},
    "checkpoint": {"checkpoint": True},
    "once": {"setup_once": ["true"]},
    "container": {},
}
OTHERS = ("transferred", "apart", "pack", "node")
SETS = [
    chosen
    for number in (0, 1, 2, len(NEEDS))
    for chosen in itertools.combinations(sorted(NEEDS), number)
]


def functions_of(piece: str) -> set[str]:
    """What a piece defines."""
    text = files("anybatch").joinpath(f"worker/pieces/{piece}.sh").read_text("utf-8")
    return set(re.findall(r"^(ab_\w+)\(\)", text, re.M))


def run_of(base: Path, shell: Shell, chosen: tuple[str, ...]) -> RunFolder:
    """A run of two jobs: one that needs nothing, and one that needs the chosen pieces."""
    (base / "in.txt").write_text("in")
    fields = {name: value for piece in chosen for name, value in NEEDS[piece].items()}
    wrapper = Environment(wrapper=("env",)) if "container" in chosen else Environment()
    command = ["sh", "-c", "echo ran >out.txt; echo $ready; cat in.txt 2>/dev/null; exit 3"]
    jobs = [
        Job(["sh", "-c", "exit 0"], checkpoint="checkpoint" in chosen),
        Job(command, workdir=base / "w{index}", flat=True, **fields),
    ]
    (base / "node").mkdir()
    settings = {"anybatch": {"scratch_dir": str(base / "node")}}
    toy = Toy(array=100_000, environment=wrapper)
    return write_run(base, shell, jobs, toy, settings=settings)


@pytest.mark.parametrize("chosen", SETS, ids=lambda chosen: "+".join(chosen) or "none")
def test_a_script_has_what_its_jobs_need(
    isolated: Path, shell: Shell, chosen: tuple[str, ...]
) -> None:
    """Every set of pieces is a script that runs; functions of other pieces are not in it."""
    run = run_of(isolated, shell, chosen)
    script = (run.path / "job.sh").read_text()
    defined = set(re.findall(r"^(ab_\w+)\(\)", script, re.M))
    for piece in PIECES:
        # Of these jobs no files are transferred (`test_core_job_travel.py`), and none is packed.
        needed = piece in chosen or piece not in {*NEEDS, *OTHERS}
        needed |= piece == "node" and "once" in chosen
        needed |= piece == "stage_in" and "copies" in chosen
        assert defined & functions_of(piece) == (functions_of(piece) if needed else set())
    assert [run.run(0), run.run(1)] == [0, 3], run.system_output
    assert run.names == ["0.0.0.command.exit-0", "1.0.0.command.exit-3"]
    assert run.system_output == ""
    assert run.err(1) == ""
    found = ["in"] * (not {"stage_in", "copies"}.isdisjoint(chosen))
    assert run.out(1).split() == ["yes"] * ("setup" in chosen) + found


def test_every_function_is_in_one_piece() -> None:
    """No two pieces define the same, so that a piece can be read by itself."""
    defined = [name for piece in PIECES for name in functions_of(piece)]
    assert len(defined) == len(set(defined)) > 30


def test_only_one_piece_asks_which_shell_it_is_in() -> None:
    """What shells do differently is in the piece `shells`, where a reader looks for it."""
    asking = [
        piece
        for piece in PIECES
        if "BASH" in files("anybatch").joinpath(f"worker/pieces/{piece}.sh").read_text("utf-8")
    ]
    assert asking == ["shells"]
