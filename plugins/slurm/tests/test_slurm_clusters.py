"""Jobs on several real clusters: each is asked where it was submitted to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Reason, State
from anybatch.errors import NotAccepted
from anybatch.testing import await_that

from .conftest import CLUSTERS, configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

PATIENCE = 180
WAIT_FOR_GO = ["sh", "-c", "touch ready; while ! test -e go; do sleep 0.1; done"]


@pytest.fixture
def named(slurm_engines: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """A cluster that `--clusters` can name, because a database knows it."""
    if "accounting" not in CLUSTERS:
        pytest.skip("--clusters needs a cluster with a database")
    monkeypatch.setenv("SLURM_CONF", str(configuration("accounting")))
    return "accounting"


@pytest.fixture
def both(slurm_engines: None) -> tuple[str, str]:
    """Two clusters that know nothing of each other."""
    if len(CLUSTERS) < 2:
        pytest.skip("needs two clusters")
    return CLUSTERS[0], CLUSTERS[1]


def test_a_job_of_a_cluster_is_watched_and_stopped_without_the_setting(
    named: str, new_session: Callable[..., Session]
) -> None:
    """Submitted with `Job(settings=...)` beside others; a session without it asks and stops it."""
    jobs = [Job(WAIT_FOR_GO), Job(["sleep", "600"], settings={"slurm": {"clusters": named}})]
    run = new_session("slurm").submit(jobs)
    assert run.counts.keys() <= {State.QUEUED, State.RUNNING}
    other = new_session("slurm").attach(run.id)
    await_that(lambda: other.counts == {State.RUNNING: 2}, other.refresh)
    other.terminate([1])
    Path("go").touch()
    first, second = other.wait(PATIENCE)
    assert first.done
    assert (second.state, second.reason) == (State.TERMINATED, Reason.TERMINATED)


def test_another_cluster_says_nothing_of_a_job(
    both: tuple[str, str],
    new_session: Callable[..., Session],
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where SLURM_CONF leads elsewhere the job neither gets lost nor is a stranger's stopped."""
    home, abroad = both
    monkeypatch.setenv("SLURM_CONF", str(configuration(home)))
    at_home = new_session("slurm")
    run = at_home.submit(Job(WAIT_FOR_GO))
    await_that(lambda: run.counts == {State.RUNNING: 1}, run.refresh)
    monkeypatch.setenv("SLURM_CONF", str(configuration(abroad)))
    at_once = {"anybatch": {"lost_after": timedelta(milliseconds=1)}}
    other = new_session("slurm", settings=at_once).attach(run.id)
    for _ in range(3):
        other.refresh()
        assert other.counts == {State.RUNNING: 1}
    assert any(f"the jobs are in {home!r}" in notice for notice in notices)
    with pytest.raises(NotAccepted, match=f"this is the cluster {abroad!r}"):
        other.terminate(signal="CONT")
    Path("go").touch()
    assert run.wait(PATIENCE)[0].done
