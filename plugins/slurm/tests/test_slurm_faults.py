"""What goes wrong on a real cluster, and how it is reported."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, JobError, Reason, Resources, State
from anybatch.testing import assorted_end, await_that, native_id

from .conftest import ONE_CLUSTER

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

pytestmark = pytest.mark.usefixtures("slurm_cluster")

PATIENCE = 180
WAIT_FOR_GO = "touch ready-$ANYBATCH_INDEX; while ! test -e go; do sleep 0.1; done"


def test_a_job_cancelled_behind_our_back_is_terminated(
    slurm: Session, tool: Callable[..., str]
) -> None:
    """`scancel` by somebody else, running or pending, alone or an element of an array."""
    alone = slurm.submit(Job(["sh", "-c", WAIT_FOR_GO], name="alone"))
    held = slurm.submit([Job(["true"], settings={"slurm": {"hold": True}})] * 3)
    await_that(lambda: Path("ready-0").exists())
    tool("scancel", native_id(alone), native_id(held, 0))
    await_that(lambda: alone.finished and held.outcome(0), slurm.poll)
    tool("scancel", native_id(held, 1).partition("_")[0])
    outcomes = [*alone.wait(PATIENCE), *held.wait(PATIENCE)]
    assert {(o.state, o.reason) for o in outcomes} == {(State.TERMINATED, Reason.TERMINATED)}


def test_a_script_killed_with_sigkill_is_a_signal(slurm: Session) -> None:
    """There is no exit record then; Slurm's word is the evidence."""
    [outcome] = slurm.submit(Job(["sh", "-c", "kill -9 $PPID"])).wait(PATIENCE)
    assert (outcome.state, outcome.reason, outcome.signal) == (State.FAILED, Reason.SIGNAL, 9)
    assert outcome.exit_code is None


@ONE_CLUSTER
def test_a_log_folder_that_vanished_is_a_failed_set_up(
    slurm: Session, tool: Callable[..., str]
) -> None:
    """Slurm cannot open its output file (`0:53`): the job never came to its first line."""
    run = slurm.submit(Job(["true"], settings={"slurm": {"hold": True}}))
    shutil.rmtree(run.folder / "logs")
    (run.folder / "logs").touch()  # newer versions make a folder that is missing
    tool("scontrol", "release", native_id(run))
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)


def test_a_held_job_is_shown_as_held(slurm: Session, tool: Callable[..., str]) -> None:
    """Held is a state with Slurm's own reason, and no failure."""
    run = slurm.submit(Job(["true"], settings={"slurm": {"hold": True}}))
    await_that(lambda: run.counts == {State.HELD: 1}, run.refresh)
    assert str(run.jobs[0].message).startswith("JobHeldUser: it will not start by itself")
    tool("scontrol", "release", native_id(run))
    assert run.wait(PATIENCE)[0].done


def test_a_requeued_job_is_judged_by_its_last_run(slurm: Session, tool: Callable[..., str]) -> None:
    """The record of the run that was cut short is no verdict."""
    run = slurm.submit(Job(["sh", "-c", f"{WAIT_FOR_GO}; exit 7"]))
    await_that(lambda: Path("ready-0").exists())
    await_that(lambda: run.counts == {State.RUNNING: 1}, run.refresh)
    Path("ready-0").unlink()
    tool("scontrol", "requeue", native_id(run))
    # Slurm sets the time of the second run, minutes ahead, when all of the first is gone. Within
    # the same second slurmd 22.05 refuses it: `Job credential revoked`.
    await_that(lambda: str(run.jobs[0].message).startswith("BeginTime"), run.refresh)
    assert run.counts == {State.QUEUED: 1}
    second = int(time.time())
    await_that(lambda: int(time.time()) > second)
    tool("scontrol", "update", f"jobid={native_id(run)}", "starttime=now")
    await_that(lambda: Path("ready-0").exists(), run.refresh)
    assert not run.finished
    Path("go").touch()
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.exit_code) == (State.FAILED, 7)
    assert any("0.0.1.command" in evidence for evidence in outcome.evidence)


def test_a_node_that_died_is_a_node_failure(
    slurm: Session, slurm_cluster: str, tool: Callable[..., str]
) -> None:
    """With requeueing off there is no second run, and the reason says why."""
    node = tool("sinfo", "--noheader", "--format=%N").strip()
    run = slurm.submit(Job(["sh", "-c", WAIT_FOR_GO], settings={"slurm": {"no-requeue": True}}))
    await_that(lambda: Path("ready-0").exists())
    try:
        tool("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        [outcome] = run.wait(PATIENCE)
    finally:
        tool("scontrol", "update", f"nodename={node}", "state=resume")
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.NODE_FAILURE)


def test_a_controller_that_is_away_changes_no_state(
    slurm: Session, engine: Callable[[str], None], notices: list[str]
) -> None:
    """The user is told with Slurm's own words; jobs stay as they were, and it goes on."""
    run = slurm.submit([Job(["sh", "-c", WAIT_FOR_GO])] * 3)
    await_that(lambda: run.counts == {State.RUNNING: 3}, run.refresh)
    notices.clear()
    engine("stop-controller")
    try:
        run.refresh()
        assert run.counts == {State.RUNNING: 3}
        [notice] = [text for text in notices if "cannot reach slurm" in text]
        assert "Unable to contact slurm controller" in notice
    finally:
        engine("start-controller")
    Path("go").touch()
    assert all(outcome.done for outcome in run.wait(PATIENCE))


@ONE_CLUSTER
def test_a_submission_waits_for_a_controller_that_is_away(
    slurm: Session, engine: Callable[[str], None], notices: list[str]
) -> None:
    """The run exists, nothing is submitted twice, and it is submitted when it can be."""
    slurm.plan(Job(["true"]))  # asks the cluster for its limits
    engine("stop-controller")
    try:
        run = slurm.submit([Job(["sh", "-c", "echo x >>ran"])] * 2)
        assert run.counts == {State.NEW: 2}
        assert "submission failed, retrying in" in notices[-1]
    finally:
        engine("start-controller")
    assert all(outcome.done for outcome in run.wait(PATIENCE))
    assert Path("ran").read_text() == "x\nx\n"


@ONE_CLUSTER
def test_a_submission_that_timed_out_and_arrived_is_not_repeated(
    slurm: Session, tool: Callable[..., str]
) -> None:
    """A controller that hangs lets sbatch give up; the job is there all the same, once."""
    slurm.plan(Job(["true"]))
    state = Path(os.environ["SLURM_CONF"]).parent
    controller = (state / "run" / "slurmctld.pid").read_text().strip()
    tool("kill", "-STOP", controller)
    try:
        run = slurm.submit([Job(["sh", "-c", "echo x >>ran"])] * 3)
        assert run.counts == {State.NEW: 3}
    finally:
        tool("kill", "-CONT", controller)
    assert all(outcome.done for outcome in run.wait(PATIENCE))
    assert Path("ran").read_text() == "x\n" * 3
    assert slurm.host.commands["sbatch"] == 1


def test_what_slurm_refuses_is_rejected_with_its_words(slurm: Session) -> None:
    """An unknown partition is a verdict at once, not something to be tried again.

    Where Slurm is asked before, it is not submitted; what is fine has a time to start.
    """
    unchecked = {"anybatch": {"check_resources": False}}
    job = Job(["true"], resources=Resources(queue="nosuch"), settings=unchecked)
    with pytest.raises(JobError, match=r"slurm would refuse job 0: .*partition.*sinfo lists them"):
        slurm.check(slurm.plan(job))
    [told] = slurm.check(slurm.plan([Job(["true"])] * 3))
    assert re.match(r"as Slurm is now, the first would start at \d{4}-\d\d-\d\d ", told.said)
    [outcome] = slurm.submit(job).wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.REJECTED)
    assert outcome.message
    assert "nosuch" in outcome.message


@ONE_CLUSTER
def test_a_warning_signal_reaches_the_command_before_the_time_limit(slurm: Session) -> None:
    """`signal` goes through the job script; the limit itself is reason `time_limit`.

    Slurm looks every 30 s, and sends it at the last look that is not too late: 20 to 50 s after
    the start, when the command has set its trap.
    """
    warned = "trap 'touch warned' USR1; while :; do sleep 0.1; done"
    job = Job(
        ["sh", "-c", warned],
        resources=Resources(time="1m"),
        settings={"slurm": {"signal": "USR1@10"}},
    )
    [outcome] = slurm.submit(job).wait(2 * PATIENCE)
    assert Path("warned").exists()
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.TIME_LIMIT)
    assert outcome.exit_code != 0


def test_jobs_beyond_the_largest_array_are_chunks(slurm: Session) -> None:
    """One sbatch for each chunk of the array limit, all in one run."""
    slurm.settings = slurm.settings.with_layer("call", {"slurm": {"max_array": 40}})
    run = slurm.submit([Job(["sh", "-c", "exit $((ANYBATCH_INDEX % 7))"])] * 100)
    assert slurm.host.commands["sbatch"] == 3
    assert [o.exit_code for o in run.wait(PATIENCE)] == [index % 7 for index in range(100)]


def test_settings_become_directives_and_a_site_can_forbid_some(
    slurm: Session, tool: Callable[..., str]
) -> None:
    """An option by its own name, a name in place of the program's, and `skip`."""
    settings = {
        "hold": True,
        "comment": "my own words",
        "job-name": 'two "words" \\ #1',
        "partition": "short",
        "mem": "100M",
        "skip": ["mem"],
    }
    run = slurm.submit(Job(["true"], settings={"slurm": settings}))
    shown = tool("squeue", "--noheader", f"--jobs={native_id(run)}", "--format=%P|%j|%k|%m")
    partition, name, comment, memory = shown.strip().split("|")
    assert (partition, name) == ("short", 'two "words" \\ #1')
    assert comment.endswith(" my own words")
    assert memory != "100M"
    run.terminate()


def test_every_one_of_many_is_reported_right(slurm: Session, slurm_cluster: str) -> None:
    """Thousands of jobs, three in a hundred failing with assorted codes and signals."""
    count = 2000 if slurm_cluster == "plain" else 600
    wanted = [assorted_end(index) for index in range(count)]
    run = slurm.submit([Job(["sh", "-c", script]) for script, _, _ in wanted])
    outcomes = run.wait(600)
    got = [(outcome.exit_code, outcome.signal) for outcome in outcomes]
    assert got == [(code, number) for _, code, number in wanted]
