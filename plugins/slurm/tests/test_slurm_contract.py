"""The contract on real Slurm clusters."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from anybatch.testing import SystemContract


@pytest.mark.usefixtures("slurm_cluster")
class TestSlurm(SystemContract):
    """Everything that a batch system must do, Slurm does."""

    system = "slurm"
    example_settings = MappingProxyType({"nice": 7})
