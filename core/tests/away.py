"""A batch system that moves files, played by copying, on a machine without our folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.model import Job
from anybatch.records import REMOTE_RUN_DIR, Submission, Transfer
from anybatch.runs import store
from anybatch.transfer import RETURNED_DIRS, addresses_for, sources_for

from .shells import Shell
from .toy import Toy, local_host, session_of

if TYPE_CHECKING:
    from anybatch.packing import Pack
    from anybatch.planning.plan import Plan


@attrs.define
class Away:
    """A batch system that runs jobs where nothing of ours is, and moves their files.

    Attributes:
        project: the folder of the submitting program, which is not there while a job runs.
        folder: of the run.
        scratch: the folder of the job that ran last.
        fetched: the texts that addresses lead to, by their last parts.
    """

    project: Path
    folder: Path
    submissions: list[Submission]
    shell: Shell
    scratch: Path = attrs.field(factory=Path)
    fetched: dict[str, str] = attrs.field(factory=dict)

    def run(self, task: int = 1, number: int = 0, *, hidden: bool = True, restarts: int = 0) -> int:
        """Run a job from the beginning to the end; the job script's exit status."""
        self._send(task, number, restarts)
        gone = self.project.with_name("gone")
        if hidden:
            self.project.rename(gone)
        try:
            status = self._begin(number, task, restarts).wait(180)
        finally:
            if hidden:
                gone.rename(self.project)
        self.bring_back()
        return status

    def start(self, task: int = 1, **variables: str) -> subprocess.Popen[bytes]:
        """Start a job in a process group of its own."""
        self._send(task, 0, 0)
        return self._begin(0, task, 0, **variables)

    def start_again(self, task: int = 1) -> subprocess.Popen[bytes]:
        """Start it elsewhere with what it has left, as HTCondor does after an eviction."""
        before = self.scratch / REMOTE_RUN_DIR
        self._send(task, 0, 1)
        for name in RETURNED_DIRS:
            shutil.copytree(before / name, self.scratch / name)
        return self._begin(0, task, 1)

    def _send(self, task: int, number: int, restarts: int) -> None:
        self.scratch = self.project.parent / f"scratch-{number}-{task}-{restarts}"
        shutil.rmtree(self.scratch, ignore_errors=True)
        for name in sources_for(self.submissions[number], task):
            # As HTCondor does, it says nothing of what is gone.
            shutil.copytree(
                self.folder / name,
                self.scratch,
                dirs_exist_ok=True,
                ignore_dangling_symlinks=True,
            )
        for address in addresses_for(self.submissions[number], task):
            name = address.rpartition("/")[2]
            if name in self.fetched:  # nor of what could not be fetched
                (self.scratch / name).write_text(self.fetched[name])

    def _begin(
        self, number: int, task: int, restarts: int, **variables: str
    ) -> subprocess.Popen[bytes]:
        words = (f"{REMOTE_RUN_DIR}/job.sh", str(number), str(task), str(restarts))
        with (self.project.parent / "system").open("ab") as system:
            return subprocess.Popen(
                (*self.shell.argv, *words),
                env={"PATH": self.shell.path, **variables},
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                stdout=system,
                stderr=system,
                start_new_session=True,
            )

    def bring_back(self) -> None:
        """Copy what the job that ran last has left for its run."""
        for name in RETURNED_DIRS:
            for path in (self.scratch / REMOTE_RUN_DIR / name).rglob("*"):
                place = self.folder / path.relative_to(self.scratch / REMOTE_RUN_DIR)
                if path.is_dir():
                    place.mkdir(exist_ok=True)
                elif path.is_file():
                    shutil.copy2(path, place)

    @property
    def records(self) -> list[str]:
        """The exit records that came back, without their endings after the kind of end."""
        return sorted(os.listdir(self.folder / "exit/0"))

    @property
    def said(self) -> str:
        """What scripts said before they had their logs."""
        return (self.project.parent / "system").read_text("utf-8", "replace")

    def out(self, index: int = 0, attempt: str = "") -> str:
        path = self.folder / "logs" / f"0{attempt}" / f"{index}.out"
        return path.read_text("utf-8", "surrogateescape")

    def err(self, index: int = 0) -> str:
        return (self.folder / "logs/0" / f"{index}.err").read_text("utf-8", "surrogateescape")


def plan(base: Path, jobs: Job | list[Job], pack: Pack | int | None = None, **more: Any) -> Plan:
    """What is planned for jobs on a system that moves files."""
    toy = Toy(array=100_000, transfer=Transfer.SYSTEM, fetches=("https",))
    with session_of(base, toy, **more) as session:
        return session.plan(jobs, pack=pack)


def write(base: Path, shell: Shell, jobs: Job | list[Job], **more: Any) -> Away:
    """The run of these jobs, written and not started."""
    planned = plan(base, jobs, **more)
    store.create(planned, local_host())
    submissions = [one.submission for one in planned.submissions]
    return Away(base, planned.folder, submissions, shell)


def run_job(base: Path, shell: Shell, command: Any, **fields: Any) -> Away:
    """A job that has run, and must have found all that it needs."""
    away = write(base, shell, Job(command, **fields))
    assert away.run() == 0, away.said + away.err()
    assert away.records == ["0.0.0.command.exit-0"]
    return away


def make(base: Path, *names: str) -> None:
    """Files whose text is their name."""
    for name in names:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
