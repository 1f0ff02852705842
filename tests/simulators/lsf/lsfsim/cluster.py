"""A cluster: queues, jobs and slots; runs jobs within limits, and remembers them."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import pickle
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from lsfsim import longform, processes
from lsfsim.execution import Execution
from lsfsim.jobs import AWAY, Job, Spec
from lsfsim.settings import DEFAULTS

if TYPE_CHECKING:
    from pathlib import Path


class Cluster:
    """Queues, jobs and slots.

    Args:
        folder: LSF_ENVDIR, with `lsf.conf` and `simulator.json`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = {**DEFAULTS, **json.loads((folder / "simulator.json").read_text())}
        self.user = getpass.getuser()
        self.host = socket.gethostname()
        self.jobs: dict[int, dict[int, Job]] = {}
        self.last = 0
        self._execution = Execution(self)
        self._running: dict[int, Job] = {}
        self._copying: dict[int, Job] = {}
        self._pending: dict[str, Job] = {}
        self._requeued: dict[str, Job] = {}
        self._unheard: dict[int, tuple[int, Any]] = {}  # ends on a host that does not answer
        self._host_away = False
        self._next_round = 0.0
        self._kept = folder / "mbatchd.state"
        (folder / "spool").mkdir(exist_ok=True)
        if self._kept.exists():
            self.last, self.jobs = pickle.loads(self._kept.read_bytes())

    @property
    def old(self) -> bool:
        """Whether it is OpenLava."""
        return bool(self.settings["dialect"] == "openlava")

    @property
    def busy(self) -> bool:
        """Whether any job is not finished."""
        return bool(self._running or self._pending or self._copying or self._requeued)

    def configuration(self, name: str) -> str:
        """A parameter of lsf.conf; empty where it is not set."""
        for line in (self.folder / "lsf.conf").read_text().splitlines():
            key, _, value = line.partition("#")[0].partition("=")
            if key.strip() == name:
                return value.strip().strip('"')
        return ""

    def known(self, job: Job) -> bool:
        """Whether bjobs still knows it."""
        period = self.settings["clean_period"]
        return not job.finished or bool(job.again) or time.time() - job.ended < period

    def _faults(self) -> set[str]:
        """What is wrong with daemons, from the file `faults`."""
        with contextlib.suppress(FileNotFoundError), open(self.folder / "faults") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return {line.rstrip("\n") for line in file}
        return set()

    # -- what commands do

    def submit(self, spec: Spec, *, held: bool) -> None:
        """Take a job or an array."""
        now = time.time()
        self.last = max(self.last, spec.number)
        self.jobs[spec.number] = {
            index: Job(spec, index, now, "PSUSP" if held else "PEND")
            for index in spec.elements or (0,)
        }
        for job in self.jobs[spec.number].values():
            job.tell(now, longform.submitted(self, job, "bhist", held=held))
            self._pending[job.id] = job
        self.start_what_fits()

    def start_what_fits(self) -> None:
        """Start pending jobs while there are slots, those of a higher priority first."""
        if self._host_away:
            return
        free = self.settings["slots"] - sum(job.spec.slots for job in self._running.values())
        for name, job in sorted(self._pending.items(), key=lambda one: -one[1].spec.priority):
            if job.state != "PEND":
                continue
            job.hindrance = self._hindrance(job.spec, free)
            if not job.hindrance:
                del self._pending[name]
                self._start(job)
                free -= job.spec.slots

    def _hindrance(self, spec: Spec, free: int) -> str:
        """Why a job cannot start now; empty: it can."""
        if spec.slots > self.settings["slots"]:
            return "There are no suitable hosts for the job"  # OpenLava does not take it
        if spec.slots > free:
            return "Job slot limit reached"
        return "" if self._may_run(spec) else "The job array has reached its job slot limit"

    def _may_run(self, spec: Spec) -> bool:
        running = sum(job.spec is spec for job in self._running.values()) if spec.at_once else 0
        return not spec.at_once or running < spec.at_once

    def _start(self, job: Job) -> None:
        begun = self._execution.start(job)
        self._running[job.pid] = job
        job.tell(job.started, longform.placed(self, job, "Dispatched"))
        job.tell(job.started, f"Starting (Pid {job.pid});")
        if self.old:
            job.tell(job.started, longform.running(job, begun))

    def kill(self, job: Job, why: str, *, signal_name: str = "KILL") -> None:
        """INT, TERM, KILL, some time apart; a job that waits has ended at once.

        Args:
            signal_name: as the log of events has it; empty: it has not.
        """
        job.why = job.why or why
        now, pause = time.time(), self.settings["terminate_interval"]
        if signal_name:
            who = f"requested by user or administrator <{self.user}>"
            job.tell(now, f"Signal <{signal_name}> {who};")
        if not job.pid:
            self._pending.pop(job.id, None)
            job.state, job.ended = "EXIT", now
            job.tell(now, "Exited;")
        elif job.state in AWAY:
            job.state, job.ended = "ZOMBI", now
            job.tell(now, "Termination request issued; but unable to reach the execution host;")
        else:
            steps = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
            job.killing = [(now + pause * number, step) for number, step in enumerate(steps)]
            self._send_due()

    def requeue(self, job: Job, state: str = "PEND") -> None:
        """Kill a job, to run it again."""
        job.again = state
        self.kill(job, "TERM_REQUEUE_OWNER", signal_name=f"REQUEUE_{state}")

    def signal(self, job: Job, name: str, number: int) -> None:
        """Send a signal to all processes of a job."""
        if not self.old:
            who = f"requested by user or administrator <{self.user}>"
            job.tell(time.time(), f"Signal <{name}> {who};")
            if number == signal.SIGKILL:
                job.why = "TERM_OWNER"
        self._send(job, number)

    def suspend(self, job: Job) -> None:
        """Let a job stop, or not begin."""
        said = "Suspended by the user or administrator"
        if job.pid:
            job.state = "USUSP"
            self._send(job, signal.SIGSTOP)
        else:
            job.state, said = "PSUSP", f"{said} while pending"
        job.tell(time.time(), f"{said};")

    def resume(self, job: Job) -> None:
        """The contrary of `suspend`."""
        if job.state == "USUSP":
            job.state = "RUN"
            job.tell(time.time(), "Running;")
            self._send(job, signal.SIGCONT)
        elif job.state == "PSUSP":
            job.state = "PEND"
            after = "Waiting for scheduling after resumed by user: 1 host"
            job.tell(time.time(), f"Pending: {after};")

    def _send(self, job: Job, number: int) -> None:
        processes.send(number, processes.of_job(job.pid, processes.every()))
        if job.state == "USUSP" and number not in (signal.SIGSTOP, signal.SIGCONT):
            processes.send(signal.SIGCONT, processes.of_job(job.pid, processes.every()))

    # -- what happens by itself

    def look(self) -> None:
        """Send signals that are due, see to limits, requeued jobs and the host."""
        faults = self._faults()
        self._see_to_host(faults)
        if not self._host_away:
            self._send_due()
            self._see_to_limits()
            for job in [job for job in self._running.values() if job.remnant]:
                if not processes.of_job(job.pid, processes.every()):
                    self._concluded(job)
        if time.time() >= self._next_round and "mbatchd idle" not in faults:
            self._next_round = time.time() + self.settings["round"]
            for job in self._requeued.values():
                self._run_again(job)
            self._requeued.clear()
            self.start_what_fits()

    def _see_to_limits(self) -> None:
        running = [job for job in self._running.values() if not job.why]
        limited = [job for job in running if job.spec.memory_limit and self._keeps_memory_limits]
        known = processes.every() if limited else []
        for job in limited:
            used = sum(one.memory for one in processes.of_job(job.pid, known))
            job.memory = max(job.memory, used)
            if used * 1024 > (job.spec.memory_limit or 0):
                self.kill(job, "TERM_MEMLIMIT", signal_name="")
        for job in running:
            limit = job.spec.run_limit
            if limit and not job.why and time.time() - job.started > limit:
                self._end_over_time(job)

    def _end_over_time(self, job: Job) -> None:
        job.why = "TERM_RUNLIMIT"
        now, pause = time.time(), self.settings["terminate_interval"]
        late = now + (self.settings["grace"] if self.old else pause)
        steps = [(late, signal.SIGTERM), (late + pause, signal.SIGKILL)]
        if self.old:
            steps = [(late, signal.SIGQUIT), (late, signal.SIGINT)]
            steps += [(late + pause, signal.SIGTERM), (late + 2 * pause, signal.SIGKILL)]
        job.killing = [(now, signal.SIGUSR2), *steps]
        self._send_due()

    @property
    def _keeps_memory_limits(self) -> bool:
        """OpenLava does where it is told to."""
        names = ("LSB_MEMLIMIT_ENFORCE", "LSB_JOB_MEMLIMIT")
        return not self.old or any(self.configuration(name) in ("y", "Y") for name in names)

    def _send_due(self) -> None:
        now = time.time()
        for job in self._running.values():
            while job.killing and job.killing[0][0] <= now:
                _, number = job.killing.pop(0)
                self._send(job, number)

    def _see_to_host(self, faults: set[str]) -> None:
        crashed = "sbatchd crashed" in faults
        away = crashed or "sbatchd lost" in faults
        if away and not self._host_away:
            for job in self._running.values():
                job.state, job.forgotten = "UNKWN", crashed
                job.tell(time.time(), "Unknown; unable to reach the execution host;")
                if crashed:
                    self._send(job, signal.SIGKILL)
        came_back, self._host_away = self._host_away and not away, away
        if came_back:
            for job in list(self._running.values()):
                self._come_back(job)
            self.start_what_fits()

    def _come_back(self, job: Job) -> None:
        now, heard = time.time(), self._unheard.pop(job.pid, None)
        unknown = "The CPU time used is unknown"
        if job.state == "ZOMBI":
            self._send(job, signal.SIGKILL)
            job.state, job.forgotten = "EXIT", True
            job.tell(now, f"sbatchd startup; kill ZOMBIE job. {unknown};")
            del self._running[job.pid]
            return
        job.state = "RUN"
        job.tell(now, "Running;")
        if job.forgotten:
            job.state, job.ended = "EXIT", now
            job.tell(now, f"Exited. {unknown};")
            del self._running[job.pid]
        elif heard:
            self._ended(job, *heard)

    def reap(self) -> None:
        """Take note of jobs that have ended."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, used = os.wait4(-1, os.WNOHANG)
                if not pid:
                    break
                if pid in self._running and self._host_away:
                    self._unheard[pid] = status, used
                elif job := self._running.get(pid):
                    self._ended(job, status, used)
                elif job := self._copying.pop(pid, None):
                    self._finish(job)
        self.start_what_fits()

    def _ended(self, job: Job, status: int, used: Any) -> None:
        job.cpu, job.memory = used.ru_utime + used.ru_stime, max(job.memory, used.ru_maxrss)
        if self.old:
            end = self._execution.read_end(job, status)
            if end is None and processes.of_job(job.pid, processes.every()):
                job.remnant = True
                return
            job.code, job.signal = end or (0, 0)
        else:
            code = os.waitstatus_to_exitcode(status)
            job.signal, job.code = (-code, 128 - code) if code < 0 else (0, code)
        if job.why:  # what is left of a job that was killed goes with it
            left = [one for one in processes.every() if one.session == job.pid]
            processes.send(signal.SIGKILL, left)
        self._concluded(job)

    def _concluded(self, job: Job) -> None:
        """It has ended; files are copied back, and everybody is told."""
        del self._running[job.pid]
        job.killing = []
        copying = self._execution.copy_back(job)
        if copying:
            self._copying[copying] = job
        if not copying or self.settings["copies_late"]:
            self._finish(job)

    def _finish(self, job: Job) -> None:
        """What everybody may know from now on."""
        if job.finished:
            return
        job.ended = time.time()
        job.state = "EXIT" if job.code or job.signal else "DONE"
        if job.state == "DONE":
            job.why = ""
        elif job.signal and not job.why and not self.old:
            job.why = "TERM_EXTERNAL_SIGNAL"
        used = f"The CPU time used is {job.cpu:.1f} seconds;"
        job.tell(job.ended, f"{longform.how_it_ended(self, job)} {used}")
        if self.old and job.state == "DONE":
            job.tell(job.ended, "Post job process done successfully;")
        if job.reason and not self.old:
            job.tell(job.ended, f"Completed <exit>; {job.reason};")
        self._execution.report(job)
        if job.again and self.old:
            self._requeued[job.id] = job
        elif job.again:
            self._run_again(job)

    def _run_again(self, job: Job) -> None:
        job.tell(time.time(), "Pending: Job has been requeued;")
        job.start_over(job.again)
        self._pending[job.id] = job

    def stop(self) -> None:
        """Kill whatever still runs."""
        processes.end_descendants(os.getpid())

    def keep(self) -> None:
        """Write down what a later daemon is to know."""
        new = self._kept.with_suffix(".new")
        new.write_bytes(pickle.dumps((self.last, self.jobs)))
        new.replace(self._kept)
