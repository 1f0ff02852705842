"""Refusing what no node of a batch system can ever run, before anything is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch.errors import JobError
from anybatch.nodes import is_modest, why_never

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anybatch.nodes import NodeKind
    from anybatch.plugins.calls import Hooks
    from anybatch.resources import Resources
    from anybatch.settings.layers import Settings


class NodeCheck:
    """Holds requests against the nodes of a batch system, which is asked once for each table."""

    def __init__(self, system: str, hooks: Hooks) -> None:
        self._system = system
        self._hooks = hooks
        self._kinds: dict[str, list[NodeKind]] = {}

    def check(self, resources: Resources, table: Mapping[str, Any], settings: Settings) -> None:
        """Check what each of some jobs asks for.

        Args:
            table: the settings of the batch system for the jobs.
            settings: all of them; they may say that nothing is checked.

        Raises:
            JobError: no node can ever run one of them.
        """
        if not settings.core("check_resources"):
            return
        if why := self.why_never(resources, table):
            raise JobError(
                f"each job asks for {why}; request less, or skip this check with --no-check (the "
                f"setting check_resources)"
            )

    def why_never(self, resources: Resources, table: Mapping[str, Any]) -> str:
        """What is asked for and what there is, where no node can run it; empty: some may.

        Args:
            table: the settings of the batch system for the jobs.
        """
        return "" if is_modest(resources) else why_never(resources, self._kinds_for(table))

    def _kinds_for(self, table: Mapping[str, Any]) -> list[NodeKind]:
        key = repr(sorted(table.items()))
        if key not in self._kinds:
            self._kinds[key] = self._hooks.nodes(self._system, table)
        return self._kinds[key]
