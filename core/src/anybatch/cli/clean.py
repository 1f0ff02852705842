"""`clean`: removes runs that have ended, and forgets those that will not come back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from anybatch.cli.base import Command, Unusable, echo, json_option, print_json, say
from anybatch.cli.params import complete_run
from anybatch.errors import FolderError, UnknownSystem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anybatch.runs.index import Index
    from anybatch.session import Session


@click.command(
    cls=Command,
    examples="""\
anybatch clean 20261120-094725-64a26d
anybatch clean --dry-run 20261120-094725-64a26d""",
    exits={0: "removed", 2: "no such run, or a run has not ended; nothing was removed"},
)
@click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
@click.option(
    "-n", "--dry-run", is_flag=True, help="Say what would be removed, and remove nothing."
)
@json_option
def clean(names: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Remove runs.

    Removes the run folder with logs and records of a run that has ended, and forgets the run.
    Outputs that are elsewhere stay. A run whose folder is away or cannot be read is only forgotten.
    """
    from anybatch.runs.index import Index
    from anybatch.session import Session

    index = Index()
    with Session(on_notice=say) as session:
        found = [_find(index, name) for name in names]
        plans = {run: _look(session, run) for run in dict.fromkeys(found)}
        for run, (with_folder, _) in plans.items():
            if not dry_run:
                with _unchanged(session, run) if with_folder else contextlib.nullcontext():
                    if with_folder:
                        session.host.remove(index.summary(run).folder)
                    index.remove(run)
        if as_json:
            print_json([{"run": run, "folder_removed": one[0]} for run, one in plans.items()])
            return
        for run, (_, text) in plans.items():
            echo(f"run {run}: {'would be ' if dry_run else ''}{text}")


def _find(index: Index, name: str) -> str:
    from anybatch.runs.finding import find_run
    from anybatch.selection import read_selection

    selection = read_selection(name)
    if selection.parts:
        raise Unusable(f"only whole runs can be removed, not {name!r:.100}; nothing was removed")
    return find_run(index, selection)


@contextlib.contextmanager
def _unchanged(session: Session, run: str) -> Iterator[None]:
    """Inside, no other process has jobs of the run run again.

    Raises:
        Unusable: one has, or is about to.
    """
    known = session.attach(run)
    with known.watched.right.held() as mine:
        if mine:
            known.refresh()
        if not mine or not known.finished:
            raise Unusable(f"run {run} is active again; it was not removed")
        yield


def _look(session: Session, run: str) -> tuple[bool, str]:
    """Whether a run's folder is to be removed, and what is said of it.

    Raises:
        Unusable: it has not ended.
    """
    try:
        known = session.attach(run)
    except (FolderError, UnknownSystem) as error:
        return False, f"forgotten; its folder is left alone, for it cannot be read: {error}"
    if not known.finished:
        known.refresh()
    if not known.finished:
        raise Unusable(
            f"run {run} has jobs that have not ended; nothing was removed (to end them: anybatch "
            f"terminate {run})"
        )
    return True, f"removed, with its folder {known.folder}"
