"""Pytest fixtures: a user of their own for each test, and sessions in it.

`-p anybatch.testing.plugin`, or `pytest_plugins = ["anybatch.testing.plugin"]`. The report of a
test that failed has the last commands of its sessions, and the processes that its folder still
had. What a test leaves running is terminated.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from anybatch.errors import AnybatchError
from anybatch.session import Session
from anybatch.testing import remains
from anybatch.testing.recording import Ran, RecordingHost, last_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

_OWN = ("XDG_STATE_HOME", "XDG_CONFIG_HOME")
_COMMANDS = pytest.StashKey[list[Ran]]()
#: The sessions of a test that `new_session` has made.
SESSIONS = pytest.StashKey[list[Session]]()
_NOTICES = pytest.StashKey[list[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a failed test's sessions ran and said, and what still ran of its jobs."""
    report = yield
    if report.failed:
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if folder and (left := remains.describe(folder)):
            report.sections.append(("what still ran in this test's folder, and its files", left))
        if ran := item.stash.get(_COMMANDS, []):
            report.sections.append(("commands of this test's sessions", last_commands(ran)))
        if said := item.stash.get(_NOTICES, []):
            report.sections.append(("notices of this test's sessions", "\n".join(said[-20:])))
    return report


@pytest.fixture
def anybatch_home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder of this test's own to work in; settings, index and state are its own too.

    Where the test's class has `settings`, they stand in the folder's `anybatch.toml`.
    """
    for variable in list(os.environ):
        if variable.startswith("ANYBATCH_") and variable != "ANYBATCH_ENGINES":
            monkeypatch.delenv(variable)
    for variable in _OWN:
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    if settings := getattr(request.cls, "settings", None):
        (work / "anybatch.toml").write_text(_toml(settings), "utf-8")
    return work


def _toml(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of settings as TOML; texts, numbers, flags and lists are the same in JSON."""
    lines = []
    for name, table in settings.items():
        lines.append(f"[{name}]")
        lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join([*lines, ""])


@pytest.fixture
def notices(request: pytest.FixtureRequest) -> list[str]:
    """What sessions of `new_session` said."""
    return request.node.stash.setdefault(_NOTICES, [])  # type: ignore[no-any-return]


@pytest.fixture
def new_session(
    request: pytest.FixtureRequest, anybatch_home: Path, notices: list[str]
) -> Iterator[Callable[..., Session]]:
    """Makes sessions in `anybatch_home`.

    After the test all runs of its user are terminated that have not ended, whoever submitted
    them, and the sessions are closed.
    """
    made: list[Session] = request.node.stash.setdefault(SESSIONS, [])
    ran: list[Ran] = request.node.stash.setdefault(_COMMANDS, [])

    def make(system: str, **arguments: Any) -> Session:
        if not {"host", "plugins"} & {*arguments}:
            arguments["host"] = RecordingHost(ran)
        session = Session(system, **{"on_notice": notices.append, **arguments})
        made.append(session)
        return session

    yield make
    _terminate_all(made)
    for session in made:
        session.close()


def _terminate_all(sessions: list[Session]) -> None:
    """Leave nothing running: a failed test must not take the cluster from the next one."""
    told = set()
    for session in sessions:
        if isinstance(session.host, RecordingHost):
            session.host.fault = None
        for run in session.runs():
            if run.finished or run.id in told:
                continue
            try:
                run.refresh()
                if not run.finished:
                    run.terminate()
                told.add(run.id)
            except AnybatchError as error:
                sys.stderr.write(f"run {run.id} may go on: {error}\n")  # shown with a failure


@pytest.fixture
def run_python(anybatch_home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs in `anybatch_home`, as other processes of the same user."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
