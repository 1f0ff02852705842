"""Starts, watches and ends jobs: brings the table of jobs and the machine's processes together."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from signal import SIGCONT, SIGKILL, SIGTERM
from typing import TYPE_CHECKING

from anybatch.local import attributes, processes, waiting
from anybatch.local.admission import Machine
from anybatch.local.events import Booted, Ended, Event, Started, Stopping
from anybatch.local.jobs import Job, Table
from anybatch.local.states import Word

if TYPE_CHECKING:
    from anybatch.local.attributes import Attributes
    from anybatch.local.folder import StateFolder
    from anybatch.local.jobs import Submission
    from anybatch.local.journal import Journal

_REMEMBERED = 24 * 3600.0
_TIDY_EVERY = 3600.0
_TRY_AGAIN = frozenset({errno.EAGAIN, errno.ENOMEM})


class Supervisor:
    """The jobs of this user on this machine.

    Whoever makes one holds the folder's lock, and calls `reap` when a child has ended, `tick` a
    few times a second, and `start_jobs` after anything that may have made room.

    Attributes:
        table: the jobs, as the journal has them.
        machine: what there is.
    """

    def __init__(self, folder: StateFolder, journal: Journal) -> None:
        self.table = Table()
        self.machine = Machine(socket.gethostname(), processes.cores(), processes.memory())
        self._folder = folder
        self._journal = journal
        self._environ = processes.environment()
        self._attributes = attributes.own()
        self._children: dict[int, Job] = {}
        self._adopted: list[Job] = []
        self._tidied = time.time()
        self._hindrance = ""

    def record(self, *events: Event, flush: bool = False) -> None:
        """Let *events* be: first in the journal, then in the table."""
        self._journal.append(*events, flush=flush)
        for event in events:
            self.table.apply(event)

    # -- after another supervisor

    def recover(self) -> None:
        """Go on where the last supervisor ended, however it did.

        Raises:
            FolderError: the journal is damaged.
        """
        for event in self._journal.read():
            self.table.apply(event)
        self._find_started()
        boot = processes.boot_id()
        rebooted = self.table.boot != boot
        for job in list(self.table.running.values()):
            if rebooted:
                self._end(job, Word.NODE_FAILURE, "the machine went down while the job ran")
            elif processes.runs(job.pid, job.born):
                self._adopted.append(job)
            else:
                self._end_unseen(job)
        self.record(Booted(boot, self.table.next_number))
        self._tidy()

    def _find_started(self) -> None:
        """Take note of jobs that began when the last supervisor had no time left to do so."""
        for marker in self._folder.starting.iterdir():
            job = self.table.jobs.get(marker.name)
            if job and job.word is Word.QUEUED:
                pid = processes.find(job.argv)  # 0 where it has ended since, which nobody is
                self.record(Started(job.id, time.time(), pid, processes.born(pid)))
            marker.unlink()

    # -- starting

    def start_jobs(self) -> None:
        """Start all that may start; give up on those that never may."""
        while doomed := self.table.take_doomed():
            now = time.time()
            self.record(
                *(
                    Ended(
                        job.id,
                        now,
                        Word.DEPENDENCY,
                        message=f"dependency failed: job {cause} is not done",
                    )
                    for job, cause in doomed
                )
            )
        while (job := self.table.next_to_start()) and self._start(job):
            self._hindrance = ""

    def why_waits(self, submission: Submission) -> str:
        """Why the next job of a submission waits; empty: it is about to start."""
        return waiting.why(self.table, submission) or self._hindrance

    def lacks(self, wanted: Attributes | None) -> str:
        """What the jobs of a submitter will not have of it, for users; empty: nothing."""
        if wanted is None:
            return ""
        return attributes.lacks(wanted, self._attributes, privileged=os.geteuid() == 0)

    def _start(self, job: Job) -> bool:
        """Start *job*; False where the machine cannot take another process now."""
        marker = self._folder.starting / job.id
        event = job.submission.event
        wanted = None if event.attributes == self._attributes else event.attributes
        environ = {**self._environ, processes.MARK: self._mark(job.id)}
        try:
            pid = processes.launch(job.argv, environ, event.log, marker, wanted)
        except OSError as error:
            with contextlib.suppress(FileNotFoundError):
                marker.unlink()
            if error.errno in _TRY_AGAIN:
                self._hindrance = f"this machine cannot start more processes now: {error.strerror}"
                return False
            self._end(job, Word.NOT_STARTED, f"cannot start the job: {error}")
            return True
        self.record(Started(job.id, time.time(), pid, processes.born(pid)))
        marker.unlink()
        self._children[pid] = job
        return True

    # -- ending

    def stop(self, job: Job, word: Word) -> None:
        """Tell a running job to end; *word* says why. `tick` kills it in the end."""
        if not job.stopping:
            self.record(Stopping(job.id, time.time(), word, processes.uptime()))
            processes.signal_group(job.pid, SIGTERM, SIGCONT)

    def reap(self) -> None:
        """Take note of children that have ended."""
        for end in processes.reap(self._children):
            job = self._children.pop(end.pid, None)
            if job is None:
                continue  # an orphan of a job
            word = Word.DONE if end.exit_code == 0 else Word.FAILED
            self.record(
                Ended(
                    job.id,
                    time.time(),
                    job.word_at_end(word),
                    end.exit_code,
                    end.signal,
                    end.cpu,
                    end.max_memory,
                )
            )
        self._end_orphans()

    def _mark(self, native: str) -> str:
        """What the processes of a job carry in their environment; no other folder's jobs do."""
        return str(self._folder.path / native)

    def _end_orphans(self) -> None:
        """Kill what has left the session of a job that has ended."""
        for pid, mark in processes.orphans(self._children):
            native = mark.rpartition("/")[2]
            job = self.table.jobs.get(native)
            if mark == self._mark(native) and (job is None or job.ended):
                processes.kill_tree(pid)

    def tick(self) -> None:
        """What time brings: limits, ends of jobs that are no children of ours, forgetting."""
        for job in list(self.table.running.values()):
            if job.to_be_killed(processes.uptime()):
                processes.signal_group(job.pid, SIGKILL)
            elif job.over_time(processes.age(job.born)):
                self.stop(job, Word.TIME_LIMIT)
        self._look_after_adopted()
        self._end_orphans()
        now = time.time()
        if now - self._tidied > _TIDY_EVERY:
            self._tidy()

    def _look_after_adopted(self) -> None:
        ended = [job for job in self._adopted if not processes.runs(job.pid, job.born)]
        for job in ended:
            self._adopted.remove(job)
            if processes.born(job.pid) in (0, job.born):  # else the number is another's by now
                processes.signal_group(job.pid, SIGKILL)
            for pid in processes.marked(self._mark(job.id)):
                processes.kill_tree(pid)
            self._end_unseen(job)

    def _end_unseen(self, job: Job) -> None:
        why = "ended while the supervisor was not running; exit status unknown"
        self._end(job, job.word_at_end(Word.GONE), why)

    def _end(self, job: Job, word: Word, message: str) -> None:
        self.record(Ended(job.id, time.time(), word, message=message))

    # -- keeping it small

    def _tidy(self) -> None:
        self._tidied = time.time()
        if self.table.forget(self._tidied - _REMEMBERED):
            self._journal.rewrite(self.table.events())
