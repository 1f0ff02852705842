"""What a real cluster does with dependencies, memory, odd folders and late requests."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Reason, Resources, State, UsageError
from anybatch.testing import await_that, native_id

from .conftest import ONE_CLUSTER

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

pytestmark = pytest.mark.usefixtures("slurm_cluster")

PATIENCE = 180
WAIT_FOR_GO = ["sh", "-c", "touch ready; while ! test -e go; do sleep 0.1; done"]


def forget(tool: Callable[..., str], native: str) -> None:
    """Wait until squeue has forgotten a job; where it remembers long, it does not matter."""
    if "MinJobAge               = 5 sec" in tool("scontrol", "show", "config"):
        known = ["squeue", "--noheader", "--states=all", "--format=%i"]
        await_that(lambda: native not in tool(*known).split())


@pytest.mark.parametrize("end", ["false", "scancel"])
def test_a_dependant_of_a_job_that_is_forgotten_does_not_run(
    slurm: Session, tool: Callable[..., str], end: str
) -> None:
    """To Slurm a forgotten job was successful; nobody has looked at it since it was submitted."""
    command = ["false"] if end == "false" else ["sleep", "600"]
    bad = slurm.submit(Job(command))
    if end == "scancel":
        tool("scancel", native_id(bad))
    listed = ["squeue", "--noheader", "--states=all", f"--user={slurm.host.user}", "--format=%i %t"]
    await_that(lambda: f"{native_id(bad)} R" not in tool(*listed))
    await_that(lambda: f"{native_id(bad)} PD" not in tool(*listed))
    forget(tool, native_id(bad))
    after = slurm.submit(Job(["touch", "never"], after=bad))
    [outcome] = after.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.DEPENDENCY)
    assert not Path("never").exists()


def test_a_dependant_of_a_job_that_fails_later_does_not_run(slurm: Session) -> None:
    """Slurm ends it when its dependency can never be satisfied."""
    bad = slurm.submit(Job(["sh", "-c", f"{WAIT_FOR_GO[2]}; exit 3"]))
    after = slurm.submit(Job(["touch", "never"], after=bad))
    await_that(lambda: after.counts == {State.QUEUED: 1}, after.refresh)
    Path("go").touch()
    [outcome] = after.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.DEPENDENCY)
    assert not Path("never").exists()


def test_a_job_that_requeues_itself_is_not_done(slurm: Session, tool: Callable[..., str]) -> None:
    """Its script has ended with 0, and it is queued again: the second run is the verdict."""
    script = (
        'test "${SLURM_RESTART_COUNT:-0}" -gt 0 && exit 5; scontrol requeue $SLURM_JOB_ID; exit 0'
    )
    run = slurm.submit(Job(["sh", "-c", script]))
    await_that(lambda: str(run.jobs[0].message).startswith("BeginTime"), slurm.poll)
    assert run.counts == {State.QUEUED: 1}
    tool("scontrol", "update", f"jobid={native_id(run)}", "starttime=now+2")
    [outcome] = run.wait(PATIENCE)
    assert outcome.exit_code == 5
    assert outcome.message is None


def test_very_many_jobs_are_waited_for(slurm: Session, slurm_cluster: str) -> None:
    """As their whole array, and by anybatch itself where there are arrays in part."""
    count = 3000 if slurm_cluster == "plain" else 300
    many = slurm.submit([Job(["true"], settings={"slurm": {"hold": True}})] * count)
    after = slurm.submit(Job(["touch", "after"], after=many))
    await_that(lambda: after.counts == {State.QUEUED: 1}, after.refresh)
    many.terminate()
    [outcome] = after.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.DEPENDENCY)
    assert not Path("after").exists()


@pytest.mark.parametrize("name", ["50%j", "a\\b", "a\\%j", "a b\nc", "%%n", 'x"$HOME'])
def test_a_folder_of_any_name_runs_jobs(
    slurm_cluster: str,
    new_session: Callable[..., Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """A percent sign or a backslash is no pattern of sbatch's file names."""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    run = new_session("slurm").submit([Job(["true"])] * 2)
    assert name in str(run.folder)
    assert [one.state for one in run.wait(PATIENCE)] == [State.DONE] * 2
    assert (run.folder / "logs" / "system.log").exists() is ("\\" not in name)


def test_a_job_over_its_memory_is_told_so(slurm: Session, slurm_cluster: str) -> None:
    """Slurm tells a bare SIGKILL where it has no cgroups; its own log tells why."""
    if slurm_cluster != "accounting":
        pytest.skip("needs a cluster that keeps memory limits")
    hog = "import time; x = bytearray(300 * 1024**2); time.sleep(600)"
    jobs = [Job(["python3", "-c", hog], resources=Resources(memory="50 MiB"))] * 2
    for outcome in slurm.submit(jobs).wait(PATIENCE):
        assert (outcome.state, outcome.reason) == (State.FAILED, Reason.OUT_OF_MEMORY)
        assert "exceeded memory limit" in str(outcome.message)
        assert "system.log" in str(outcome.message)


LATE = """#!/bin/sh
if test ! -e {folder}/sent; then
    touch {folder}/sent
    (sleep 15; exec {sbatch} "$@") >/dev/null 2>&1 &
    echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2
    exit 1
fi
exec {sbatch} "$@"
"""


@ONE_CLUSTER
def test_a_request_that_arrives_late_is_not_repeated(
    slurm_cluster: str,
    new_session: Callable[..., Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sbatch gave up, and its request arrives 15 seconds later: the job runs once."""
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "sbatch"
    fake.write_text(LATE.format(folder=tools, sbatch=shutil.which("sbatch")))
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    run = new_session("slurm").submit(Job(["sh", "-c", "echo x >>ran"]))
    assert run.counts == {State.NEW: 1}
    [outcome] = run.wait(PATIENCE)
    assert outcome.done
    assert Path("ran").read_text() == "x\n"


def test_urgency_reaches_the_cluster(slurm: Session, tool: Callable[..., str]) -> None:
    """As the nice value of each element of the array; above 0 only if the user is an operator."""
    held = {"slurm": {"hold": True}}
    run = slurm.submit([Job(["true"], urgency=-3, settings=held)] * 2)
    array = native_id(run).partition("_")[0]
    assert {*tool("squeue", "--noheader", "--array", f"--jobs={array}", "--format=%y").split()} == {
        "300"
    }
    if slurm.host.user != "root":
        with pytest.raises(UsageError, match="only operators"):
            slurm.submit(Job(["true"], urgency=1))
        return
    run = slurm.submit(Job(["true"], urgency=100, settings=held))
    assert tool("squeue", "--noheader", f"--jobs={native_id(run)}", "--format=%y") == "-10000\n"
