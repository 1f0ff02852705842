"""Real Slurm clusters for tests: see `tests/engines/README.md`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

ENGINE_SCRIPT = Path(__file__).parents[3] / "tests" / "engines" / "slurm"
ENGINES = Path(os.environ.get("ANYBATCH_ENGINE_DIR", "/var/tmp/anybatch-engines"))
CLUSTERS = tuple(os.environ.get("ANYBATCH_SLURM_CLUSTERS", "plain,accounting").split(","))
#: For what takes long and shows little of the cluster's kind: outside that with accounting is
#: the one, inside that without.
ONE_CLUSTER = pytest.mark.parametrize("slurm_cluster", CLUSTERS[-1:], indirect=True)
# An administrator is root; tests may run as another user, who then may use sudo.
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--preserve-env=ANYBATCH_ENGINE_DIR,SLURM_CONF"]


@pytest.fixture(scope="session")
def slurm_engines() -> None:
    """The clusters answer; named in ANYBATCH_ENGINES they must, otherwise tests are skipped."""
    if "slurm" not in os.environ.get("ANYBATCH_ENGINES", "").split(","):
        pytest.skip("needs real Slurm: `make engines`, then ANYBATCH_ENGINES=slurm make test")
    for cluster in CLUSTERS:
        environment = {**os.environ, "SLURM_CONF": str(configuration(cluster))}
        ping = subprocess.run(
            ["scontrol", "ping"], env=environment, capture_output=True, text=True, check=False
        )
        if ping.returncode != 0:
            pytest.fail(f"Slurm cluster {cluster} does not answer: {ping.stdout}{ping.stderr}")


def configuration(cluster: str) -> Path:
    """The configuration file that leads to a cluster."""
    return ENGINES / f"slurm-{cluster}" / "slurm.conf"


@pytest.fixture(params=CLUSTERS)
def slurm_cluster(
    request: pytest.FixtureRequest, slurm_engines: None, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Each of the clusters in turn: without and with accounting, or those named."""
    monkeypatch.setenv("SLURM_CONF", str(configuration(request.param)))
    return str(request.param)


@pytest.fixture
def slurm(slurm_cluster: str, new_session: Callable[..., Session]) -> Session:
    """A session on the cluster."""
    return new_session("slurm")


@pytest.fixture
def tool(slurm_cluster: str) -> Callable[..., str]:
    """Runs a command of Slurm as an administrator would, behind anybatch's back."""

    def run(*argv: str) -> str:
        done = subprocess.run([*AS_ROOT, *argv], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def engine(slurm_cluster: str) -> Callable[[str], None]:
    """Stops and starts the cluster's controller."""

    def run(action: str) -> None:
        argv = [*AS_ROOT, str(ENGINE_SCRIPT), action, slurm_cluster]
        subprocess.run(argv, check=True, capture_output=True)

    return run
