"""What happens where jobs run: their processes, their files, and the mail on their ends."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import TYPE_CHECKING

from lsfsim import longform, openlava
from lsfsim.workers import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from lsfsim.cluster import Cluster
    from lsfsim.jobs import Job


class Execution:
    """Runs jobs of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._worker = Worker(cluster.settings["hidden"], cluster.settings["tmp"])

    def start(self, job: Job) -> str:
        """Start a job, and tell in which folder."""
        spec = job.spec
        cwd = self._worker.begins(spec.cwd)
        output = subprocess.DEVNULL
        if spec.options.get("o", "/dev/null") != "/dev/null":
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            output = os.open(self._spooled(job, "out"), flags, 0o600)
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
        process.returncode = 0  # it is waited for by the cluster
        job.pid, job.state, job.started = process.pid, "RUN", time.time()
        return cwd

    def _words(self, job: Job, cwd: str) -> list[str]:
        """What copies a job's files to it, then becomes the job, and what is around it."""
        user, old = self._cluster.user, self._cluster.old
        words = self._worker.words(job.spec.script, cwd)
        copies = [copy for copy in job.spec.copies if copy.there]
        if copies:
            lines = self._worker.bring(copies, cwd, user, old=old)
            words = ["/bin/sh", "-c", "\n".join([*lines, 'exec "$@"']), "start", *words]
        return openlava.around(words, str(self._spooled(job, "code"))) if old else words

    def _spooled(self, job: Job, what: str) -> Path:
        return self._cluster.folder / "spool" / f"{job.spec.number}.{job.index}.{what}"

    def _environment(self, job: Job) -> dict[str, str]:
        spec, cluster = job.spec, self._cluster
        own = {
            "LSB_JOBID": str(spec.number),
            "LSB_JOBINDEX": str(job.index),
            "LSB_JOBNAME": job.name,
            "LSB_QUEUE": spec.queue,
            "LSB_HOSTS": " ".join([cluster.host] * spec.slots),
            "LSB_MCPU_HOSTS": f"{cluster.host} {spec.slots}",
            "LSB_SUB_HOST": spec.host,
            "LS_SUBCWD": spec.cwd,
            "LSB_OUTPUTFILE": spec.options.get("o", ""),
            "LSF_ENVDIR": str(cluster.folder),
            **(openlava.environment(job, spec.script) if cluster.old else {}),
        }
        if spec.options.get("env") == "none":
            user = cluster.user
            path = "/usr/local/bin:/usr/bin:/bin"
            home = os.path.expanduser("~")
            return {"HOME": home, "USER": user, "LOGNAME": user, "PATH": path, **own}
        return {**spec.env, **own}

    def read_end(self, job: Job, status: int) -> tuple[int, int] | None:
        """How a job of OpenLava has ended; see `openlava.read_end`."""
        return openlava.read_end(status, str(self._spooled(job, "code")))

    def copy_back(self, job: Job) -> int:
        """Begin to copy files back; the process that does, or 0. LSF says in a mail what fails."""
        copies = [copy for copy in job.spec.copies if copy.back]
        if not copies:
            return 0
        lines = self._worker.fetch(copies, self._worker.begins(job.spec.cwd), self._cluster.user)
        folder = str(self._cluster.folder)
        process = subprocess.Popen(
            ["/bin/sh", "-c", "\n".join(lines)],
            env={"PATH": os.environ.get("PATH", os.defpath), "LSF_ENVDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        process.returncode = 0  # it is waited for by the cluster
        return process.pid

    def report(self, job: Job) -> None:
        """The mail that goes before a job's output, where there is one."""
        if job.spec.options.get("o", "/dev/null") == "/dev/null":
            return
        cluster = self._cluster
        report = (
            f"Sender: LSF System <{cluster.user}@{cluster.host}>\n"
            f"Subject: Job {job.id}: <{job.name}> {'Done' if job.state == 'DONE' else 'Exited'}\n\n"
            f"{longform.how_it_ended(cluster, job)}\n\nThe output (if any) follows:\n\n"
        )
        path = os.path.join(job.spec.cwd, fill_in(job.spec.options["o"], job))
        output = self._spooled(job, "out")
        # Where it cannot be written LSF sends a mail.
        with contextlib.suppress(OSError), open(path, "ab") as file:
            file.write(report.encode() + output.read_bytes())
        output.unlink(missing_ok=True)


def fill_in(path: str, job: Job) -> str:
    """A path with %J and %I."""
    return os.path.expanduser(
        path.replace("%J", str(job.spec.number)).replace("%I", str(job.index))
    )
