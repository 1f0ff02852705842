"""The fixtures of the kit: what a failed test tells, and what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from anybatch.testing import await_that

pytestmark = pytest.mark.system

FAILS = """
from anybatch import Job
from anybatch.testing import await_that

class TestIt:
    settings = {"anybatch": {"poll_interval": "7s"}, "local": {"cores": 3}}

    def test_it(self, new_session):
        session = new_session("local")
        assert session.settings.table("local")["cores"] == 3
        program = "for i in $(seq 300); do touch alive; sleep 0.2; done"
        run = session.submit([Job(["sh", "-c", program]), Job(["sleep", "60"])])
        await_that(lambda: session.folder.joinpath("alive").exists())
        session.on_notice("something is strange")
        assert False, session.folder
"""


def run_pytest(folder: Path, *words: str) -> str:
    """What pytest prints of the tests in a folder."""
    argv = [sys.executable, "-m", "pytest", "-p", "anybatch.testing.plugin", "-c", os.devnull]
    ended = subprocess.run(
        [*argv, "--rootdir", ".", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return ended.stdout + ended.stderr


def test_a_failed_test_shows_its_commands_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Commands with their exit status and output, notices; its jobs are terminated."""
    (tmp_path / "test_it.py").write_text(FAILS)
    base = tmp_path / "base"
    told = run_pytest(tmp_path, f"--basetemp={base}")
    assert "1 failed" in told
    commands = told[told.index("commands of this test's sessions") :]
    assert "-m anybatch.local submit" in commands
    assert "exit status 0" in commands
    assert '"ids"' in commands
    assert "something is strange" in commands
    work = base / "test_it0" / "work"
    [run] = (work / ".anybatch" / "runs").iterdir()
    journal = "".join(path.read_text() for path in run.glob("journal*"))
    assert '"terminate"' in journal
    await_that(lambda: not working_in(work))


HANGS = """
import subprocess
import pytest
from anybatch.testing import await_that

@pytest.fixture
def started():
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()

def test_it(tmp_path, started):
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "holder").touch()
    with open(tmp_path / "job.out", "w") as out:
        program = "seq 300; touch ready; read forever"
        words = ["sh", "-c", program, "a job that hangs"]
        started.append(
            subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=out)
        )
    await_that(lambda: (tmp_path / "ready").exists())
    started[0].wait(timeout=0.1)

def test_other(tmp_path):
    assert False
"""


def test_a_test_that_hung_shows_its_processes_files_and_logs(tmp_path: Path) -> None:
    """As they were when its patience ended; a test of which nothing runs shows none of it."""
    (tmp_path / "test_it.py").write_text(HANGS)
    base = tmp_path / "base"
    told = run_pytest(tmp_path, f"--basetemp={base}")
    assert "2 failed" in told
    assert told.count("what still ran") == 1
    shown = told[told.index("what still ran") :]
    process = re.search(r"^\d+ \(of \d+\) S, .* used, in (.*): sh .*that hangs$", shown, re.M)
    assert process is not None, shown
    assert process[1] == str(base / "test_it0")
    assert "\nlock/holder\n" in shown
    assert shown.index("end of job.out") < shown.index("\n  300\n")
    assert "\n  292\n" not in shown


def working_in(folder: Path) -> list[Path]:
    """The processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == folder:
                found.append(process)
    return found
