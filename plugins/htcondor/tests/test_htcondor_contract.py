"""What every batch system must do, on a real HTCondor pool."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

import pytest
from anybatch.testing import SystemContract


@pytest.mark.usefixtures("shared")
class TestHTCondor(SystemContract):
    """With a shared file system."""

    system = "htcondor"
    example_settings = MappingProxyType({"priority": 5})
    signals: ClassVar[bool] = False
