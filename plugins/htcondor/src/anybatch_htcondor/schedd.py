"""The schedd that HTCondor's commands lead to: what it is asked, and whose jobs it has.

Numbers of jobs are used again: by another schedd, or after the queue of one was lost. So a job is
known by the schedd's name, its id, and the token of its submission, which is an attribute of it.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch import commands
from anybatch.errors import CommandError, CommandFailed
from anybatch.host import Command

from anybatch_htcondor import analysis, nodes, parse
from anybatch_htcondor.render import JOB_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.host import Host
    from anybatch.nodes import NodeKind
    from anybatch.records import Submission

MOST_IDS = 500  #: with more in a question, whole submissions or all our jobs are asked for
SCAN = 100_000  #: jobs of the history that are looked through
#: For a question. While a schedd hangs, the logs go on telling of most jobs.
_TIMEOUT = timedelta(seconds=30)
_NAME = ("condor_q", "-constraint", "false")
_LIMITS = ("MAX_JOBS_PER_SUBMISSION", "MAX_JOBS_PER_OWNER", "MAX_JOBS_SUBMITTED")
_PROCESS = Path("/proc/self/status")


class Schedd:
    """The schedd that the commands of a host lead to."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._context: dict[str, str] | None = None

    def context(self) -> dict[str, str]:
        """What `render` needs of schedd and host, and what a submission is known by later.

        Raises:
            CommandError: it does not answer.
        """
        if self._context is None:
            name = self.name()
            ask = make_command("condor_config_val", "-schedd", "-name", name, *_LIMITS)
            most = parse.read_limit(self._host.run(ask).stdout)
            found = {"schedd": name, "most_jobs": str(most or ""), "umask": self._umask() or ""}
            self._context = {key: text for key, text in found.items() if text}
        return self._context

    def _umask(self) -> str | None:
        try:
            return parse.read_umask(self._host.read(_PROCESS))
        except OSError:
            return None

    def name(self) -> str:
        """The name that it answers with.

        Raises:
            CommandError: it does not answer.
        """
        return commands.read(self._host, make_command(*_NAME), parse.read_schedd)

    def is_another(self, expected: str | None, *, again: bool = True) -> str:
        """That it is another one than that of this name, in a sentence; else empty. None: any.

        Args:
            again: ask, although its name was asked for before in this session.

        Raises:
            CommandError: it does not answer.
        """
        if expected is None:
            return ""
        name = self.name() if again or self._context is None else self._context["schedd"]
        return "" if name == expected else other_schedd(name, expected)

    def must_be(self, expected: str | None, *, again: bool = True) -> None:
        """Check that it is the one of that name.

        Raises:
            CommandError: it is another one, or does not answer.
        """
        if problem := self.is_another(expected, again=again):
            raise CommandError(make_command(*_NAME), problem)

    # -- where jobs may run

    def nodes(self) -> list[NodeKind]:
        """The machines of its pool.

        Raises:
            CommandError: the collector does not answer.
        """
        which = ("-constraint", nodes.WHOLE_SLOTS)
        return nodes.read_nodes(self.ask("condor_status", *which, *_wanted(nodes.ATTRIBUTES)))

    def flocks(self) -> bool:
        """Whether jobs may run in other pools as well."""
        answer = self._host.run(make_command("condor_config_val", "FLOCK_TO"))
        return answer.ok and bool(answer.stdout.strip())

    # -- its jobs

    def queue(self, jobs: Sequence[parse.Named]) -> list[dict[str, Any]]:
        """One condor_q for all: the ads of these jobs, and maybe of others."""
        return self.ask("condor_q", *_which(jobs), *_wanted(parse.QUEUE_ATTRIBUTES))

    def analyze(self, job: parse.Named) -> str:
        """What HTCondor's own analysis says of a job that waits; empty: nothing."""
        which = ("-constraint", " || ".join(parse.constraints([job])))
        command = make_command("condor_q", "-better-analyze", *which)
        return analysis.explain(commands.run(self._host, command).stdout)

    def history(self, jobs: Sequence[parse.Named]) -> list[dict[str, Any]]:
        """One condor_history for all, which looks at the latest first."""
        count = sum(len(ids) for _, ids in jobs)
        # Of whole submissions more than those asked for may match.
        match = ("-match", str(count)) if count <= MOST_IDS else ()
        limits = (*match, "-scanlimit", str(SCAN))
        wanted = _wanted(parse.HISTORY_ATTRIBUTES)
        return self.ask("condor_history", *_which(jobs), *wanted, *limits)

    def find(self, token: str, user: str) -> int | None:
        """The cluster with a token, in the queue or in the history.

        Raises:
            CommandError: it cannot be asked, or only somebody else's jobs have the token.
        """
        which = ("-constraint", parse.with_token(token))
        wanted = _wanted(("ClusterId", "Owner"))
        for program, *limits in (
            ("condor_q",),
            ("condor_history", "-scanlimit", str(SCAN)),
        ):
            ads = self.ask(program, *which, *wanted, *limits)
            clusters = {ad["ClusterId"]: ad.get("Owner") for ad in ads if "ClusterId" in ad}
            own = [cluster for cluster, owner in clusters.items() if owner in (user, None)]
            if own:
                return int(min(own))
            for cluster, owner in clusters.items():
                problem = f"cluster {cluster} has the token {token}, and belongs to {owner!r}"
                raise CommandError(make_command(program, *which), problem)
        return None

    def edited(self, logs: Mapping[str, Path]) -> dict[str, str]:
        """Jobs that are not known by their token, and are in the queue as the user's own.

        They have the same id and write to the same event log, so their token was changed
        (condor_qedit). They are asked about; nothing that changes jobs concerns them.

        Args:
            logs: where each job writes its events, by id.

        Returns:
            What is odd, by id.
        """
        which = _of_clusters(logs)
        ads = self.ask("condor_q", "-constraint", which, *_wanted((*_IDENTITY, *_WITNESSES)))
        odd: dict[str, str] = {}
        for ad in ads:
            native = f"{ad.get('ClusterId')}.{ad.get('ProcId')}"
            log = Path(str(ad.get("Iwd", "")), str(ad.get("UserLog", "")))
            if log == logs.get(native) and ad.get("Owner") == self._host.user:
                odd[native] = (
                    f"its token was changed to {ad.get('AnybatchToken')!r}; it is left alone until "
                    f"it has its own again"
                )
        return odd

    def throttle(self, token: str, most: int) -> bool:
        """Have at most so many jobs of a submission in the queue; whether it is one that can.

        Raises:
            CommandError: it could not be told.
        """
        which = ("-factory", "-constraint", parse.with_token(token))
        ads = self.ask("condor_q", *which, *_wanted(("ClusterId", "JobMaterializeLimit")))
        clusters = {int(ad["ClusterId"]) for ad in ads if "JobMaterializeLimit" in ad}
        for cluster in sorted(clusters):
            limit = ("JobMaterializeLimit", str(most))
            commands.run(self._host, make_command("condor_qedit", str(cluster), *limit))
        return bool(clusters)

    def foreign(self, jobs: Sequence[parse.Named]) -> list[dict[str, str]]:
        """Of each of *jobs* the ids that are other jobs now, and why they are left alone."""
        told: list[dict[str, str]] = [{} for _ in jobs]
        which = " || ".join(
            f"({parse.without_token(token)} && ({_of_clusters(ids)}))"
            for token, ids in jobs[:MOST_IDS]
        )
        ads = self.ask("condor_q", "-constraint", which, *_wanted(_IDENTITY)) if which else []
        found = {f"{ad.get('ClusterId')}.{ad.get('ProcId')}": ad for ad in ads}
        for answer, (token, ids) in zip(told, jobs, strict=True):
            for native in ids:
                has = found[native].get("AnybatchToken") if native in found else token
                if has != token:
                    whose = f"has the token {has!r}" if has else "has no token of anybatch"
                    answer[native] = f"it was left alone: the job of this number {whose}"
        return told

    def tell(self, program: str, jobs: Iterable[parse.Named]) -> bool:
        """Run a command that changes jobs; what is gone is no error. Whether all may have got it.

        Raises:
            CommandError: it did not work.
        """
        told = True
        write = parse.removal if program == "condor_rm" else parse.constraint
        for which in parse.constraints(jobs, write):
            command = make_command(program, "-constraint", which)
            completed = self._host.run(command)
            if not completed.ok and not parse.only_gone(completed.stderr):
                raise CommandFailed(command, completed)
            told = told and completed.ok
        return told

    def ask(self, program: str, *arguments: str) -> list[dict[str, Any]]:
        """The ads that a command prints.

        Raises:
            CommandError: it failed, or printed something else.
        """
        return commands.read(self._host, make_command(program, *arguments), parse.read_ads)


_IDENTITY = ("ClusterId", "ProcId", "AnybatchToken")
_WITNESSES = ("Owner", "Iwd", "UserLog")


def other_schedd(here: str, there: str | None) -> str:
    """What a user has to know whose jobs are elsewhere."""
    advice = f"set _CONDOR_SCHEDD_HOST={there} to reach them"
    return f"this is the schedd {here!r}, and the jobs are in {there!r}; {advice}"


def schedd_of(submission: Submission) -> str | None:
    """The schedd that a submission was handed to; None: it is not on record."""
    return submission.limits.render_context.get("schedd")


def _of_clusters(ids: Iterable[str]) -> str:
    """A constraint that matches all jobs of the clusters of these, whoever has them now."""
    return " || ".join(f"ClusterId == {cluster}" for cluster in [*parse.by_cluster(ids)][:MOST_IDS])


def _which(jobs: Sequence[parse.Named]) -> tuple[str, ...]:
    if sum(len(ids) for _, ids in jobs) <= MOST_IDS:
        return ("-constraint", " || ".join(parse.constraints(jobs)))
    if len(jobs) <= MOST_IDS:
        return ("-constraint", " || ".join(parse.with_token(token) for token, _ in jobs))
    return ("-constraint", "AnybatchToken =!= undefined")


def _wanted(attributes: Sequence[str]) -> tuple[str, ...]:
    return ("-json", "-attributes", ",".join(attributes))


def make_command(program: str, *arguments: str, timeout: timedelta = _TIMEOUT) -> Command:
    """A command of HTCondor, kept from what a job around us has set."""
    return Command((program, *arguments), hide_env=JOB_VARIABLES, timeout=timeout)
