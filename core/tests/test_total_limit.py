"""At most so many jobs of all runs of a user at once, whoever submits, and whatever happens."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import platformdirs
import pytest
from anybatch.errors import AnybatchError, UsageError
from anybatch.hookspecs import hookimpl
from anybatch.model import Job, State
from anybatch.packing import Pack
from anybatch.planning.plan import RunLimit
from hypothesis import given
from hypothesis import strategies as st

from .test_limit import TIMEOUT, end, go_on, indices, natives, start, taking_and_silent
from .toy import Clock, ThrottledToy, Toy, plugins_of, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.records import Rendered, Submission
    from anybatch.run import Run
    from anybatch.session import Session

__all__ = ["start"]  # a fixture
TRUE = ["true"]


@pytest.fixture(autouse=True)
def own_state(isolated: Path) -> None:
    """The limit of all runs is this test's."""


def record(system: str = "toy") -> Path:
    """Where the limit is on record."""
    return platformdirs.user_state_path("anybatch") / "limits" / system / "limit"


def test_runs_share_the_number(start: Callable[..., Session], clock: Clock) -> None:
    """The second run gets what the first leaves, and more as jobs of either end."""
    toy = Toy()
    session = start(toy)
    session.limit(max_running=5)
    first, second = session.submit([Job(TRUE)] * 3), session.submit([Job(TRUE)] * 4)
    assert [one.count for one in toy.calls["submit"]] == [3, 2]
    end(toy, first, *toy.alive()[:2])
    go_on(first, clock)
    assert second.counts == {State.QUEUED: 4}


def test_who_watches_one_run_sees_the_ends_of_all(
    start: Callable[..., Session], clock: Clock
) -> None:
    """A run whose submitter is gone makes room when its jobs have ended, though nobody has it."""
    toy = Toy()
    gone = start(toy)
    gone.limit(max_running=3)
    first = gone.submit([Job(TRUE)] * 3)
    session = start(toy)
    later = session.submit([Job(TRUE)] * 3)
    assert later.counts == {State.NEW: 3}
    end(toy, first, *toy.alive())
    go_on(later, clock, 3)
    assert later.counts == {State.QUEUED: 3}
    assert [run.id for run in start(toy).runs()] == [later.id], "the first has not been put away"


def test_a_submission_counts_what_has_ended_meanwhile(start: Callable[..., Session]) -> None:
    """Who only submits looks at the records of other runs before."""
    toy = Toy()
    session = start(toy, settings={"anybatch": {"max_running_total": 3}})
    first = session.submit([Job(TRUE)] * 3)
    end(toy, first, *toy.alive())
    later = start(toy, settings={"anybatch": {"max_running_total": 3}}).submit([Job(TRUE)] * 3)
    assert later.counts == {State.QUEUED: 3}


def test_runs_that_are_seen_for_their_number_are_not_told(
    start: Callable[..., Session], clock: Clock
) -> None:
    """A program that follows its own runs has not looked how those of others ended."""
    toy = Toy()
    start(toy).limit(max_running=2)
    theirs = start(toy).submit([Job(TRUE)] * 2)
    session = start(toy)
    session._engine._follows = True
    mine = session.submit(Job(TRUE))
    end(toy, theirs, *toy.alive(), code=1)
    go_on(mine, clock)
    end(toy, mine, *toy.alive())
    go_on(mine, clock)
    assert [run.id for run in start(toy).runs(untold=True)] == [theirs.id]


def test_why_a_job_waits_is_told(start: Callable[..., Session], clock: Clock) -> None:
    """Also by who did not submit it; somebody has to watch."""
    toy = Toy()
    start(toy).limit(max_running=2, max_queued=7)
    run = start(toy).submit([Job(TRUE)] * 3, max_running=3)
    seen = start(toy).attach(run.id)
    assert [job.message for job in seen.jobs] == [
        None,
        None,
        "not submitted yet: max_running is 3 and max_running of all runs is 2 and max_queued of "
        "all runs is 7",
    ]
    assert seen.unattended


def test_each_batch_system_has_its_own(tmp_path: Path, clock: Clock) -> None:
    """Jobs elsewhere take no room."""
    toys = {"toy": Toy(), "other": Toy()}
    session = session_of(tmp_path, toys["toy"], plugins=plugins_of(**toys))
    session.limit(max_running=1)
    session.submit([Job(TRUE)] * 3)
    other = session_of(tmp_path, toys["toy"], plugins=plugins_of(**toys))
    other._name = "other"
    assert other.limit() == RunLimit()
    other.submit([Job(TRUE)] * 3)
    assert [len(toy.alive()) for toy in toys.values()] == [1, 3]


def test_jobs_in_the_queue_are_limited(start: Callable[..., Session], clock: Clock) -> None:
    """Together, too; those that run make room."""
    toy = Toy()
    session = start(toy)
    session.limit(max_queued=2)
    first, second = session.submit([Job(TRUE)] * 2), session.submit([Job(TRUE)] * 2)
    assert second.counts == {State.NEW: 2}
    toy.usual["status"] = lambda: {one: toy.answers[one] for one in toy.answers}
    for native in toy.alive():
        toy.answers[native] = type(toy.answers[native])(
            state=State.RUNNING, native_state="R", source="toystat"
        )
    go_on(second, clock)
    assert first.counts == {State.RUNNING: 2}
    assert second.counts == {State.QUEUED: 2}


# -- it can be changed


def test_a_change_reaches_every_process(start: Callable[..., Session], clock: Clock) -> None:
    """The next look of whoever watches; `None` takes it away."""
    toy = Toy()
    run = start(toy).submit([Job(TRUE)] * 12, max_running=12)
    end(toy, run, *toy.alive())
    session = start(toy)
    session.limit(max_running=2)
    later = session.submit([Job(TRUE)] * 12)
    other = start(toy)
    assert other.limit(max_running=4).max_running == 4
    assert len(toy.alive()) == 4
    other.limit(max_queued=3)
    assert other.limit() == RunLimit(max_running=4, max_queued=3)
    other.limit(max_running=None, max_queued=None)
    go_on(later, clock)
    assert later.counts == {State.QUEUED: 12}


def test_of_two_numbers_the_smaller_holds(start: Callable[..., Session]) -> None:
    """The setting of a program, what is on record, and the run's own."""
    toy = Toy()
    settings = {"anybatch": {"max_running_total": 3}}
    session = start(toy, settings=settings)
    assert session.limit(max_running=5).max_running == 3
    session.submit([Job(TRUE)] * 5, max_running=4)
    assert len(toy.alive()) == 3
    assert start(toy).limit().max_running == 5


def test_systems_that_count_are_told(start: Callable[..., Session], clock: Clock) -> None:
    """The latest run gets less first, the earliest more first."""
    toy = ThrottledToy()
    session = start(toy)
    session.limit(max_running=10)
    runs = [session.submit([Job(TRUE)] * 6), session.submit([Job(TRUE)] * 6)]
    assert [(one.count, one.max_running) for one in toy.calls["submit"]] == [(6, None), (6, 4)]
    session.limit(max_running=5)
    assert toy.able() == 5
    assert sorted(toy.most.values()) == [1, 4]
    start(toy).limit(max_running=None)
    for run in runs:
        go_on(run, clock)
    assert toy.able() == 12


# -- what must not happen


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"max_running": 0, "max_queued": null}', "[" * 99_999]
)
def test_a_limit_that_cannot_be_read_lets_nothing_through(
    start: Callable[..., Session], clock: Clock, notices: list[str], text: str
) -> None:
    """Who submits is told what to do; set anew, it holds."""
    toy = Toy()
    start(toy).limit(max_running=2)
    record().write_text(text)
    session = start(toy, on_notice=notices.append)
    run = session.submit([Job(TRUE)] * 3)
    assert not toy.calls["submit"]
    assert "anybatch limit all --max-running N" in notices[0]
    assert "anybatch limit all --max-running N" in str(run.jobs[0].message)
    session.limit(max_running=1)
    go_on(run, clock)
    assert indices(run, State.QUEUED) == [0]


def test_a_limit_that_others_may_write_is_not_believed(start: Callable[..., Session]) -> None:
    """Nothing is handed over under it, neither more nor less."""
    toy = Toy()
    session = start(toy)
    session.limit(max_running=2)
    record().chmod(0o666)
    with pytest.raises(AnybatchError, match="is not used"):
        start(toy).limit()


def test_a_run_that_cannot_be_read_does_not_count(
    start: Callable[..., Session], clock: Clock, notices: list[str]
) -> None:
    """It hinders no other run for ever; that it does not count is said once."""
    toy = Toy()
    session = start(toy)
    session.limit(max_running=3)
    first = session.submit([Job(TRUE)] * 3)
    (first.folder / "run.json").rename(first.folder / "away")
    later = start(toy, on_notice=notices.append).submit([Job(TRUE)] * 2)
    go_on(later, clock, 10)
    assert later.counts == {State.QUEUED: 2}
    assert [text for text in notices if "does not count for the limit of all runs" in text] == [
        notices[0]
    ]


def test_packs_that_need_more_say_so(start: Callable[..., Session]) -> None:
    """Two jobs side by side never start where one may run."""
    toy = Toy()
    session = start(toy)
    session.limit(max_running=1)
    run = session.submit([Job(TRUE)] * 4, pack=Pack(4, side_by_side=2))
    assert "2 jobs of each pack run side by side" in str(run.jobs[0].message)


@pytest.mark.parametrize("most", [0, -1, "many"])
def test_a_limit_that_is_none_is_refused(start: Callable[..., Session], most: Any) -> None:
    """As a setting, and in a call, where it changes nothing."""
    session = start(Toy())
    session.limit(max_running=2)
    with pytest.raises(UsageError, match="max_running must be"):
        session.limit(max_running=most)
    assert session.limit().max_running == 2
    with pytest.raises(UsageError, match="max_running_total"):
        start(Toy(), settings={"anybatch": {"max_running_total": most}})


class Interrupted(Toy):
    """One that lets another process act between what is found free and what is announced."""

    meanwhile: Callable[[], object] | None = None

    @hookimpl
    def anybatch_render(self, submission: Submission) -> Rendered:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        rendered: Rendered = super().anybatch_render(submission)
        return rendered


def test_the_last_place_is_taken_once(start: Callable[..., Session], clock: Clock) -> None:
    """Of two that found it free, the one that counts later leaves it, and has it next."""
    toy = Interrupted()
    first, second = start(toy), start(toy)
    first.limit(max_running=2)
    theirs: list[Run] = []
    plan = first.plan([Job(TRUE)] * 3)
    toy.meanwhile = lambda: theirs.append(second.submit([Job(TRUE)] * 2))
    mine = first.submit_plan(plan)
    assert (mine.counts, theirs[0].counts) == ({State.NEW: 3}, {State.QUEUED: 2})
    end(toy, theirs[0], *toy.alive())
    go_on(mine, clock)
    assert mine.counts == {State.QUEUED: 2, State.NEW: 1}


@pytest.mark.parametrize("seed", range(6))
def test_the_limit_is_never_exceeded(
    start: Callable[..., Session], clock: Clock, seed: int
) -> None:
    """Runs come, commands are lost, the limit is changed, processes go: all jobs run in the end."""
    chance = random.Random(seed)
    toy = chance.choice([Toy, ThrottledToy])(array=chance.choice([2, 100]))
    most = chance.choice([1, 2, 5])
    sessions = [start(toy)]
    sessions[0].limit(max_running=most)
    runs = [sessions[0].submit([Job(TRUE, retry=1)] * chance.randrange(1, 7)) for _ in range(3)]
    for _ in range(80):
        run = chance.choice(runs)
        match chance.randrange(7):
            case 0 if len(runs) < 8:
                sessions.append(start(toy))
                runs.append(sessions[-1].attach(run.id))
            case 1 if len({one.id for one in runs}) < 5:
                sessions.append(start(toy))
                runs.append(
                    sessions[-1].submit([Job(TRUE)] * 3, max_running=chance.choice([1, None]))
                )
            case 2:
                toy.scripted["submit"] = [TIMEOUT]
            case 3:
                toy.scripted["submit"] = [taking_and_silent(toy)]
            case 4 | 5 | 6 if toy.alive():
                go_on(run, clock)
                known = [one for one in toy.alive() if one in natives(run)]
                for native in known[:1]:
                    end(toy, run, native, code=chance.choice([0, 0, 1]))
        go_on(run, clock, chance.choice([1, 1, 5]))
        assert toy.able() <= most
    for _ in range(100):
        for run in runs:
            end(toy, run, *(one for one in toy.alive() if one in natives(run)))
            go_on(run, clock, 5)
            assert toy.able() <= most
        if all(one.finished for one in runs):
            break
    assert all(one.finished for one in runs), [one.counts for one in runs]


@given(
    setting=st.none() | st.integers(1, 9),
    on_record=st.none() | st.integers(1, 9),
)
def test_the_smaller_is_what_holds(setting: int | None, on_record: int | None) -> None:
    """None is no number; for every pair."""
    from anybatch.runs.total_limit import smaller

    found = smaller(RunLimit(max_running=setting), RunLimit(max_running=on_record)).max_running
    assert found == min((one for one in (setting, on_record) if one), default=None)
