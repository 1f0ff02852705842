"""What every command is made of: its help, its errors, its two ways to print."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from anybatch.printable import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

INTERRUPTED = 130  #: exit code after Ctrl-C, as shells have it: 128 + SIGINT
_EXITS = {0: "success", 1: "other error", 2: "invalid request; nothing was submitted"}


class Option(click.Option):
    """An option that stands under a heading in the help.

    Args:
        group: the heading.
    """

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


def option_group(heading: str) -> Callable[..., Decorator]:
    """What makes options that stand under *heading*, like `click.option`."""

    def option(*names: str, **attributes: Any) -> Decorator:
        return click.option(*names, cls=Option, group=heading, **attributes)

    return option


class Command(click.Command):
    """A command whose help shows options in groups, then examples and exit codes.

    Args:
        examples: command lines.
        exits: what exit codes mean, where it is not the usual.
    """

    def __init__(
        self, *args: Any, examples: str, exits: Mapping[int, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.exits = {**_EXITS, **(exits or {})}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an error tells of which command it is."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of options under its heading, those of every command last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                groups.setdefault(getattr(param, "group", "Options"), []).append(record)
        for heading in sorted(groups, key=lambda heading: heading == "Options"):
            with formatter.section(heading):
                formatter.write_dl(groups[heading])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples and exit codes."""
        with formatter.section("Examples"):
            for line in self.examples.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in sorted(self.exits.items())])


class Failure(click.ClickException):
    """An error that ends the program with one message and exit code 1."""

    def show(self, file: Any = None) -> None:
        """Print the message to standard error."""
        say(self.message)


class Unusable(Failure):
    """What was asked for cannot be done; nothing was submitted."""

    exit_code = 2


class Interrupted(Failure):
    """Ctrl-C where there is nothing to be said about it."""

    exit_code = INTERRUPTED


json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs. Times are in UTC (ISO 8601)."
)


def echo(text: str) -> None:
    """Print a line for people."""
    click.echo(escaped(text))


def echo_exact(text: str, *, nl: bool = True) -> None:
    """Print a text as it is, which may be kept in a file; on a terminal as it can be shown."""
    click.echo(escaped(text) if sys.stdout.isatty() else text, nl=nl)


def say(text: str) -> None:
    """Tell people something, beside what the command prints."""
    click.echo(f"anybatch: {escaped(text)}", err=True)


def print_json(plain: object) -> None:
    """Print the answer for programs. Characters beyond ASCII are escaped, so any text passes."""
    click.echo(json.dumps(plain))
