"""The command line. Each module has a few commands; what they do is the library's work.

Only click is imported here: `--help` and shell completion of options must not wait for the
session, and rich is for what is drawn.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from anybatch import __version__
from anybatch.cli import doctor, inspect, logs, submit, watch
from anybatch.cli.base import Failure, Interrupted, Unusable
from anybatch.errors import AnybatchError, FolderError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Errors become a message and an exit code. Any that are not here are bugs, and look so."""
    try:
        yield
    except (UsageError, FolderError) as error:
        raise Unusable(str(error)) from error
    except AnybatchError as error:
        raise Failure(str(error)) from error
    except BrokenPipeError:
        raise  # click ends without a word
    except OSError as error:
        _drop_unwritten()
        where = f"{error.filename}: " if error.filename else ""
        raise Unusable(f"{where}{error.strerror or error}") from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None


def _drop_unwritten() -> None:
    """Forget output that a full disk did not take: newer Pythons try it again when they end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Anybatch(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a job's life."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _told():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _told():
            return super().invoke(ctx)


HELP = """\
Submit, watch and stop batch jobs on whatever batch system is here.

\b
  anybatch run -- python fit.py 7          one job, and wait for it
  anybatch submit --count 100 -- ./sim     a hundred jobs; prints the run's id
  anybatch status                          what is going on

`anybatch COMMAND --help` tells more about a command, `anybatch doctor` what works here.
"""


@click.group(
    cls=_Anybatch,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="anybatch")
def cli() -> None:
    """The root of the commands."""


for _command in (
    submit.run,
    submit.submit,
    submit.render,
    watch.status,
    watch.wait,
    logs.logs,
    watch.terminate,
    inspect.systems,
    doctor.doctor,
    inspect.settings,
    inspect.completion,
):
    cli.add_command(_command)


def main() -> None:
    """The program `anybatch`."""
    _open_streams()
    cli(prog_name="anybatch")


def _open_streams() -> None:
    """Make standard streams that anything can be printed to, whoever started this program."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Paths need not be UTF-8; they are printed as the bytes that they are.
        sys.stdout.reconfigure(errors="surrogateescape")


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
