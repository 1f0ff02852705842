"""Waiting in tests on real engines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Run

PATIENCE = 90


def await_that(ready: Callable[[], object], look: Callable[[], object] = lambda: None) -> None:
    """Wait until something is so, for a bounded time."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)
        look()


def native(run: Run, index: int = 0) -> str:
    """HTCondor's id of a job."""
    job = run.jobs[index]
    assert job.id
    return job.id.native
