"""Programs of b2luigi on real Slurm and HTCondor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.testing import await_that

from .programs import AVERAGE, layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Program

pytestmark = pytest.mark.engine

ENGINES = Path(os.environ.get("ANYBATCH_ENGINE_DIR", "/var/tmp/anybatch-engines"))
#: A task waits until the file `go` is there; some minutes at most.
WAITS = "[time.sleep(0.1) for _ in range(3000) if not (HERE / 'go').exists()]"
BUSYBOX = ENGINES / "images" / "busybox"
#: What Python needs in an image with nothing but busybox.
PYTHON_INSIDE = [
    *("/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro"),
    *(sys.prefix, str(Path(__file__).parents[3])),
]
ON_SID = "TARGET.NoSharedFolder =!= True"
CANCEL = {"slurm": "scancel", "htcondor": "condor_rm"}
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


#: What a job is told of itself.
SEEN = """
def seen():
    if "SLURM_JOB_NAME" in os.environ:
        names = ("JOB_NAME", "JOB_PARTITION", "CPUS_PER_TASK", "MEM_PER_NODE")
        return "+".join(os.environ["SLURM_" + name] for name in names)
    with open(os.environ["_CONDOR_JOB_AD"]) as file:
        ad = dict(line.rstrip().partition(" = ")[::2] for line in file)
    names = ("JobBatchName", "Mine", "RequestCpus", "RequestMemory")
    return "+".join(ad[name].strip('"') for name in names)


HERE = Path"""


def test_native_settings_are_understood(
    program: Callable[..., Program], settings: dict[str, Any]
) -> None:
    """`slurm_settings` and `htcondor_settings` as their documentation writes them, and others."""
    tasks = program(
        layers(1, 2, "note(seen())").replace("HERE = Path", SEEN, 1),
        job_name="first",
        queue="short",
        job_slots=2,
        slurm_settings={"export": "NONE", "time": "10", "job-name": "one", "mem": "100M"},
        htcondor_settings={"JobBatchName": "one", "request_memory": "100 MB", "+Mine": '"short"'},
        **settings,
    )
    said = tasks.run()
    assert "This progress looks :)" in said
    assert [line for line in tasks.ran if "." not in line] == ["one+short+2+100"] * 2
    assert ("queue mean nothing" in said) == (settings["anybatch_system"] == "htcondor")


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


def test_files_go_to_the_worker(program: Callable[..., Program], settings: dict[str, Any]) -> None:
    """With `transfer_files` HTCondor brings the program along; elsewhere folders are shared."""
    here = program(layers(1, 2)).folder
    text = layers(1, 2).replace("Path(__file__).parent", f"Path({str(here)!r})")
    tasks = program(
        text,
        anybatch_system=settings["anybatch_system"],
        anybatch_settings={"htcondor": {"requirements": ON_SID}},
        transfer_files=[str(here / "tasks.py"), str(here / "settings.json")],
        working_dir=".",
        result_dir=str(here / "results"),
    )
    assert "This progress looks :)" in tasks.run()
    assert sorted(tasks.ran) == ["0.0", "0.1"]


def job(tasks: Program, index: int) -> dict[str, Any]:
    """What anybatch tells of a job in the program's only run."""
    [run] = tasks.runs
    argv = [sys.executable, "-m", "anybatch", "status", "--json", run.name]
    done = subprocess.run(argv, cwd=tasks.folder, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)[0]["jobs"][index]
    return found


def test_a_job_that_somebody_cancels(
    program: Callable[..., Program], settings: dict[str, Any]
) -> None:
    """One job of a run is cancelled from outside: its task fails and says so, no other does."""
    tasks = program(layers(1, 3, WAITS), **settings)
    first = tasks.start()
    tasks.await_ran(3)
    native_id = job(tasks, 1)["id"].partition("@")[0]
    subprocess.run([CANCEL[settings["anybatch_system"]], native_id], check=True)
    await_that(lambda: job(tasks, 1)["state"] == "terminated", patience=120)
    (tasks.folder / "go").touch()
    text = first.communicate(timeout=300)[0]
    assert "2 ran successfully" in text
    assert "1 failed" in text
    assert f"job {tasks.runs[0].name}:1 terminated" in text


@pytest.mark.parametrize("system", ["local", "slurm", "htcondor"])
def test_tasks_in_a_container(
    program: Callable[..., Program],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    system: str,
) -> None:
    """`apptainer_*`: image, mounts, defaults and parameters; env and env_script are inside."""
    if "apptainer" not in NAMED or (system != "local" and system not in NAMED):
        pytest.skip(f"needs real Apptainer and {system}: tests/engines/folder enter ...")
    if system == "slurm":
        monkeypatch.setenv("SLURM_CONF", str(ENGINES / f"slurm-{CLUSTER}" / "slurm.conf"))
    (tmp_path / "set up.sh").write_text("export FROM_SCRIPT=script\n")
    body = (
        "note('-'.join([os.environ['APPTAINER_NAME'], os.environ['FROM_SCRIPT'], "
        "os.environ['MINE'], str(os.path.exists('/etc/debian_version'))])); print('x' * 300_000)"
    )
    text = layers(1, 2, body).replace("WrapperTask):", 'WrapperTask):\n    apptainer_image = ""')
    tasks = program(
        text,
        anybatch_system=system,
        anybatch_settings={"htcondor": {**SHARED["htcondor"], "requirements": ON_SID}},
        apptainer_image=str(BUSYBOX),
        apptainer_mounts=PYTHON_INSIDE,
        apptainer_additional_params="--no-mount=home,tmp,cwd --cleanenv",
        env={"MINE": "it's"},
        env_script=str(tmp_path / "set up.sh"),
        **{"shell": "sh"},  # no bash in this image
        result_dir=str(tmp_path / "results"),
        log_dir=str(tmp_path / "logs"),
    )
    assert "This progress looks :)" in tasks.run()
    assert set(tasks.ran) == {"0.0", "0.1", "busybox-script-it's-False"}
    log = tmp_path / "logs/layer=0/number=0/Part/stdout"
    assert log.stat().st_size > 300_000
