"""Whether a task has made what it promised."""

from __future__ import annotations

from typing import Any

import luigi.task


def missing_outputs(task: Any) -> list[str]:
    """The outputs that are not there, as people know them; none for a task without outputs."""
    outputs = luigi.task.flatten(task.output())
    if not outputs or task.complete():
        return []
    missing = [target for target in outputs if not target.exists()]
    return [str(getattr(target, "path", target)) for target in missing or outputs]
