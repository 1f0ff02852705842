"""`limit`, and the options of how many jobs there may be at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import Command, echo, json_option, option_group, print_json, say
from anybatch.cli.params import WholeNumber, complete_active_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anybatch.cli.base import Decorator
    from anybatch.planning.plan import RunLimit

NONE = "none"
_NAMES = ("max_running", "max_queued")


class _Most(WholeNumber):
    """A number, or `none`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == NONE else super().convert(value, param, ctx)


_many = option_group("Many jobs")


def _options(kind: WholeNumber, more: str) -> tuple[Decorator, ...]:
    running = f"At most N jobs of the run run at once.{more}"
    queued = f"At most N jobs of the run wait in the batch system at once.{more}"
    return (
        _many("--max-running", type=kind, metavar="N", help=running),
        _many("--max-queued", type=kind, metavar="N", help=queued),
    )


#: For the commands that submit.
LIMIT_OPTIONS = _options(WholeNumber(1), " Default: no limit of anybatch's.")


def limits_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is submitted with."""
    return {name: given[name] for name in _NAMES}


_CHANGES = _options(_Most(1), " `none`: no limit.")


@click.command(
    cls=Command,
    examples="""\
anybatch limit 20261120-094725-64a26d --max-running 50
anybatch limit 20261120-094725-64a26d --max-running none""",
    exits={2: "no such run"},
)
@click.argument("name", metavar="RUN", shell_complete=complete_active_run)
@_CHANGES[0]
@_CHANGES[1]
@json_option
def limit(name: str, as_json: bool, **given: Any) -> None:
    """Show or change how many jobs of a run there may be at once.

    `none` takes a limit away. What runs already runs on.
    """
    from anybatch.session import Session

    with Session(on_notice=say) as session:
        run = session.attach(name)
        changed = {key: most for key, most in given.items() if most is not None}
        said = {key: None if most == NONE else most for key, most in changed.items()}
        now = run.limit(**said)
        if as_json:
            print_json({"run": run.id, **_record(now)})
        else:
            echo(f"run {run.id}: {_words(now)}")


def _record(limit: RunLimit) -> dict[str, int | None]:
    return {name: getattr(limit, name) for name in _NAMES}


def _words(limit: RunLimit) -> str:
    return ", ".join(f"{name} is {most or NONE}" for name, most in _record(limit).items())
