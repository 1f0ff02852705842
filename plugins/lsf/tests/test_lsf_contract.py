"""The contract on simulated clusters of both dialects."""

from __future__ import annotations

import pytest
from anybatch.testing import SystemContract


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("cluster", ["lsf"], indirect=True)
class TestLsf(SystemContract):
    """Everything that a batch system must do, LSF 10.1 does."""

    system = "lsf"


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("cluster", ["openlava"], indirect=True)
class TestOpenLava(SystemContract):
    """Everything that a batch system must do, OpenLava does."""

    system = "lsf"
