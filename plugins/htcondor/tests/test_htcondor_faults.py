"""What goes wrong on a real pool, and how it is reported."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Reason, Resources, State
from anybatch.testing import assorted_end, await_that, native_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch import Session

pytestmark = pytest.mark.usefixtures("pool")

PATIENCE = 180
WAIT_FOR_GO = "touch ready-$ANYBATCH_INDEX; while ! test -e go; do sleep 0.1; done"


@pytest.fixture
def schedd(tool: Callable[..., str]) -> Iterator[Callable[[str], None]]:
    """Stops, kills and hangs the schedd; it is there again afterwards."""

    def act(what: str) -> None:
        if what in ("KILL", "STOP", "CONT"):
            tool("sudo", "pkill", f"-{what}", "-x", "condor_schedd")
        else:
            tool(f"condor_{what}", *(["-fast"] if what == "off" else []), "-daemon", "schedd")

    yield act
    subprocess.run(["sudo", "pkill", "-CONT", "-x", "condor_schedd"], check=False)
    tool("condor_on", "-daemon", "schedd")
    await_that(_schedd_answers)


def _schedd_answers() -> bool:
    return subprocess.run(["condor_q", "-totals"], capture_output=True, check=False).returncode == 0


# -- jobs


def test_a_job_removed_behind_our_back_is_terminated(
    condor: Session, tool: Callable[..., str]
) -> None:
    """`condor_rm` by somebody else, running or idle, alone or one of many."""
    alone = condor.submit(Job(["sh", "-c", WAIT_FOR_GO], name="alone"))
    held = condor.submit([Job(["true"], settings={"htcondor": {"hold": True}})] * 3)
    await_that(lambda: Path("ready-0").exists())
    tool("condor_rm", native_id(alone), native_id(held, 0))
    await_that(lambda: alone.finished and held.outcome(0), condor.poll)
    tool("condor_rm", native_id(held, 1).partition(".")[0])
    outcomes = [*alone.wait(PATIENCE), *held.wait(PATIENCE)]
    assert {(o.state, o.reason) for o in outcomes} == {(State.TERMINATED, Reason.TERMINATED)}
    assert outcomes[0].message == "via condor_rm (by user tester)"


def test_a_script_killed_with_sigkill_is_a_signal(condor: Session) -> None:
    """There is no exit record then; the event log is the evidence."""
    [outcome] = condor.submit(Job(["sh", "-c", "kill -9 $PPID"])).wait(PATIENCE)
    assert (outcome.state, outcome.reason, outcome.signal) == (State.FAILED, Reason.SIGNAL, 9)
    assert "event log: completed" in outcome.evidence


def test_a_job_that_was_vacated_is_judged_by_its_last_run(
    condor: Session, tool: Callable[..., str]
) -> None:
    """The record of the run that was cut short is no verdict; the number of restarts tells them."""
    script = 'echo x >>runs; test "$(wc -l <runs)" -gt 1 || exec sleep 600; exit 4'
    run = condor.submit(Job(["sh", "-c", script]))
    await_that(lambda: Path("runs").exists())
    tool("condor_vacate_job", native_id(run))
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.exit_code) == (State.FAILED, 4)
    assert Path("runs").read_text() == "x\nx\n"
    assert any("0.0.1.command" in one for one in outcome.evidence)


def test_a_startd_that_died_makes_the_job_run_again(
    condor: Session, tool: Callable[..., str]
) -> None:
    """HTCondor starts it anew elsewhere or later; nobody calls it failed or done meanwhile."""
    script = 'echo x >>runs; test "$(wc -l <runs)" -gt 1 || exec sleep 600'
    run = condor.submit(Job(["sh", "-c", script]))
    await_that(lambda: Path("runs").exists())
    await_that(lambda: run.jobs[0].native_state == "running", condor.poll)
    tool("condor_off", "-fast", "-daemon", "startd", "-constraint", 'Name == "sid"')
    try:
        await_that(lambda: run.jobs[0].native_state != "running", condor.poll)
        assert not run.finished
    finally:
        tool("condor_on", "-daemon", "startd", "-constraint", 'Name == "sid"')
    [outcome] = run.wait(PATIENCE)
    assert outcome.done
    assert Path("runs").read_text() == "x\nx\n"


def test_every_one_of_many_is_reported_right(condor: Session) -> None:
    """A thousand jobs, three in a hundred failing with assorted codes and signals."""
    wanted = [assorted_end(index) for index in range(1000)]
    run = condor.submit([Job(["sh", "-c", script], name="many") for script, _, _ in wanted])
    outcomes = run.wait(600)
    got = [(outcome.exit_code, outcome.signal) for outcome in outcomes]
    assert got == [(code, number) for _, code, number in wanted]
    assert condor.host.commands["condor_submit"] == 1


# -- daemons


def test_a_schedd_that_crashes_changes_no_state(
    condor: Session, schedd: Callable[[str], None]
) -> None:
    """Jobs run on; what ended meanwhile is told by its record, the others when it is back."""
    run = condor.submit([Job(["sh", "-c", WAIT_FOR_GO])] * 2)
    await_that(lambda: Path("ready-0").exists() and Path("ready-1").exists())
    await_that(lambda: run.counts == {State.RUNNING: 2}, run.refresh)
    schedd("KILL")
    run.refresh()
    assert run.counts == {State.RUNNING: 2}
    Path("go").touch()
    assert all(outcome.done for outcome in run.wait(PATIENCE))


def test_a_submission_waits_for_a_schedd_that_is_away(
    condor: Session, schedd: Callable[[str], None], notices: list[str]
) -> None:
    """The run exists, nothing is submitted twice, and it is submitted when it can be."""
    condor.plan(Job(["true"]))
    schedd("off")
    run = condor.submit([Job(["sh", "-c", "echo x >>ran"])] * 2)
    assert run.counts == {State.NEW: 2}
    assert "submission failed, retrying in" in notices[-1]
    schedd("on")
    assert all(outcome.done for outcome in run.wait(PATIENCE))
    assert Path("ran").read_text() == "x\nx\n"


def test_a_submission_that_timed_out_is_not_repeated(
    shared: None, new_session: Callable[..., Session], schedd: Callable[[str], None]
) -> None:
    """A schedd that hangs lets condor_submit be given up; each job runs once all the same."""
    condor = new_session("htcondor", settings={"anybatch": {"submit_timeout": "5s"}})
    condor.plan(Job(["true"]))
    schedd("STOP")
    run = condor.submit([Job(["sh", "-c", "echo x >>ran"])] * 3)
    assert run.counts == {State.NEW: 3}
    schedd("CONT")
    assert all(outcome.done for outcome in run.wait(PATIENCE))
    assert Path("ran").read_text() == "x\n" * 3


def test_an_event_log_that_was_lost_is_no_end(condor: Session) -> None:
    """The schedd is asked instead, and the exit record tells the end."""
    run = condor.submit(Job(["sh", "-c", WAIT_FOR_GO]))
    await_that(lambda: Path("ready-0").exists())
    for log in run.folder.glob("htcondor-*.log"):
        log.rename(log.with_suffix(".gone"))
    # The schedd learns of the start a moment after the job has begun.
    await_that(lambda: run.counts == {State.RUNNING: 1}, run.refresh)
    Path("go").touch()
    assert run.wait(PATIENCE)[0].done


# -- refusals


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"requirements": "(a =="}, "Parse error"),
        ({"+Mine": '"unclosed'}, "Parse error"),
        ({"accounting_group": "a b"}, "accounting_group"),
        ({"universe": "nosuch"}, "universe"),
    ],
)
def test_what_htcondor_refuses_is_rejected_with_its_words(
    condor: Session, settings: dict[str, str], said: str
) -> None:
    """It is a verdict at once, not something to be tried again."""
    [outcome] = condor.submit(Job(["true"], settings={"htcondor": settings})).wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.REJECTED)
    assert outcome.message
    assert said in outcome.message


def test_settings_become_attributes_of_the_job(condor: Session, tool: Callable[..., str]) -> None:
    """Commands by their own names, attributes, resources in the right units, and the name."""
    settings = {
        "hold": True,
        "priority": 7,
        "+Flavour": '"long lunch"',
        "MY.Number": 3,
        "requirements": "TARGET.Cpus > 0",
    }
    needs = Resources(cores=2, tasks=2, memory="1.5 GiB", disk="3 MB", time="90s")
    job = Job(
        ["true"], name='it\'s "$(Cluster)" ü', resources=needs, settings={"htcondor": settings}
    )
    run = condor.submit([job, job])
    names = ("JobPrio", "Flavour", "Number", "RequestCpus", "RequestMemory", "RequestDisk")
    names += ("AllowedExecuteDuration", "JobBatchName", "AnybatchToken")
    got = tool("condor_q", native_id(run), "-af:,", *names).strip()
    token = f"ab-{run.id}-0"
    assert got == f"7, long lunch, 3, 4, 1536, 2930, 90, {job.name}, {token}"
    run.terminate()
    assert {outcome.state for outcome in run.wait(PATIENCE)} == {State.TERMINATED}


# -- very large runs


def test_a_run_that_is_materialized_late_ends_whole(condor: Session) -> None:
    """Jobs that the queue does not hold yet are queued jobs; terminating the run ends them too."""
    late = {"htcondor": {"late_from": 10, "max_idle": 3, "requirements": "false"}}
    run = condor.submit([Job(["true"], settings=late)] * 30)
    wanted = {"idle", "to be materialized"}
    await_that(lambda: {job.native_state for job in run.jobs} == wanted, condor.poll)
    assert run.counts == {State.QUEUED: 30}
    run.terminate()
    assert {outcome.state for outcome in run.wait(PATIENCE)} == {State.TERMINATED}


def test_late_jobs_run_each_once(condor: Session) -> None:
    """The queue never holds more idle ones than it should, and all of them run."""
    late = {"htcondor": {"late_from": 10, "max_idle": 4}}
    run = condor.submit([Job(["sh", "-c", "echo $ANYBATCH_INDEX"], settings=late)] * 40)
    outcomes = run.wait(PATIENCE)
    assert [o.stdout and o.stdout.read_text() for o in outcomes] == [f"{n}\n" for n in range(40)]
