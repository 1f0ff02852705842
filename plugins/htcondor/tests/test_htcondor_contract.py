"""What every batch system must do, on a real HTCondor pool."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

import pytest
from anybatch import Job
from anybatch.testing import SystemContract


@pytest.mark.usefixtures("pool")
class TestHTCondor(SystemContract):
    """With a shared file system."""

    system = "htcondor"
    settings = MappingProxyType({"htcondor": {"transfer": "shared"}})
    example_settings = MappingProxyType({"priority": 5})
    signals: ClassVar[bool] = False
    waiting = Job(["true"], settings={"htcondor": {"requirements": "False"}})
    held = Job(["true"], settings={"htcondor": {"hold": True}})
    refused = Job(["true"], settings={"htcondor": {"requirements": "(("}})
    unreachable = "ERROR: Can't find address of local schedd"
    system_log: ClassVar[bool] = False  # without `output` HTCondor keeps nothing of it

    def lead_elsewhere(self, environment: pytest.MonkeyPatch) -> str:
        """To the second schedd of the pool."""
        environment.setenv("_CONDOR_SCHEDD_HOST", "second@sid")
        return "sid"
