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
import subprocess
import time
from typing import TYPE_CHECKING, Any

from lsfsim import longform, openlava, processes
from lsfsim.jobs import AWAY, Job, Spec
from lsfsim.workers import Worker

if TYPE_CHECKING:
    from pathlib import Path

#: What a cluster is like where its `simulator.json` does not say otherwise.
DEFAULTS: dict[str, Any] = {
    "dialect": "lsf",  # or openlava
    "version": "10.1.0.12",  # of LSF
    "slots": 16,
    "queues": ["normal", "short", "long"],  # the first is the default
    "max_array": 1000,  # MAX_JOB_ARRAY_SIZE
    "clean_period": 3600,  # CLEAN_PERIOD: seconds that bjobs knows of a finished job
    "terminate_interval": 10,  # JOB_TERMINATE_INTERVAL: seconds from INT to TERM to KILL
    "round": 10,  # MBD_SLEEP_TIME of OpenLava: seconds to the next round of scheduling
    "grace": 600,  # of OpenLava: seconds from USR2 at the run limit to QUIT and what follows
    "hidden": [],  # folders that are empty on the host that jobs run on
    "tmp": "",  # a folder that this host has as its /tmp; empty: ours
    "copies_late": False,  # a job is DONE or EXIT before its files (-f) are copied back
    "minute": 60,  # seconds; less of them let run limits pass sooner
    "idle": 60,  # seconds without jobs and requests after which the daemon ends
}


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
        self._worker = Worker(self.settings["hidden"], self.settings["tmp"])
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
        """Start pending jobs in their order while there are slots."""
        if self._host_away:
            return
        free = self.settings["slots"] - sum(job.spec.slots for job in self._running.values())
        for name, job in list(self._pending.items()):
            if free <= 0:
                return
            if job.state == "PEND" and job.spec.slots <= free and self._may_run(job.spec):
                del self._pending[name]
                self._start(job)
                free -= job.spec.slots

    def _may_run(self, spec: Spec) -> bool:
        running = sum(job.spec is spec for job in self._running.values()) if spec.at_once else 0
        return not spec.at_once or running < spec.at_once

    def _start(self, job: Job) -> None:
        spec = job.spec
        cwd = self._worker.begins(spec.cwd)
        output = subprocess.DEVNULL
        if spec.options.get("o", "/dev/null") != "/dev/null":
            output = os.open(
                self._spooled(job, "out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
            )
        self._spooled(job, "code").unlink(missing_ok=True)
        try:
            process = subprocess.Popen(
                self._words(job, cwd),
                cwd=cwd if os.path.isdir(cwd) else "/",
                env=self._environment(job),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output >= 0:
                os.close(output)
        process.returncode = 0  # it is waited for by us
        job.pid, job.state, job.started = process.pid, "RUN", time.time()
        self._running[job.pid] = job
        job.tell(job.started, longform.placed(self, job, "Dispatched"))
        job.tell(job.started, f"Starting (Pid {job.pid});")
        if self.old:
            job.tell(job.started, longform.running(job, cwd))

    def _words(self, job: Job, cwd: str) -> list[str]:
        """What copies a job's files to it, then becomes the job, and what is around it."""
        words = self._worker.words(job.spec.script, cwd)
        copies = [copy for copy in job.spec.copies if copy.there]
        if copies:
            lines = self._worker.bring(copies, cwd, self.user, old=self.old)
            words = ["/bin/sh", "-c", "\n".join([*lines, 'exec "$@"']), "start", *words]
        return openlava.around(words, str(self._spooled(job, "code"))) if self.old else words

    def _spooled(self, job: Job, what: str) -> Path:
        return self.folder / "spool" / f"{job.spec.number}.{job.index}.{what}"

    def _environment(self, job: Job) -> dict[str, str]:
        spec = job.spec
        own = {
            "LSB_JOBID": str(spec.number),
            "LSB_JOBINDEX": str(job.index),
            "LSB_JOBNAME": job.name,
            "LSB_QUEUE": spec.queue,
            "LSB_HOSTS": " ".join([self.host] * spec.slots),
            "LSB_MCPU_HOSTS": f"{self.host} {spec.slots}",
            "LSB_SUB_HOST": spec.host,
            "LS_SUBCWD": spec.cwd,
            "LSB_OUTPUTFILE": spec.options.get("o", ""),
            "LSF_ENVDIR": str(self.folder),
            **(openlava.environment(job, spec.script) if self.old else {}),
        }
        if spec.options.get("env") == "none":
            path = "/usr/local/bin:/usr/bin:/bin"
            home = os.path.expanduser("~")
            return {"HOME": home, "USER": self.user, "LOGNAME": self.user, "PATH": path, **own}
        return {**spec.env, **own}

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
            end = openlava.read_end(status, str(self._spooled(job, "code")))
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
        copies = [copy for copy in job.spec.copies if copy.back]
        if copies:
            cwd = self._worker.begins(job.spec.cwd)
            self._copy(job, self._worker.fetch(copies, cwd, self.user))
        if not copies or self.settings["copies_late"]:
            self._finish(job)

    def _copy(self, job: Job, lines: list[str]) -> None:
        """Copy files back; why one does not come LSF says in a mail."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", "\n".join(lines)],
            env={"PATH": os.environ.get("PATH", os.defpath), "LSF_ENVDIR": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        process.returncode = 0  # it is waited for by us
        self._copying[process.pid] = job

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
        if job.spec.options.get("o", "/dev/null") != "/dev/null":
            self._report(job)
        if job.again and self.old:
            self._requeued[job.id] = job
        elif job.again:
            self._run_again(job)

    def _run_again(self, job: Job) -> None:
        job.tell(time.time(), "Pending: Job has been requeued;")
        job.start_over(job.again)
        self._pending[job.id] = job

    def _report(self, job: Job) -> None:
        """The mail that goes before a job's output."""
        target = fill_in(job.spec.options["o"], job)
        report = (
            f"Sender: LSF System <{self.user}@{self.host}>\n"
            f"Subject: Job {job.id}: <{job.name}> {'Done' if job.state == 'DONE' else 'Exited'}\n\n"
            f"{longform.how_it_ended(self, job)}\n\nThe output (if any) follows:\n\n"
        )
        path = os.path.join(job.spec.cwd, target)
        output = self._spooled(job, "out")
        # Where it cannot be written LSF sends a mail.
        with contextlib.suppress(OSError), open(path, "ab") as file:
            file.write(report.encode() + output.read_bytes())
        output.unlink(missing_ok=True)

    def stop(self) -> None:
        """Kill whatever still runs."""
        processes.end_descendants(os.getpid())

    def keep(self) -> None:
        """Write down what a later daemon is to know."""
        new = self._kept.with_suffix(".new")
        new.write_bytes(pickle.dumps((self.last, self.jobs)))
        new.replace(self._kept)


def fill_in(path: str, job: Job) -> str:
    """A path with %J and %I."""
    return os.path.expanduser(
        path.replace("%J", str(job.spec.number)).replace("%I", str(job.index))
    )
