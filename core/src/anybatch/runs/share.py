"""One run's view of a limit that holds for all runs of a user on its batch system."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import AnybatchError
from anybatch.planning.plan import RunLimit
from anybatch.runs.room import Elsewhere

if TYPE_CHECKING:
    from anybatch.packing import Pack


@attrs.frozen(kw_only=True)
class Share:
    """What of a run's part in the limit of all runs is told by who counts them (`Totals`).

    Attributes:
        limit: what holds; raises AnybatchError where that cannot be read.
        beside: what the other runs use, as this process knows; None: there is no limit. The lock on
            the states of runs is held.
        counting: inside, all is known that is on record, and no other process goes on; raises
            AnybatchError where that cannot be.
        version: changes when there may be more or less room than before; None: there is no limit.
    """

    limit: Callable[[], RunLimit]
    beside: Callable[[], Elsewhere | None]
    counting: Callable[[], AbstractContextManager[None]]
    version: Callable[[], object]

    def words(self, pack: Pack) -> str:
        """What keeps jobs from being handed over that are packed so; empty: there is no limit."""
        try:
            limit = self.limit()
            limit.check(pack)
        except AnybatchError as error:
            return str(error)
        return limit.words(" of all runs")
