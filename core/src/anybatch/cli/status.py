"""`status`: runs as a list, and the jobs of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.attend import not_submitted
from anybatch.cli.base import Command, Option, Unusable, echo, json_option, print_json, say
from anybatch.cli.params import WholeNumber, complete_run, complete_system, read_by
from anybatch.cli.report import (
    headline,
    print_jobs,
    print_overview,
    run_record,
    unreadable_record,
)
from anybatch.errors import FolderError, UnknownSystem, did_you_mean
from anybatch.model import State
from anybatch.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anybatch.history import Listed
    from anybatch.session import Session

NONE = "no active runs"


def read_states(text: str) -> frozenset[State]:
    """`failed,lost` as states.

    Raises:
        ValueError: there is no such state.
    """
    known = [state.value for state in State]
    for word in text.split(","):
        if word not in known:
            hint = did_you_mean(word, known)
            raise ValueError(f"{word!r:.50} is none of {', '.join(known)}{hint}")
    return frozenset(map(State, text.split(",")))


def _list(*names: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, cls=Option, group="List", **more)


@click.command(
    cls=Command,
    examples="""\
anybatch status
anybatch status --since 2d --state failed,lost
anybatch status fit:failed
anybatch status --json @ | jq '.[].jobs[] | select(.state == "failed")'""",
    exits={
        0: "status shown (last known status if a batch system is unreachable)",
        2: "no such run or job",
    },
)
@click.argument("names", metavar="[RUN[:JOBS]]...", nargs=-1, shell_complete=complete_run)
@_list("-a", "--all", "every", is_flag=True, help="Also all runs that have ended.")
@_list(
    "--since",
    metavar="TIME",
    callback=read_by(parse_duration),
    help="Also runs that ended within this time, for example 2d (default: 1d).",
)
@_list(
    "-n",
    "--limit",
    metavar="N",
    type=WholeNumber(1),
    help="Only the last N runs, whenever they ended.",
)
@_list("--name", metavar="GLOB", help="Only runs with this name, for example 'fit*'.")
@_list(
    "--state",
    "states",
    metavar="STATE,...",
    callback=read_by(read_states),
    help="Only runs with a job in one of these states, for example failed,lost.",
)
@_list(
    "--system",
    metavar="NAME",
    shell_complete=complete_system,
    help="Only runs on this batch system.",
)
@_list(
    "--label",
    metavar="NAME[=VALUE]",
    help="Only runs with a job that has this label.",
)
@json_option
def status(names: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Show the status of runs.

    Without RUN, lists your active runs, and those that ended within the last day. With RUN, shows
    its jobs.

    RUN is an ID or a part of one, a name, a run folder, @ (the last run), @2 (the one before) or
    all (all active runs). JOBS are 3, 1-3,7, a state such as failed, or a label NAME=VALUE.
    """
    from anybatch.session import Session

    named = [option for option, value in given.items() if value and option != "label"]
    if names and named:
        raise Unusable(
            "options for lists cannot be used with RUN; choose jobs by RUN:JOBS, as in fit:failed"
        )
    with Session(on_notice=say) as session:
        if names:
            _show_jobs(session, names, given["label"], as_json=as_json)
        else:
            _show_list(session, as_json=as_json, **given)


def _show_jobs(session: Session, names: Sequence[str], label: str | None, *, as_json: bool) -> None:
    chosen = [one for one in session.select(*names) if label is None or one.run.has_label(label)]
    session.poll([one.run for one in chosen])
    if as_json:
        print_json([run_record(one.run, one.indices) for one in chosen])
    else:
        for number, one in enumerate(chosen):
            echo("\n" * bool(number) + headline(one.run))
            print_jobs(one.run, one.indices)
        if not chosen:
            echo(NONE)
    for one in chosen:
        if one.run.unattended:
            say(not_submitted(one.run))


def _show_list(session: Session, *, as_json: bool, **given: Any) -> None:
    from anybatch.history import DAY, Wanted

    every = given["every"] or (given["limit"] and not given["since"])
    wanted = Wanted(
        ended=None if every else given["since"] or DAY,
        limit=given["limit"],
        name=given["name"],
        states=given["states"] or frozenset(),
        system=given["system"],
        label=given["label"],
    )
    active = session.runs()
    session.poll(active)
    listed = session.history(wanted)
    if as_json:
        records = list(_records(session, listed))
        print_json([*records, *(unreadable_record(*one) for one in session.unreadable.items())])
    elif listed or session.unreadable:
        print_overview(listed, session.unreadable)
    else:
        echo(_nothing(wanted.ended is not None, any(given.values())))
    shown = {one.id for one in listed}
    for run in active:
        if run.id in shown and run.unattended:
            say(not_submitted(run))


def _records(session: Session, listed: Sequence[Listed]) -> Iterator[Any]:
    """The records of runs; one that cannot be read is noted."""
    for one in listed:
        try:
            yield run_record(session.attach(one.id))
        except (FolderError, UnknownSystem) as error:
            session.unreadable[one.id] = error
            say(f"run {one.id}: {error}")


def _nothing(lately: bool, filtered: bool) -> str:
    if filtered:
        return "no such runs" + (" lately; --all looks at all that have ended" if lately else "")
    return f"{NONE}, and none ended within the last day (--all lists all runs)"
