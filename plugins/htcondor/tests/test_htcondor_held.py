"""Held jobs on a real pool: a state with a reason, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Reason, Resources, State
from anybatch.testing import await_that, native_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Run, Session

pytestmark = pytest.mark.usefixtures("pool")

PATIENCE = 180
#: Takes 300 MB, and stays.
GREEDY = ["sh", "-c", "x=$(head -c 300000000 /dev/zero | tr '\\0' x); sleep 600; echo ${#x}"]
#: Fills the scratch folder, and stays.
FILLING = ["sh", "-c", 'head -c 40000000 /dev/zero >"$_CONDOR_SCRATCH_DIR/big"; sleep 600']
SMALL = Resources(memory="64 MiB", disk="10 MiB")


def held(run: Run, session: Session) -> str:
    """Wait until the job is held; what is said of it."""
    await_that(lambda: run.counts == {State.HELD: 1}, session.poll)
    return run.jobs[0].message or ""


def test_a_job_over_its_memory_is_held_with_the_reason(condor: Session) -> None:
    """By default it waits for somebody, and everybody sees why; then it can be removed."""
    run = condor.submit(Job(GREEDY, name="greedy", resources=SMALL))
    said = held(run, condor)
    assert said.startswith("out of memory: ")
    assert "subcode 102" in said
    run.terminate()
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.TERMINATED)


def test_a_job_over_its_disk_is_held_with_the_reason(condor_away: Session) -> None:
    """It is told from one over its memory."""
    run = condor_away.submit(Job(FILLING, name="filling", resources=SMALL))
    assert held(run, condor_away).startswith("over disk: ")
    run.terminate()
    assert run.wait(PATIENCE)[0].state is State.TERMINATED


def test_a_held_job_fails_where_that_is_wanted(condor: Session) -> None:
    """HTCondor itself takes it from the queue, and the reason tells what was exceeded."""
    settings = {"htcondor": {"on_held": "fail"}}
    run = condor.submit(Job(GREEDY, name="greedy", resources=SMALL, settings=settings))
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.OUT_OF_MEMORY)
    assert outcome.native_state == "removed while held"
    assert outcome.message
    assert "hold code" in outcome.message


def test_a_job_held_for_anything_else_fails_as_held(condor: Session) -> None:
    """The message has HTCondor's own words."""
    own = {"on_held": "fail", "periodic_hold": "JobStatus == 2", "periodic_hold_reason": '"tired"'}
    run = condor.submit(Job(["sleep", "600"], settings={"htcondor": own}))
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.HELD)
    assert outcome.message
    assert outcome.message.startswith("tired")


def test_a_job_over_its_time_limit_has_failed(condor: Session) -> None:
    """The limit was the job's own: nobody has to remove it."""
    run = condor.submit(Job(["sleep", "600"], resources=Resources(time="3s")))
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.TIME_LIMIT)
    assert outcome.message
    assert outcome.message.startswith("over time: ")


def test_a_job_is_released_so_often(condor: Session, tool: Callable[..., str]) -> None:
    """After that many releases it stays held."""
    settings = {
        "on_held": "release",
        "release_times": 2,
        "release_pause": "1s",
        "periodic_hold": "JobStatus == 2 && time() - EnteredCurrentStatus > 1",
    }
    run = condor.submit(Job(["sleep", "600"], settings={"htcondor": settings}))
    await_that(lambda: tool("condor_q", native_id(run), "-af", "NumHolds").strip() == "3")
    assert "PeriodicHold" in held(run, condor)
    run.terminate()
    assert run.wait(PATIENCE)[0].state is State.TERMINATED


def test_who_holds_a_job_by_hand_wants_it_held(condor: Session, tool: Callable[..., str]) -> None:
    """`on_held` is for what goes wrong; a user's hold waits for the user."""
    settings = {"htcondor": {"on_held": "fail", "hold": True}}
    run = condor.submit([Job(["true"], settings=settings)] * 2)
    await_that(lambda: run.counts == {State.HELD: 2}, condor.poll)
    tool("condor_release", native_id(run))
    tool("condor_hold", "-reason", "lunch", native_id(run, 1))
    await_that(lambda: run.outcome(0), condor.poll)
    assert run.jobs[1].state is State.HELD
    tool("condor_release", native_id(run, 1))
    assert all(outcome.done for outcome in run.wait(PATIENCE))


def test_urgency_reaches_the_schedd(condor: Session, tool: Callable[..., str]) -> None:
    """As the priority of each job, higher or lower than the usual, whoever the user is."""
    for urgency in (100, -7):
        run = condor.submit(Job(["true"], urgency=urgency, settings={"htcondor": {"hold": True}}))
        assert tool("condor_q", native_id(run), "-af", "JobPrio").strip() == str(urgency)
