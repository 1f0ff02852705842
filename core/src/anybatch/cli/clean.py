"""`clean` and `du`: runs that have ended are removed, and what runs take on the disk."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import Command, Failure, Option, Unusable, echo, json_option, print_json, say
from anybatch.cli.params import WholeNumber, complete_run, read_by
from anybatch.cli.status import read_states
from anybatch.errors import AnybatchError
from anybatch.units import format_size, parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anybatch.session import Session
    from anybatch.tidying import Removal


def _which(*names: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, cls=Option, group="Which runs", **more)


@click.command(
    cls=Command,
    examples="""\
anybatch clean fit
anybatch clean --ended-before 30d --dry-run
anybatch clean --state done --over 10GB --yes""",
    exits={
        0: "removed",
        1: "a folder could not be removed; or you said no",
        2: "no such run, or a run has not ended; nothing was removed",
    },
)
@click.argument("names", metavar="[RUN]...", nargs=-1, shell_complete=complete_run)
@_which(
    "--ended-before",
    metavar="TIME",
    callback=read_by(parse_duration),
    help="Runs that ended so long ago, for example 30d.",
)
@_which(
    "--state",
    "states",
    metavar="STATE,...",
    callback=read_by(read_states),
    help="Runs all of whose jobs are in one of these states, for example done.",
)
@_which("--keep-failed", is_flag=True, help="Not runs with a job that failed or is lost.")
@_which(
    "--over",
    metavar="SIZE",
    callback=read_by(parse_size),
    help="Runs whose folder takes more on the disk, for example 10GB.",
)
@_which("--largest", metavar="N", type=WholeNumber(1), help="Of these, the N largest.")
@click.option(
    "-n", "--dry-run", is_flag=True, help="Say what would be removed, and remove nothing."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask, also if no RUN is given.")
@json_option
def clean(names: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool, **given: Any) -> None:
    """Remove runs that have ended.

    Removes the run folder with logs and records, and forgets the run. Outputs that are elsewhere
    stay. Active runs, and runs that an active one waits for, are never touched. A run whose folder
    is away or cannot be read is only forgotten, and only if it is named.

    Without RUN, removes all runs that the options choose, and asks first.
    """
    from anybatch.session import Session
    from anybatch.tidying import Which, plan_removal

    if not names and not any(given.values()):
        raise Unusable("say which runs: RUN, or for example --ended-before 30d")
    with Session(on_notice=say) as session:
        which = Which(**{**given, "states": given["states"] or frozenset()})
        found, kept = plan_removal(session, names, which)
        if not dry_run and not names and not yes and found:
            _ask(found)
        failed = {} if dry_run else _remove(session, found)
    if as_json:
        print_json([_record(one) for one in found if one.run not in failed])
    else:
        _tell(found, kept, failed, dry_run=dry_run)
    for problem in failed.values():
        say(problem)
    sys.exit(int(bool(failed)))


def _record(one: Removal) -> dict[str, Any]:
    return {"run": one.run, "folder_removed": one.folder is not None, "bytes": one.size}


def _ask(found: Sequence[Removal]) -> None:
    text = f"remove {_runs(len(found))}, which frees {_size(found)}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Unusable(
            f"this would {text}; add --yes if that is meant, or --dry-run to see which. Nothing "
            f"was removed"
        )
    if not click.confirm(f"anybatch: {text}?", err=True):
        raise Failure("nothing was removed")


def _remove(session: Session, found: Sequence[Removal]) -> dict[str, str]:
    """Remove runs; what hindered some."""
    from anybatch.tidying import remove

    failed = {}
    for one in found:
        try:
            remove(session, one)
        except AnybatchError as error:
            failed[one.run] = str(error)
    return failed


def _tell(
    found: Sequence[Removal], kept: Mapping[str, str], failed: Mapping[str, str], *, dry_run: bool
) -> None:
    would = "would be " if dry_run else ""
    removed = [one for one in found if one.run not in failed]
    for one in removed:
        if one.folder is None:
            echo(f"run {one.run}: {would}forgotten; its folder is left alone: {one.why}")
        else:
            size = format_size(one.size)
            echo(f"run {one.run}: {would}removed, with its folder {one.folder} ({size})")
    for run, why in kept.items():
        say(f"run {run} is kept: {why}")
    if len(removed) != 1:
        echo(f"{_runs(len(removed))} {would}removed, {_size(removed)} {would}freed")


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _size(found: Sequence[Removal]) -> str:
    return format_size(sum(one.size for one in found))


@click.command(
    cls=Command,
    examples="""\
anybatch du
anybatch du -n 5
anybatch du fit @""",
    exits={0: "shown", 2: "no such run"},
)
@click.argument("names", metavar="[RUN]...", nargs=-1, shell_complete=complete_run)
@click.option("-n", "--limit", metavar="N", type=WholeNumber(1), help="Only the N largest.")
@json_option
def du(names: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Show what the folders of runs take on the disk.

    All your runs, or those named, the largest first. Outputs that are elsewhere do not count.
    """
    from anybatch.tidying import sizes

    found = sizes(names)
    if as_json:
        print_json(
            [{"run": r, "folder": str(path), "bytes": size} for r, path, size in found[:limit]]
        )
        return
    for run, path, size in found[:limit]:
        echo(f"{format_size(size):>10}  {run}  {path}")
    total = format_size(sum(size for _, _, size in found))
    echo(f"{total:>10}  {_runs(len(found))}")
