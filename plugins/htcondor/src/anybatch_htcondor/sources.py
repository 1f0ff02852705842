"""Who is asked about jobs, and when: the event log always, the schedd once a minute.

The log costs no daemon anything. The schedd is asked about jobs that no log knows, and now and
then about all, because a log may have been lost; the history about those that have left
the queue without the log's knowing.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from anybatch import commands
from anybatch.errors import CommandError
from anybatch.host import Command

from anybatch_htcondor import parse
from anybatch_htcondor.eventlog import Log
from anybatch_htcondor.render import JOB_VARIABLES, log_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.records import Batch, JobStatus

CHECK = 60.0  #: seconds between two questions to the schedd about jobs that a log knows
MOST_IDS = 500  #: with more in a question, whole clusters or all our jobs are asked for
SCAN = 100_000  #: jobs of the history that are looked through
#: For a question. While a schedd hangs, the logs go on telling of most jobs.
_TIMEOUT = timedelta(seconds=30)


class Sources:
    """The event logs of jobs, and what the schedd of a host was asked."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._logs: dict[Path, Log] = {}
        self._missing: set[str] = set()
        self._checked = float("-inf")

    def statuses(self, batches: Sequence[Batch]) -> dict[str, JobStatus | None]:
        """What is known of jobs: see `anybatch_status`.

        Called with all jobs that are watched; what was known of others is forgotten.
        """
        logs = self._logs_of(batches)
        self._logs = {log.path: log for log in logs.values()}
        self._missing.intersection_update(logs)
        asked = self._to_ask(logs)
        if not asked:
            return self._told(logs, {})
        try:
            return self._told(logs, self._ask(asked, logs))
        except CommandError:
            if not any(log.status(native) for native, log in logs.items()):
                raise
            return {**dict.fromkeys(logs), **self._told(logs, {})}

    def use(self, batches: Sequence[Batch]) -> dict[str, JobStatus]:
        """What the logs tell of jobs that have ended; nobody is asked."""
        told = {native: log.status(native) for native, log in self._logs_of(batches).items()}
        return {native: status for native, status in told.items() if status is not None}

    def _logs_of(self, batches: Sequence[Batch]) -> dict[str, Log]:
        """The log of each job, read up to now; it may be empty, or know nothing of the job."""
        found: dict[str, Log] = {}
        for batch in batches:
            path = log_path(batch.submission.folder, batch.submission.number)
            log = self._logs.get(path) or Log(path)
            log.catch_up()
            found.update(dict.fromkeys(batch.ids, log))
        return found

    def _to_ask(self, logs: Mapping[str, Log]) -> list[str]:
        """The jobs that the schedd is to be asked about now."""
        due = time.monotonic() - self._checked >= CHECK
        asked = []
        for native, log in logs.items():
            status = log.status(native)
            if status is None or ((due or native in self._missing) and not status.state.final):
                asked.append(native)
        if asked and due:
            self._checked = time.monotonic()
        return asked

    def _ask(self, ids: Sequence[str], logs: Mapping[str, Log]) -> dict[str, JobStatus]:
        """What the schedd says, and of those that it does not know the history."""
        found = ask_queue(ids, self._host)
        gone = [native for native in ids if native not in found]
        for log in {logs[native] for native in gone}:
            log.catch_up()  # it may have been written since
        gone = [native for native in gone if logs[native].may_be_in_queue(native)]
        if gone:
            found |= ask_history(gone, self._host)
        self._missing.difference_update(ids)
        self._missing.update(native for native in gone if native not in found)
        return found

    def _told(
        self, logs: Mapping[str, Log], found: Mapping[str, JobStatus]
    ) -> dict[str, JobStatus | None]:
        """What all sources together tell of jobs; without those that nobody knows."""
        told: dict[str, JobStatus | None] = {}
        for native, log in logs.items():
            if native in found and log.covers(native):
                log.note(native, found[native])
            status = log.status(native) or found.get(native)
            if status is not None and (status.state.final or native not in self._missing):
                told[native] = status
        return told


def ask_queue(ids: Sequence[str], host: Host) -> dict[str, JobStatus]:
    """One condor_q for all."""
    ads = ask(host, "condor_q", *_which(ids), *_wanted(parse.QUEUE_ATTRIBUTES))
    return parse.read_queue(ads)


def ask_history(ids: Sequence[str], host: Host) -> dict[str, JobStatus]:
    """One condor_history for all, which looks at the latest first."""
    # Of whole clusters more than those asked for may match.
    match = ("-match", str(len(ids))) if len(ids) <= MOST_IDS else ()
    limits = (*match, "-scanlimit", str(SCAN))
    ads = ask(host, "condor_history", *_which(ids), *_wanted(parse.HISTORY_ATTRIBUTES), *limits)
    return parse.read_history(ads)


def _which(ids: Sequence[str]) -> tuple[str, ...]:
    clusters = parse.by_cluster(ids)
    if len(ids) <= MOST_IDS:
        return ("-constraint", parse.constraint(ids))
    if len(clusters) <= MOST_IDS:
        return ("-constraint", " || ".join(f"ClusterId == {cluster}" for cluster in clusters))
    return ("-constraint", "AnybatchToken =!= undefined")


def _wanted(attributes: Sequence[str]) -> tuple[str, ...]:
    return ("-json", "-attributes", ",".join(attributes))


def ask(host: Host, program: str, *arguments: str) -> list[dict[str, Any]]:
    """The job ads that a command prints.

    Raises:
        CommandError: it failed, or printed something else.
    """
    return commands.read(host, make_command(program, *arguments), parse.read_ads)


def make_command(program: str, *arguments: str, timeout: timedelta = _TIMEOUT) -> Command:
    """A command of HTCondor, kept from what a job around us has set."""
    return Command((program, *arguments), hide_env=JOB_VARIABLES, timeout=timeout)
