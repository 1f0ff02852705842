"""Two real schedds whose jobs have equal numbers: each run's jobs are its own."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, JobError, Reason, Resources, State
from anybatch.errors import NotAccepted
from anybatch.testing import await_that, native_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch import Session

pytestmark = pytest.mark.usefixtures("pool")

PATIENCE = 180
WAIT_FOR_GO = ["sh", "-c", "touch ready-$ANYBATCH_INDEX; while ! test -e go; do sleep 0.1; done"]
SECOND = "second@sid"
AT_ONCE = {"anybatch": {"lost_after": timedelta(milliseconds=1)}}


@pytest.fixture
def second(pool: None) -> str:
    """The name of a schedd that takes 8 jobs of a user."""
    found = subprocess.run(
        ["condor_status", "-schedd", "-af", "Name"], capture_output=True, text=True, check=True
    )
    assert SECOND in found.stdout.split(), "stop and start the folder: it has no second schedd"
    return SECOND


def test_another_schedd_says_nothing_of_a_job(
    condor: Session,
    second: str,
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the configuration leads elsewhere the job is neither lost nor anybody's stopped."""
    run = condor.submit(Job(WAIT_FOR_GO))
    await_that(lambda: run.counts == {State.RUNNING: 1}, run.refresh)
    monkeypatch.setenv("_CONDOR_SCHEDD_HOST", second)
    other = new_session("htcondor", settings=AT_ONCE).attach(run.id)
    missed = f"this is the schedd '{second}', and the jobs are in 'sid'"
    for _ in range(3):
        other.refresh()
        assert other.counts == {State.RUNNING: 1}
        assert missed in str(other.jobs[0].message)
    with pytest.raises(NotAccepted, match=missed):
        other.terminate(signal="CONT")
    Path("go").touch()
    monkeypatch.delenv("_CONDOR_SCHEDD_HOST")
    assert run.wait(PATIENCE)[0].done


def test_a_job_whose_token_was_changed_runs_on(
    condor: Session, tool: Callable[..., str], new_session: Callable[..., Session]
) -> None:
    """It is watched, with a word on what is odd, is not lost, and no command reaches it."""
    run = condor.submit([Job(WAIT_FOR_GO)] * 2)
    await_that(lambda: Path("ready-0").exists() and Path("ready-1").exists())
    await_that(lambda: run.counts == {State.RUNNING: 2}, run.refresh)
    stranger = native_id(run, 1)
    tool("condor_qedit", stranger, "AnybatchToken", '"ab-somebody-elses-0"')
    told = new_session("htcondor", settings=AT_ONCE).attach(run.id)
    for _ in range(3):
        told.refresh()
        assert told.jobs[1].state is State.RUNNING
        assert "its token was changed to 'ab-somebody-elses-0'" in str(told.jobs[1].message)
    with pytest.raises(
        NotAccepted, match="it was left alone: the job of this number has the token"
    ):
        told.terminate([1])
    assert tool("condor_q", stranger, "-af", "JobStatus").strip() == "2"
    told.terminate([0])
    await_that(lambda: told.outcome(0), told.refresh)
    assert told.counts[State.TERMINATED] == 1
    assert tool("condor_q", stranger, "-af", "JobStatus").strip() == "2"
    Path("go").touch()
    await_that(lambda: tool("condor_q", stranger, "-af", "JobStatus") == "")


def lose_queue(tool: Callable[..., str]) -> None:
    """The second schedd forgets all its jobs, and begins to count anew."""
    lose = "pkill -KILL -f '[c]ondor_schedd -local-name second'; "
    tool("sudo", "sh", "-c", lose + "rm -f /var/spool/condor-second/job_queue.log*")
    ask = ["condor_q", "-name", SECOND, "-totals"]
    await_that(lambda: subprocess.run(ask, capture_output=True, check=False).returncode == 0)


def test_a_lost_queue_gives_its_numbers_to_others(
    shared: None,
    second: str,
    new_session: Callable[..., Session],
    tool: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old run's job is not taken for the new one, which is neither watched nor stopped."""
    monkeypatch.setenv("_CONDOR_SCHEDD_HOST", second)
    condor = new_session("htcondor")
    lose_queue(tool)
    old = condor.submit(Job(["true"], settings={"htcondor": {"hold": True}}))
    lose_queue(tool)
    new = condor.submit(Job(WAIT_FOR_GO))
    assert native_id(old) == native_id(new)
    await_that(lambda: new.counts == {State.RUNNING: 1}, condor.poll)
    with pytest.raises(
        NotAccepted, match="it was left alone: the job of this number has the token"
    ):
        new_session("htcondor").attach(old.id).terminate()
    at_once = {"anybatch": {"lost_after": timedelta(seconds=1)}}
    [outcome] = new_session("htcondor", settings=at_once).attach(old.id).wait(PATIENCE)
    assert outcome.state is not State.DONE
    assert new.counts == {State.RUNNING: 1}
    Path("go").touch()
    assert new.wait(PATIENCE)[0].done


def test_jobs_wait_for_room_in_the_schedd(
    shared: None,
    second: str,
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two runs of six where eight are allowed: the second is handed over as there is room."""
    monkeypatch.setattr("anybatch.runs.system_room.PAUSES", (2.0,))
    monkeypatch.setenv("_CONDOR_SCHEDD_HOST", second)
    condor = new_session("htcondor")
    first = condor.submit([Job(WAIT_FOR_GO)] * 6)
    later = condor.submit([Job(["true"])] * 6)
    assert later.counts[State.NEW] >= 4
    told = new_session("htcondor").attach(later.id).jobs[5].message
    assert "not submitted yet: htcondor: " in str(told)
    assert "MAX_JOBS_PER_OWNER" in str(told)
    Path("go").touch()
    assert all(outcome.done for outcome in [*first.wait(PATIENCE), *later.wait(PATIENCE)])


def test_more_jobs_than_a_schedd_takes_run_all_the_same(
    shared: None,
    second: str,
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are materialized as there is room, in one submission; the others say why they wait."""
    monkeypatch.setenv("_CONDOR_SCHEDD_HOST", second)
    condor = new_session("htcondor")
    script = "until test -e go; do sleep 0.1; done; exit $ANYBATCH_INDEX"
    run = condor.submit([Job(["sh", "-c", script])] * 20)
    waits = "waits until fewer jobs of its submission are in the queue"
    await_that(lambda: waits in str(run.jobs[19].message), condor.poll)
    Path("go").touch()
    outcomes = run.wait(PATIENCE)
    assert [outcome.exit_code for outcome in outcomes] == list(range(20))
    assert condor.host.commands["condor_submit"] == 1


def test_warnings_of_condor_submit_reach_the_user(condor: Session, notices: list[str]) -> None:
    """What HTCondor ignores is no error of its, and may be one of the user's."""
    settings = {"htcondor": {"arc_rte": "x"}}
    assert condor.submit(Job(["true"], settings=settings)).wait(PATIENCE)[0].done
    assert not [notice for notice in notices if "WARNING" in notice and "unused" not in notice]
    assert any("was unused by condor_submit" in notice for notice in notices)


# -- jobs get what is theirs


def test_a_job_has_the_umask_of_its_submitter(condor: Session) -> None:
    """And its outputs, too, though HTCondor starts jobs under 022."""
    old = os.umask(0o077)
    try:
        run = condor.submit(
            Job(["sh", "-c", "umask; echo x >file"], outputs=["file"], output_dir="o")
        )
    finally:
        os.umask(old)
    [outcome] = run.wait(PATIENCE)
    assert outcome.stdout
    assert outcome.stdout.read_text() == "0077\n"
    assert Path("o/file").stat().st_mode & 0o777 == 0o600
    assert Path("o").stat().st_mode & 0o777 == 0o700


def test_what_htcondor_gives_a_job_beats_what_is_inherited(
    shared: None, new_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Devices, threads and scratch folder are its own, even with `inherit_env = ["*"]`."""
    names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "TMPDIR", "_CONDOR_SLOT", "MINE")
    for name in names:
        monkeypatch.setenv(name, "ours")
    session = new_session("htcondor", settings={"anybatch": {"inherit_env": ["*"]}})
    words = " ".join(f"${name}" for name in names)
    [outcome] = session.submit(Job(["sh", "-c", f"echo {words}"])).wait(PATIENCE)
    assert outcome.stdout
    *given, own = outcome.stdout.read_text().split()
    assert own == "ours"
    assert len(given) == 4
    assert "ours" not in given


# -- what was promised arrives


@pytest.mark.parametrize("end", ["fail", "terminate", "condor_rm"])
def test_a_job_that_is_removed_while_its_files_travel_is_not_done(
    end: str, condor_away: Session, tool: Callable[..., str]
) -> None:
    """Its command ended with 0, its record has arrived, and its output has not."""
    own = {"htcondor": {"on_held": "fail"}} if end == "fail" else {}
    script = "mkdir x; echo 1 >x/a; chmod 000 x/a"
    job = Job(["sh", "-c", script], outputs=["x/*"], output_dir="results", settings=own)
    run = condor_away.submit(job)
    if end != "fail":
        await_that(lambda: run.counts == {State.HELD: 1}, condor_away.poll)
        run.terminate() if end == "terminate" else tool("condor_rm", native_id(run))
    [outcome] = run.wait(PATIENCE)
    expected = (
        (State.FAILED, Reason.HELD) if end == "fail" else (State.TERMINATED, Reason.TERMINATED)
    )
    assert (outcome.state, outcome.reason) == expected


def test_an_input_that_was_removed_before_the_start_fails_the_job(
    condor_away: Session, tool: Callable[..., str]
) -> None:
    """HTCondor says nothing of it; the command must not run with half of its data."""
    for name in ("a", "b"):
        Path("data").mkdir(exist_ok=True)
        Path("data", name).write_text(name)
    held = {"htcondor": {"hold": True}}
    run = condor_away.submit(Job(["sh", "-c", "cat data/*"], inputs=["data"], settings=held))
    await_that(lambda: run.counts == {State.HELD: 1}, condor_away.poll)
    Path("data/b").unlink()
    tool("condor_release", native_id(run))
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.STAGE_IN)
    assert outcome.message
    assert "data/b has not arrived" in outcome.message


def test_outputs_that_are_links_arrive(condor_away: Session) -> None:
    """Links to files and folders, alone and inside of a folder."""
    script = (
        "mkdir -p out/d real; echo 1 >real/x; ln -s real link; ln -s ../real out/deep; "
        "echo 2 >two; ln -s two newest; ln -s $PWD/two out/absolute"
    )
    outputs = ["link", "out", "newest", "two"]
    job = Job(["sh", "-c", script], outputs=outputs, output_dir="results")
    [outcome] = condor_away.submit(job).wait(PATIENCE)
    assert outcome.done, outcome
    found = ("link/x", "out/deep/x", "out/absolute", "newest", "two")
    assert [Path("results", name).read_text() for name in found] == [
        "1\n",
        "1\n",
        "2\n",
        "2\n",
        "2\n",
    ]


# -- what HTCondor says reaches the user


def test_what_condor_submit_would_refuse_is_not_submitted(condor: Session) -> None:
    """A dry run reads the description, makes no job of it, and leaves no file."""
    wrong = Job(["true"], settings={"htcondor": {"requirements": "("}})
    with pytest.raises(JobError, match="htcondor would refuse jobs 0-1: Parse error in expression"):
        condor.check(condor.plan([wrong] * 2))
    plan = condor.plan([Job(["true"])] * 3000)
    [told] = condor.check(plan)
    assert told.said == "condor_submit takes the description; it cannot tell when jobs would start"
    assert not plan.folder.exists()


def test_why_a_job_waits_is_told(condor: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine has a terabyte of memory."""
    monkeypatch.setattr("anybatch_htcondor.sources.CHECK", 2.0)
    unchecked = {"anybatch": {"check_resources": False}}
    job = Job(["true"], resources=Resources(memory="1TB"), settings=unchecked)
    run = condor.submit(job)
    fresh: list[str] = []

    def told() -> bool:
        other = condor.attach(run.id)
        other.refresh()
        fresh.append(other.jobs[0].message or "")
        return "no match found; `anybatch show`" in fresh[-1]

    await_that(told, condor.poll, patience=PATIENCE)
    state = run.watched.state
    why = condor.hooks.analyze("htcondor", state.batches(state.jobs)[0])
    assert why.startswith("it will not start unless the pool or the job changes: none of ")
    assert "`Memory >= RequestMemory` (RequestMemory is " in why
    run.terminate()
    run.wait(PATIENCE)


def test_why_an_image_does_not_start_is_told(
    pool: None, new_session: Callable[..., Session], tmp_path: Path
) -> None:
    """HTCondor tries it again and again; what is wrong stands beside the state."""
    image = tmp_path / "bad.sif"
    image.write_text("no image")
    session = new_session("htcondor", settings={"htcondor": {"container": "native"}})
    run = session.submit(Job(["true"], container=str(image)))
    await_that(lambda: "Singularity test failed" in (run.jobs[0].message or ""), session.poll)
    run.terminate()
    assert run.wait(PATIENCE)[0].state is State.TERMINATED


@pytest.fixture
def failing_wrapper(tool: Callable[..., str]) -> Iterator[None]:
    """A pool whose job wrapper fails."""
    wrapper, configuration = Path("/tmp/anybatch-wrapper"), "/etc/condor/config.d/99-zz-wrapper"
    wrapper.write_text("#!/bin/sh\necho 'wrapper: no scratch disk' >&2\nexit 17\n")
    wrapper.chmod(0o755)
    setting = f"USER_JOB_WRAPPER = {wrapper}"
    tool("sudo", "sh", "-c", f"echo '{setting}' >{configuration}")
    tool("sudo", "condor_reconfig", "-daemon", "startd")
    yield
    tool("sudo", "rm", configuration)
    tool("sudo", "condor_reconfig", "-daemon", "startd")


def test_what_a_failing_job_wrapper_says_is_told(condor: Session, failing_wrapper: None) -> None:
    """The job's own logs are empty, for its script was never started."""
    [outcome] = condor.submit(Job(["true"])).wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
    assert outcome.message == "wrapper: no scratch disk"


def test_times_do_not_depend_on_the_users_time_zone(
    condor: Session, tool: Callable[..., str]
) -> None:
    """The verdict of a process in Tokyo has the times of the pool."""
    run = condor.submit(Job(["true"]))
    wait = [sys.executable, "-m", "anybatch", "wait", run.id]
    done = subprocess.run(
        wait, env={**os.environ, "TZ": "Asia/Tokyo"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [outcome] = condor.attach(run.id).wait(PATIENCE)
    for moment in (outcome.submitted, outcome.started, outcome.ended):
        assert moment
        assert abs(moment - datetime.now(timezone.utc)) < timedelta(minutes=30)
