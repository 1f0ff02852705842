"""Whether jobs that ask for more than at first can run anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.planning.node_check import NodeCheck

if TYPE_CHECKING:
    from anybatch.plugins.calls import Hooks
    from anybatch.runs.entries import SubmissionState
    from anybatch.runs.state import RunState


def why_never(run: RunState, one: SubmissionState, hooks: Hooks) -> str:
    """Why no node can ever run jobs that have grown; empty: some may, or nobody knows.

    What was asked for at first was checked before it was submitted.
    """
    planned = one.planned
    first = next(
        first for first in run.file.submissions if planned.indices[0] in first.indices
    ).submission
    asked = planned.submission
    if planned.unchecked or asked.resources == first.resources:
        return ""
    why = NodeCheck(run.file.system, hooks).why_never(asked.resources, asked.settings)
    return why and f"not submitted, for no node can ever run it: it asks for {why}"
