"""What goes wrong on a cluster, and how it is reported: on the simulator, in both dialects."""

from __future__ import annotations

import getpass
import shutil
import signal as signals
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, Reason, Resources, State
from anybatch.errors import JobError, UnknownSystem
from anybatch.testing import native_id, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Run, Session
    from lsfsim.fixture import Simulator

PATIENCE = 180
await_that = partial(waiting.await_that, patience=PATIENCE)
WAIT_FOR_GO = "touch ready-$ANYBATCH_INDEX; while ! test -e go; do sleep 0.1; done"
#: Commands of a cluster that is away wait for ever; tests do not.
QUICK = {"lsf": {"timeout": "2s"}}
#: Long enough for a bsub to arrive on a busy machine; that it hangs then is the fault.
GIVEN_UP = {"anybatch": {"submit_timeout": "5s"}}
BOTH = pytest.mark.parametrize("dialect", ["lsf", "openlava"])


# -- jobs


def test_a_job_killed_behind_our_back_is_terminated(lsf: Session, cluster: Simulator) -> None:
    """`bkill` by somebody else, running or pending, alone or an element of an array."""
    alone = lsf.submit(Job(["sh", "-c", WAIT_FOR_GO], name="alone"))
    held = lsf.submit([Job(["true"], settings={"lsf": {"hold": True}})] * 3)
    await_that(lambda: Path("ready-0").exists())
    cluster.run("bkill", native_id(alone), native_id(held, 0))
    await_that(lambda: alone.finished and held.outcome(0), lsf.poll)
    assert held.outcome(1) is None
    cluster.run("bkill", native_id(held, 1).partition("[")[0])
    outcomes = [*alone.wait(PATIENCE), *held.wait(PATIENCE)]
    assert {(o.state, o.reason) for o in outcomes} == {(State.TERMINATED, Reason.TERMINATED)}


def test_a_script_killed_with_sigkill_is_a_signal(lsf: Session) -> None:
    """There is no exit record then; LSF's word is the evidence."""
    [outcome] = lsf.submit(Job(["sh", "-c", "kill -9 $PPID; kill -9 0"])).wait(PATIENCE)
    assert (outcome.state, outcome.reason, outcome.signal) == (State.FAILED, Reason.SIGNAL, 9)
    assert outcome.exit_code is None


@BOTH
def test_a_job_that_bjobs_has_forgotten_is_found_in_the_log_of_events(
    make_cluster: Callable[..., Simulator], new_session: Callable[..., Session], dialect: str
) -> None:
    """After CLEAN_PERIOD bhist still tells how it ended, of jobs and of elements."""
    make_cluster(dialect=dialect, clean_period=0)
    kill = Job(["sh", "-c", "kill -9 $PPID; kill -9 0"])
    session = new_session("lsf")
    one, two = session.submit(kill), session.submit([kill, kill])
    [alone], both = one.wait(PATIENCE), two.wait(PATIENCE)
    found = {(o.state, o.reason, o.signal) for o in (alone, *both)}
    assert found == {(State.FAILED, Reason.SIGNAL, 9)}
    assert any("bhist" in evidence for evidence in alone.evidence)


def test_a_held_job_is_shown_as_held(lsf: Session, cluster: Simulator) -> None:
    """PSUSP is a state and no failure, and says what releases the job."""
    run = lsf.submit(Job(["true"], settings={"lsf": {"H": True}}))
    await_that(lambda: run.counts == {State.HELD: 1}, run.refresh)
    assert "bresume releases it" in (run.jobs[0].message or "")
    cluster.run("bresume", native_id(run))
    assert run.wait(PATIENCE)[0].done


def test_a_job_over_its_memory_is_out_of_memory(
    make_cluster: Callable[..., Simulator], new_session: Callable[..., Session]
) -> None:
    """The limit is in the unit of the cluster: in another one the job would live, or none."""
    make_cluster("LSF_UNIT_FOR_LIMITS=KB\n")
    hungry = "import time; text = 'x' * 200_000_000; time.sleep(60)"
    modest = "import time; text = 'x' * 20_000_000; time.sleep(1)"
    need = Resources(memory="100 MiB")
    jobs = [Job(["python3", "-c", program], resources=need) for program in (hungry, modest)]
    first, second = new_session("lsf").submit(jobs).wait(PATIENCE)
    assert (first.state, first.reason) == (State.FAILED, Reason.OUT_OF_MEMORY)
    assert second.done


def test_a_job_over_its_time_is_over_its_time(
    make_cluster: Callable[..., Simulator], new_session: Callable[..., Session]
) -> None:
    """`-W` counts minutes, which are short here."""
    make_cluster()
    job = Job(["sleep", "60"], resources=Resources(time="1m"))
    [outcome] = new_session("lsf").submit(job).wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.TIME_LIMIT)


def test_a_log_folder_that_vanished_is_a_failed_set_up(lsf: Session, cluster: Simulator) -> None:
    """The job never came to the first line of its script."""
    run = lsf.submit(Job(["true"], settings={"lsf": {"H": True}}))
    shutil.rmtree(run.folder / "logs")
    cluster.run("bresume", native_id(run))
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)


# -- a cluster that is away, slow or strange


def test_a_cluster_that_is_away_changes_no_state(
    cluster: Simulator, new_session: Callable[..., Session], notices: list[str]
) -> None:
    """Its commands wait for ever, and are ended; jobs stay as they were, and it goes on.

    The time limit is that of the submission, whatever the session has that watches it.
    """
    patient = new_session("lsf", settings={"lsf": {"timeout": "10s"}})
    submitted = patient.submit([Job(["sh", "-c", WAIT_FOR_GO])] * 3)
    await_that(lambda: submitted.counts == {State.RUNNING: 3}, submitted.refresh)
    notices.clear()
    # OpenLava's lsid does not wait, and speaks to another daemon.
    cluster.fault("bjobs down" if cluster.folder.name == "openlava" else "* down")
    run = new_session("lsf").attach(submitted.id)
    run.refresh()
    assert run.counts == {State.RUNNING: 3}
    [notice] = [text for text in notices if "cannot reach lsf" in text]
    assert "timed out after 10 s" in notice
    cluster.fault()
    Path("go").touch()
    assert all(outcome.done for outcome in run.wait(PATIENCE))


@pytest.mark.parametrize(
    "fault",
    [
        "bjobs fail batch system daemon not responding ... still trying",
        "bjobs fail Failed in an LSF library call: Slave LIM configuration is not ready yet",
        "bjobs say rubbish { instead of [jobs",
        "bjobs say",
    ],
)
def test_an_answer_that_is_none_changes_no_state(
    lsf: Session, cluster: Simulator, fault: str
) -> None:
    """An error, rubbish, or nothing at all with exit status 0."""
    run = lsf.submit([Job(["sh", "-c", WAIT_FOR_GO])] * 2)
    await_that(lambda: run.counts == {State.RUNNING: 2}, run.refresh)
    cluster.fault(fault)
    run.refresh()
    assert run.counts == {State.RUNNING: 2}
    cluster.fault()
    Path("go").touch()
    assert all(outcome.done for outcome in run.wait(PATIENCE))


def test_banners_and_slowness_hinder_nothing(lsf: Session, cluster: Simulator) -> None:
    """Sites print what they like before every answer, and mbatchd may take its time."""
    cluster.fault("* banner *** Job <1> was nice. Welcome to {LSF}! ***", "* slow 0.5")
    outcomes = lsf.submit([Job(["sh", "-c", "exit $ANYBATCH_INDEX"])] * 3).wait(PATIENCE)
    assert [outcome.exit_code for outcome in outcomes] == [0, 1, 2]


def test_a_submission_waits_for_a_cluster_that_is_busy(
    lsf: Session, cluster: Simulator, notices: list[str]
) -> None:
    """What passes by itself is tried again, and nothing is submitted twice."""
    full = "Pending job threshold reached. Retrying in 60 seconds... Job not submitted."
    cluster.fault(f"once bsub fail {full}")
    run = lsf.submit([Job(["sh", "-c", "echo x >>ran"])] * 2)
    assert run.counts == {State.NEW: 2}
    assert "submission failed, retrying in" in notices[0]
    assert all(outcome.done for outcome in run.wait(PATIENCE))
    assert Path("ran").read_text() == "x\nx\n"


@BOTH
@pytest.mark.parametrize("period", [3600, 0])
def test_a_submission_that_timed_out_and_arrived_is_not_repeated(
    make_cluster: Callable[..., Simulator],
    new_session: Callable[..., Session],
    dialect: str,
    period: int,
) -> None:
    """`bsub` gave up, mbatchd had the job: it is found, also after CLEAN_PERIOD."""
    cluster = make_cluster(dialect=dialect, clean_period=period)
    lsf = new_session("lsf", settings=GIVEN_UP)
    lsf.plan(Job(["true"]))
    cluster.fault("bsub swallow")
    run = lsf.submit([Job(["sh", "-c", "echo x >>ran"], name="late")] * 3)
    assert run.counts == {State.NEW: 3}
    cluster.fault()
    assert all(outcome.done for outcome in run.wait(PATIENCE))
    assert Path("ran").read_text() == "x\n" * 3
    assert lsf.host.commands["bsub"] == 1
    assert all(job.id and job.id.native_id for job in run.jobs)


def test_what_no_host_can_run_is_not_submitted(lsf: Session) -> None:
    """It is refused with what is asked for and what the hosts have."""
    with pytest.raises(JobError, match="17 cores on a node, and the largest has 16 cores"):
        lsf.submit(Job(["true"], resources=Resources(cores=17)))
    with pytest.raises(JobError, match="17 GiB of memory on a node, and the largest has 16"):
        lsf.submit(Job(["true"], resources=Resources(memory="17 GiB")))
    assert lsf.host.commands["bsub"] == 0


@BOTH
def test_why_a_job_waits_is_told(
    make_cluster: Callable[..., Simulator], new_session: Callable[..., Session], dialect: str
) -> None:
    """In the words of LSF, and in plain ones, by the command that is run anyway."""
    cluster = make_cluster(dialect=dialect, slots=1)
    lsf = new_session("lsf")
    run = lsf.submit([Job(["sleep", "600"])] * 2)
    told = "Job slot limit reached (the slots of these hosts are in use)"
    await_that(lambda: [job.message for job in run.jobs] == [None, told], run.refresh)
    run.terminate()
    run.wait(PATIENCE)
    assert cluster.run("bjobs", "-p").returncode != 0


def test_what_lsf_refuses_is_rejected_with_its_words(lsf: Session) -> None:
    """An unknown queue is a verdict at once, not something to be tried again."""
    [outcome] = lsf.submit(Job(["true"], resources=Resources(queue="nosuch"))).wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.REJECTED)
    assert outcome.message
    assert "nosuch: No such queue" in outcome.message


# -- kinds of LSF


@pytest.mark.parametrize("version", ["9.1.3.0", "10.1.0.0", "10.1.0.12"])
def test_every_lsf_is_asked_what_it_can_answer(
    make_cluster: Callable[..., Simulator], new_session: Callable[..., Session], version: str
) -> None:
    """Before 10.1 the plain table, before 10.1.0.2 no JSON."""
    make_cluster(version=version)
    lsf = new_session("lsf")
    outcomes = lsf.submit([Job(["sh", "-c", "exit $ANYBATCH_INDEX"])] * 3).wait(PATIENCE)
    assert [outcome.exit_code for outcome in outcomes] == [0, 1, 2]


def test_auto_takes_the_cluster_that_answers(
    cluster: Simulator, new_session: Callable[..., Session]
) -> None:
    """It says which LSF it is; where it is away no other system takes its place."""
    from anybatch.detection import detect

    def look(**settings: Any) -> Any:
        lsf = new_session("lsf", settings=settings)
        return detect(lsf.hooks, lsf.settings, names=["lsf"])["lsf"]

    found = look()
    assert found.available
    assert found.details["default queue"] == "normal"
    assert found.details["largest array"] == "1000"
    assert ("OpenLava" in found.reason) is (cluster.folder.name == "openlava")
    cluster.fault("* down")
    found = look(**QUICK)
    assert (found.available, found.unreachable) == (False, True)
    cluster.fault("lsid fail lsid: ls_getentityinfo() failed: Unable to open file lsf.conf")
    found = look()
    assert (found.available, found.unreachable) == (False, True), "LSF_ENVDIR is set"


def test_auto_chooses_no_stand_in_for_a_cluster_that_is_away(
    cluster: Simulator, new_session: Callable[..., Session]
) -> None:
    """A login node is none."""
    cluster.fault("lsid fail lsid: ls_getentityinfo() failed: LIM is down; try later")
    with pytest.raises(UnknownSystem, match="lsf seems to be set up here"):
        assert new_session("auto").system


# -- many


def test_jobs_beyond_the_largest_array_are_chunks(
    make_cluster: Callable[..., Simulator], new_session: Callable[..., Session]
) -> None:
    """One bsub for each chunk of MAX_JOB_ARRAY_SIZE, all in one run; one bjobs for all of them."""
    make_cluster(max_array=40)
    lsf = new_session("lsf")
    run = lsf.submit([Job(["sh", "-c", "exit $((ANYBATCH_INDEX % 7))"])] * 100)
    assert lsf.host.commands["bsub"] == 3
    before = lsf.host.commands["bjobs"]
    run.refresh()
    assert lsf.host.commands["bjobs"] - before <= 1
    assert [o.exit_code for o in run.wait(PATIENCE)] == [index % 7 for index in range(100)]


def test_commands_are_few(lsf: Session, cluster: Simulator) -> None:
    """For 200 jobs: what the cluster is, one bsub, and for each look one command of a kind.

    OpenLava tells in the long form, and in bhist, how jobs have ended.
    """
    wanted = [_end_of(index) for index in range(200)]
    run = lsf.submit([Job(["sh", "-c", script]) for script, _, _ in wanted])
    assert dict(lsf.host.commands) == {"lsid": 1, "bparams": 1, "bsub": 1}
    for look in (1, 2):
        run.refresh()
        assert lsf.host.commands["bjobs"] <= 2 * look
    outcomes = run.wait(PATIENCE)
    got = [(outcome.exit_code, outcome.signal) for outcome in outcomes]
    assert got == [(code, number) for _, code, number in wanted]
    assert lsf.host.commands["bsub"] == 1
    assert lsf.host.commands["bhist"] <= lsf.host.commands["bjobs"]
    before = sum(lsf.host.commands.values())
    run.terminate()
    assert sum(lsf.host.commands.values()) - before <= 1


def _end_of(index: int) -> tuple[str, int | None, int | None]:
    """A job's script, and the exit code and signal that it ends with."""
    if index % 13:
        return "exit 0", 0, None
    number = index // 13
    if number % 3 == 2:
        return "kill -9 $$; sleep 60", None, 9
    code = (130, 143, 1, 77, 255)[number % 5]
    return f"exit {code}", code, None


# -- what OpenLava says otherwise

#: Nothing that a shell hears ends it, and the job script waits for it.
DEAF = "trap '' QUIT INT TERM USR2; touch ready-$ANYBATCH_INDEX; while :; do sleep 0.1; done"


@pytest.fixture
def openlava(make_cluster: Callable[..., Simulator]) -> Simulator:
    """An OpenLava of this test's own."""
    return make_cluster(dialect="openlava")


def begun(session: Session, script: str, **facts: Any) -> Run:
    """A job that is known to run."""
    run = session.submit(Job(["sh", "-c", script], **facts))
    await_that(lambda: Path("ready-0").exists() and run.counts == {State.RUNNING: 1}, run.refresh)
    return run


def listed_word(cluster: Simulator, run: Run) -> str:
    """What bjobs calls the state of a job."""
    [_, row] = cluster.run("bjobs", "-a", "-w", native_id(run)).stdout.splitlines()
    return row.split()[2]


def look_without_patience(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all that may still come had been waited for."""
    with monkeypatch.context() as patched:
        patched.setattr("anybatch.runs.watcher.PATIENCE", 0.0)
        for _ in range(3):
            run.refresh()


@pytest.mark.parametrize("signal", ["PIPE", "XFSZ", "XCPU", "QUIT"])
def test_a_signal_that_openlava_takes_for_success_is_told(
    openlava: Simulator, new_session: Callable[..., Session], signal: str
) -> None:
    """It says DONE; the job script has seen the signal and left a record of it."""
    run = begun(new_session("lsf"), "touch ready-0; exec sleep 300")
    openlava.run("bkill", "-s", signal, native_id(run))
    [outcome] = run.wait(PATIENCE)
    number = getattr(signals, f"SIG{signal}").value
    assert (outcome.state, outcome.reason, outcome.signal) == (State.FAILED, Reason.SIGNAL, number)
    assert listed_word(openlava, run) == "DONE"


@pytest.mark.parametrize("ours", [True, False])
def test_a_job_that_was_killed_and_is_done_for_openlava_is_not_done(
    openlava: Simulator, new_session: Callable[..., Session], ours: bool
) -> None:
    """QUIT has ended the shell whose exit code counts, KILL the script before it left a record."""
    run = begun(new_session("lsf"), DEAF)
    if ours:
        run.terminate(signal="QUIT")
        run.terminate()
    else:
        openlava.run("bkill", "-s", "QUIT", native_id(run))
        openlava.run("bkill", native_id(run))
    [outcome] = run.wait(PATIENCE)
    assert listed_word(openlava, run) == "DONE"
    reason = Reason.TERMINATED if ours else Reason.SIGNAL
    assert (outcome.state.value, outcome.reason) == ("terminated" if ours else "failed", reason)
    assert outcome.exit_code is None
    assert outcome.message
    assert "says DONE, but the job has left no exit record" in outcome.message


def test_a_job_that_is_deaf_and_over_its_time_is_not_done(
    openlava: Simulator, new_session: Callable[..., Session]
) -> None:
    """OpenLava sends USR2, after its grace QUIT, INT, TERM and KILL, and says DONE."""
    run = begun(new_session("lsf"), DEAF, resources=Resources(time="1m"))
    [outcome] = run.wait(PATIENCE)
    assert listed_word(openlava, run) == "DONE"
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SIGNAL)


@pytest.mark.parametrize("end", ["exit 0", "exit 5", "kill -INT $$"])
def test_a_requeued_job_is_judged_by_its_second_run(
    openlava: Simulator,
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    """While OpenLava shows it as DONE or EXIT it is queued, and its first record counts no more."""
    script = f"""
if [ -e ran ]; then touch ran-again; while ! [ -e go ]; do sleep 0.1; done; exit 4; fi
trap 'touch ran; trap - INT; {end}' INT
touch ready-0
while :; do sleep 0.1; done
"""
    run = begun(new_session("lsf"), script)
    openlava.fault("mbatchd idle")
    openlava.run("brequeue", native_id(run))
    await_that(lambda: listed_word(openlava, run) in ("DONE", "EXIT"))
    await_that(lambda: run.counts == {State.QUEUED: 1}, run.refresh)
    look_without_patience(run, monkeypatch)
    assert run.counts == {State.QUEUED: 1}
    openlava.fault()
    await_that(lambda: Path("ran-again").exists())
    await_that(lambda: run.counts == {State.RUNNING: 1}, run.refresh)
    Path("go").touch()
    [outcome] = run.wait(PATIENCE)
    assert (outcome.reason, outcome.exit_code) == (Reason.EXIT_CODE, 4)


def test_a_requeued_job_runs_again_on_lsf(
    make_cluster: Callable[..., Simulator], new_session: Callable[..., Session]
) -> None:
    """It waits again at once, and its second run is what counts."""
    cluster = make_cluster(dialect="lsf")
    script = "if [ -e ran ]; then exit 4; fi; trap 'touch ran; exit 0' INT; touch ready-0; "
    run = begun(new_session("lsf"), f"{script} while :; do sleep 0.1; done")
    cluster.run("brequeue", native_id(run))
    [outcome] = run.wait(PATIENCE)
    assert (outcome.reason, outcome.exit_code) == (Reason.EXIT_CODE, 4)


@pytest.mark.parametrize(
    ("fault", "killed", "reason"),
    [
        ("sbatchd lost", False, None),
        ("sbatchd crashed", False, Reason.NODE_FAILURE),
        ("sbatchd lost", True, Reason.TERMINATED),
        ("sbatchd crashed", True, Reason.TERMINATED),
    ],
)
def test_a_host_that_is_lost_and_comes_back(
    openlava: Simulator,
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    killed: bool,
    reason: Reason | None,
) -> None:
    """Nothing is decided while it is away; then a job goes on, or is known to have ended."""
    run = begun(new_session("lsf"), WAIT_FOR_GO)
    openlava.fault(fault)
    await_that(lambda: listed_word(openlava, run) == "UNKWN")
    if killed:
        openlava.run("bkill", native_id(run))
        await_that(lambda: listed_word(openlava, run) == "ZOMBI")
    look_without_patience(run, monkeypatch)
    assert run.counts == {State.RUNNING: 1}
    openlava.fault()
    if not killed:
        Path("go").touch()
    [outcome] = run.wait(PATIENCE)
    assert outcome.reason is reason
    if killed:
        assert outcome.message == f"killed by {getpass.getuser()}"
