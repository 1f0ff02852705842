"""Asking batch systems: when it is time, and what is told when one does not answer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from anybatch.errors import CommandError, PluginError
from anybatch.runs.polling import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anybatch.plugins.calls import Hooks
    from anybatch.records import Batch, JobStatus, Unreachable


class Questions:
    """The questions to all batch systems of a session.

    Args:
        interval: shortest pause between two questions in steady state, in seconds.
        on_notice: told when a system cannot be reached, and when it can again.
    """

    def __init__(self, hooks: Hooks, interval: float, on_notice: Callable[[str], None]) -> None:
        self._hooks = hooks
        self._interval = interval
        self._on_notice = on_notice
        self._paces: dict[str, Pace] = {}
        self._asking: dict[str, threading.Lock] = {}

    def pace(self, system: str) -> Pace:
        """When a system is asked next."""
        return self._paces.setdefault(system, Pace(self._interval))

    def one_at_a_time(self, system: str) -> threading.Lock:
        """Is held by the thread that asks a system."""
        return self._asking.setdefault(system, threading.Lock())

    def ask(
        self, system: str, batches: Sequence[Batch]
    ) -> list[Mapping[str, JobStatus | Unreachable]] | None:
        """What a system says of jobs; None: it cannot be asked, and nothing is known."""
        pace = self.pace(system)
        asked_at = pace.asked()
        try:
            answers = self._hooks.status(system, batches)
        except (CommandError, PluginError) as error:
            if pace.reachable:
                cannot = f"cannot reach {system}"
                if isinstance(error, PluginError):
                    cannot = f"cannot query {system}"
                self._on_notice(f"{cannot}; keeping the last known states: {error}")
            pace.failed()
            return None
        again = not pace.reachable
        pace.answered(asked_at)
        if again:
            self._on_notice(f"{system} is reachable again")
        return answers
