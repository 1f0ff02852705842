"""The contract on simulated clusters of both dialects."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from anybatch.testing import SystemContract


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("cluster", ["lsf"], indirect=True)
class TestLsf(SystemContract):
    """Everything that a batch system must do, LSF 10.1 does."""

    system = "lsf"
    example_settings = MappingProxyType({"max_array": 1})


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("cluster", ["openlava"], indirect=True)
class TestOpenLava(SystemContract):
    """Everything that a batch system must do, OpenLava does."""

    system = "lsf"
    example_settings = MappingProxyType({"max_array": 1})
