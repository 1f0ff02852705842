"""The hooks of the Slurm plugin: which command is run when, and what its failure means."""

from __future__ import annotations

import contextlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs
from anybatch import hookimpl
from anybatch.errors import CommandError, CommandFailed, CommandTimeout, Rejected, UsageError
from anybatch.host import Command
from anybatch.records import Detection, Environment, JobStatus, Limits

from anybatch_slurm import parse, render
from anybatch_slurm.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.host import Completed, Host
    from anybatch.records import Rendered, Setting, Submission

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

_TRANSIENT = re.compile(
    r"Socket timed out|Unable to contact slurm|Connection (refused|timed out|reset)|"
    r"Zero Bytes were transmitted|temporarily|Resource temporarily|Transport endpoint|"
    r"Slurm(ctld)? .*(not respond|in use by|busy)|Problem talking to database|"
    r"Unspecified error|Slurm backup controller in standby mode|"
    r"Job violates accounting/QOS policy|Too many open files|Protocol authentication error|"
    r"slurm_receive_msg|Slurm controller not respond|Could not establish a configuration source",
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
    tools = ("sbatch", "squeue", "scancel", "scontrol")
    missing = [name for name in tools if host.which(name) is None]
    if missing:
        return Detection(available=False, reason=f"{missing[0]} is not on the PATH")
    try:
        answer = _run(host, settings, "scontrol", "ping")
        cluster = _cluster(host, settings)
    except CommandError as error:
        set_up = parse.NOT_SET_UP.search(str(error)) is None
        reason = f"the controller does not answer: {error}"
        return Detection(available=False, unreachable=set_up, reason=reason)
    return Detection(
        available=True,
        reason=answer.stdout.strip().partition("\n")[0],
        version=cluster.version,
        details={
            "cluster": cluster.name,
            "accounting": "on" if cluster.accounting else "off",
            "default partition": _default_partition(host, settings),
            "largest array": str(cluster.array),
        },
    )


def _default_partition(host: Host, settings: Mapping[str, Any]) -> str:
    try:
        answer = _run(host, settings, "sinfo", "--noheader", "--format=%P")
    except CommandError:
        return "not known"
    return parse.default_partition(answer.stdout) or "none"


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
    """One sbatch. What Slurm refuses for good is told from what may pass, or may have arrived."""
    completed = host.run(rendered.command)
    job = parse.submitted_id(completed.stdout)
    if completed.ok and job:
        return _ids(job, submission.count)
    said = completed.stderr.strip()
    refused = completed.returncode > 0 and said and not job
    if not refused or _TRANSIENT.search(said):
        raise CommandFailed(rendered.command, completed)
    raise Rejected(parse.complain(completed))


@hookimpl
def anybatch_find(submission: Submission, host: Host) -> Sequence[str]:
    """The job whose comment begins with the token: in the queue, else in accounting."""
    settings = submission.settings
    user = f"--user={host.user}"
    fields = "--Format=ArrayJobID:|,Reason:|,Comment:|"
    everything = ("--noheader", "--all", "--states=all")
    listed = _run(host, settings, "squeue", *everything, user, fields).stdout
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
    answers = parse.read_squeue(_squeue(ids, settings, host))
    missing = [native for native in ids if native not in answers]
    if missing:
        more = _sacct if _cluster(host, settings).accounting else _scontrol
        answers = {**more(missing, settings, host), **answers}
    return {**parse.removed_elements(ids, answers), **answers}


def _squeue(ids: Sequence[str], settings: Mapping[str, Any], host: Host) -> str:
    jobs = _jobs(ids)
    # A single id that it does not know makes squeue fail; of several it leaves out the unknown.
    several = ",".join([*jobs, jobs[0]])
    which = f"--jobs={several}" if len(jobs) <= MOST_IDS else f"--user={host.user}"
    fields = ",".join(f"{field}:|" for field in parse.SQUEUE_FIELDS)
    options = ("--noheader", "--all", "--states=all", which, f"--Format={fields}")
    return _ask(host, settings, "squeue", *options)


def _sacct(ids: Sequence[str], settings: Mapping[str, Any], host: Host) -> dict[str, JobStatus]:
    fields = f"--format={','.join(parse.SACCT_FIELDS)}"
    options = ("--noheader", "--parsable2", "--duplicates", "--starttime=1970-01-01", fields)
    jobs = _jobs(ids)
    found: dict[str, JobStatus] = {}
    for start in range(0, len(jobs), MOST_IDS):
        which = f"--jobs={','.join(jobs[start : start + MOST_IDS])}"
        found |= parse.read_sacct(_ask(host, settings, "sacct", *options, which))
    return found


def _scontrol(ids: Sequence[str], settings: Mapping[str, Any], host: Host) -> dict[str, JobStatus]:
    """What the controller says of one job or array; it takes no list.

    Without an id it would print every job of the cluster, and it knows no more than squeue.
    """
    jobs = _jobs(ids)
    if len(jobs) > 1:
        return {}
    return parse.read_scontrol(_ask(host, settings, "scontrol", "--oneliner", "show", "job", *jobs))


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
    """One scancel, and one squeue where there are many; what is gone is no error to it."""
    if signal is None:
        if len(ids) >= MANY_TO_STOP:
            ids = parse.whole_arrays(ids, parse.read_squeue(_squeue(ids, settings, host)))
        _scancel(_command(settings, "scancel", *parse.compress(ids)), host)
    else:
        _send(ids, signal, settings, host)


def _send(ids: Sequence[str], signal: str, settings: Mapping[str, Any], host: Host) -> None:
    """Send a signal to those that run, for which squeue is asked.

    To one that waits it is of no use, and KILL would end all that wait in its array (22.05).
    """
    # To the job script alone, which passes it on; KILL it cannot pass on, so to everybody.
    # Without either option a signal reaches only steps that srun has started (22.05).
    options = (f"--signal={signal}", "--full" if signal == "KILL" else "--batch")
    jobs, apart = parse.running_jobs(ids, _squeue(ids, settings, host))
    if signal == "KILL":
        jobs, apart = jobs + apart, []
    if jobs:
        _scancel(_command(settings, "scancel", *options, *parse.compress(jobs)), host)
    # While several of an array wait, scancel (22.05) signals ten of those that run, takes the
    # answer for a failure, and does so again after five seconds, ten times.
    for start in range(0, len(apart), 10):
        some = parse.compress(apart[start : start + 10])
        command = _command(settings, "scancel", *options, *some)
        with contextlib.suppress(CommandTimeout):
            _scancel(attrs.evolve(command, timeout=timedelta(seconds=4)), host)


def _scancel(command: Command, host: Host) -> None:
    completed = host.run(command)
    if completed.ok or parse.only_unknown_ids(completed.stderr):
        return
    if re.search(r"(unknown|invalid).* signal", completed.stderr, re.IGNORECASE):
        raise UsageError(f"slurm: {completed.stderr.strip()}")
    raise CommandFailed(command, completed)


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
