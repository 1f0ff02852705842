"""The options of who is told how a run ended."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from anybatch.cli.base import option_group, say
from anybatch.errors import FolderError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anybatch.cli.base import Decorator
    from anybatch.run import Run

_notice = option_group("Notices")

NOTIFY_OPTIONS: tuple[Decorator, ...] = (
    _notice(
        "--notify",
        multiple=True,
        metavar="TARGET",
        help="Tell how the run ended: mail, mail:ADDRESS, desktop, command:WORDS, an address "
        "https://..., or @FILE with such lines; none: nobody. Repeatable.",
    ),
    _notice(
        "--notify-on",
        metavar="end|failure",
        help="Tell at the end (default), or only if a job is not done.",
    ),
)


def wish_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is submitted with."""
    return {"notify": given["notify"] or None, "notify_on": given["notify_on"]}


def add_wish(runs: Iterable[Run], given: Mapping[str, Any]) -> None:
    """Have somebody told of the ends of runs that are there already.

    Raises:
        UsageError: a target is none, or cannot be told from here.
        FolderError: a run's folder cannot be written.
    """
    if given["notify_on"] and not given["notify"]:
        raise UsageError("--notify-on says when; say whom to tell, too, with --notify")
    if given["notify"]:
        for run in runs:
            run.notify(given["notify"], on=given["notify_on"])


def say_who_looks(run: Run) -> None:
    """Say that somebody has to see the end of a run that is told to somebody."""
    from anybatch.attendant import Attendant

    with contextlib.suppress(FolderError):  # the jobs were submitted all the same
        if run.notices and not run.finished and Attendant().process is None:
            say(
                f"run {run.id}: its end is told by whoever sees it, and nobody watches; `anybatch "
                f"watch --daemon` watches in the background"
            )
