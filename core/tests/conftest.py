"""What the tests of the core share: folders of their own, a clock, a batch system, shells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .shells import SHELLS, Shell, make_shell
from .toy import TIMED, Clock, Toy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's folder; this user's runs and settings are those in it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time for watching and submitting."""
    made = Clock()
    for module in TIMED:
        monkeypatch.setattr(f"anybatch.runs.{module}.time", made)
    return made


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture(scope="session", params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Each of the shells that job scripts are run by."""
    return make_shell(request.param, tmp_path_factory.mktemp("path"))
