"""Faults that were found late, each as it was seen; and run folders that fail at any call."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from anybatch.errors import FolderError
from anybatch.model import Job, State
from anybatch.runs.journal import Journal
from anybatch.worker.exit_records import ExitFolder
from anybatch.worker.layout import JOBS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .toy import FailingHost, Toy, leave_record, local_host, plugins_of, said, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.session import Session

TRUE = ["true"]


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy) -> Callable[..., Session]:
    return lambda: new_session("toy", plugins=plugins_of(toy=toy), host=local_host())


def test_a_page_that_cannot_be_listed_costs_no_record_of_another(
    start: Callable[..., Session], toy: Toy
) -> None:
    """What was read of the pages before it comes with the next look; a done job was lost once."""
    run = start().submit([Job(TRUE)] * (JOBS + 1))
    leave_record(run.folder, "0.0.0.command.exit-0")
    second = run.folder / "exit/1"
    second.rmdir()
    second.write_text("")  # no folder
    run._engine.step()
    assert run.outcome(0) is None
    second.unlink()
    second.mkdir()
    run._engine.step()
    assert run.jobs[0].state is State.DONE


def test_records_of_scripts_that_may_run_are_not_removed(tmp_path: Path) -> None:
    """A start record without an exit record is a running script's, which has its notes in it."""
    for name in ("exit/0", "start/0"):
        (tmp_path / name).mkdir(parents=True)
    leave_record(tmp_path, "0.0.0.command.exit-0")
    running = tmp_path / "start/0/1.0.0.1767355200.node1"
    running.touch()
    ExitFolder(tmp_path, local_host()).fold(0, lambda index: 0)
    assert os.listdir(tmp_path / "start/0") == [running.name]
    assert not (tmp_path / "exit/0").exists()


def test_outcomes_are_made_before_others_may_remove_what_they_rest_on(
    start: Callable[..., Session], toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process removes the page between the verdict and its outcome; host and times stay."""
    run = start().submit(Job(TRUE))
    leave_record(run.folder, "0.0.0.command.exit-0", host="node7")
    watcher = run.watched.watcher
    catch_up = watcher.catch_up

    def others_are_quicker() -> None:
        for name in ("exit/0", "start/0"):
            shutil.rmtree(run.folder / name, ignore_errors=True)
        catch_up()

    monkeypatch.setattr(watcher, "catch_up", others_are_quicker)
    run._engine.step()
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.host, outcome.started is None) == ("node7", False)


def test_the_folder_of_a_new_journal_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its first line need not be: a later one would not tell that its folder is not."""
    synced: list[bool] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.path.isdir(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    journal = Journal(tmp_path, "one", local_host())
    journal.append({"e": "state"})
    journal.append({"e": "submitting"}, durable=True)
    assert True in synced


# -- a run's folder that fails


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    number=st.sampled_from([errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EMFILE, errno.EACCES]),
    at=st.integers(1, 40),
    code=st.sampled_from([0, 3]),
)
def test_a_folder_that_fails_once_loses_nothing(
    isolated: Path, number: int, at: int, code: int
) -> None:
    """Whatever call fails, a process that comes later knows each job, and none ran twice."""
    toy = Toy()
    with session_of(isolated, toy) as session:
        name = session.submit([Job(TRUE)] * 2).id
    failing = session_of(isolated, toy, host=FailingHost(number, at))
    with failing, contextlib.suppress(FolderError):  # it is told, and costs nothing
        run = failing.attach(name)
        leave_record(run.folder, f"0.0.0.command.exit-{code}")
        toy.answers["1.2"] = said(State.RUNNING)
        for _ in range(4):
            run._engine.step(force=True)
    with session_of(isolated, toy) as session:
        run = session.attach(name)
        page = run.folder / "exit/0"
        if page.is_dir():
            leave_record(run.folder, f"0.0.0.command.exit-{code}")
            leave_record(run.folder, "1.0.0.command.exit-0")
        run.refresh()
        states = [job.state for job in run.jobs]
    assert states == [State.DONE if code == 0 else State.FAILED, State.DONE]
    assert len(toy.calls["submit"]) == 1
