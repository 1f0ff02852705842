"""Projects from beginning to end, on a simulated grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch import State
from anybatch_gbasf2 import steering_job

if TYPE_CHECKING:
    from pathlib import Path

    from anybatch import Session

    from .conftest import Grid


def test_a_project_is_a_run(session: Session, grid: Grid, grid_home: Path) -> None:
    """A job for each file; done when its output is here; few commands."""
    grid.dataset(5)
    run = session.submit(steering_job("steer.py"))
    assert len(run) == 5
    outcomes = run.wait(timeout=120)
    assert [outcome.state for outcome in outcomes] == [State.DONE] * 5
    [project] = grid.state()["names"]
    outputs = sorted((grid_home / project / "sub00").iterdir())
    assert [path.read_text().splitlines()[-1] for path in outputs] == [
        f"events of {number}" for number in range(5)
    ]
    assert not (grid_home / f"{project}.partial").exists()
    log = run.folder / "logs" / project / "700001" / "std.out"
    assert "processing" in log.read_text()
    count = grid.count()
    assert (count["gbasf2"], count["gb2_ds_get"], count["gb2_job_output"]) == (1, 1, 1)
    assert count["status"] < 12
