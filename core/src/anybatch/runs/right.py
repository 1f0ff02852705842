"""The right to submit for a run, which one process at a time has, and who is told of that."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from anybatch.errors import AnybatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch.host import Lease

#: Seconds that another process may submit for a run before that is told here.
LONG = 60.0
_TRY = 0.02  #: seconds between two tries


def wait_for(lease: Lease, seconds: float) -> str:
    """Take a lease, in so many seconds; who has it, if it could not be taken; else empty.

    Raises:
        FolderError: it cannot be tried.
    """
    deadline = time.monotonic() + seconds
    while not lease.take():
        if time.monotonic() >= deadline:
            holder = lease.holder()
            return holder.text if holder else "another process"
        time.sleep(_TRY)
    return ""


class SubmitRight:
    """The right to submit for a run.

    It is held for no longer than it is used: who is stopped between two steps blocks nobody, and
    no descriptor is held for each run.

    Args:
        run: the run's id.
        lease: of its folder.
        on_notice: told who keeps this process from submitting, if that lasts.
    """

    def __init__(self, run: str, lease: Lease, on_notice: Callable[[str], None]) -> None:
        self.lease = lease
        self._run = run
        self._on_notice = on_notice
        self._blocked_since: float | None = None
        self._told_of = ""

    @property
    def attended(self) -> bool:
        """Whether another process of this machine submits for the run, or may do so again."""
        holder = self.lease.holder()
        return holder is not None and holder.alive and not holder.here

    def claim(self, step: str) -> bool:
        """Whether this process takes a step, of all that have the right on any machine.

        Raises:
            FolderError: the run's folder cannot be written any more.
        """
        return self.lease.claim(step)

    def claim_next(self, submissions: int) -> bool:
        """Whether this process plans what comes after so many submissions; see `claim`."""
        return self.claim(f"plan-{submissions}")

    @contextlib.contextmanager
    def held(self, *, wanted: bool = True) -> Iterator[bool]:
        """Whether this process has the right inside; then no other process has it.

        Args:
            wanted: False: there is nothing to do with it.

        Raises:
            FolderError: the run's folder cannot be written any more.
        """
        if not wanted:
            yield False
            return
        if not self.lease.take():
            self._tell_of_holder()
            yield False
            return
        self._blocked_since = None
        try:
            yield True
        finally:
            self.lease.drop()

    @contextlib.contextmanager
    def awaited(self, seconds: float = 10.0) -> Iterator[None]:
        """Have the right inside, for which another process's step is waited for.

        Raises:
            AnybatchError: it has not ended in time.
            FolderError: the run's folder cannot be written any more.
        """
        if who := wait_for(self.lease, seconds):
            raise AnybatchError(
                f"run {self._run}: {who} is submitting its jobs at the moment; nothing was "
                f"changed. Try again when it has ended"
            )
        try:
            yield
        finally:
            self.lease.drop()

    def _tell_of_holder(self) -> None:
        now = time.monotonic()
        if self._blocked_since is None:
            self._blocked_since = now
        holder = self.lease.holder()
        if holder is None or holder.text == self._told_of:
            return
        if holder.stopped or now - self._blocked_since > LONG:
            self._told_of = holder.text
            self._on_notice(
                f"run {self._run}: {holder.text} has the right to submit its jobs; nothing is "
                f"submitted here until it has ended or gone on, the jobs are watched"
            )
