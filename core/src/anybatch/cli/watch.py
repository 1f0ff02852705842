"""`status`, `wait` and `terminate`: runs that were submitted before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from anybatch.cli.base import INTERRUPTED, Command, count_jobs, json_option, print_json, say
from anybatch.cli.interrupts import terminable
from anybatch.cli.params import complete_active_run, complete_run
from anybatch.cli.report import headline, not_submitted, print_jobs, print_overview, run_record
from anybatch.cli.waiting import await_runs, resume_hint, tell_failures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.cli.progress import Progress
    from anybatch.model import Outcome
    from anybatch.run import Run
    from anybatch.session import Session

NONE = "none of your runs is unfinished"


@click.command(
    cls=Command,
    examples="""\
anybatch status
anybatch status 20261120-094725-64a26d
anybatch status --json | jq '.[].jobs[] | select(.state == "failed")'""",
    exits={
        0: "the states are shown; where a batch system cannot be reached, as last known",
        2: "there is no such run",
    },
)
@click.argument("names", metavar="[RUN]...", nargs=-1, shell_complete=complete_run)
@json_option
def status(names: tuple[str, ...], as_json: bool) -> None:
    """Show how runs are now.

    RUN is a run's id, or a part of it that no other run has. Without RUN: all of yours that
    have not ended, a line for each.
    """
    from anybatch.session import Session

    with Session(on_notice=say) as session:
        runs = _runs(session, names)
        session.poll(runs)
        if as_json:
            print_json([run_record(run) for run in runs])
        elif names:
            _print_each(runs)
        elif runs:
            print_overview(runs)
        else:
            click.echo(NONE)
        for run in runs:
            if run.unattended:
                say(not_submitted(run))


def _runs(session: Session, names: Sequence[str]) -> list[Run]:
    """Those named, each once; all that are not finished where none is."""
    return list(dict.fromkeys(map(session.attach, names))) if names else session.runs()


def _print_each(runs: Sequence[Run]) -> None:
    for number, run in enumerate(runs):
        click.echo("\n" * bool(number) + headline(run))
        print_jobs(run)


@click.command(
    cls=Command,
    examples="""\
anybatch wait
anybatch wait 20261120-094725-64a26d && ./merge""",
    exits={
        0: "every job is done",
        1: "a job is not done",
        2: "there is no such run",
        INTERRUPTED: "Ctrl-C or SIGTERM; the jobs go on",
    },
)
@click.argument("names", metavar="[RUN]...", nargs=-1, shell_complete=complete_active_run)
@json_option
def wait(names: tuple[str, ...], as_json: bool) -> None:
    """Wait until runs have ended.

    What is not submitted yet is submitted. Without RUN: all of yours that have not ended.
    Ctrl-C leaves the jobs alone.
    """
    from anybatch.cli.progress import progress
    from anybatch.session import Session

    with terminable(), progress() as shown, Session(on_notice=shown.say) as session:
        runs = _runs(session, names)
        outcomes = _await(session, runs, shown)
        if as_json:
            print_json([run_record(run) for run in runs])
        tell_failures(outcomes or [])
    if outcomes is None:
        sys.exit(INTERRUPTED)
    sys.exit(int(any(not outcome.done for outcome in outcomes)))


def _await(session: Session, runs: Sequence[Run], shown: Progress) -> list[Outcome] | None:
    """The outcomes; None after Ctrl-C."""
    if not runs:
        shown.say(NONE)
        return []
    try:
        return await_runs(session, runs, shown)
    except KeyboardInterrupt:
        shown.say(resume_hint(runs))
        return None


@click.command(
    cls=Command,
    examples="""\
anybatch terminate 20261120-094725-64a26d
anybatch terminate 20261120-094725-64a26d:3 --signal USR1""",
    exits={1: "the batch system could not be asked", 2: "there is no such run, job or signal"},
)
@click.argument(
    "names",
    metavar="RUN[:INDEX]...",
    nargs=-1,
    required=True,
    shell_complete=complete_active_run,
)
@click.option("--signal", metavar="NAME", help="Send this signal instead, for example USR1.")
@json_option
def terminate(names: tuple[str, ...], signal: str | None, as_json: bool) -> None:
    """Stop jobs that have not ended, or send them a signal."""
    from anybatch.session import Session

    with Session(on_notice=say) as session:
        wanted = _targets(session, names)
        name = signal and signal.upper().removeprefix("SIG")
        told = {run: run.terminate(indices, name) for run, indices in wanted.items()}
    if as_json:
        print_json([{"run": run.id, "signalled": count} for run, count in told.items()])
    else:
        what = f"sent {name}" if name else "told to stop"
        for run, count in told.items():
            click.echo(f"run {run.id}: {count_jobs(count)} {what}")


def _targets(session: Session, names: Sequence[str]) -> dict[Run, set[int] | None]:
    """The jobs of each run; None: all of them."""
    wanted: dict[Run, set[int] | None] = {}
    for name in names:
        run, index = session.find(name)
        chosen = wanted.setdefault(run, set())
        if index is None:
            wanted[run] = None
        elif chosen is not None:
            chosen.add(index)
    return wanted
