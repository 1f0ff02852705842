"""`logs`: what jobs printed, byte for byte."""

from __future__ import annotations

import contextlib
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import Command, Failure, json_option, print_json, say
from anybatch.cli.params import complete_run
from anybatch.errors import UsageError
from anybatch.localfiles import open_plain
from anybatch.ranges import write_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from anybatch.run import Run
    from anybatch.session import Session

LOOK = 0.2  #: seconds between two looks at a log that grows


@click.command(
    cls=Command,
    examples="""\
anybatch logs 20261120-094725-64a26d
anybatch logs --follow 20261120-094725-64a26d:3""",
    exits={1: "no log (yet)", 2: "no such run or job"},
)
@click.argument("name", metavar="RUN[:JOBS]", shell_complete=complete_run)
@click.option("--stderr", is_flag=True, help="Print standard error instead of standard output.")
@click.option("--follow", "-f", is_flag=True, help="Keep printing until the job ends.")
@json_option
def logs(name: str, stderr: bool, follow: bool, as_json: bool) -> None:
    """Print the output of jobs, byte for byte.

    Without JOBS, prints the output of every job of the run, each under a header.
    """
    from anybatch.session import Session

    if follow and as_json:
        raise UsageError("--follow and --json cannot be used together")
    with Session(on_notice=say) as session:
        found = _logs(session, name, stderr)
        if as_json:
            print_json([log.record() for log in found])
        elif not follow:
            _print(found)
        elif len(found) == 1:
            _follow(session, found[0])
        else:
            raise UsageError(
                f"--follow works on a single job; choose one of {found[0]} ... {found[-1]}"
            )


def _logs(session: Session, name: str, stderr: bool) -> list[Log]:
    chosen = session.select(name)
    return [Log(one.run, index, stderr) for one in chosen for index in one.indices]


class Log:
    """A job's output, or with *stderr* its errors."""

    def __init__(self, run: Run, index: int, stderr: bool) -> None:
        self.run = run
        self.index = index
        self._stderr = stderr

    def __str__(self) -> str:
        return f"{self.run.id}:{self.index}"

    @property
    def path(self) -> Path:
        """Where it is; changes when the job is run again."""
        return self.run.logs(self.index)[self._stderr]

    def record(self) -> dict[str, Any]:
        """For programs; `text` is null where there is no log."""
        path = self.path
        text = _text(path)
        return {"run": self.run.id, "index": self.index, "path": str(path), "text": text}


def _text(path: Path) -> str | None:
    with contextlib.suppress(OSError), open_plain(path) as file:
        return file.read().decode("utf-8", "replace")
    return None


def _print(found: Sequence[Log]) -> None:
    out = sys.stdout.buffer
    missing = []
    for log in found:
        try:
            with open_plain(log.path) as file:
                if len(found) > 1:
                    out.write(f"==> {log} <==\n".encode())
                shutil.copyfileobj(file, out)
        except FileNotFoundError:
            missing.append(log)
        except OSError as error:
            if error.filename is None:
                raise  # it is the output that cannot be written
            say(f"cannot read the log of job {log}: {log.path}: {error.strerror}")
    out.flush()
    if missing:
        _tell_missing(found, missing)


def _tell_missing(found: Sequence[Log], missing: Sequence[Log]) -> None:
    log = missing[0]
    if len(found) == 1:
        raise Failure(f"job {log} has no log yet: {log.path} does not exist")
    text = f"no log yet for jobs {log.run.id}:{write_ranges(one.index for one in missing)}"
    if len(found) == len(missing):
        raise Failure(text)
    say(text)


def _follow(session: Session, log: Log) -> None:
    tail = Tail(sys.stdout.buffer)

    def ended() -> bool:
        return log.run.outcome(log.index) is not None

    while not ended():
        tail.print(log.path)
        session.wait_until(ended, LOOK)
    if not tail.print(log.path):
        _tell_missing([log], [log])


class Tail:
    """Prints what a file has grown by. Opened anew each time, which network file systems need.

    Args:
        out: where to.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._path: Path | None = None
        self._printed = 0

    def print(self, path: Path) -> bool:
        """Print the rest of *path*, from its beginning if it is another; whether it is there."""
        if path != self._path:
            self._path, self._printed = path, 0
        try:
            with open_plain(path) as file:
                file.seek(self._printed)
                shutil.copyfileobj(file, self._out)
                self._printed = file.tell()
        except FileNotFoundError:
            return False
        self._out.flush()
        return True
