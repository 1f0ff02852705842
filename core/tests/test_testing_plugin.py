"""The fixtures of the kit: what a failed test tells, and what it leaves behind."""

from __future__ import annotations

import contextlib
import os
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


def working_in(folder: Path) -> list[Path]:
    """The processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == folder:
                found.append(process)
    return found
