"""Parameters of a run's jobs: in submissions, records and files, and after coming back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Session
from anybatch.errors import FolderAway, FolderError, JobError
from anybatch.records import Transfer

from .toy import Toy, leave_record, session_of

if TYPE_CHECKING:
    from pathlib import Path

FIT = Job(["fit", "--seed={seed}", "{cut}"], name="fit-{seed}", stdout="out/{seed}/{cut}.txt")


def lines(folder: Path) -> list[str]:
    """The task lines of the first submission."""
    return (folder / "tasks" / "0.0").read_text().splitlines()


def test_jobs_of_a_sweep_share_a_submission(isolated: Path) -> None:
    """Each has its words, its variables and its files, and the submission a name for all."""
    plan = session_of(isolated, Toy()).plan(FIT.sweep(seed=range(3), cut=[5.15, "a b"]))
    [planned] = plan.submissions
    assert (planned.indices, planned.submission.name) == (tuple(range(6)), "fit-{seed}")
    [text] = [file.text for file in plan.files if file.path.name == "0.0"]
    line = text.splitlines()[3]
    assert "; export ANYBATCH_PARAM_SEED=1 ANYBATCH_PARAM_CUT='a b'; ab_shared" in line
    assert line.endswith("; set -- fit --seed=1 'a b'")
    assert f"ab_stdout='{isolated}/out/1/a b.txt'" in line


def test_a_job_alone_has_its_own_name(isolated: Path) -> None:
    """Where a submission has one job, the batch system shows the name that is filled in."""
    plan = session_of(isolated, Toy(array=1)).plan(FIT.sweep(seed=range(2), cut=1))
    assert [one.submission.name for one in plan.submissions] == ["fit-0", "fit-1"]


def test_parameters_come_back(isolated: Path) -> None:
    """With the job and its outcome, in this session and in the next; types stay what they are."""
    toy = Toy()
    run = session_of(isolated, toy).submit(
        [*FIT.sweep(seed=[0, 1], cut=[5.15, True, "x"], zip=False), Job(["plain"])]
    )
    leave_record(run.folder, "4.0.0.command.exit-3")
    run.refresh()
    params = {"seed": 1, "cut": True}
    for seen in (run, session_of(isolated, toy).attach(run.id)):
        job, outcome = seen.jobs[4], seen.outcome(4)
        assert (job.params, job.name) == (params, "fit-1")
        assert outcome
        assert (outcome.params, outcome.stdout) == (params, isolated / "out/1/true.txt")
        assert outcome.describe().startswith(f"job {run.id}:4 (seed=1 cut=true) failed: exit code")
        assert (seen.jobs[6].params, seen.jobs[6].name) == ({}, "plain")
        assert seen.jobs[3].stdout == isolated / "out/1/5.15.txt"
    assert "params" not in "".join(path.read_text() for path in run.folder.glob("journal-*"))


def test_jobs_are_chosen_by_parameters(isolated: Path) -> None:
    """By the text that a value is on the command line, whatever its type."""
    session = session_of(isolated, Toy())
    run = session.submit(FIT.sweep(seed=range(2), cut=[5.15, True]))
    for text, indices in (("seed=1", [2, 3]), ("cut=5.15", [0, 2]), ("cut=true,seed=0", [0, 1, 3])):
        assert list(session.select(f"{run.id}:{text}")[0].indices) == indices


@pytest.mark.parametrize(
    ("stdout", "why"),
    [
        ("out/{seed}.txt", "stdout: jobs 0 and 1 would overwrite each other's log .*out/0.txt"),
        ("{seed}", "jobs 0 and 1 would overwrite"),
    ],
)
def test_logs_that_would_be_the_same(isolated: Path, stdout: str, why: str) -> None:
    """They are told apart as they are filled in."""
    jobs = Job(["fit"], stdout=stdout).sweep(seed=range(2), cut=[1, 2])
    with pytest.raises(JobError, match=why):
        session_of(isolated, Toy()).plan(jobs)


def test_copies_of_two_jobs_never_meet(isolated: Path) -> None:
    """A working directory for each value is not one for each job."""
    (isolated / "a").touch()
    job = Job(["fit"], copy_inputs=True, inputs=["a"], workdir="w/{seed}")
    with pytest.raises(JobError, match="jobs 0 and 1 have the same workdir"):
        session_of(isolated, Toy()).plan(job.sweep(seed=range(2), cut=[1, 2]))
    session_of(isolated, Toy()).plan(job.sweep(seed=range(2)))


@pytest.mark.parametrize("value", ["/data/run1", "data/run1", "../data"])
def test_a_value_may_be_a_path(isolated: Path, value: str) -> None:
    """From wherever it starts; logs are found again where the job makes them."""
    session = session_of(isolated, Toy())
    run = session.submit(Job(["fit"], stdout="{1//}/{1/.}.log").sweep({"1": [f"{value}/a.txt"]}))
    expected = (isolated / value / "a.log").resolve()
    assert run.jobs[0].stdout == expected
    assert f"ab_stdout={expected}" in (run.folder / "job.sh").read_text()


def test_braces_that_are_escaped_stay_in_paths(isolated: Path) -> None:
    """`{{index}}` is no number, neither for the job nor for who looks for its log."""
    session = session_of(isolated, Toy())
    run = session.submit(Job(["fit"], stdout="{{index}}-{index}").sweep(jobs=2))
    assert run.jobs[1].stdout == isolated / "{index}-1"
    assert "ab_stdout='" + str(isolated / "{index}-1'") in lines(run.folder)[1]


def test_files_that_travel_come_back_through_few_folders(isolated: Path) -> None:
    """One link for all jobs whose paths differ by a parameter."""
    job = Job(["fit"], outputs=["*.root"], output_dir="out/{seed}/x", stdout="log-{seed}")
    plan = session_of(isolated, Toy(transfer=Transfer.SYSTEM)).plan(job.sweep(seed=range(5)))
    links = [link for link in plan.links if link.path.parent.name == "stage-out"]
    assert {link.target for link in links} == {str(isolated / "out"), str(isolated)}
    [text] = [file.text for file in plan.files if file.path.name == "0.0"]
    assert 'ab_output_dir="$ab_run"/stage-out/0/3/x' in text.splitlines()[3]
    assert 'ab_stdout="$ab_run"/stage-out/1/log-3' in text.splitlines()[3]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"params": 3}',
        '{"params": [{"jobs": "0-9", "columns": {"seed": [1]}}]}',
        '{"params": [{"jobs": "0-1", "columns": {"seed": [1]}}]}',
        '{"params": [{"jobs": "0-1", "columns": {"a b": [1, 2]}}]}',
        '{"params": [{"jobs": "0-1", "columns": {"seed": [1, null]}}]}',
    ],
)
def test_a_damaged_file_costs_no_verdict(isolated: Path, text: str) -> None:
    """Who asks for parameters is told; how the jobs end is known all the same."""
    toy = Toy()
    run = session_of(isolated, toy).submit(Job(["fit"]).sweep(seed=range(2)))
    (run.folder / "jobs.json").write_text(text)
    leave_record(run.folder, "1.0.0.command.exit-0")
    seen = session_of(isolated, toy).attach(run.id)
    seen.refresh()
    outcome = seen.outcome(1)
    assert outcome
    assert (outcome.done, outcome.params) == (True, {})
    with pytest.raises(FolderError, match=r"jobs\.json' is damaged"):
        _ = seen.jobs
    (run.folder / "jobs.json").unlink()
    with pytest.raises(FolderAway, match="cannot read what the jobs were described as"):
        _ = seen.jobs


def test_a_run_of_an_older_version_is_read(isolated: Path) -> None:
    """It has no parameters and no templates."""
    toy = Toy()
    run = session_of(isolated, toy).submit([Job(["fit"], stdout="out-{index}")] * 2)
    plain = json.loads((run.folder / "run.json").read_text())
    del plain["templates"], plain["params"]
    (run.folder / "run.json").write_text(json.dumps(plain))
    (run.folder / "jobs.json").unlink()
    job = session_of(isolated, toy).attach(run.id).jobs[1]
    assert (job.params, job.stdout) == ({}, isolated / "out-1")


@pytest.mark.system
def test_a_job_gets_its_parameters(anybatch_home: Path) -> None:
    """In its words and variables, its folders and files; in `env_script`, `setup` and `env` too."""
    (anybatch_home / "env.sh").write_text("export SEEN=$ANYBATCH_PARAM_CUT")
    job = Job(
        [
            "sh",
            "-c",
            'echo "$0|$ANYBATCH_PARAM_SEED|$SEEN|$OWN|$SET|${PWD##*/}" | tee made',
            "{seed}",
        ],
        workdir="w/{seed}-{index}",
        env={"OWN": "{cut}+{#}"},
        env_script=anybatch_home / "env.sh",
        setup="export SET=$ANYBATCH_PARAM_SEED",
        outputs=["ma?e"],
        output_dir="o/{seed}/{index}",
    )
    with Session("local", folder=anybatch_home) as session:
        run = session.submit(job.sweep(seed=["a b", "$(id)"], cut=[5.15, 5.2]))
        assert all(outcome.done for outcome in run.wait(60))
    assert run.logs(1)[0].read_text() == "a b|a b|5.2|5.2+2|a b|a b-1\n"
    assert (
        anybatch_home / "o/$(id)/2/made"
    ).read_text() == "$(id)|$(id)|5.15|5.15+3|$(id)|$(id)-2\n"
