"""`wait`: until runs that were submitted before have ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import INTERRUPTED, Command, json_option, print_json
from anybatch.cli.failures import tell_failures
from anybatch.cli.notify_options import NOTIFY_OPTIONS, add_wish
from anybatch.cli.params import complete_active_run
from anybatch.cli.report import run_record
from anybatch.cli.status import NONE
from anybatch.cli.waiting import await_jobs, resume_hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.catalogue import Chosen
    from anybatch.cli.progress import Progress
    from anybatch.outcome import Outcome
    from anybatch.session import Session


@click.command(
    cls=Command,
    examples="""\
anybatch wait
anybatch wait 20261120-094725-64a26d && ./merge""",
    exits={
        0: "all jobs are done",
        1: "at least one job is not done",
        2: "no such run",
        INTERRUPTED: "Ctrl-C or SIGTERM; the jobs continue",
    },
)
@click.argument("names", metavar="[RUN[:JOBS]]...", nargs=-1, shell_complete=complete_active_run)
@NOTIFY_OPTIONS[0]
@NOTIFY_OPTIONS[1]
@json_option
def wait(names: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Wait until runs, or some of their jobs, have ended.

    Jobs that have not been submitted yet are submitted. Without RUN, waits for all your active
    runs, and counts those that ended since the last `wait`. After Ctrl-C the jobs continue.
    """
    from anybatch.catalogue import Chosen
    from anybatch.cli.progress import progress
    from anybatch.session import Session

    with progress() as shown, Session(on_notice=shown.say) as session:
        if names:
            chosen = session.select(*names)
        else:
            chosen = [Chosen(run, range(len(run))) for run in session.runs(untold=True)]
        add_wish([one.run for one in chosen], given)
        outcomes = _await(session, chosen, shown)
        if as_json:
            print_json([run_record(one.run, one.indices) for one in chosen])
        tell_failures(outcomes or [])
    if outcomes is None:
        sys.exit(INTERRUPTED)
    broken = any(one.run.broken for one in chosen)  # told when it broke
    sys.exit(int(broken or any(not outcome.done for outcome in outcomes)))


def _await(session: Session, chosen: Sequence[Chosen], shown: Progress) -> list[Outcome] | None:
    """The outcomes; None after Ctrl-C."""
    if not chosen:
        shown.say(NONE)
        return []
    try:
        return await_jobs(session, chosen, shown)
    except KeyboardInterrupt:
        active = [one.run for one in chosen if not one.ended]
        if active:
            shown.say(resume_hint(active))
        tell_failures([outcome for one in chosen if one.ended for outcome in one.outcomes()])
        return None
