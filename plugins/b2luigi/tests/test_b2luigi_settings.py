"""What settings become, without a batch system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import b2luigi
import pytest
from anybatch_b2luigi import grid, needless
from anybatch_b2luigi.jobs import job_of
from b2luigi.core.settings import clear_setting, set_setting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class First(b2luigi.Task):
    """A task with settings of its own."""

    slurm_settings = {"mem": "2G"}  # noqa: RUF012
    htcondor_settings = {"request_memory": "2 GB", "JobBatchName": "first"}  # noqa: RUF012
    job_name = "first"
    job_slots = 4


class Second(b2luigi.Task):
    """A task without."""


@pytest.fixture(autouse=True)
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("B2LUIGI_TASK_FILE", str(tmp_path / "tasks.py"))


@pytest.fixture
def settings() -> Iterator[dict[str, Any]]:
    """Settings of the whole program, of tables that b2luigi hands out as they are."""
    made = {"slurm_settings": {"partition": "p"}, "htcondor_settings": {"+Group": '"g"'}}
    for name, value in made.items():
        set_setting(name, value)
    yield made
    for name in made:
        clear_setting(name)


@pytest.mark.parametrize("system", ["slurm", "htcondor", "lsf"])
def test_no_task_gets_the_settings_of_another(settings: dict[str, Any], system: str) -> None:
    """What a task sets is its own: memory, name and cores of the next are what they were."""
    first, second = job_of(First(), system), job_of(Second(), system)
    assert (first.name, first.resources.cores) == ("first", 4)
    assert (second.name, second.resources.cores, second.resources.memory) == ("tasks", 1, None)
    assert "mem" not in second.settings.get(system, {})
    assert settings["slurm_settings"] == {"partition": "p"}
    assert settings["htcondor_settings"] == {"+Group": '"g"'}


def test_containers_get_what_is_asked_for(tmp_path: Path) -> None:
    """Parameters are split as a shell would; the defaults are mounted unless unwanted."""
    task = First()
    task.apptainer_image = "image.sif"
    task.apptainer_mounts = ["/data"]
    task.apptainer_additional_params = "--cleanenv --env 'A=b c'"
    own = job_of(task, "slurm").settings["apptainer"]
    assert own["additional_params"] == ["--cleanenv", "--env", "A=b c"]
    assert own["mounts"] == ["/data", str(tmp_path), str(tmp_path / "logs/First")]
    task.apptainer_mount_defaults = False
    task.apptainer_additional_params = ["--env", "A=b c"]
    own = job_of(task, "slurm").settings["apptainer"]
    assert (own["mounts"], own["additional_params"]) == (["/data"], ["--env", "A=b c"])
    assert task.apptainer_mounts == ["/data"]


def test_what_means_nothing_is_named() -> None:
    """A setting for other batch systems, and one that b2luigi's own processes alone read."""
    task = First()
    task.batch_status_cache_ttl = 5
    assert needless.needless(task, "slurm") == ["batch_status_cache_ttl", "htcondor_settings"]
    assert "job_slots" not in needless.needless(task, "local")
    assert "job_slots" in needless.needless(task, "gbasf2")


def test_unset_is_not_a_value() -> None:
    """False and the empty text are b2luigi's words for "not set"; flags are flags."""
    task = Second()
    task.gbasf2_cputime = False
    task.gbasf2_custom_steering_file = ""
    task.gbasf2_noscout = False
    task.gbasf2_n_repition_job = 2
    task.gbasf2_project_lpn_path = "/belle/group/x"
    assert grid.settings_of(task) == {"noscout": False, "n_repetition_job": 2}
    task.gbasf2_proxy_group = "x"
    assert grid.settings_of(task)["project_lpn_path"] == "/belle/group/x"


@pytest.mark.parametrize(
    ("file", "output"),
    [
        ("B_00000_job7_00.root", "B.root"),
        ("B_mc_00000_job7_00.root", "B_mc.root"),
        ("B_other_00000_job7_00.root", None),
        ("B_00000_job7_00.mdst.root", "B.mdst.root"),
        (".B_00012_job7_01.root", ".B.root"),
        ("B_mc_old.root", "B_mc.root"),
        ("B_old.root", "B.root"),
        ("C_00000_job7_00.root", None),
    ],
)
def test_files_of_a_project_find_their_output(file: str, output: str | None) -> None:
    """Each is of one output, also where the name of one begins with that of another."""
    names = ["B.root", "B_mc.root", "B.mdst.root", ".B.root"]
    assert grid.output_of(file, names) == output
    assert grid.output_of(file, names[::-1]) == output


def test_outputs_are_moved_whole(tmp_path: Path) -> None:
    """What a killed program has begun is begun anew; a folder of something else stays."""
    source, target = tmp_path / "sub00", tmp_path / "B.root"
    source.mkdir()
    (tmp_path / "B.root.collected").mkdir()
    (tmp_path / "B.root.collected" / "old").touch()
    files = [source / "a.root", source / "b.root"]
    for number in range(2):
        for file in files:
            file.write_text(str(number))
        grid.move(files, target)
        assert {file.name: file.read_text() for file in target.iterdir()} == {
            "a.root": str(number),
            "b.root": str(number),
        }
    (target / "mine").touch()
    for file in files:
        file.touch()
    with pytest.raises(grid.UsageError, match="no download of this project"):
        grid.move(files, target)
    assert (target / "mine").exists()
