"""A real Apptainer for tests: see `tests/engines/README.md`, script `folder`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
ENGINES = Path(os.environ.get("ANYBATCH_ENGINE_DIR", "/var/tmp/anybatch-engines"))
BUSYBOX = ENGINES / "images" / "busybox"
REQUIRED = os.environ.get("ANYBATCH_ENGINES", "").split(",")
CLUSTERS = os.environ.get("ANYBATCH_SLURM_CLUSTERS", "").split(",")  # before a test unsets it

#: What anybatch itself needs in an image with nothing but busybox: Python, this checkout, Slurm.
PYTHON_INSIDE = (
    *("/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro"),
    *(sys.prefix, str(ROOT), str(ENGINES), "/run"),  # in /run is the door to munge
)


@pytest.fixture(scope="session")
def apptainer() -> Path:
    """The image of busybox; named in ANYBATCH_ENGINES Apptainer must work, else it is a skip."""
    if "apptainer" not in REQUIRED:
        pytest.skip("needs real Apptainer: `make engines`, then tests/engines/folder enter ...")
    argv = ["apptainer", "exec", str(BUSYBOX), "true"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.fail("ANYBATCH_ENGINES names apptainer, and it is not on the PATH")
    if done.returncode != 0:
        pytest.fail(f"{' '.join(argv)}: {done.stderr}")
    return BUSYBOX


def slurm_configuration() -> str:
    """The configuration of a Slurm on the machine where Apptainer is."""
    if "slurm" not in REQUIRED or "sid" not in CLUSTERS:
        pytest.skip("needs ANYBATCH_ENGINES=apptainer,slurm ANYBATCH_SLURM_CLUSTERS=sid")
    configuration = str(ENGINES / "slurm-sid" / "slurm.conf")
    environment = {**os.environ, "SLURM_CONF": configuration}
    ping = ["scontrol", "ping"]
    done = subprocess.run(ping, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"Slurm cluster sid does not answer: {done.stdout}{done.stderr}")
    return configuration


@pytest.fixture(params=["local", "slurm", "htcondor"])
def system(request: pytest.FixtureRequest, apptainer: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the batch systems that are where Apptainer is."""
    if request.param == "slurm":
        monkeypatch.setenv("SLURM_CONF", slurm_configuration())
    if request.param == "htcondor" and "htcondor" not in REQUIRED:
        pytest.skip("needs ANYBATCH_ENGINES=apptainer,htcondor")
    return str(request.param)


@pytest.fixture
def configure(apptainer: Path, anybatch_home: Path) -> Callable[..., None]:
    """Writes the settings of the project that the test works in; the image is busybox."""

    def write(**settings: str | bool | list[str]) -> None:
        table = {"image": str(apptainer), **settings}
        lines = [f"{name} = {_toml(value)}" for name, value in table.items()]
        text = "\n".join(["[apptainer]", *lines, *SHARED, *LOCAL, ""])
        (anybatch_home / "anybatch.toml").write_text(text)

    return write


#: Three jobs of the contract run at once, on however small a machine.
LOCAL = ["[local]", "cores = 8"]
#: Of the pool's machines only one has the folders of the tests.
SHARED = (
    ["[htcondor]", 'transfer = "shared"', "requirements = 'TARGET.NoSharedFolder =!= True'"]
    if "htcondor" in REQUIRED
    else []
)


def _toml(value: str | bool | list[str]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)
