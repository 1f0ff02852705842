"""`terminate`, also called `cancel`: stops jobs, or sends them a signal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs
import click

from anybatch.cli.base import Command, Unusable, echo, json_option, print_json, say
from anybatch.cli.params import complete_active_run
from anybatch.cli.status import NONE
from anybatch.cli.waiting import effect, tell_some
from anybatch.counts import count_jobs
from anybatch.errors import AnybatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.catalogue import Chosen
    from anybatch.run import Run
    from anybatch.runs.stopping import Termination

SHOWN = 5  #: runs that are named in a question


@click.command(
    cls=Command,
    examples="""\
anybatch cancel fit
anybatch cancel fit:0-99 --reason 'wrong calibration'
anybatch cancel all --yes
anybatch cancel fit:3 --signal USR1""",
    exits={
        1: "not all jobs were told: a batch system refused or cannot be reached, nobody knows yet "
        "whether a job was submitted, or you said no",
        2: "no such run, job or signal; nothing was stopped",
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
@click.option(
    "--reason", metavar="TEXT", help="Why. It is kept, and shown as the reason of these jobs."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask, also if RUN is all.")
@json_option
def terminate(
    names: tuple[str, ...], signal: str | None, reason: str | None, yes: bool, as_json: bool
) -> None:
    """Stop jobs, or send them a signal (also: cancel).

    Jobs that have ended are left alone. `anybatch cancel` is the same command. If RUN is all, a
    question is asked first.
    """
    from anybatch.runs.stopping import check_reason, read_signal
    from anybatch.session import Session

    name = signal and read_signal(signal)
    check_reason(reason, signal)
    with Session(on_notice=say) as session:
        chosen = session.select(*names)
        if chosen and not yes and any(map(_is_all, names)):
            _ask(chosen, name)
        told = {
            one.run: _try(one.run, one.indices if one.named else None, name, reason)
            for one in chosen
        }
    if as_json:
        print_json([{"run": run.id, **attrs.asdict(came)} for run, came in told.items()])
    else:
        _tell(told, name)
    go_on = {run: (*came.refused, *came.unreached) for run, came in told.items()}
    tell_some([f"run {run.id}: {why}" for run, texts in go_on.items() for why in texts])
    sys.exit(int(any(go_on.values()) or any(came.in_doubt for came in told.values())))


def _is_all(text: str) -> bool:
    from anybatch.selection import ALL, read_selection

    return read_selection(text).run == ALL


def _ask(chosen: Sequence[Chosen], signal: str | None) -> None:
    """Ask whether all of these jobs are meant.

    Raises:
        Unusable: nobody can be asked.
        click.Abort: the answer is no.
    """
    jobs = sum(1 for one in chosen for i in one.indices if one.run.outcome(i) is None)
    runs = ", ".join(f"{one.run.id} ({one.run.name})" for one in chosen[:SHOWN])
    more = f" and {len(chosen) - SHOWN} more" if len(chosen) > SHOWN else ""
    what = f"{f'send {signal} to' if signal else 'stop'} {count_jobs(jobs)} of {runs}{more}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Unusable(f"this would {what}; add --yes if that is meant. Nothing was stopped")
    if not click.confirm(f"anybatch: {what}?", err=True):
        say("nothing was stopped")
        sys.exit(1)


def _tell(told: dict[Run, Termination], signal: str | None) -> None:
    from anybatch.runs.stopping import Termination

    for run, came in told.items():
        if not came.refused or came != Termination(refused=came.refused):
            echo(f"run {run.id}: {effect(came, signal)}")
    if not told:
        echo(NONE)


def _try(
    run: Run, indices: Sequence[int] | None, signal: str | None, reason: str | None
) -> Termination:
    """What came of it; a system that cannot be asked hinders no other run."""
    from anybatch.runs.stopping import Termination

    try:
        return run.try_to_terminate(indices, signal, reason=reason)
    except UsageError:
        raise
    except AnybatchError as error:
        return Termination(refused=(str(error),))
