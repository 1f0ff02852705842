"""Files that are split between jobs: in order, in lists, at any number, wherever jobs run."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import anybatch
import pytest
from anybatch import Job, JobError, Session, UsageError
from anybatch.planning.filling import filled
from anybatch.records import Transfer
from anybatch.worker.layout import JOBS
from hypothesis import given
from hypothesis import strategies as st

from .toy import Toy, session_of

FILES = [f"f{number}.root" for number in range(11)]
ADDRESS = "root://se.example.org//store/a b.root"


def sizes(jobs: anybatch.Jobs) -> list[int]:
    """How many files each job has."""
    return [len(job.input_list) for job in jobs]


def test_eleven_files_in_four_jobs() -> None:
    """The first get one more; the order stays."""
    jobs = Job(["fit"]).split(FILES, jobs=4)
    assert sizes(jobs) == [3, 3, 3, 2]
    assert [file for job in jobs for file in job.input_list] == FILES
    assert sizes(Job.split(["fit"], FILES, per_job=4)) == [4, 4, 3]
    assert jobs[3] == Job(["fit"], input_list=FILES[9:])


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_no_file_is_lost_or_read_twice(count: int, number: int, per_job: bool) -> None:
    """Whatever the numbers; parts differ by one file at most where their number was given."""
    files = [str(one) for one in range(count)]
    if not per_job and number > count:
        with pytest.raises(JobError, match="cannot be split"):
            Job(["fit"]).split(files, jobs=number)
        return
    jobs = Job(["fit"]).split(files, **{"per_job" if per_job else "jobs": number})  # type: ignore[arg-type]
    assert [file for job in jobs for file in job.input_list] == files
    if per_job:
        assert all(size == number for size in sizes(jobs)[:-1])
    else:
        assert len(jobs) == number
        assert max(sizes(jobs)) - min(sizes(jobs)) <= 1


def test_each_part_has_arguments_of_its_own() -> None:
    """From a list of as many, one value for all, or what has no end."""
    jobs = Job(["fit"]).split(FILES, jobs=3, seed=itertools.count(100), mode="x", n=[1, 2, 3])
    assert [tuple(job.params.values()) for job in jobs] == [
        (100, "x", 1),
        (101, "x", 2),
        (102, "x", 3),
    ]
    both = Job(["fit"]).sweep(syst=["up", "down"]).split(FILES, jobs=2)
    assert [(job.params["syst"], len(job.input_list)) for job in both] == [
        ("up", 6),
        ("up", 5),
        ("down", 6),
        ("down", 5),
    ]


@pytest.mark.parametrize(
    ("files", "how", "why"),
    [
        (FILES, {}, "say how to split"),
        (FILES, {"jobs": 2, "per_job": 2}, "say how to split"),
        (FILES, {"jobs": 12}, "11 files cannot be split in 12 parts"),
        (FILES, {"jobs": 0}, "jobs must be a whole number"),
        (FILES, {"per_job": True}, "per_job must be a whole number"),
        ([], {"jobs": 1}, "no files to split"),
        ("f.root", {"jobs": 1}, "files must be a list"),
        ([1], {"jobs": 1}, "files must be paths"),
        ([b"a"], {"jobs": 1}, "files must be paths"),
        (["a\nb"], {"jobs": 1}, "a name is a line of the list"),
        (["a\0b"], {"jobs": 1}, "a NUL character"),
        ([""], {"jobs": 1}, "is no file"),
        (itertools.repeat("a"), {"per_job": 1}, "no end of them"),
        (FILES, {"jobs": 3, "n": [1, 2]}, "n has 2 values where 3 are needed"),
        (FILES, {"jobs": 3, "n": iter([1])}, "n has 1 values where 3 are needed"),
    ],
)
def test_what_cannot_be_split(files: object, how: dict[str, object], why: str) -> None:
    """It is refused before anything is planned."""
    with pytest.raises(JobError, match=why):
        Job(["fit"]).split(files, **how)  # type: ignore[arg-type]


def test_files_are_words_where_the_command_wants_them() -> None:
    """Each one word, whatever is in it; inside of a word they cannot be."""
    job = Job(["fit", "{inputs}", "-o", "{{inputs}}"], input_list=["a b", "{index}"])
    assert filled(job, 0).command == ("fit", "a b", "{index}", "-o", "{{inputs}}")
    with pytest.raises(JobError, match="must be a word of its own"):
        filled(Job(["fit", "--in={inputs}"], input_list=["a"]), 0)
    assert filled(Job(["fit", "{inputs}"]), 0).command == ("fit", "{inputs}")


def test_thirty_thousand_addresses_are_no_word(isolated: Path) -> None:
    """They are in files of the run's folder, which jobs with equal lists share."""
    files = [f"root://se.example.org//store/{number:06}.root" for number in range(30_000)]
    jobs = Job(["fit"]).sweep(syst=["up", "down"]).split(files, per_job=15_000)
    run = session_of(isolated, Toy()).submit(jobs)
    lists = run.folder / "lists" / "0"
    assert sorted(path.name for path in lists.iterdir()) == ["0", "0.json", "1", "1.json"]
    assert (lists / "1").read_text().splitlines() == files[15_000:]
    assert json.loads((lists / "0.json").read_text()) == files[:15_000]
    lines = (run.folder / "tasks" / "0.0").read_text().splitlines()
    assert 'export ANYBATCH_PARAM_SYST=down ANYBATCH_INPUT_LIST="$ab_own"/lists/0/1;' in lines[3]
    assert max(map(len, lines)) < 300
    assert {path.stat().st_mode & 0o777 for path in lists.iterdir()} == {0o600}


def test_too_many_words_are_refused(isolated: Path) -> None:
    """Before anything is submitted."""
    files = [f"root://se.example.org//store/{number:06}.root" for number in range(60_000)]
    with pytest.raises(JobError, match="Linux takes at most"):
        session_of(isolated, Toy()).plan(Job(["fit", "{inputs}"]).split(files, jobs=1))


def test_lists_are_in_pages(isolated: Path) -> None:
    """So that no folder grows long."""
    plan = session_of(isolated, Toy()).plan(Job(["a"]).split(map(str, range(JOBS + 1)), per_job=1))
    lists = [file.path for file in plan.files if "lists" in file.path.parts]
    assert {path.parent.name for path in lists} == {"0", "1"}


def test_files_that_travel_are_inputs(isolated: Path) -> None:
    """Paths are staged and named as they are there; addresses stay."""
    (isolated / "data").mkdir()
    for name in ("a.root", "b [1].root"):
        (isolated / "data" / name).touch()
    elsewhere = isolated.parent / "c.root"
    elsewhere.touch()
    files = ["data/a.root", "data/b [1].root", ADDRESS, str(elsewhere)]
    toy = Toy(transfer=Transfer.SYSTEM)
    plan = session_of(isolated, toy).plan(Job(["fit", "{inputs}"]).split(files, jobs=1))
    texts = {str(file.path.relative_to(plan.folder)): file.text for file in plan.files}
    assert texts["lists/0/0"].splitlines() == [*files[:3], "c.root"]
    places = {str(link.path.relative_to(plan.folder)): link.target for link in plan.links}
    assert places["stage-in/0/data/b [1].root"] == str(isolated / "data" / "b [1].root")
    assert places["stage-in/0/c.root"] == str(elsewhere)
    assert places["stage-in/0/.anybatch/lists/0/0"] == str(plan.folder / "lists/0/0")
    assert places["stage-in/0/.anybatch/lists/0/0.json"] == str(plan.folder / "lists/0/0.json")


def test_a_program_that_is_no_job_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It learns how to be given files."""
    monkeypatch.delenv("ANYBATCH_INPUT_LIST", raising=False)
    with pytest.raises(UsageError, match="given no list of files"):
        anybatch.inputs()


@pytest.mark.system
def test_a_job_reads_its_files(anybatch_home: Path) -> None:
    """As words, as lines, as JSON, and in Python: the same, whatever the names."""
    names = ["data/a b.root", os.fsdecode(b"data/\xff.root"), "data/$(id)", ADDRESS, "file:///x"]
    program = (
        "import anybatch, json, os, sys; name = os.environ['ANYBATCH_INPUT_LIST'];"
        "found = anybatch.inputs(); assert found == sys.argv[1:];"
        "assert found == json.load(open(name + '.json'));"
        "sys.stdout.buffer.write(b'|'.join(map(os.fsencode, found)))"
    )
    job = Job([sys.executable, "-c", program, "{inputs}"], workdir="w/{index}")
    job_env = {"PYTHONPATH": str(Path(anybatch.__file__).parents[1])}
    with Session("local", folder=anybatch_home) as session:
        made = Job(job.command, workdir=job.workdir, env=job_env).split(names, per_job=3)
        run = session.submit(made)
        assert [outcome.describe() for outcome in run.wait(60) if not outcome.done] == []
    paths = [name if "://" in name else str(anybatch_home / name) for name in names]
    assert run.logs(0)[0].read_bytes() == b"|".join(map(os.fsencode, paths[:3]))
    assert run.logs(1)[0].read_bytes() == b"|".join(map(os.fsencode, paths[3:]))
