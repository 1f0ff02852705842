"""Runs and processes that watch the same project, or that share a client, beside each other."""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

import attrs
import pytest
from anybatch import State
from anybatch.errors import CommandError, CommandFailed
from anybatch.records import Unreachable
from anybatch.testing import await_that
from anybatch_gbasf2 import client, steering_job
from anybatch_gbasf2.client import Client
from anybatch_gbasf2.fetch import PAUSES, Attempt, Download, fetch_logs
from anybatch_gbasf2.plugin import Gbasf2

from .test_gbasf2_project import client_and_project, end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anybatch import Run, Session
    from anybatch_gbasf2.parse import GridFile

    from .conftest import Grid


def ended_on_the_grid(session: Session, grid: Grid, files: int) -> Run:
    """A run whose jobs are done, and of which nothing was fetched."""
    grid.dataset(files)
    run = session.submit(steering_job("steer.py", download_dataset=False, download_logs=False))
    end(run)
    return run


@contextlib.contextmanager
def somebody_else_at_it(partial: Path) -> Iterator[Callable[[], None]]:
    """Another process downloads to a partial folder; gives what ends it."""
    partial.mkdir(parents=True, exist_ok=True)
    with open(partial / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(lock, fcntl.LOCK_UN)


def test_a_download_of_somebody_else_is_waited_for(
    session: Session, grid: Grid, grid_home: Path
) -> None:
    """However long its first file takes: that is no try of ours that brought nothing."""
    client, project = client_and_project(ended_on_the_grid(session, grid, 1))
    project = attrs.evolve(project, download_to=str(grid_home))
    pauses: list[float] = []
    with somebody_else_at_it(grid_home / f"{project.name}.partial") as stop:

        def wait(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 5 * len(PAUSES):
                stop()

        Download(client, project, wait).run()
    assert len(list(project.target.glob("sub00/*.root"))) == 1


def test_what_somebody_else_has_completed_meanwhile_stays_in_its_place(
    session: Session, grid: Grid, grid_home: Path
) -> None:
    """While one asks the grid for the files, the other moves the last of them into place."""
    known, project = client_and_project(ended_on_the_grid(session, grid, 2))
    project = attrs.evolve(project, download_to=str(grid_home))

    class Slow(Client):
        """Its answers take so long that the other one is through."""

        def files(self, user: str, dataset: str) -> dict[str, GridFile]:
            found = super().files(user, dataset)
            Download(known, project).run()
            return found

    slow = Slow(known.host, known.setup_path, known.group)
    Download(slow, project).run()
    assert known.host.commands["mv"] == 1
    assert len(list(project.target.glob("sub00/*.root"))) == 2


def test_logs_that_somebody_else_fetches_are_left_to_them(session: Session, grid: Grid) -> None:
    """A log that has come by half is no log; what they have put to its place is not fetched."""
    run = ended_on_the_grid(session, grid, 1)
    client, project = client_and_project(run)
    above = run.folder / "logs"
    partial = above / f"{project.name}.partial"
    (partial / "log" / "700001").mkdir(parents=True)
    (partial / "log" / "700001" / "std.out").write_text("the first ha")
    with somebody_else_at_it(partial) as stop:

        def finish(seconds: float) -> None:
            (partial / "log" / "700001" / "std.out").write_text("the first half, and the rest")
            (above / project.name).mkdir()
            (partial / "log" / "700001").rename(above / project.name / "700001")
            stop()

        fetch_logs(client, project, run.folder, [Attempt(700001)], finish)
    log = above / project.name / "700001" / "std.out"
    assert log.read_text() == "the first half, and the rest"
    assert not grid.count()["gb2_job_output"]


def test_what_a_killed_download_has_left_is_no_log(session: Session, grid: Grid) -> None:
    """Nor is it when the next one brings nothing."""
    run = ended_on_the_grid(session, grid, 1)
    client, project = client_and_project(run)
    left = run.folder / "logs" / f"{project.name}.partial" / "log" / "700001"
    left.mkdir(parents=True)
    (left / "std.out").write_text("the first ha")
    grid.faults(output_fails=1)
    with pytest.raises(CommandFailed):
        fetch_logs(client, project, run.folder, [Attempt(700001)])
    assert not (run.folder / "logs" / project.name).exists()
    fetch_logs(client, project, run.folder, [Attempt(700001)])
    log = run.folder / "logs" / project.name / "700001" / "std.out"
    assert log.read_text().startswith("Executing")


def test_a_run_is_not_done_because_another_of_its_project_is(session: Session, grid: Grid) -> None:
    """Their jobs have the same ids, and only one of them needs the outputs."""
    grid.dataset(2)
    grid.faults(download_pauses="_00001_")
    needs, does_not = (
        session.submit(steering_job("steer.py", download_dataset=there)) for there in (True, False)
    )

    def all_but_outputs() -> bool:
        session.poll()
        logs = [list(run.folder.glob("logs/*/70000?/std.out")) for run in (needs, does_not)]
        return (grid.folder / "paused").exists() and [len(some) for some in logs] == [2, 2]

    await_that(all_but_outputs)
    assert {outcome.state for outcome in end(does_not)} == {State.DONE}
    for _ in range(3):
        session.poll()
    assert needs.counts == {State.RUNNING: 2}
    grid.faults(download_pauses=None)
    assert {outcome.state for outcome in end(needs)} == {State.DONE}


def test_projects_of_two_users_are_asked_for_one_by_one(
    session: Session, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grid shows each user their own."""
    monkeypatch.setattr(client, "BELIEVED", 0.0)
    grid.dataset(1)
    grid.faults(hold=0)
    runs = []
    for user in ("ada", "eve"):
        grid.change(lambda state, user=user: state["proxy"].update(username=user))  # type: ignore[misc]
        runs.append(session.submit(steering_job("steer.py")))
    session.poll()
    assert [run.jobs[0].native_state for run in runs] == ["Waiting"] * 2


def test_a_client_that_does_not_work_costs_only_its_own_jobs(session: Session, grid: Grid) -> None:
    """Those of another client are asked for and killed; if there is no other, it is an error."""
    grid.dataset(2)
    grid.faults(hold=0)
    run = session.submit(steering_job("steer.py"))
    [good] = run.watched.state.batches(run.watched.state.jobs)
    settings = {**good.submission.settings, "setup_path": "/nowhere"}
    bad = attrs.evolve(good, submission=attrs.evolve(good.submission, settings=settings))
    plugin = Gbasf2(session.host)
    known, unknown = plugin.anybatch_status([good, bad])
    assert [status.native_state for status in known.values()] == ["Waiting"] * 2
    assert set(unknown) == set(good.ids)
    for one in unknown.values():
        assert isinstance(one, Unreachable)
        assert "there is no setup script /nowhere" in one.reason
    killed, refused = plugin.anybatch_terminate([good, bad], None)
    assert killed == {}
    assert refused.keys() == set(good.ids)
    assert all("there is no setup script /nowhere" in str(why) for why in refused.values())
    assert grid.words() == {"Killed": 2}
    with pytest.raises(CommandError, match="there is no setup script"):
        plugin.anybatch_status([bad])
