"""Watching: what is asked, when, and what the answers (or none) do to the jobs."""

from __future__ import annotations

import itertools
import os
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import CommandFailed, CommandTimeout, JobError
from anybatch.hookspecs import hookimpl
from anybatch.host import Command, Completed
from anybatch.model import Job, Reason, Retry, State
from anybatch.records import JobStatus, Limits, Transfer
from anybatch.runs.polling import SLOWEST_POLL, UNREACHABLE
from anybatch.runs.watcher import PATIENCE

from .toy import NOON, Clock, Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.records import Change
    from anybatch.run import Run
    from anybatch.session import Session

TRUE = ["true"]
TIMEOUT = CommandTimeout(Command(("toystat",)), "no answer within 60 s")
BUSY = CommandFailed(Command(("toystat",)), Completed(1, "", "socket timed out"))


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy, clock: Clock) -> Callable[..., Session]:
    def make(**others: object) -> Session:
        return new_session("toy", plugins=plugins_of(toy=toy, **others), host=local_host())

    return make


@pytest.fixture
def session(start: Callable[..., Session]) -> Session:
    return start()


def poll(run: Run) -> None:
    """Look at the records and ask the system, now."""
    run._engine.step(force=True)


def look(run: Run) -> None:
    """Look at the records; ask the system only where that is due."""
    run._engine.step()


def questions(run: Run, toy: Toy, clock: Clock, seconds: float, step: float = 0.5) -> list[float]:
    """The times, from now, at which the system is asked while time passes."""
    began, asked = clock.now, []
    while clock.now < began + seconds:
        clock.now += step
        before = len(toy.calls["status"])
        now = clock.now
        look(run)
        if len(toy.calls["status"]) > before:
            asked.append(now - began)
    return asked


def states(run: Run) -> list[State]:
    return [job.state for job in run.jobs]


# -- what needs somebody


def test_a_hold_is_told_once_with_its_reason(
    session: Session, toy: Toy, notices: list[str]
) -> None:
    """A held job waits for somebody, who learns of it unasked, and again after a release."""
    run = session.submit([Job(TRUE)] * 3)
    held = said(State.HELD, message="no such folder")
    toy.answers["1.1"] = toy.answers["1.3"] = held
    poll(run)
    poll(run)
    text = f"run {run.id}: job 0 is held"
    assert notices == [f"{text}, and 1 more: no such folder"]
    toy.answers["1.1"] = said(State.RUNNING)
    poll(run)
    toy.answers["1.1"] = said(State.HELD)
    poll(run)
    assert notices[1:] == [text]


# -- not being able to ask


RUBBISH: list[Any] = [
    None,
    ["1.1"],
    "queued",
    {"1.1": "queued"},
    {1: said(State.QUEUED)},
    KeyError("x"),
]


def test_a_system_that_does_not_answer_changes_nothing(
    session: Session, toy: Toy, clock: Clock, notices: list[str]
) -> None:
    """Time-outs change no state and are told once; pauses grow until it answers again."""
    run = session.submit([Job(TRUE)] * 2)
    toy.answers["1.1"] = said(State.RUNNING)
    poll(run)
    toy.scripted["status"] = [TIMEOUT, BUSY] * 4
    toy.answers.clear()
    asked = questions(run, toy, clock, 250)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert pauses == [*UNREACHABLE, UNREACHABLE[-1]]
    assert states(run) == [State.RUNNING, State.QUEUED]
    text = "cannot reach toy; keeping the last known states: toystat: no answer within 60 s"
    assert notices == [text]
    toy.answers["1.1"] = toy.answers["1.2"] = said(State.RUNNING)
    questions(run, toy, clock, 60)
    assert notices == [text, "toy is reachable again"]
    assert states(run) == [State.RUNNING] * 2


@pytest.mark.parametrize("answer", RUBBISH, ids=repr)
def test_rubbish_is_no_answer(
    session: Session, toy: Toy, clock: Clock, notices: list[str], answer: Any
) -> None:
    """An answer that makes no sense changes no state, is tried again, and names the plugin."""
    run = session.submit(Job(TRUE))
    toy.scripted["status"] = [answer] if isinstance(answer, Exception) else [lambda: answer]
    asked = questions(run, toy, clock, 4.5)
    assert len(asked) == 2
    assert states(run) == [State.QUEUED]
    assert len(notices) == 2
    assert "plugin 'toy'" in notices[0]
    assert session.plugins.problems("toy")


def test_records_are_read_while_the_system_does_not_answer(session: Session, toy: Toy) -> None:
    """A job's own record is its verdict, whether the system can be asked or not."""
    run = session.submit(Job(TRUE))
    leave_record(run.folder, "0.0.0.command.exit-0")
    toy.scripted["status"] = [TIMEOUT]
    poll(run)
    assert states(run) == [State.DONE]


def test_records_that_cannot_be_read_are_told_once(
    session: Session, notices: list[str], clock: Clock
) -> None:
    """A folder of records that is away is told once, and read when it is back."""
    run = session.submit(Job(TRUE))
    away = run.folder / "exit"
    away.rename(run.folder / "away")
    for _ in range(3):
        poll(run)
    assert notices == [f"cannot read {away}: No such file or directory"]
    (run.folder / "away").rename(away)
    leave_record(run.folder, "0.0.0.command.exit-0")
    poll(run)
    assert states(run) == [State.DONE]


# -- unknown jobs


def test_a_job_that_nothing_knows_is_lost_after_a_while(
    session: Session, toy: Toy, clock: Clock
) -> None:
    """Only after `lost_after` an unknown job is lost, and its outcome lists what was asked."""
    run = session.submit(Job(TRUE))
    toy.answers["1.1"] = said(State.RUNNING, "R")
    poll(run)
    toy.answers.clear()
    poll(run)
    clock.now += 119
    poll(run)
    assert states(run) == [State.RUNNING]
    clock.now += 2
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (State.LOST, Reason.LOST)
    assert outcome.evidence == (
        f"no exit record in {run.folder}/exit",
        "toy has not reported job 1.1 for 120 s (last seen as 'R')",
    )


def test_a_job_that_is_known_again_is_not_lost(session: Session, toy: Toy, clock: Clock) -> None:
    """An answer between begins the time anew."""
    run = session.submit(Job(TRUE))
    for _ in range(4):
        toy.answers.clear()
        poll(run)
        clock.now += 100
        toy.answers["1.1"] = said(State.RUNNING)
        poll(run)
    assert states(run) == [State.RUNNING]


def test_an_unknown_job_with_a_record_has_its_verdict(
    session: Session, toy: Toy, clock: Clock
) -> None:
    """Gone from the queue, a job is judged by the record that it left, however late."""
    run = session.submit(Job(TRUE))
    toy.answers.clear()
    poll(run)
    clock.now += 100
    leave_record(run.folder, "0.0.0.command.exit-3")
    look(run)
    assert states(run) == [State.FAILED]


def test_a_terminated_job_that_nothing_knows_is_terminated(
    session: Session, toy: Toy, clock: Clock
) -> None:
    """A job that somebody stopped and that is gone was terminated, not lost."""
    run = session.submit(Job(TRUE))
    run.terminate()
    toy.answers.clear()
    poll(run)
    clock.now += 121
    poll(run)
    assert states(run) == [State.TERMINATED]


def test_none_changes_nothing(session: Session, toy: Toy, clock: Clock) -> None:
    """A system that cannot tell of a job now says nothing of it: not even that it is gone."""
    run = session.submit(Job(TRUE))
    toy.answers["1.1"] = None  # type: ignore[assignment]
    for _ in range(10):
        poll(run)
        clock.now += 100
    assert states(run) == [State.QUEUED]


# -- inconclusive evidence


def test_a_signal_waits_for_the_system_s_word(session: Session, toy: Toy, clock: Clock) -> None:
    """A killed job's record calls for a question soon; the system's reason is the verdict's."""
    run = session.submit(Job(TRUE))
    poll(run)
    leave_record(run.folder, "0.0.0.command.signal-9")
    asked = questions(run, toy, clock, 1.5, step=0.25)
    assert asked[0] <= 1.25
    assert states(run) == [State.QUEUED]
    toy.answers["1.1"] = said(State.FAILED, reason=Reason.OUT_OF_MEMORY)
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.reason, outcome.signal) == (Reason.OUT_OF_MEMORY, 9)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("0.0.0.command.signal-9", Reason.SIGNAL),
        ("0.0.0.command.exit-143.TERM", Reason.EXIT_CODE),
        ("0.0.0.stage_in.exit-143.TERM", Reason.STAGE_IN),
    ],
)
def test_a_signal_is_judged_by_itself_in_the_end(
    session: Session, toy: Toy, clock: Clock, name: str, reason: Reason
) -> None:
    """Where the system says nothing more for a while, the record alone decides."""
    run = session.submit(Job(TRUE))
    toy.answers["1.1"] = said(State.RUNNING)
    leave_record(run.folder, name)
    poll(run)
    clock.now += PATIENCE - 1
    poll(run)
    assert states(run) == [State.RUNNING]
    clock.now += 2
    poll(run)
    assert [o and o.reason for o in run.outcomes] == [reason]


def test_the_system_s_word_waits_for_the_record(session: Session, toy: Toy, clock: Clock) -> None:
    """A record that a network file system shows late is waited for, and believed."""
    run = session.submit([Job(TRUE)] * 2)
    toy.answers["1.1"] = toy.answers["1.2"] = said(State.FAILED, exit_code=1)
    poll(run)
    leave_record(run.folder, "0.0.0.command.exit-7")
    clock.now += PATIENCE - 1
    poll(run)
    assert states(run) == [State.FAILED, State.QUEUED]
    clock.now += 2
    poll(run)
    assert [o and (o.reason, o.exit_code) for o in run.outcomes] == [
        (Reason.EXIT_CODE, 7),
        (Reason.SETUP, 1),
    ]


@pytest.mark.parametrize("how", ["exit-143.TERM", "signal-9", "exit-0.TERM"])
def test_a_job_that_nobody_knows_is_not_judged_by_an_earlier_start(
    session: Session, toy: Toy, clock: Clock, how: str
) -> None:
    """A signal ended its first start, it was started once more, and then forgotten: it is lost."""
    run = session.submit(Job(TRUE))
    leave_record(run.folder, f"0.0.0.command.{how}")
    (run.folder / "start" / "0" / "0.0.1.1767355300.node2").touch()
    toy.scripted["status"] = [{}] * 100
    for _ in range(50):
        clock.now += 10
        poll(run)
    assert run.jobs[0].state is State.LOST


def test_a_record_of_the_last_start_is_the_word_of_a_job_that_nobody_knows(
    session: Session, toy: Toy, clock: Clock
) -> None:
    """That an earlier start was ended by a signal changes nothing."""
    run = session.submit(Job(TRUE))
    leave_record(run.folder, "0.0.0.command.exit-143.TERM")
    leave_record(run.folder, "0.0.1.command.exit-3")
    toy.scripted["status"] = [{}] * 100
    clock.now += 10
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.state, outcome.exit_code) == (State.FAILED, 3)


def test_a_restart_outdates_the_record(session: Session, toy: Toy, clock: Clock) -> None:
    """A job that the system has begun anew is not judged by what its last start left."""
    run = session.submit(Job(TRUE))
    leave_record(run.folder, "0.0.0.command.exit-143.TERM")
    toy.answers["1.1"] = said(State.QUEUED, restarts=1)
    poll(run)
    toy.answers["1.1"] = said(State.RUNNING, restarts=1)
    for _ in range(5):
        clock.now += PATIENCE
        poll(run)
    assert states(run) == [State.RUNNING]
    leave_record(run.folder, "0.0.1.command.exit-0", host="node2")
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.state, outcome.host) == (State.DONE, "node2")


def test_a_job_that_the_system_runs_again_is_not_done(
    session: Session, toy: Toy, clock: Clock
) -> None:
    """A job may ask for its next run and exit with 0: its record waits for the system's word."""
    toy.scripted["limits"] = [Limits(array=100, reruns=True)]
    run = session.submit([Job(TRUE)] * 4)
    toy.answers["1.1"] = said(State.QUEUED, restarts=1)
    toy.answers["1.2"] = said(State.RUNNING)
    toy.answers["1.3"] = said(State.DONE)
    del toy.answers["1.4"]
    for index in range(4):
        leave_record(run.folder, f"{index}.0.0.command.exit-0")
    look(run)
    assert run.counts == {State.QUEUED: 4}
    poll(run)
    assert states(run) == [State.QUEUED, State.RUNNING, State.DONE, State.DONE]
    clock.now += 10 * PATIENCE
    poll(run)
    assert states(run) == [State.QUEUED, State.DONE, State.DONE, State.DONE]
    look(run)
    assert states(run)[0] is State.QUEUED
    toy.answers["1.1"] = said(State.FAILED, restarts=1)
    leave_record(run.folder, "0.0.1.command.exit-3")
    poll(run)
    assert run.outcome(0)
    assert states(run)[0] is State.FAILED


def test_a_record_that_may_be_outdated_is_not_believed_while_nobody_can_be_asked(
    session: Session, toy: Toy, clock: Clock
) -> None:
    """The system may have begun the job anew before it went away."""
    toy.scripted["limits"] = [Limits(array=100, reruns=True)]
    run = session.submit(Job(TRUE))
    toy.scripted["status"] = [BUSY] * 3
    leave_record(run.folder, "0.0.0.command.exit-0")
    for _ in range(3):
        clock.now += PATIENCE + 1
        poll(run)
        assert states(run) == [State.QUEUED]
    toy.answers["1.1"] = said(State.DONE)
    poll(run)
    assert states(run) == [State.DONE]


def test_why_a_job_waited_is_not_why_it_failed(session: Session, toy: Toy) -> None:
    """The last word about a job that waited does not stand beside the verdict."""
    run = session.submit([Job(TRUE)] * 2)
    toy.answers["1.1"] = said(State.QUEUED, message="BeginTime")
    toy.answers["1.2"] = said(State.QUEUED, message="PartitionDown")
    poll(run)
    leave_record(run.folder, "0.0.0.command.exit-3")
    leave_record(run.folder, "1.0.0.command.exit-0")
    look(run)
    assert states(run) == [State.FAILED, State.DONE]
    assert [job.message for job in run.jobs] == [None, None]


def test_a_job_does_not_end_before_it_starts(session: Session, toy: Toy) -> None:
    """Where the clocks of system and worker differ, both times are of one of them."""
    run = session.submit(Job(TRUE))
    late = datetime.now(timezone.utc) + timedelta(hours=1)
    toy.answers["1.1"] = said(State.RUNNING, started=late)
    poll(run)
    leave_record(run.folder, "0.0.0.command.exit-0")
    look(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert outcome.ended is not None
    assert outcome.started is None or outcome.started <= outcome.ended


def test_a_run_that_nobody_counts_outdates_the_record(
    start: Callable[..., Session], toy: Toy, clock: Clock
) -> None:
    """A system may run a job again and count no restart: then its start records are counted."""
    run = start().submit(Job(TRUE))
    toy.answers["1.1"] = said(State.RUNNING)
    leave_record(run.folder, "0.0.0.command.exit-143.TERM")
    os.utime(run.folder / "exit/0" / "0.0.0.command.exit-143.TERM", (1767355300, 1767355300))
    (run.folder / "start/0" / "0.0.0.1767355301.node2").touch()
    for _ in range(5):
        clock.now += PATIENCE
        poll(run)
    assert states(run) == [State.RUNNING]
    (run.folder / "exit/0" / "0.0.0.command.exit-0").touch()
    for one in (run, start().attach(run.id)):  # one sees both records at once
        poll(one)
        outcome = one.outcome(0)
        assert outcome is not None
        assert (outcome.state, outcome.host) == (State.DONE, "node2")


def test_a_job_that_never_started_has_no_start_record(
    session: Session, toy: Toy, clock: Clock
) -> None:
    """`never_started` is an answer only about a job whose script left no trace."""
    run = session.submit([Job(TRUE)] * 2)
    toy.answers["1.1"] = toy.answers["1.2"] = said(State.FAILED, never_started=True)
    (run.folder / "start/0" / "1.0.0.1767355200.node").touch()
    poll(run)
    clock.now += PATIENCE + 1
    poll(run)
    assert states(run) == [State.FAILED, State.RUNNING]
    clock.now += 121
    poll(run)
    assert states(run) == [State.FAILED, State.LOST]


def test_facts_come_from_both(session: Session, toy: Toy, clock: Clock) -> None:
    """What the system tells of host, times and use stands in the outcome, records fill it up."""
    run = session.submit(Job(TRUE))
    toy.answers["1.1"] = said(State.RUNNING, host="told", cpu_time=timedelta(seconds=3))
    poll(run)
    leave_record(run.folder, "0.0.0.command.exit-0", host="left")
    look(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.host, outcome.started) == ("told", NOON)
    assert outcome.cpu_time == timedelta(seconds=3)
    assert outcome.ended is not None


@pytest.mark.parametrize(
    ("record", "told", "message"),
    [
        ("setup.exit-1", None, "no module root; ended with status 1: setup: module load"),
        ("stage_out.exit-1", None, "no module root; ended with status 1: setup: module load"),
        ("setup.exit-1", "the node says why", "the node says why"),
        ("setup.exit-1.TERM", None, None),
        ("command.exit-1", None, None),
    ],
)
def test_what_failed_around_the_command_is_told(
    session: Session, toy: Toy, clock: Clock, record: str, told: str | None, message: str | None
) -> None:
    """The job script's last words are the message, where the system has none."""
    run = session.submit(Job(TRUE))
    log = "first\nno module root\nanybatch: job 0: ended with status 1: setup: module load\n"
    run.logs(0)[1].write_text(log)
    leave_record(run.folder, f"0.0.0.{record}")
    toy.answers["1.1"] = said(State.FAILED, message=told)
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert outcome.message == message


# -- how often it is asked


def test_one_question_for_all_jobs_of_all_runs(session: Session, toy: Toy) -> None:
    """However many runs there are, a poll is one question, about jobs that have not ended."""
    runs = [session.submit([Job(TRUE)] * 3) for _ in range(3)]
    leave_record(runs[0].folder, "1.0.0.command.exit-0")
    look(runs[0])
    poll(runs[0])
    assert len(toy.calls["status"]) == 1
    assert sorted(toy.calls["status"][0]) == sorted(
        f"{run}.{task}" for run in (1, 2, 3) for task in (1, 2, 3) if (run, task) != (1, 2)
    )


def test_nothing_is_asked_when_all_is_over(session: Session, toy: Toy, clock: Clock) -> None:
    """A session whose runs have ended leaves the batch system alone."""
    run = session.submit(Job(TRUE))
    leave_record(run.folder, "0.0.0.command.exit-0")
    look(run)
    assert questions(run, toy, clock, 300) == []


def test_pauses_grow_with_age(session: Session, toy: Toy, clock: Clock) -> None:
    """Young jobs are asked for often, old ones seldom, and never less than every two minutes."""
    run = session.submit(Job(TRUE))
    asked = questions(run, toy, clock, 6000)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert pauses == sorted(pauses)
    assert asked[0] == pauses[0] == 2
    assert pauses[-1] == SLOWEST_POLL
    assert len(asked) < 120


def test_pauses_grow_with_cost(session: Session, toy: Toy, clock: Clock) -> None:
    """A question that took a second is asked again after fifty."""
    run = session.submit(Job(TRUE))

    def slow() -> Any:
        clock.now += 1
        return dict(toy.answers)

    toy.scripted["status"] = [slow] * 10
    asked = questions(run, toy, clock, 110)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert pauses == [51, 51]


# -- observers


class Observer:
    """Notes what it is told, then raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[tuple[int, State, State]] = []
        self.error = error

    @hookimpl
    def anybatch_job_changed(self, change: Change) -> None:
        self.seen.append((change.index, change.old, change.new))
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [KeyError("x"), JobError("on purpose"), TIMEOUT])
def test_observers_see_every_change(
    start: Callable[..., Session], toy: Toy, error: Exception
) -> None:
    """Each observer is told each change in order, and one that raises stops nothing."""
    broken, good = Observer(error), Observer()
    run = start(a=broken, b=good).submit(Job(TRUE))
    toy.answers["1.1"] = said(State.RUNNING)
    poll(run)
    poll(run)
    leave_record(run.folder, "0.0.0.command.exit-0")
    look(run)
    assert states(run) == [State.DONE]
    steps = [State.NEW, State.QUEUED, State.RUNNING, State.DONE]
    expected = [(0, old, new) for old, new in itertools.pairwise(steps)]
    run._engine.observers.flush()
    assert good.seen == broken.seen == expected


# -- files that the system moves


@pytest.fixture
def moved(new_session: Callable[..., Session], clock: Clock) -> tuple[Run, Toy]:
    """A run of two jobs whose files the system moves."""
    toy = Toy(transfer=Transfer.SYSTEM)
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    return session.submit([Job(TRUE)] * 2), toy


def test_a_record_is_no_verdict_while_files_are_moved(moved: tuple[Run, Toy], clock: Clock) -> None:
    """Outputs may take any time; the system is asked soon, and its word makes the verdict."""
    run, toy = moved
    toy.answers["1.1"] = said(State.RUNNING, "TRANSFERRING")
    questions(run, toy, clock, 200)  # pauses have grown
    poll(run)
    leave_record(run.folder, "0.0.0.command.exit-0")
    look(run)
    assert states(run) == [State.RUNNING, State.QUEUED]
    asked = questions(run, toy, clock, 2)
    assert asked
    assert asked[0] <= 1.5
    clock.now += 100 * PATIENCE
    poll(run)
    assert states(run) == [State.RUNNING, State.QUEUED]
    toy.answers["1.1"] = said(State.DONE, exit_code=0)
    poll(run)
    assert states(run) == [State.DONE, State.QUEUED]


@pytest.mark.parametrize(
    ("record", "answer", "reason", "code"),
    [
        ("command.exit-3", said(State.FAILED, exit_code=3), Reason.EXIT_CODE, 3),
        ("stage_out.exit-1", said(State.FAILED, exit_code=1), Reason.STAGE_OUT, 1),
        ("setup.exit-7", said(State.FAILED, exit_code=7), Reason.SETUP, 7),
        ("command.exit-3", said(State.DONE, exit_code=0), Reason.EXIT_CODE, 3),
        ("command.signal-9", said(State.FAILED, exit_code=137), Reason.SIGNAL, None),
    ],
)
def test_when_files_are_here_the_record_rules(
    moved: tuple[Run, Toy], record: str, answer: JobStatus, reason: Reason, code: int | None
) -> None:
    """It tells a failed set-up from a failed command, and exit code 137 from a signal."""
    run, toy = moved
    leave_record(run.folder, f"0.0.0.{record}")
    toy.answers["1.1"] = answer
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.reason, outcome.exit_code) == (reason, code)


def test_a_record_that_comes_with_the_answer_is_read_before_the_verdict(
    moved: tuple[Run, Toy], clock: Clock
) -> None:
    """A plugin may bring it as it answers, and the word `terminated` waits for no record."""
    run, toy = moved

    def answer() -> dict[str, JobStatus]:
        leave_record(run.folder, "0.0.0.command.exit-44.INT")
        return {"1.1": said(State.TERMINATED), "1.2": said(State.RUNNING)}

    toy.scripted["status"] = [answer]
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.state, outcome.exit_code) == (State.TERMINATED, 44)


def test_a_record_counts_where_the_system_does_not_know_the_job_any_more(
    moved: tuple[Run, Toy], clock: Clock
) -> None:
    """Nothing else will come; not being able to ask is not the same."""
    run, toy = moved
    leave_record(run.folder, "0.0.0.command.exit-0")
    toy.scripted["status"] = [TIMEOUT]
    poll(run)
    assert states(run) == [State.QUEUED] * 2
    del toy.answers["1.1"]
    poll(run)
    assert states(run) == [State.DONE, State.QUEUED]


def test_nothing_is_decided_of_moved_files_where_nothing_can_be_said(
    moved: tuple[Run, Toy], clock: Clock
) -> None:
    """An answer of None is no sign of the end."""
    run, toy = moved
    leave_record(run.folder, "0.0.0.command.exit-0")
    toy.scripted["status"] = [lambda: {"1.1": None, "1.2": None}] * 2
    poll(run)
    clock.now += 100 * PATIENCE
    poll(run)
    assert states(run) == [State.QUEUED] * 2


def test_a_job_that_is_run_anew_elsewhere_has_its_old_record_dropped(
    moved: tuple[Run, Toy], clock: Clock
) -> None:
    """The record came back, the rest did not, and the system has begun again."""
    run, toy = moved
    leave_record(run.folder, "0.0.0.command.exit-0")
    toy.answers["1.1"] = said(State.RUNNING, restarts=1)
    poll(run)
    toy.answers["1.1"] = said(State.FAILED, exit_code=4, restarts=1)
    poll(run)
    assert states(run)[0] is State.RUNNING
    leave_record(run.folder, "0.0.1.command.exit-4")
    clock.now += 1
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert outcome.exit_code == 4


def test_logs_are_where_the_system_has_them(
    session: Session, toy: Toy, clock: Clock, new_session: Callable[..., Session]
) -> None:
    """Outcome, view and run name the system's place from the verdict on, in every process."""
    run = session.submit([Job(TRUE)] * 2)
    planned = run.logs(0)
    log = run.folder / "elsewhere.out"
    for native in ("1.1", "1.2"):
        where = log if native == "1.1" else None
        toy.answers[native] = said(State.DONE, authoritative=True, stdout=where)
    assert run.logs(0) == planned
    poll(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.stdout, outcome.stderr) == (log, planned[1])
    assert run.jobs[0].stdout == log
    assert run.logs(1)[0] == run.folder / "logs/0/1.out"
    later = new_session("toy", plugins=plugins_of(toy=toy), host=local_host()).attach(run.id)
    assert later.logs(0) == (log, planned[1])


# -- retry


def test_a_retry_is_a_further_submission(
    session: Session, toy: Toy, clock: Clock, notices: list[str]
) -> None:
    """A job that failed runs again as attempt 1 with logs of its own, the others stay."""
    run = session.submit([Job(TRUE, retry=1)] * 3)
    leave_record(run.folder, "1.0.0.command.exit-1")
    look(run)
    assert run.jobs[1].state is State.NEW
    look(run)
    again = toy.calls["submit"][1]
    assert (again.number, again.count, again.previous_ids) == (1, 1, ("1.2",))
    assert again.token != toy.calls["submit"][0].token
    view = run.jobs[1]
    assert (view.state, view.attempt, str(view.id)) == (State.QUEUED, 1, "2.1")
    assert view.stdout == run.folder / "logs/0.1/1.out"
    assert notices == [f"run {run.id}: retrying 1 job (attempt 2 of 2)"]
    leave_record(run.folder, "1.1.0.command.exit-0")
    look(run)
    outcome = run.outcome(1)
    assert outcome is not None
    assert (outcome.state, outcome.attempt) == (State.DONE, 1)
    assert states(run) == [State.QUEUED, State.DONE, State.QUEUED]


def test_a_job_is_run_again_only_so_often(session: Session, toy: Toy, clock: Clock) -> None:
    """After the last attempt the failure is the verdict."""
    run = session.submit(Job(TRUE, retry=2))
    for attempt in range(3):
        assert states(run) == [State.QUEUED]
        leave_record(run.folder, f"0.{attempt}.0.command.exit-1")
        look(run)
        look(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.state, outcome.attempt) == (State.FAILED, 2)
    assert len(toy.calls["submit"]) == 3


@pytest.mark.parametrize(
    ("retry", "terminated"),
    [(Retry(1, on=["signal"]), False), (Retry(1), True), (Retry(0), False)],
)
def test_what_is_not_run_again(session: Session, toy: Toy, retry: Retry, terminated: bool) -> None:
    """Reasons that were not named, and jobs that somebody stopped, get no further attempt."""
    run = session.submit(Job(TRUE, retry=retry))
    if terminated:
        run.terminate()
    leave_record(run.folder, "0.0.0.command.exit-1")
    look(run)
    assert run.finished
    assert len(toy.calls["submit"]) == 1


def test_another_process_follows_a_retry(start: Callable[..., Session], clock: Clock) -> None:
    """A process that may not submit leaves the retry to the one that may, and follows it."""
    mine = start().submit(Job(TRUE, retry=1))
    other = start().attach(mine.id)
    leave_record(mine.folder, "0.0.0.command.exit-1")
    with mine.watched.right.held():
        look(other)
        assert states(other) == [State.QUEUED]
        look(mine)
        look(mine)
    poll(other)
    clock.now += PATIENCE + 1
    poll(other)
    assert states(other) == states(mine) == [State.QUEUED]
    assert other.jobs[0].attempt == 1
    leave_record(mine.folder, "0.1.0.command.exit-0")
    look(other)
    assert states(other) == [State.DONE]


def test_a_record_of_an_attempt_not_heard_of_is_not_missed(
    start: Callable[..., Session],
) -> None:
    """A record of a retry that another process made has its journal read first."""
    mine = start().submit(Job(TRUE, retry=1))
    other = start().attach(mine.id)
    leave_record(mine.folder, "0.0.0.command.exit-1")
    look(mine)
    look(mine)
    leave_record(mine.folder, "0.1.0.command.exit-0")
    look(other)
    assert states(other) == [State.DONE]
    assert [o and o.attempt for o in other.outcomes] == [1]
