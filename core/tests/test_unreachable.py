"""Jobs of which nothing can be said from here, or of which nobody knows whether they are there.

Nothing changes then, no time counts, and what somebody wants of them is done by a later look.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from anybatch.errors import CommandTimeout, NotAccepted, PluginError
from anybatch.host import Command
from anybatch.model import Job, Reason, State
from anybatch.records import Unreachable

from .toy import NOON, Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.run import Run
    from anybatch.session import Session

    from .toy import Clock

TRUE = ["true"]
ELSEWHERE = Unreachable("this is the cluster 'two', and the jobs are in 'one'")
TIMED_OUT = CommandTimeout(Command(("toysub",)), "no answer")
AWAY = CommandTimeout(Command(("toystat",)), "no answer")
Start = "Callable[..., Session]"


@pytest.fixture
def start(new_session: Callable[..., Session], clock: Clock) -> Callable[..., Session]:
    """Another process, on a machine of its own if it is named."""

    def begin(toy: Toy, machine: str = "", **more: Any) -> Session:
        host = local_host()
        host.name = machine or host.name
        return new_session("toy", plugins=plugins_of(host=host, toy=toy), host=host, **more)

    return begin


def look(run: Run) -> None:
    run._engine.step(force=True)


# -- nothing can be said from here


def test_what_cannot_be_asked_about_keeps_its_state_and_says_why(start: Any, toy: Toy) -> None:
    """The other jobs of a mixed run go on; the reason is shown, and said once."""
    notices: list[str] = []
    run = start(toy, on_notice=notices.append).submit([Job(TRUE)] * 3)
    toy.answers.update(dict.fromkeys(toy.answers, said(State.RUNNING)))
    look(run)
    toy.usual["status"] = lambda: {"1.1": ELSEWHERE, "1.2": ELSEWHERE, "1.3": said(State.HELD)}
    for _ in range(3):
        look(run)
    assert [job.state for job in run.jobs] == [State.RUNNING, State.RUNNING, State.HELD]
    assert [job.message for job in run.jobs] == [ELSEWHERE.reason, ELSEWHERE.reason, None]
    [notice] = [text for text in notices if "nothing can be said" in text]
    assert "of jobs 0-1 from here" in notice
    assert ELSEWHERE.reason in notice
    del toy.usual["status"]
    look(run)
    assert [job.message for job in run.jobs] == [None] * 3


def test_time_in_which_a_job_is_out_of_reach_does_not_count(
    start: Any, toy: Toy, clock: Clock
) -> None:
    """It has to be missed for the whole time anew, whichever process looks."""
    run = start(toy).submit([Job(TRUE)] * 2)
    answers: list[dict[str, Any]] = [{}, {"1.1": ELSEWHERE}, {"1.1": ELSEWHERE}, {}, {}]
    for answer in answers:
        toy.usual["status"] = lambda answer=answer: answer
        run = start(toy).attach(run.id)
        look(run)
        clock.now += 80
    assert [job.state for job in run.jobs] == [State.QUEUED, State.LOST]
    look(run)
    assert run.jobs[0].state is State.LOST


def test_an_answer_that_is_neither_is_the_plugins_fault(start: Any, toy: Toy) -> None:
    """Nothing changes, and the message says what was expected."""
    run = start(toy).submit(Job(TRUE))
    toy.usual["status"] = lambda: {"1.1": None}
    with pytest.raises(PluginError, match="returned None; it must return a JobStatus"):
        run._engine._hooks.status("toy", run._engine._roster.all[0].answers.asked_about())
    look(run)
    assert run.jobs[0].state is State.QUEUED


def test_what_could_not_be_reached_is_stopped_when_it_can_be(
    start: Any, toy: Toy, clock: Clock
) -> None:
    """The user is told, the wish stays on record, and a look of another process does it."""
    run = start(toy).submit([Job(TRUE)] * 2)
    toy.scripted["terminate"] = [[{"1.1": ELSEWHERE}]] * 2
    with pytest.raises(NotAccepted, match=r"job 1\.1: this is the cluster 'two'"):
        run.terminate()
    came = run.try_to_terminate()
    assert (came.accepted, len(came.unreached), came.refused) == (1, 1, ())
    toy.calls["terminate"].clear()
    later = start(toy).attach(run.id)
    later.refresh()
    assert toy.calls["terminate"] == [(["1.1"], None)]
    later.refresh()
    assert len(toy.calls["terminate"]) == 1


def test_a_signal_that_does_not_reach_a_job_is_refused(start: Any, toy: Toy) -> None:
    """Nobody sends it later, when it would mean something else."""
    run = start(toy).submit(Job(TRUE))
    toy.scripted["terminate"] = [[{"1.1": ELSEWHERE}]]
    came = run.try_to_terminate(signal="USR1")
    assert (came.accepted, came.unreached) == (0, ())
    assert came.refused == (f"job 1.1: {ELSEWHERE.reason}",)


# -- nobody knows whether they are there


@pytest.fixture
def doubtful() -> Toy:
    """It takes jobs late, and does not say so."""
    return Toy(late_arrival=timedelta(seconds=60))


def submit_in_doubt(start: Any, toy: Toy, *, arrives: bool) -> Run:
    """A run of which nobody knows whether its jobs arrived."""
    if arrives:

        def take() -> list[str]:
            toy.take(toy.calls["submit"][-1])
            raise TIMED_OUT

        toy.scripted["submit"] = [take]
    else:
        toy.scripted["submit"] = [TIMED_OUT]
    run: Run = start(toy).submit([Job(TRUE)] * 2)
    return run


def test_a_stop_keeps_on_until_what_was_in_doubt_is_found(
    start: Any, doubtful: Toy, clock: Clock
) -> None:
    """The batch system knows the jobs some seconds later; then they are stopped, and counted."""
    run = submit_in_doubt(start, doubtful, arrives=True)
    doubtful.scripted["find"] = [[]]
    came = run.try_to_terminate()
    assert came.in_doubt == ()
    assert doubtful.calls["terminate"] == [(["1.1", "1.2"], None)]


def test_a_stop_keeps_on_until_it_is_certain_that_nothing_was_submitted(
    start: Any, toy: Toy, clock: Clock
) -> None:
    """Where requests are not late that takes seconds; the jobs have ended then."""
    run = submit_in_doubt(start, toy, arrives=False)
    assert run.try_to_terminate().in_doubt == ()
    assert [job.state for job in run.jobs] == [State.TERMINATED] * 2
    assert len(toy.calls["submit"]) == 1


def test_what_stays_in_doubt_is_named_and_stopped_by_a_later_look(
    start: Any, doubtful: Toy, clock: Clock
) -> None:
    """`terminate` says which jobs; a process that only looks finds them late, and stops them."""
    notices: list[str] = []
    run = submit_in_doubt(start, doubtful, arrives=False)
    run = start(doubtful, on_notice=notices.append).attach(run.id)
    came = run.try_to_terminate()
    assert (came.accepted, came.ended, came.in_doubt) == (0, 0, (0, 1))
    assert "whether jobs 0-1 were submitted is still being looked up" in notices[-1]
    assert [job.state for job in run.jobs] == [State.NEW] * 2
    doubtful.take(doubtful.calls["submit"][-1])
    clock.now += 30
    start(doubtful).attach(run.id).refresh()
    assert doubtful.calls["terminate"] == [(["1.1", "1.2"], None)]


def test_what_never_arrives_has_ended_at_a_later_look(
    start: Any, doubtful: Toy, clock: Clock
) -> None:
    """When the time is over in which it may arrive, though nobody submits."""
    run = submit_in_doubt(start, doubtful, arrives=False)
    run.try_to_terminate()
    clock.now += 61
    later = start(doubtful).attach(run.id)
    later.refresh()
    assert [job.reason for job in later.jobs] == [Reason.TERMINATED] * 2
    assert len(doubtful.calls["submit"]) == 1


def test_what_may_have_ended_is_asked_about_before_it_is_stopped(start: Any, clock: Clock) -> None:
    """Its record waits for the system's word; asked now, the job is done and not terminated."""
    toy = Toy(reruns=True)
    run = start(toy).submit([Job(TRUE)] * 2)
    leave_record(run.folder, "0.0.0.command.exit-0")
    toy.answers["1.1"] = said(State.DONE, exit_code=0)
    run.terminate()
    assert toy.calls["terminate"] == [(["1.2"], None)]
    assert run.jobs[0].state is State.DONE


# -- several machines, whose clocks differ


@pytest.fixture
def machine(clock: Clock) -> Any:
    """Go to a machine: its start, and how far its wall clock is ahead."""
    here = {"boot": "one"}
    with patch("anybatch.runs.moments._boot", lambda: here["boot"]):

        def go(boot: str, ahead: float = 0.0) -> None:
            here["boot"], clock.set_by = boot, ahead

        yield go


def test_a_clock_that_is_ahead_submits_nothing_twice(
    start: Any, doubtful: Toy, clock: Clock, machine: Any
) -> None:
    """A machine whose clock is two hours ahead does not take the wait of another for over."""
    run = submit_in_doubt(start, doubtful, arrives=False)
    look(start(doubtful).attach(run.id))
    for boot, ahead in (("two", 7200.0), ("three", -7200.0)):
        machine(boot, ahead)
        there = start(doubtful, machine=boot).attach(run.id)
        for _ in range(3):
            look(there)
            clock.now += 19
    assert len(doubtful.calls["submit"]) == 1
    doubtful.take(doubtful.calls["submit"][-1])
    clock.now += 60
    look(there)
    assert [job.id is not None for job in there.jobs] == [True] * 2


def test_a_command_on_another_machine_has_its_time_to_end(
    start: Any, toy: Toy, clock: Clock, machine: Any
) -> None:
    """What was announced there is not submitted here while the command may still run there."""
    run = submit_in_doubt(start, toy, arrives=False)
    machine("two", 7200.0)
    there = start(toy, machine="two").attach(run.id)
    look(there)
    for seconds in (100, 79):  # its limit is 120 s, and a minute for it to be killed
        clock.now += seconds
        look(there)
        assert len(toy.calls["submit"]) == 1
    clock.now += 60
    look(there)
    assert len(toy.calls["submit"]) == 2


def test_a_clock_that_is_ahead_loses_nothing(
    start: Any, toy: Toy, clock: Clock, machine: Any
) -> None:
    """A job that one machine misses is missed by another from its own first look on."""
    run = start(toy).submit(Job(TRUE))
    toy.answers.clear()
    look(run)
    machine("two", 7200.0)
    there = start(toy, machine="two").attach(run.id)
    look(there)
    assert there.jobs[0].state is State.QUEUED
    machine("one")
    clock.now += 121
    here = start(toy).attach(run.id)
    look(here)
    assert here.jobs[0].state is State.LOST


def test_an_outage_is_known_to_processes_that_come_after_it(
    start: Any, clock: Clock, toy: Toy
) -> None:
    """A signal is explained by the system; patience begins when it can be asked again."""
    run = start(toy).submit(Job(TRUE))
    toy.answers["1.1"] = said(State.RUNNING)
    look(run)
    leave_record(run.folder, "0.0.0.command.signal-15")
    run._engine.step()
    toy.scripted["status"] = [AWAY]
    look(run)
    clock.now += 60
    later = start(toy).attach(run.id)
    look(later)
    assert later.jobs[0].state is State.RUNNING
    toy.answers["1.1"] = said(State.TERMINATED, ended=NOON)
    look(start(toy).attach(run.id))
    look(later)
    assert later.jobs[0].state is State.TERMINATED


def test_refusals_within_seconds_are_not_final_because_a_clock_was_set(
    start: Any, toy: Toy, clock: Clock
) -> None:
    """Five refusals are five minutes apart by the wall clock, and seconds by the other."""
    from anybatch.errors import CommandFailed
    from anybatch.host import Completed

    refused = CommandFailed(Command(("toysub",)), Completed(1, "", "not now"))
    toy.scripted["submit"] = [refused] * 20
    run = start(toy).submit(Job(TRUE))
    for _ in range(8):
        clock.set_by += 300
        clock.now += 5
        look(start(toy).attach(run.id))
        assert run.jobs[0].state is State.NEW


# -- a reason that only the system knows


def test_a_shell_s_word_of_a_kill_waits_for_the_system(start: Any, toy: Toy) -> None:
    """`sh -c` ends with 137 where the kernel has killed what it ran; the system says for what."""
    run = start(toy).submit([Job(TRUE)] * 2)
    toy.answers.update(dict.fromkeys(toy.answers, said(State.RUNNING)))
    for index in range(2):
        leave_record(run.folder, f"{index}.0.0.command.exit-137")
    run._engine.step()
    assert run.finished is False
    toy.answers["1.1"] = said(State.FAILED, exit_code=137, reason=Reason.OUT_OF_MEMORY)
    toy.answers["1.2"] = said(State.FAILED, exit_code=137)
    look(run)
    assert [job.reason for job in run.jobs] == [Reason.OUT_OF_MEMORY, Reason.EXIT_CODE]
    assert [job.exit_code for job in run.jobs] == [137] * 2
