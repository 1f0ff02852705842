"""How urgent jobs are: checked, grouped, kept, and refused where it would mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError, UsageError
from anybatch.hookspecs import hookimpl
from anybatch.model import Job
from anybatch.packing import Pack
from anybatch.records import Kind, Limits, Setting, SiteDefault
from anybatch.urgency import MOST, scaled
from hypothesis import given
from hypothesis import strategies as st

from .toy import Toy, leave_record, local_host, plugins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anybatch.run import Run
    from anybatch.session import Session

TRUE = ["true"]
URGENCIES = st.integers(-MOST, MOST)


class Urgent(Toy):
    """A batch system that knows which jobs are urgent, and has options of its own for it."""

    @hookimpl
    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        return Limits(array=100, urgency=True, max_running=False)

    @hookimpl
    def anybatch_settings(self) -> Sequence[Setting]:
        return [
            Setting(name="priority", kind=Kind.OPTION, same_as="urgency"),
            Setting(name="nice", kind=Kind.OPTION, overlaps={"urgency": ""}),
            Setting(name="rank", kind=Kind.OPTION, default=3, overlaps={"urgency": ""}),
        ]


class Site:
    """A site with a priority for those who ask for none."""

    @hookimpl
    def anybatch_settings(self) -> Sequence[SiteDefault]:
        return [SiteDefault("toy.nice", 7)]


@pytest.fixture
def start(new_session: Callable[..., Session]) -> Callable[..., Session]:
    """Makes sessions on a toy system."""

    def make(toy: Toy, *, site: object = None, **more: Any) -> Session:
        plugins = plugins_of(toy=toy, **({} if site is None else {"site": site}))
        return new_session("toy", plugins=plugins, host=local_host(), **more)

    return make


def end(run: Run) -> None:
    """Let all jobs fail, as their exit records tell."""
    for job in run.jobs:
        leave_record(run.folder, f"{job.index}.{job.attempt}.0.command.exit-1")
    run._engine.step(force=True)


@given(URGENCIES, URGENCIES, st.integers(-2000, 0), st.integers(0, 50), st.integers(0, 3000))
def test_the_scale_of_a_system_keeps_the_order(
    a: int, b: int, least: int, up: int, most: int
) -> None:
    """It never falls, has the ends, and tells every urgency from the usual where there is room."""
    usual = least + up
    most += usual

    def made(urgency: int) -> int:
        return scaled(urgency, least=least, usual=usual, most=most)

    assert made(min(a, b)) <= made(max(a, b))
    assert (made(-MOST), made(0), made(MOST)) == (least, usual, most)
    assert a <= 0 or most == usual or made(a) > usual
    assert a >= 0 or least == usual or made(a) < usual


@pytest.mark.parametrize("wrong", [101, -101, 10**30, 1.0, True, "5", None, float("nan")])
def test_what_is_no_urgency_is_refused(wrong: Any) -> None:
    """It is a whole number, -100 to 100."""
    with pytest.raises(JobError, match="urgency must be a whole number, -100 to 100"):
        Job(TRUE, urgency=wrong)


@given(URGENCIES)
def test_a_job_as_a_record_keeps_its_urgency(urgency: int) -> None:
    """Written and read back it is the same; the usual one is not written."""
    job = Job(TRUE, urgency=urgency)
    assert Job.from_dict(job.to_dict()) == job
    assert ("urgency" in job.to_dict()) == bool(urgency)


def test_a_record_with_another_kind_of_urgency_is_refused() -> None:
    """Texts and truth values are named."""
    for wrong in ("high", True, 1.5):
        with pytest.raises(JobError, match="urgency must be a whole number"):
            Job.from_dict({"command": TRUE, "urgency": wrong})


def test_jobs_of_one_submission_are_equally_urgent(start: Callable[..., Session]) -> None:
    """Others are further submissions, and the most urgent is handed over first."""
    toy = Urgent()
    start(toy).submit([Job(TRUE, urgency=n) for n in (0, -5, 30, 0, 30, -5)])
    assert [(one.urgency, one.count) for one in toy.calls["submit"]] == [(30, 2), (0, 2), (-5, 2)]


def test_packs_are_as_urgent_as_their_jobs(start: Callable[..., Session]) -> None:
    """A pack is of jobs of one urgency."""
    plan = start(Urgent()).plan([Job(TRUE, urgency=n) for n in (1, 2) * 6], pack=Pack(4))
    assert [(one.submission.urgency, one.submission.count) for one in plan.submissions] == [
        (1, 2),
        (2, 2),
    ]


def test_of_a_limited_run_the_most_urgent_go_first(start: Callable[..., Session]) -> None:
    """Room goes to them, in whatever order the jobs were given."""
    toy = Urgent()
    run = start(toy).submit([Job(TRUE, urgency=n) for n in (-1, -1, 4, 4, 0)], max_running=2)
    handed = [job.index for job in run.jobs if job.id is not None]
    assert handed == [2, 3]


def test_a_system_that_knows_no_urgency_refuses_it(start: Callable[..., Session]) -> None:
    """A plugin that says nothing of it is such a one; the usual urgency is always fine."""
    session = start(Toy())
    session.submit(Job(TRUE))
    with pytest.raises(JobError, match="the urgency is -1, but jobs of toy have none"):
        session.plan(Job(TRUE, urgency=-1))
    with pytest.raises(JobError, match="leave out the urgency"):
        session.submit([Job(TRUE), Job(TRUE, urgency=5)])


def test_an_option_that_tells_of_the_same_is_refused(start: Callable[..., Session]) -> None:
    """Equal words are fine; a default of a plugin or a site gives way."""
    session = start(Urgent(), site=Site())
    for table in ({"nice": 0}, {"priority": 4}):
        with pytest.raises(JobError, match="urgency = 5, and toy"):
            session.plan(Job(TRUE, urgency=5, settings={"toy": table}))
    session.plan(Job(TRUE, urgency=5, settings={"toy": {"priority": 5}}))
    session.plan(Job(TRUE, settings={"toy": {"nice": 5}}))
    [planned] = session.plan(Job(TRUE, urgency=5)).submissions
    assert (planned.submission.settings["nice"], planned.submission.settings["rank"]) == (
        None,
        None,
    )
    [planned] = session.plan(Job(TRUE)).submissions
    assert (planned.submission.settings["nice"], planned.submission.settings["rank"]) == (7, 3)


def test_a_rerun_may_be_more_urgent(start: Callable[..., Session]) -> None:
    """Else it is as urgent as before; retries always are."""
    toy = Urgent()
    run = start(toy).submit([Job(TRUE, urgency=-3)] * 2)
    end(run)
    assert run.rerun([0]) == 1
    assert run.rerun([1], urgency=60) == 1
    assert [one.urgency for one in toy.calls["submit"]] == [-3, -3, 60]


def test_a_rerun_that_cannot_be_is_refused(start: Callable[..., Session]) -> None:
    """What is no urgency, and one that an option contradicts; defaults give way here too."""
    toy = Urgent()
    session = start(toy, site=Site())
    run = session.submit([Job(TRUE), Job(TRUE, settings={"toy": {"priority": 2}})])
    end(run)
    with pytest.raises(UsageError, match="urgency must be a whole number"):
        run.rerun(urgency=101)
    with pytest.raises(UsageError, match=r"urgency = 9, and toy.priority = 2 \(as they were"):
        run.rerun([1], urgency=9)
    assert run.rerun([0], urgency=9) == 1
    assert toy.calls["submit"][-1].settings["nice"] is None


def test_a_run_on_record_keeps_its_urgency(start: Callable[..., Session]) -> None:
    """Who attaches knows it, and has jobs run again with it."""
    toy = Urgent()
    name = start(toy).submit(Job(TRUE, urgency=17)).id
    run = start(toy).attach(name)
    end(run)
    assert run.rerun() == 1
    assert toy.calls["submit"][-1].urgency == 17
