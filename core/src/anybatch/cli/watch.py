"""`wait` and `terminate`: runs that were submitted before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs
import click

from anybatch.cli.base import INTERRUPTED, Command, echo, json_option, print_json, say
from anybatch.cli.params import complete_active_run
from anybatch.cli.report import run_record
from anybatch.cli.status import NONE
from anybatch.cli.waiting import await_jobs, effect, resume_hint, tell_failures, tell_some
from anybatch.errors import AnybatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.catalogue import Chosen
    from anybatch.cli.progress import Progress
    from anybatch.outcome import Outcome
    from anybatch.run import Run
    from anybatch.runs.stopping import Termination
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
@json_option
def wait(names: tuple[str, ...], as_json: bool) -> None:
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


@click.command(
    cls=Command,
    examples="""\
anybatch terminate 20261120-094725-64a26d
anybatch terminate 20261120-094725-64a26d:3 --signal USR1""",
    exits={
        1: "not all jobs were told: a batch system refused or cannot be reached, or nobody knows "
        "yet whether a job was submitted",
        2: "no such run, job or signal",
    },
)
@click.argument(
    "names",
    metavar="RUN[:JOBS]...",
    nargs=-1,
    required=True,
    shell_complete=complete_active_run,
)
@click.option("--signal", metavar="NAME", help="Send this signal instead of stopping the jobs.")
@json_option
def terminate(names: tuple[str, ...], signal: str | None, as_json: bool) -> None:
    """Stop jobs, or send them a signal (also: cancel).

    Jobs that have ended are left alone. `anybatch cancel` is the same command.
    """
    from anybatch.runs.stopping import Termination, read_signal
    from anybatch.session import Session

    with Session(on_notice=say) as session:
        chosen = session.select(*names)
        name = signal and read_signal(signal)
        told = {one.run: _try(one.run, one.indices if one.named else None, name) for one in chosen}
    if as_json:
        print_json([{"run": run.id, **attrs.asdict(came)} for run, came in told.items()])
    else:
        for run, came in told.items():
            if not came.refused or came != Termination(refused=came.refused):
                echo(f"run {run.id}: {effect(came, name)}")
    go_on = {run: (*came.refused, *came.unreached) for run, came in told.items()}
    tell_some([f"run {run.id}: {why}" for run, texts in go_on.items() for why in texts])
    sys.exit(int(any(go_on.values()) or any(came.in_doubt for came in told.values())))


def _try(run: Run, indices: Sequence[int] | None, signal: str | None) -> Termination:
    """What came of it; a system that cannot be asked hinders no other run."""
    from anybatch.runs.stopping import Termination

    try:
        return run.try_to_terminate(indices, signal)
    except UsageError:
        raise
    except AnybatchError as error:
        return Termination(refused=(str(error),))
