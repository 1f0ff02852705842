"""Simulated clusters of both dialects: see `tests/simulators/lsf/README.md`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "tests" / "simulators" / "lsf"))

from lsfsim.fixture import Simulator, clusters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch import Session


@pytest.fixture(autouse=True)
def _ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator has to be spared no questions, however long it takes to answer them."""
    monkeypatch.setattr("anybatch.runs.polling.COST", 1)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands print local times."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def lsf_clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Simulator]]:
    """A cluster of each dialect for all tests of the session."""
    with clusters(tmp_path_factory.mktemp("clusters")) as made:
        yield made


def enter(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """Let commands find a cluster."""
    for name, value in simulator.environment.items():
        monkeypatch.setenv(name, value)
    return simulator


@pytest.fixture(params=["lsf", "openlava"])
def cluster(
    request: pytest.FixtureRequest,
    lsf_clusters: dict[str, Simulator],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Simulator]:
    """Each of the clusters in turn, without faults afterwards."""
    one = enter(lsf_clusters[request.param], monkeypatch)
    yield one
    one.fault()


@pytest.fixture
def make_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes clusters of this test's own, set as it likes."""
    made: list[Simulator] = []

    def make(configuration: str = "", **settings: Any) -> Simulator:
        quick = {"terminate_interval": 1, "minute": 1, "idle": 20, "round": 1, "grace": 2}
        folder = tmp_path / f"cluster-{len(made)}"
        made.append(Simulator(folder, configuration, **{**quick, **settings}))
        return enter(made[-1], monkeypatch)

    yield make
    for one in made:
        one.fault()
        one.stop()


@pytest.fixture
def lsf(cluster: Simulator, new_session: Callable[..., Session]) -> Session:
    """A session on the cluster."""
    return new_session("lsf")
