"""Asking the batch system: `--check` before anything is submitted, and why one job waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch.cli.base import option_group
from anybatch.errors import AnybatchError
from anybatch.model import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anybatch.cli.base import Decorator
    from anybatch.model import Job
    from anybatch.planning.asking import Checked
    from anybatch.run import Run
    from anybatch.session import Session

CHECK_OPTION: Decorator = option_group("Resources")(
    "--check",
    "ask",
    is_flag=True,
    help="Ask the batch system first whether it would take the jobs, and when they may start. What "
    "it would refuse is not submitted.",
)


def submit_jobs(
    session: Session, jobs: Sequence[Job], ask: bool, say: Callable[[str], None], **how: Any
) -> Run:
    """Submit jobs; if *ask*, what the batch system says of them before is told."""
    plan = session.plan(jobs, **how)
    if ask:
        for one in session.check(plan):
            say(str(one))
    return session.submit_plan(plan)


def checks_record(checked: Sequence[Checked] | None) -> dict[str, Any]:
    """What the batch system says of jobs, for programs; nothing where it was not asked."""
    if checked is None:
        return {}
    return {"checks": [{"jobs": one.jobs, "asked": one.asked, "said": one.said} for one in checked]}


def analysis_of(session: Session, run: Run, indices: Sequence[int]) -> str:
    """Why a job waits, from a question to the batch system that is worth it for one job alone."""
    if len(indices) != 1:
        return ""
    state = run.watched.state
    job = state.jobs[indices[0]]
    if job.state is not State.QUEUED or not job.native_id:
        return ""
    try:
        return session.hooks.analyze(run.system, state.batches([job])[0])
    except AnybatchError as error:
        return f"{run.system} could not be asked: {error}"
