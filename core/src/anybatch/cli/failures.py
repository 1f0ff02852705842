"""Telling people how jobs failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.cli.base import say
from anybatch.counts import count_jobs
from anybatch.failures import MOST, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.outcome import Outcome


def tell_failures(outcomes: Sequence[Outcome], *, quote: bool = True) -> None:
    """A line for each kind of failure; of very many the first.

    Args:
        quote: print the last line of a log, too.
    """
    groups = grouped(outcomes)
    runs = {group.outcomes[0].run for group in groups}
    for group in groups[:MOST]:
        run = f"run {group.outcomes[0].run}: " if len(runs) > 1 < len(group.outcomes) else ""
        say(f"{run}{group.describe()}")
        if quote and (line := group.last_line()):
            say(f"    {line}")
    rest = [one for group in groups[MOST:] for one in group.outcomes]
    if rest:
        say(f"... and {count_jobs(len(rest))} more that are not done, for other reasons")
