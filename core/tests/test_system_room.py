"""Systems that take so many jobs and no more: what does not fit waits, and costs few commands."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from anybatch.model import Job, Reason, State
from anybatch.runs.system_room import PAUSES

from .test_limit import TIMEOUT, end, go_on, indices, start, taking_and_silent
from .toy import Clock, ThrottledToy, Toy

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.session import Session

__all__ = ["start"]  # a fixture
TRUE = ["true"]


def test_as_many_are_handed_over_as_fit(start: Callable[..., Session], clock: Clock) -> None:
    """What is refused as a whole goes in parts, by halves, until the system is full."""
    toy = Toy(array=1000)
    toy.capacity = 100
    run = start(toy).submit([Job(TRUE)] * 1000)
    go_on(run, clock)
    assert len(toy.alive()) == 100
    assert indices(run, State.QUEUED) == [*range(100)]
    assert len(toy.calls["submit"]) <= 2 * 10, "more commands than the number has binary digits"


def test_what_waits_says_why(
    start: Callable[..., Session], clock: Clock, notices: list[str]
) -> None:
    """The system's words are its message, and are told once."""
    toy = Toy()
    toy.capacity = 2
    run = start(toy, on_notice=notices.append).submit([Job(TRUE)] * 5)
    go_on(run, clock, 5)
    assert run.jobs[4].message == "not submitted yet: more than 2 jobs"
    assert run.unattended
    assert notices == [f"run {run.id}: 3 jobs wait for room: more than 2 jobs"]


def test_ends_make_room(start: Callable[..., Session], clock: Clock) -> None:
    """As many are tried as have ended; while none have, a command now and then."""
    toy = Toy()
    toy.capacity = 4
    run = start(toy).submit([Job(TRUE)] * 10)
    tried = len(toy.calls["submit"])
    go_on(run, clock, int(PAUSES[0]) - 5)
    assert len(toy.calls["submit"]) == tried
    end(toy, run, *toy.alive()[:2])
    go_on(run, clock)
    assert [one.count for one in toy.calls["submit"][tried:]] == [2]
    while not run.finished:
        end(toy, run, *toy.alive()[:1])
        go_on(run, clock)
        assert len(toy.alive()) <= 4
    assert run.counts == {State.DONE: 10}


def test_room_that_others_make_is_found(start: Callable[..., Session], clock: Clock) -> None:
    """A single job is tried after a pause that grows; once it is taken, all others."""
    toy = Toy()
    toy.capacity = 0
    run = start(toy).submit([Job(TRUE)] * 10)
    tried = len(toy.calls["submit"])
    for pause in PAUSES:
        before = len(toy.calls["submit"])
        go_on(run, clock, 2)
        assert len(toy.calls["submit"]) == before
        clock.now += pause - 2
        go_on(run, clock, 1)
        assert [one.count for one in toy.calls["submit"][before:]] == [1], pause
    assert len(toy.calls["submit"]) == tried + len(PAUSES)
    toy.capacity = 100
    clock.now += PAUSES[-1]
    go_on(run, clock, 5)
    assert run.counts == {State.QUEUED: 10}


def test_no_room_is_no_refusal(start: Callable[..., Session], clock: Clock) -> None:
    """However often it is said with the same words, the job waits on."""
    toy = Toy()
    toy.capacity = 0
    run = start(toy).submit(Job(TRUE))
    for _ in range(20):
        clock.now += 300.0
        go_on(run, clock, 1)
    assert run.counts == {State.NEW: 1}
    run.terminate()
    assert run.outcomes[0] is not None
    assert run.outcomes[0].reason is Reason.TERMINATED


@pytest.mark.parametrize("seed", range(4))
def test_each_job_is_taken_once(start: Callable[..., Session], clock: Clock, seed: int) -> None:
    """Refusals, lost answers, limits and other processes: every job runs, and once."""
    chance = random.Random(seed)
    toy = chance.choice([Toy, ThrottledToy])(array=chance.choice([3, 100]))
    toy.capacity = chance.choice([1, 3, 8])
    runs = [start(toy).submit([Job(TRUE)] * 10, max_running=chance.choice([None, 2, 5]))]
    for _ in range(150):
        run = chance.choice(runs)
        match chance.randrange(6):
            case 0 if len(runs) < 3:
                runs.append(start(toy).attach(run.id))
            case 1:
                toy.scripted["submit"] = [TIMEOUT]
            case 2 if len(toy.alive()) < toy.capacity and not toy.scripted["submit"]:
                toy.scripted["submit"] = [taking_and_silent(toy)]
            case 3 | 4 if toy.alive():
                go_on(run, clock)
                known = {job.native_id for job in run.watched.state.jobs}
                end(toy, run, *[one for one in toy.alive() if one in known][:1])
        clock.now += chance.choice([0, 20])
        go_on(run, clock, chance.choice([1, 2]))
        assert len(toy.alive()) <= toy.capacity
        if all(one.finished for one in runs):
            break
    assert all(one.counts == {State.DONE: 10} for one in runs), [one.counts for one in runs]
    assert sum(map(len, toy.tokens.values())) == 10
