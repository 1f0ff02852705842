"""The contract on the built-in system."""

from __future__ import annotations

from types import MappingProxyType

from anybatch import Job, Resources
from anybatch.testing import SystemContract


class TestLocal(SystemContract):
    """Everything that a batch system must do, `local` does."""

    system = "local"
    settings = MappingProxyType({"local": {"cores": 8}})
    example_settings = MappingProxyType({"kill_wait": "2s"})
    refused = Job(["true"], resources=Resources(cores=100_000))
    ignored = frozenset({"disk", "queue"})
