"""The hooks of the LSF plugin: which command is run when, and what its failure means."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.commands import missing_tools, no_answer, run
from anybatch.errors import CommandError, CommandFailed, Rejected, UsageError
from anybatch.host import Command
from anybatch.records import Detection, Environment, JobStatus, Limits, Transfer
from anybatch.system import BatchSystem

from anybatch_lsf import file_transfer, life, nodes, parse, render, states
from anybatch_lsf.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.host import Completed, Host
    from anybatch.model import Job
    from anybatch.nodes import NodeKind
    from anybatch.records import Batch, Rendered, Setting, Submission

#: Only where there is a cluster, also where its tools are not on the PATH.
_SIGNS = ("LSF_ENVDIR", "LSF_SERVERDIR", "LSF_BINDIR", "LSB_JOBID", "/etc/lsf.conf")
MOST_IDS = 1000  #: more in one command line, and bjobs is asked for the user's jobs instead

#: What may pass by itself, or may have arrived.
_TRANSIENT = re.compile(
    r"LSF is down|not respond|still trying|Please wait|try later|Retrying|threshold|"
    r"communication (error|time)|time.?d? ?out|Failed in (an )?(LSF|openlava) library|"
    r"internal (library |daemon |system )?error|XDR|protocol error|LIM is down|job limit|temporar|"
    r"Unable to contact|Cannot connect|connection (refused|reset)|allocate memory|no more memory|"
    r"Too many (?!\w+ requested)",
    re.IGNORECASE,
)
#: What bsub refuses for good ends so; an option that is not there, or an administrator's script.
_REFUSED = re.compile(r"Job not submitted|[Ii]llegal option|Request aborted|Usage:|usage:")
#: What is spoken of, whose name may be any word: `temporary: No such queue`, `User <too_many>`.
_NAMED = re.compile(r"<[^<>\n]*>|^[^\s:]+: ", re.MULTILINE)
_UNITS = {None: "not known", "": "the default"}
#: What bmod says where there is nothing to change, or where it cannot.
_UNCHANGEABLE = re.compile(r"not found|already finished|[Ii]llegal option|not (an )?array")
#: What bkill says of a job. Other lines are what sites print around it.
_COMPLAINT = re.compile(r"Job <(?P<job>[^>]*)>(?: is not|:).*")


class LSF(BatchSystem):
    """The hooks of `lsf`: one cluster, that of the environment."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._known_version: parse.Version | None = None
        self._tells_reasons = True
        self._returns = file_transfer.Returns(host)

    def anybatch_settings(self) -> Iterable[Setting]:
        """Every option of bsub, and a few of our own."""
        return SETTINGS

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        """The tools are there, and lsid and bparams answer."""
        tools = ("bsub", "bjobs", "bkill", "lsid")
        if missing := missing_tools(self.host, tools, _SIGNS):
            return missing
        timeout = min(settings["timeout"], timedelta(seconds=20))
        try:
            version = self._version(timeout)
            parameters = self._parameters(timeout)
        except CommandError as error:
            # Slurm's contribs have commands of the same names: those answer, but not as LSF.
            other = isinstance(error, CommandFailed) and error.completed.ok
            found = no_answer(self.host, "LSF", error, parse.NOT_SET_UP, _SIGNS)
            return attrs.evolve(found, unreachable=False) if other else found
        unit = self._unit(timeout)
        return Detection(
            available=True,
            reason=version.text,
            version=".".join(str(part) for part in version.number),
            details={
                "cluster": version.cluster or "not known",
                "default queue": parse.default_queue(parameters) or "not known",
                "largest array": str(parse.largest_array(parameters)),
                "files": "shared" if settings["transfer"] == "shared" else "moved by LSF",
                "unit for limits": _UNITS.get(unit, unit or ""),
            },
        )

    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        """The cluster's MAX_JOB_ARRAY_SIZE, and what else rendering needs, asked once.

        Where a job is not done LSF leaves those pending for ever that wait for it, so anybatch
        sees to dependencies. Where LSF moves files there are no arrays: `bsub -f` copies the same
        files for every element.
        """
        version = self._version(settings["timeout"])
        parameters = self._parameters(settings["timeout"])
        size = parse.largest_array(parameters)
        cluster = render.Cluster(
            modern=version.modern,
            unit=self._unit(settings["timeout"]),
            per_task=parse.reserves_per_task(parameters),
            openlava=version.openlava,
            priorities=parse.largest_priority(parameters),
        )
        most = min(size, settings["max_array"] or size) if settings["transfer"] == "shared" else 1
        context = cluster.render_context()
        return Limits(array=most, max_running=True, urgency=True, render_context=context)

    def anybatch_nodes(self, settings: Mapping[str, Any]) -> Sequence[NodeKind] | None:
        """The hosts of the cluster; where it may get others, or is one of several, nobody knows."""
        timeout = settings["timeout"]
        if self.host.which("lsclusters"):
            known = self.host.run(_command(timeout, "lsclusters", "-w"))
            if nodes.is_one_of_several(known.stdout):
                return None
        if parse.RESOURCE_CONNECTOR in parse.read_parameters(self._configuration(timeout) or ""):
            return None
        static = run(self.host, _command(timeout, "lshosts", "-w")).stdout
        if nodes.may_grow(static):
            return None
        return nodes.read_nodes(run(self.host, _command(timeout, "bhosts", "-w")).stdout, static)

    def anybatch_environment(
        self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
    ) -> Environment:
        """What LSF sets belongs to one job; where the cluster is does not."""
        return Environment(
            scrub=("LSB_*", "LS_*", "LSF_*", "BSUB_*", "HOSTTYPE", "LSFUSER", "OPENLAVA_VERSION"),
            keep=("LSF_ENVDIR", "LSF_SERVERDIR", "LSF_BINDIR", "LSF_LIBDIR", "LSF_CONFDIR"),
        )

    def anybatch_transfer(self, job: Job, settings: Mapping[str, Any]) -> Transfer | None:
        """LSF, where the user says so; nothing tells what machines share."""
        return Transfer.SYSTEM if settings["transfer"] == "lsf" else None

    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `render`."""
        return render.render(submission)

    # -- submitting

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """One bsub. What LSF refuses for good is told from what may pass, or may have arrived."""
        command = rendered.command
        if render.travels(submission):
            file_transfer.pack(submission, self.host, rendered.extra_timeout)
            command = attrs.evolve(command, timeout=command.timeout - rendered.extra_timeout)
        completed = self.host.run(command)
        job = parse.submitted_id(completed.stdout)
        if job:
            return _ids(submission, job)
        said = f"{completed.stderr}\n{completed.stdout}"
        told = _NAMED.sub("", said)
        if completed.returncode > 0 and _REFUSED.search(told) and not _TRANSIENT.search(told):
            raise Rejected(f"bsub: {(completed.stderr.strip() or completed.stdout.strip())}")
        raise CommandFailed(command, completed)

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The job whose description is the token, or whose name begins with it; also a purged."""
        name, user = render.job_name(submission), self.host.user
        timeout = submission.settings["timeout"]
        if self._version(timeout).modern:
            which = ("-Jd", f"{submission.token}*")
            fields = f"jobid job_description delimiter='{parse.DELIMITER}'"
            listed = self._ask(
                timeout, "bjobs", "-a", "-u", user, *which, "-noheader", "-o", fields
            )
            job = parse.described(submission.token, listed.stdout)
        else:
            which = ("-J", name)
            listed = self._ask(timeout, "bjobs", "-a", "-w", "-u", user, *which)
            job = next(iter(parse.read_table(listed.stdout)), "").partition("[")[0]
        if not job:
            everything = ("-a", "-l", "-n", "0", "-u", user)
            kept = self._ask(timeout, "bhist", *everything, *which).stdout
            for native_id, called, described in life.long_descriptions(kept):
                if submission.token in (described.split(" ")[0], called.split(".")[0]):
                    job = native_id.partition("[")[0]
        return _ids(submission, job) if job else []

    # -- watching

    def anybatch_status(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """One bjobs for all; for those that it no longer knows one bhist, else one bacct.

        Where LSF moves files, what jobs have brought back is unpacked.
        """
        return self._returns.settle(batches, self._answers(_all_ids(batches), _timeout(batches)))

    def _answers(self, ids: Sequence[str], timeout: timedelta) -> dict[str, JobStatus]:
        ask = self._bjobs if self._version(timeout).modern else self._plain_bjobs
        answers = ask(ids, timeout)
        found = {native_id: answers[native_id] for native_id in ids if native_id in answers}
        for program in ("bhist", "bacct"):
            missing = [native_id for native_id in ids if native_id not in found]
            if missing and self.host.which(program):
                found = {**self._long(program, missing, timeout), **found}
        if self._version(timeout).openlava:
            found = {native_id: states.distrusted(status) for native_id, status in found.items()}
        return {native_id: found[native_id] for native_id in ids if native_id in found}

    def _bjobs(self, ids: Sequence[str], timeout: timedelta) -> dict[str, JobStatus]:
        """The columns; early versions of 10.1 do not know the one that tells why a job waits."""
        if self._tells_reasons:
            try:
                return self._columns(ids, timeout, parse.REASON)
            except CommandFailed as error:
                if parse.REASON not in error.completed.stderr.lower():
                    raise
                self._tells_reasons = False
        return self._columns(ids, timeout)

    def _columns(self, ids: Sequence[str], timeout: timedelta, *more: str) -> dict[str, JobStatus]:
        fields = " ".join((*parse.FIELDS, *more))
        if self._version(timeout).json:
            form = ("-json", "-o", fields)
        else:
            form = ("-noheader", "-o", f"{fields} delimiter='{parse.DELIMITER}'")
        answer = self._ask(timeout, "bjobs", "-a", *form, *self._which(ids))
        return parse.read_bjobs(answer.stdout, more)

    def _plain_bjobs(self, ids: Sequence[str], timeout: timedelta) -> dict[str, JobStatus]:
        """The table; of what has ended the long form (how), and the past (by whom; again?)."""
        reasons = ("-p",) if self._version(timeout).openlava else ()
        answer = self._ask(timeout, "bjobs", "-a", "-w", *reasons, *self._which(ids))
        table = parse.read_table(answer.stdout)
        ended = {one: None for one in ids if one in table and table[one].state.final}
        if not ended:
            return table
        long, logged = self._long("bjobs", list(ended), timeout), {}
        if long and self.host.which("bhist"):
            logged = self._long("bhist", list(long), timeout)
        now = datetime.now(timezone.utc)
        long |= {one: states.settled(long[one], logged[one], now) for one in logged}
        return {**{one: table[one] for one in table if one not in ended}, **long}

    def _long(self, program: str, ids: Sequence[str], timeout: timedelta) -> dict[str, JobStatus]:
        options = {"bjobs": ("-a",), "bhist": ("-a", "-n", "0"), "bacct": ()}[program]
        found: dict[str, JobStatus] = {}
        words = parse.compress(ids)
        for start in range(0, len(words), MOST_IDS):
            some = words[start : start + MOST_IDS]
            answer = self._ask(timeout, program, "-l", *options, *some)
            now = datetime.now(timezone.utc)
            found |= life.read_long(answer.stdout, f"{program} -l", now)
        return {native_id: found[native_id] for native_id in ids if native_id in found}

    def _which(self, ids: Sequence[str]) -> tuple[str, ...]:
        jobs = parse.arrays(ids)
        return tuple(jobs) if len(jobs) <= MOST_IDS else ("-u", self.host.user)

    def anybatch_account(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """What bjobs says of use, where it can; for others one bacct."""
        ids, timeout = _all_ids(batches), _timeout(batches)
        found = self._bjobs(ids, timeout) if self._version(timeout).modern else {}
        missing = [native_id for native_id in ids if native_id not in found]
        if missing and self.host.which("bacct"):
            found |= self._long("bacct", missing, timeout)
        return [{one: found[one] for one in batch.ids if one in found} for batch in batches]

    def anybatch_throttle(self, batch: Batch, most: int) -> bool:
        """One bmod; single jobs have no such limit."""
        if batch.submission.count == 1 or not batch.ids:
            return False
        [job] = parse.arrays(batch.ids)
        command = _command(batch.submission.settings["timeout"], "bmod", "-J", f"%{most}", job)
        completed = self.host.run(command)
        said = f"{completed.stderr}{completed.stdout}"
        if not completed.ok and not _UNCHANGEABLE.search(said):
            raise CommandFailed(command, completed)
        return completed.ok

    # -- stopping

    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, str]]:
        """One bkill; ids that are unknown or have ended are no error."""
        which = ("-s", signal) if signal else ()
        words = (*which, *parse.compress(_all_ids(batches)))
        command = _command(_timeout(batches), "bkill", *words)
        completed = self.host.run(command)
        said = completed.stderr.strip()
        if re.search(r"(illegal|unknown|invalid|bad)\b.*signal", said, re.IGNORECASE):
            raise UsageError(f"lsf: there is no signal {signal!r}: {said}")
        if completed.ok:
            return [{} for _ in batches]
        complaints = list(filter(None, map(_COMPLAINT.match, said.splitlines())))
        refused = {one["job"]: one[0] for one in complaints if not parse.GONE.search(one[0])}
        strange = refused.keys() - set(_all_ids(batches))
        if not complaints or strange or _TRANSIENT.search(said):
            raise CommandFailed(command, completed)
        return [{one: refused[one] for one in batch.ids if one in refused} for batch in batches]

    # -- the cluster

    def _version(self, timeout: timedelta) -> parse.Version:
        """What lsid says, asked once."""
        if self._known_version is None:
            command = _command(timeout, "lsid")
            completed = run(self.host, command)
            version = parse.read_version(completed.stdout)
            if version is None:
                raise CommandFailed(command, completed, "this is neither LSF nor OpenLava")
            self._known_version = version
        return self._known_version

    def _parameters(self, timeout: timedelta) -> dict[str, str]:
        """What the cluster is set to; OpenLava has no `-a`."""
        option = "-l" if self._version(timeout).openlava else "-a"
        completed = run(self.host, _command(timeout, "bparams", option))
        return parse.read_parameters(completed.stdout)

    def _unit(self, timeout: timedelta) -> str | None:
        """LSF_UNIT_FOR_LIMITS; empty: not set; None: nobody tells."""
        if self._version(timeout).openlava:
            return ""  # it has no such thing
        told = self._configuration(timeout)
        return None if told is None else parse.read_unit(told)

    def _configuration(self, timeout: timedelta) -> str | None:
        """The lines of lsf.conf; None: nobody tells."""
        if folder := self.host.environ.get("LSF_ENVDIR"):
            with contextlib.suppress(OSError):
                return self.host.read(Path(folder) / "lsf.conf")
        if self.host.which("badmin") is None:
            return None
        try:
            completed = self.host.run(_command(timeout, "badmin", "showconf", "mbd"))
        except CommandError:
            return None
        told = completed.ok and parse.read_parameters(completed.stdout)
        return completed.stdout if told else None

    # -- commands

    def _ask(self, timeout: timedelta, program: str, *arguments: str) -> Completed:
        """What a command answers."""
        command = _command(timeout, program, *arguments)
        completed = self.host.run(command)
        if not completed.ok and not _is_answer(completed):
            raise CommandFailed(command, completed)
        return completed


def _ids(submission: Submission, job: str) -> list[str]:
    count = submission.count
    return [f"{job}[{element}]" for element in range(1, count + 1)] if count > 1 else [job]


def _all_ids(batches: Sequence[Batch]) -> list[str]:
    return [native_id for batch in batches for native_id in batch.ids]


def _timeout(batches: Sequence[Batch]) -> timedelta:
    """How long a command about all of them may take."""
    longest: timedelta = max(batch.submission.settings["timeout"] for batch in batches)
    return longest


def _command(timeout: timedelta, program: str, *arguments: str) -> Command:
    return Command((program, *arguments), timeout=timeout, hide_env=render.HIDDEN)


def _is_answer(failed: Completed) -> bool:
    """Whether a command has answered all the same.

    Its exit status says little: 255 also for one unknown id of many, and, as a cluster may be set
    (LSB_BJOBS_CONSISTENT_EXIT_CODE), where no job is unfinished.
    """
    complains = bool(failed.stderr.strip())
    said = failed.stderr if complains else failed.stdout
    if parse.NOTHING.search(f"{failed.stderr}\n{failed.stdout}"):
        return not _TRANSIENT.search(_NAMED.sub("", said))
    return failed.returncode > 0 and not complains and parse.lists_jobs(failed.stdout)
