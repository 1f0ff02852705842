"""Whose job it is, on real clusters: numbers are used again, and comments are changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, State
from anybatch.errors import NotAccepted
from anybatch.testing import await_that, native_id

from .conftest import AS_ROOT, CLUSTERS, ENGINE_SCRIPT, ENGINES, ONE_CLUSTER, configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch import Session

pytestmark = pytest.mark.usefixtures("slurm_cluster")

PATIENCE = 180
WAIT_FOR_GO = ["sh", "-c", "touch ready; while ! test -e go; do sleep 0.1; done"]


def as_root(*argv: str | Path) -> None:
    subprocess.run([*AS_ROOT, *map(str, argv)], check=True, capture_output=True)


@pytest.fixture
def lose_state(slurm_cluster: str, engine: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Takes away all that the controller knows: it begins with job 1 again.

    At the end what it knew at first is put back.
    """
    state = ENGINES / f"slurm-{slurm_cluster}" / "state"
    kept = state.with_name("state-kept")

    def lose() -> None:
        engine("stop-controller")
        as_root("rm", "-rf", state) if kept.exists() else as_root("mv", state, kept)
        as_root("mkdir", state)
        engine("start-controller")

    yield lose
    if kept.exists():
        engine("stop-controller")
        as_root("rm", "-rf", state)
        as_root("mv", kept, state)
        engine("start-controller")


def sbatch_held() -> str:
    """The number of a job that is somebody else's."""
    argv = ["sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@ONE_CLUSTER
def test_a_number_that_is_used_again_is_another_job(
    slurm: Session, lose_state: Callable[[], None], tool: Callable[..., str]
) -> None:
    """When the controller's state was lost, the job of our number is neither ours nor stopped."""
    lose_state()
    run = slurm.submit(Job(["true"], settings={"slurm": {"hold": True}}))
    await_that(lambda: run.counts == {State.HELD: 1}, run.refresh)
    lose_state()
    stranger = sbatch_held()
    assert stranger == native_id(run)
    tool("scontrol", "update", f"jobid={stranger}", "starttime=now+1hour")
    tool("scontrol", "release", stranger)
    run.refresh()
    assert run.counts == {State.HELD: 1}  # as it was when it was last heard of
    with pytest.raises(NotAccepted, match="of that number is another one now"):
        run.terminate()
    shown = tool("squeue", "--noheader", f"--jobs={stranger}", "--format=%T")
    assert shown.strip() == "PENDING"
    tool("scancel", stranger)


def test_a_job_whose_comment_was_changed_is_still_ours(
    slurm: Session, tool: Callable[..., str]
) -> None:
    """Its script tells it: it is watched, found and stopped."""
    run = slurm.submit([Job(WAIT_FOR_GO)] * 2)
    await_that(lambda: run.counts == {State.RUNNING: 2}, run.refresh)
    for index in range(2):
        tool("scontrol", "update", f"jobid={native_id(run, index)}", "comment=mine")
    run.refresh()
    assert run.counts == {State.RUNNING: 2}
    submission = run.watched.state.submissions[0].planned.submission
    found = slurm.hooks.find("slurm", submission)
    assert found == [native_id(run, 0), native_id(run, 1)]
    assert run.terminate([1]) == 1
    await_that(lambda: run.outcome(1), slurm.poll)
    assert run.counts == {State.RUNNING: 1, State.TERMINATED: 1}
    Path("go").touch()
    assert run.wait(PATIENCE)[0].done


def test_a_requeued_array_is_ours_in_all_its_elements(
    slurm: Session, tool: Callable[..., str]
) -> None:
    """An element that waits for its second run is watched and stopped as the others."""
    run = slurm.submit([Job(WAIT_FOR_GO)] * 3)
    await_that(lambda: run.counts == {State.RUNNING: 3}, run.refresh)
    tool("scontrol", "requeue", native_id(run, 1))
    await_that(lambda: run.counts == {State.RUNNING: 2, State.QUEUED: 1}, run.refresh)
    run.terminate([1])
    await_that(lambda: run.outcome(1), slurm.poll)
    Path("go").touch()
    assert [one.state for one in run.wait(PATIENCE)] == [
        *(State.DONE, State.TERMINATED, State.DONE)
    ]


@ONE_CLUSTER
def test_with_the_database_away_the_queue_is_believed(
    slurm: Session, tool: Callable[..., str], slurm_cluster: str
) -> None:
    """A job that squeue has forgotten keeps its state, and no other is held up by it."""
    if slurm_cluster != "accounting":
        pytest.skip("needs a cluster with a database")
    forgotten = slurm.submit(Job(["sh", "-c", "kill -9 $PPID"]))
    running = slurm.submit(Job(WAIT_FOR_GO))
    held = slurm.submit(Job(["true"], settings={"slurm": {"hold": True}}))
    await_that(lambda: Path("ready").exists())
    known = ["squeue", "--noheader", "--states=all", "--format=%i"]
    await_that(lambda: native_id(forgotten) not in tool(*known).split())
    as_root(ENGINE_SCRIPT, "stop-database")
    try:
        slurm.poll()
        for run in (running, held, forgotten):
            run.refresh()
        assert running.counts == {State.RUNNING: 1}
        assert held.counts == {State.HELD: 1}
        # squeue may have told its end before it forgot it; nobody guesses another one.
        assert not {State.DONE, State.LOST} & forgotten.counts.keys()
        tool("scancel", native_id(held))
        await_that(lambda: held.finished, held.refresh)
    finally:
        as_root(ENGINE_SCRIPT, "start-database")
    Path("go").touch()
    assert running.wait(PATIENCE)[0].done
    [outcome] = forgotten.wait(PATIENCE)
    assert outcome.signal == 9


@pytest.mark.skipif(len(CLUSTERS) < 2, reason="needs two clusters")
def test_terminating_names_the_cluster_that_is_missed(
    slurm: Session, slurm_cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line, SLURM_CONF led elsewhere: the job runs on, and the user is told."""
    run = slurm.submit(Job(WAIT_FOR_GO))
    await_that(lambda: run.counts == {State.RUNNING: 1}, run.refresh)
    [other] = {*CLUSTERS[:2]} - {slurm_cluster}
    monkeypatch.setenv("SLURM_CONF", str(configuration(other)))
    argv = [sys.executable, "-m", "anybatch", "terminate", run.id]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"the jobs are in {slurm_cluster!r}" in done.stdout + done.stderr
    monkeypatch.setenv("SLURM_CONF", str(configuration(slurm_cluster)))
    run.refresh()
    assert run.counts == {State.RUNNING: 1}
    Path("go").touch()
    run.wait(PATIENCE)
