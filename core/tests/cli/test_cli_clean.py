"""`clean`: the one way in which a run is forgotten."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta, timezone
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
    assert f"anybatch cancel {going}" in result.stderr
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


# -- many runs


def end(call: Call, *words: str, days: float = 0) -> str:
    """A run that ended so many days ago."""
    run = submit(call, *words)
    call("wait", run)
    entry = Path(os.environ["XDG_STATE_HOME"], "anybatch/runs/ended", run)
    lines = entry.read_text().splitlines()
    then = datetime.now(timezone.utc) - timedelta(days=days)
    lines[-1] = json.dumps({**json.loads(lines[-1]), "ended": then.isoformat()})
    entry.write_text("\n".join(lines))
    return run


def would(call: Call, *words: str) -> list[str]:
    """The runs that `clean` would remove."""
    result = call("clean", "--dry-run", "--json", *words)
    assert result.exit_code == 0, result.stderr
    return [one["run"] for one in json.loads(result.stdout)]


def test_runs_are_chosen_by_age_state_and_size(call: Call) -> None:
    """What fits all options; dry runs remove nothing; what is freed is told."""
    old, bad = end(call, "true", days=40), end(call, "false", days=31)
    big = end(call, "sh", "-c", "head -c 3000000 /dev/zero", days=2)
    new = end(call, "true")
    assert would(call, "--ended-before", "30d") == [old, bad]
    assert would(call, "--ended-before", "30d", "--keep-failed") == [old]
    assert would(call, "--state", "failed,lost") == [bad]
    assert would(call, "--state", "done") == [old, big, new]
    assert would(call, "--over", "2MB") == would(call, "--largest", "1") == [big]
    assert would(call, "--over", "2MB", old, big) == [big]
    result = call("clean", "--ended-before", "30d")
    assert result.exit_code == 2
    assert "this would remove 2 runs, which frees " in result.stderr
    assert folder_of(old).exists()
    result = call("clean", "--ended-before", "30d", "--yes")
    assert "2 runs removed, " in result.stdout
    assert not folder_of(old).exists()
    assert sorted(Index().known()) == sorted([big, new])
    sizes = json.loads(call("du", "--json").stdout)
    assert [one["run"] for one in sizes] == [big, new]
    assert sizes[0]["bytes"] > 3_000_000
    shown = call("du", "-n", "1").stdout.splitlines()
    assert [line.split()[-1] for line in shown] == [str(folder_of(big)), "runs"]
    assert call("clean").exit_code == 2
    assert call("clean", "--state", "x").exit_code == 2
    assert call("clean", f"{big}:0").exit_code == 2
    assert call("clean", "all").exit_code == 2


def test_what_an_active_run_waits_for_is_kept(call: Call) -> None:
    """Else nobody could see how it ended, and the other would never start; so are active runs."""
    first = end(call, "true", days=9)
    gone = end(call, "true", days=9)
    blocker = submit(call, "sleep", "600")
    waiting = call("submit", "--after", first, "--after", blocker, "--", "true").stdout.strip()
    folder_of(gone).rename("kept")
    result = call("clean", "--ended-before", "1d", "--yes")
    assert result.exit_code == 0
    assert f"run {first} is kept: run {first} is waited for by run {waiting}" in result.stderr
    assert f"run {gone} is kept: the run folder" in result.stderr
    assert "0 runs removed" in result.stdout
    for run in (first, blocker, waiting):
        assert call("clean", run).exit_code == 2
        assert folder_of(run).exists()
    call("terminate", blocker, waiting)
    call("wait")
    assert call("clean", first, blocker, waiting).exit_code == 0


def test_a_folder_that_is_a_link_is_removed_where_it_is(call: Call, home: Path) -> None:
    """As of a run that was moved to another disk; of links in it only these are removed."""
    run = submit(call, "true")
    assert call("wait", run).exit_code == 0
    folder_of(run).rename("moved")
    folder_of(run).symlink_to(home / "moved")
    Path("precious").mkdir()
    Path("precious/data").touch()
    Path("moved/link").symlink_to(home / "precious")
    assert call("clean", run).exit_code == 0
    assert not Path("moved").exists()
    assert not folder_of(run).is_symlink()
    assert Path("precious/data").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root removes anything")
def test_a_folder_that_cannot_be_removed_keeps_its_run(call: Call) -> None:
    """It is told, and the run is still known."""
    run = end(call, "true")
    folder_of(run).chmod(0o500)
    result = call("clean", run)
    folder_of(run).chmod(0o700)
    assert result.exit_code == 1
    assert "cannot be removed whole" in result.stderr
    assert run in Index().known()
