"""What is done rests on what is so now: after waiting, after a lock, after another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import CommandFailed, CommandTimeout, NotSubmitted
from anybatch.host import Command, Completed
from anybatch.model import Job, Reason, State
from anybatch.runs.entries import Phase
from anybatch.runs.lookup import SETTLE
from anybatch.runs.observation import FRESH
from anybatch.runs.submitter import EQUAL_REFUSALS, PAUSES

from .toy import Clock, Toy, leave_record, local_host, plugins_of, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

TRUE = ["true"]
TIMEOUT = CommandTimeout(Command(("toysub",)), "no answer within 120 s")
REFUSED = CommandFailed(Command(("toysub",)), Completed(1, "", "Unspecified error"))


@pytest.fixture
def chained() -> Toy:
    return Toy(dependencies=True)


@pytest.fixture
def start(
    new_session: Callable[..., Session], chained: Toy, clock: Clock
) -> Callable[..., Session]:
    """Sessions of several processes on one system."""
    return lambda: new_session("toy", plugins=plugins_of(toy=chained), host=local_host())


def go_on(run: Run, clock: Clock, seconds: float) -> None:
    for _ in range(int(seconds)):
        clock.now += 1.0
        run._engine.step()


# -- dependencies


@pytest.mark.parametrize("code", [0, 1])
def test_a_dependency_is_judged_by_the_record_that_lies_there(
    start: Callable[..., Session], chained: Toy, clock: Clock, code: int
) -> None:
    """Nobody has looked since the job ended, and the batch system has forgotten it."""
    first = start()
    name = first.submit(Job(TRUE)).id
    leave_record(first.attach(name).folder, f"0.0.0.command.exit-{code}")
    first.close()
    chained.answers.clear()
    clock.now += 20
    late = start().submit(Job(TRUE, after=name))
    assert [one.after for one in chained.calls["submit"][1:]] == ([()] if code == 0 else [])
    assert late.finished is (code == 1)
    if code:
        assert [o and o.reason for o in late.outcomes] == [Reason.DEPENDENCY]


@pytest.mark.parametrize("says", ["nothing of it", "nothing at all"])
def test_no_id_is_given_that_the_system_may_have_forgotten(
    start: Callable[..., Session], chained: Toy, clock: Clock, says: str
) -> None:
    """Only of a job that it has just called alive; else the core waits itself."""
    session = start()
    run = session.submit(Job(TRUE))
    clock.now += FRESH + 1
    if says == "nothing of it":
        kept = chained.answers.pop("1.1")
    else:
        chained.scripted["status"] = [TIMEOUT] * 5
    late = session.submit(Job(TRUE, after=run))
    assert len(chained.calls["submit"]) == 1
    chained.scripted["status"].clear()
    if says == "nothing of it":
        chained.answers["1.1"] = kept
    go_on(late, clock, 5)
    assert [one.after for one in chained.calls["submit"]] == [(), ("1.1",)]


def test_a_dependency_on_what_was_just_handed_over_costs_no_question(
    start: Callable[..., Session], chained: Toy
) -> None:
    """No system forgets a job within a moment."""
    first = Job(TRUE)
    start().submit([first, Job(TRUE, after=first)])
    assert [one.after for one in chained.calls["submit"]] == [(), ("1.1",)]
    assert not chained.calls["status"]


# -- the right to submit


def test_who_gets_the_right_to_submit_plans_nothing_twice(
    start: Callable[..., Session], chained: Toy, clock: Clock
) -> None:
    """Of two who wait, the one that planned a retry dies, and the other job fails as well."""
    one = start()
    mine = one.submit([Job(TRUE, retry=1)] * 2)
    other = start().attach(mine.id)
    leave_record(mine.folder, "0.0.0.command.exit-1")
    mine._engine._looks.look(None)
    assert mine.jobs[0].attempt == 1
    leave_record(mine.folder, "1.0.0.command.exit-1")
    one.close()
    go_on(other, clock, 10)
    third = start().attach(mine.id)
    for run in (other, third):
        assert [(job.attempt, job.state) for job in run.jobs] == [(1, State.QUEUED)] * 2
        assert [one.number for one in run.submissions] == [0, 1, 2]
    assert [one.count for one in chained.calls["submit"]] == [2, 1, 1]


# -- stopping what is being submitted


def test_jobs_stopped_by_another_process_during_their_submission(
    start: Callable[..., Session], chained: Toy
) -> None:
    """They are stopped as soon as their ids are known, by who submits them."""

    def submit() -> list[str]:
        submission = chained.calls["submit"][-1]
        start().attach(submission.run).terminate()
        return chained.take(submission)

    chained.scripted["submit"] = [submit]
    start().submit([Job(TRUE)] * 2)
    assert chained.calls["terminate"] == [(["1.1", "1.2"], None)]


def test_a_stop_that_could_not_be_told_is_told_later(
    start: Callable[..., Session], chained: Toy, clock: Clock, notices: list[str]
) -> None:
    """A system that was away as the ids became known is told when it is back, and once."""
    chained.scripted["submit"] = [lambda: (chained.take(chained.calls["submit"][-1]), 1 / 0)]
    run = start().submit(Job(TRUE))
    chained.scripted["terminate"] = [TIMEOUT]
    assert run.terminate() == 0
    assert any("cannot stop" in notice for notice in notices)
    later = start().attach(run.id)
    run._engine.close()
    go_on(later, clock, 60)
    assert [ids for ids, _ in chained.calls["terminate"]] == [["1.1"]] * 2


def test_a_run_that_cannot_be_submitted_is_ended_by_terminate(
    start: Callable[..., Session], chained: Toy, clock: Clock
) -> None:
    """What has certainly not arrived ends at once; nothing has to be waited for."""
    chained.scripted["submit"] = [NotSubmitted("too many jobs")] * 50
    run = start().submit([Job(TRUE)] * 2)
    assert start().attach(run.id).terminate() == 2
    run.refresh()
    assert [job.state for job in run.jobs] == [State.TERMINATED] * 2


def test_what_is_in_doubt_ends_for_who_only_looks(
    start: Callable[..., Session], chained: Toy, clock: Clock
) -> None:
    """`terminate`, then `status` some time later, each of a process of its own."""
    chained.scripted["submit"] = [TIMEOUT]
    session = start()
    name = session.submit(Job(TRUE)).id
    for _ in range(3):
        session.close()
        session = start()
        run = session.attach(name)
        run.terminate()
        clock.now += SETTLE + 1
    assert [job.state for job in run.jobs] == [State.TERMINATED]
    assert len(chained.calls["submit"]) == 1


# -- what cannot work, and what may


def test_equal_refusals_are_final(
    start: Callable[..., Session], chained: Toy, clock: Clock
) -> None:
    """After some, each looked up and nothing found, the job has failed with the system's words."""
    chained.scripted["submit"] = [REFUSED] * 50
    run = start().submit(Job(TRUE))
    go_on(run, clock, 60)
    assert not run.finished
    assert run.jobs[0].message == f"not submitted yet: {REFUSED}"
    go_on(run, clock, 300)
    outcome = run.outcome(0)
    assert outcome is not None
    assert outcome.reason is Reason.REJECTED
    assert "refused" in (outcome.message or "")
    assert "Unspecified error" in (outcome.message or "")
    assert len(chained.calls["submit"]) >= EQUAL_REFUSALS


@pytest.mark.parametrize("error", [TIMEOUT, NotSubmitted("QOSMaxSubmitJobPerUserLimit")])
def test_what_may_pass_is_tried_again_with_growing_pauses(
    start: Callable[..., Session],
    chained: Toy,
    clock: Clock,
    notices: list[str],
    error: Exception,
) -> None:
    """It is never final, and the look-ups between do not shorten the pauses."""
    chained.scripted["submit"] = [error] * 12
    run = start().submit(Job(TRUE))
    go_on(run, clock, 1500)
    pauses = [f"in {pause:g} s" for pause in (*PAUSES, PAUSES[-1])]
    assert [pause in notice for pause, notice in zip(pauses, notices, strict=False)] == [True] * 8
    chained.scripted["submit"].clear()
    go_on(run, clock, 310)
    assert [job.state for job in run.jobs] == [State.QUEUED]


def test_settling_goes_on_in_the_next_process(
    start: Callable[..., Session], chained: Toy, clock: Clock
) -> None:
    """Since when a submission is not found is on record, so single looks come to an end."""
    chained.scripted["submit"] = [TIMEOUT]
    session = start()
    name = session.submit(Job(TRUE)).id
    for _ in range(2):
        session.close()
        clock.now += SETTLE + 1
        session = start()
        session.attach(name).refresh()
    (one,) = session.attach(name).watched.state.submissions
    assert one.phase is Phase.WAITING


def test_a_slow_stop_is_not_told_a_second_time(isolated: Path) -> None:
    """What looks at the run meanwhile leaves it to the one that is at it."""

    class Slow(list[Any]):
        """Calls that take so long that others look at the run."""

        def append(self, call: Any) -> None:
            super().append(call)
            if len(self) == 1:
                session._engine.step(force=True)

    toy = Toy()
    toy.calls["terminate"] = Slow()
    with session_of(isolated, toy) as session:
        assert session.submit(Job(["true"])).terminate() == 1
        session._engine.step(force=True)
    assert toy.calls["terminate"] == [(["1.1"], None)]
