"""Programs of b2luigi, run as their users run them."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.testing import await_that

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: b2luigi needs Python 3.11; `make` installs it where there is one.
HERE = importlib.util.find_spec("b2luigi") is not None
collect_ignore_glob = [] if HERE else ["test_*.py"]
if HERE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # luigi warns of defaults of its own
        import b2luigi  # noqa: F401


def pytest_report_header() -> str | None:
    """Say that these tests are left out, and why."""
    return None if HERE else "plugins/b2luigi: left out, for b2luigi needs Python 3.11 or newer"


@attrs.define
class Program:
    """A program of b2luigi in a folder of its own.

    Attributes:
        folder: with `tasks.py` and `settings.json`.
        ran: lines that tasks wrote when they ran.
    """

    folder: Path
    started: list[subprocess.Popen[str]] = attrs.field(factory=list)

    def write(self, text: str, **settings: Any) -> None:
        """Write the program and its settings."""
        (self.folder / "tasks.py").write_text(text)
        table = {"batch_system": "anybatch", "result_dir": "results", **settings}
        (self.folder / "settings.json").write_text(json.dumps(table))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the program; it is a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(self.folder / "tasks.py"), *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *words: str) -> str:
        """Run the program to its end; what it said."""
        return self.start(*words).communicate(timeout=300)[0]

    @property
    def ran(self) -> list[str]:
        """What tasks wrote to the file `ran` while they ran, in order."""
        file = self.folder / "ran"
        return file.read_text().split() if file.exists() else []

    def await_ran(self, number: int) -> None:
        """Wait until so many tasks have begun."""
        await_that(lambda: len(self.ran) >= number, patience=120)

    @property
    def runs(self) -> list[Path]:
        """The folders of its runs."""
        return sorted((self.folder / ".anybatch" / "runs").glob("*"))

    @property
    def marks(self) -> list[Path]:
        """The files that tell which job a task became."""
        return sorted((self.folder / "task_files").rglob("anybatch.json"))

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill the program, and nothing else."""
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def program(anybatch_home: Path) -> Iterator[Callable[..., Program]]:
    """Makes programs; what still runs of them is killed after the test."""
    made: list[Program] = []

    def make(text: str, **settings: Any) -> Program:
        one = Program(anybatch_home)
        one.write(text, **{"anybatch_system": "local", **settings})
        made.append(one)
        return one

    yield make
    for one in made:
        for process in one.started:
            if process.returncode is None:
                one.kill(process)
        subprocess.run(
            [sys.executable, "-m", "anybatch", "terminate", *(run.name for run in one.runs)],
            capture_output=True,
            check=False,
        )
