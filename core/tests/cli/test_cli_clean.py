"""`clean`: the one way in which a run is forgotten."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch.runs.index import Index

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Call = Callable[..., Result]

pytestmark = pytest.mark.system


def submit(call: Call, *words: str) -> str:
    result = call("submit", "--", *words)
    assert result.exit_code == 0, result.stderr
    return str(result.stdout.strip())


def folder_of(run: str) -> Path:
    return Path(".anybatch/runs", run).absolute()


def test_a_run_that_has_ended_is_removed(call: Call) -> None:
    """With its folder; outputs that are elsewhere stay."""
    run = submit(call, "touch", "made")
    assert call("wait", run).exit_code == 0
    shown = call("clean", "--dry-run", run)
    assert f"run {run}: would be removed, with its folder {folder_of(run)}" in shown.stdout
    assert folder_of(run).is_dir()
    assert call("clean", run).exit_code == 0
    assert not folder_of(run).exists()
    assert Index().known() == []
    assert Path("made").exists()
    assert call("clean", run).exit_code == 2


def test_a_run_that_has_not_ended_is_left_alone(call: Call) -> None:
    """And so are all others that were named with it; what to do is said."""
    ended, going = submit(call, "true"), submit(call, "sleep", "600")
    assert call("wait", ended).exit_code == 0
    result = call("clean", ended, going)
    assert result.exit_code == 2
    assert f"anybatch terminate {going}" in result.stderr
    assert folder_of(ended).is_dir()
    call("terminate", going)
    assert call("wait", going).exit_code == 1


def test_a_run_that_is_away_is_forgotten_only_here(call: Call) -> None:
    """`status` says that it is away, again and again; its folder is not touched by `clean`."""
    run, other = submit(call, "true"), submit(call, "sleep", "600")
    folder_of(run).rename("kept")
    for _ in range(2):
        result = call("status")
        assert result.exit_code == 0
        [line] = [line for line in result.stdout.splitlines() if run in line]
        assert line.split() == [run, "away"]
        assert other in result.stdout
        assert result.stderr.count(f"run {run}: the run folder") == 1
    result = call("clean", run)
    assert f"run {run}: forgotten" in result.stdout
    assert run not in call("status").stdout
    assert (Path("kept") / "run.json").exists()
    call("terminate", other)
    call("wait", other)


def test_an_odd_entry_is_forgotten(call: Call) -> None:
    """Whatever stands in the index can be taken out by name."""
    run = submit(call, "true")
    entry = Path(os.environ["XDG_STATE_HOME"], "anybatch/runs/active", "20260101-000000-000000")
    os.mkfifo(entry)
    result = call("wait")
    assert result.exit_code == 0
    assert entry.name in result.stderr
    assert call("clean", entry.name).exit_code == 0
    assert not entry.exists()
    assert call("status").stderr == ""
    shutil.rmtree(folder_of(run))


def test_an_entry_that_is_a_folder_is_named_and_removed(call: Call) -> None:
    """Somebody has put it there; `status` says so, and `clean` removes it with what is in it."""
    name = "20260101-000000-000000"
    entry = Path(os.environ["XDG_STATE_HOME"]) / "anybatch/runs/active" / name
    (entry / "more").mkdir(parents=True)
    entry.parent.parent.chmod(0o700)
    shown = call("status")
    assert f"the entry {str(entry)!r} in the index of runs cannot be used" in shown.stderr
    forgotten = call("clean", name)
    assert forgotten.exit_code == 0, forgotten.stderr
    assert not entry.exists()
    assert name not in call("status").stderr
