"""Retries by reason: what may be asked for, and what comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, Reason, Rejected, Resources, Retry, RetryRule, State
from anybatch.jobfile import read_job
from anybatch.retries import read_retry_option
from anybatch.units import parse_size

from .toy import Clock, Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

    Start = Callable[..., Session]

TRUE = ["true"]
GIB = 2**30
#: As in the documentation.
TABLE: dict[str, Any] = {
    "node_failure": 3,
    "preempted": 10,
    "out_of_memory": {"times": 2, "memory": "x2", "most": "64 GiB"},
    "time_limit": {"times": 1, "time": "x1.5"},
    "exit_code": {"codes": [75], "times": 5, "pause": "1m"},
}
RULES = (
    RetryRule("node_failure", 3),
    RetryRule("preempted", 10),
    RetryRule("out_of_memory", 2, memory=2, most="64 GiB"),
    RetryRule("time_limit", 1, time=1.5),
    RetryRule("exit_code", 5, codes=[75], pause=timedelta(minutes=1)),
)


# -- what may be asked for


def test_a_table_is_a_retry(tmp_path: Path) -> None:
    """In Python, in a job file, and as options of the command line."""
    retry = Job(TRUE, retry=TABLE).retry
    assert retry == Retry(rules=RULES)
    (tmp_path / "job.toml").write_text(
        'command = ["a"]\n[retry]\nnode_failure = 3\npreempted = 10\n'
        'out_of_memory = { times = 2, memory = "x2", most = "64 GiB" }\n'
        'time_limit = { times = 1, time = "x1.5" }\n'
        'exit_code = { codes = [75], times = 5, pause = "1m" }\n'
    )
    assert read_job(tmp_path / "job.toml").retry == retry
    options = [
        *("node_failure=3", "preempted=10", "out_of_memory=2,memory=x2,most=64 GiB"),
        *("time_limit=1,time=x1.5", "exit_code=5,codes=75,pause=1m"),
    ]
    assert tuple(map(read_retry_option, options)) == RULES
    assert read_retry_option("exit_code=1,codes=75,80,avoid-host=yes") == RetryRule(
        "exit_code", 1, codes=[75, 80], avoid_host=True
    )
    assert read_retry_option("3") == 3


def test_the_short_form_stands_beside_rules() -> None:
    """It says what holds for reasons without one."""
    retry = Job(TRUE, retry={"times": 2, "on": ["signal"], "node_failure": 1}).retry
    assert retry == Retry(2, ["signal"], rules=[RetryRule("node_failure", 1)])
    assert retry.most == 3


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"node_failur": 3}, "retry: unknown key 'node_failur'; did you mean 'node_failure'?"),
        ({"node_failure": -1}, "retry: node_failure: times must be a whole number"),
        ({"node_failure": "3"}, "retry: node_failure: times must be a whole number"),
        ({"node_failure": {"memory": "x2"}}, "retry: node_failure: times is missing"),
        ({"signal": {"times": 1, "codes": [1]}}, "retry: signal: codes are for exit_code"),
        ({"exit_code": {"times": 1, "codes": [0]}}, "codes must be exit codes, 1 to 255, not 0"),
        ({"exit_code": {"times": 1, "codes": [256]}}, "codes must be exit codes"),
        ({"exit_code": {"times": 1, "codes": 7.5}}, "retry: exit_code: "),
        ({"exit_code": {"times": 1, "paus": "1m"}}, "unknown key 'paus'; did you mean 'pause'?"),
        ({"exit_code": {"times": 1, "pause": "soon"}}, "retry: exit_code: "),
        ({"out_of_memory": {"times": 1, "memory": "x1"}}, "'x1' is no growth"),
        ({"out_of_memory": {"times": 1, "memory": "2 GiB"}}, "'2 GiB' is no growth"),
        ({"out_of_memory": {"times": 1, "memory": "xnan"}}, "'xnan' is no growth"),
        ({"out_of_memory": {"times": 1, "memory": True}}, "True is no growth"),
        ({"out_of_memory": {"times": 1, "most": "1 GB"}}, "most is the limit of either"),
        ({"time_limit": {"times": 1, "time": "x2", "most": "1 GB"}}, "retry: time_limit: "),
        ({"preempted": {"times": 1, "avoid_host": "n1"}}, "avoid_host must be True or False"),
    ],
)
def test_what_makes_no_sense_is_told(table: dict[str, Any], message: str) -> None:
    """With the reason that it is for, before anything is submitted."""
    with pytest.raises(JobError) as caught:
        Job(TRUE, retry=table)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "x", "=", "3,4", "exit_code", "exit_code=", "9" * 5000])
def test_what_is_no_option_is_told(text: str) -> None:
    """In one line of words, whatever is typed."""
    with pytest.raises(ValueError, match=r"\w+"):
        read_retry_option(text)


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({}, "retry: out_of_memory: memory cannot grow, for none is asked for"),
        ({"memory": "64 GiB"}, "most is 64 GiB, and the job asks for 64 GiB already"),
        ({"memory": "1 GiB"}, "retry: time_limit: time cannot grow, for no limit is set"),
    ],
)
def test_what_cannot_grow_is_told_before_anything_is_submitted(
    new_session: Callable[..., Session], toy: Toy, resources: dict[str, Any], message: str
) -> None:
    """A job that asks for nothing would be run again with nothing more."""
    session = new_session("toy", plugins=plugins_of(toy=toy), host=local_host())
    with pytest.raises(JobError, match=message):
        session.submit(Job(TRUE, retry=TABLE, resources=Resources(**resources)))
    assert not toy.calls["submit"]


# -- what comes of it


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy, clock: Clock) -> Start:
    """Sessions of several processes on one system."""
    return lambda: new_session("toy", plugins=plugins_of(toy=toy), host=local_host())


def job(**more: Any) -> Job:
    resources = Resources(memory="10 GiB", time="2h")
    return Job(TRUE, **{"retry": TABLE, "resources": resources, **more})


def fail(run: Run, toy: Toy, reason: Reason | None, code: int | None = None, **facts: Any) -> None:
    """End the attempt that is under way, and hand over the next one if there is any."""
    number = len(toy.tokens)
    if reason is None:
        leave_record(run.folder, f"0.{run.jobs[0].attempt}.0.command.exit-{code}")
    toy.answers[f"{number}.1"] = said(State.FAILED, reason=reason, exit_code=code, **facts)
    for _ in range(3):
        run._engine.step(force=True)


def test_each_reason_is_counted_apart(start: Start, toy: Toy) -> None:
    """So many of one leave those of another; the reasons stay on record."""
    run = start().submit(job())
    for reason in (Reason.NODE_FAILURE, Reason.PREEMPTED) * 3:
        fail(run, toy, reason)
    assert run.jobs[0].state is State.QUEUED
    fail(run, toy, Reason.NODE_FAILURE)
    assert [one.reason for one in run.attempts(0)][-3:] == [
        Reason.NODE_FAILURE,
        Reason.PREEMPTED,
        Reason.NODE_FAILURE,
    ]
    assert (run.jobs[0].state, run.jobs[0].attempt) == (State.FAILED, 6)
    assert len(toy.calls["submit"]) == 7


def test_the_next_attempt_has_more_up_to_the_limit(start: Start, toy: Toy) -> None:
    """It is run again while that can help, and no more often than allowed."""
    rule = RetryRule("out_of_memory", 9, memory="x3", most="64 GiB")
    run = start().submit(job(retry=Retry(rules=[rule])))
    for _ in range(4):
        fail(run, toy, Reason.OUT_OF_MEMORY)
    asked = [(one.resources.memory or 0) / GIB for one in toy.calls["submit"]]
    assert asked == [10, 30, 64]
    assert run.jobs[0].state is State.FAILED
    times = [one.resources.time for one in toy.calls["submit"]]
    assert set(times) == {timedelta(hours=2)}


def test_time_grows_for_another_reason_than_memory(start: Start, toy: Toy) -> None:
    """What one attempt got stays for the next, whatever that ends with."""
    run = start().submit(job())
    fail(run, toy, Reason.OUT_OF_MEMORY)
    fail(run, toy, Reason.TIME_LIMIT)
    fail(run, toy, Reason.NODE_FAILURE)
    last = toy.calls["submit"][-1].resources
    assert (last.memory, last.time) == (parse_size("20 GiB"), timedelta(hours=3))
    assert run.submissions[-1].resources == last


def test_only_the_named_exit_codes_are_run_again(start: Start, toy: Toy) -> None:
    """Another one ends the job, where the short form allows none."""
    run = start().submit(job(retry={"exit_code": {"times": 5, "codes": [75, 80]}}))
    fail(run, toy, None, 80)
    fail(run, toy, None, 75)
    assert run.jobs[0].attempt == 2
    fail(run, toy, None, 1)
    assert (run.jobs[0].state, run.jobs[0].exit_code) == (State.FAILED, 1)


def test_a_pause_is_kept_by_who_comes_later(start: Start, toy: Toy, clock: Clock) -> None:
    """It counts from when the retry was put on record, and is told meanwhile."""
    session = start()
    run = session.submit(job())
    fail(run, toy, None, 75)
    assert (run.jobs[0].state, run.jobs[0].attempt) == (State.NEW, 1)
    assert "to be run again" in (run.jobs[0].message or "")
    clock.now += 40
    session.close()
    run = start().attach(run.id)
    run._engine.step(force=True)
    assert len(toy.calls["submit"]) == 1
    clock.now += 21
    run._engine.step(force=True)
    assert len(toy.calls["submit"]) == 2
    assert run.jobs[0].state is State.QUEUED


def test_a_job_is_ended_during_its_pause(start: Start, toy: Toy) -> None:
    """Nothing has to be waited for."""
    run = start().submit(job())
    fail(run, toy, None, 75)
    assert run.terminate() == 1
    assert run.jobs[0].state is State.TERMINATED


def test_the_host_that_failed_is_avoided(start: Start, toy: Toy) -> None:
    """After a node failure, or where the rule says so; all of them, in their order."""
    retry = {"node_failure": 9, "preempted": 9, "exit_code": {"times": 1, "avoid_host": True}}
    run = start().submit(job(retry=retry))
    fail(run, toy, Reason.NODE_FAILURE, host="n1")
    fail(run, toy, Reason.PREEMPTED, host="n2")
    fail(run, toy, Reason.NODE_FAILURE, host="n1")
    fail(run, toy, None, 3, host="n4")
    assert [one.avoid for one in toy.calls["submit"]] == [
        (),
        ("n1",),
        ("n1",),
        ("n1",),
        ("n1", "n4"),
    ]
    assert [one.host for one in run.attempts(0)] == ["n1", "n2", "n1", "n4"]


def test_what_is_refused_with_hosts_to_avoid_is_tried_without(
    start: Start, toy: Toy, clock: Clock, notices: list[str]
) -> None:
    """A cluster of one node has no other, and that is no reason to give the job up."""
    session = start()
    run = session.submit(job())
    toy.scripted["submit"] = [Rejected("Requested node configuration is not available")]
    fail(run, toy, Reason.NODE_FAILURE, host="n1")
    session.close()
    run = start().attach(run.id)
    run._engine.step(force=True)
    assert [one.avoid for one in toy.calls["submit"]] == [(), ("n1",), ()]
    assert run.jobs[0].state is State.QUEUED
    assert any("n1 cannot be avoided: Requested node" in text for text in notices)


def test_jobs_with_equal_needs_are_run_again_together(start: Start, toy: Toy) -> None:
    """One submit command for each kind of failure, not for each job."""
    run = start().submit([job()] * 6)
    reasons = [Reason.OUT_OF_MEMORY, Reason.TIME_LIMIT, Reason.OUT_OF_MEMORY] * 2
    for number, reason in enumerate(reasons, 1):
        toy.answers[f"1.{number}"] = said(State.FAILED, reason=reason)
    for _ in range(3):
        run._engine.step(force=True)
    again = toy.calls["submit"][1:]
    assert sorted((one.count, one.resources.memory) for one in again) == [
        (2, 10 * GIB),
        (4, 20 * GIB),
    ]
    assert {job.attempt for job in run.jobs} == {1}


def test_a_rule_is_kept_with_the_run(start: Start, toy: Toy) -> None:
    """A process that comes later counts on, with the same limits."""
    session = start()
    run = session.submit(job(retry={"out_of_memory": {"times": 2, "memory": "x2"}}))
    for _ in range(2):
        fail(run, toy, Reason.OUT_OF_MEMORY)
        session.close()
        session = start()
        run = session.attach(run.id)
    fail(run, toy, Reason.OUT_OF_MEMORY)
    assert [(one.resources.memory or 0) / GIB for one in toy.calls["submit"]] == [10, 20, 40]
    assert run.jobs[0].state is State.FAILED
