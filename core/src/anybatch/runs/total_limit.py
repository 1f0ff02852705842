"""How many jobs of all of a user's runs on one batch system there may be at once, on record.

    limits/SYSTEM/limit    {"max_running": 50, "max_queued": null}
    limits/SYSTEM/lease    is locked while somebody counts

They are beside the index of runs, which every program of this user reads that watches. So a change
reaches all of them.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING

import attrs
import platformdirs

from anybatch.errors import AnybatchError, FolderError, UsageError
from anybatch.ownership import distrust
from anybatch.planning.plan import RunLimit
from anybatch.runs.right import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anybatch.host import Host, Lease

NO_LIMIT = RunLimit()
CHECKED_FOR = 1.0  #: seconds for which what was read is believed without another look
PATIENCE = 10.0  #: seconds that another process is waited for, which counts


class TotalLimit:
    """The limits on record, by batch system.

    Args:
        setting: what the settings say; of two numbers the smaller holds.
    """

    def __init__(self, host: Host, setting: RunLimit) -> None:
        self._host = host
        self._setting = setting
        self._folder = platformdirs.user_state_path("anybatch") / "limits"
        self._known: dict[str, tuple[float, RunLimit]] = {}
        self._leases: dict[str, Lease] = {}

    def of(self, system: str) -> RunLimit:
        """What holds now.

        Raises:
            AnybatchError: that cannot be read.
        """
        until, limit = self._known.get(system, (0.0, NO_LIMIT))
        if time.monotonic() >= until:
            limit = smaller(self._setting, self._read(system))
            self._known[system] = time.monotonic() + CHECKED_FOR, limit
        return limit

    def _read(self, system: str) -> RunLimit:
        path = self._folder / system / "limit"
        try:
            if why := distrust(path.parent) or distrust(path):
                raise AnybatchError(f"the limit of all runs in {str(path)!r} is not used: {why}")
            plain = json.loads(self._host.read(path))
            return RunLimit(max_running=plain["max_running"], max_queued=plain["max_queued"])
        except FileNotFoundError:
            return NO_LIMIT
        except (OSError, ValueError, LookupError, TypeError, UsageError, RecursionError) as error:
            raise AnybatchError(
                f"the limit of all runs cannot be read from {str(path)!r}, so nothing is handed "
                f"over: {getattr(error, 'strerror', None) or error}. Set it anew: anybatch limit "
                f"all --max-running N"
            ) from error

    def change(self, system: str, changed: Mapping[str, int | None]) -> RunLimit:
        """Put on record what holds for all runs from now on.

        Raises:
            UsageError: it cannot be.
            AnybatchError: another process counts, and does not end.
            FolderError: it cannot be written.
        """
        RunLimit(**changed)
        with self.counting(system):
            try:
                before = self._read(system)
            except AnybatchError:
                before = NO_LIMIT  # it is to be set anew
            text = json.dumps(attrs.asdict(attrs.evolve(before, **changed)))
            self._host.write(self._folder / system / "limit", f"{text}\n")
        self._known.pop(system, None)
        return self.of(system)

    @contextlib.contextmanager
    def counting(self, system: str) -> Iterator[None]:
        """Be the one process that counts what there is, and puts on record what there will be.

        Raises:
            AnybatchError: another process does not end.
        """
        try:
            for folder in (self._folder.parent, self._folder, self._folder / system):
                self._host.make_private(folder)
            lease = self._leases.setdefault(system, self._host.lease(self._folder / system))
            if who := wait_for(lease, PATIENCE):
                raise AnybatchError(f"{who} is counting the jobs of all runs, and does not end")
        except FolderError as error:  # which is not about a run's folder
            raise AnybatchError(str(error)) from error
        try:
            yield
        finally:
            lease.drop()


def smaller(one: RunLimit, other: RunLimit) -> RunLimit:
    """What holds where both do."""
    mine, theirs = attrs.asdict(one), attrs.asdict(other)
    return RunLimit(
        **{name: min(filter(None, (mine[name], theirs[name])), default=None) for name in mine}
    )
