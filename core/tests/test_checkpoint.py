"""Jobs that save their state, and want to be run again."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, Reason, State, UsageError
from anybatch.retries import CHECKPOINTS

from .shells import Shell, write_run
from .toy import Clock, Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

    Start = Callable[..., Session]

TRUE = ["true"]


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy, clock: Clock) -> Start:
    """Sessions of several processes on one system."""
    return lambda **more: new_session("toy", plugins=plugins_of(toy=toy), host=local_host(), **more)


def end(run: Run, toy: Toy, how: str, **answer: Any) -> None:
    """End the attempt that is under way, and hand over the next one if there is any."""
    leave_record(run.folder, f"0.{run.jobs[0].attempt}.0.command.{how}")
    if answer:
        toy.answers[f"{len(toy.tokens)}.1"] = said(State.FAILED, **answer)
    for _ in range(2):
        run._engine.step(force=True)


def test_a_job_that_checkpoints_goes_on_as_often_as_it_wants(start: Start, toy: Toy) -> None:
    """That is no failure and needs no retry; it is done when it says so."""
    run = start().submit(Job(TRUE, checkpoint=True))
    for _ in range(5):
        end(run, toy, "exit-85")
    assert (run.jobs[0].state, run.jobs[0].attempt) == (State.QUEUED, 5)
    end(run, toy, "exit-0")
    assert run.jobs[0].state is State.DONE
    assert [one.reason for one in start().attach(run.id).attempts(0)] == [
        *[Reason.CHECKPOINTED] * 5,
        None,
    ]


def test_it_is_counted_apart_from_failures(start: Start, toy: Toy) -> None:
    """Each has its own limit."""
    run = start().submit(Job(TRUE, checkpoint=True, retry=1))
    for how in ("exit-85", "exit-1", "exit-85"):
        end(run, toy, how)
    assert run.jobs[0].attempt == 3
    end(run, toy, "exit-1")
    assert (run.jobs[0].state, run.jobs[0].reason) == (State.FAILED, Reason.EXIT_CODE)


def test_it_comes_to_an_end(start: Start, toy: Toy) -> None:
    """A rule says how often, else a number that no job comes to which saves anything."""
    job = Job(TRUE, checkpoint=True, retry={"checkpointed": 2})
    run = start().submit(job)
    for _ in range(3):
        end(run, toy, "exit-85")
    assert (run.jobs[0].state, run.jobs[0].reason) == (State.FAILED, Reason.CHECKPOINTED)
    [planned] = start().plan(Job(TRUE, checkpoint=True)).submissions
    assert [rule.times for rule in planned.retry.rules] == [CHECKPOINTS]


@pytest.mark.parametrize(
    ("lasted", "expected"),
    [
        (timedelta(seconds=1), [0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (timedelta(minutes=30), [0] * 15),
    ],
)
def test_a_job_that_saves_nothing_is_run_again_more_and_more_rarely(
    start: Start, toy: Toy, clock: Clock, lasted: timedelta, expected: list[int]
) -> None:
    """It would fill the queue of everybody with its submit commands; one that works pauses not."""
    run = start().submit(Job(TRUE, checkpoint=True))
    pauses = []
    for _ in expected:
        now = datetime.now(timezone.utc)
        end(run, toy, "exit-85", exit_code=85, started=now - lasted, ended=now)
        job = run.watched.state.jobs[0]
        pauses.append(run.watched.state.submissions[job.submission].planned.pause.total_seconds())
        clock.sleep(pauses[-1] + 1)
        run._engine.step(force=True)
    assert pauses == expected


@pytest.mark.parametrize("job", [Job(TRUE), Job(TRUE, retry={"checkpointed": 5})])
def test_without_checkpoint_the_code_is_a_failure(start: Start, toy: Toy, job: Job) -> None:
    """A program may use it by itself."""
    run = start().submit(job)
    end(run, toy, "exit-85")
    assert (run.jobs[0].state, run.jobs[0].reason) == (State.FAILED, Reason.EXIT_CODE)


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        (Reason.TIME_LIMIT, True),
        (Reason.PREEMPTED, True),
        (Reason.NODE_FAILURE, True),
        (Reason.OUT_OF_MEMORY, False),
        (None, True),
    ],
)
@pytest.mark.parametrize("how", ["exit-85", "exit-85.USR1", "exit-85.TERM"])
def test_what_was_told_that_it_must_end_has_checkpointed(
    start: Start, toy: Toy, reason: Reason | None, again: bool, how: str
) -> None:
    """Whatever the system calls that; memory that ran out may have cost the state."""
    run = start().submit(Job(TRUE, checkpoint=True))
    end(run, toy, how, reason=reason, exit_code=85)
    assert run.jobs[0].state is (State.QUEUED if again else State.FAILED)


@pytest.mark.parametrize("how", ["exit-84", "exit-1", "signal-9", "exit-0"])
def test_other_ends_are_what_they_are(start: Start, toy: Toy, how: str) -> None:
    """Also of a job that checkpoints."""
    run = start().submit(Job(TRUE, checkpoint=True))
    end(run, toy, how, exit_code=1) if how != "exit-0" else end(run, toy, how)
    assert run.jobs[0].state in (State.FAILED, State.DONE)
    assert run.jobs[0].attempt == 0


def test_a_job_whose_end_is_wanted_is_not_run_again(start: Start, toy: Toy) -> None:
    """Somebody's wish goes before that of the job."""
    run = start().submit(Job(TRUE, checkpoint=True))
    run.terminate()
    end(run, toy, "exit-85.TERM")
    assert run.jobs[0].state is State.TERMINATED


def test_the_code_is_a_setting(start: Start, toy: Toy) -> None:
    """It stays with the run."""
    run = start(settings={"anybatch": {"checkpoint_exit_code": 99}}).submit(
        Job(TRUE, checkpoint=True)
    )
    late = start().attach(run.id)
    end(late, toy, "exit-99")
    assert late.jobs[0].attempt == 1
    end(late, toy, "exit-85")
    assert late.jobs[0].state is State.FAILED


@pytest.mark.parametrize("code", [0, -1, 126, 300])
def test_a_code_that_means_something_else_is_refused(start: Start, toy: Toy, code: int) -> None:
    """Success, what shells say, and signals."""
    session = start(settings={"anybatch": {"checkpoint_exit_code": code}})
    with pytest.raises(UsageError, match="checkpoint_exit_code must be 1 to 125"):
        session.submit(Job(TRUE, checkpoint=True))
    session.submit(Job(TRUE))


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 85", "exit-85"),
        ('true >"$ANYBATCH_REQUEUE"', "exit-85"),
        ('true >"$ANYBATCH_REQUEUE"; exit 3', "exit-3"),
        ("true", "exit-0"),
        (f"{shlex.quote(sys.executable)} -m anybatch requeue-me; echo saved >state", "exit-85"),
    ],
)
def test_a_job_says_it_by_its_code_or_a_file(
    isolated: Path, shell: Shell, script: str, how: str
) -> None:
    """The file is made by `anybatch requeue-me` or by hand, and gone when the job has ended."""
    job = Job(["/bin/sh", "-c", script], checkpoint=True)
    run = write_run(isolated, shell, job)
    run.run()
    assert run.names == [f"0.0.0.command.{how}"]


def test_a_job_that_does_not_checkpoint_cannot_ask_for_it(isolated: Path, shell: Shell) -> None:
    """It is told so, with what to do."""
    script = f"{shlex.quote(sys.executable)} -m anybatch requeue-me"
    run = write_run(isolated, shell, Job(["/bin/sh", "-c", script]))
    run.run()
    assert run.names == ["0.0.0.command.exit-2"]
    assert "this is no job that checkpoints" in (run.path / "logs/0/0.err").read_text()
