"""Downloads of datasets and logs, in the background.

A download goes to a partial folder, which is moved to its place when it is complete. Whoever
comes after a crash, or watches the same run elsewhere, finds the partial folder, and waits for a
download that is still under way: the command holds a lock (flock(1)) as long as it lives.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
from anybatch import commands
from anybatch.errors import AnybatchError, CommandFailed
from anybatch.host import Command

from anybatch_gbasf2 import parse, render
from anybatch_gbasf2.client import answer, question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence, Set
    from pathlib import Path

    from anybatch.host import Completed, Host

    from anybatch_gbasf2.client import Client
    from anybatch_gbasf2.project import Project

PAUSES = (5.0, 20.0, 60.0, 120.0)  #: after tries that brought nothing; then it has failed
LONGEST = timedelta(days=3)
LOCKED = 99  #: flock's exit status where somebody else has the lock
WAIT = 5.0  #: seconds between two looks at somebody else's download
BASF2_LOG = "Script1_basf2helper.py.log"  #: what basf2 printed
AROUND = "std.out"  #: what the job printed around it
#: Before a command for logs: what a killed one has left is not taken for what this one brings.
_ANEW = ("sh", "-c", 'rm -rf log && exec "$@"', "sh")


class Incomplete(Exception):
    """A download that cannot be completed; why."""


class Background:
    """Work in a thread of its own.

    Attributes:
        problem: why it could not be done.
        final: whether there is no use in trying again.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.problem = ""
        self.final = False
        self._work = work
        self._thread = threading.Thread(target=self._run, name="gbasf2-download", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except Incomplete as error:
            self.problem, self.final = str(error), True
        except (AnybatchError, OSError) as error:
            self.problem = str(error)
        except Exception as error:  # nothing that has gone wrong is a success
            self.problem, self.final = repr(error), True


class Download:
    """The download of a project's dataset.

    Args:
        client: the grid client.
        project: whose.
        pause: how it waits.

    Attributes:
        expected: how many files there will be; 0: not known yet.
    """

    def __init__(
        self, client: Client, project: Project, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.expected = 0
        self._client = client
        self._host = client.host
        self._project = project
        self._pause = pause
        self._damaged: Mapping[str, str] = {}
        self._whole: set[str] = set()
        self._partial = project.target.with_name(f"{project.name}.partial")
        self._place = self._partial / project.name

    @property
    def here(self) -> int:
        """How many files are there."""
        return max(len(files(self._place, self._host)), len(files(self._target, self._host)))

    @property
    def _target(self) -> Path:
        return self._project.target

    def run(self) -> None:
        """Download what is not here yet; returns when all is in its place.

        Raises:
            Incomplete: it will not become complete.
            CommandError: the grid could not be asked; it may be tried again.
        """
        idle, most, said = 0, -1, ""
        while True:
            wanted = self._wanted()
            # In this order: another process may move all into place at any time.
            begun, there = self._host.listdir(self._place), self._host.listdir(self._target)
            if files(self._target, self._host) == wanted.keys():
                return
            if there:
                self._take_back(begun)
            if not self._sift(wanted):
                self._pause(WAIT)
                continue
            have = self._without_superseded(set(wanted))
            missing = sorted(wanted.keys() - have)
            if have == wanted.keys():
                self._finish()
                return
            idle = 0 if len(have) > most else idle + 1
            most = max(most, len(have))
            if idle > len(PAUSES):
                raise Incomplete(self._trouble(missing, have - wanted.keys(), said))
            if idle:
                self._pause(PAUSES[idle - 1])
            got = self._get()
            if got is None:
                self._pause(WAIT)
                most = -1  # another process downloads: that was no try
            else:
                said = got

    def _wanted(self) -> dict[str, parse.GridFile]:
        """The files on the grid, without those of earlier attempts of jobs."""
        dataset = self._project.dataset
        found = parse.below(dataset, self._client.files(self._project.user, dataset))
        if not found:
            raise Incomplete(f"{dataset} has no files")
        wanted = {name: found[name] for name in parse.newest(found)}
        self.expected = len(wanted)
        return wanted

    def _take_back(self, begun: Sequence[str]) -> None:
        """Make what is there already a part of this download: the grid has more by now."""
        if begun:
            raise Incomplete(f"both {self._target} and {self._partial} are there; remove one")
        make_folder(self._host, self._partial)
        move(self._host, self._target, self._place)

    def _sift(self, wanted: Mapping[str, parse.GridFile]) -> bool:
        """Remove what is here and damaged; False: another process still writes.

        Every file is read once, for its checksum.
        """
        new = (files(self._place, self._host) & wanted.keys()) - self._whole
        self._damaged = {}
        if not new:
            return True
        facts = {name: (wanted[name].size, wanted[name].checksum) for name in sorted(new)}
        command = question("sift", str(self._place), stdin=json.dumps(facts))
        completed = locked(self._client, command, self._partial / "lock")
        if completed.returncode == LOCKED:
            return False
        self._damaged = answer(command, completed)
        self._whole |= new - self._damaged.keys()
        return True

    def _without_superseded(self, wanted: set[str]) -> set[str]:
        """The files here, when those are gone that a later attempt has made anew."""
        have = files(self._place, self._host)
        old = have - wanted - set(parse.newest(have | wanted))
        if old:
            run(self._host, "rm", "-f", "--", *(str(self._place / name) for name in sorted(old)))
        return have - old

    def _get(self) -> str | None:
        """One gb2_ds_get; what it said at the end, or None: another process has one running."""
        failed, old = (self._partial / name for name in ("failed_files.txt", "failed_old.txt"))
        make_folder(self._host, self._partial)
        again = ""
        if self._host.exists(failed):
            move(self._host, failed, old)
            again = "" if self._damaged else str(old)  # what was damaged is not in the list
        params, dataset = self._project.download_params, self._project.dataset
        command = render.ds_get(dataset, params, self._partial, again)
        completed = locked(self._client, command, self._partial / "lock")
        if completed.returncode == LOCKED:
            return None
        if not self._client.proxy(anew=True):
            raise CommandFailed(command, completed, "the proxy has ended")
        return (completed.stdout + completed.stderr).strip()[-300:]

    def _trouble(self, missing: Sequence[str], strange: Iterable[str], said: str) -> str:
        if missing:
            name = next((name for name in missing if name in self._damaged), missing[0])
            what = f"{len(missing)} of {self.expected} files do not come, such as {name}"
            if name in self._damaged:
                what += f" (it came with {self._damaged[name]})"
        else:
            what = f"{self._place} has files that the grid has not: {', '.join(sorted(strange))}"
        return f"{what}; what is there is in {self._partial}; gb2_ds_get: {said}"

    def _finish(self) -> None:
        move(self._host, self._place, self._target)
        run(self._host, "rm", "-rf", "--", str(self._partial))


def files(folder: Path, host: Host) -> set[str]:
    """The outputs below a folder: `sub00/B_00000_job700001_00.root`."""
    blocks = (name for name in host.listdir(folder) if name.startswith("sub"))
    return {
        f"{block}/{name}"
        for block in blocks
        for name in host.listdir(folder / block)
        if name.endswith(".root")
    }


@attrs.frozen
class Attempt:
    """A grid job, and which of its attempts: when it was rescheduled, or 0."""

    id: int
    at: int = 0


def log_folder(run_folder: Path, project: Project, at: int) -> Path:
    """Where the logs of a project's jobs go, in a folder for each."""
    above = run_folder / "logs" / project.name
    return above / f"again-{at}" if at else above


def logs_here(run_folder: Path, project: Project, wanted: Set[Attempt], host: Host) -> set[Attempt]:
    """Those whose logs are in their places."""
    times = {one.at for one in wanted}
    names = {at: set(host.listdir(log_folder(run_folder, project, at))) for at in times}
    return {one for one in wanted if str(one.id) in names[one.at]}


def log_files(folder: Path, host: Host) -> tuple[Path | None, Path | None]:
    """Of the logs of a grid job those of its output and its errors; None: there are none.

    DIRAC brings no `std.err` where nothing was written to it. What the job printed around basf2
    tells then why it failed.
    """
    names = host.listdir(folder)

    def first(*wanted: str) -> Path | None:
        return next((folder / name for name in wanted if name in names), None)

    return first(BASF2_LOG, AROUND), first("std.err", AROUND, BASF2_LOG)


def fetch_logs(
    client: Client,
    project: Project,
    run_folder: Path,
    wanted: Iterable[Attempt],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Have the logs of jobs in their places, fetched by us or by another process.

    Raises:
        CommandError: they did not come.
    """
    wanted = set(wanted)
    while new := wanted - logs_here(run_folder, project, wanted, client.host):
        if _fetch_logs(client, project, run_folder, new):
            return
        pause(WAIT)


def _fetch_logs(
    client: Client, project: Project, run_folder: Path, wanted: Iterable[Attempt]
) -> bool:
    """Download the logs of jobs in one command; False: another process has one running."""
    host = client.host
    attempts = {one.id: one.at for one in wanted}
    partial = run_folder / "logs" / f"{project.name}.partial"
    make_folder(host, partial)
    command = render.job_output(sorted(attempts), project.user, partial)
    completed = locked(
        client, attrs.evolve(command, argv=(*_ANEW, *command.argv)), partial / "lock"
    )
    if completed.returncode == LOCKED:
        return False
    come = [name for name in host.listdir(partial / "log") if name.isdecimal()]
    if not come:
        raise CommandFailed(command, completed, "no logs came")
    for at in sorted(set(attempts.values())):
        target = log_folder(run_folder, project, at)
        there = set(host.listdir(target))
        some = [n for n in come if attempts.get(int(n)) == at and n not in there]
        if some:
            make_folder(host, target)
            paths = [str(partial / "log" / name) for name in sorted(some)]
            run(host, "mv", "-t", str(target), "--", *paths)
    run(host, "rm", "-rf", "--", str(partial))
    return True


def locked(client: Client, command: Command, lock: Path) -> Completed:
    """Run a command unless somebody else is at it, who is so as long as the command lives."""
    words = ("flock", "-n", "-E", str(LOCKED), str(lock), *command.argv)
    return client.run(attrs.evolve(command, argv=words, timeout=LONGEST))


def move(host: Host, source: Path, target: Path) -> None:
    """Rename a file or folder; never into another one."""
    run(host, "mv", "-T", "--", str(source), str(target))


def make_folder(host: Host, folder: Path) -> None:
    """Make a folder, unless it is there."""
    run(host, "mkdir", "-p", "--", str(folder))


def run(host: Host, *words: str) -> None:
    """Run a command that works with files."""
    commands.run(host, Command(words))
