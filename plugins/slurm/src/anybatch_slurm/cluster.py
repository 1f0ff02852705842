"""One Slurm cluster: which command is run when, and what its failure means."""

from __future__ import annotations

import contextlib
import re
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import attrs
from anybatch import commands
from anybatch.errors import CommandError, CommandFailed, CommandTimeout, UsageError
from anybatch.host import Command

from anybatch_slurm import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.host import Completed, Host
    from anybatch.records import JobStatus

#: Slurm's own variables say "you are inside a job", and the user's choose what a command shows
#: or whom it concerns; a command must not believe them.
HIDDEN = (
    *("SLURM_JOB*", "SLURM_ARRAY*", "SLURM_STEP*", "SLURM_TASK*", "SBATCH_*"),
    *("SQUEUE_*", "SACCT_*", "SCONTROL_*", "SCANCEL_*", "SINFO_*"),
)
FORMATS = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
#: scancel (22.05) asks for the end of each element that it is given; from so many on it is worth
#: a question whether that is the whole array.
MANY_TO_STOP = 1000
MOST_IDS = 2000  #: more in one command line, and squeue is asked for the user's jobs instead


class Cluster:
    """A cluster as its commands show it.

    Args:
        name: for `--clusters`; None: the one that the host's commands lead to.
    """

    def __init__(self, host: Host, name: str | None) -> None:
        self._host = host
        self._name = name

    # -- the cluster itself

    @cached_property
    def config(self) -> parse.ClusterConfig:
        """Its configuration, asked for once."""
        return parse.read_config(self._run("scontrol", "show", "config").stdout)

    def must_be(self, name: str) -> None:
        """Check that this is the cluster of that name.

        Raises:
            CommandError: it is another one, or does not tell.
        """
        if self.config.name != name:
            problem = f"this is the cluster {self.config.name!r}, and the jobs are in {name!r}"
            raise CommandError(self._command("scontrol", "show", "config"), problem)

    def ping(self) -> str:
        """Whether its controllers are up, in a line."""
        return self._run("scontrol", "ping").stdout.strip().partition("\n")[0]

    def default_partition(self) -> str:
        """For `anybatch doctor`."""
        try:
            answer = self._run("sinfo", "--noheader", "--format=%P")
        except CommandError:
            return "not known"
        return parse.default_partition(answer.stdout) or "none"

    # -- its jobs

    def find(self, token: str) -> str | None:
        """The job whose comment begins with the token: in the queue, else in accounting."""
        user = f"--user={self._host.user}"
        fields = "--Format=ArrayJobID:|,Reason:|,Comment:|"
        everything = ("--noheader", "--all", "--states=all")
        jobs = parse.jobs_with(token, self._run("squeue", *everything, user, fields).stdout)
        if not jobs and self.config.accounting:
            options = ("--noheader", "--parsable2", "--allocations", user, "--starttime=now-30days")
            kept = self._run("sacct", *options, "--format=JobID,Reason,Comment").stdout
            jobs = parse.jobs_with(token, kept)
        return jobs[0] if jobs else None

    def statuses(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """One squeue for all; for those that it no longer knows one sacct, else one scontrol."""
        answers = parse.read_squeue(self._squeue(ids))
        missing = [native for native in ids if native not in answers]
        if missing:
            more = self.accounted if self.config.accounting else self._scontrol
            answers = {**more(missing), **answers}
        return {**parse.removed_elements(ids, answers), **answers}

    def accounted(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """What accounting has kept; one sacct for so many as a command line holds."""
        fields = f"--format={','.join(parse.SACCT_FIELDS)}"
        options = ("--noheader", "--parsable2", "--duplicates", "--starttime=1970-01-01", fields)
        jobs = _jobs(ids)
        found: dict[str, JobStatus] = {}
        for start in range(0, len(jobs), MOST_IDS):
            which = f"--jobs={','.join(jobs[start : start + MOST_IDS])}"
            found |= parse.read_sacct(self._ask("sacct", *options, which))
        return found

    def _squeue(self, ids: Sequence[str]) -> str:
        jobs = _jobs(ids)
        # A single id that it does not know makes squeue fail; of several it leaves out the unknown.
        several = ",".join([*jobs, jobs[0]])
        which = f"--jobs={several}" if len(jobs) <= MOST_IDS else f"--user={self._host.user}"
        fields = ",".join(f"{field}:|" for field in parse.SQUEUE_FIELDS)
        options = ("--noheader", "--all", "--states=all", which, f"--Format={fields}")
        return self._ask("squeue", *options)

    def _scontrol(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """What the controller says of one job or array; it takes no list.

        Without an id it would print every job of the cluster, and it knows no more than squeue.
        """
        jobs = _jobs(ids)
        if len(jobs) > 1:
            return {}
        return parse.read_scontrol(self._ask("scontrol", "--oneliner", "show", "job", *jobs))

    # -- stopping them

    def stop(self, ids: Sequence[str]) -> None:
        """One scancel, and one squeue where there are many; what is gone is no error to it."""
        if len(ids) >= MANY_TO_STOP:
            ids = parse.whole_arrays(ids, parse.read_squeue(self._squeue(ids)))
        self._scancel(self._command("scancel", *parse.compress(ids)))

    def send(self, ids: Sequence[str], signal: str) -> None:
        """Send a signal to those that run, for which squeue is asked.

        To one that waits it is of no use, and KILL would end all that wait in its array (22.05).
        """
        # To the job script alone, which passes it on; KILL it cannot pass on, so to everybody.
        # Without either option a signal reaches only steps that srun has started (22.05).
        options = (f"--signal={signal}", "--full" if signal == "KILL" else "--batch")
        jobs, apart = parse.running_jobs(ids, self._squeue(ids))
        if signal == "KILL":
            jobs, apart = jobs + apart, []
        if jobs:
            self._scancel(self._command("scancel", *options, *parse.compress(jobs)))
        # While several of an array wait, scancel (22.05) signals ten of those that run, takes the
        # answer for a failure, and does so again after five seconds, ten times.
        for start in range(0, len(apart), 10):
            some = parse.compress(apart[start : start + 10])
            command = self._command("scancel", *options, *some)
            with contextlib.suppress(CommandTimeout):
                self._scancel(attrs.evolve(command, timeout=timedelta(seconds=4)))

    def _scancel(self, command: Command) -> None:
        completed = self._host.run(command)
        if completed.ok or parse.only_unknown_ids(completed.stderr):
            return
        if re.search(r"(unknown|invalid).* signal", completed.stderr, re.IGNORECASE):
            raise UsageError(f"slurm: {completed.stderr.strip()}")
        raise CommandFailed(command, completed)

    # -- commands

    def _run(self, program: str, *arguments: str) -> Completed:
        return commands.run(self._host, self._command(program, *arguments))

    def _ask(self, program: str, *arguments: str) -> str:
        """What a command prints; nothing where its one id is unknown: squeue makes it an error."""
        command = self._command(program, *arguments)
        completed = self._host.run(command)
        if completed.ok or parse.UNKNOWN_ID in completed.stderr:
            return completed.stdout
        raise CommandFailed(command, completed)

    def _command(self, program: str, *arguments: str) -> Command:
        where = () if self._name is None else (f"--clusters={self._name}",)
        return Command(
            (program, *where, *arguments),
            timeout=timedelta(seconds=60),
            hide_env=HIDDEN,
            env=FORMATS,
        )


def _jobs(ids: Sequence[str]) -> list[str]:
    """The arrays (or single jobs) that ids belong to, each once."""
    return list(dict.fromkeys(native.partition("_")[0] for native in ids))
