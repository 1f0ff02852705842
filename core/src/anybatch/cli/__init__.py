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
from anybatch.cli import (
    attend,
    cancel,
    clean,
    doctor,
    inspect,
    limit,
    logs,
    reporting,
    requeue,
    rerun,
    show,
    status,
    submit,
    watch,
)
from anybatch.cli.base import Failure, Interrupted, Unusable
from anybatch.cli.interrupts import terminable
from anybatch.errors import AnybatchError, FolderError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Errors become a message and an exit code. Any that are not here are bugs, and look so."""
    try:
        yield
    except click.UsageError as error:
        if error.ctx is None:
            raise
        raise Unusable(_parser_message(error, error.ctx)) from None
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


def _parser_message(error: click.UsageError, ctx: click.Context) -> str:
    """What the option parser complains about, in the words of all other errors."""
    if isinstance(error, click.NoSuchOption):
        known = (name for param in ctx.command.get_params(ctx) for name in param.opts)
        text = f"unknown option {error.option_name!r}{did_you_mean(error.option_name, known)}"
    elif isinstance(error, click.MissingParameter) and error.param is not None:
        text = f"{_name_of(error.param)} is missing"
    elif isinstance(error, click.BadParameter) and error.param is not None:
        text = f"{_name_of(error.param)}: {error.message}"
    else:
        text = _plain(error.message)
    return f"{text.removesuffix('.')} (see: {ctx.command_path} --help)"


def _name_of(param: click.Parameter) -> str:
    """A parameter as the help spells it: `--cores`, `RUN`."""
    if isinstance(param, click.Argument):
        return (param.metavar or str(param.name).upper()).removesuffix("...")
    return max(param.opts, key=len)


def _plain(message: str) -> str:
    """A sentence of click's as the end of one of ours."""
    return message[:1].lower() + message[1:]


def _drop_unwritten() -> None:
    """Forget output that a full disk did not take: newer Pythons try it again when they end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Anybatch(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the help."""
        return list(self.commands)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """One line for all commands."""
        return ["COMMAND [OPTIONS] ...  (or COMMAND --help, or --version)"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A line for each command, in groups, so that all of them fit a screen."""
        for heading, commands in _COMMANDS.items():
            for number, command in enumerate(commands):
                first = "" if number else heading
                text = command.get_short_help_str(WIDTH)
                formatter.write(f"{first:<8} {command.name:<10} {text}\n")
        names = ", ".join(str(command.name) for command in _INSTALLATION)
        formatter.write(f"{'Install':<8} {names}\n")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the program does, in two lines."""
        formatter.write(f"\n{HELP}\n")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called, also by another name, with a hint where there is none."""
        args = [ALIASES.get(args[0], args[0]), *args[1:]]
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = OTHER_WORDS.get(args[0])
            hint = f"; did you mean {known!r}?" if known else did_you_mean(args[0], self.commands)
            raise click.UsageError(f"unknown command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _told():
            return super().parse_args(ctx, args or ["--help"])

    def invoke(self, ctx: click.Context) -> Any:
        with _told(), terminable():
            return super().invoke(ctx)


HELP = """\
Submit, watch and stop batch jobs: anybatch run --cores 4 -- python fit.py 7
"""
WIDTH = 60  #: of what the help says of a command
ALIASES = {"cancel": "terminate"}
#: What a command is called elsewhere.
OTHER_WORDS = {
    **dict.fromkeys(("list", "ls", "history", "ps", "queue", "top"), "status"),
    **dict.fromkeys(("stop", "kill", "remove", "delete"), "cancel"),
    **dict.fromkeys(("log", "tail", "cat", "output"), "logs"),
    **dict.fromkeys(("retry", "resubmit"), "rerun"),
    **dict.fromkeys(("info", "inspect", "describe"), "show"),
}
_COMMANDS = {
    "Jobs": (submit.run, submit.submit, submit.render),
    "Runs": (
        *(status.status, watch.wait, attend.watch, cancel.terminate, rerun.rerun),
        limit.limit,
    ),
    "Results": (show.show, logs.logs, show.path, reporting.report, clean.clean, clean.du),
}
_INSTALLATION = (doctor.doctor, inspect.systems, inspect.settings, inspect.completion)


@click.group(
    "anybatch",
    cls=_Anybatch,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="anybatch")
def cli() -> None:
    """The root of the commands."""


for _commands in (*_COMMANDS.values(), _INSTALLATION):
    for _command in _commands:
        cli.add_command(_command)
cli.add_command(requeue.requeue_me)


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
