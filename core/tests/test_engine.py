"""The engine: nobody stands still because one batch system is slow, and nothing piles up."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING

import pytest
from anybatch.model import Job, State
from anybatch.records import Limits
from anybatch.testing import await_that

from .toy import Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch.session import Session

TRUE = ["true"]


class Slow:
    """A call that does not return before it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def hold(self) -> None:
        self.entered.set()
        self.let_go.wait(60)


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.let_go.set()


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy) -> Callable[..., Session]:
    def make(system: str = "toy", **others: object) -> Session:
        return new_session(system, plugins=plugins_of(toy=toy, **others), host=local_host())

    return make


def test_a_run_is_read_while_its_system_is_asked(
    start: Callable[..., Session], toy: Toy, slow: Slow
) -> None:
    """Jobs, counts and a record of another run's end do not wait for a slow answer."""
    session = start()
    run, other = session.submit([Job(TRUE)] * 2), session.submit(Job(TRUE))

    def answer() -> dict[str, object]:
        slow.hold()
        return {native_id: said(State.RUNNING) for native_id in toy.answers}

    toy.scripted["status"] = [answer] * 3
    session.watch()
    assert slow.entered.wait(60)
    assert [job.state for job in run.jobs] == [State.QUEUED] * 2
    assert run.counts == {State.QUEUED: 2}
    leave_record(other.folder, "0.0.0.command.exit-0")
    assert [outcome.done for outcome in other.wait(60)] == [True]
    assert not slow.let_go.is_set()
    slow.let_go.set()
    await_that(lambda: run.counts == {State.RUNNING: 2})


def test_a_slow_submission_does_not_stop_the_watching(
    start: Callable[..., Session], toy: Toy, slow: Slow
) -> None:
    """While a submit command runs, other runs of the same system go on."""
    session = start()
    other = session.submit(Job(TRUE))

    def submit() -> list[str]:
        slow.hold()
        return ["late"]

    toy.scripted["submit"] = [submit]
    submitting = threading.Thread(target=session.submit, args=(Job(TRUE),))
    submitting.start()
    assert slow.entered.wait(60)
    toy.answers["1.1"] = said(State.RUNNING)
    await_that(lambda: other.counts == {State.RUNNING: 1}, other.refresh)
    leave_record(other.folder, "0.0.0.command.exit-0")
    assert other.wait(60)[0].done
    slow.let_go.set()
    submitting.join(60)
    assert not submitting.is_alive()


def test_systems_are_asked_side_by_side(start: Callable[..., Session], toy: Toy) -> None:
    """Two systems are asked at the same time: each answers only when the other is asked too."""
    other = Toy()
    both = threading.Barrier(2)

    def answer() -> dict[str, object]:
        both.wait(60)
        return {"1.1": said(State.RUNNING)}

    session = start("toy", other=other)
    here = session.submit(Job(TRUE))
    there = start("other", other=other).submit(Job(TRUE))
    there = session.attach(there.id)
    toy.scripted["status"], other.scripted["status"] = [answer], [answer]
    session.poll()
    assert [here.counts, there.counts] == [{State.RUNNING: 1}] * 2


def test_runs_that_have_ended_leave_the_session(start: Callable[..., Session]) -> None:
    """A session that lives for months keeps nothing of runs that are over."""
    session = start()
    gone = []
    for _ in range(5):
        run = session.submit([Job(TRUE)] * 3)
        for index in range(3):
            leave_record(run.folder, f"{index}.0.0.command.exit-0")
        run.wait(60)
        gone.append(weakref.ref(run.watched))
        del run
    gc.collect()
    assert [one() for one in gone] == [None] * 5
    assert session.runs() == []


def test_a_job_is_asked_about_with_what_it_was_submitted_with(
    start: Callable[..., Session], toy: Toy
) -> None:
    """A session without the settings of a submission asks and stops with that submission's own."""
    jobs = [Job(TRUE), Job(TRUE, settings={"toy": {"partition": "b"}})]
    first = start()
    name = first.submit(jobs).id
    run = start().attach(name)
    run.refresh()
    run.terminate()
    for hook in ("status of", "terminate of"):
        asked = {batch.ids: batch.submission for batch in toy.calls[hook][-1]}
        partitions = {ids: one.settings["partition"] for ids, one in asked.items()}
        assert partitions == {("1.1",): None, ("2.1",): "b"}
        assert {one.folder for one in asked.values()} == {run.folder}


def test_limits_are_those_of_a_jobs_own_settings(start: Callable[..., Session], toy: Toy) -> None:
    """A limit that is set for one job counts for that job, and for no other."""
    session = start()
    small = Job(TRUE, settings={"toy": {"partition": "small"}})
    toy.scripted["limits"] = [Limits(array=2), Limits(array=10)]
    plan = session.plan([small] * 4 + [Job(TRUE)] * 4)
    assert [one.submission.count for one in plan.submissions] == [2, 2, 4]
    assert [settings["partition"] for settings in toy.calls["limits"]] == ["small", None]
