"""What planning makes: a run before it is submitted, as records."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from anybatch.model import Retry
from anybatch.packing import Pack
from anybatch.records import RenderedFile, Submission


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
    pause: timedelta = timedelta(0)
        pack: how its jobs are packed; a task of the submission is a pack of them.
    """

    submission: Submission
    indices: tuple[int, ...]
    waits: tuple[Wait, ...] = ()
    retry: Retry = attrs.field(factory=Retry)
    attempt: int = 0
    pause: timedelta = timedelta(0)
    pack: Pack = attrs.field(factory=Pack)

    @property
    def packed(self) -> bool:
        """Whether the batch system has several of its jobs as one."""
        return self.pack.jobs > 1


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
            the run's folder.
        labels: of jobs, likewise.
        files: the job script, the task files and scripts given as text.
        folders, links, copies: further folders, links and copies of files that are made.
        notes: what a user may want to know, such as inputs named twice.
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
    labels: tuple[tuple[str, Mapping[str, str]], ...]
    files: tuple[RenderedFile, ...] = attrs.field(repr=False)
    folders: tuple[Path, ...] = ()
    links: tuple[Link, ...] = attrs.field(default=(), repr=False)
    copies: tuple[Copy, ...] = attrs.field(default=(), repr=False)
    notes: tuple[str, ...] = ()


def token(run: str, number: int) -> str:
    """What the jobs of a run's submission are found by."""
    return f"ab-{run}-{number}"


def new_run_id(now: datetime) -> str:
    """A run's id: readable, in order of time, never used before."""
    return f"{now:%Y%m%d-%H%M%S}-{os.urandom(3).hex()}"
