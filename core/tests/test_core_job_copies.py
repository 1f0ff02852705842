"""Inputs that are copied at submission, and what the job script does with the copies."""

from __future__ import annotations

import os
import resource
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import FolderError, JobError
from anybatch.localfiles import LocalFiles
from anybatch.model import Job
from anybatch.planning.copies import InputCopies
from anybatch.records import Transfer

from .shells import write_run
from .toy import Toy, session_of

if TYPE_CHECKING:
    from pathlib import Path

    from .shells import Shell

pytestmark = pytest.mark.usefixtures("isolated")

APPEND = ["sh", "-c", "cat data.txt deep/er/x; echo more | tee -a data.txt >>deep/er/x"]


def make(base: Path) -> None:
    (base / "deep" / "er").mkdir(parents=True)
    (base / "data.txt").write_text("old\n")
    (base / "deep" / "er" / "x").write_text("deep\n")


def job(command: list[str], **fields: Any) -> Job:
    """A job with copies in a folder of its own."""
    named = {"inputs": ["data.txt", "deep"], "workdir": "w{index}", "copy_inputs": True}
    return Job(command, **{**named, **fields})


# -- what jobs see


def test_what_is_edited_after_submission_does_not_reach_a_job(isolated: Path, shell: Shell) -> None:
    """Changed, removed and new files are as they were when the run was submitted."""
    make(isolated)
    run = write_run(isolated, shell, job(["sh", "-c", "cat data.txt deep/er/x; ls deep/er"]))
    (isolated / "data.txt").write_text("new\n")
    (isolated / "deep/er/x").unlink()
    (isolated / "deep/er/y").touch()
    run.run()
    assert run.how == ("command", 0, None, None), run.err()
    assert run.out() == "old\ndeep\nx\n"


def test_a_job_changes_nothing_but_its_own_copy(isolated: Path, shell: Shell) -> None:
    """Neither the user's files nor what another job or a further attempt gets."""
    make(isolated)
    run = write_run(isolated, shell, [job(APPEND)] * 2)
    assert [run.run(0), run.run(0, restarts=1), run.run(1)] == [0, 0, 0], run.err()
    assert run.out(0) == "old\ndeep\n" * 2
    assert run.out(1) == "old\ndeep\n"
    assert (isolated / "data.txt").read_text() == "old\n"
    assert (isolated / "deep/er/x").read_text() == "deep\n"
    assert (isolated / "w0/data.txt").read_text() == "old\nmore\n"


def test_what_a_job_made_of_its_copy_does_not_hinder_the_next_attempt(
    isolated: Path, shell: Shell
) -> None:
    """A copy that was removed, or replaced by a folder or link, is there again."""
    make(isolated)
    text = "cat data.txt; rm -r data.txt deep; mkdir data.txt; touch data.txt/x; ln -s /none deep"
    run = write_run(isolated, shell, job(["sh", "-c", text]))
    assert [run.run(restarts=number) for number in (0, 1, 2)] == [0, 0, 0], run.err()
    assert run.out() == "old\n" * 3


def test_a_file_that_was_there_before_the_job_is_kept(isolated: Path, shell: Shell) -> None:
    """At no attempt is another file of an input's name replaced."""
    make(isolated)
    run = write_run(isolated, shell, job(["true"]))
    (isolated / "w0").mkdir()
    (isolated / "w0/data.txt").write_text("mine")
    assert [run.run(0), run.run(0, restarts=1)] == [1, 1]
    assert (isolated / "w0/data.txt").read_text() == "mine"
    assert "another file" in run.err()


def test_half_a_copy_of_a_killed_attempt_is_no_hindrance(isolated: Path, shell: Shell) -> None:
    """A copy has its name when it is whole; what a kill left over is removed."""
    make(isolated)
    run = write_run(isolated, shell, job(["cat", "data.txt"]))
    (isolated / "w0/deep.part-0").mkdir(parents=True)
    (isolated / "w0/data.txt.part-0").write_text("ol")
    assert run.run() == 0, run.err()
    assert sorted(os.listdir(isolated / "w0")) == ["data.txt", "deep"]


def test_a_copy_is_no_output(isolated: Path, shell: Shell) -> None:
    """A pattern passes over inputs, changed or not, alone or in a folder; what is new is taken."""
    make(isolated)
    text = "echo x | tee -a data.txt deep/er/x new deep/new deep/er/new >/dev/null"
    fields = {"outputs": ["*", "deep/*", "deep/er/*"], "output_dir": "results"}
    run = write_run(isolated, shell, job(["sh", "-c", text], **fields))
    assert run.run() == 0, run.err()
    brought = {p for p in (isolated / "results").rglob("*") if p.is_file()}
    assert brought == {isolated / "results" / name for name in ("new", "deep/new", "deep/er/new")}


def test_a_folder_with_a_copy_in_it_is_no_output(isolated: Path, shell: Shell) -> None:
    """Else a changed copy would come back over its original."""
    make(isolated)
    text = "echo x | tee -a deep/er/x >new"
    fields = {"inputs": ["deep/er/x"], "outputs": ["*"], "output_dir": "."}
    run = write_run(isolated, shell, job(["sh", "-c", text], **fields))
    assert run.run() == 0, run.err()
    assert (isolated / "deep/er/x").read_text() == "deep\n"
    assert (isolated / "new").exists()


def test_a_copy_that_is_named_as_an_output_is_refused(isolated: Path) -> None:
    """It would come back over the original."""
    make(isolated)
    for outputs in ({"outputs": ["data.txt"]}, {"optional_outputs": ["./deep"]}):
        assert "is the job's copy of input" in refused(isolated, job(["true"], **outputs))


def test_copies_keep_permissions_and_times(isolated: Path, shell: Shell) -> None:
    """A program stays one; links are what they lead to, and odd things in folders stay out."""
    make(isolated)
    (isolated / "deep/run").write_text("#!/bin/sh\necho it runs\n")
    (isolated / "deep/run").chmod(0o755)
    os.utime(isolated / "deep/run", (10_000, 10_000))
    (isolated / "deep/link").symlink_to("../data.txt")
    (isolated / "deep/nowhere").symlink_to("gone")
    (isolated / "deep/circle").symlink_to("..")
    (isolated / "deep/empty").mkdir()
    os.mkfifo(isolated / "deep/pipe")
    run = write_run(isolated, shell, job(["./deep/run"], inputs=["deep"]))
    assert run.run() == 0, run.err()
    assert run.out() == "it runs\n"
    there = isolated / "w0/deep"
    assert (there / "run").stat().st_mtime == 10_000
    assert not (there / "link").is_symlink()
    assert {path.name for path in there.iterdir()} >= {"run", "link", "empty", "er"}
    assert not {path.name for path in there.iterdir()} & {"nowhere", "pipe"}


def test_names_are_copied_as_they_are(isolated: Path, shell: Shell) -> None:
    """Whatever is in them."""
    names = ["it's $HOME\n*", "-n", "{index}", "a'b\"c", os.fsdecode(b"\xff\xfe")]
    for name in names:
        (isolated / name).write_text("x")
    inputs = [str(isolated / name) for name in names]
    run = write_run(isolated, shell, job(["ls", "-A"], inputs=inputs))
    assert run.run() == 0, run.err()
    assert sorted(os.listdir(isolated / "w0")) == sorted(names)


# -- at submission


def refused(base: Path, one: Job, **more: Any) -> str:
    """Why a job is refused before anything is written."""
    with session_of(base, Toy(), **more) as session, pytest.raises(JobError) as caught:
        session.plan(one)
    assert not (base / ".anybatch").exists()
    return str(caught.value)


def test_copies_need_a_folder_that_is_the_job_s_own(isolated: Path) -> None:
    """Else the job would work on the originals, or two jobs on one copy."""
    make(isolated)
    (isolated / "work").mkdir()
    for workdir in (None, "work"):
        assert "copy_inputs needs a working directory" in refused(
            isolated, job(["true"], workdir=workdir)
        )


def test_more_than_the_limit_is_refused(isolated: Path) -> None:
    """All copies of a run together count, each file once."""
    make(isolated)
    with open(isolated / "big", "wb") as file:
        file.truncate(2**20)
    settings = {"anybatch": {"copy_limit": "1 MiB"}}
    why = refused(isolated, job(["true"], inputs=["data.txt", "big"]), settings=settings)
    assert "more than 1 MiB" in why
    assert "copy_limit" in why
    with session_of(isolated, Toy(), settings=settings) as session:
        plan = session.plan([job(["true"], inputs="big"), job(["echo"], inputs="big")])
    assert len(plan.copies) == 1


def test_what_is_neither_file_nor_folder_is_refused(isolated: Path) -> None:
    """A pipe has no content at submission."""
    os.mkfifo(isolated / "pipe")
    assert "neither a file nor a folder" in refused(isolated, job(["true"], inputs=["pipe"]))


@pytest.mark.parametrize("transfer", [Transfer.SHARED, Transfer.SYSTEM])
def test_what_many_jobs_share_is_copied_once(isolated: Path, transfer: Transfer) -> None:
    """Jobs that differ in other files have one copy of what they have in common."""
    make(isolated)
    for number in range(200):
        (isolated / f"own-{number}").touch()
    jobs = [job(["true"], inputs=["data.txt", f"own-{number % 200}"]) for number in range(10_000)]
    with session_of(isolated, Toy(array=100_000, transfer=transfer)) as session:
        copies = session.plan(jobs).copies
    assert len(copies) == 201


def test_a_copy_that_does_not_fit_leaves_nothing(isolated: Path) -> None:
    """Nothing is submitted, and no part of the run's folder stays."""
    (isolated / "big").write_bytes(b"x" * 1_000_000)
    toy = Toy()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with session_of(isolated, toy) as session:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
        try:
            with pytest.raises(FolderError, match=r"cannot copy .*big.*nothing was submitted"):
                session.submit(job(["true"], inputs=["big"]))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert toy.calls["submit"] == []
    assert list((isolated / ".anybatch/runs").glob("*")) == []


def test_a_file_that_changes_while_it_is_copied_is_refused(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of one text and half of another is no input."""
    source = isolated / "log"
    source.write_text("one\n")
    whole = shutil.copyfileobj

    def copy_and_append(*files: Any) -> None:
        with source.open("a") as file:
            file.write("two\n")
        whole(*files)

    monkeypatch.setattr(shutil, "copyfileobj", copy_and_append)
    with pytest.raises(FolderError, match="changed while it was copied"):
        LocalFiles().copy(isolated / "copy", str(source))


def test_a_file_that_cannot_be_read_is_told(isolated: Path) -> None:
    """One that has gone between planning and submission, too."""
    source = isolated / "gone"
    source.touch()
    copies = InputCopies(isolated / "run", 10)
    assert copies.take(str(source)) == copies.take(str(source)) == "inputs/0/gone"
    source.unlink()
    [copy] = copies.files()
    with pytest.raises(FolderError, match="cannot copy"):
        LocalFiles().copy(copy.path, copy.source)
