"""One Slurm cluster: which command is run when, and what its failure means."""

from __future__ import annotations

import contextlib
import re
from datetime import timedelta
from functools import cached_property
from signal import SIGKILL
from typing import TYPE_CHECKING, NoReturn

import attrs
from anybatch import commands
from anybatch.errors import CommandError, CommandFailed, CommandTimeout, UsageError
from anybatch.host import Command
from anybatch.model import Reason, State
from anybatch.records import Unreachable

from anybatch_slurm import nodes, parse, render
from anybatch_slurm.identity import Identity, Owned, find, sort_by_owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.host import Completed, Host
    from anybatch.nodes import NodeKind
    from anybatch.records import JobStatus

    #: The ids that are asked about, by whose they are.
    Wanted = Mapping[Identity, Sequence[str]]

#: Slurm's own variables say "you are inside a job", and the user's choose what a command shows
#: or whom it concerns; a command must not believe them.
HIDDEN = (
    *("SLURM_JOB*", "SLURM_ARRAY*", "SLURM_STEP*", "SLURM_TASK*", "SBATCH_*"),
    *("SQUEUE_*", "SACCT_*", "SCONTROL_*", "SCANCEL_*", "SINFO_*"),
)
FORMATS = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
_LOG_END = 1_000_000  #: bytes of a submission's log that are read
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

    def is_another(self, name: str) -> str:
        """That this is another cluster than the one of that name, in a sentence; else empty.

        Raises:
            CommandError: it does not tell.
        """
        if self.config.name == name:
            return ""
        return f"this is the cluster {self.config.name!r}, and the jobs are in {name!r}"

    def must_be(self, name: str) -> None:
        """Check that this is the cluster of that name.

        Raises:
            CommandError: it is another one, or does not tell.
        """
        if problem := self.is_another(name):
            raise CommandError(self._command("scontrol", "show", "config"), problem)

    def is_led_by(self, controllers: str) -> bool:
        """Whether one of these controllers is the cluster's; two clusters may have one name."""
        return not controllers or bool({*controllers.split(",")} & {*self.config.controllers})

    def led_by_others(self, controllers: str) -> NoReturn:
        """Tell that this is another cluster of the same name."""
        own = ",".join(self.config.controllers)
        problem = f"the controller of the cluster {self.config.name!r} is {own}, and was"
        raise CommandError(self._command("scontrol", "show", "config"), f"{problem} {controllers}")

    def confirm(self) -> None:
        """Check that commands still lead to the cluster that they led to at first.

        Raises:
            CommandError: they do not, or nobody tells.
        """
        command = self._command("scontrol", "show", "config")
        now = parse.read_config(commands.run(self._host, command).stdout)
        if (now.name, now.controllers) != (self.config.name, self.config.controllers):
            problem = f"this is the cluster {now.name!r} now, and was {self.config.name!r}"
            raise CommandError(command, problem)

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

    def lets_raise(self, user: str) -> bool:
        """Whether a user may ask for a priority above the usual (`--nice` below 0).

        Where the database cannot be asked, the controller tells when jobs are submitted.
        """
        if user == "root" or user == self.config.owner:
            return True
        if not self.config.accounting:
            return False
        options = ("--noheader", "--parsable2", "show", "user", user, "format=AdminLevel")
        try:
            return parse.is_operator(self._run("sacctmgr", *options).stdout)
        except CommandError:
            return True

    def nodes(self) -> list[NodeKind]:
        """The nodes of each partition, those that are down or not started too.

        Raises:
            CommandError: the controller could not be asked.
        """
        answer = self._run("sinfo", "--noheader", "--exact", f"--format={nodes.FORMAT}")
        return nodes.read_nodes(answer.stdout)

    # -- its jobs

    def find(self, identity: Identity) -> str | None:
        """The job of a submission: in the queue, else in accounting.

        Raises:
            CommandError: one of them could not be asked.
        """
        user = f"--user={self._host.user}"
        fields = "--Format=ArrayJobID:|,Reason:|,Comment:|,Command:|"
        everything = ("--noheader", "--all", "--states=all")
        listed = self._run("squeue", *everything, user, fields).stdout
        jobs = find(identity, listed, parse.IMPOSSIBLE)
        if not jobs and self.config.accounting:
            options = ("--noheader", "--parsable2", "--allocations", user, "--starttime=now-30days")
            columns = ("JobID", "Reason", "Comment", *self.config.submit_line)
            kept = self._run("sacct", *options, f"--format={','.join(columns)}").stdout
            jobs = find(identity, kept, parse.IMPOSSIBLE)
        if not jobs:
            self.confirm()
        return jobs[0] if jobs else None

    def statuses(
        self, wanted: Wanted, *, certain: bool = True
    ) -> dict[str, dict[str, JobStatus | Unreachable]]:
        """One squeue for all; for those that it no longer knows one sacct.

        What one of them says holds, though the other cannot be asked.

        Args:
            certain: False: this may be another cluster, so that to be missing means nothing.

        Returns:
            The answers by token and id.

        Raises:
            CommandError: nothing can be said of any job.
        """
        queue = self._owned(wanted)
        found = {
            one.token: self._with_log(one, parse.read_squeue(rows), rows)
            for one in wanted
            for rows in [queue.lines.get(one.token, "")]
        }
        missing = _without(found, wanted)
        if not missing:
            return {token: {**answers} for token, answers in found.items()}
        error, started = None, set[tuple[str, str]]()
        try:
            kept, error = self.accounted(missing) if self.config.accounting else ({}, None)
            for token, answers in kept.items():
                # Of what the queue does not know, accounting may say for ever that it runs.
                ended = {n: one for n, one in answers.items() if one.state.final}
                found[token] = {**ended, **found[token]}
                begun = (n for n, one in answers.items() if one.state is State.RUNNING)
                started |= {(token, native) for native in begun}
            if error is None and _without(found, wanted):
                self.confirm()
        except CommandError as problem:
            error = problem
        if error and not any(found.values()):
            raise error
        if error or not certain:
            why = Unreachable(str(error) if error else self._strange())
            return {
                one.token: {**dict.fromkeys(ids, why), **found[one.token]}
                for one, ids in wanted.items()
            }
        removable = {
            one: [native for native in ids if (one.token, native) not in started]
            for one, ids in wanted.items()
        }
        return {
            one.token: {**parse.removed_elements(ids, found[one.token]), **found[one.token]}
            for one, ids in removable.items()
        }

    def accounted(
        self, wanted: Wanted
    ) -> tuple[dict[str, dict[str, JobStatus]], CommandError | None]:
        """What accounting has kept, by token and id, and why it did not tell all.

        One sacct for so many as a command line holds.
        """
        whose = ("Comment", "JobIDRaw", *(self.config.submit_line or ("WorkDir",)))
        columns = (*parse.SACCT_FIELDS, *whose)
        fields = f"--format={','.join(columns)}"
        options = ("--noheader", "--parsable2", "--duplicates", "--starttime=1970-01-01", fields)
        jobs = _jobs(native for ids in wanted.values() for native in ids)
        kept: list[str] = []
        problem: CommandError | None = None
        for start in range(0, len(jobs), MOST_IDS):
            which = f"--jobs={','.join(jobs[start : start + MOST_IDS])}"
            try:
                kept.append(self._ask("sacct", *options, which))
            except CommandFailed as error:
                problem = error
                kept.append(error.completed.stdout)
            except CommandError as error:
                problem = error
        owned = sort_by_owner("\n".join(kept), len(parse.SACCT_FIELDS), wanted)
        found = {
            one.token: self._with_log(one, parse.read_sacct(rows), rows)
            for one in wanted
            if (rows := owned.lines.get(one.token))
        }
        return found, problem

    def _with_log(
        self, whose: Identity, answers: Mapping[str, JobStatus], rows: str
    ) -> dict[str, JobStatus]:
        """With what the log tells of jobs that were killed, where Slurm tells the signal alone.

        A shell tells by its exit code that the kernel has killed what it ran. Where slurmstepd
        itself kills the job, Slurm may take the number of the signal for an exit code (22.05).
        """
        killed = {
            native: one
            for native, one in answers.items()
            if one.state is State.FAILED
            and one.reason is None
            and (one.signal == SIGKILL or one.exit_code in (SIGKILL, 128 + SIGKILL))
        }
        if not killed:
            return {**answers}
        try:
            log = self._host.read_from(whose.log, -_LOG_END).decode("utf-8", "replace")
        except OSError:
            return {**answers}
        kills, numbers = parse.memory_kills(log), parse.own_numbers(rows)
        for native, one in killed.items():
            if said := kills.get(numbers.get(native, native)):
                message = f"{said} (in {whose.log})"
                killed[native] = attrs.evolve(one, reason=Reason.OUT_OF_MEMORY, message=message)
        return {**answers, **killed}

    def _owned(self, wanted: Wanted) -> Owned:
        ids = [native for some in wanted.values() for native in some]
        return sort_by_owner(self._squeue(ids), len(parse.SQUEUE_FIELDS), wanted)

    def _squeue(self, ids: Sequence[str]) -> str:
        jobs = _jobs(ids)
        # A single id that it does not know makes squeue fail; of several it leaves out the unknown.
        several = ",".join([*jobs, jobs[0]])
        which = f"--jobs={several}" if len(jobs) <= MOST_IDS else f"--user={self._host.user}"
        columns = (*parse.SQUEUE_FIELDS, "Comment", "Command")
        fields = ",".join(f"{column}:|" for column in columns)
        options = ("--noheader", "--all", "--states=all", which, f"--Format={fields}")
        answer = self._ask("squeue", *options)
        if answer and not answer.endswith("\n"):  # what it leaves out would count as removed
            raise CommandError(self._command("squeue", *options), "the answer breaks off")
        return answer

    def unfit_dependency(self, after: Sequence[str]) -> str | None:
        """Why Slurm cannot wait for these jobs itself; None: it can.

        Raises:
            CommandError: it could not be asked.
        """
        length = len(render.dependency(after))
        if length > render.LONGEST_DEPENDENCY:
            return f"it waits for {len(after)} jobs, and Slurm takes no list that is so long"
        known, wanted = parse.read_squeue(self._squeue(after)), frozenset(after)
        whole = {*render.dependency(after).split(":")} - wanted
        for native in after:
            one = known.get(native)
            if one is None:
                return f"job {native}, which it waits for, is not known to Slurm any more"
            if one.state.final and one.state is not State.DONE:
                return f"job {native}, which it waits for, is {one.native_state}"
        for native, one in known.items():
            array = native.partition("_")[0]
            if array in whole and native not in wanted and one.state is not State.DONE:
                return f"it waits for some of the array {array}, and the list of them is too long"
        return None

    # -- stopping them

    def stop(
        self, wanted: Wanted, *, certain: bool = True
    ) -> dict[str, dict[str, str | Unreachable]]:
        """One squeue, and one scancel for those that go on and are the submissions' own.

        What has ended is no error. The cluster's numbers may be other jobs' by now.

        Args:
            certain: False: this may be another cluster, so that to be missing is no end.

        Returns:
            Why a job was left alone, by token and id.
        """
        queue = self._owned(wanted)
        going_on: list[str] = []
        for one, ids in wanted.items():
            answers = parse.read_squeue(queue.lines.get(one.token, ""))
            own = [native for native in ids if _goes_on(native, answers)]
            going_on += parse.whole_arrays(own, answers)
        if going_on:
            self._scancel(self._command("scancel", *parse.compress(going_on)))
        return self._left_alone(wanted, queue, certain=certain)

    def send(
        self, wanted: Wanted, signal: str, *, certain: bool = True
    ) -> dict[str, dict[str, str | Unreachable]]:
        """Send a signal to those that run, for which squeue is asked; otherwise as `stop`.

        To one that waits it is of no use, and KILL would end all that wait in its array (22.05).
        """
        # To the job script alone, which passes it on; KILL it cannot pass on, so to everybody.
        # Without either option a signal reaches only steps that srun has started (22.05).
        options = (f"--signal={signal}", "--full" if signal == "KILL" else "--batch")
        queue = self._owned(wanted)
        ids = [native for some in wanted.values() for native in some]
        jobs, apart = parse.running_jobs(ids, "\n".join(queue.lines.values()))
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
        return self._left_alone(wanted, queue, certain=certain)

    def throttle(self, wanted: Wanted, most: int) -> bool:
        """Have at most so many elements of an array run at once; whether there is such an array.

        Raises:
            CommandError: it could not be told.
        """
        queue = self._owned(wanted)
        going_on = {
            native.partition("_")[0]
            for one, ids in wanted.items()
            for native in ids
            if _goes_on(native, parse.read_squeue(queue.lines.get(one.token, "")))
        }
        for array in sorted(going_on):
            self._run("scontrol", "update", f"JobId={array}", f"ArrayTaskThrottle={most}")
        return bool(going_on)

    def _left_alone(
        self, wanted: Wanted, queue: Owned, *, certain: bool
    ) -> dict[str, dict[str, str | Unreachable]]:
        """Why jobs were not told, where nobody can be sure that they have ended."""
        why: dict[str, dict[str, str | Unreachable]] = {one.token: {} for one in wanted}
        for one, ids in wanted.items():
            known = parse.read_squeue(queue.lines.get(one.token, ""))
            for native in ids:
                if (one.token, native.partition("_")[0]) in queue.strangers:
                    text = "of that number is another one now, which was left alone"
                    why[one.token][native] = f"the cluster's job {text}"
                elif not certain and native not in known:
                    why[one.token][native] = Unreachable(self._strange())
        return why

    def _strange(self) -> str:
        led = ",".join(self.config.controllers)
        text = f"not known to the cluster {self.config.name!r} of controller {led}"
        return f"{text}, which it was not submitted to"

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


def _jobs(ids: Iterable[str]) -> list[str]:
    """The arrays (or single jobs) that ids belong to, each once."""
    return list(dict.fromkeys(native.partition("_")[0] for native in ids))


def _goes_on(native: str, answers: Mapping[str, JobStatus]) -> bool:
    """Whether squeue has a job that has not ended, or has it in a list that is cut."""
    known = answers.get(native) or answers.get(f"{native.partition('_')[0]}_{parse.CUT}")
    return known is not None and not known.state.final


def _without(
    found: Mapping[str, Mapping[str, JobStatus]], wanted: Wanted
) -> dict[Identity, list[str]]:
    """The ids of which nothing was found."""
    missing = {one: [n for n in ids if n not in found[one.token]] for one, ids in wanted.items()}
    return {one: ids for one, ids in missing.items() if ids}
