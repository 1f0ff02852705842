"""The hooks of the Slurm plugin: which command is run when, and what its failure means."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from anybatch import hookimpl
from anybatch.errors import CommandFailed, CommandNotFound, Rejected, UsageError
from anybatch.host import Command
from anybatch.records import Detection, Environment, JobStatus, Limits

from anybatch_slurm import parse, render
from anybatch_slurm.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.host import Completed, Host
    from anybatch.records import Rendered, Setting, Submission

#: Slurm's own variables say "you are inside a job"; a command must not believe it.
HIDDEN = ("SLURM_JOB*", "SLURM_ARRAY*", "SLURM_STEP*", "SLURM_TASK*", "SBATCH_*", "SQUEUE_*")
FORMATS = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
MOST_IDS = 2000  #: more in one command line, and squeue is asked for the user's jobs instead

_TRANSIENT = re.compile(
    r"Socket timed out|Unable to contact slurm|Connection (refused|timed out|reset)|"
    r"Zero Bytes were transmitted|temporarily|Resource temporarily|Transport endpoint|"
    r"Slurm(ctld)? .*(not respond|in use by|busy)|Problem talking to database|"
    r"Unspecified error|Slurm backup controller in standby mode|"
    r"Job violates accounting/QOS policy|Too many open files|Protocol authentication error|"
    r"slurm_receive_msg|Slurm controller not respond",
    re.IGNORECASE,
)
_clusters: WeakKeyDictionary[Host, parse.Cluster] = WeakKeyDictionary()


@hookimpl
def anybatch_settings() -> Iterable[Setting]:
    """Every long option of sbatch, and a few of our own."""
    return SETTINGS


@hookimpl
def anybatch_detect(host: Host, settings: Mapping[str, Any]) -> Detection:
    """The tools are there and the controller answers."""
    missing = [name for name in ("sbatch", "squeue", "scancel") if host.which(name) is None]
    if missing:
        return Detection(available=False, reason=f"{missing[0]} is not on the PATH")
    try:
        answer = _run(host, settings, "scontrol", "ping")
        cluster = _cluster(host, settings)
    except (CommandFailed, CommandNotFound) as error:
        return Detection(available=False, reason=f"the controller does not answer: {error}")
    partition = parse.default_partition(
        host.run(_command(settings, "sinfo", "--noheader", "--format=%P")).stdout
    )
    return Detection(
        available=True,
        reason=answer.stdout.strip().splitlines()[0],
        version=cluster.version,
        details={
            "cluster": cluster.name,
            "accounting": "on" if cluster.accounting else "off",
            "default partition": partition or "none",
            "largest array": str(cluster.array),
        },
    )


@hookimpl
def anybatch_limits(host: Host, settings: Mapping[str, Any]) -> Limits:
    """The cluster's MaxArraySize, asked once."""
    size = _cluster(host, settings).array
    return Limits(array=min(size, settings["max_array"] or size), dependencies=True)


@hookimpl
def anybatch_environment() -> Environment:
    """What Slurm sets belongs to one job; where the cluster is does not."""
    return Environment(
        scrub=("SLURM_*", "SLURMD_*", "SBATCH_*", "SRUN_*", "PMI_*", "PMI2_*", "PMIX_*"),
        keep=("SLURM_CONF", "SLURM_CLUSTERS"),
    )


@hookimpl
def anybatch_render(submission: Submission) -> Rendered:
    """See `render`."""
    return render.render(submission)


@hookimpl
def anybatch_submit(submission: Submission, rendered: Rendered, host: Host) -> Sequence[str]:
    """One sbatch. What Slurm refuses for good is told from what may pass."""
    completed = host.run(rendered.command)
    job = parse.submitted_id(completed.stdout)
    if completed.ok and job:
        return _ids(job, submission.count)
    if completed.ok or _TRANSIENT.search(completed.stderr):
        raise CommandFailed(rendered.command, completed)
    raise Rejected(parse.complain(completed))


@hookimpl
def anybatch_find(submission: Submission, host: Host) -> Sequence[str]:
    """The job whose comment begins with the token: in the queue, else in accounting."""
    settings = submission.settings
    user = f"--user={host.user}"
    fields = "--Format=ArrayJobID:|,Reason:|,Comment:|"
    listed = _run(host, settings, "squeue", "--noheader", "--states=all", user, fields).stdout
    jobs = parse.jobs_with(submission.token, listed)
    if not jobs and _cluster(host, settings).accounting:
        options = ("--noheader", "--parsable2", "--allocations", user, "--starttime=now-30days")
        kept = _run(host, settings, "sacct", *options, "--format=JobID,Reason,Comment").stdout
        jobs = parse.jobs_with(submission.token, kept)
    return _ids(jobs[0], submission.count) if jobs else []


def _ids(job: str, count: int) -> list[str]:
    return [f"{job}_{element}" for element in range(count)] if count > 1 else [job]


@hookimpl
def anybatch_status(
    ids: Sequence[str], settings: Mapping[str, Any], host: Host
) -> Mapping[str, JobStatus]:
    """One squeue for all; for those that it no longer knows one sacct, else one scontrol."""
    answers = _squeue(ids, settings, host)
    missing = [native for native in ids if native not in answers]
    if missing:
        more = _sacct if _cluster(host, settings).accounting else _scontrol
        answers = {**more(missing, settings, host), **answers}
    return {**parse.removed_elements(ids, answers), **answers}


def _squeue(ids: Sequence[str], settings: Mapping[str, Any], host: Host) -> dict[str, JobStatus]:
    jobs = _jobs(ids)
    # A single id that it does not know makes squeue fail; of several it leaves out the unknown.
    several = ",".join([*jobs, jobs[0]])
    which = f"--jobs={several}" if len(jobs) <= MOST_IDS else f"--user={host.user}"
    fields = ",".join(f"{field}:|" for field in parse.SQUEUE_FIELDS)
    options = ("--noheader", "--all", "--states=all", which, f"--Format={fields}")
    return parse.read_squeue(_ask(host, settings, "squeue", *options))


def _sacct(ids: Sequence[str], settings: Mapping[str, Any], host: Host) -> dict[str, JobStatus]:
    which = f"--jobs={','.join(_jobs(ids))}"
    fields = f"--format={','.join(parse.SACCT_FIELDS)}"
    options = ("--noheader", "--parsable2", "--duplicates", "--starttime=1970-01-01")
    return parse.read_sacct(_ask(host, settings, "sacct", *options, which, fields))


def _scontrol(ids: Sequence[str], settings: Mapping[str, Any], host: Host) -> dict[str, JobStatus]:
    jobs = _jobs(ids)
    which = jobs if len(jobs) == 1 else []
    return parse.read_scontrol(
        _ask(host, settings, "scontrol", "--oneliner", "show", "job", *which)
    )


def _jobs(ids: Sequence[str]) -> list[str]:
    """The arrays (or single jobs) that ids belong to, each once."""
    return list(dict.fromkeys(native.partition("_")[0] for native in ids))


@hookimpl
def anybatch_account(
    ids: Sequence[str], settings: Mapping[str, Any], host: Host
) -> Mapping[str, JobStatus]:
    """One sacct, where accounting is on."""
    return _sacct(ids, settings, host) if _cluster(host, settings).accounting else {}


@hookimpl
def anybatch_terminate(
    ids: Sequence[str], signal: str | None, settings: Mapping[str, Any], host: Host
) -> None:
    """One scancel; ids that are unknown or have ended are no error to it."""
    command = _command(settings, "scancel", *_how(signal), *parse.compress(ids))
    completed = host.run(command)
    if not completed.ok and "signal" in completed.stderr.lower():
        raise UsageError(f"slurm: there is no signal {signal!r}")
    if not completed.ok and parse.UNKNOWN_ID not in completed.stderr:
        raise CommandFailed(command, completed)


def _how(signal: str | None) -> tuple[str, ...]:
    """To the job script alone, which passes it on; KILL it cannot pass on, so to everybody.

    Without either option a signal reaches only steps that srun has started (22.05).
    """
    if signal is None:
        return ()
    return (f"--signal={signal}", "--full" if signal == "KILL" else "--batch")


# -- commands


def _command(settings: Mapping[str, Any], program: str, *arguments: str) -> Command:
    clusters = settings.get("clusters")
    where = (f"--clusters={clusters}",) if clusters else ()
    return Command(
        (program, *where, *arguments),
        timeout=timedelta(seconds=60),
        hide_env=HIDDEN,
        env=FORMATS,
    )


def _run(host: Host, settings: Mapping[str, Any], program: str, *arguments: str) -> Completed:
    command = _command(settings, program, *arguments)
    completed = host.run(command)
    if not completed.ok:
        raise CommandFailed(command, completed)
    return completed


def _ask(host: Host, settings: Mapping[str, Any], program: str, *arguments: str) -> str:
    """What a command prints; nothing where its one id is unknown, which squeue makes an error."""
    command = _command(settings, program, *arguments)
    completed = host.run(command)
    if completed.ok or parse.UNKNOWN_ID in completed.stderr:
        return completed.stdout
    raise CommandFailed(command, completed)


def _cluster(host: Host, settings: Mapping[str, Any]) -> parse.Cluster:
    if host not in _clusters:
        _clusters[host] = parse.read_config(
            _run(host, settings, "scontrol", "show", "config").stdout
        )
    return _clusters[host]
