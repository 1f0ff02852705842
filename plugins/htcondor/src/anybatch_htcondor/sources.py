"""Who is asked about jobs, and when: the event log always, the schedd once a minute.

The log costs no daemon anything. The schedd is asked about jobs that no log knows, and now and
then about all, because a log may have been lost; the history about those that have left
the queue without the log's knowing.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from anybatch.errors import CommandError, CommandFailed
from anybatch.host import Command

from anybatch_htcondor import parse
from anybatch_htcondor.eventlog import Log, reader_module
from anybatch_htcondor.render import JOB_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Completed, Host
    from anybatch.records import JobStatus

CHECK = 60.0  #: seconds between two questions to the schedd about jobs that a log knows
MOST_IDS = 500  #: with more in a question, whole clusters or all our jobs are asked for
SCAN = 100_000  #: jobs of the history that are looked through
#: For a question. While a schedd hangs, the logs go on telling of most jobs.
_TIMEOUT = timedelta(seconds=30)


class Sources:
    """The logs of one host, and what its schedd was asked."""

    def __init__(self) -> None:
        self._logs: dict[Path, Log] = {}
        self._missing: set[str] = set()
        self._checked = float("-inf")

    def statuses(
        self, ids: Sequence[str], folders: Mapping[Path, Sequence[str]], host: Host
    ) -> dict[str, JobStatus | None]:
        """What is known of jobs: see `anybatch_status`."""
        logs = self.logs_of(folders, host)
        told = {native: log.status(native) for native, log in logs.items()}
        due = time.monotonic() - self._checked >= CHECK
        asked = [n for n in ids if self._is_open(told.get(n), due=due or n in self._missing)]
        found: dict[str, JobStatus] = {}
        unreachable = False
        if asked:
            self._checked = time.monotonic() if due else self._checked
            try:
                found = self._ask(asked, folders, host)
            except CommandError:
                if not any(told.values()):
                    raise
                unreachable = True
        answers = {native: self._told(native, logs.get(native), found) for native in ids}
        return {n: status for n, status in answers.items() if status is not None or unreachable}

    @staticmethod
    def _is_open(status: JobStatus | None, *, due: bool) -> bool:
        """Whether the schedd is to be asked about a job of which the log tells *status*."""
        return status is None or (due and not status.state.final)

    def _ask(
        self, ids: Sequence[str], folders: Mapping[Path, Sequence[str]], host: Host
    ) -> dict[str, JobStatus]:
        found = ask_queue(ids, host)
        gone = [native for native in ids if native not in found]
        if gone:
            logs = self.logs_of(folders, host)  # they may have been written since
            gone = [n for n in gone if n not in logs or logs[n].may_be_in_queue(n)]
        if gone:
            found |= ask_history(gone, host)
        self._missing.difference_update(ids)
        self._missing.update(native for native in gone if native not in found)
        return found

    def _told(
        self, native: str, log: Log | None, found: Mapping[str, JobStatus]
    ) -> JobStatus | None:
        if log is None:
            return found.get(native)
        if native in found:
            log.note(native, found[native])
        status = log.status(native)
        lost = native in self._missing and status is not None and not status.state.final
        return None if lost else status

    def logs_of(self, folders: Mapping[Path, Sequence[str]], host: Host) -> dict[str, Log]:
        """The log of each job that one knows, read up to now."""
        found: dict[str, Log] = {}
        if reader_module() is None:
            return found
        for folder, ids in folders.items():
            by_cluster: dict[str, Log] = {}
            for name in host.listdir(folder):
                if name.startswith("htcondor-") and name.endswith(".log"):
                    log = self._logs.setdefault(folder / name, Log(folder / name))
                    log.catch_up()
                    by_cluster.update((str(cluster), log) for cluster in log.clusters)
            for native in ids:
                if (cluster := native.partition(".")[0]) in by_cluster:
                    found[native] = by_cluster[cluster]
        return found


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
    command = make_command(program, *arguments)
    completed = run(command, host)
    try:
        return parse.read_ads(completed.stdout)
    except ValueError as error:
        raise CommandFailed(command, completed, f"the answer makes no sense: {error}") from error


def run(command: Command, host: Host) -> Completed:
    """Run a command that must succeed.

    Raises:
        CommandError: it did not.
    """
    completed = host.run(command)
    if not completed.ok:
        raise CommandFailed(command, completed)
    return completed


def make_command(program: str, *arguments: str, timeout: timedelta = _TIMEOUT) -> Command:
    """A command of HTCondor, kept from what a job around us has set."""
    return Command((program, *arguments), hide_env=JOB_VARIABLES, timeout=timeout)
