"""How parameters are read, and what completes them in a shell."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from anybatch.errors import AnybatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Callback = Callable[[click.Context, click.Parameter, Any], Any]
    Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


if TYPE_CHECKING:
    _Integer = click.ParamType[int]
else:
    _Integer = click.ParamType  # generic since click 8.4


class WholeNumber(_Integer):
    """A whole number that is not too small, or too large.

    Args:
        minimum: the smallest that is allowed.
        maximum: the largest; None: any.
    """

    name = "integer"

    def __init__(self, minimum: int, maximum: int | None = None) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._allowed = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number that *value* spells."""
        with contextlib.suppress(ValueError):  # also of thousands of digits
            number = int(value)
            if number >= self._minimum and (self._maximum is None or number <= self._maximum):
                return number
        self.fail(f"must be a whole number, {self._allowed}: {value!r:.50}", param, ctx)


def read_by(read: Callable[[str], Any]) -> Callback:
    """A callback for parameters that a function of the library reads, where one is given."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        try:
            if isinstance(value, tuple):
                return tuple(read(item) for item in value)
            return None if value is None else read(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return callback


def read_variable(text: str) -> tuple[str, str]:
    """`NAME=VALUE` as a pair.

    Raises:
        ValueError: there is no `=`.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"invalid value {text!r}: expected NAME=VALUE")
    return name, value


def _one_of(names: Callable[[], Iterable[str]]) -> Completion:
    """Completion with names that are only asked for when a shell wants them."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        with contextlib.suppress(AnybatchError, OSError):
            return [CompletionItem(name) for name in names() if name.startswith(incomplete)]
        return []

    return complete


def _active_runs() -> Iterable[str]:
    from anybatch.runs.index import Index

    return Index().active()


def _known_runs() -> Iterable[str]:
    from anybatch.runs.index import Index

    return Index().known()


def _systems() -> Iterable[str]:
    from anybatch.session import Session

    plugins = Session().plugins
    return ["auto", *plugins.systems, *plugins.aliases]


def _plugins() -> Iterable[str]:
    from anybatch.session import Session

    return Session().settings.declared


def _assignments() -> Iterable[str]:
    from anybatch.session import Session

    declared = Session().settings.declared
    names = ((table, name) for table, settings in declared.items() for name in settings)
    # Of a name that stands for many, what they begin with.
    return [
        f"{table}.{name.partition('*')[0]}{'' if '*' in name else '='}" for table, name in names
    ]


complete_active_run = _one_of(_active_runs)
complete_run = _one_of(_known_runs)
complete_system = _one_of(_systems)
complete_plugin = _one_of(_plugins)
complete_assignment = _one_of(_assignments)


def complete_file(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Leave it to the shell, which knows files best."""
    return [CompletionItem(incomplete, type="file")]
