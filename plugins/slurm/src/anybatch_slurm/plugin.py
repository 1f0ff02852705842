"""The hooks of Slurm. Each cluster is asked about its own jobs, as its `Cluster` knows how.

A job belongs to the cluster that it was submitted to, wherever the settings and the environment of
the session that asks lead. Clusters number their jobs alike: an answer of another one is about
somebody else's job.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from anybatch.commands import ask_each_group, missing_tools, no_answer, refused
from anybatch.errors import CommandError, CommandFailed, Rejected, UsageError
from anybatch.records import Detection, Environment, Limits
from anybatch.system import BatchSystem

from anybatch_slurm import parse, render
from anybatch_slurm.cluster import Cluster
from anybatch_slurm.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import Batch, JobStatus, Rendered, Setting, Submission

_TOOLS = ("sbatch", "squeue", "scancel", "scontrol")
_TRANSIENT = re.compile(
    r"Socket timed out|Unable to contact slurm|Connection (refused|timed out|reset)|"
    r"Zero Bytes were transmitted|temporarily|Resource temporarily|Transport endpoint|"
    r"Slurm(ctld)? .*(not respond|in use by|busy)|Problem talking to database|"
    r"Unspecified error|Slurm backup controller in standby mode|"
    r"Job violates accounting/QOS policy|Too many open files|Protocol authentication error|"
    r"slurm_receive_msg|Slurm controller not respond|Could not establish a configuration source",
    re.IGNORECASE,
)


class Slurm(BatchSystem):
    """The hooks of Slurm."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._clusters: dict[str | None, Cluster] = {}

    def anybatch_settings(self) -> Sequence[Setting]:
        """Every long option of sbatch, and a few of our own."""
        return SETTINGS

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        """The tools are there and the controller answers."""
        if missing := missing_tools(self.host, _TOOLS):
            return missing
        cluster = self._cluster(self._named(settings))
        try:
            up = cluster.ping()
            config = cluster.config
        except CommandError as error:
            return no_answer("the controller", error, parse.NOT_SET_UP)
        return Detection(
            available=True,
            reason=up,
            version=config.version,
            details={
                "cluster": config.name,
                "accounting": "on" if config.accounting else "off",
                "default partition": cluster.default_partition(),
                "largest array": str(config.array),
            },
        )

    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        """The cluster's MaxArraySize, asked once for each cluster."""
        name = self._named(settings)
        config = self._cluster(name).config
        return Limits(
            array=min(config.array, settings["max_array"] or config.array),
            dependencies=True,
            render_context={"cluster": config.name, **({"clusters": name} if name else {})},
        )

    def anybatch_environment(
        self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
    ) -> Environment:
        """What Slurm sets belongs to one job; where the cluster is does not."""
        return Environment(
            scrub=("SLURM_*", "SLURMD_*", "SBATCH_*", "SRUN_*", "PMI_*", "PMI2_*", "PMIX_*"),
            keep=("SLURM_CONF", "SLURM_CLUSTERS"),
        )

    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `render`."""
        return render.render(submission)

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """One sbatch. A refusal for good is told from what may pass, or may have arrived."""
        self._cluster_of(submission)
        completed = self.host.run(rendered.command)
        job = parse.submitted_id(completed.stdout)
        if completed.ok and job:
            return _ids(job, submission.count)
        if refused(completed, _TRANSIENT) and not job:
            raise Rejected(parse.complain(completed))
        raise CommandFailed(rendered.command, completed)

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The job whose comment begins with the token."""
        job = self._cluster_of(submission).find(submission.token)
        return _ids(job, submission.count) if job else []

    def anybatch_status(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus | None]]:
        """One squeue for each cluster; nothing is said of jobs of a cluster that is away."""

        def ask(group: Sequence[Batch]) -> Mapping[str, JobStatus | None]:
            return self._cluster_of(group[0].submission).statuses(_ids_of(group))

        return ask_each_group(batches, _where, ask, lambda batch, _: dict.fromkeys(batch.ids))

    def anybatch_account(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """One sacct for each cluster that has accounting."""

        def ask(group: Sequence[Batch]) -> Mapping[str, JobStatus]:
            cluster = self._cluster_of(group[0].submission)
            return cluster.accounted(_ids_of(group)) if cluster.config.accounting else {}

        return ask_each_group(batches, _where, ask, lambda *_: {})

    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, str]]:
        """One scancel for each cluster."""

        def ask(group: Sequence[Batch]) -> Mapping[str, str]:
            cluster, ids = self._cluster_of(group[0].submission), _ids_of(group)
            if signal is None:
                cluster.stop(ids)
            else:
                cluster.send(ids, signal)
            return {}

        def unasked(batch: Batch, error: CommandError) -> Mapping[str, str]:
            return dict.fromkeys(batch.ids, str(error))

        return ask_each_group(batches, _where, ask, unasked)

    def _named(self, settings: Mapping[str, Any]) -> str | None:
        """The cluster that jobs with these settings are submitted to; None: the one that is here.

        Raises:
            UsageError: there are several to choose from. Nothing would tell later which of
                them has the jobs.
        """
        named = render.named_cluster(settings)
        variables = (self.host.environ.get(name) for name in ("SBATCH_CLUSTERS", "SLURM_CLUSTERS"))
        name = next(filter(None, (named, *variables)), None)
        if name and ("," in name or name == "all"):
            raise UsageError(
                f"slurm.clusters: {name!r} is more than one cluster; name one with the setting "
                f"slurm.clusters or the variable SBATCH_CLUSTERS"
            )
        return name

    def _cluster(self, name: str | None) -> Cluster:
        return self._clusters.setdefault(name, Cluster(self.host, name))

    def _cluster_of(self, submission: Submission) -> Cluster:
        """The cluster that a submission belongs to.

        Raises:
            CommandError: the commands here lead to another one, or do not tell.
        """
        cluster = self._cluster(render.cluster_name(submission))
        if expected := submission.limits.render_context.get("cluster"):
            cluster.must_be(expected)
        return cluster


def _where(batch: Batch) -> Hashable:
    """What decides whom to ask about a batch."""
    submission = batch.submission
    return render.cluster_name(submission), submission.limits.render_context.get("cluster")


def _ids_of(group: Sequence[Batch]) -> list[str]:
    return [native for batch in group for native in batch.ids]


def _ids(job: str, count: int) -> list[str]:
    return [f"{job}_{element}" for element in range(count)] if count > 1 else [job]
