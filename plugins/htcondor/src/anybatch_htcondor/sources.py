"""Who is asked about jobs, and when: the event log always, the schedd once a minute.

The log costs no daemon anything. The schedd is asked about jobs that no log knows, and now and
then about all, because a log may have been lost; the history about those that have left
the queue without the log's knowing. That a schedd does not know a job says something only where it
is the schedd that the job was submitted to.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.errors import CommandError
from anybatch.model import State
from anybatch.records import Transfer, Unreachable

from anybatch_htcondor import parse
from anybatch_htcondor.eventlog import Log
from anybatch_htcondor.render import log_path, system_log_path
from anybatch_htcondor.schedd import other_schedd, schedd_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.records import Batch, JobStatus, Submission

    from anybatch_htcondor.schedd import Schedd

CHECK = 60.0  #: seconds between two questions to the schedd about jobs that a log knows
_LAST = 3  #: lines of what the system itself has printed

Key = tuple[str, str]  #: a job: the token of its submission, and its id
Found = dict[Key, "JobStatus"]


class Sources:
    """The event logs of jobs, and what the schedd of a host was asked."""

    def __init__(self, host: Host, schedd: Schedd) -> None:
        self._host = host
        self._schedd = schedd
        self._logs: dict[Path, Log] = {}
        self._missing: set[Key] = set()
        self._away: dict[
            Key, str
        ] = {}  # what the user has to know of jobs that the schedd does not
        self._checked = float("-inf")

    def statuses(self, batches: Sequence[Batch]) -> list[dict[str, JobStatus | Unreachable]]:
        """What is known of the jobs of each batch: see `anybatch_status`.

        Called with all jobs that are watched; what was known of others is forgotten.
        """
        logs = self._logs_of(batches)
        self._logs = {log.path: log for log in logs.values()}
        self._missing.intersection_update(logs)
        self._away = {key: why for key, why in self._away.items() if key in logs}
        asked = self._to_ask(logs)
        found: Found = {}
        unasked = None
        if asked:
            schedds = {one.submission.token: schedd_of(one.submission) for one in batches}
            try:
                found = self._ask(asked, logs, schedds)
            except CommandError as error:
                if not any(log.status(native) for (_, native), log in logs.items()):
                    raise
                unasked = Unreachable(str(error))
        return [self._told(one, logs, found, unasked) for one in batches]

    def use(self, batches: Sequence[Batch]) -> list[dict[str, JobStatus]]:
        """What the logs tell of jobs that have ended; nobody is asked."""
        logs = self._logs_of(batches)
        told = []
        for batch in batches:
            token = batch.submission.token
            statuses = {native: logs[token, native].status(native) for native in batch.ids}
            told.append({native: one for native, one in statuses.items() if one is not None})
        return told

    def _logs_of(self, batches: Sequence[Batch]) -> dict[Key, Log]:
        """The log of each job, read up to now; it may be empty, or know nothing of the job."""
        found: dict[Key, Log] = {}
        for batch in batches:
            one = batch.submission
            path = log_path(one.folder, one.number)
            log = self._logs.get(path) or Log(path, self._host, one.token)
            log.catch_up()
            found.update(dict.fromkeys(((one.token, native) for native in batch.ids), log))
        return found

    def _to_ask(self, logs: Mapping[Key, Log]) -> list[Key]:
        """The jobs that the schedd is to be asked about now."""
        due = time.monotonic() - self._checked >= CHECK
        asked = []
        for key, log in logs.items():
            status = log.status(key[1])
            unsettled = due or key in self._missing or key in self._away
            if status is None or (unsettled and not status.state.final):
                asked.append(key)
        if asked and due:
            self._checked = time.monotonic()
        return asked

    def _ask(
        self, keys: Sequence[Key], logs: Mapping[Key, Log], schedds: Mapping[str, str | None]
    ) -> Found:
        """What the schedd says, and of those that it does not know the history."""
        found = _statuses(parse.share_reasons(self._schedd.queue(_named(keys))), parse.read_queue)
        gone = [key for key in keys if key not in found]
        for log in {logs[key] for key in gone}:
            log.catch_up()  # it may have been written since
        gone = [key for key in gone if logs[key].may_be_in_queue(key[1])]
        away = self._elsewhere(gone, schedds)
        if gone := [key for key in gone if key not in away]:
            found |= _statuses(self._schedd.history(_named(gone)), parse.read_history)
            away |= self._edited([key for key in gone if key not in found], logs)
            gone = [key for key in gone if key not in away]
        self._missing.difference_update(keys)
        self._missing.update(key for key in gone if key not in found)
        self._away = {key: why for key, why in self._away.items() if key not in keys} | away
        return found

    def _elsewhere(self, keys: Sequence[Key], schedds: Mapping[str, str | None]) -> dict[Key, str]:
        """Those that this schedd cannot know, for they are in another one."""
        if not any(schedds[token] for token, _ in keys):
            return {}
        here = self._schedd.name()
        there = {key: schedds[key[0]] for key in keys}
        return {
            key: other_schedd(here, name) for key, name in there.items() if name not in (here, None)
        }

    def _edited(self, keys: Sequence[Key], logs: Mapping[Key, Log]) -> dict[Key, str]:
        """Those that nobody knows by their token, and that the queue has all the same."""
        if not keys:
            return {}
        odd = self._schedd.edited({key[1]: logs[key].path for key in keys})
        return {key: odd[key[1]] for key in keys if key[1] in odd}

    def _told(
        self, batch: Batch, logs: Mapping[Key, Log], found: Found, unasked: Unreachable | None
    ) -> dict[str, JobStatus | Unreachable]:
        """What all sources together tell of a batch's jobs; without those that nobody knows."""
        told: dict[str, JobStatus | Unreachable] = {}
        for native in batch.ids:
            key = (batch.submission.token, native)
            log = logs[key]
            if key in found and log.covers(native):
                log.note(native, found[key])
            status = log.status(native) or found.get(key)
            if status is not None and (status.state.final or key not in self._missing):
                if key in self._away and not status.state.final:
                    status = attrs.evolve(status, message=self._away[key])
                told[native] = self._complete(batch.submission, native, status)
            elif unasked or key in self._away:
                told[native] = unasked or Unreachable(self._away[key])
        return told

    def _complete(self, submission: Submission, native: str, status: JobStatus) -> JobStatus:
        """With what HTCondor itself printed, and whether the job's files can be here."""
        if not status.state.final:
            return status
        if submission.transfer is Transfer.SYSTEM and status.native_state.startswith("removed"):
            status = attrs.evolve(status, undelivered=True)
        words = self._system_words(submission, native)
        if words and not status.message and status.state is not State.DONE:
            status = attrs.evolve(status, message=words)
        return status

    def _system_words(self, submission: Submission, native: str) -> str:
        """What a job wrapper or a container said of a job that did not come to its script."""
        task = int(native.partition(".")[2]) + 1
        path = system_log_path(submission.folder, submission.number, task)
        try:
            # Before what was written after the file was cut there are zeros.
            lines = self._host.read(path).replace("\0", "").strip().splitlines()
        except OSError:
            return ""
        if not lines:
            self._host.remove(path)
        return "\n".join(lines[-_LAST:])


def _named(keys: Iterable[Key]) -> list[parse.Named]:
    ids: dict[str, list[str]] = defaultdict(list)
    for token, native in keys:
        ids[token].append(native)
    return list(ids.items())


def _statuses(
    ads: Iterable[Mapping[str, Any]],
    read: Callable[[Iterable[Mapping[str, Any]]], dict[str, JobStatus]],
) -> Found:
    """The status of each job in an answer, by whose it is."""
    return {
        (token, native): status
        for token, own in parse.by_token(ads).items()
        for native, status in read(own).items()
    }
