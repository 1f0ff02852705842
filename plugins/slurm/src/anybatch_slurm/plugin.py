"""The hooks of Slurm. Each cluster is asked about its own jobs, as its `Cluster` knows how.

A job belongs to the cluster that it was submitted to, wherever the settings and the environment of
the session that asks lead. Clusters number their jobs alike: an answer of another one is about
somebody else's job.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from anybatch.commands import ask_each_group, missing_tools, no_answer
from anybatch.errors import (
    CommandError,
    CommandFailed,
    NoRoom,
    NotSubmitted,
    Rejected,
    UsageError,
)
from anybatch.records import Detection, Environment, Limits, Unreachable
from anybatch.system import BatchSystem

from anybatch_slurm import parse, refusals, render
from anybatch_slurm.cluster import Cluster
from anybatch_slurm.identity import identity_of
from anybatch_slurm.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.nodes import NodeKind
    from anybatch.records import Batch, JobStatus, Rendered, Setting, Submission

    from anybatch_slurm.identity import Identity

Answer = TypeVar("Answer")

#: Seconds for which a request that sbatch gave up may still be on its way, at least. A controller
#: that hangs takes what waits when it goes on, and is asked itself whether the jobs are there.
_LATE = 60
_TOOLS = ("sbatch", "squeue", "scancel", "scontrol")
#: Only where there is a cluster; its tools may not be on the PATH, as before `module load slurm`.
_SIGNS = (
    *("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTER_NAME", "SLURM_JOB_ID"),
    *("/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/run/slurm/conf/slurm.conf"),
    "/usr/local/etc/slurm.conf",
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
        if missing := missing_tools(self.host, _TOOLS, _SIGNS):
            return missing
        cluster = self._cluster(self._named(settings))
        try:
            up = cluster.ping()
            config = cluster.config
        except CommandError as error:
            return no_answer(self.host, "the controller", error, parse.NOT_SET_UP, _SIGNS)
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
            max_running=True,
            urgency=True,
            reruns=bool(
                settings.get("requeue") or (config.requeue and not settings.get("no-requeue"))
            ),
            late_arrival=timedelta(seconds=max(_LATE, 2 * config.patience)),
            render_context={
                "cluster": config.name,
                "controllers": ",".join(config.controllers),
                **({"clusters": name} if name else {}),
            },
        )

    def anybatch_nodes(self, settings: Mapping[str, Any]) -> Sequence[NodeKind]:
        """The partitions with their nodes, whatever state those are in now."""
        environ = self.host.environ
        partition = settings.get("partition") or environ.get("SBATCH_PARTITION")
        kinds = self._cluster(self._named(settings)).nodes()
        if partition:
            named = str(partition).split(",")
            kinds = [attrs.evolve(kind, usual=kind.queue in named) for kind in kinds]
        if settings.get("qos") or environ.get("SBATCH_QOS"):  # may allow more than the partition
            kinds = [attrs.evolve(kind, time=None) for kind in kinds]
        return kinds

    def anybatch_environment(
        self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
    ) -> Environment:
        """What Slurm sets belongs to one job; where the cluster is does not."""
        if job.urgency > 0 and not self._cluster(self._named(settings)).lets_raise(self.host.user):
            raise UsageError(
                f"slurm: urgency {job.urgency}: only operators of the cluster may ask for more "
                f"than 0 (--nice below 0). Give jobs that may come later one below 0 instead"
            )
        return Environment(
            scrub=("SLURM_*", "SLURMD_*", "SBATCH_*", "SRUN_*", "PMI_*", "PMI2_*", "PMIX_*"),
            keep=("SLURM_CONF", "SLURM_CLUSTERS"),
        )

    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `render`."""
        return render.render(submission)

    def anybatch_check(self, submission: Submission, rendered: Rendered) -> str:
        """One `sbatch --test-only`, which keeps nothing; it uses up a job number."""
        self._must_be_certain(self._cluster_of(submission), submission)
        command = render.as_question(rendered)
        completed = self.host.run(command)
        failure = refusals.judge(completed)
        if completed.ok:
            return parse.read_estimate(completed.stderr)
        if failure is refusals.Failure.FOR_GOOD:
            raise Rejected(refusals.explain(completed))
        if failure is refusals.Failure.UNCLEAR:
            raise CommandFailed(command, completed)
        raise NotSubmitted(refusals.explain(completed))

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """One sbatch. See `refusals` for what it means when that fails."""
        cluster = self._cluster_of(submission)
        self._must_be_certain(cluster, submission)
        if submission.after and (why := cluster.unfit_dependency(submission.after)):
            # `afterok` on a job that Slurm has forgotten counts as fulfilled (22.05 to 26.05).
            raise NotSubmitted(f"{why}; it is submitted when that job has ended or can be asked")
        completed = self.host.run(rendered.command)
        job = parse.submitted_id(completed.stdout)
        if completed.ok and job:
            return _ids(job, submission.count)
        failure = refusals.judge(completed)
        if failure is refusals.Failure.FOR_GOOD:
            raise Rejected(refusals.explain(completed))
        if failure is refusals.Failure.NO_ROOM:
            raise NoRoom(refusals.explain(completed))
        if failure is refusals.Failure.FOR_NOW:
            raise NotSubmitted(refusals.explain(completed))
        raise CommandFailed(rendered.command, completed)

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The job whose comment begins with the token, or that runs the submission's script."""
        cluster = self._cluster_of(submission)
        job = cluster.find(identity_of(submission))
        if job is None:
            self._must_be_certain(cluster, submission)
        return _ids(job, submission.count) if job else []

    def anybatch_status(
        self, batches: Sequence[Batch]
    ) -> Sequence[Mapping[str, JobStatus | Unreachable]]:
        """One squeue for each cluster; nothing is said of jobs of a cluster that is away."""

        def ask(group: Sequence[Batch]) -> Mapping[str, Mapping[str, JobStatus | Unreachable]]:
            cluster, submission = self._cluster(_name(group)), group[0].submission
            if elsewhere := _elsewhere(cluster, group):
                return elsewhere
            return cluster.statuses(_wanted(group), certain=_is_certain(cluster, submission))

        return _own(batches, ask_each_group(batches, _where, ask, _unasked))

    def anybatch_account(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """One sacct for each cluster that has accounting."""

        def ask(group: Sequence[Batch]) -> Mapping[str, Mapping[str, JobStatus]]:
            cluster = self._cluster_of(group[0].submission)
            if not cluster.config.accounting:
                return {}
            found, error = cluster.accounted(_wanted(group))
            if error and not found:
                raise error
            return found

        return _own(batches, ask_each_group(batches, _where, ask, lambda *_: {}))

    def anybatch_throttle(self, batch: Batch, most: int) -> bool:
        """One squeue, to be sure whose job it is, and one scontrol; single jobs have no such."""
        if batch.submission.count == 1:
            return False
        cluster = self._cluster_of(batch.submission)
        if not _is_certain(cluster, batch.submission):
            return False
        return cluster.throttle(_wanted([batch]), most)

    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, str | Unreachable]]:
        """One squeue for each cluster, to be sure whose jobs they are, and one scancel."""

        def ask(group: Sequence[Batch]) -> Mapping[str, Mapping[str, str | Unreachable]]:
            cluster, wanted = self._cluster(_name(group)), _wanted(group)
            if elsewhere := _elsewhere(cluster, group):
                return elsewhere
            certain = _is_certain(cluster, group[0].submission)
            if signal is None:
                return cluster.stop(wanted, certain=certain)
            return cluster.send(wanted, signal, certain=certain)

        return _own(batches, ask_each_group(batches, _where, ask, _unasked))

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

    def _must_be_certain(self, cluster: Cluster, submission: Submission) -> None:
        """Check that nothing is submitted to another cluster of the same name.

        Raises:
            CommandError: none of its controllers is one of those that jobs were planned for.
        """
        if not _is_certain(cluster, submission):
            cluster.led_by_others(submission.limits.render_context["controllers"])


def _name(group: Sequence[Batch]) -> str | None:
    return render.cluster_name(group[0].submission)


def _elsewhere(
    cluster: Cluster, group: Sequence[Batch]
) -> Mapping[str, Mapping[str, Unreachable]] | None:
    """That the jobs of a group are in another cluster than this; None: they are not.

    Raises:
        CommandError: it does not tell.
    """
    expected = group[0].submission.limits.render_context.get("cluster")
    if why := cluster.is_another(expected) if expected else "":
        there = Unreachable(why)
        return {one.token: dict.fromkeys(ids, there) for one, ids in _wanted(group).items()}
    return None


def _unasked(batch: Batch, error: CommandError) -> Mapping[str, Mapping[str, Unreachable]]:
    return {batch.submission.token: dict.fromkeys(batch.ids, Unreachable(str(error)))}


def _is_certain(cluster: Cluster, submission: Submission) -> bool:
    """Whether this is the cluster of the submission's jobs, and not one of the same name."""
    return cluster.is_led_by(submission.limits.render_context.get("controllers", ""))


def _where(batch: Batch) -> Hashable:
    """What decides whom to ask about a batch."""
    context = batch.submission.limits.render_context
    name = render.cluster_name(batch.submission)
    return name, context.get("cluster"), context.get("controllers")


def _wanted(group: Sequence[Batch]) -> dict[Identity, list[str]]:
    """The ids that are asked about, by whose they are."""
    wanted: dict[Identity, list[str]] = {}
    for batch in group:
        wanted.setdefault(identity_of(batch.submission), []).extend(batch.ids)
    return wanted


def _own(
    batches: Sequence[Batch], answers: Sequence[Mapping[str, Mapping[str, Answer]]]
) -> list[Mapping[str, Answer]]:
    """Of the answers to a batch's group those to its own submission."""
    return [
        answer.get(batch.submission.token, {})
        for batch, answer in zip(batches, answers, strict=True)
    ]


def _ids(job: str, count: int) -> list[str]:
    return [f"{job}_{element}" for element in range(count)] if count > 1 else [job]
