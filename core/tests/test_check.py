"""Asking a batch system whether it would take jobs, before anything is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, Resources, UsageError
from anybatch.cli.asking import analysis_of
from anybatch.errors import CommandFailed, NoRoom, PluginError, Rejected
from anybatch.hookspecs import hookimpl
from anybatch.host import Command, Completed
from anybatch.model import State

from .toy import Toy, said, session_of

if TYPE_CHECKING:
    from pathlib import Path

    from anybatch.records import Batch, Rendered, Submission

TRUE = Job(["true"])
AWAY = CommandFailed(Command(("toycheck",)), Completed(1, stderr="down"))


class Asked(Toy):
    """A batch system that can be asked."""

    def __init__(self, *answers: Any, array: int = 100) -> None:
        super().__init__(array=array, dependencies=True)
        self.scripted["check"] = [*answers]

    @hookimpl
    def anybatch_check(self, submission: Submission, rendered: Rendered) -> Any:
        self.calls["check"].append(submission)
        assert not submission.folder.exists()
        return self._next("check", lambda: "would start at noon")


def check(tmp_path: Path, toy: Toy, *jobs: Job) -> list[str]:
    with session_of(tmp_path, toy) as session:
        plan = session.plan([*jobs])
        told = session.check(plan)
        assert not plan.folder.exists()
    assert not toy.calls["submit"]
    return [f"{one.asked} {one}" for one in told]


def test_one_question_for_jobs_that_are_alike(tmp_path: Path) -> None:
    """However many, in however many arrays, and whatever their names; the largest is shown."""
    toy = Asked(array=4)
    two = Job(["true"], resources=Resources(cores=2))
    named = Job(["true"], name="other")
    told = check(tmp_path, toy, *[TRUE] * 6, two, *[named] * 2)
    assert told == ["True jobs 0-5,7-8: would start at noon", "True would start at noon"]
    assert [one.count for one in toy.calls["check"]] == [4, 1]


def test_what_jobs_run_after_is_left_out(tmp_path: Path) -> None:
    """It has no id yet; and jobs that need not run are not asked about."""
    toy = Asked()
    done = Job(["true"], outputs=["there"], output_dir="out", skip_existing=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "there").touch()
    check(tmp_path, toy, TRUE, Job(["true"], after=TRUE), done)
    assert [one.after for one in toy.calls["check"]] == [()]


def test_what_would_be_refused_is_told_in_the_systems_words(tmp_path: Path) -> None:
    """And which jobs; nothing is submitted."""
    toy = Asked("", Rejected("no such account; set toy.account"))
    two = Job(["true"], resources=Resources(cores=2))
    with pytest.raises(JobError, match="toy would refuse jobs 1-2: no such account; set toy"):
        check(tmp_path, toy, TRUE, two, two)
    assert not toy.calls["submit"]


@pytest.mark.parametrize(
    ("toy", "told"),
    [
        (Toy(), "False toy cannot be asked whether it would take jobs, or when they would start"),
        (Asked(None), "False toy cannot be asked whether"),
        (Asked(AWAY), "False toy could not be asked: toycheck: exit status 1: down"),
        (Asked(NoRoom("too many jobs")), "False toy could not be asked: too many jobs"),
        (Asked(""), "True toy would take them"),
    ],
)
def test_that_it_cannot_be_asked_is_told(tmp_path: Path, toy: Toy, told: str) -> None:
    """Nothing passes in silence, and nothing is refused for it."""
    [one] = check(tmp_path, toy, TRUE)
    assert one.startswith(told)


@pytest.mark.parametrize("answer", [True, 7, ["yes"], b"yes", OSError("disk")])
def test_an_answer_that_is_none_is_the_plugins_fault(tmp_path: Path, answer: Any) -> None:
    """It is neither a refusal nor a yes."""
    with pytest.raises(PluginError, match="anybatch_check"):
        check(tmp_path, Asked(answer), TRUE)


def test_only_a_plan_can_be_checked(tmp_path: Path) -> None:
    """Jobs have to be planned first."""
    with session_of(tmp_path, Asked()) as session, pytest.raises(UsageError, match="plan must be"):
        session.check([TRUE])  # type: ignore[arg-type]


def test_a_plan_that_was_checked_is_submitted(tmp_path: Path) -> None:
    """As it was shown."""
    toy = Asked()
    with session_of(tmp_path, toy) as session:
        plan = session.plan([TRUE] * 2)
        session.check(plan)
        assert session.submit_plan(plan).id == plan.run
    assert [one.token for one in toy.calls["submit"]] == [one.token for one in toy.calls["check"]]


# -- why one job waits


class Analyzed(Toy):
    """A batch system that can be asked about one job."""

    @hookimpl
    def anybatch_analyze(self, batch: Batch) -> Any:
        self.calls["analyze"].append(batch.ids)
        return self._next("analyze", lambda: "no slot has so much memory")


def test_one_job_that_waits_is_asked_about(tmp_path: Path) -> None:
    """Not several, and none that has started; a system that is away hinders nothing."""
    toy = Analyzed()
    with session_of(tmp_path, toy) as session:
        run = session.submit([TRUE] * 3)
        toy.answers["1.3"] = said(State.RUNNING)
        session.poll()
        assert analysis_of(session, run, [1]) == "no slot has so much memory"
        assert analysis_of(session, run, [0, 1]) == analysis_of(session, run, [2]) == ""
        assert toy.calls["analyze"] == [("1.2",)]
        toy.scripted["analyze"] = [AWAY, 7, None]
        assert analysis_of(session, run, [0]).startswith("toy could not be asked: toycheck: exit")
        assert "anybatch_analyze returned 7" in analysis_of(session, run, [0])
        assert analysis_of(session, run, [0]) == ""


def test_a_system_without_analysis_is_not_asked(tmp_path: Path) -> None:
    """What can be had of all jobs stands beside their states already."""
    with session_of(tmp_path, Toy()) as session:
        assert analysis_of(session, session.submit(TRUE), [0]) == ""
