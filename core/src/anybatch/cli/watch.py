"""`status`, `wait` and `terminate`: runs that were submitted before."""

from __future__ import annotations

import sys
from datetime import timedelta
from itertools import starmap
from typing import TYPE_CHECKING

import attrs
import click

from anybatch.cli.base import INTERRUPTED, Command, echo, json_option, print_json, say
from anybatch.cli.params import complete_active_run, complete_run
from anybatch.cli.report import (
    headline,
    not_submitted,
    print_jobs,
    print_overview,
    run_record,
    unreadable_record,
)
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

NONE = "no active runs"
RECENT = timedelta(days=1)  #: how long `status` shows a run that has ended


@click.command(
    cls=Command,
    examples="""\
anybatch status
anybatch status 20261120-094725-64a26d
anybatch status --json | jq '.[].jobs[] | select(.state == "failed")'""",
    exits={
        0: "status shown (last known status if a batch system is unreachable)",
        2: "no such run",
    },
)
@click.option(
    "--label",
    metavar="NAME[=VALUE]",
    help="Only runs with a job that has this label.",
)
@click.argument("names", metavar="[RUN[:JOBS]]...", nargs=-1, shell_complete=complete_run)
@json_option
def status(names: tuple[str, ...], label: str | None, as_json: bool) -> None:
    """Show the status of runs.

    RUN is an ID or a part of one, a name, a run folder, @ for the last run, @2 for the one before,
    or all. JOBS is 3, 1-3,7, a state such as failed, or a label NAME=VALUE. With RUN, each job is
    shown. Without RUN, your active runs are listed, and those that ended within the last day.
    """
    from anybatch.catalogue import Chosen
    from anybatch.session import Session

    with Session(on_notice=say) as session:
        if names:
            chosen = [
                one for one in session.select(*names) if label is None or one.run.has_label(label)
            ]
        else:
            found = session.runs(label=label, ended=RECENT)
            chosen = [Chosen(run, range(len(run))) for run in found]
        runs = [one.run for one in chosen]
        session.poll(runs)
        if as_json:
            others = starmap(unreadable_record, session.unreadable.items())
            print_json([*(run_record(one.run, one.indices) for one in chosen), *others])
        elif names:
            _print_each(chosen)
        elif runs or session.unreadable:
            print_overview(runs, session.unreadable)
        else:
            echo(NONE)
        for run in runs:
            if run.unattended:
                say(not_submitted(run))


def _print_each(chosen: Sequence[Chosen]) -> None:
    for number, one in enumerate(chosen):
        echo("\n" * bool(number) + headline(one.run))
        print_jobs(one.run, one.indices)


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
        1: "a batch system refused for a job, or cannot be reached",
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
    refused = [f"run {run.id}: {why}" for run, came in told.items() for why in came.refused]
    tell_some(refused)
    sys.exit(int(bool(refused)))


def _try(run: Run, indices: Sequence[int] | None, signal: str | None) -> Termination:
    """What came of it; a system that cannot be asked hinders no other run."""
    from anybatch.runs.stopping import Termination

    try:
        return run.try_to_terminate(indices, signal)
    except UsageError:
        raise
    except AnybatchError as error:
        return Termination(refused=(str(error),))
