"""Programs of b2luigi on `local`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.testing import await_that

from .programs import AVERAGE, layers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Program

pytestmark = pytest.mark.system

#: A task waits until the file `go` is there; a minute at most.
WAITS = "[time.sleep(0.05) for _ in range(1200) if not (HERE / 'go').exists()]"


def jobs_of(run: Path) -> int:
    return int(json.loads((run / "run.json").read_text())["count"])


def test_the_program_of_the_documentation_runs(program: Callable[..., Program]) -> None:
    """Ten tasks and their average: a run for each of the two layers."""
    average = program(AVERAGE)
    said = average.run()
    assert "This progress looks :)" in said
    assert 0 < float((average.folder / "results/average.txt").read_text()) < 1
    assert [jobs_of(run) for run in average.runs] == [10, 1]
    assert (average.folder / "logs/some_parameter=3/MyNumberTask/stdout").exists()


def test_a_task_that_raises_costs_what_needs_it(program: Callable[..., Program]) -> None:
    """The others run, what needs it waits, and a second start runs only what is missing."""
    raising = "if self.layer == 0 and self.number == 2 and not (HERE / 'go').exists(): sys.exit(7)"
    tasks = program(layers(2, 4, raising))
    said = tasks.run()
    assert "exit code 7" in said
    assert "logs/layer=0/number=2/Part/stderr" in said
    assert sorted(tasks.ran) == ["0.0", "0.1", "0.2", "0.3"]
    (tasks.folder / "go").touch()
    (tasks.folder / "ran").unlink()
    assert "This progress looks :)" in tasks.run()
    assert sorted(tasks.ran) == ["0.2", "1.0", "1.1", "1.2", "1.3"]


def test_a_signal_is_told(program: Callable[..., Program]) -> None:
    """A task that is killed says by what."""
    said = program(layers(1, 1, "os.kill(os.getpid(), 9)")).run()
    assert "failed: SIGKILL" in said


def test_an_output_that_is_not_made_is_told(program: Callable[..., Program]) -> None:
    """A task that ends well without its output is not done."""
    tasks = program(layers(1, 1, "os._exit(0)"), anybatch_outputs_within=0)
    assert "output is not there" in tasks.run()


@pytest.mark.parametrize("marks", ["kept", "lost"])
def test_a_killed_program_goes_on(program: Callable[..., Program], marks: str) -> None:
    """Started again, it attaches to what still runs; also where it was killed before its marks."""
    tasks = program(layers(2, 3, WAITS))
    first = tasks.start()
    tasks.await_ran(1)
    tasks.kill(first)
    if marks == "lost":
        for mark in (tasks.folder / "task_files").rglob("anybatch.json"):
            mark.unlink()
    second = tasks.start()
    (tasks.folder / "go").touch()
    assert "This progress looks :)" in second.communicate(timeout=300)[0]
    assert sorted(tasks.ran) == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]


#: What may be there of a program when it is killed.
MOMENTS: dict[str, Callable[[Program], object]] = {
    "a run's folder": lambda tasks: tasks.runs,
    "a run on record": lambda tasks: [*tasks.folder.glob(".anybatch/runs/*/run.json")],
    "a mark": lambda tasks: tasks.marks,
    "a task that ran": lambda tasks: tasks.ran,
    "a task of the second layer": lambda tasks: [one for one in tasks.ran if one[0] == "1"],
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_some_moment_no_task_runs_twice(
    program: Callable[..., Program], moment: str
) -> None:
    """Whenever it is killed, a second start finishes the graph, and each task has run once."""
    tasks = program(layers(2, 3))
    first = tasks.start()
    await_that(lambda: bool(MOMENTS[moment](tasks)), patience=120)
    tasks.kill(first)
    assert "This progress looks :)" in tasks.run()
    assert sorted(tasks.ran) == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]


def interrupt(tasks: Program) -> None:
    """Start the program, press Ctrl-C when a task runs, and let tasks go on."""
    first = tasks.start()
    tasks.await_ran(1)
    os.kill(first.pid, signal.SIGINT)
    first.communicate(timeout=60)
    (tasks.folder / "go").touch()


def test_ctrl_c_stops_the_jobs(program: Callable[..., Program]) -> None:
    """What was started is terminated, and a second start runs it again."""
    tasks = program(layers(1, 3, WAITS))
    interrupt(tasks)
    assert "This progress looks :)" in tasks.run()
    assert len(tasks.runs) == 2


def test_ctrl_c_may_leave_the_jobs_alone(program: Callable[..., Program]) -> None:
    """With `anybatch_terminate` false they go on, and a second start attaches."""
    tasks = program(layers(1, 3, WAITS), anybatch_terminate=False)
    interrupt(tasks)
    assert "This progress looks :)" in tasks.run()
    assert len(tasks.runs) == 1
    assert sorted(tasks.ran) == ["0.0", "0.1", "0.2"]


def test_a_task_that_takes_too_long_is_stopped(program: Callable[..., Program]) -> None:
    """Luigi's `worker_timeout` ends the job of one task; the others run."""
    text = layers(1, 3, f"{WAITS} if self.number == 1 else None").replace(
        "    layer = b2",
        "    @property\n    def worker_timeout(self):\n"
        "        return 4 if self.number == 1 else None\n\n    layer = b2",
        1,
    )
    tasks = program(text)
    said = tasks.run()
    assert "timed out after 4 seconds" in said
    assert "Traceback" not in said
    assert "2 ran successfully" in said
    [run] = tasks.runs
    argv = [sys.executable, "-m", "anybatch", "status", "--json", run.name]
    done = subprocess.run(argv, cwd=tasks.folder, capture_output=True, text=True, check=False)
    assert done.stdout.count('"terminated"') >= 1


def test_a_run_that_is_taken_away_is_told(program: Callable[..., Program]) -> None:
    """Tasks whose run's folder is removed fail with the reason, and the program ends."""
    tasks = program(layers(1, 2, WAITS))
    first = tasks.start()
    tasks.await_ran(2)
    [run] = tasks.runs
    run.rename(tasks.folder / "away")
    said = first.communicate(timeout=300)[0]
    (tasks.folder / "go").touch()
    assert "2 failed" in said
    assert f"run {run.name} cannot be watched any more" in said


def test_names_with_odd_letters(anybatch_home: Path) -> None:
    """The program's folder and its own name are no shell text."""
    folder = anybatch_home / """it's "$HOME" %s;&"""
    folder.mkdir()
    (folder / "my tasks.py").write_text(layers(1, 2))
    settings = {"batch_system": "anybatch", "anybatch_system": "local", "result_dir": "results"}
    (folder / "settings.json").write_text(json.dumps(settings))
    argv = [sys.executable, "-W", "ignore", "my tasks.py"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert "This progress looks :)" in done.stdout + done.stderr
    assert sorted((folder / "ran").read_text().split()) == ["0.0", "0.1"]


def test_files_are_transferred(program: Callable[..., Program], tmp_path: Path) -> None:
    """What `transfer_files` names is beside the program where a job works."""
    (tmp_path / "else where").mkdir()
    data = tmp_path / "else where" / "data.txt"
    data.write_text("brought")
    tasks = program(
        layers(1, 2, "note(open('data.txt').read())"),
        transfer_files=[str(data), str(data)],
        working_dir=".",
    )
    assert "This progress looks :)" in tasks.run()
    assert sorted(tasks.ran) == ["0.0", "0.1", "brought", "brought"]


def test_groups_are_left_to_b2luigi(program: Callable[..., Program]) -> None:
    """b2luigi lets its own batch systems alone group tasks, and says so; nothing runs."""
    text = layers(1, 3).replace(
        "    number = b2luigi.IntParameter()",
        "    number = b2luigi.IntParameter(grouping=True)\n    max_grouping_size = 2",
        1,
    )
    tasks = program(text)
    assert (
        "grouping of tasks is currently only implemented for HTCondor, Slurm and LSF" in tasks.run()
    )
    assert tasks.ran == []


def test_workers_limit_what_is_in_flight(program: Callable[..., Program]) -> None:
    """With two workers never more than two jobs are submitted at once."""
    tasks = program(layers(1, 5, workers=2))
    assert "This progress looks :)" in tasks.run()
    assert max(map(jobs_of, tasks.runs)) <= 2
    assert sorted(tasks.ran) == [f"0.{number}" for number in range(5)]


def test_much_output_is_no_trouble(program: Callable[..., Program]) -> None:
    """More output than a pipe holds goes to the log."""
    tasks = program(layers(1, 1, "print('x' * 300_000)"))
    assert "This progress looks :)" in tasks.run()
    log = tasks.folder / "logs/layer=0/number=0/Part/stdout"
    assert log.stat().st_size > 300_000


ODD = """it's $HOME "two" %s\\\\"""


def test_settings_reach_the_job(program: Callable[..., Program], anybatch_home: Path) -> None:
    """`env`, `env_script`, `executable_prefix` and more take effect; no value leaks to others."""
    (anybatch_home / "set up.sh").write_text("export FROM_SCRIPT=yes\n")
    body = "note(json_of(self.number))"
    head = (
        "import json\n"
        "def json_of(number):\n"
        "    names = ('ODD', 'FROM_SCRIPT', 'NICE')\n"
        "    found = {name: os.environ.get(name) for name in names}\n"
        "    seen = [number, found, os.nice(0), os.getcwd(), sys.argv[-2:], sys.flags.utf8_mode]\n"
        "    return json.dumps(seen).encode().hex()\n"
    )
    tasks = program(
        layers(1, 2, body).replace("HERE = Path", head + "HERE = Path", 1),
        env={"ODD": ODD},
        env_script="set up.sh",
        executable=[sys.executable, "-X", "utf8"],
        executable_prefix=["nice", "-n", "3"],
        task_cmd_additional_args=["--more", "'x y'"],
        slurm_settings={"mem": "1G"},
    )
    said = tasks.run()
    assert said.count("slurm_settings means nothing on local") == 1
    lines = [line for line in tasks.ran if "." not in line]
    seen: list[Any] = sorted(json.loads(bytes.fromhex(line)) for line in lines)
    assert [one[0] for one in seen] == [0, 1]
    for _, variables, nice, folder, words, utf8_mode in seen:
        assert utf8_mode == 1
        assert variables == {"ODD": ODD, "FROM_SCRIPT": "yes", "NICE": None}
        assert nice == os.nice(0) + 3
        assert folder == str(tasks.folder)
        assert words == ["--more", "x y"]
    log = tasks.folder / "logs/layer=0/number=0/Part/stdout"
    assert "FROM_SCRIPT" not in log.read_text()  # b2luigi's own wrapper prints all variables


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"anybatch_system": "nosuch"}, "nosuch"),
        ({"executable_prefix": "nice"}, "executable_prefix must be a list of strings"),
        ({"env": ["A"]}, "the setting env must be a table"),
        ({"transfer_files": ["a"], "working_dir": "."}, "transfer_files must be absolute paths"),
        ({"transfer_files": ["/a"]}, "working_dir must be '.'"),
        ({"anybatch_resources": {"cores": 0}}, "cores must be a whole number"),
        ({"anybatch_settings": {"local": {"nosuch": 1}}}, "nosuch"),
    ],
)
def test_a_setting_that_cannot_be_fails_the_task(
    program: Callable[..., Program], settings: dict[str, Any], text: str
) -> None:
    """The task fails with the reason, nothing runs, and the program ends in order."""
    tasks = program(layers(1, 2), **settings)
    said = tasks.run()
    assert text in said
    assert "Traceback" not in said
    assert "2 failed" in said
    assert tasks.ran == []


def test_one_task_that_cannot_be_costs_only_itself(program: Callable[..., Program]) -> None:
    """Of tasks that are ready together, those that can be are one run."""
    text = layers(1, 4).replace(
        "    def requires(self):\n        if self.layer",
        "    @property\n    def anybatch_resources(self):\n"
        "        return {'cores': 0 if self.number == 1 else 1}\n\n"
        "    def requires(self):\n        if self.layer",
        1,
    )
    tasks = program(text)
    said = tasks.run()
    assert "1 failed" in said
    assert sorted(tasks.ran) == ["0.0", "0.2", "0.3"]
    assert [jobs_of(run) for run in tasks.runs] == [3]


def test_tasks_of_several_systems_in_one_graph(program: Callable[..., Program]) -> None:
    """A task's `anybatch_system` decides; luigi's own local tasks go beside."""
    text = layers(2, 2).replace(
        "    layer = b2",
        "    @property\n    def batch_system(self):\n"
        "        return 'anybatch' if self.layer else 'local'\n\n    layer = b2",
        1,
    )
    tasks = program(text)
    assert "This progress looks :)" in tasks.run()
    assert [jobs_of(run) for run in tasks.runs] == [2]
    await_that(lambda: len(tasks.ran) == 4)
