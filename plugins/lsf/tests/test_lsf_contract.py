"""The contract on simulated clusters of both dialects."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from anybatch import Job, Resources
from anybatch.testing import SystemContract


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("cluster", ["lsf"], indirect=True)
class TestLsf(SystemContract):
    """Everything that a batch system must do, LSF 10.1 does."""

    system = "lsf"
    example_settings = MappingProxyType({"max_array": 1, "sp": 7})
    waiting = Job(
        ["true"],
        resources=Resources(cores=1000),
        settings={"anybatch": {"check_resources": False}},
    )
    held = Job(["true"], settings={"lsf": {"H": True}})
    unreachable = "LSF is down. Please wait ..."


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("cluster", ["openlava"], indirect=True)
class TestOpenLava(SystemContract):
    """Everything that a batch system must do, OpenLava does."""

    system = "lsf"
    example_settings = MappingProxyType({"max_array": 1, "sp": 7})
    held = Job(["true"], settings={"lsf": {"H": True}})
    unreachable = "LSF is down. Please wait ..."
