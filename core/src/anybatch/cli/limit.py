"""`limit`, and the options of how many jobs there may be at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import Command, Unusable, echo, json_option, option_group, print_json, say
from anybatch.cli.params import WholeNumber, complete_active_run, complete_system
from anybatch.selection import ALL

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


#: For the commands that submit.
LIMIT_OPTIONS: tuple[Decorator, ...] = (
    _many(
        "--max-running",
        type=WholeNumber(1),
        metavar="N",
        help="At most N jobs of the run run at once. Default: no limit of anybatch's.",
    ),
    _many(
        "--max-queued",
        type=WholeNumber(1),
        metavar="N",
        help="At most N jobs of the run wait in the batch system at once. Default: no limit of "
        "anybatch's.",
    ),
)


def limits_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is submitted with."""
    return {name: given[name] for name in _NAMES}


@click.command(
    cls=Command,
    examples="""\
anybatch limit 20261120-094725-64a26d --max-running 50
anybatch limit 20261120-094725-64a26d --max-running none
anybatch limit all --system slurm --max-running 200""",
    exits={2: "no such run"},
)
@click.argument("name", metavar="RUN", shell_complete=complete_active_run)
@click.option(
    "--max-running",
    type=_Most(1),
    metavar="N",
    help="At most N jobs run at once. `none`: no limit.",
)
@click.option(
    "--max-queued",
    type=_Most(1),
    metavar="N",
    help="At most N jobs wait in the batch system at once. `none`: no limit.",
)
@click.option(
    "--system",
    metavar="NAME",
    shell_complete=complete_system,
    help="The batch system that `all` is about (default: the best one available).",
)
@json_option
def limit(name: str, system: str | None, as_json: bool, **given: Any) -> None:
    """Show or change how many jobs of a run there may be at once.

    RUN may be `all`: then it is about all your runs on one batch system together, those of later
    included. `none` takes a limit away. What runs already runs on.
    """
    from anybatch.session import Session

    if system is not None and name != ALL:
        raise Unusable("--system is for `anybatch limit all`; a run has its own batch system")
    changed = {key: most for key, most in given.items() if most is not None}
    said = {key: None if most == NONE else most for key, most in changed.items()}
    with Session(system, on_notice=say) as session:
        if name == ALL:
            now = session.limit(**said)
            record, about = {"system": session.system}, f"all runs on {session.system}"
        else:
            run = session.attach(name)
            now = run.limit(**said)
            record, about = {"run": run.id}, f"run {run.id}"
        if as_json:
            print_json({**record, **_record(now)})
        else:
            echo(f"{about}: {_words(now)}")


def _record(limit: RunLimit) -> dict[str, int | None]:
    return {name: getattr(limit, name) for name in _NAMES}


def _words(limit: RunLimit) -> str:
    return ", ".join(f"{name} is {most or NONE}" for name, most in _record(limit).items())
