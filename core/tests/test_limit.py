"""At most so many jobs of a run at once, whoever counts, and whatever happens meanwhile."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import CommandTimeout, NotSubmitted, UsageError
from anybatch.host import Command
from anybatch.model import Job, State
from anybatch.packing import Pack

from .toy import Clock, ThrottledToy, Toy, leave_record, plugins_of, said, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

TRUE = ["true"]
TIMEOUT = CommandTimeout(Command(("toysub",)), "no answer within 120 s")


@pytest.fixture
def start(tmp_path: Path, clock: Clock) -> Callable[..., Session]:
    def make(toy: Toy, **more: Any) -> Session:
        return session_of(tmp_path, toy, plugins=plugins_of(toy=toy), **more)

    return make


def go_on(run: Run, clock: Clock, seconds: int = 2) -> None:
    """Let time pass, and look each second."""
    for _ in range(seconds):
        clock.now += 1.0
        run._engine.step(force=True)


def end(toy: Toy, run: Run, *ids: str, code: int = 0) -> None:
    """End jobs, as their records and the system tell."""
    for native in ids:
        [job] = [one for one in run.watched.state.jobs if one.native_id == native]
        leave_record(run.folder, f"{job.index}.{job.attempt}.0.command.exit-{code}")
        toy.answers[native] = said(State.DONE if code == 0 else State.FAILED, exit_code=code)


def indices(run: Run, state: State) -> list[int]:
    return [job.index for job in run.jobs if job.state is state]


# -- where the batch system does not count


def test_no_more_are_handed_over_than_may_run(start: Callable[..., Session], clock: Clock) -> None:
    """Of equal jobs the first go as a submission of their own; each end makes room for one."""
    toy = Toy()
    run = start(toy).submit([Job(TRUE)] * 12, max_running=3)
    assert [one.count for one in toy.calls["submit"]] == [3]
    assert indices(run, State.QUEUED) == [0, 1, 2]
    go_on(run, clock, 5)
    assert len(toy.calls["submit"]) == 1
    end(toy, run, "1.2")
    go_on(run, clock)
    assert indices(run, State.QUEUED) == [0, 2, 3]
    assert len({one.token for one in toy.calls["submit"]}) == 2


def test_why_a_job_waits_is_told(start: Callable[..., Session]) -> None:
    """What is not handed over yet says by which limit."""
    run = start(Toy()).submit([Job(TRUE)] * 4, max_running=3, max_queued=2)
    assert run.jobs[0].message is None
    message = "not submitted yet: max_running is 3 and max_queued is 2"
    assert run.jobs[3].message == message


def test_a_whole_run_passes_through_in_order(start: Callable[..., Session], clock: Clock) -> None:
    """All jobs run, each once, and never more than three at a time."""
    toy = Toy()
    run = start(toy).submit([Job(TRUE)] * 10, max_running=3)
    while not run.finished:
        assert len(toy.alive()) <= 3
        end(toy, run, toy.alive()[0])
        go_on(run, clock)
    assert run.counts == {State.DONE: 10}
    assert [job.native_id for job in run.watched.state.jobs] == [
        f"{number}.{task}"
        for number, count in enumerate([one.count for one in toy.calls["submit"]], 1)
        for task in range(1, count + 1)
    ]


def test_jobs_that_wait_in_the_queue_can_be_limited(
    start: Callable[..., Session], clock: Clock
) -> None:
    """Jobs that run make room for others in the queue."""
    toy = Toy()
    run = start(toy).submit([Job(TRUE)] * 6, max_queued=2)
    assert len(toy.alive()) == 2
    toy.answers["1.1"] = said(State.RUNNING)
    go_on(run, clock)
    assert len(toy.alive()) == 3
    assert run.counts == {State.RUNNING: 1, State.QUEUED: 2, State.NEW: 3}


def test_few_commands_are_run_where_the_limit_is_large(
    start: Callable[..., Session], clock: Clock
) -> None:
    """Room is used when there is a tenth of the limit, or enough for all that wait."""
    toy = Toy()
    run = start(toy).submit([Job(TRUE)] * 130, max_running=100)
    for _ in range(9):
        end(toy, run, toy.alive()[0])
        go_on(run, clock)
    assert [one.count for one in toy.calls["submit"]] == [100]
    end(toy, run, toy.alive()[0])
    go_on(run, clock)
    assert [one.count for one in toy.calls["submit"]] == [100, 10]


def test_what_is_in_doubt_takes_room(start: Callable[..., Session], clock: Clock) -> None:
    """While nobody knows whether a submit command has left jobs, they count."""
    toy = Toy(array=2)
    toy.scripted["submit"] = [TIMEOUT]
    toy.scripted["find"] = [TIMEOUT] * 50
    run = start(toy).submit([Job(TRUE)] * 6, max_running=2)
    go_on(run, clock, 30)
    assert [one.number for one in toy.calls["submit"]] == [0]
    assert run.counts == {State.NEW: 6}


def test_a_slow_submit_command_holds_up_no_other_submission(
    start: Callable[..., Session], clock: Clock
) -> None:
    """While there is room, all submissions of a run are handed over at once by who submits it."""
    toy = Toy(array=2)

    def slow() -> list[str]:
        clock.now += 5.0
        return toy.take(toy.calls["submit"][-1])

    toy.usual["submit"] = slow
    run = start(toy).submit([Job(TRUE)] * 7, max_running=6)
    assert run.counts == {State.QUEUED: 6, State.NEW: 1}


def test_retried_jobs_count(start: Callable[..., Session], clock: Clock) -> None:
    """A job that failed is run again within the limit, before those that wait."""
    toy = Toy()
    run = start(toy).submit([Job(TRUE, retry=1)] * 5, max_running=2)
    end(toy, run, "1.1", code=1)
    go_on(run, clock, 2)
    assert len(toy.alive()) == 2
    assert run.jobs[0].attempt == 1
    assert indices(run, State.QUEUED) == [0, 1]


def test_jobs_that_depend_on_others_hold_up_nobody(
    start: Callable[..., Session], clock: Clock
) -> None:
    """What waits for jobs takes no room, and is handed over in its turn."""
    toy = Toy()
    first = Job(TRUE, name="first")
    jobs = [first, Job(TRUE, after=[first]), *[Job(TRUE, name="third")] * 3]
    run = start(toy).submit(jobs, max_running=2)
    assert indices(run, State.QUEUED) == [0, 2]
    while not run.finished:
        assert len(toy.alive()) <= 2
        end(toy, run, toy.alive()[0])
        go_on(run, clock)
    assert run.counts == {State.DONE: 5}


def test_jobs_of_which_the_end_is_wanted_are_never_handed_over(
    start: Callable[..., Session], clock: Clock
) -> None:
    """Those that wait for room end at once, and the others go on."""
    toy = Toy()
    run = start(toy).submit([Job(TRUE)] * 6, max_running=2)
    run.terminate([2, 3])
    end(toy, run, *toy.alive())
    go_on(run, clock)
    assert indices(run, State.TERMINATED) == [2, 3]
    assert indices(run, State.QUEUED) == [4, 5]
    assert run.terminate() == 2
    go_on(run, clock, 3)
    assert run.finished
    assert len(toy.calls["submit"]) == 2


def test_another_process_goes_on_within_the_limit(
    start: Callable[..., Session], clock: Clock
) -> None:
    """It reads what was handed over; both together never exceed it."""
    toy = Toy()
    mine = start(toy).submit([Job(TRUE)] * 8, max_running=3)
    other = start(toy).attach(mine.id)
    while not other.finished:
        end(toy, other, toy.alive()[0])
        go_on(other, clock)
        go_on(mine, clock)
        assert len(toy.alive()) <= 3
    assert mine.counts == other.counts == {State.DONE: 8}
    assert sum(one.count for one in toy.calls["submit"]) == 8


def test_a_part_whose_process_died_is_taken_on(start: Callable[..., Session], clock: Clock) -> None:
    """What was set apart and not announced is handed over by the next, as it is."""
    toy = Toy()
    toy.scripted["submit"] = [NotSubmitted("try later")]
    mine = start(toy).submit([Job(TRUE)] * 5, max_running=2)
    other = start(toy).attach(mine.id)
    go_on(other, clock, 3)
    assert [one.number for one in toy.calls["submit"]] == [1, 1]
    assert indices(other, State.QUEUED) == [0, 1]


def test_a_limit_can_be_changed(start: Callable[..., Session], clock: Clock) -> None:
    """At once for who asks, and for every other process that watches the run."""
    toy = Toy()
    mine = start(toy).submit([Job(TRUE)] * 12, max_running=2)
    other = start(toy).attach(mine.id)
    assert (other.limit(max_running=4).max_running, len(toy.alive())) == (4, 4)
    go_on(mine, clock)
    assert mine.limit().max_running == 4
    mine.limit(max_running=1)
    end(toy, mine, *toy.alive()[:3])
    go_on(other, clock)
    go_on(mine, clock)
    assert len(toy.alive()) == 1
    mine.limit(max_running=None)
    assert toy.calls["submit"][-1].count == 8


@pytest.mark.parametrize("most", [0, -1, 1.5, "3", True])
def test_a_limit_that_is_none_is_refused(start: Callable[..., Session], most: Any) -> None:
    """Nothing is submitted then, and a run keeps its own."""
    session = start(Toy())
    with pytest.raises(UsageError, match="max_running must be a whole number"):
        session.submit(Job(TRUE), max_running=most)
    run = session.submit(Job(TRUE), max_running=2)
    with pytest.raises(UsageError, match="max_queued must be a whole number"):
        run.limit(max_queued=most)
    assert run.limit().max_running == 2


def test_a_setting_limits_every_run(start: Callable[..., Session]) -> None:
    """What is given for a run wins."""
    toy = Toy()
    session = start(toy, settings={"anybatch": {"max_running": 2}})
    session.submit([Job(TRUE)] * 4)
    session.submit([Job(TRUE)] * 4, max_running=3)
    assert [one.count for one in toy.calls["submit"]] == [2, 3]


def test_packs_count_with_the_jobs_that_they_run_side_by_side(
    start: Callable[..., Session], clock: Clock
) -> None:
    """Of packs of four that run two jobs at once, two may be there where four jobs may run."""
    toy = Toy()
    run = start(toy).submit([Job(TRUE)] * 20, pack=Pack(4, side_by_side=2), max_running=5)
    assert [one.count for one in toy.calls["submit"]] == [2]
    assert indices(run, State.QUEUED) == [*range(8)]
    with pytest.raises(UsageError, match="2 jobs of each pack run side by side"):
        run.limit(max_running=1)
    native = ThrottledToy()
    start(native).submit([Job(TRUE)] * 20, pack=Pack(4, side_by_side=2), max_running=5)
    assert [(one.count, one.max_running) for one in native.calls["submit"]] == [(5, 2)]


# -- where the batch system counts


def test_a_system_that_counts_gets_all_jobs_at_once(start: Callable[..., Session]) -> None:
    """One submit command, and the system keeps the number."""
    toy = ThrottledToy()
    run = start(toy).submit([Job(TRUE)] * 12, max_running=3)
    assert [(one.count, one.max_running) for one in toy.calls["submit"]] == [(12, 3)]
    assert run.counts == {State.QUEUED: 12}


def test_what_is_shown_is_what_runs(start: Callable[..., Session]) -> None:
    """The plan has the number that the first submission gets."""
    plan = start(ThrottledToy()).plan([Job(TRUE)] * 12, max_running=3)
    assert [one.submission.max_running for one in plan.submissions] == [3]
    unlimited = start(Toy()).plan([Job(TRUE)] * 12, max_running=3)
    assert [one.submission.max_running for one in unlimited.submissions] == [None]


def test_several_submissions_share_the_number(start: Callable[..., Session], clock: Clock) -> None:
    """The second gets what the first does not use, and more as it ends; never more together."""
    toy = ThrottledToy(array=4)
    run = start(toy).submit([Job(TRUE)] * 8, max_running=3)
    assert [(one.count, one.max_running) for one in toy.calls["submit"]] == [(4, 3)]
    end(toy, run, "1.1", "1.2")
    go_on(run, clock)
    assert toy.calls["submit"][-1].max_running == 1
    assert toy.able() == 3
    end(toy, run, "1.3", "1.4")
    go_on(run, clock)
    assert toy.calls["throttle"] == [(1, 3)]
    assert toy.able() == 3


def test_a_change_is_told_to_the_system(start: Callable[..., Session], clock: Clock) -> None:
    """One command for a submission; a restart knows what it was told."""
    toy = ThrottledToy()
    run = start(toy).submit([Job(TRUE)] * 12, max_running=3)
    run.limit(max_running=5)
    assert toy.calls["throttle"] == [(0, 5)]
    run.limit(max_running=2)
    other = start(toy).attach(run.id)
    go_on(other, clock, 3)
    assert toy.calls["throttle"] == [(0, 5), (0, 2)]
    run.limit(max_running=None)
    assert toy.calls["throttle"][-1] == (0, 12)


def test_a_change_that_could_not_be_told_is_told_later(
    start: Callable[..., Session], clock: Clock
) -> None:
    """Meanwhile nothing more is handed over than the old number allows."""
    toy = ThrottledToy()
    toy.scripted["throttle"] = [TIMEOUT]
    run = start(toy).submit([Job(TRUE)] * 12, max_running=3)
    run.limit(max_running=5)
    go_on(run, clock, 40)
    assert toy.calls["throttle"] == [(0, 5), (0, 5)]
    assert toy.able() == 5


def test_a_system_that_counts_and_cannot_change_it(
    start: Callable[..., Session], clock: Clock
) -> None:
    """It is asked once; what is submitted later gets the rest."""
    toy = ThrottledToy(array=4)
    toy.usual["throttle"] = lambda: False
    run = start(toy).submit([Job(TRUE)] * 8, max_running=2)
    run.limit(max_running=5)
    go_on(run, clock, 5)
    assert toy.calls["throttle"] == [(0, 4)]
    assert [(one.count, one.max_running) for one in toy.calls["submit"]] == [(4, 2), (4, 3)]
    assert toy.able() == 5


# -- whatever happens


@pytest.mark.parametrize("seed", range(12))
def test_the_limit_is_never_exceeded(
    start: Callable[..., Session], clock: Clock, seed: int
) -> None:
    """Jobs end and fail, commands are lost, processes come: all jobs run, never too many."""
    chance = random.Random(seed)
    toy = chance.choice([Toy, ThrottledToy])(array=chance.choice([2, 5, 100]))
    most = chance.choice([1, 2, 3, 7])
    jobs = [Job(TRUE, name=chance.choice("ab"), retry=1) for _ in range(15)]
    runs = [start(toy).submit(jobs, max_running=most, max_queued=chance.choice([None, 2]))]
    for _ in range(400):
        run = chance.choice(runs)
        match chance.randrange(8):
            case 0 if len(runs) < 3:
                runs.append(start(toy).attach(run.id))
            case 1:
                toy.scripted["submit"] = [TIMEOUT]
            case 2:
                toy.scripted["submit"] = [taking_and_silent(toy)]
            case 3:
                toy.scripted["throttle"] = [TIMEOUT]
            case 4 if toy.alive():
                toy.answers[chance.choice(toy.alive())] = said(State.RUNNING)
            case 5 | 6 if toy.alive():
                go_on(run, clock)
                known = [one for one in toy.alive() if one in natives(run)]
                for native in known[:1]:
                    end(toy, run, native, code=chance.choice([0, 0, 1]))
        go_on(run, clock, chance.choice([1, 1, 5]))
        assert toy.able() <= most
        if all(one.finished for one in runs):
            break
    assert all(one.finished for one in runs), [one.counts for one in runs]
    assert all(job.state in (State.DONE, State.FAILED) for job in runs[0].jobs)
    ids = [one for some in toy.tokens.values() for one in some]
    assert len(ids) == sum(job.attempt + 1 for job in runs[0].jobs)


def natives(run: Run) -> set[str | None]:
    return {job.native_id for job in run.watched.state.jobs}


def taking_and_silent(toy: Toy) -> Callable[[], None]:
    def submit() -> None:
        toy.take(toy.calls["submit"][-1])
        raise TIMEOUT

    return submit
