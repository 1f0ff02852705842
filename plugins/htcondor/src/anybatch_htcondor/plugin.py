"""The hooks of the HTCondor plugin: which command is run when, and what its failure means."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from anybatch import hookimpl
from anybatch.errors import CommandError, CommandFailed, Rejected, UsageError
from anybatch.records import Detection, Environment, JobStatus, Limits, Transfer

from anybatch_htcondor import parse, render
from anybatch_htcondor.eventlog import Log
from anybatch_htcondor.settings import SETTINGS
from anybatch_htcondor.sources import SCAN, Sources, ask, make_command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import Rendered, Setting, Submission

#: What may pass by itself, or may have arrived.
_TRANSIENT = re.compile(
    r"Can't find address|Failed to connect|connect to|SECMAN|AUTHENTICATE|timed? ?out|"
    r"not respond|may be overloaded|Failed to (end|create new|commit)|Communications? error|"
    r"Unable to connect|temporarily",
    re.IGNORECASE,
)
_SIGNALS = {"STOP": "condor_suspend", "TSTP": "condor_suspend", "CONT": "condor_continue"}

_sources: WeakKeyDictionary[Host, Sources] = WeakKeyDictionary()
_domains: WeakKeyDictionary[Host, bool] = WeakKeyDictionary()


@hookimpl
def anybatch_settings() -> Iterable[Setting]:
    """Every command of a submit description, attributes, and a few of our own."""
    return SETTINGS


@hookimpl
def anybatch_detect(host: Host) -> Detection:
    """The tools are there and the schedd answers."""
    tools = ("condor_submit", "condor_q", "condor_rm", "condor_history")
    missing = [name for name in tools if host.which(name) is None]
    if missing:
        return Detection(available=False, reason=f"{missing[0]} is not on the PATH")
    quick = timedelta(seconds=20)
    try:
        version = run(make_command("condor_version", timeout=quick), host).stdout
        queue = ("condor_q", "-limit", "1", "-json", "-attributes", "ClusterId")
        run(make_command(*queue, timeout=quick), host)
    except CommandError as error:
        set_up = parse.NOT_SET_UP.search(str(error)) is None
        return Detection(
            available=False, unreachable=set_up, reason=f"the schedd does not answer: {error}"
        )
    return Detection(
        available=True,
        reason="the schedd answers",
        version=parse.read_version(version),
        details={"files": _files(host)},
    )


def _files(host: Host) -> str:
    """Who moves files where the setting leaves it open, for `anybatch doctor`."""
    try:
        return "shared by all machines" if _is_shared(host) else "transferred"
    except CommandError as error:
        return f"the pool cannot be asked: {error}"


@hookimpl
def anybatch_limits() -> Limits:
    """Any number in one cluster, large ones materialized late; order is DAGMan's business."""
    return Limits(array=1_000_000)


@hookimpl
def anybatch_environment(job: Job, settings: Mapping[str, Any]) -> Environment:
    """What HTCondor sets belongs to one job; temporary files belong into its scratch folder."""
    return Environment(
        scrub=("_CONDOR_*", "_CHIRP_*", "CONDOR_*", "BATCH_SYSTEM", "TMPDIR", "TEMP", "TMP"),
        keep=("CONDOR_CONFIG",),
        runs_container=render.is_contained(job.container, settings),
        forbidden_names=(render.NOT_CARRIED,),
    )


@hookimpl
def anybatch_transfer(settings: Mapping[str, Any], host: Host) -> Transfer:
    """HTCondor, unless all machines share our file system."""
    wanted = settings["transfer"]
    native = wanted == "native" or (wanted == "auto" and not _is_shared(host))
    return Transfer.SYSTEM if native else Transfer.SHARED


def _is_shared(host: Host) -> bool:
    """Whether all machines of the pool have our FileSystemDomain; asked once."""
    if host not in _domains:
        own = run(make_command("condor_config_val", "FILESYSTEM_DOMAIN"), host).stdout.strip()
        foreign = ("-constraint", f"FileSystemDomain =!= {render.quote(own)}", "-limit", "1")
        found = ask(host, "condor_status", "-json", "-attributes", "Machine", *foreign)
        _domains[host] = not found
    return _domains[host]


@hookimpl
def anybatch_render(submission: Submission) -> Rendered:
    """See `render`."""
    return render.render(submission)


@hookimpl
def anybatch_submit(submission: Submission, rendered: Rendered, host: Host) -> Sequence[str]:
    """One condor_submit, which is a transaction: all jobs are there, or none."""
    completed = host.run(rendered.command)
    cluster = parse.submitted_cluster(completed.stdout, submission.count)
    if completed.ok and cluster:
        return parse.natives(cluster, submission.count)
    refused = completed.returncode > 0 and completed.stderr.strip() and not cluster
    if not refused or _TRANSIENT.search(completed.stderr):
        raise CommandFailed(rendered.command, completed)
    raise Rejected(parse.complain(completed.stderr))


@hookimpl
def anybatch_find(submission: Submission, host: Host) -> Sequence[str]:
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
            ads = ask(host, program, *which, *wanted, *limits)
            clusters = [ad["ClusterId"] for ad in ads if isinstance(ad.get("ClusterId"), int)]
    return parse.natives(clusters[0], submission.count) if clusters else []


@hookimpl
def anybatch_status(
    ids: Sequence[str], folders: Mapping[Path, Sequence[str]], host: Host
) -> Mapping[str, JobStatus | None]:
    """See `sources`."""
    return _sources_of(host).statuses(ids, folders, host)


@hookimpl
def anybatch_account(
    ids: Sequence[str], folders: Mapping[Path, Sequence[str]], host: Host
) -> Mapping[str, JobStatus]:
    """What the event log tells; nobody is asked."""
    logs = _sources_of(host).logs_of(folders, host)
    told = {native: logs[native].status(native) for native in ids if native in logs}
    return {native: status for native, status in told.items() if status is not None}


def _sources_of(host: Host) -> Sources:
    return _sources.setdefault(host, Sources())


@hookimpl
def anybatch_terminate(
    ids: Sequence[str], signal: str | None, settings: Mapping[str, Any], host: Host
) -> None:
    """One command, more where thousands are not in a row; jobs that are gone are no error."""
    program = _program(signal, settings)
    write = parse.removal if program == "condor_rm" else parse.constraint
    for which in parse.constraints(ids, write):
        command = make_command(program, "-constraint", which)
        completed = host.run(command)
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
