"""Job files: TOML to `Job`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from anybatch import Job, JobError, Reason, Resources, Retry
from anybatch.job_tables import JOB_KEYS, RESOURCE_KEYS
from anybatch.jobfile import read_job

FULL = """
command = ["python", "fit.py"]
name = "fit"
workdir = "work-{index}"
env = { A = "1" }
env_script = "setup.sh"
setup = ["module load root"]
setup_once = "tar xf software.tar"
cleanup = ["rm -f core.*"]
scratch = true
inputs = ["a.txt", "b/*"]
flat = true
copy_inputs = true
outputs = ["*.root"]
optional_outputs = "*.log"
output_dir = "results"
stdin = "in"
stdout = "out"
stderr = "err"
container = "image.sif"
after = "20261120-094725-64a26d"

[resources]
nodes = 1
tasks = 2
cores = 4
gpus = 1
memory = "2 GiB"
disk = 1000
time = "1h30m"
queue = "long"
exclusive = true

[settings.slurm]
qos = "high"

[retry]
times = 3
on = ["lost", "exit_code"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "job.toml"
    path.write_text(text)
    return path


def test_every_key(tmp_path: Path) -> None:
    """A file with every key gives the job with every field."""
    job = read_job(write(tmp_path, FULL))
    assert job == Job(
        ["python", "fit.py"],
        name="fit",
        workdir=Path("work-{index}"),
        env={"A": "1"},
        env_script=Path("setup.sh"),
        setup=("module load root",),
        setup_once=("tar xf software.tar",),
        cleanup=("rm -f core.*",),
        scratch=True,
        resources=Resources(
            nodes=1,
            tasks=2,
            cores=4,
            gpus=1,
            memory=2 * 1024**3,
            disk=1000,
            time=timedelta(minutes=90),
            queue="long",
            exclusive=True,
        ),
        inputs=("a.txt", "b/*"),
        flat=True,
        copy_inputs=True,
        outputs=("*.root",),
        optional_outputs=("*.log",),
        output_dir=Path("results"),
        stdin=Path("in"),
        stdout=Path("out"),
        stderr=Path("err"),
        container="image.sif",
        settings={"slurm": {"qos": "high"}},
        after=("20261120-094725-64a26d",),
        retry=Retry(3, {Reason.LOST, Reason.EXIT_CODE}),
    )


@pytest.mark.parametrize(("kind", "keys"), [(Job, JOB_KEYS), (Resources, RESOURCE_KEYS)])
def test_keys_are_fields(kind: type, keys: dict[str, object]) -> None:
    """Each field of a job can be written in a file, and nothing else."""
    assert set(keys) == set(attrs.fields_dict(kind))


def test_a_script_and_a_number(tmp_path: Path) -> None:
    """A command may be a script's text, and `retry` a number."""
    job = read_job(write(tmp_path, 'command = """\necho a\necho b\n"""\nretry = 2\n'))
    assert job.command == "echo a\necho b\n"
    assert job.retry == Retry(2)


def test_another_command(tmp_path: Path) -> None:
    """A command that is given takes the place of the file's, which may then have none."""
    assert read_job(write(tmp_path, "name = 'a'"), ["b", "c"]).command == ("b", "c")
    assert read_job(write(tmp_path, "command = 'a'"), ["b"]).command == ("b",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("comand = ['a']", "unknown key 'comand'; did you mean 'command'?"),
        ("command = ['a']\n[resources]\ncroes = 1", "'resources.croes'; did you mean 'cores'?"),
        (
            "command = ['a']\nretry = { time = 1 }",
            "retry: unknown key 'time'; did you mean 'times'?",
        ),
        ("command = ['a']\nretry = { on = ['bad'] }", "bad"),
        ("command = ['a']\nretry = true", "retry must be a whole number or a table: True"),
        (
            "command = ['a']\nsettings = { slurm = 1 }",
            "settings must be a table of tables, one for each plugin",
        ),
        ("command = [1]", "command must be a string or a list of strings: [1]"),
        ("command = []", "the command is empty"),
        ("command = ['a']\nname = 3", "name must be a string: 3"),
        ("command = ['a']\nenv = { A = 1 }", "the value of 'A' must be a string, not int: 1"),
        ("command = ['a']\n[resources]\nmemory = 'much'", "resources: invalid size 'much'"),
        (
            "command = ['a']\n[resources]\ncores = 0",
            "resources: cores must be a whole number, 1 or more: 0",
        ),
        ("command = ['a']\nretry = -1", "retry: times must be a whole number, 0 or more: -1"),
        ("command = ['a']\nretry = { on = ['foo'] }", "retry: on: unknown reason 'foo'"),
        ("command = ['a']\n[resources]\nexclusive = 'no'", "resources.exclusive must be true or"),
        ("name = 'a'", "the key 'command' is missing"),
        ("command = [", "is not valid TOML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    """A mistake is an error that names the file and the key."""
    path = write(tmp_path, text)
    with pytest.raises(JobError) as caught:
        read_job(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be read is an error that says why."""
    with pytest.raises(JobError, match=r"cannot read job file \S*nowhere\.toml: No such file"):
        read_job(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A file that is not UTF-8 is no TOML."""
    path = tmp_path / "job.toml"
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(JobError, match="is not valid TOML"):
        read_job(path)
