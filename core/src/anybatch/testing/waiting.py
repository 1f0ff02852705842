"""What tests of real systems share: waiting for a condition, ids, and jobs that end in all ways."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.run import Run


def await_that(
    ready: Callable[[], object],
    look: Callable[[], object] = lambda: None,
    *,
    patience: float = 120,
    problem: str = "it did not come to pass in time",
) -> None:
    """Wait until something is so; the pauses between two looks grow to half a second.

    Args:
        look: called between two questions, for what has to be looked at to change.
        patience: seconds after which it is a failure.
        problem: what is said then.
    """
    began = time.monotonic()
    while not ready():
        waited = time.monotonic() - began
        assert waited < patience, problem
        # Looks may start processes, and the machine is needed by what is waited for.
        time.sleep(min(max(0.05, waited / 10), 0.5))
        look()


def native_id(run: Run, index: int = 0) -> str:
    """The batch system's id of a job, which has one."""
    job = run.jobs[index]
    assert job.id
    return job.id.native_id


def assorted_end(index: int) -> tuple[str, int | None, int | None]:
    """A shell script, and the exit code and signal that it ends with: 3 in 100 are not 0."""
    if index % 33:
        return "exit 0", 0, None
    number = index // 33
    if number % 5 == 4:
        killed_by = (1, 2, 3, 6, 9, 11, 15)[number % 7]
        return f"kill -{killed_by} $$; sleep 60", None, killed_by
    code = number * 37 % 255 + 1
    return f"exit {code}", code, None
