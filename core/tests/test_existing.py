"""`skip_existing`: what is there, newer than its inputs, is done without running."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, State

from .away import make
from .away import plan as plan_away
from .away import write as write_away
from .toy import leave_record, local_host, plugins_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

    from .shells import Shell
    from .toy import Toy

TRUE = ["true"]
OLD, NEW = 1_000_000_000, 1_100_000_000


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy) -> Callable[..., Session]:
    """Sessions of several processes on one system."""
    return lambda toy=toy: new_session("toy", plugins=plugins_of(toy=toy), host=local_host())


def write(path: Path, at: float) -> Path:
    """A file that was written then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (at, at))
    return path


def job(**more: Any) -> Job:
    usual: dict[str, Any] = {"outputs": ["a.out"], "output_dir": "results", "skip_existing": True}
    return Job(TRUE, **{**usual, **more})


def states(run: Run) -> list[State]:
    return [one.state for one in run.jobs]


def is_skipped(session: Session, one: Job) -> bool:
    [planned] = session.plan(one).submissions
    return planned.skipped


# -- what comes of it


def test_what_is_there_does_not_run(
    start: Callable[..., Session], toy: Toy, isolated: Path, notices: list[str]
) -> None:
    """It is done, with the evidence, for who comes later too; the others run as one array."""
    for index in (0, 2):
        write(isolated / f"results/{index}/a.out", NEW)
    run = start().submit([job(output_dir="results/{index}")] * 4)
    assert states(run) == [State.DONE, State.QUEUED, State.DONE, State.QUEUED]
    assert [one.count for one in toy.calls["submit"]] == [2]
    outcome = start().attach(run.id).outcome(2)
    assert outcome is not None
    assert (outcome.done, outcome.id, outcome.started) == (True, None, None)
    assert outcome.evidence == ("outputs were there, newer than the inputs",)
    assert "2 of 4 jobs will not run: the outputs are there, newer than the inputs" in notices


def test_a_run_all_of_whose_outputs_are_there_is_done_at_once(
    start: Callable[..., Session], toy: Toy, isolated: Path
) -> None:
    """No submit command is run, and waiting for it takes no time."""
    write(isolated / "results/a.out", NEW)
    run = start().submit(job())
    assert [one.state for one in run.wait(timeout=60)] == [State.DONE]
    assert not toy.calls["submit"]


def test_what_did_not_run_can_be_run_again(
    start: Callable[..., Session], toy: Toy, isolated: Path
) -> None:
    """Where somebody names it: then it runs, as it was described."""
    write(isolated / "results/a.out", NEW)
    run = start().submit(job())
    assert run.rerun() == 0
    assert run.rerun([0]) == 1
    assert states(run) == [State.QUEUED]
    leave_record(run.folder, "0.1.0.command.exit-0")
    run.refresh()
    assert states(run) == [State.DONE]


def test_what_runs_after_something_that_runs_is_not_skipped(
    start: Callable[..., Session], isolated: Path
) -> None:
    """Its inputs may change; after what is skipped itself it need not run."""
    for name in ("a.out", "b.out", "c.out"):
        write(isolated / "results" / name, NEW)
    first = job()
    second = job(outputs=["b.out"], after=first)
    third = job(outputs=["c.out"], after=second)
    assert states(start().submit([first, second, third])) == [State.DONE] * 3
    (isolated / "results/a.out").unlink()
    run = start().submit([first, second, third])
    assert states(run) == [State.QUEUED, State.NEW, State.NEW]
    other = start().submit(job(outputs=["b.out"], after=run.id))
    assert states(other) == [State.NEW]


def test_the_dry_run_tells_what_would_not_run(
    start: Callable[..., Session], isolated: Path
) -> None:
    """The plan has it, so it is shown before anything is submitted."""
    write(isolated / "results/0/a.out", NEW)
    plan = start().plan([job(output_dir="results/{index}")] * 2)
    assert {one.indices: one.skipped for one in plan.submissions} == {(0,): True, (1,): False}


def test_outputs_with_names_in_them_are_looked_for_with_their_values(
    start: Callable[..., Session], isolated: Path
) -> None:
    """Each job of a sweep has its own."""
    write(isolated / "results/5/fit-5.out", NEW)
    one = job(outputs=["fit-{seed}.out"], output_dir="results/{seed}")
    run = start().submit(one.sweep(seed=[4, 5]))
    assert states(run) == [State.QUEUED, State.DONE]


# -- what counts as there


@pytest.mark.parametrize(
    ("inputs", "outputs", "skipped"),
    [
        ({}, {"a.out": NEW}, True),
        ({}, {}, False),
        ({"in": OLD}, {"a.out": NEW}, True),
        ({"in": NEW}, {"a.out": OLD}, False),
        ({"in": NEW}, {"a.out": NEW}, False),  # nobody knows which was first
        ({"in": NEW}, {"a.out": NEW + 1e-6}, True),
        ({"in": OLD, "in2": NEW}, {"a.out": NEW - 1}, False),
        ({"in/b/c": NEW}, {"a.out": NEW - 1}, False),
        ({}, {"a.out/x": NEW, "a.out/y/z": NEW}, True),  # a folder
        ({"in": OLD}, {"a.out/x": NEW, "a.out/y/z": OLD - 1}, False),
        ({}, {"a.out.part": NEW}, False),
    ],
)
def test_outputs_are_there_and_newer(
    start: Callable[..., Session],
    isolated: Path,
    inputs: dict[str, float],
    outputs: dict[str, float],
    skipped: bool,
) -> None:
    """Each output than each input, files in folders included."""
    for name, at in inputs.items():
        write(isolated / name, at)
    for folder in [isolated / "in", isolated / "in/b"]:
        if folder.is_dir():
            os.utime(folder, (OLD, OLD))
    for name, at in outputs.items():
        write(isolated / "results" / name, at)
    names = sorted({name.split("/")[0] for name in inputs})
    assert is_skipped(start(), job(inputs=names)) is skipped


def test_all_named_outputs_count_and_optional_ones_do_not(
    start: Callable[..., Session], isolated: Path
) -> None:
    """A job that was killed while they were brought is not done."""
    both = job(outputs=["a.out", "b.out"], optional_outputs=["*.log"])
    write(isolated / "results/a.out", NEW)
    assert not is_skipped(start(), both)
    write(isolated / "results/b.out", NEW)
    assert is_skipped(start(), both)


def test_an_output_from_the_future_proves_nothing(
    start: Callable[..., Session], isolated: Path
) -> None:
    """The clock of a node that is ahead would hide each later change of an input."""
    write(isolated / "in", OLD)
    write(isolated / "results/a.out", time.time() + 3600)
    assert not is_skipped(start(), job(inputs=["in"]))
    write(isolated / "results/a.out", time.time() - 3600)
    assert is_skipped(start(), job(inputs=["in"]))


def test_a_file_that_is_no_longer_among_the_inputs_counts(
    start: Callable[..., Session], isolated: Path
) -> None:
    """However deep: of what is gone its folder tells."""
    write(isolated / "in/a/b/left", OLD)
    for folder in ("in", "in/a", "in/a/b"):
        os.utime(isolated / folder, (OLD, OLD))
    write(isolated / "results/a.out", NEW)
    assert is_skipped(start(), job(inputs=["in"]))
    write(isolated / "in/a/b/gone", OLD).unlink()
    assert not is_skipped(start(), job(inputs=["in"]))


def test_links_count_as_what_they_lead_to_or_newer(
    start: Callable[..., Session], isolated: Path
) -> None:
    """A link to nothing is no output; an input that was linked anew has changed."""
    one = job(inputs=["in"])
    write(isolated / "old", OLD)
    (isolated / "in").symlink_to("old")
    os.utime(isolated / "in", (OLD, OLD), follow_symlinks=False)
    (isolated / "results").mkdir()
    (isolated / "results/a.out").symlink_to(isolated / "kept")
    assert not is_skipped(start(), one)
    write(isolated / "kept", NEW)
    assert is_skipped(start(), one)
    os.utime(isolated / "in", (NEW + 1, NEW + 1), follow_symlinks=False)
    assert not is_skipped(start(), one)


def test_an_empty_folder_and_a_pipe_are_no_outputs(
    start: Callable[..., Session], isolated: Path
) -> None:
    """Nothing in them tells that a command has come to its end."""
    place = isolated / "results/a.out"
    place.mkdir(parents=True)
    assert not is_skipped(start(), job())
    place.rmdir()
    os.mkfifo(place)
    assert not is_skipped(start(), job())


def test_an_input_that_is_missing_is_an_error_all_the_same(
    start: Callable[..., Session], isolated: Path
) -> None:
    """Outputs of something that is not there any more prove nothing."""
    write(isolated / "results/a.out", NEW)
    with pytest.raises(JobError, match="input 'gone' does not exist"):
        start().submit(job(inputs=["gone"]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"outputs": []}, "the job names no outputs"),
        ({"outputs": [], "optional_outputs": ["x"]}, "the job names no outputs"),
        ({"output_dir": None}, "needs output_dir"),
        ({"output_dir": "."}, "needs output_dir"),
        ({"outputs": ["*.root"]}, r"output '\*.root' is a pattern"),
        ({"outputs": ["a[1]"]}, "is a pattern"),
    ],
)
def test_where_nothing_can_tell_that_is_said(
    start: Callable[..., Session], isolated: Path, fields: dict[str, Any], message: str
) -> None:
    """It is refused, and never guessed."""
    with pytest.raises(JobError, match=message):
        start().submit(job(**fields))


# -- where the batch system moves files


@pytest.mark.parametrize(
    "name", ["a.out", "-n", "it's a b", "deep/a.out", "line\nbreak", "ü\udcff"]
)
def test_what_was_moved_is_there_if_all_of_it_is(isolated: Path, shell: Shell, name: str) -> None:
    """The system may have died between two files, or in one: then the job runs again."""
    make(isolated, "in")
    script = 'mkdir -p deep folder/x; echo 1 >"./$1"; echo two >folder/x/b; echo three >folder/c'
    one = Job(
        ["sh", "-c", script, "sh", name],
        inputs=["in"],
        outputs=[name, "folder"],
        output_dir="results",
        skip_existing=True,
    )
    os.utime(isolated / "in", (OLD, OLD))
    away = write_away(isolated, shell, one)
    assert away.run() == 0, away.said + away.err()
    results = isolated / "results"

    def skipped() -> bool:
        [planned] = plan_away(isolated, one).submissions
        return planned.skipped

    assert skipped()
    for file in (results / name, results / "folder/x/b"):
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        assert not skipped()
        file.unlink()
        assert not skipped()
        file.write_bytes(whole)
        assert skipped()
    (results / "folder/more").write_text("of somebody else")
    assert skipped()
    os.utime(isolated / "in")
    assert not skipped()


def test_what_nobody_vouches_for_is_not_believed(isolated: Path, shell: Shell) -> None:
    """A job without `skip_existing` sends no list along, and one that has failed no outputs."""
    fields: dict[str, Any] = {"outputs": ["a.out"], "output_dir": "results"}
    away = write_away(isolated, shell, Job(["sh", "-c", "echo x >a.out"], **fields))
    assert away.run() == 0
    assert os.listdir(isolated / "results") == ["a.out"]
    [planned] = plan_away(isolated, job()).submissions
    assert not planned.skipped
    (isolated / "results/a.out").unlink()
    fields["skip_existing"] = True
    away = write_away(isolated, shell, Job(["sh", "-c", "echo x >a.out; exit 3"], **fields))
    assert away.run() == 3
    assert os.listdir(isolated / "results") == []


# -- with jobs that run


@pytest.mark.system
def test_only_what_a_command_has_finished_is_brought(
    new_session: Callable[..., Session], isolated: Path
) -> None:
    """A half file of one that failed stays where it is, so the job runs the next time."""
    script = "echo half >a.out; test -e go || exit 3; echo whole >a.out"
    one = Job(
        ["sh", "-c", script],
        workdir="work/{index}",
        outputs=["a.out"],
        output_dir="results",
        skip_existing=True,
    )
    with new_session("local") as session:
        assert [o.exit_code for o in session.submit(one).wait(timeout=60)] == [3]
        assert (isolated / "work/0/a.out").read_text() == "half\n"
        assert not (isolated / "results/a.out").exists()
        (isolated / "work/0/go").touch()
        assert [o.exit_code for o in session.submit(one).wait(timeout=60)] == [0]
        assert (isolated / "results/a.out").read_text() == "whole\n"
        assert [o.exit_code for o in session.submit(one).wait(timeout=60)] == [None]
        shutil.rmtree(isolated / "results")
        assert not is_skipped(session, one)
