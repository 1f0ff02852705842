"""Programs of b2luigi on real Slurm and HTCondor."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .programs import AVERAGE, layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Program

pytestmark = pytest.mark.engine

ENGINES = Path(os.environ.get("ANYBATCH_ENGINE_DIR", "/var/tmp/anybatch-engines"))
NAMED = os.environ.get("ANYBATCH_ENGINES", "").split(",")
CLUSTER = os.environ.get("ANYBATCH_SLURM_CLUSTERS", "plain").split(",")[0]
#: Task files and outputs are in a folder that not every machine of the pool has.
SHARED = {"htcondor": {"transfer": "shared"}}
PROBES = {"slurm": ["scontrol", "ping"], "htcondor": ["condor_status", "-af", "Machine"]}


@pytest.fixture(params=["slurm", "htcondor"])
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The program's settings for a batch system; named in ANYBATCH_ENGINES it must answer."""
    system = str(request.param)
    if system not in NAMED:
        pytest.skip(f"needs real {system}: `make engines`, then ANYBATCH_ENGINES={system}")
    if system == "slurm":
        monkeypatch.setenv("SLURM_CONF", str(ENGINES / f"slurm-{CLUSTER}" / "slurm.conf"))
    done = subprocess.run(PROBES[system], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{system} does not answer: {done.stdout}{done.stderr}")
    return {"anybatch_system": system, "anybatch_settings": SHARED}


def test_the_program_of_the_documentation_runs(
    program: Callable[..., Program], settings: dict[str, Any]
) -> None:
    """Ten tasks and their average, as they are in b2luigi's documentation."""
    average = program(AVERAGE, **settings)
    assert "This progress looks :)" in average.run()
    assert 0 < float((average.folder / "results/average.txt").read_text()) < 1


def test_native_settings_are_understood(
    program: Callable[..., Program], settings: dict[str, Any]
) -> None:
    """`slurm_settings` and `htcondor_settings` as their documentation writes them, job_name too."""
    body = "note(os.environ.get('SLURM_JOB_NAME', 'one'))"
    tasks = program(
        layers(1, 2, body),
        job_name="first",
        slurm_settings={"export": "NONE", "time": "10", "job-name": "one", "mem": "100M"},
        htcondor_settings={"JobBatchName": "one", "request_memory": "100 MB", "+Mine": '"x"'},
        **settings,
    )
    assert "This progress looks :)" in tasks.run()
    assert [line for line in tasks.ran if "." not in line] == ["one", "one"]


def test_a_graph_is_killed_in_the_middle(
    program: Callable[..., Program], settings: dict[str, Any]
) -> None:
    """Four layers of tasks: a submit command each, and no task twice though it is killed."""
    tasks = program(layers(4, 12), **settings)
    first = tasks.start()
    tasks.await_ran(16)
    tasks.kill(first)
    assert "This progress looks :)" in tasks.run()
    expected = sorted(f"{layer}.{number}" for layer in range(4) for number in range(12))
    assert sorted(tasks.ran) == expected
    submissions = [path for run in tasks.runs for path in run.glob("tasks/*.0")]
    assert len(submissions) == 4
