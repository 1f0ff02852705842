"""The hooks of HTCondor: which command is run when, and what its failure means.

No setting names a schedd, so all batches are asked of the one that commands lead to.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from anybatch.commands import ask_each_group, missing_tools, no_answer, refused, run
from anybatch.errors import CommandError, CommandFailed, Rejected, UsageError
from anybatch.records import Detection, Environment, Limits, Transfer
from anybatch.system import BatchSystem

from anybatch_htcondor import parse, render
from anybatch_htcondor.eventlog import Log
from anybatch_htcondor.settings import SETTINGS
from anybatch_htcondor.sources import SCAN, Sources, ask, make_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import Batch, JobStatus, Rendered, Setting, Submission

_TOOLS = ("condor_submit", "condor_q", "condor_rm", "condor_history")
_QUICK = timedelta(seconds=20)  #: for the commands that tell whether HTCondor is here
#: What may pass by itself, or may have arrived.
_TRANSIENT = re.compile(
    r"Can't find address|Failed to connect|connect to|SECMAN|AUTHENTICATE|timed? ?out|"
    r"not respond|may be overloaded|Failed to (end|create new|commit)|Communications? error|"
    r"Unable to connect|temporarily",
    re.IGNORECASE,
)
_SIGNALS = {"STOP": "condor_suspend", "TSTP": "condor_suspend", "CONT": "condor_continue"}


class HTCondor(BatchSystem):
    """The hooks of HTCondor."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._sources = Sources(host)
        self._shared: bool | None = None  # whether all machines have our FileSystemDomain

    def anybatch_settings(self) -> Sequence[Setting]:
        """Every command of a submit description, attributes, and a few of our own."""
        return SETTINGS

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        """The tools are there and the schedd answers."""
        if missing := missing_tools(self.host, _TOOLS):
            return missing
        queue = ("condor_q", "-limit", "1", "-json", "-attributes", "ClusterId")
        try:
            version = run(self.host, make_command("condor_version", timeout=_QUICK)).stdout
            run(self.host, make_command(*queue, timeout=_QUICK))
        except CommandError as error:
            return no_answer("the schedd", error, parse.NOT_SET_UP)
        return Detection(
            available=True,
            reason="the schedd answers",
            version=parse.read_version(version),
            details={"files": self._files()},
        )

    def _files(self) -> str:
        """Who moves files where the setting leaves it open, for `anybatch doctor`."""
        try:
            return "shared by all machines" if self._is_shared() else "transferred"
        except CommandError as error:
            return f"the pool cannot be asked: {error}"

    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        """Any number in one cluster, large ones materialized late; order is DAGMan's business."""
        return Limits(array=1_000_000)

    def anybatch_environment(
        self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
    ) -> Environment:
        """What HTCondor sets belongs to one job; temporary files belong into its scratch folder."""
        return Environment(
            scrub=("_CONDOR_*", "_CHIRP_*", "CONDOR_*", "BATCH_SYSTEM", "TMPDIR", "TEMP", "TMP"),
            keep=("CONDOR_CONFIG",),
            runs_container=render.is_contained(job.container, settings),
            forbidden_names=(render.NOT_CARRIED,),
        )

    def anybatch_transfer(self, job: Job, settings: Mapping[str, Any]) -> Transfer:
        """HTCondor, unless all machines share our file system."""
        wanted = settings["transfer"]
        native = wanted == "native" or (wanted == "auto" and not self._is_shared())
        return Transfer.SYSTEM if native else Transfer.SHARED

    def _is_shared(self) -> bool:
        """Whether all machines of the pool have our FileSystemDomain; asked once."""
        if self._shared is None:
            domain = make_command("condor_config_val", "FILESYSTEM_DOMAIN")
            own = render.quote(run(self.host, domain).stdout.strip())
            foreign = ("-constraint", f"FileSystemDomain =!= {own}", "-limit", "1")
            machine = ("-json", "-attributes", "Machine")
            self._shared = not ask(self.host, "condor_status", *machine, *foreign)
        return self._shared

    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `render`."""
        return render.render(submission)

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """One condor_submit, which is a transaction: all jobs are there, or none."""
        completed = self.host.run(rendered.command)
        cluster = parse.submitted_cluster(completed.stdout, submission.count)
        if completed.ok and cluster:
            return parse.natives(cluster, submission.count)
        if refused(completed, _TRANSIENT) and not cluster:
            raise Rejected(parse.complain(completed.stderr))
        raise CommandFailed(rendered.command, completed)

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The cluster of the submission's event log, else the one with the token."""
        log = Log(render.log_path(submission.folder, submission.number))
        log.catch_up()
        clusters = list(log.clusters)
        which = ("-constraint", f"AnybatchToken == {render.quote(submission.token)}")
        wanted = ("-json", "-attributes", "ClusterId")
        for program, *limits in (
            ("condor_q", "-limit", "1"),
            ("condor_history", "-match", "1", "-scanlimit", str(SCAN)),
        ):
            if not clusters:
                ads = ask(self.host, program, *which, *wanted, *limits)
                clusters = [ad["ClusterId"] for ad in ads if isinstance(ad.get("ClusterId"), int)]
        return parse.natives(clusters[0], submission.count) if clusters else []

    def anybatch_status(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus | None]]:
        """See `sources`."""
        return [self._sources.statuses(batches)] * len(batches)

    def anybatch_account(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """What the event logs tell; nobody is asked."""
        return [self._sources.use(batches)] * len(batches)

    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, str]]:
        """One command, more where thousands are not in a row; jobs that are gone are no error.

        What a signal means depends on a batch's settings (`kill_sig`).
        """

        def program(batch: Batch) -> str:
            return _program(signal, batch.submission.settings)

        def stop(group: Sequence[Batch]) -> Mapping[str, str]:
            ids = [native for batch in group for native in batch.ids]
            self._terminate(program(group[0]), ids)
            return {}

        def unasked(batch: Batch, error: CommandError) -> Mapping[str, str]:
            return dict.fromkeys(batch.ids, str(error))

        return ask_each_group(batches, program, stop, unasked)

    def _terminate(self, program: str, ids: Sequence[str]) -> None:
        write = parse.removal if program == "condor_rm" else parse.constraint
        for which in parse.constraints(ids, write):
            command = make_command(program, "-constraint", which)
            completed = self.host.run(command)
            if not completed.ok and not parse.only_gone(completed.stderr):
                raise CommandFailed(command, completed)


def _program(signal: str | None, settings: Mapping[str, Any]) -> str:
    """What does to a job what the signal would; HTCondor sends a job no signals of one's choice."""
    own = str(settings["remove_kill_sig"] or settings["kill_sig"] or "TERM").removeprefix("SIG")
    if signal is None or signal == own:
        return "condor_rm"
    if signal not in _SIGNALS:
        raise UsageError(
            f"htcondor: it cannot send a job the signal {signal}. {own} is what condor_rm sends, "
            f"STOP and CONT are condor_suspend and condor_continue; without a signal it is removed"
        )
    return _SIGNALS[signal]
