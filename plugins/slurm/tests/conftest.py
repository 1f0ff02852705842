"""Real Slurm clusters for tests: see `tests/engines/README.md`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ENGINES = Path(os.environ.get("ANYBATCH_ENGINE_DIR", "/var/tmp/anybatch-engines"))


@pytest.fixture(params=["plain", "accounting"])
def slurm_cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two clusters in turn: without and with accounting."""
    monkeypatch.setenv("SLURM_CONF", str(ENGINES / f"slurm-{request.param}" / "slurm.conf"))
    return str(request.param)
