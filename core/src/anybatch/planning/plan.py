"""What planning makes: a run before it is submitted, as records."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from anybatch import arguments
from anybatch.errors import UsageError, shown
from anybatch.model import Job, Retry
from anybatch.notifying.request import Request
from anybatch.packing import Pack
from anybatch.records import RenderedFile, Submission, Transfer

if TYPE_CHECKING:
    from anybatch.records import Limits
    from anybatch.resources import Resources
    from anybatch.settings.layers import Settings


@attrs.frozen
class Link:
    """A symbolic link in a run's folder."""

    path: Path
    target: str


@attrs.frozen
class Copy:
    """A copy of a user's file in a run's folder, made when the run is submitted."""

    path: Path
    source: str


_MOST = 2**31 - 1  #: jobs


def _at_least_one(_: object, attribute: attrs.Attribute[int | None], value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise UsageError(f"{attribute.name} must be a whole number, 1 or more, not {shown(value)}")


@attrs.frozen(kw_only=True)
class RunLimit:
    """How many of a run's jobs there may be at once; None: as many as the batch system takes.

    Attributes:
        max_running: most jobs that run.
        max_queued: most jobs, or packs of them, that the batch system has and that do not run.

    Raises:
        UsageError: not a number, or less than 1.
    """

    max_running: int | None = attrs.field(default=None, validator=_at_least_one)
    max_queued: int | None = attrs.field(default=None, validator=_at_least_one)

    def words(self, of: str = "") -> str:
        """The numbers that there are: `max_running is 3 and max_queued is 2`."""
        some = attrs.asdict(self).items()
        return " and ".join(f"{name}{of} is {most}" for name, most in some if most)

    def check(self, pack: Pack) -> None:
        """Check that any pack may run.

        Raises:
            UsageError: more jobs of a pack run side by side than may run at once.
        """
        if self.max_running is not None and self.max_running < pack.side_by_side:
            raise UsageError(
                f"max_running is {self.max_running}, but {pack.side_by_side} jobs of each pack run "
                f"side by side; allow as many, or pack the jobs otherwise"
            )

    def tasks(self, limits: Limits, pack: Pack, jobs: int) -> int | None:
        """How many tasks of a submission run at once, if it is handed over before all others.

        None: as many as there are, or the batch system does not keep to such a number.

        Raises:
            UsageError: not even a pack may run.
        """
        if self.max_running is None:
            return None
        self.check(pack)
        most = self.max_running // pack.side_by_side
        return most if limits.max_running and most < pack.count(jobs) else None


def read_limit(settings: Settings, running: int | None, queued: int | None) -> RunLimit:
    """A run's limit: as given, else as the settings say.

    Raises:
        UsageError: it is none.
    """
    return RunLimit(
        max_running=settings.core("max_running") if running is None else running,
        max_queued=settings.core("max_queued") if queued is None else queued,
    )


@attrs.frozen(kw_only=True)
class Largest:
    """The most that jobs may grow to; None: no limit.

    Attributes:
        memory: in bytes.
        time: the time limit.
        memory_by, time_by: which settings say so, and where.
    """

    memory: int | None = None
    time: timedelta | None = None
    memory_by: str = ""
    time_by: str = ""


Wait = tuple[str, "int | None"]  #: a run's id and a job of it, or all of them


@attrs.frozen(kw_only=True)
class Planned:
    """A submission with what the core needs to know of it.

    Attributes:
        submission: as plugins see it; its `after` is filled in when it is submitted.
        indices: the jobs' numbers in the run, in the order of the tasks.
        waits: what must be done first.
        retry: when its jobs are run again.
        attempt: 0, or the number of the retry that it makes.
        checkpoint: the exit code by which they want to be run again; 0: none.
        skipped: they need not run: their outputs were there.
        pause: how long it waits after it was put on record.
        pack: how its jobs are packed; a task of the submission is a pack of them.
        largest: what it may grow to when its jobs are run again.
        unchecked: no node need be able to run it.
    """

    submission: Submission
    indices: tuple[int, ...]
    waits: tuple[Wait, ...] = ()
    retry: Retry = attrs.field(factory=Retry)
    attempt: int = 0
    checkpoint: int = 0
    skipped: bool = False
    pause: timedelta = timedelta(0)
    pack: Pack = attrs.field(factory=Pack)
    largest: Largest = Largest()
    unchecked: bool = False

    @property
    def packed(self) -> bool:
        """Whether the batch system has several of its jobs as one."""
        return self.pack.jobs > 1

    @property
    def needed(self) -> Resources:
        """What each of its jobs needs."""
        return self.pack.of_one(self.submission.resources, moved=self._moved)

    def asked(self, needed: Resources) -> Resources:
        """What the batch system is asked for, where each of its jobs needs this.

        Raises:
            JobError: such jobs cannot run side by side.
        """
        return self.pack.scaled(needed, moved=self._moved)

    @property
    def _moved(self) -> bool:
        return self.packed and self.submission.transfer is Transfer.SYSTEM


@attrs.frozen(kw_only=True)
class Plan:
    """A run before it is submitted.

    Attributes:
        run: its id.
        system: the batch system.
        folder: the run's folder, not made yet.
        base: the folder that relative paths start from.
        created: in UTC.
        count: how many jobs.
        submissions: what will be handed over, one submit command each.
        stdout, stderr: log files by runs of jobs (`("0-9", "out-{index}")`); empty text: in
            the run's folder. Of a template as they were given, else absolute.
        templates: which jobs are templates.
        labels: of jobs, likewise.
        limit: how many jobs there may be at once.
        jobs: as they were described.
        files: the job script, the task files and scripts given as text.
        folders, links, copies: further folders, links and copies of files that are made.
        notes: what a user may want to know, such as inputs named twice.
        notify: who is told of its end; None: nobody.
    """

    run: str
    system: str
    folder: Path
    base: Path
    created: datetime
    count: int
    submissions: tuple[Planned, ...]
    stdout: tuple[tuple[str, str], ...]
    stderr: tuple[tuple[str, str], ...]
    templates: str
    labels: tuple[tuple[str, Mapping[str, str]], ...]
    jobs: Sequence[Job] = attrs.field(repr=False)
    files: tuple[RenderedFile, ...] = attrs.field(repr=False)
    limit: RunLimit = attrs.field(factory=RunLimit)
    folders: tuple[Path, ...] = ()
    links: tuple[Link, ...] = attrs.field(default=(), repr=False)
    copies: tuple[Copy, ...] = attrs.field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    notify: Request | None = None

    def with_request(self, request: Request | None, notes: Iterable[str]) -> Plan:
        """This plan, with who is told of the run's end, and notes on that."""
        return attrs.evolve(self, notify=request, notes=(*self.notes, *notes))


def must_be_plan(plan: Plan) -> Plan:
    """A plan that a program has handed back.

    Raises:
        UsageError: it is none.
    """
    arguments.must_be(Plan, plan, "plan", "what Session.plan has returned")
    return plan


def token(run: str, number: int) -> str:
    """What the jobs of a run's submission are found by."""
    return f"ab-{run}-{number}"


def new_run_id(now: datetime) -> str:
    """A run's id: readable, in order of time, never used before."""
    return f"{now:%Y%m%d-%H%M%S}-{os.urandom(3).hex()}"
