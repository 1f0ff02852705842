"""Tasks that are projects on a simulated grid."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.testing import await_that

from .programs import on_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Program

pytestmark = pytest.mark.simulator

SIMULATOR = Path(__file__).parents[3] / "tests" / "simulators" / "gbasf2"
_spec = importlib.util.spec_from_file_location("gridsim_for_b2luigi", SIMULATOR / "gridsim.py")
assert _spec is not None
assert _spec.loader is not None
gridsim = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gridsim)


class Grid:
    """A simulated grid with a dataset of three files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        gridsim.create(folder)
        gridsim.add_dataset(folder, "/belle/MC/simulated", 3)
        # b2luigi's targets take no setup script that exports functions and lines of several.
        self.setup = folder / "setup"
        self.setup.write_text(f'. {folder}/bashrc "$@"; unset BELLE2_BANNER; unset -f gb2_greet\n')

    def faults(self, **faults: Any) -> None:
        """Have things go wrong."""
        new = self.folder / "faults.json.new"
        new.write_text(json.dumps(faults))
        new.rename(self.folder / "faults.json")

    def go_on(self) -> None:
        """Run the jobs that were held."""
        self.faults()
        environment = {**os.environ, "GBASF2_SIMULATOR": str(self.folder)}
        argv = [sys.executable, str(SIMULATOR / "gridsim.py")]
        subprocess.run(argv, env=environment, check=True)

    def count(self, command: str) -> int:
        """How often a command was run."""
        try:
            lines = (self.folder / "calls.log").read_text().splitlines()
        except FileNotFoundError:
            return 0
        return sum(json.loads(line)[0] == command for line in lines)

    @property
    def state(self) -> dict[str, Any]:
        """All that the grid knows."""
        state: dict[str, Any] = json.loads((self.folder / "grid.json").read_text())
        return state

    def jobs(self, status: str) -> int:
        """How many jobs are in a state."""
        return sum(job["Status"] == status for job in self.state["jobs"].values())


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grid]:
    """A grid, and basf2 for programs."""
    monkeypatch.setenv("PYTHONPATH", str(SIMULATOR / "modules"))
    made = Grid(tmp_path / "grid")
    yield made
    made.faults()


@pytest.fixture
def tasks(program: Callable[..., Program], grid: Grid) -> Callable[..., Program]:
    """Makes programs of the grid."""

    def make(root: str = "Skim()", attributes: str = "", **settings: Any) -> Program:
        table = {"gbasf2_setup_path": str(grid.setup), "gbasf2_release": "light-2601-simulated"}
        return program(on_grid(root, attributes), **{**table, **settings})

    return make


def outputs(program: Program, name: str) -> list[str]:
    """The names of the files of an output, which is a folder."""
    [folder] = (program.folder / "results").rglob(name)
    return sorted(file.name for file in folder.iterdir())


def logs(program: Program, project: str) -> list[str]:
    """What basf2 printed in each job."""
    [folder] = (program.folder / "logs").rglob(f"gbasf2_logs/{project}")
    return [file.read_text() for file in sorted(folder.glob("*/Script1*"))]


def test_a_task_is_a_project(tasks: Callable[..., Program], grid: Grid) -> None:
    """Its outputs are folders with the names that b2luigi expects, and a task here reads them."""
    grid.faults(status_empty=2, status_garbage=2)  # neither is an end
    program = tasks(
        "Count()",
        "    anybatch_settings = {'gbasf2': {'priority': 3}}",
        queue="short",
        gbasf2_install_directory="/x",
        gbasf2_project_lpn_path="/only/for/other/groups",
    )
    said = program.run()
    assert "This progress looks :)" in said
    [counted] = (program.folder / "results").rglob("count.txt")
    assert counted.read_text() == "B.root 3\nB_mc.root 3"
    assert all(name.startswith("B_0000") for name in outputs(program, "B.root"))
    [project] = grid.state["names"]
    assert project.startswith("skim_")
    assert "'short': 'a_long_name'" in logs(program, project)[0]
    assert not list((program.folder / "results").rglob(project))
    assert not (program.folder / "serialized_basf2_path.pkl").is_symlink()
    assert (grid.count("gbasf2"), grid.count("gb2_ds_get")) == (1, 1)
    assert "the settings gbasf2_install_directory, queue mean nothing on gbasf2" in said
    assert "gbasf2_project_name_prefix mean nothing on local" not in said


def test_projects_in_a_chain(tasks: Callable[..., Program], grid: Grid) -> None:
    """A project reads what another has left on the grid, by the name that b2luigi gives it."""
    program = tasks("Again()")
    assert "This progress looks :)" in program.run()
    assert len(outputs(program, "B_mc.root")) == 6  # both outputs of each of three jobs are inputs
    assert [name.partition("_")[0] for name in grid.state["names"]] == ["skim", "again"]
    assert grid.count("gb2_ds_get") == 1


def forget(program: Program) -> None:
    """Remove a run that has not ended, and make anybatch forget it."""
    [run] = program.runs
    shutil.rmtree(run)
    argv = [sys.executable, "-m", "anybatch", "clean", run.name]
    subprocess.run(argv, check=True, capture_output=True)


@pytest.mark.parametrize("runs", ["kept", "lost"])
def test_a_killed_program_attaches_to_its_project(
    tasks: Callable[..., Program], grid: Grid, runs: str
) -> None:
    """The project is on the grid once; it is found by its name even where all else is lost."""
    grid.faults(hold=1)
    program = tasks()
    first = program.start()
    await_that(lambda: grid.jobs("Done") == 1, patience=120)
    program.kill(first)
    if runs == "lost":
        forget(program)
    second = program.start()
    grid.go_on()
    assert "This progress looks :)" in second.communicate(timeout=300)[0]
    assert len(outputs(program, "B.root")) == 3
    assert grid.count("gbasf2") == 1
    assert len(grid.state["names"]) == 1


def test_a_job_that_fails_is_told_or_run_again(tasks: Callable[..., Program], grid: Grid) -> None:
    """With no retry the task fails and says why; with `gbasf2_max_retries` the job runs again."""
    grid.faults(application_fails={"1": 2}, reschedule_lag=1)
    program = tasks()
    said = program.run()
    assert "1 failed" in said
    assert "Exited With Status 3" in said
    [project] = grid.state["names"]
    assert len(logs(program, project)) >= 1
    program.write(
        (program.folder / "tasks.py").read_text(),
        **{**json.loads((program.folder / "settings.json").read_text()), "gbasf2_max_retries": 2},
    )
    assert "This progress looks :)" in program.run()
    assert (grid.count("gbasf2"), len(outputs(program, "B.root"))) == (1, 3)
    assert grid.count("gb2_job_reschedule") == 2
    assert grid.count("gb2_job_output") <= 6


def test_other_tasks_do_not_wait_for_the_grid(tasks: Callable[..., Program], grid: Grid) -> None:
    """While the grid's client is slow, or waits for a password, tasks on other systems run."""
    hold = grid.folder / "hold"
    hold.touch()
    grid.setup.write_text(f"while [ -e {hold} ]; do sleep 0.1; done\n{grid.setup.read_text()}")
    program = tasks("[Skim(), Here()]")
    first = program.start()
    await_that((program.folder / "results/here.txt").exists, patience=120)
    assert not program.marks or len(program.marks) == 1
    hold.unlink()
    assert "This progress looks :)" in first.communicate(timeout=300)[0]
    assert len(outputs(program, "B.root")) == 3


def test_ctrl_c_kills_the_project(tasks: Callable[..., Program], grid: Grid) -> None:
    """One command kills its jobs, and a second start says so; another prefix is a new project."""
    grid.faults(hold=0)
    program = tasks(attributes="    gbasf2_input_grouping = 'site'")
    first = program.start()
    await_that(lambda: bool(program.marks), patience=120)
    os.kill(first.pid, signal.SIGINT)
    first.communicate(timeout=120)
    assert (grid.jobs("Killed"), grid.count("gb2_job_kill")) == (3, 1)
    assert '"--input_grouping", "site"' in (grid.folder / "calls.log").read_text()
    assert "terminated: Killed 3" in program.run()
    grid.faults()
    text = (program.folder / "tasks.py").read_text().replace("skim_", "anew_")
    program.write(text, **json.loads((program.folder / "settings.json").read_text()))
    assert "This progress looks :)" in program.run()


@pytest.mark.parametrize(
    ("attributes", "settings", "text"),
    [
        ("    gbasf2_project_name_prefix = 'a' * 30", {}, "Maximum length of project name"),
        ("    gbasf2_project_name_prefix = 'a/b'", {}, 'Project name "a/b'),
        ("    create_path = None", {}, "needs a method create_path"),
        ("    gbasf2_proxy_group = 'other'", {}, "groups other than belle need project_lpn_path"),
        ("    gbasf2_priority = 11", {}, "priority must be between 0 and 10"),
        ("    gbasf2_additional_files = 'a'", {}, "gbasf2_additional_files must be a list"),
        ("    gbasf2_input_dataset, gbasf2_input_dslist = None, 'list'", {}, "no such file"),
        ("", {"gbasf2_setup_path": "/no/such"}, "/no/such"),
        (
            "    @property\n    def gbasf2_cputime(self):\n        raise RuntimeError('x')",
            {},
            "RuntimeError: x",
        ),
    ],
)
def test_a_task_that_cannot_be_a_project_fails(
    tasks: Callable[..., Program],
    grid: Grid,
    attributes: str,
    settings: dict[str, Any],
    text: str,
) -> None:
    """It says why, nothing is on the grid, and the program ends in order."""
    said = tasks("Skim()", attributes, **settings).run()
    assert text in said
    assert "Traceback" not in said
    assert "1 failed" in said
    assert grid.count("gbasf2") == 0
