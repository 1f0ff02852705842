"""Submitting: each submission exactly once, whatever goes wrong; and jobs that run after others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.commands import Submitted
from anybatch.errors import CommandFailed, CommandTimeout, NotSubmitted, Rejected, UsageError
from anybatch.host import Command, Completed
from anybatch.model import Job, Reason, Resources, State
from anybatch.records import Limits
from anybatch.runs.lookup import SETTLE
from anybatch.runs.submitter import PAUSES

from .toy import Clock, Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.run import Run
    from anybatch.session import Session

TRUE = ["true"]
TIMEOUT = CommandTimeout(Command(("toysub",)), "no answer within 120 s")
BUSY = CommandFailed(Command(("toysub",)), Completed(1, "", "try later"))


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy, clock: Clock) -> Callable[..., Session]:
    def make(system: str = "toy", **more: Any) -> Session:
        plugins = more.pop("plugins", None) or plugins_of(toy=toy)
        return new_session(system, plugins=plugins, host=local_host(), **more)

    return make


def go_on(run: Run, clock: Clock, seconds: float) -> None:
    """Let time pass, and let the submitter look each second."""
    for _ in range(int(seconds)):
        clock.now += 1.0
        run._engine.step()


def takes_and_times_out(toy: Toy) -> Callable[[], None]:
    def submit() -> None:
        toy.take(toy.calls["submit"][-1])
        raise TIMEOUT

    return submit


def natives(run: Run) -> list[str | None]:
    return [job.native_id for job in run.watched.state.jobs]


# -- exactly once


def test_one_command_for_many_jobs(start: Callable[..., Session], toy: Toy) -> None:
    """Equal jobs are handed over by one submit command and known by its ids at once."""
    run = start().submit([Job(TRUE)] * 50)
    assert len(toy.calls["submit"]) == 1
    assert natives(run) == [f"1.{task}" for task in range(1, 51)]
    assert run.counts == {State.QUEUED: 50}


def test_what_a_submit_command_says_beside_the_ids_is_told(
    start: Callable[..., Session], toy: Toy, notices: list[str]
) -> None:
    """A warning is no error: the jobs are submitted, and the user reads it once."""
    toy.scripted["submit"] = [lambda: Submitted(toy.take(toy.calls["submit"][-1]), ["odd option"])]
    run = start().submit(Job(TRUE))
    assert natives(run) == ["1.1"]
    assert notices == [f"run {run.id}: odd option"]


def test_a_submit_command_has_its_time_limit(start: Callable[..., Session], toy: Toy) -> None:
    """It is the setting, and what the plugin asks for beside it."""
    started = start(settings={"anybatch": {"submit_timeout": "30s"}})
    started.submit(Job(TRUE))
    toy.extra_timeout = timedelta(minutes=10)
    started.submit(Job(TRUE))
    assert toy.calls["limit"] == [timedelta(seconds=30), timedelta(seconds=630)]


def test_a_time_out_that_took_the_jobs(
    start: Callable[..., Session], toy: Toy, clock: Clock, notices: list[str]
) -> None:
    """After a time-out the jobs are looked up, and found they are not submitted again."""
    toy.scripted["submit"] = [takes_and_times_out(toy)]
    run = start().submit([Job(TRUE)] * 2)
    assert run.counts == {State.NEW: 2}
    assert notices == ["submission failed, retrying in 1 s: toysub: no answer within 120 s"]
    go_on(run, clock, 20)
    assert natives(run) == ["1.1", "1.2"]
    assert len(toy.calls["submit"]) == 1
    assert len(toy.calls["find"]) == 1


def test_a_time_out_that_took_nothing(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """What two look-ups some time apart do not find is submitted again, under its old token."""
    toy.scripted["submit"] = [TIMEOUT]
    run = start().submit(Job(TRUE))
    go_on(run, clock, 1)
    assert len(toy.calls["find"]) == 1
    go_on(run, clock, SETTLE - 1)
    assert len(toy.calls["submit"]) == 1
    go_on(run, clock, 10)
    assert len(toy.calls["find"]) == 2
    assert natives(run) == ["1.1"]
    assert len({one.token for one in toy.calls["submit"]}) == 1
    assert len(toy.calls["submit"]) == 2


def test_jobs_that_appear_late_are_found(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """A request that a busy system still had in a queue is found by the second look-up."""
    toy.scripted["submit"] = [TIMEOUT]
    run = start().submit(Job(TRUE))
    go_on(run, clock, 2)
    toy.take(toy.calls["submit"][0])
    go_on(run, clock, 10)
    assert natives(run) == ["1.1"]
    assert len(toy.calls["submit"]) == 1


def test_jobs_are_awaited_as_long_as_their_request_may_be_on_its_way(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """Nothing is submitted again before the time that the system names, and late jobs are found."""
    toy.scripted["limits"] = [Limits(late_arrival=timedelta(seconds=60))]
    toy.scripted["submit"] = [TIMEOUT]
    run = start().submit(Job(TRUE))
    go_on(run, clock, 55)
    assert len(toy.calls["submit"]) == 1
    toy.take(toy.calls["submit"][0])
    go_on(run, clock, 60)
    assert natives(run) == ["1.1"]
    assert len(toy.calls["submit"]) == 1


def test_what_was_certainly_not_taken_is_submitted_again_without_a_look_up(
    start: Callable[..., Session], toy: Toy, clock: Clock, notices: list[str]
) -> None:
    """The system's words are shown, and after a pause the same is tried again."""
    toy.scripted["submit"] = [NotSubmitted("your 10 jobs are the most that you may have")]
    run = start().submit(Job(TRUE))
    assert run.counts == {State.NEW: 1}
    assert "the most that you may have" in notices[-1]
    go_on(run, clock, 2)
    assert natives(run) == ["1.1"]
    assert toy.calls["find"] == []


def test_a_look_up_that_fails_is_no_answer(
    start: Callable[..., Session], toy: Toy, clock: Clock, notices: list[str]
) -> None:
    """While tokens cannot be looked up nothing is submitted, and the pauses grow."""
    toy.scripted["submit"] = [TIMEOUT]
    toy.scripted["find"] = [BUSY] * 7
    run = start().submit(Job(TRUE))
    go_on(run, clock, 240)
    assert len(toy.calls["submit"]) == 1
    pauses = [f"in {pause:g} s" for pause in (*PAUSES, PAUSES[-1])]
    go_on(run, clock, 310)
    assert [pause in notice for pause, notice in zip(pauses, notices, strict=True)] == [True] * 8
    go_on(run, clock, 310)
    assert natives(run) == ["1.1"]


def test_refreshing_looks_up_and_never_submits(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """A look at a run finds announced jobs, and hands nothing over."""
    toy.scripted["submit"] = [TIMEOUT]
    run = start().submit(Job(TRUE))
    for _ in range(10):
        clock.now += 5
        run.refresh()
    assert len(toy.calls["submit"]) == 1
    toy.take(toy.calls["submit"][0])
    go_on(run, clock, 10)
    assert run.counts == {State.QUEUED: 1} or natives(run) == ["2.1"]


@pytest.mark.parametrize("error", [Rejected("no such queue: loong"), UsageError("no such queue")])
def test_a_refusal_is_the_verdict(
    start: Callable[..., Session], toy: Toy, clock: Clock, error: Exception
) -> None:
    """What the system refuses for good has failed with the system's words, and is not tried on."""
    toy.scripted["submit"] = [error]
    run = start().submit([Job(TRUE)] * 2)
    go_on(run, clock, 60)
    assert [(o.state, o.reason, o.message) for o in run.outcomes if o] == [
        (State.FAILED, Reason.REJECTED, str(error))
    ] * 2
    assert len(toy.calls["submit"]) == 1


def test_a_refusal_hinders_no_other_submission(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """Other submissions of the run go on where one is refused."""
    toy.scripted["submit"] = [Rejected("no")]
    run = start().submit([Job(TRUE), Job(TRUE, resources=Resources(cores=2))])
    assert [job.state for job in run.jobs] == [State.FAILED, State.QUEUED]


@pytest.mark.parametrize("answer", [[], ["1"], ["1", "2", "3"], [1, 2], None, "12"])
def test_a_wrong_answer_names_the_plugin_and_loses_nothing(
    start: Callable[..., Session], toy: Toy, clock: Clock, notices: list[str], answer: Any
) -> None:
    """A plugin's wrong ids are told with its name, and the jobs are looked up."""

    def submit() -> Any:
        toy.take(toy.calls["submit"][-1])
        return answer

    toy.scripted["submit"] = [submit]
    run = start().submit([Job(TRUE)] * 2)
    assert run.counts == {State.NEW: 2}
    assert "plugin 'toy'" in notices[0]
    go_on(run, clock, 5)
    assert natives(run) == ["1.1", "1.2"]
    assert len(toy.calls["submit"]) == 1


def test_a_plugin_that_raises_is_tried_again(
    start: Callable[..., Session], toy: Toy, clock: Clock, notices: list[str]
) -> None:
    """A bug in a plugin's submit is told, and costs no job."""
    toy.scripted["submit"] = [KeyError("x")]
    run = start().submit(Job(TRUE))
    assert "plugin 'toy'" in notices[0]
    go_on(run, clock, 20)
    assert natives(run) == ["1.1"]


DIES = """
import os, sys
sys.path.insert(0, sys.argv[1])
from anybatch.model import Job
from toy import Toy, session_of
toy = Toy()
toy.scripted["submit"] = [lambda: (print(toy.calls["submit"][0].token, flush=True), os._exit(9))]
session_of(os.getcwd(), toy).submit([Job(["true"])] * 2)
"""


@pytest.mark.parametrize("taken", [True, False])
def test_a_process_that_died_while_submitting(
    start: Callable[..., Session],
    toy: Toy,
    clock: Clock,
    run_python: Callable[..., Any],
    taken: bool,
) -> None:
    """What a killed process had announced is looked up by the next, and submitted if not there."""
    process = run_python(DIES, str(Path(__file__).parent))
    token, errors = process.communicate(timeout=60)
    assert process.returncode == 9, errors
    if taken:
        toy.tokens[token.strip()] = ["77.1", "77.2"]
    (run,) = start().runs()
    go_on(run, clock, 10)
    assert natives(run) == (["77.1", "77.2"] if taken else ["1.1", "1.2"])
    assert len(toy.calls["submit"]) == (0 if taken else 1)


HOLDS = """
import sys, time
from anybatch.localhost import LocalHost
from pathlib import Path
lease = LocalHost().lease(Path(sys.argv[1]))
print(lease.take(), flush=True)
time.sleep(600)
"""


def test_one_process_at_a_time_submits(
    start: Callable[..., Session], toy: Toy, clock: Clock, run_python: Callable[..., Any]
) -> None:
    """While another process has the lease of a run nothing is submitted; then it goes on."""
    toy.scripted["submit"] = [BUSY]
    session = start()
    run = session.submit(Job(TRUE))
    session.close()
    other = run_python(HOLDS, str(run.folder))
    assert other.stdout.readline() == "True\n"
    run = start().attach(run.id)
    go_on(run, clock, 30)
    assert not run.unattended
    assert len(toy.calls["submit"]) == 1
    other.kill()
    other.wait()
    go_on(run, clock, 30)
    assert natives(run) == ["1.1"]


def test_jobs_that_ran_are_adopted(start: Callable[..., Session], toy: Toy, clock: Clock) -> None:
    """Jobs that cannot be found and have left start records are not submitted a second time."""
    toy.scripted["submit"] = [TIMEOUT]
    run = start().submit([Job(TRUE)] * 2)
    leave_record(run.folder, "1.0.0.command.exit-0")
    go_on(run, clock, 20)
    assert len(toy.calls["submit"]) == 1
    assert natives(run) == ["", ""]
    assert [job.id for job in run.jobs] == [None, None]
    run.refresh()
    assert [job.state for job in run.jobs] == [State.QUEUED, State.DONE]


def test_jobs_terminated_while_in_doubt_are_not_submitted_again(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """What was to be stopped while nobody knew whether it was there is not handed over anew."""
    toy.scripted["submit"] = [TIMEOUT]
    run = start().submit(Job(TRUE))
    run.terminate()
    go_on(run, clock, 20)
    assert len(toy.calls["submit"]) == 1
    assert [o and (o.state, o.reason) for o in run.outcomes] == [
        (State.TERMINATED, Reason.TERMINATED)
    ]


def test_jobs_terminated_while_in_doubt_are_stopped_when_found(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """Jobs that somebody stopped are stopped at the system as soon as their ids are known."""
    toy.scripted["submit"] = [takes_and_times_out(toy)]
    run = start().submit([Job(TRUE)] * 3)
    run.terminate([1])
    go_on(run, clock, 5)
    assert toy.calls["terminate"] == [(["1.2"], None)]


def test_a_job_terminated_before_its_submission_does_not_run(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """A job that was stopped early is stopped at the system, where others of its array go."""
    dependency = start("other", plugins=plugins_of(toy=toy, other=Toy())).submit(Job(TRUE))
    session = start(plugins=plugins_of(toy=toy, other=Toy()))
    run = session.submit([Job(TRUE, after=dependency.id)] * 2)
    run.terminate([0])
    leave_record(dependency.folder, "0.0.0.command.exit-0")
    session.poll()
    go_on(run, clock, 5)
    assert [job.state for job in run.jobs] == [State.TERMINATED, State.QUEUED]
    assert toy.calls["terminate"] == [(["1.1"], None)]


# -- after


@pytest.fixture
def chained() -> Toy:
    return Toy(dependencies=True)


def finish(run: Run, index: int, code: int = 0) -> None:
    leave_record(run.folder, f"{index}.0.0.command.exit-{code}")
    run._engine.step()


def test_what_jobs_run_after_is_told(start: Callable[..., Session], toy: Toy) -> None:
    """While the core holds a job back, it names the jobs that come first and are not done."""
    session = start(plugins=plugins_of(toy=toy))
    other = session.submit([Job(TRUE)] * 2)
    first = [Job(TRUE) for _ in range(5)]
    run = session.submit([*first, Job(TRUE, after=first), Job(TRUE, after=[other, first[3]])])
    assert run.jobs[5].message == f"runs after {run.id}:0-4"
    assert run.jobs[6].message == f"runs after {run.id}:3, {other.id}"
    finish(run, 3)
    finish(run, 1)
    assert run.jobs[5].message == f"runs after {run.id}:0,2,4"
    assert run.jobs[6].message == f"runs after {other.id}"


def test_dependencies_are_the_system_s_where_it_knows_them(
    start: Callable[..., Session], chained: Toy
) -> None:
    """Jobs are handed over at once, with the ids that they have to wait for."""
    first, second = Job(TRUE), Job(TRUE)
    start(plugins=plugins_of(toy=chained)).submit([first, second, Job(TRUE, after=[first, second])])
    assert [one.after for one in chained.calls["submit"]] == [(), ("1.1", "1.2")]


def test_what_is_done_is_no_dependency(start: Callable[..., Session], chained: Toy) -> None:
    """Jobs that are done already are not named to the system, which may have forgotten them."""
    session = start(plugins=plugins_of(toy=chained))
    run = session.submit([Job(TRUE)] * 2)
    finish(run, 0)
    session.submit(Job(TRUE, after=run))
    session.submit(Job(TRUE, after=f"{run.id}:0"))
    assert [one.after for one in chained.calls["submit"]] == [(), ("1.2",), ()]


@pytest.mark.parametrize("dependencies", [True, False])
def test_a_failed_dependency_ends_what_waits_for_it(
    start: Callable[..., Session], clock: Clock, dependencies: bool
) -> None:
    """A job after one that failed never runs: terminated, for its dependency, with its name."""
    toy = Toy(dependencies=dependencies)
    session = start(plugins=plugins_of(toy=toy))
    run = session.submit(Job(TRUE))
    finish(run, 0, 3)
    late = session.submit([Job(TRUE, after=run)] * 2)
    assert len(toy.calls["submit"]) == 1
    assert [(o.state, o.reason) for o in late.outcomes if o] == [
        (State.TERMINATED, Reason.DEPENDENCY)
    ] * 2
    outcome = late.outcome(0)
    assert outcome is not None
    assert f"dependency {run.id}:0 is failed" in (outcome.message or "")


def test_the_core_waits_where_the_system_cannot(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """Without dependencies of its own a system gets a job when those before it are done."""
    first = Job(TRUE)
    run = start().submit([first, Job(TRUE, after=first)])
    go_on(run, clock, 100)
    assert len(toy.calls["submit"]) == 1
    assert run.unattended
    finish(run, 0)
    go_on(run, clock, 1)
    assert [job.state for job in run.jobs] == [State.DONE, State.QUEUED]
    assert toy.calls["submit"][1].after == ()


def test_a_dependency_on_another_system_is_waited_for(
    start: Callable[..., Session], chained: Toy, clock: Clock
) -> None:
    """Ids of another system are not named to this one; the core waits."""
    plugins = plugins_of(toy=chained, other=Toy(dependencies=True))
    there = start("other", plugins=plugins).submit(Job(TRUE))
    session = start(plugins=plugins)
    here = session.submit(Job(TRUE, after=there.id))
    go_on(here, clock, 10)
    assert not chained.calls["submit"]
    leave_record(there.folder, "0.0.0.command.exit-0")
    session.poll()
    go_on(here, clock, 1)
    assert [one.after for one in chained.calls["submit"]] == [()]


def test_a_dependency_without_an_id_is_waited_for(
    start: Callable[..., Session], chained: Toy, clock: Clock
) -> None:
    """A job whose id nobody knows cannot be named to the system; the core waits for it."""
    chained.scripted["submit"] = [TIMEOUT]
    session = start(plugins=plugins_of(toy=chained))
    run = session.submit(Job(TRUE))
    (run.folder / "start/0" / "0.0.0.1767355200.node").touch()
    go_on(run, clock, 10)
    assert natives(run) == [""]
    late = session.submit(Job(TRUE, after=run))
    assert late.counts == {State.NEW: 1}
    finish(run, 0)
    go_on(late, clock, 1)
    assert chained.calls["submit"][-1].after == ()
    assert late.counts == {State.QUEUED: 1}


def test_the_system_s_word_on_a_dependency_is_a_verdict(
    start: Callable[..., Session], chained: Toy
) -> None:
    """Where the system ends a job for its dependency, that is its reason."""
    session = start(plugins=plugins_of(toy=chained))
    first = Job(TRUE)
    run = session.submit([first, Job(TRUE, after=first)])
    chained.answers["2.1"] = said(State.TERMINATED, reason=Reason.DEPENDENCY)
    run.refresh()
    outcome = run.outcome(1)
    assert outcome is not None
    assert outcome.reason is Reason.DEPENDENCY
