"""Packs on the worker: which jobs run, how many at once, and what signals and new starts do."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
from anybatch.model import Job
from anybatch.packing import Pack
from anybatch.ranges import PAGE
from anybatch.testing import await_that

from .shells import send, write_run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from .shells import Shell

pytestmark = pytest.mark.usefixtures("isolated")


def counting(number: int) -> list[Job]:
    """Jobs that tell who they are, and end with different exit codes."""
    return [
        Job(["sh", "-c", 'echo "$ANYBATCH_INDEX"; exit "$1"', "sh", f"{i % 3}"])
        for i in range(number)
    ]


@pytest.fixture
def pack_of(isolated: Path, shell: Shell) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that are ended with the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(120)


@pytest.mark.parametrize("lanes", [1, 3])
def test_each_job_of_a_pack_leaves_logs_and_a_record(
    isolated: Path, shell: Shell, lanes: int
) -> None:
    """A pack of jobs is as many runs of the job script; the last pack may be shorter."""
    run = write_run(isolated, shell, counting(8), pack=Pack(5, side_by_side=lanes))
    assert run.run(0) == 0
    assert run.names == [f"{i}.0.0.command.exit-{i % 3}" for i in range(5)]
    assert run.run(1) == 0
    assert run.names == [f"{i}.0.0.command.exit-{i % 3}" for i in range(8)]
    assert [run.out(i) for i in range(8)] == [f"{i}\n" for i in range(8)]
    assert run.system_output == ""


def test_a_pack_reaches_over_pages(isolated: Path, shell: Shell) -> None:
    """The lines of a pack's jobs may stand in two files, and the next one may not be there."""
    run = write_run(isolated, shell, [Job(["true"])] * (PAGE + 2), pack=Pack(PAGE - 1))
    assert run.run(1) == 0
    expected = sorted(f"{i}.0.0.command.exit-0" for i in range(PAGE - 1, PAGE + 2))
    assert run.names == expected
    assert run.system_output == ""


def test_so_many_run_at_once(isolated: Path, shell: Shell) -> None:
    """Lanes take the next job as they come free: two wait for each other, a third runs after."""
    meet = 'touch "$ANYBATCH_INDEX"; until [ -e "$1" ]; do sleep 0.01; done'
    jobs = [
        Job(["sh", "-c", meet, "sh", "1"]),
        Job(["sh", "-c", meet, "sh", "0"]),
        Job(["sh", "-c", "test -e 0 && test -e 1"]),
    ]
    run = write_run(isolated, shell, jobs, pack=Pack(3, side_by_side=2))
    assert run.run() == 0
    assert run.names == [f"{i}.0.0.command.exit-0" for i in range(3)]


def test_a_pack_that_is_started_anew_runs_what_is_left(isolated: Path, shell: Shell) -> None:
    """Jobs that had ended by themselves are passed by; one that a signal ended runs again."""
    run = write_run(
        isolated, shell, [Job(["sh", "-c", "echo ran >>$ANYBATCH_INDEX"])] * 4, pack=Pack(4)
    )
    for name in (
        "0.0.0.command.exit-0",
        "1.0.0.command.signal-15.TERM",
        "2.0.0.command.exit-1.TERM",
    ):
        (run.path / "exit/0" / name).touch()
    assert run.run(restarts=1) == 0
    assert {name for name in ("0", "1", "2", "3") if (isolated / name).exists()} == {"1", "2", "3"}
    assert [name for name in run.names if ".0.1." in name] == [
        f"{i}.0.1.command.exit-0" for i in (1, 2, 3)
    ]


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("name", ["TERM", "HUP", "XCPU"])
def test_a_signal_ends_a_pack(
    isolated: Path,
    shell: Shell,
    pack_of: list[subprocess.Popen[bytes]],
    lanes: int,
    name: str,
) -> None:
    """The jobs that run get it and tell so; no further one begins, and the pack has failed."""
    waiting = Job(["sh", "-c", "touch began.$ANYBATCH_INDEX; exec sleep 600"])
    run = write_run(isolated, shell, [waiting] * 5, pack=Pack(5, side_by_side=lanes))
    process = run.start()
    pack_of.append(process)
    await_that(lambda: len(list(isolated.glob("began.*"))) == lanes)
    send(process, name)
    assert process.wait(120) == 1
    number = getattr(signal, f"SIG{name}").value
    assert run.names == [f"{i}.0.0.command.signal-{number}.{name}" for i in range(lanes)]
    assert len(list(isolated.glob("began.*"))) == lanes


def test_a_signal_for_the_commands_ends_no_pack(
    isolated: Path, shell: Shell, pack_of: list[subprocess.Popen[bytes]]
) -> None:
    """USR1 reaches the command that runs; when that goes on, so does the pack."""
    handles = "trap 'echo got it; exit 0' USR1; touch began; while :; do sleep 0.01; done"
    run = write_run(
        isolated,
        shell,
        [Job(["sh", "-c", text], name="one") for text in (handles, "echo next")],
        pack=Pack(2),
    )
    process = run.start()
    pack_of.append(process)
    await_that((isolated / "began").exists)
    send(process, "USR1")
    assert process.wait(120) == 0
    assert run.out(0) == "got it\n"
    assert run.out(1) == "next\n"


def test_a_run_without_packs_knows_nothing_of_them(isolated: Path, shell: Shell) -> None:
    """The script of other runs has no piece for packs."""
    run = write_run(isolated, shell, counting(2))
    assert "ab_lane" not in (run.path / "job.sh").read_text("utf-8")
    assert run.run(1) == 1
