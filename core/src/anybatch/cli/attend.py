"""`watch`: all runs at once, here or in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import (
    INTERRUPTED,
    Command,
    Unusable,
    echo,
    json_option,
    print_json,
    say,
)
from anybatch.cli.notify_options import NOTIFY_OPTIONS, add_wish
from anybatch.counts import count_jobs
from anybatch.errors import AnybatchError
from anybatch.model import State

if TYPE_CHECKING:
    from anybatch.run import Run


@click.command(
    cls=Command,
    examples="""\
anybatch watch
anybatch watch --daemon
anybatch watch --stop""",
    exits={
        0: "no run is left that may change; or: the daemon watches, or has ended",
        INTERRUPTED: "Ctrl-C or SIGTERM; the jobs continue",
    },
)
@click.option(
    "--daemon",
    is_flag=True,
    help="Watch in the background, also after you log out. There is one for each user and host; "
    "it ends when no run is left that may change.",
)
@click.option("--stop", is_flag=True, help="End the watching in the background. Jobs continue.")
@NOTIFY_OPTIONS[0]
@NOTIFY_OPTIONS[1]
@json_option
def watch(daemon: bool, stop: bool, as_json: bool, **given: Any) -> None:
    """Watch all your runs, and submit what waits.

    Jobs wait for room, or for other jobs. Without options, watches here until no run is left that
    may change. With --notify, somebody is told of the end of each run that is active now.
    """
    from anybatch import attendant

    if daemon and stop:
        raise Unusable("--daemon and --stop cannot be used together")
    if any(given.values()):
        _add_wish(given)
    one = attendant.Attendant()
    if stop:
        told = "no longer watching" if one.stop() else "nobody was watching"
        (say if as_json else echo)(told)
    elif daemon:
        start_attendant()
    else:
        attendant.watch(say)
    if as_json:
        print_json({"process": one.process, "log": str(one.log)})


def _add_wish(given: dict[str, Any]) -> None:
    from anybatch.session import Session

    with Session(on_notice=say) as session:
        add_wish(session.runs(), given)


def start_attendant() -> None:
    """Have all runs watched in the background, and say so."""
    from anybatch.attendant import Attendant

    one = Attendant()
    say(f"process {one.start()} watches your runs (log: {one.log}; end: anybatch watch --stop)")


def attend() -> bool:
    """The same after jobs were submitted, which no failure of it undoes; whether it was done."""
    try:
        start_attendant()
    except AnybatchError as error:
        say(f"the jobs were submitted, but nobody watches in the background: {error}")
        return False
    return True


def not_submitted(run: Run) -> str:
    """What to tell of a run that has jobs that no process submits at this moment."""
    from anybatch.attendant import Attendant

    number = run.counts.get(State.NEW, 0)
    jobs = f"run {run.id}: {count_jobs(number)} {'is not' if number == 1 else 'are not'} submitted"
    if (process := Attendant().process) is not None:
        return f"{jobs} yet; process {process} watches and submits as soon as it can"
    return (
        f"{jobs} yet, and nobody watches; `anybatch watch --daemon` submits in the background, "
        f"`anybatch wait {run.id}` here"
    )
