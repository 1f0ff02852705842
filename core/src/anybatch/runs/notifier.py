"""Telling of a run's end, once: by whoever sees it first, of all who watch the run.

Who tells says so in the run's journal before it does, under the right to submit for the run. So
nobody is told twice; a process that is killed in between leaves a notice that may not have been
sent, and a record of that. Notices hurt nothing: they are sent aside, and go wrong with a warning.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from anybatch.errors import AnybatchError, FolderError
from anybatch.failures import MOST, grouped
from anybatch.model import State
from anybatch.notifying.message import End
from anybatch.notifying.request import FAILURE
from anybatch.notifying.sending import Sending
from anybatch.runs import requests

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from anybatch.host import Host
    from anybatch.notifying.request import MailRoute
    from anybatch.notifying.sending import Told
    from anybatch.notifying.targets import Target
    from anybatch.outcome import Outcome
    from anybatch.runs.state import RunState
    from anybatch.runs.watched import WatchedRun

PATIENCE = 3.0  #: seconds that another process's step is waited for


class Notifier:
    """Tells of the ends of runs.

    Args:
        mutex: guards the states of runs.
        on_notice: told what went wrong, once for each end.
    """

    def __init__(
        self, host: Host, mutex: threading.RLock, on_notice: Callable[[str], None]
    ) -> None:
        self._host = host
        self._mutex = mutex
        self._on_notice = on_notice
        self._sending = Sending(host)
        self._said: set[str] = set()

    def tell(self, run: WatchedRun, *, patient: bool = False) -> bool:
        """Begin to tell of a run's end whom nobody has begun to tell.

        Args:
            patient: wait some seconds for the step of another process.

        Returns:
            False: another process has the right to do so now; who looks next is to try again.
        """
        try:
            wanted = requests.targets(requests.read_all(run.state.folder, self._host))
            if not wanted or not _is_own(run):
                return True
            with run.right.awaited(PATIENCE) if patient else run.right.held() as mine:
                if mine is False:
                    return False
                claimed = self._claim(run, wanted)
        except FolderError as error:
            self._say_once(f"run {run.state.id}: nobody was told of its end: {error}")
            return True
        except AnybatchError:
            return False
        if claimed:
            self._send(run.state, {target: wanted[target][0] for target in claimed})
        return True

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._on_notice(text)

    def _claim(
        self, run: WatchedRun, wanted: Mapping[Target, tuple[MailRoute, str]]
    ) -> list[Target]:
        """Put on record whom this process tells."""
        state = run.state
        with self._mutex:
            run.watcher.catch_up()
            if not state.finished:
                return []  # jobs of it are run again
            end = len(state.submissions)
            bad = state.counts[State.DONE] < len(state.jobs)
            mine = [
                target
                for target, (_, moment) in wanted.items()
                if state.notified.of(end, target.key) is None and (bad or moment != FAILURE)
            ]
            if mine:
                keys = [target.key for target in mine]
                state.record("notifying", durable=True, n=end, keys=keys)
        return mine

    def _send(self, state: RunState, routes: Mapping[Target, MailRoute]) -> None:
        with self._mutex:
            counts = {one: state.counts[one] for one in State if state.counts[one]}
            outcomes = [job.outcome for job in state.jobs if job.outcome]
            name = state.submission_of(state.jobs[0]).name
            done = partial(self._note, state, len(state.submissions))
        self._sending.start(partial(_describe, state, name, counts, outcomes), routes, done)

    def _note(self, state: RunState, end: int, told: Told) -> None:
        """Put on record how that went, and say what went wrong."""
        with contextlib.suppress(FolderError), self._mutex:
            for target, error in told.items():
                state.record("notified", n=end, key=target.key, error=error)
        if wrong := [f"{target.shown} ({error})" for target, error in told.items() if error]:
            self._on_notice(
                f"run {state.id}: could not tell of its end: {'; '.join(wrong)}. Its jobs are not "
                f"concerned"
            )

    def close(self) -> None:
        """Wait until all are told or given up."""
        self._sending.close()


def _is_own(run: WatchedRun) -> bool:
    """Whether it is this user's own run, and not one of another's that only is looked at."""
    with contextlib.suppress(OSError):
        return os.stat(run.state.folder).st_uid == os.geteuid()
    return False


def _describe(
    state: RunState, name: str, counts: Mapping[State, int], outcomes: Sequence[Outcome]
) -> End:
    """What is told of a run's end."""
    ends = [outcome.ended for outcome in outcomes if outcome.ended]
    groups = grouped(outcomes)
    last = [group.last_line() if number < MOST else "" for number, group in enumerate(groups)]
    return End(
        run=state.id,
        name=name,
        system=state.file.system,
        folder=str(state.folder),
        host=state.file.host,
        created=state.file.created,
        ended=max(ends, default=datetime.now(timezone.utc)),
        counts=counts,
        failures=tuple(zip(groups, last, strict=True)),
    )
