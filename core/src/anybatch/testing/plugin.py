"""Pytest fixtures: a user of their own for each test, and sessions in it.

`-p anybatch.testing.plugin`, or `pytest_plugins = ["anybatch.testing.plugin"]`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from anybatch.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_OWN = ("XDG_STATE_HOME", "XDG_CONFIG_HOME")


@pytest.fixture
def anybatch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own to work in; settings, index and state are its own too."""
    for variable in list(os.environ):
        if variable.startswith("ANYBATCH_") and variable != "ANYBATCH_ENGINES":
            monkeypatch.delenv(variable)
    for variable in _OWN:
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def notices() -> list[str]:
    """What sessions of `new_session` said."""
    return []


@pytest.fixture
def new_session(anybatch_home: Path, notices: list[str]) -> Iterator[Callable[..., Session]]:
    """Makes sessions in `anybatch_home`, and closes them after the test."""
    made: list[Session] = []

    def make(system: str, **arguments: Any) -> Session:
        session = Session(system, **{"on_notice": notices.append, **arguments})
        made.append(session)
        return session

    yield make
    for session in made:
        session.close()


@pytest.fixture
def run_python(anybatch_home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs in `anybatch_home`, as other processes of the same user."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
