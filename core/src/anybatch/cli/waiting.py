"""Waiting for runs, and telling how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.cli.base import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.cli.progress import Progress
    from anybatch.outcome import Outcome
    from anybatch.run import Run
    from anybatch.session import Session

SHOWN = 20  #: failures are told one by one up to so many


def await_runs(session: Session, runs: Sequence[Run], progress: Progress) -> list[Outcome]:
    """The outcomes of all jobs, when all have ended; progress and failures are shown.

    A run that cannot be watched any more is left out, and hinders no other.
    """

    def ready() -> bool:
        progress.update(runs)
        return all(run.finished or run.broken for run in runs)

    session.wait_until(ready)
    outcomes = [outcome for run in runs if run.finished for outcome in run.wait()]
    progress.finish(runs)
    return outcomes


def tell_failures(outcomes: Sequence[Outcome]) -> None:
    """A line for each job that is not done; of very many only the first."""
    failed = [outcome for outcome in outcomes if not outcome.done]
    for outcome in failed[:SHOWN]:
        say(outcome.describe())
    if len(failed) > SHOWN:
        say(f"... and {len(failed) - SHOWN} more")


def resume_hint(runs: Sequence[Run]) -> str:
    """What to tell a user who stops waiting."""
    names = " ".join(run.id for run in runs)
    continues = "run {} continues" if len(runs) == 1 else "runs {} continue"
    return f"{continues.format(names)} in the background; reattach with: anybatch wait {names}"
