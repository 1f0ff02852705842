"""`report`: a run as one page, or as a table for other programs."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anybatch.cli.base import Command, Failure, echo, json_option, print_json, say
from anybatch.cli.params import complete_file, complete_run
from anybatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.reporting.rows import Row
    from anybatch.run import Run


@click.command(
    cls=Command,
    examples="""\
anybatch report 20261120-094725-64a26d
anybatch report 20261120-094725-64a26d -o scan.html
anybatch report 20261120-094725-64a26d --csv > scan.csv""",
    exits={1: "the report cannot be drawn or written", 2: "no such run or job"},
)
@click.argument("name", metavar="RUN[:INDEX]", shell_complete=complete_run)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write the page to FILE. Default: RUN.html here.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print a table (CSV), a line for each job.")
@json_option
def report(name: str, output: str | None, as_csv: bool, as_json: bool) -> None:
    """Report on a run: times, use against request, failures.

    Writes one HTML file that opens without a network. Drawing it needs
    `pip install 'anybatch[report]'`; --csv and --json do not.
    """
    from anybatch.reporting.rows import collect, record, write_csv
    from anybatch.session import Session

    if as_csv and as_json:
        raise UsageError("--csv and --json cannot be used together")
    with Session(on_notice=say) as session:
        run, index = session.find(name)
        session.poll([run])
        rows = collect(run, None if index is None else [index])
        if as_json:
            print_json([record(row) for row in rows])
        elif as_csv:
            write_csv(rows, sys.stdout)
        else:
            file, page = Path(output or f"{run.id}.html"), _page(run, rows)
            try:
                if _is_stream(file):
                    file.write_text(page, "utf-8", "replace")
                else:
                    _write(Path(os.path.realpath(file)), page)
                    echo(str(file))
            except OSError as error:
                why = error.strerror or error
                raise Failure(f"cannot write the report {str(file)!r}: {why}") from error


def _page(run: Run, rows: Sequence[Row]) -> str:
    try:
        from anybatch.reporting.page import render
    except ModuleNotFoundError as error:
        raise Failure(
            f"the page cannot be drawn, because {error.name} is not installed; run "
            f"`pip install 'anybatch[report]'`, or use --csv or --json"
        ) from None
    return render(run, rows)


def _is_stream(file: Path) -> bool:
    """Whether it is a pipe or a device, which no file may take the place of; `/dev/stdout`, too."""
    there = file.exists() and not file.is_file() and not file.is_dir()
    return there or file.is_relative_to("/dev")


def _write(file: Path, page: str) -> None:
    """Write the page beside its place first, so that nobody opens half of it."""
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    beside = file.parent / f".{os.getpid()}.anybatch"
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="replace") as out:
            out.write(page)
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
