"""Base classes of plugins: the hooks of `anybatch.hookspecs` as typed methods.

An editor completes them, and a type checker compares an author's signatures with them. What each
hook is for, when it is called and what it answers stands in `anybatch.hookspecs`. A method here
has no parameter *host*, for the object has it.

    class Slurm(BatchSystem):
        def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
            ...
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from anybatch.hookspecs import PROJECT, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.nodes import NodeKind
    from anybatch.records import (
        Alias,
        Batch,
        Change,
        Detection,
        Environment,
        JobStatus,
        Limits,
        Rendered,
        Setting,
        SiteDefault,
        Submission,
        Transfer,
        Unreachable,
    )


class Plugin:
    """A plugin that is not a batch system: containers, a site's defaults, an observer.

    Methods that a subclass overrides are its hooks; `anybatch.hookimpl` need not mark them.

    Attributes:
        host: the only door to the outside.
    """

    def __init__(self, host: Host) -> None:
        self.host = host

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if cls.__module__ == __name__:
            return  # the defaults are not hooks
        for name, value in list(vars(cls).items()):
            if name.startswith(f"{PROJECT}_") and inspect.isfunction(value):
                hookimpl(value)

    def anybatch_settings(self) -> Iterable[Setting | SiteDefault]:
        """See `anybatch.hookspecs.anybatch_settings`."""
        return ()

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection | None:
        """See `anybatch.hookspecs.anybatch_detect`."""
        return None

    def anybatch_alias(self) -> Alias | None:
        """See `anybatch.hookspecs.anybatch_alias`."""
        return None

    def anybatch_environment(
        self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
    ) -> Environment | None:
        """See `anybatch.hookspecs.anybatch_environment`."""
        return None

    def anybatch_transfer(self, job: Job, settings: Mapping[str, Any]) -> Transfer | None:
        """See `anybatch.hookspecs.anybatch_transfer`."""
        return None

    def anybatch_job_changed(self, change: Change, settings: Mapping[str, Any]) -> None:
        """See `anybatch.hookspecs.anybatch_job_changed`."""


class BatchSystem(Plugin, ABC):
    """A batch system. Five methods have no default: without them no job can be promised."""

    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits | None:
        """See `anybatch.hookspecs.anybatch_limits`."""
        return None

    def anybatch_nodes(self, settings: Mapping[str, Any]) -> Sequence[NodeKind] | None:
        """See `anybatch.hookspecs.anybatch_nodes`."""
        return None

    def anybatch_expand(
        self, job: Job, settings: Mapping[str, Any], base_dir: Path
    ) -> Sequence[Job] | None:
        """See `anybatch.hookspecs.anybatch_expand`."""
        return None

    @abstractmethod
    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `anybatch.hookspecs.anybatch_render`."""

    def anybatch_check(self, submission: Submission, rendered: Rendered) -> str | None:
        """See `anybatch.hookspecs.anybatch_check`."""
        return None

    @abstractmethod
    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """See `anybatch.hookspecs.anybatch_submit`."""

    @abstractmethod
    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """See `anybatch.hookspecs.anybatch_find`."""

    @abstractmethod
    def anybatch_status(
        self, batches: Sequence[Batch]
    ) -> Sequence[Mapping[str, JobStatus | Unreachable]]:
        """See `anybatch.hookspecs.anybatch_status`."""

    def anybatch_analyze(self, batch: Batch) -> str | None:
        """See `anybatch.hookspecs.anybatch_analyze`."""
        return None

    def anybatch_account(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """See `anybatch.hookspecs.anybatch_account`."""
        return [{} for _ in batches]

    def anybatch_throttle(self, batch: Batch, most: int) -> bool:
        """See `anybatch.hookspecs.anybatch_throttle`."""
        return False

    @abstractmethod
    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, str | Unreachable]] | None:
        """See `anybatch.hookspecs.anybatch_terminate`."""
