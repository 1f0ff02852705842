"""The hooks of HTCondor: which command is run when, and what its failure means.

A job belongs to the schedd that it was submitted to, wherever the configuration of the session
that asks leads. Schedds number their jobs alike.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.commands import Submitted, ask_each_group, missing_tools, no_answer, refused, run
from anybatch.errors import CommandError, CommandFailed, NoRoom, Rejected, UsageError
from anybatch.records import Detection, Environment, Limits, Transfer, Unreachable
from anybatch.system import BatchSystem

from anybatch_htcondor import parse, render
from anybatch_htcondor.eventlog import Log
from anybatch_htcondor.schedd import Schedd, make_command, schedd_of
from anybatch_htcondor.settings import PATHS, SETTINGS
from anybatch_htcondor.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.nodes import NodeKind
    from anybatch.records import Batch, JobStatus, Rendered, Setting, Submission

_TOOLS = ("condor_submit", "condor_q", "condor_rm", "condor_history")
#: Only where there is a pool, also where its tools are not on the PATH.
_SIGNS = (
    *("CONDOR_CONFIG", "_CONDOR_SCHEDD_HOST", "_CONDOR_COLLECTOR_HOST", "_CONDOR_SCRATCH_DIR"),
    *("/etc/condor/condor_config", "/usr/local/etc/condor_config"),
)
_QUICK = timedelta(seconds=20)  #: for the commands that tell whether HTCondor is here
#: What may pass by itself, or may have arrived.
_TRANSIENT = re.compile(
    r"Can't find address|Failed to connect|connect to|SECMAN|AUTHENTICATE|timed? ?out|"
    r"not respond|may be overloaded|Failed to (end|create new|commit)|Communications? error|"
    r"Unable to connect|temporarily",
    re.IGNORECASE,
)
#: Jobs that end make room.
_NO_ROOM = re.compile(r"would exceed MAX_JOBS_")
#: No credential daemon is there, and none will be because somebody waits.
_NO_CREDENTIALS = re.compile(r"job credential requests")
#: What HTCondor sets for a job: `STARTER_NUM_THREADS_ENV_VARS`, what its slot has of the machine,
#: and where its own and temporary files are.
GIVEN = (
    *("_CONDOR_*", "_CHIRP_*", "CONDOR_*", "BATCH_SYSTEM", "TMPDIR", "TEMP", "TMP"),
    *("CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "NVIDIA_VISIBLE_DEVICES"),
    *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"),
    *("CUBACORES", "GOMAXPROCS", "OMP_THREAD_LIMIT", "PYTHON_CPU_COUNT", "ROOT_MAX_THREADS"),
    *("*_NUM_THREADS", "TF_LOOP_PARALLEL_ITERATIONS"),
    *("APPTAINER_*", "SINGULARITY_*", "BEARER_TOKEN*"),
)
#: And where it brings a proxy along.
PROXY = ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY")
#: What makes sense on the submitting machine only, where the pool runs the job in an image.
OUTSIDE = (
    *("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"),
    *("CONDA_*", "MODULEPATH", "MODULESHOME", "LOADEDMODULES", "_LMFILES_", "LMOD_*"),
)
_SIGNALS = {"STOP": "condor_suspend", "TSTP": "condor_suspend", "CONT": "condor_continue"}


class HTCondor(BatchSystem):
    """The hooks of HTCondor."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._schedd = Schedd(host)
        self._sources = Sources(host, self._schedd)
        self._shared: bool | None = None  # whether all machines have our FileSystemDomain

    def anybatch_settings(self) -> Sequence[Setting]:
        """Every command of a submit description, attributes, and a few of our own."""
        return SETTINGS

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        """The tools are there and the schedd answers."""
        if missing := missing_tools(self.host, _TOOLS, _SIGNS):
            return missing
        queue = ("condor_q", "-limit", "1", "-json", "-attributes", "ClusterId")
        try:
            version = run(self.host, make_command("condor_version", timeout=_QUICK)).stdout
            run(self.host, make_command(*queue, timeout=_QUICK))
        except CommandError as error:
            return no_answer(self.host, "the schedd", error, parse.NOT_SET_UP, _SIGNS)
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
        fetches, context = settings["url_schemes"], self._schedd.context()
        return Limits(
            array=1_000_000,
            max_running=True,
            urgency=True,
            fetches=fetches,
            render_context=context,
        )

    def anybatch_nodes(self, settings: Mapping[str, Any]) -> Sequence[NodeKind] | None:
        """The machines of the pool; where jobs may flock to others, nobody knows."""
        return None if self._schedd.flocks() else self._schedd.nodes()

    def anybatch_expand(
        self, job: Job, settings: Mapping[str, Any], base_dir: Path
    ) -> Sequence[Job] | None:
        """The job with paths that do not depend on where condor_submit starts from.

        Raises:
            UsageError: an image that the pool runs the job in is a path, and is not there.
        """
        given = {name: settings[name] for name in PATHS if settings[name] is not None}
        whole = {name: str(base_dir / str(path)) for name, path in given.items()}
        image = self._image(job, settings, base_dir)
        if whole == given and image == job.container:
            return None
        tables = {**job.settings.get("htcondor", {}), **whole}
        settings = {**job.settings, "htcondor": tables} if whole else job.settings
        return [attrs.evolve(job, container=image, settings=settings)]

    def _image(self, job: Job, settings: Mapping[str, Any], base_dir: Path) -> str | None:
        """The image, absolute where the pool runs the job in one that is a path.

        An absolute path may be one of the machines, such as `/cvmfs`, where files are transferred.
        """
        image = job.container
        if image is None or "://" in image or not render.is_contained(image, settings):
            return image
        path = Path(os.path.normpath(base_dir / image))
        is_ours = str(path) != image or self.anybatch_transfer(job, settings) is Transfer.SHARED
        if is_ours and not self.host.exists(path):
            raise UsageError(f"htcondor: the image {path} is not there")
        return str(path)

    def anybatch_environment(
        self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
    ) -> Environment:
        """What HTCondor gives a job is not inherited from elsewhere."""
        contained = render.is_contained(job.container, settings)
        proxy = any(settings[name] for name in ("x509userproxy", "use_x509userproxy"))
        return Environment(
            scrub=(
                *GIVEN,
                *(PROXY if proxy else ()),
                *(OUTSIDE if contained else ()),
            ),
            keep=("CONDOR_CONFIG",),
            runs_container=contained,
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
            self._shared = not self._schedd.ask("condor_status", *machine, *foreign)
        return self._shared

    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `render`."""
        return render.render(submission)

    def anybatch_check(self, submission: Submission, rendered: Rendered) -> str:
        """One `condor_submit -dry-run`, which reads the description and asks no daemon."""
        command = render.as_question(submission)
        completed = self.host.run(command)
        if completed.ok:
            said = "; ".join(parse.warnings(completed.stderr))
            start = "condor_submit takes the description; it cannot tell when jobs would start"
            return f"{start}; {said}" if said else start
        if refused(completed, _TRANSIENT):
            raise Rejected(parse.complain(completed.stderr))
        raise CommandFailed(command, completed)

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """One condor_submit, which is a transaction: all jobs are there, or none."""
        self._schedd.must_be(schedd_of(submission), again=False)
        completed = self.host.run(rendered.command)
        cluster = parse.submitted_cluster(completed.stdout, submission.count)
        if completed.ok and cluster:
            ids = parse.natives(cluster, submission.count)
            return Submitted(ids, parse.warnings(completed.stderr))
        if not cluster and _NO_ROOM.search(completed.stderr):
            raise NoRoom(f"htcondor: {parse.complain(completed.stderr)}")
        lacking = _NO_CREDENTIALS.search(completed.stderr) and completed.returncode > 0
        if not cluster and (lacking or refused(completed, _TRANSIENT)):
            raise Rejected(parse.complain(completed.stderr))
        raise CommandFailed(rendered.command, completed)

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The cluster of the submission's event log, else the one with the token."""
        log = Log(
            render.log_path(submission.folder, submission.number), self.host, submission.token
        )
        log.catch_up()
        if log.clusters:
            return parse.natives(min(log.clusters), submission.count)
        self._schedd.must_be(schedd_of(submission))
        cluster = self._schedd.find(submission.token, self.host.user)
        return [] if cluster is None else parse.natives(cluster, submission.count)

    def anybatch_status(
        self, batches: Sequence[Batch]
    ) -> Sequence[Mapping[str, JobStatus | Unreachable]]:
        """See `sources`."""
        return self._sources.statuses(batches)

    def anybatch_analyze(self, batch: Batch) -> str:
        """One `condor_q -better-analyze`."""
        self._schedd.must_be(schedd_of(batch.submission))
        return self._schedd.analyze((batch.submission.token, batch.ids[:1]))

    def anybatch_account(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """What the event logs tell; nobody is asked."""
        return self._sources.use(batches)

    def anybatch_throttle(self, batch: Batch, most: int) -> bool:
        """One condor_qedit of the cluster, if it was submitted to be materialized late."""
        self._schedd.must_be(schedd_of(batch.submission))
        return self._schedd.throttle(batch.submission.token, most)

    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, str | Unreachable]]:
        """One command, more where thousands are not in a row; jobs that are gone are no error.

        What a signal means depends on a batch's settings (`kill_sig`).
        """
        for batch in batches:  # nothing is sent where one signal cannot be
            _program(signal, batch.submission.settings)

        def which(batch: Batch) -> tuple[str | None, str]:
            return schedd_of(batch.submission), _program(signal, batch.submission.settings)

        def stop(group: Sequence[Batch]) -> Mapping[str, str | Unreachable]:
            schedd, program = which(group[0])
            if why := self._schedd.is_another(schedd, again=False):
                return dict.fromkeys(chain(*(batch.ids for batch in group)), Unreachable(why))
            jobs = [(batch.submission.token, batch.ids) for batch in group]
            if self._schedd.tell(program, jobs) and sum(len(ids) for _, ids in jobs) == 1:
                return {}
            self._schedd.must_be(schedd)
            foreign = self._schedd.foreign(jobs)
            return {native: why for one in foreign for native, why in one.items()}

        def unasked(batch: Batch, error: CommandError) -> Mapping[str, Unreachable]:
            return dict.fromkeys(batch.ids, Unreachable(str(error)))

        return ask_each_group(batches, which, stop, unasked)


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
