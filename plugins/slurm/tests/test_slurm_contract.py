"""The contract on real Slurm clusters."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from anybatch import Job
from anybatch.testing import SystemContract, await_that

from .conftest import CLUSTERS, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.usefixtures("slurm_cluster")
class TestSlurm(SystemContract):
    """Everything that a batch system must do, Slurm does."""

    system = "slurm"
    example_settings = MappingProxyType({"nice": 7})
    waiting = Job(["true"], settings={"slurm": {"begin": "now+1hour"}})
    held = Job(["true"], settings={"slurm": {"hold": True}})
    unreachable = "error: Unable to contact slurm controller (connect failure)"

    def lead_elsewhere(self, environment: pytest.MonkeyPatch) -> str:
        """To the other one, where there are two."""
        here = Path(os.environ["SLURM_CONF"]).parent.name.removeprefix("slurm-")
        others = [name for name in CLUSTERS if name != here]
        if not others:
            return ""
        environment.setenv("SLURM_CONF", str(configuration(others[0])))
        return here

    def forget(self, ids: Sequence[str]) -> bool:
        """Only the cluster with accounting keeps what its controller purges."""
        if "slurm-accounting" not in os.environ["SLURM_CONF"]:
            return False
        jobs = ",".join(native.partition("_")[0] for native in ids)

        def listed() -> str:
            argv = ["squeue", "--noheader", "--states=all", f"--jobs={jobs}"]
            return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

        await_that(lambda: not listed(), patience=self.patience)
        return True
