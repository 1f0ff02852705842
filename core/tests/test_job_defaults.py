"""The tables `[job]` of settings files: what all jobs of a project have."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from anybatch.errors import JobError
from anybatch.model import Job, Resources, Retry
from anybatch.planning.job_defaults import JobDefaults

from .shells import make_shell, write_run
from .toy import Toy, session_of

FILE = Path("/project/anybatch.toml")


def applied(job: Job, *tables: dict[str, Any], file: Path = FILE) -> Job:
    """A job with the defaults of tables in files."""
    return JobDefaults([(file, table) for table in tables]).apply(job)


def test_a_job_has_what_it_leaves_open() -> None:
    """Its own values win; paths of the table start from its file."""
    table = {
        "env_script": "site/setup.sh",
        "output_dir": "/data/results",
        "stdout": "logs/{index}",
        "container": "docker://alma",
        "inputs": ["common/*.txt", "https://example.org/x"],
        "outputs": "*.root",
        "retry": 2,
        "flat": True,
    }
    made = applied(Job("true", output_dir="mine", outputs=["*.pdf"]), table)
    assert made.env_script == Path("/project/site/setup.sh")
    assert made.output_dir == Path("mine")
    assert made.stdout == Path("/project/logs/{index}")
    assert made.container == "docker://alma"
    assert made.inputs == ("/project/common/*.txt", "https://example.org/x")
    assert made.outputs == ("*.pdf",)
    assert made.retry == Retry(2)
    assert made.flat


def test_tables_and_lines_are_put_together() -> None:
    """Variables and labels key by key, resources field by field, the project's set-up first."""
    table = {
        "env": {"A": "project", "B": "project"},
        "labels": {"campaign": "mc26"},
        "setup": "module load root",
        "setup_once": ["tar xf x.tar"],
        "cleanup": "rm -f core.*",
        "resources": {"memory": "2 GiB", "time": "1h", "cores": 2},
    }
    job = Job(
        "true",
        env={"B": "job"},
        labels={"part": "1"},
        setup=["own"],
        cleanup=["own"],
        resources=Resources(cores=4, gpus=1),
    )
    made = applied(job, table)
    assert made.env == {"A": "project", "B": "job"}
    assert made.labels == {"campaign": "mc26", "part": "1"}
    assert (made.setup, made.setup_once) == (("module load root", "own"), ("tar xf x.tar",))
    assert made.cleanup == ("own", "rm -f core.*")
    assert made.resources == Resources(cores=4, gpus=1, memory=2**31, time=timedelta(hours=1))


def test_files_are_merged_key_by_key() -> None:
    """The nearer one wins, also inside of tables, and each has its own folder for paths."""
    far = (FILE, {"env": {"A": "far", "B": "far"}, "setup": "far", "env_script": "far.sh"})
    near = (Path("/project/sub/anybatch.toml"), {"env": {"B": "near"}, "stdin": "in"})
    made = JobDefaults([far, near]).apply(Job("true"))
    assert made.env == {"A": "far", "B": "near"}
    assert (made.setup, made.env_script) == (("far",), Path("/project/far.sh"))
    assert made.stdin == Path("/project/sub/in")


def test_without_tables_a_job_is_what_it_was() -> None:
    """The very same object, as `after` needs it."""
    job = Job("true")
    assert applied(job) is job


@pytest.mark.parametrize(
    ("table", "job", "expected"),
    [
        ({"scratch": True}, {"workdir": "w"}, (False, Path("w"))),
        ({"workdir": "/w"}, {"scratch": True}, (True, None)),
        ({"scratch": True}, {}, (True, None)),
    ],
)
def test_where_a_job_works_is_one_decision(
    table: dict[str, Any], job: dict[str, Any], expected: tuple[bool, Path | None]
) -> None:
    """A job that names a working folder does not get the project's scratch, and vice versa."""
    made = applied(Job("true", **job), table)
    assert (made.scratch, made.workdir) == expected


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"command": "x"}, r"\[job\] cannot have 'command': each job has its own"),
        ({"after": "x"}, r"\[job\] cannot have 'after'"),
        ({"settings": {}}, "write the tables of plugins beside"),
        ({"set_up": "x"}, r"\[job\]: unknown key 'set_up'; did you mean 'setup'"),
        ({"env": {"1": "x"}}, r"anybatch.toml: \[job\]: env: '1' is not a valid variable name"),
        ({"resources": {"cores": 0}}, r"\[job\]: resources: cores must be"),
        ({"retry": {"on": ["no"]}}, "unknown reason 'no'"),
    ],
)
def test_a_table_that_is_none_is_refused(table: dict[str, Any], why: str) -> None:
    """The error names the file and the key."""
    with pytest.raises(JobError, match=why):
        applied(Job("true"), table)


def test_an_image_beside_the_file_is_found(isolated: Path) -> None:
    """What is no file is left to the plugin."""
    (isolated / "image.sif").touch()
    for name, expected in (("image.sif", str(isolated / "image.sif")), ("x.sif", "x.sif")):
        job = applied(Job("true"), {"container": name}, file=isolated / "anybatch.toml")
        assert job.container == expected


def test_jobs_of_a_session_have_the_defaults_of_their_project(
    isolated: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In a folder below it too; a bad table hinders submission, and nothing else."""
    shell = make_shell("bash", tmp_path_factory.mktemp("path"))
    (isolated / "common.txt").write_text("common ")
    table = "[job]\ninputs = ['common.txt']\nenv = {GREETING = 'hello'}\n"
    (isolated / "anybatch.toml").write_text(table)
    deep = isolated / "deep"
    deep.mkdir()
    job = Job(["sh", "-c", "cat common.txt; echo $GREETING $NAME"], env={"NAME": "ada"})
    run = write_run(deep, shell, job)
    run.run()
    assert run.out() == "common hello ada\n"
    (isolated / "anybatch.toml").write_text("[job]\nsetup = 5\n")
    with session_of(isolated, Toy()) as session:
        assert session.runs() == []
        with pytest.raises(JobError, match="setup must be a string or a list of strings"):
            session.plan(job)


def test_jobs_that_wait_for_each_other_still_do(isolated: Path) -> None:
    """Defaults make other objects of the jobs that `after` names."""
    (isolated / "anybatch.toml").write_text("[job]\nenv = {A = '1'}\n")
    first = Job(["true"])
    with session_of(isolated, Toy(dependencies=True)) as session:
        plan = session.plan([first, Job(["true"], after=[first])])
    assert [one.waits for one in plan.submissions] == [(), ((plan.run, 0),)]
