"""The contract on the built-in system."""

from __future__ import annotations

from anybatch.testing import SystemContract


class TestLocal(SystemContract):
    """Everything that a batch system must do, `local` does."""

    system = "local"
