"""Time is counted by what happened: single looks come to the verdict that waiting comes to."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import CommandTimeout
from anybatch.host import Command
from anybatch.model import Job, Reason, State
from anybatch.runs.watcher import PATIENCE

from .toy import Clock, Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

TRUE = ["true"]
AWAY = CommandTimeout(Command(("toystat",)), "no answer within 60 s")
LOST_AFTER = 120


@pytest.fixture
def glance(
    new_session: Callable[..., Session], toy: Toy, clock: Clock
) -> Callable[[str | None], Run]:
    """A look of a process of its own, as `anybatch status` takes one."""

    def look(name: str | None) -> Run:
        with new_session("toy", plugins=plugins_of(toy=toy), host=local_host()) as session:
            run = session.submit(Job(TRUE)) if name is None else session.attach(name)
            if name is not None:
                run.refresh()
            return run

    return look


def leave(folder: Path, name: str, at: float) -> None:
    """A record that was made at this time."""
    leave_record(folder, name)
    os.utime(folder / "exit/0" / name, (at, at))


def outcome_of(run: Run) -> Any:
    outcome = run.outcome(0)
    assert outcome is not None
    return outcome


def test_a_record_that_has_lain_there_is_judged_by_one_look(
    glance: Callable[..., Run], toy: Toy, clock: Clock
) -> None:
    """Patience counts from when the record was made, not from who looks."""
    run = glance(None)
    leave(run.folder, "0.0.0.command.signal-9", clock.now + 1)
    toy.answers["1.1"] = said(State.RUNNING)
    clock.now += 5
    assert glance(run.id).outcome(0) is None
    clock.now += PATIENCE
    assert outcome_of(glance(run.id)).reason is Reason.SIGNAL


@pytest.mark.parametrize("told", [True, False])
def test_an_end_without_a_record_is_judged_by_single_looks(
    glance: Callable[..., Run], toy: Toy, clock: Clock, told: bool
) -> None:
    """It counts from the time that the system tells, else from the first look that saw it."""
    run = glance(None)
    clock.now += 5
    ended = datetime.fromtimestamp(clock.now, timezone.utc) if told else None
    toy.answers["1.1"] = said(State.FAILED, exit_code=1, ended=ended)
    if not told:
        assert glance(run.id).outcome(0) is None
    clock.now += PATIENCE + 1
    assert outcome_of(glance(run.id)).reason is Reason.SETUP


def test_single_looks_conclude_that_a_job_is_lost(
    glance: Callable[..., Run], toy: Toy, clock: Clock
) -> None:
    """Since when it is missing is on record."""
    run = glance(None)
    toy.answers.clear()
    assert glance(run.id).outcome(0) is None
    clock.now += LOST_AFTER - 1
    assert glance(run.id).outcome(0) is None
    clock.now += 2
    assert outcome_of(glance(run.id)).state is State.LOST


def test_a_job_that_is_there_again_is_missed_anew(
    glance: Callable[..., Run], toy: Toy, clock: Clock
) -> None:
    """One look that found it ends the time for which it was missing."""
    run = glance(None)
    known = toy.answers.copy()
    for _ in range(3):
        toy.answers.clear()
        assert glance(run.id).outcome(0) is None
        clock.now += LOST_AFTER - 1
        toy.answers.update(known)
        assert glance(run.id).outcome(0) is None
        clock.now += LOST_AFTER


def test_time_in_which_nobody_could_be_asked_does_not_count(
    glance: Callable[..., Run], toy: Toy, clock: Clock
) -> None:
    """A job that was missing before the system went away has to be missed anew."""
    run = glance(None)
    toy.answers.clear()
    glance(run.id)
    clock.now += 10
    toy.scripted["status"] = [AWAY]
    glance(run.id)
    clock.now += LOST_AFTER
    assert glance(run.id).outcome(0) is None
    clock.now += LOST_AFTER + 1
    assert outcome_of(glance(run.id)).state is State.LOST


def test_a_signal_waits_for_a_system_that_is_away(
    new_session: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """What a cancelled job leaves is no failure that is run again, however long nobody answers."""
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    run = session.submit(Job(TRUE, retry=1))
    leave(run.folder, "0.0.0.command.signal-15", clock.now)
    toy.scripted["status"] = [AWAY] * 6
    for _ in range(6):
        clock.now += PATIENCE
        run._engine.step(force=True)
    assert run.outcome(0) is None
    toy.answers["1.1"] = said(State.RUNNING)
    run._engine.step(force=True)
    assert run.outcome(0) is None
    toy.answers["1.1"] = said(State.TERMINATED, "CANCELLED")
    run._engine.step(force=True)
    assert outcome_of(run).state is State.TERMINATED
    assert len(toy.calls["submit"]) == 1


class Set(Clock):
    """A clock whose time of day somebody sets."""

    offset = 0.0

    def time(self) -> float:
        return self.now + self.offset


@pytest.mark.parametrize("offset", [-7200.0, 7200.0])
@pytest.mark.parametrize("of_one_process", [True, False])
def test_a_clock_that_is_set_concludes_nothing(
    new_session: Callable[..., Session],
    toy: Toy,
    monkeypatch: pytest.MonkeyPatch,
    offset: float,
    of_one_process: bool,
) -> None:
    """Neither that a job is lost, nor that patience is over; and later both come in time."""
    clock = Set()
    for module in ("moments", "state", "submitter", "polling", "observation"):
        monkeypatch.setattr(f"anybatch.runs.{module}.time", clock)

    def attach() -> Run:
        return new_session("toy", plugins=plugins_of(toy=toy), host=local_host()).attach(name)

    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    name = session.submit([Job(TRUE)] * 2).id
    run = session.attach(name)
    del toy.answers["1.1"]
    toy.answers["1.2"] = said(State.FAILED, exit_code=1)
    run.refresh()
    clock.offset = offset
    if not of_one_process:
        session.close()
        run = attach()
    run.refresh()
    assert run.outcomes == [None, None]
    clock.now += PATIENCE + 1
    run.refresh()
    assert [outcome is None for outcome in run.outcomes] == [True, False]
    clock.now += LOST_AFTER
    run.refresh()
    assert [o and o.state for o in run.outcomes] == [State.LOST, State.FAILED]


# -- a system that may run a job again by itself


@pytest.mark.parametrize("code", [0, 1])
def test_a_job_that_requeues_itself_has_no_verdict_of_its_first_run(
    new_session: Callable[..., Session], clock: Clock, code: int
) -> None:
    """Its record says that it has ended; the system, which it is asked first, that it waits."""
    toy = Toy(reruns=True)
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    run = session.submit(Job(TRUE))
    toy.answers["1.1"] = said(State.RUNNING)
    run._engine.step(force=True)
    leave(run.folder, f"0.0.0.command.exit-{code}", clock.now)
    run._engine.step()
    for answer in (
        said(State.RUNNING, "COMPLETING"),
        said(State.QUEUED, "REQUEUED"),
        said(State.QUEUED, restarts=1),
        said(State.RUNNING, restarts=1),
    ):
        toy.answers["1.1"] = answer
        clock.now += 1
        run._engine.step(force=True)
        assert run.outcome(0) is None
    leave_record(run.folder, "0.0.1.command.exit-0")
    toy.answers["1.1"] = said(State.DONE, restarts=1)
    run._engine.step(force=True)
    assert outcome_of(run).state is State.DONE


def test_a_record_is_judged_as_soon_as_the_system_has_spoken(
    new_session: Callable[..., Session], clock: Clock
) -> None:
    """It is asked soon, whatever pauses there were, and its word that it runs is not for ever."""
    toy = Toy(reruns=True)
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    run = session.submit([Job(TRUE)] * 2)
    toy.answers["1.1"] = toy.answers["1.2"] = said(State.RUNNING)
    clock.now += 6000
    run._engine.step(force=True)
    for index in range(2):
        leave(run.folder, f"{index}.0.0.command.exit-0", clock.now)
    toy.answers["1.1"] = said(State.DONE)
    for _ in range(8):
        run._engine.step()
        clock.now += 0.25
    assert [job.state for job in run.jobs] == [State.DONE, State.RUNNING]
    for _ in range(60):
        run._engine.step()
        clock.now += 0.25
    assert [job.state for job in run.jobs] == [State.DONE, State.DONE]


# -- what is told beside a verdict


@pytest.mark.parametrize("submitted", [-100, 0, 100])
def test_times_stand_in_their_order(
    new_session: Callable[..., Session], toy: Toy, clock: Clock, submitted: int
) -> None:
    """Clocks of nodes and file servers differ; no outcome has an end before its start."""
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    run = session.submit(Job(TRUE))
    leave(run.folder, "0.0.0.command.exit-0", 1767355200 - 895.9)
    run._engine.step()
    outcome = outcome_of(run)
    assert outcome.started is None
    assert outcome.submitted <= outcome.ended


def test_a_reason_to_wait_is_no_reason_of_a_failure(
    new_session: Callable[..., Session], toy: Toy
) -> None:
    """What the system said while the job waited is not said of its end, nor beside `done`."""
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    run = session.submit([Job(TRUE)] * 2)
    waits = said(State.QUEUED, "PENDING", message="BeginTime")
    toy.answers["1.1"] = toy.answers["1.2"] = waits
    run._engine.step(force=True)
    leave_record(run.folder, "0.0.0.command.exit-3")
    leave_record(run.folder, "1.0.0.command.exit-0")
    toy.answers["1.2"] = said(State.DONE, message="PartitionDown")
    run._engine.step(force=True)
    assert [o and o.message for o in run.outcomes] == [None, None]


def test_a_bare_signal_says_where_to_read(
    new_session: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """The batch system writes why it kills a job, where it does not say it."""
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    run = session.submit(Job(TRUE))
    log = run.submissions[0].system_log
    log.write_text("slurmstepd: error: Detected 1 oom-kill event(s)\n")
    leave(run.folder, "0.0.0.command.signal-9", clock.now)
    toy.answers["1.1"] = said(State.FAILED)
    run._engine.step(force=True)
    assert str(log) in (outcome_of(run).message or "")


# -- start records


def test_a_start_record_tells_that_a_job_runs(
    new_session: Callable[..., Session], toy: Toy
) -> None:
    """At once, without a question; not one of another attempt, or of a start before a requeue."""
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    run = session.submit([Job(TRUE)] * 3)
    toy.answers["1.3"] = said(State.QUEUED, restarts=1)
    run._engine.step(force=True)
    asked = len(toy.calls["status"])
    for name in ("0.0.0", "1.1.0", "2.0.0"):
        (run.folder / "start/0" / f"{name}.1767355200.node").touch()
    run._engine.step()
    assert [job.state for job in run.jobs] == [State.RUNNING, State.QUEUED, State.QUEUED]
    assert len(toy.calls["status"]) == asked


def test_records_survive_a_journal_that_cannot_be_read(
    new_session: Callable[..., Session], toy: Toy
) -> None:
    """They are found again when it can."""
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    run = session.submit(Job(TRUE))
    leave_record(run.folder, "0.0.0.command.exit-0")
    leave_record(run.folder, "0.1.0.command.exit-0")
    bad = run.folder / "journal-z.jsonl"
    bad.mkdir()
    run._engine.step()
    assert not run.finished
    bad.rmdir()
    assert run.wait(timeout=timedelta(minutes=1).total_seconds())[0].done
