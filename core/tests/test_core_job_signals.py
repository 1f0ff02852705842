"""Signals: what the batch system sends to the script reaches the command and is told."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from anybatch.model import Job
from anybatch.testing import await_that

from .shells import send, write_run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .shells import RunFolder, Shell

    Start = Callable[..., subprocess.Popen[bytes]]

pytestmark = pytest.mark.usefixtures("isolated")

PATIENCE = 120
#: Tells that it is there, then waits for a signal; what it does with one is the argument.
WAITING = """
trap '{on_signal}' {name}
echo "$$" >pid
while :; do sleep 0.01; done
"""


@pytest.fixture
def start(isolated: Path) -> Iterator[Start]:
    """Starts a job, and returns when it has written its process id to `pid`."""
    processes = []

    def start(run: RunFolder, **environ: str) -> subprocess.Popen[bytes]:
        process = run.start(**environ)
        processes.append(process)
        pid = isolated / "pid"
        await_that(lambda: pid.exists() and pid.read_text().endswith("\n"))
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


@pytest.mark.parametrize(
    "name", ["TERM", "USR1", "USR2", "HUP", "ALRM", "ABRT", "PIPE", "XCPU", "XFSZ"]
)
def test_a_signal_that_the_command_handles(
    isolated: Path, shell: Shell, start: Start, name: str
) -> None:
    """A command that handles a signal sent to the script ends as it likes; the signal is noted."""
    command = WAITING.format(on_signal=f"echo got {name}; exit 3", name=name)
    run = write_run(isolated, shell, Job(["sh", "-c", command]))
    process = start(run)
    send(process, name)
    assert process.wait(PATIENCE) == 3
    assert run.how == ("command", 3, None, name)
    assert run.out() == f"got {name}\n"


@pytest.mark.parametrize("name", ["TERM", "USR1"])
def test_a_signal_that_all_processes_get_is_not_sent_again(
    isolated: Path, shell: Shell, start: Start, name: str
) -> None:
    """The script notes it and leaves the command alone, whose environment knows nothing of it."""
    command = WAITING.format(on_signal="exit 3", name=name)
    run = write_run(isolated, shell, Job(["sh", "-c", f'echo "<$ab_signalled_all>"; {command}']))
    process = start(run, ab_signalled_all="1")
    send(process, name)
    notes = run.path / "start/0"
    await_that(lambda: any(f"caught {name}" in path.read_text() for path in notes.iterdir()))
    os.kill(int((isolated / "pid").read_text()), getattr(signal, f"SIG{name}"))
    assert process.wait(PATIENCE) == 3
    assert run.how == ("command", 3, None, name)
    assert run.out() == "<>\n"


@pytest.mark.parametrize("name", ["INT", "QUIT"])
def test_signals_of_the_keyboard(isolated: Path, shell: Shell, start: Start, name: str) -> None:
    """INT and QUIT reach the command too, but where a busybox is all there is."""
    run = write_run(isolated, shell, Job(["sh", "-c", "echo $$ >pid; exec sleep 600"]))
    process = start(run)
    send(process, name)
    if shell.name == "busybox":  # nothing there undoes that shells ignore these for `&`
        send(process, "TERM")
        name = "TERM"
    process.wait(PATIENCE)
    assert run.how == ("command", None, getattr(signal, f"SIG{name}").value, name)


@pytest.mark.parametrize("name", ["TERM", "USR1", "PIPE", "XFSZ", "VTALRM", "PROF"])
def test_a_signal_that_ends_the_command(
    isolated: Path, shell: Shell, start: Start, name: str
) -> None:
    """A command that a signal sent to the script ends has its number; the signal is noted."""
    run = write_run(isolated, shell, Job(["sh", "-c", "echo $$ >pid; exec sleep 600"]))
    process = start(run)
    send(process, name)
    process.wait(PATIENCE)
    number = getattr(signal, f"SIG{name}").value
    assert run.how == ("command", None, number, name)


def test_a_signal_to_the_whole_group_is_told(isolated: Path, shell: Shell, start: Start) -> None:
    """Most systems signal all processes of a job; script and command then both see it."""
    run = write_run(isolated, shell, Job(["sh", "-c", "echo $$ >pid; exec sleep 600"]))
    process = start(run)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(PATIENCE)
    assert run.how == ("command", None, 15, "TERM")


def test_a_command_may_carry_on_after_a_signal(isolated: Path, shell: Shell, start: Start) -> None:
    """A command that takes a signal as advice and then succeeds has its outputs brought."""
    command = WAITING.format(on_signal="echo 1 >saved; exit 0", name="USR1")
    job = Job(["sh", "-c", command], outputs=["saved"], output_dir="results")
    run = write_run(isolated, shell, job)
    process = start(run)
    send(process, "USR1")
    assert process.wait(PATIENCE) == 0
    assert run.how == ("command", 0, None, "USR1")
    assert (isolated / "results" / "saved").exists()


def test_outputs_are_judged_after_a_signal_too(isolated: Path, shell: Shell, start: Start) -> None:
    """A link that breaks on the way is a failure, whatever the shell's `read` does by then."""
    text = "mkdir d; echo 1 >beside; ln -s ../beside d/out; exit 0"
    command = WAITING.format(on_signal=text, name="USR1")
    job = Job(["sh", "-c", command], outputs=["d"], output_dir="results")
    run = write_run(isolated, shell, job)
    process = start(run)
    send(process, "USR1")
    assert process.wait(PATIENCE) == 1
    assert run.how == ("stage_out", 1, None, "USR1")
    assert "output d/out: the link points to nothing in" in run.err()


def test_several_signals_reach_the_command(isolated: Path, shell: Shell, start: Start) -> None:
    """Each signal reaches the command, and the last one is noted."""
    command = """
trap 'echo usr1 >>seen' USR1
trap 'echo term >>seen; exit 4' TERM
echo $$ >pid
while :; do sleep 0.01; done
"""
    run = write_run(isolated, shell, Job(["sh", "-c", command]))
    process = start(run)
    seen = isolated / "seen"
    for count in (1, 2):
        send(process, "USR1")
        await_that(lambda count=count: seen.exists() and seen.read_text().count("usr1") == count)
    send(process, "TERM")
    process.wait(PATIENCE)
    assert run.how == ("command", 4, None, "TERM")


def test_no_outputs_are_missed_after_a_signal(isolated: Path, shell: Shell, start: Start) -> None:
    """A command that was told to stop and did not succeed is not blamed for missing outputs."""
    job = Job(["sh", "-c", "echo $$ >pid; exec sleep 600"], outputs=["never"])
    run = write_run(isolated, shell, job)
    process = start(run)
    send(process, "TERM")
    process.wait(PATIENCE)
    assert run.how == ("command", None, 15, "TERM")
    assert "nothing matches" not in run.err()


def test_a_signal_in_the_set_up_is_told(isolated: Path, shell: Shell, start: Start) -> None:
    """A signal that ends the job in its set-up leaves a record, and the command does not run."""
    job = Job(["touch", "ran"], setup="echo $$ >pid; exec sleep 600")
    run = write_run(isolated, shell, job)
    process = start(run)
    send(process, "TERM")
    process.wait(PATIENCE)
    assert run.record.caught == "TERM"
    assert not (isolated / "ran").exists()


def test_a_signal_in_stage_in_is_told(isolated: Path, shell: Shell, start: Start) -> None:
    """A signal while files come in ends the job there."""
    (isolated / "work").mkdir()
    (isolated / "data").write_text("x")
    job = Job(["touch", "ran"], inputs=["data"], workdir="work")
    run = write_run(isolated, shell, job)
    script = (run.path / "job.sh").read_text()
    assert script.count("    ab_stage_in\n") == 1
    halted = script.replace("    ab_stage_in\n", "    echo $$ >../pid; sleep 600 & wait\n")
    (run.path / "job.sh").write_text(halted)
    process = start(run)
    send(process, "TERM")
    process.wait(PATIENCE)
    assert run.how == ("stage_in", 1, None, "TERM")
    assert not (isolated / "work" / "ran").exists()


def test_a_killed_script_leaves_no_record(isolated: Path, shell: Shell, start: Start) -> None:
    """KILL leaves nothing but the start; how it ended is for the batch system to say."""
    run = write_run(isolated, shell, Job(["sh", "-c", "echo $$ >pid; exec sleep 600"]))
    process = start(run)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(PATIENCE) == -9
    assert run.names == []
    assert len(os.listdir(run.path / "start/0")) == 1


def test_a_killed_command_is_told_from_one_that_exits_so(
    isolated: Path, shell: Shell, start: Start
) -> None:
    """A command killed from outside has signal 9; nothing was sent to the script."""
    run = write_run(isolated, shell, Job(["sh", "-c", "echo $$ >pid; exec sleep 600"]))
    process = start(run)
    os.kill(int((isolated / "pid").read_text()), signal.SIGKILL)
    process.wait(PATIENCE)
    assert run.how == ("command", None, 9, None)


def test_what_the_command_leaves_behind_does_not_hold_the_job(isolated: Path, shell: Shell) -> None:
    """A process that the command leaves in the background is not waited for."""
    run = write_run(isolated, shell, Job(["sh", "-c", "sleep 600 & echo $! >left; exit 2"]))
    assert run.run() == 2
    assert run.how == ("command", 2, None, None)
    os.kill(int((isolated / "left").read_text()), signal.SIGKILL)


def test_what_the_set_up_starts_does_not_confuse_the_verdict(isolated: Path, shell: Shell) -> None:
    """A background process of the set-up that ends first leaves the command's end as it is."""
    job = Job(
        ["sh", "-c", "until [ -e gone ]; do sleep 0.01; done; exit 137"],
        setup="(sleep 0.05; touch gone; kill -9 $(sh -c 'echo $PPID')) &",
    )
    run = write_run(isolated, shell, job)
    run.run()
    assert run.how == ("command", 137, None, None)


@pytest.mark.parametrize("name", ["ILL", "SYS", "SEGV"])
def test_a_signal_that_ends_the_script_itself_is_no_success(
    isolated: Path, shell: Shell, start: Start, name: str
) -> None:
    """A script that is ended by a signal of no use to the command leaves no verdict on it."""
    run = write_run(isolated, shell, Job(["sh", "-c", "echo $$ >pid; exec sleep 600"]))
    process = start(run)
    send(process, name)
    assert process.wait(PATIENCE) != 0
    assert run.names == []


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_signal_at_any_moment_is_told(isolated: Path, shell: Shell, whole_group: bool) -> None:
    """TERM, however early it comes, ends the job, and no record says that it went well."""
    command = "trap 'exit 7' TERM; sleep 600 & wait; exit 0"
    count = 25
    run = write_run(isolated, shell, [Job(["sh", "-c", command])] * count)
    for index in range(count):
        process = run.start(index)
        time.sleep(index * 0.001)  # not awaited: the moment is what is varied
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    indices = [name.split(".")[0] for name in run.names]
    assert len(indices) == len(set(indices))
    told = {name.partition(".0.0.")[2] for name in run.names}
    assert told <= {
        "setup.exit-1.TERM",
        "stage_in.exit-1.TERM",
        "command.signal-15.TERM",
        "command.exit-7.TERM",
    }
