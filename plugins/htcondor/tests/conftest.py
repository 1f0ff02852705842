"""A real HTCondor pool for tests: see `tests/engines/README.md`."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch import Session


@pytest.fixture(scope="session")
def pool() -> None:
    """The pool answers; named in ANYBATCH_ENGINES it must, otherwise tests are skipped."""
    if "htcondor" not in os.environ.get("ANYBATCH_ENGINES", "").split(","):
        pytest.skip("needs real HTCondor: `make engines`, then ANYBATCH_ENGINES=htcondor make test")
    machines = subprocess.run(
        ["condor_status", "-af", "Machine"], capture_output=True, text=True, check=False
    )
    if machines.returncode != 0 or set(machines.stdout.split()) != {"sid", "worker"}:
        pytest.fail(f"the HTCondor pool does not answer: {machines.stdout}{machines.stderr}")


@pytest.fixture
def shared(pool: None, anybatch_home: Path) -> None:
    """Jobs run where our folders are."""
    (anybatch_home / "anybatch.toml").write_text('[htcondor]\ntransfer = "shared"\n')


@pytest.fixture
def away(pool: None, anybatch_home: Path) -> None:
    """Jobs run on the machine that has no folder in common with us."""
    text = '[htcondor]\nrequirements = "TARGET.NoSharedFolder =?= True"\n'
    (anybatch_home / "anybatch.toml").write_text(text)


@pytest.fixture
def condor(shared: None, new_session: Callable[..., Session]) -> Session:
    """A session whose jobs share our folders."""
    return new_session("htcondor")


@pytest.fixture
def condor_away(away: None, new_session: Callable[..., Session]) -> Session:
    """A session whose jobs share no folder with us."""
    return new_session("htcondor")


@pytest.fixture
def tool(pool: None) -> Callable[..., str]:
    """Runs a command as the pool's administrator would, behind anybatch's back."""

    def run(*argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    return run
