"""Waiting for runs, and telling how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.cli.base import say
from anybatch.counts import count_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anybatch.catalogue import Chosen
    from anybatch.cli.progress import Progress
    from anybatch.outcome import Outcome
    from anybatch.run import Run
    from anybatch.runs.stopping import Termination
    from anybatch.session import Session

SHOWN = 20  #: lines of a kind are printed up to so many


def await_jobs(
    session: Session,
    chosen: Sequence[Chosen],
    progress: Progress,
    look: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """The outcomes of all jobs that are chosen, when all have ended; progress is shown.

    A run that cannot be watched any more is left out, and hinders no other.

    Args:
        look: called now and then while they run.
    """
    runs = [one.run for one in chosen]

    def ready() -> bool:
        over = all(one.ended or one.run.broken for one in chosen)
        if not over:
            progress.update(runs)
        look()
        return over

    session.wait_until(ready)
    outcomes = [outcome for one in chosen if one.ended for outcome in one.outcomes()]
    look()
    progress.finish(runs)
    return outcomes


def await_run(
    session: Session, run: Run, progress: Progress, look: Callable[[], None] = lambda: None
) -> list[Outcome]:
    """As `await_jobs`, for all jobs of a run."""
    from anybatch.catalogue import Chosen

    return await_jobs(session, [Chosen(run, range(len(run)))], progress, look)


def tell_some(texts: Sequence[str]) -> None:
    """A line for each text; of very many only the first."""
    for text in texts[:SHOWN]:
        say(text)
    if len(texts) > SHOWN:
        say(f"... and {len(texts) - SHOWN} more")


def effect(came: Termination, signal: str | None) -> str:
    """What asking for the end of a run's jobs, or sending them a signal, has done."""
    parts = {
        f"sent {signal} to {{}}" if signal else "stopping {}": came.accepted,
        "stopped {} before submission": came.ended,
        "{} to be submitted with others, and stopped then": came.pending,
        "{} still being looked up, and stopped when found": len(came.in_doubt),
        "{} not reached, and stopped when they are": len(came.unreached),
        "refused for {}": len(came.refused),
    }
    told = [text.format(count_jobs(number)) for text, number in parts.items() if number]
    return "; ".join(told) or f"nothing to {'signal' if signal else 'stop'}: the jobs have ended"


def resume_hint(runs: Sequence[Run]) -> str:
    """What to tell a user who stops waiting."""
    names = " ".join(run.id for run in runs)
    continues = "run {} continues" if len(runs) == 1 else "runs {} continue"
    return f"{continues.format(names)} in the background; reattach with: anybatch wait {names}"
