"""The daemon: takes requests, runs jobs within slots and limits, and remembers them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import getpass
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lsfsim import commands, formats, processes
from lsfsim.jobs import Job, Spec
from lsfsim.workers import Worker

#: What a cluster is like where its `simulator.json` does not say otherwise.
DEFAULTS: dict[str, Any] = {
    "dialect": "lsf",  # or openlava
    "version": "10.1.0.12",  # of LSF
    "slots": 16,
    "queues": ["normal", "short", "long"],  # the first is the default
    "max_array": 1000,  # MAX_JOB_ARRAY_SIZE
    "clean_period": 3600,  # CLEAN_PERIOD: seconds that bjobs knows of a finished job
    "terminate_interval": 10,  # JOB_TERMINATE_INTERVAL: seconds from INT to TERM to KILL
    "hidden": [],  # folders that are empty on the host that jobs run on
    "tmp": "",  # a folder that this host has as its /tmp; empty: ours
    "copies_late": False,  # a job is DONE or EXIT before its files (-f) are copied back
    "minute": 60,  # seconds; less of them let run limits pass sooner
    "idle": 60,  # seconds without jobs and requests after which the daemon ends
}
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: what a job leaves behind stays below the daemon
_LOOK = 0.2  # seconds between looks at limits and signals that are due


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
        return bool(self._running or self._pending or self._copying)

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
        return not job.finished or time.time() - job.ended < period

    # -- what commands do

    def submit(self, spec: Spec, *, held: bool) -> None:
        """Take a job or an array."""
        now = time.time()
        self.last = max(self.last, spec.number)
        self.jobs[spec.number] = {
            index: Job(spec, index, now, "PSUSP" if held else "PEND")
            for index in spec.elements or (0,)
        }
        where = f"Submitted from host <{self.host}>, to Queue <{spec.queue}>, CWD <{spec.cwd}>"
        for job in self.jobs[spec.number].values():
            job.tell(now, f"{where};")
            self._pending[job.id] = job
        self.start_what_fits()

    def start_what_fits(self) -> None:
        """Start pending jobs in their order while there are slots."""
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
            output = os.open(self._output(job), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            process = subprocess.Popen(
                self._words(spec, cwd),
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
        job.tell(job.started, formats.placed(self, job, "Dispatched"))
        job.tell(job.started, f"Starting (Pid {job.pid});")

    def _words(self, spec: Spec, cwd: str) -> list[str]:
        """What copies a job's files to it, then becomes the job."""
        words = self._worker.words(spec.script, cwd)
        copies = [copy for copy in spec.copies if copy.there]
        if not copies:
            return words
        lines = self._worker.bring(copies, cwd, self.user, old=self.old)
        return ["/bin/sh", "-c", "\n".join([*lines, 'exec "$@"']), "start", *words]

    def _output(self, job: Job) -> Path:
        return self.folder / "spool" / f"{job.spec.number}.{job.index}.out"

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
        }
        if spec.options.get("env") == "none":
            path = "/usr/local/bin:/usr/bin:/bin"
            home = os.path.expanduser("~")
            return {"HOME": home, "USER": self.user, "LOGNAME": self.user, "PATH": path, **own}
        return {**spec.env, **own}

    def kill(self, job: Job, why: str, first: int = signal.SIGINT) -> None:
        """INT, TERM, KILL, some time apart; a job that waits has ended at once."""
        job.why = job.why or why
        now, pause = time.time(), self.settings["terminate_interval"]
        if why == "TERM_OWNER":
            job.tell(now, f"Signal <KILL> requested by user or administrator <{self.user}>;")
        if not job.pid:
            self._pending.pop(job.id, None)
            job.state, job.ended = "EXIT", now
            job.tell(now, "Exited;")
            return
        steps = (first, signal.SIGTERM, signal.SIGKILL)
        job.killing = [(now + pause * number, step) for number, step in enumerate(steps)]
        self._send_due({job.pid: job})

    def signal(self, job: Job, name: str, number: int) -> None:
        """Send a signal to all processes of a job."""
        who = f"requested by user or administrator <{self.user}>"
        job.tell(time.time(), f"Signal <{name}> {who};")
        if number == signal.SIGKILL:
            job.why = "TERM_OWNER"
        processes.send(number, processes.of_job(job.pid, processes.every()))

    # -- what happens by itself

    def look(self) -> None:
        """Send signals that are due, and see to limits."""
        self._send_due(self._running)
        limited = [job for job in self._running.values() if job.spec.memory_limit and not job.why]
        known = processes.every() if limited else []
        for job in limited:
            used = sum(one.memory for one in processes.of_job(job.pid, known))
            job.memory = max(job.memory, used)
            if used * 1024 > (job.spec.memory_limit or 0):
                self.kill(job, "TERM_MEMLIMIT")
        now = time.time()
        for job in list(self._running.values()):
            limit = job.spec.run_limit
            if limit and not job.why and now - job.started > limit:
                self.kill(job, "TERM_RUNLIMIT", signal.SIGUSR2)

    def _send_due(self, jobs: dict[int, Job]) -> None:
        now = time.time()
        for job in jobs.values():
            while job.killing and job.killing[0][0] <= now:
                _, number = job.killing.pop(0)
                processes.send(number, processes.of_job(job.pid, processes.every()))

    def reap(self) -> None:
        """Take note of jobs that have ended."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, used = os.wait4(-1, os.WNOHANG)
                if not pid:
                    break
                if job := self._running.pop(pid, None):
                    self._ended(job, status, used.ru_utime + used.ru_stime, used.ru_maxrss)
                elif job := self._copying.pop(pid, None):
                    self._finish(job)
        self.start_what_fits()

    def _ended(self, job: Job, status: int, cpu: float, memory: int) -> None:
        if job.why:  # what is left of a job that was killed goes with it
            left = [one for one in processes.every() if one.session == job.pid]
            processes.send(signal.SIGKILL, left)
        job.cpu, job.memory = cpu, max(job.memory, memory)
        job.killing = []
        code = os.waitstatus_to_exitcode(status)
        job.signal, job.code = (-code, 128 - code) if code < 0 else (0, code)
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
        job.state = "EXIT" if job.code else "DONE"
        if job.state == "DONE":
            job.why = ""
        elif job.signal and not job.why and not self.old:
            job.why = "TERM_EXTERNAL_SIGNAL"
        used = f"The CPU time used is {job.cpu:.1f} seconds;"
        job.tell(job.ended, f"{commands.how_it_ended(self, job)} {used}")
        if job.reason and not self.old:
            job.tell(job.ended, f"Completed <exit>; {job.reason};")
        if job.spec.options.get("o", "/dev/null") != "/dev/null":
            self._report(job)

    def _report(self, job: Job) -> None:
        """The mail that goes before a job's output."""
        target = commands.fill_in(job.spec.options["o"], job)
        report = (
            f"Sender: LSF System <{self.user}@{self.host}>\n"
            f"Subject: Job {job.id}: <{job.name}> {'Done' if job.state == 'DONE' else 'Exited'}\n\n"
            f"{commands.how_it_ended(self, job)}\n\nThe output (if any) follows:\n\n"
        )
        path = os.path.join(job.spec.cwd, target)
        # Where it cannot be written LSF sends a mail.
        with contextlib.suppress(OSError), open(path, "ab") as file:
            file.write(report.encode() + self._output(job).read_bytes())
        self._output(job).unlink(missing_ok=True)

    def stop(self) -> None:
        """Kill whatever still runs."""
        processes.end_descendants(os.getpid())

    def keep(self) -> None:
        """Write down what a later daemon is to know."""
        new = self._kept.with_suffix(".new")
        new.write_bytes(pickle.dumps((self.last, self.jobs)))
        new.replace(self._kept)


class Daemon:
    """Serves one cluster until it is idle, or told to stop."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._asked = time.monotonic()
        self._stop = asyncio.Event()

    async def serve(self, listening: socket.socket) -> None:
        """Answer requests and watch jobs."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._cluster.reap)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        server = await asyncio.start_unix_server(self._answer, sock=listening, limit=2**26)
        os.write(1, b"+")  # whoever has started it waits for this
        os.close(1)
        async with server:
            while not self._stop.is_set():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _LOOK)
                self._cluster.look()
                idle = time.monotonic() - self._asked > self._cluster.settings["idle"]
                if idle and not self._cluster.busy:
                    break
            self._cluster.stop()
            self._cluster.keep()  # before another daemon can begin

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._asked = time.monotonic()
        with contextlib.suppress(ConnectionError, ValueError):
            request = json.loads(await reader.readline())
            rc, out, err = commands.run(self._cluster, request)
            writer.write(json.dumps({"rc": rc, "out": out, "err": err}).encode() + b"\n")
            await writer.drain()
        writer.close()


def main(folder: str) -> None:
    """Run the daemon of a cluster, unless one does."""
    found = os.stat(folder)
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(f"\0lsfsim-{found.st_dev}-{found.st_ino}")
    except OSError:
        sys.exit(0)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    (Path(folder) / "mbatchd.pid").write_text(str(os.getpid()))
    cluster = Cluster(Path(folder))

    async def serve() -> None:
        await Daemon(cluster).serve(listening)

    asyncio.run(serve())
