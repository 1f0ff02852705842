"""What every batch system must do, on tinyq: anybatch's own tests, which run real jobs."""

from __future__ import annotations

import subprocess
from types import MappingProxyType
from typing import TYPE_CHECKING

from anybatch import Job, Resources
from anybatch.testing import SystemContract

if TYPE_CHECKING:
    from collections.abc import Sequence


class TestTinyq(SystemContract):
    """Needs `tinyq` on the PATH, and this plugin installed."""

    system = "tinyq"
    example_settings = MappingProxyType({"priority": 3})
    waiting = Job(["true"], resources=Resources(queue="closed"))
    held = Job(["true"], settings={"tinyq": {"hold": True}})
    unreachable = "tinyq: out of order"

    def forget(self, ids: Sequence[str]) -> bool:
        """Have the queue forget what has ended."""
        subprocess.run(["tinyq", "archive"], check=True)
        return True
