"""What the plugin finds on a machine, and what it refuses before anything is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, Resources, Session, SettingError, UsageError
from anybatch.detection import detect
from anybatch.localhost import LocalHost
from anybatch.plugins.calls import Hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anybatch.records import Detection


@pytest.fixture
def machine(anybatch_home: Path) -> Callable[..., Session]:
    """Makes a session on a machine on whose PATH are only programs of these names."""

    def make(*programs: str, system: str = "local", **settings: Any) -> Session:
        folder = anybatch_home / "bin"
        folder.mkdir()
        for name in programs:
            (folder / name).write_text("#!/bin/sh\necho $(basename $0) version 1.4.5\n")
            (folder / name).chmod(0o755)
        host = LocalHost({"PATH": str(folder)})
        tables = {"apptainer": settings}
        return Session(system, settings=tables, host=host, folder=anybatch_home)

    return make


def wrapper(session: Session, **fields: Any) -> str:
    """The line of the job script that starts the container; empty: there is none."""
    plan = session.plan(Job(["true"], **fields))
    [script] = [file.text for file in plan.files if file.path.name == "job.sh"]
    lines = [line for line in script.splitlines() if line.lstrip().startswith("ab_wrapped()")]
    return lines[0].partition("exec ")[2]


def detected(session: Session) -> Detection:
    """What `anybatch systems` tells of the plugin."""
    return detect(Hooks(session.plugins), session.settings, ["apptainer"])["apptainer"]


# -- with and without an image


def test_a_job_without_an_image_is_left_alone(machine: Callable[..., Session]) -> None:
    """Where nobody names an image the plugin does nothing."""
    assert wrapper(machine("apptainer")) == ""


def test_the_job_s_image_wins_over_the_setting(
    machine: Callable[..., Session], anybatch_home: Path
) -> None:
    """`apptainer.image` is for jobs that name none."""
    for name in ("own", "usual"):
        (anybatch_home / name).touch()
    session = machine("apptainer", image="usual")
    assert f" {anybatch_home}/usual /bin/sh" in wrapper(session)
    assert f" {anybatch_home}/own /bin/sh" in wrapper(session, container="own")
    tables = {"apptainer": {"image": "own"}}
    assert f" {anybatch_home}/own /bin/sh" in wrapper(session, settings=tables)


def test_the_name_as_a_system_insists_on_an_image(machine: Callable[..., Session]) -> None:
    """`--system apptainer` is `local`, and a job that would run outside is an error."""
    session = machine("apptainer", system="apptainer")
    assert session.system == "local"
    with pytest.raises(
        JobError, match=r"no image: --container, Job\.container or .* apptainer\.im"
    ):
        session.plan(Job(["true"]))
    assert "docker://alpine" in wrapper(session, container="docker://alpine")


# -- images


@pytest.mark.parametrize("image", ["no.sif", "/no/such/image", "[a-z]*"])
def test_a_path_that_is_not_there_is_refused(machine: Callable[..., Session], image: str) -> None:
    """An image that is a path has to be there; nothing in it is a pattern."""
    session = machine("apptainer")
    with pytest.raises(JobError, match=r"apptainer: the image /.* is not there"):
        session.plan(Job(["true"], container=image))


def test_an_image_that_cannot_be_looked_for_is_refused(
    machine: Callable[..., Session], anybatch_home: Path
) -> None:
    """With the reason that the file system gives."""
    (anybatch_home / "circle").symlink_to("circle")
    with pytest.raises(JobError, match=r"the image /.*/circle/i: Too many levels"):
        machine("apptainer").plan(Job(["true"], container="circle/i"))


def test_a_name_that_looks_like_a_pattern(
    machine: Callable[..., Session], anybatch_home: Path
) -> None:
    """A file of any name is an image."""
    (anybatch_home / "[a] *.sif").touch()
    assert "[a] *.sif" in wrapper(machine("apptainer"), container="[a] *.sif")


def test_relative_paths_start_where_the_session_does(
    machine: Callable[..., Session], anybatch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the current folder nor the job's working folder matters."""
    (anybatch_home / "deep").mkdir()
    (anybatch_home / "i.sif").touch()
    monkeypatch.chdir("/")
    line = wrapper(machine("apptainer"), container="i.sif", workdir="deep")
    assert f" {anybatch_home}/i.sif /bin/sh" in line


def test_an_image_among_the_inputs_stays_relative(
    machine: Callable[..., Session], anybatch_home: Path
) -> None:
    """It is used from the working folder, to which it is brought."""
    (anybatch_home / "i.sif").touch()
    line = wrapper(machine("apptainer"), container="i.sif", inputs=["*.sif"], workdir="w-{index}")
    assert " ./i.sif /bin/sh" in line


# -- the program


@pytest.mark.parametrize(
    ("programs", "settings", "expected"),
    [
        (["apptainer", "singularity"], {}, "apptainer"),
        (["singularity"], {}, "singularity"),
        (["apptainer", "mine"], {"command": "mine"}, "mine"),
    ],
)
def test_the_program_is_found_here(
    machine: Callable[..., Session],
    anybatch_home: Path,
    programs: list[str],
    settings: Mapping[str, str],
    expected: str,
) -> None:
    """On this machine the path holds where the submitter found it: jobs have another PATH."""
    line = wrapper(machine(*programs, **settings), container="docker://alpine")
    assert line.startswith(f"{anybatch_home}/bin/{expected} --silent exec ")


@pytest.mark.parametrize(
    ("programs", "settings", "missing"),
    [([], {}, "apptainer"), (["apptainer"], {"command": "/no/mine"}, "/no/mine")],
)
def test_a_program_that_is_not_here_is_refused(
    machine: Callable[..., Session],
    programs: list[str],
    settings: Mapping[str, str],
    missing: str,
) -> None:
    """Where the job would run on this machine, it has to be there."""
    session = machine(*programs, **settings)
    with pytest.raises(UsageError, match=f"apptainer: {missing} is not on the PATH of this mach"):
        session.plan(Job(["true"], container="docker://alpine"))


def test_a_command_that_is_none_is_refused(machine: Callable[..., Session]) -> None:
    """Neither a job nor `systems` takes an option for a program."""
    session = machine("apptainer", command="-c")
    with pytest.raises(SettingError, match=r"apptainer\.command: '-c' is not a program"):
        session.plan(Job(["true"], container="docker://alpine"))
    answer = detected(session)
    assert not answer.available


# -- what there is


@pytest.mark.parametrize(
    ("programs", "available", "text", "version"),
    [
        (["apptainer"], True, "/bin/apptainer is there", "1.4.5"),
        (["singularity"], True, "/bin/singularity is there", "1.4.5"),
        ([], False, "apptainer is not on the PATH", None),
    ],
)
def test_detection(
    machine: Callable[..., Session],
    programs: list[str],
    available: bool,
    text: str,
    version: str | None,
) -> None:
    """`anybatch systems` tells whether the program is there, and which version."""
    session = machine(*programs)
    answer = detected(session)
    assert (answer.available, answer.version) == (available, version)
    assert text in answer.reason


def test_a_program_that_does_not_work(machine: Callable[..., Session], anybatch_home: Path) -> None:
    """A program that fails when it is asked its version counts as not there, with its words."""
    session = machine("apptainer")
    (anybatch_home / "bin" / "apptainer").write_text("#!/bin/sh\necho no luck >&2; exit 3\n")
    answer = detected(session)
    assert not answer.available
    assert "no luck" in answer.reason


@pytest.mark.parametrize(
    ("tools", "option"),
    [
        ([], "--nv"),
        (["nvidia-smi"], "--nv"),
        (["rocm-smi"], "--rocm"),
        (["nvidia-smi", "rocm-smi"], "--nv"),
    ],
)
def test_the_kind_of_gpu_is_looked_for(
    machine: Callable[..., Session],
    anybatch_home: Path,
    tools: list[str],
    option: str,
) -> None:
    """`auto` takes AMD's where only AMD's tools are here."""
    session = machine("apptainer", *tools)
    unchecked = {"anybatch": {"check_resources": False}}  # this machine has no GPU
    job = {"container": "docker://a", "resources": Resources(gpus=1), "settings": unchecked}
    assert f" {option} docker" in wrapper(session, **job)


@pytest.mark.parametrize("name", ["./img.sif", "img.sif", "../project/img.sif"])
def test_paths_in_a_settings_file_start_in_its_folder(
    machine: Callable[..., Session], anybatch_home: Path, name: str
) -> None:
    """Wherever the user stands; what is given in a call starts there."""
    project, below = anybatch_home / "project", anybatch_home / "project" / "sub"
    below.mkdir(parents=True)
    project.joinpath("img.sif").touch()
    text = f"[apptainer]\nimage = '{name}'\nmounts = ['data:/data']\n"
    project.joinpath("anybatch.toml").write_text(text, "utf-8")
    one = machine("apptainer")
    session = Session("local", host=one.host, plugins=one.plugins, folder=below)
    line = wrapper(session, workdir=str(below))
    assert f"{project}/img.sif" in line
    assert f"{project}/data:/data" in line
    with pytest.raises(JobError, match=rf"the image {below}/x\.sif is not there"):
        wrapper(session, container="./x.sif")


@pytest.mark.parametrize("name", ["docker://alpine", "oci:folder", "/i.sif", "-x"])
def test_what_is_no_relative_path_is_left(
    machine: Callable[..., Session], anybatch_home: Path, name: str
) -> None:
    """Addresses, absolute paths, and what is refused by its name."""
    anybatch_home.joinpath("anybatch.toml").write_text(f"[apptainer]\nimage = '{name}'\n", "utf-8")
    assert machine("apptainer").settings.table("apptainer")["image"] == name
