"""What every batch system must do, on tinyq: anybatch's own tests, which run real jobs."""

from __future__ import annotations

from anybatch.testing import SystemContract


class TestTinyq(SystemContract):
    """Needs `tinyq` on the PATH, and this plugin installed."""

    system = "tinyq"
