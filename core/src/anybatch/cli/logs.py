"""`logs`: what jobs printed, byte for byte."""

from __future__ import annotations

import re
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import Command, Failure, json_option, print_json, say
from anybatch.cli.following import Following
from anybatch.cli.joblogs import Log, prefix, tell_missing
from anybatch.cli.params import WholeNumber, complete_run, read_by
from anybatch.errors import UsageError
from anybatch.localfiles import open_plain
from anybatch.model import State
from anybatch.tails import read_blocks, read_lines, start_of_last

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from anybatch.catalogue import Chosen

FAILED = frozenset({State.FAILED, State.LOST})


def read_pattern(text: str) -> re.Pattern[bytes]:
    """A regular expression for lines of bytes.

    Raises:
        ValueError: it is none.
    """
    try:
        return re.compile(text.encode("utf-8", "surrogateescape"))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"invalid regular expression {text!r:.80}: {error}") from None


@click.command(
    cls=Command,
    examples="""\
anybatch logs fit:3
anybatch logs --follow @
anybatch logs --failed --stderr --tail 5 fit
anybatch logs --grep 'chi2 = ' fit:0-99""",
    exits={1: "no log (yet), or --grep found nothing", 2: "no such run or job"},
)
@click.argument(
    "names", metavar="RUN[:JOBS]...", nargs=-1, required=True, shell_complete=complete_run
)
@click.option("--stderr", is_flag=True, help="Print standard error instead of standard output.")
@click.option("--both", is_flag=True, help="Print standard output and standard error.")
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the jobs have ended.")
@click.option("-n", "--tail", metavar="N", type=WholeNumber(0), help="Only the last N lines.")
@click.option("--failed", is_flag=True, help="Only of jobs that have failed or are lost.")
@click.option(
    "--grep",
    metavar="PATTERN",
    callback=read_by(read_pattern),
    help="Only lines that match this regular expression.",
)
@click.option(
    "--attempt",
    metavar="N",
    type=WholeNumber(0),
    help="Of this attempt (default: the last); 0 is the first.",
)
@json_option
def logs(names: tuple[str, ...], follow: bool, as_json: bool, **given: Any) -> None:
    """Print the output of jobs, byte for byte.

    Of several jobs, each log is printed under a header. With --follow or --grep, each line begins
    with the number of its job instead.
    """
    from anybatch.session import Session

    _check(follow=follow, as_json=as_json, **given)
    with Session(on_notice=say) as session:
        chosen = session.select(*names)
        found = list(_logs(chosen, given))
        if not found:
            raise Failure("no job has failed" if given["failed"] else "no such job")
        tell_run = len(chosen) > 1
        if as_json:
            print_json([log.record(given["tail"]) for log in found])
        elif follow:
            Following(session, found, given["tail"], given["grep"], tell_run=tell_run).go()
        else:
            _print(found, given["tail"], given["grep"], tell_run=tell_run)


def _check(
    *, follow: bool, as_json: bool, stderr: bool, both: bool, grep: Any, attempt: Any, **_: Any
) -> None:
    pairs = {
        "--follow": (follow, "--json", as_json),
        "--stderr": (stderr, "--both", both),
        "--grep": (grep, "--json", as_json),
        "--attempt": (attempt is not None, "--follow", follow),
    }
    for option, (one, other, two) in pairs.items():
        if one and two:
            raise UsageError(f"{option} and {other} cannot be used together")


def _logs(chosen: Sequence[Chosen], given: dict[str, Any]) -> Iterator[Log]:
    streams = (False, True) if given["both"] else (given["stderr"],)
    for one in chosen:
        outcomes = one.run.outcomes if given["failed"] else []
        for index in one.indices:
            if given["failed"] and getattr(outcomes[index], "state", None) not in FAILED:
                continue
            for stderr in streams:
                yield Log(one.run, index, stderr, given["attempt"], tell_stream=given["both"])


def _print(
    found: Sequence[Log], tail: int | None, pattern: re.Pattern[bytes] | None, *, tell_run: bool
) -> None:
    out = sys.stdout.buffer
    missing = []
    matched = pattern is None
    for log in found:
        try:
            with open_plain(log.path) as file:
                if pattern is not None:
                    begin = prefix(log, tell_run) if len(found) > 1 else b""
                    matched |= _print_matching(file, pattern, tail, begin)
                    continue
                if len(found) > 1:
                    out.write(f"==> {log} <==\n".encode())
                file.seek(0 if tail is None else start_of_last(file, tail))
                for block in read_blocks(file):
                    out.write(block)
        except FileNotFoundError:
            missing.append(log)
        except OSError as error:
            if error.filename is None:
                raise  # it is the output that cannot be written
            say(f"cannot read the log of job {log}: {log.path}: {error.strerror}")
    out.flush()
    if missing:
        tell_missing(found, missing)
    if not matched:
        raise Failure("no line matches")


def _print_matching(
    file: BinaryIO, pattern: re.Pattern[bytes], tail: int | None, begin: bytes
) -> bool:
    """Print the lines that match, of many the last; whether there were any."""
    lines: Iterable[bytes] = filter(pattern.search, read_lines(file))
    if tail is not None:
        lines = deque(lines, maxlen=tail)
    found = False
    for line in lines:
        found = True
        sys.stdout.buffer.write(begin + line + b"\n" * (not line.endswith(b"\n")))
    return found
