"""The hooks of the LSF plugin: which command is run when, and what its failure means."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs
from anybatch import hookimpl
from anybatch.errors import CommandError, CommandFailed, Rejected, UsageError
from anybatch.host import Command
from anybatch.records import Detection, Environment, JobStatus, Limits, Transfer

from anybatch_lsf import life, parse, render, states, travel
from anybatch_lsf.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.host import Completed, Host
    from anybatch.records import Rendered, Setting, Submission

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
_versions: WeakKeyDictionary[Host, parse.Version] = WeakKeyDictionary()
_arrivals: WeakKeyDictionary[Host, travel.Arrivals] = WeakKeyDictionary()


@hookimpl
def anybatch_settings() -> Iterable[Setting]:
    """Every option of bsub, and a few of our own."""
    return SETTINGS


@hookimpl
def anybatch_detect(host: Host, settings: Mapping[str, Any]) -> Detection:
    """The tools are there, and lsid and bparams answer."""
    tools = ("bsub", "bjobs", "bkill", "lsid")
    missing = [name for name in tools if host.which(name) is None]
    if missing:
        return Detection(available=False, reason=f"{missing[0]} is not on the PATH")
    settings = {**settings, "timeout": min(settings["timeout"], timedelta(seconds=20))}
    try:
        version = _version(host, settings)
        parameters = _parameters(host, version, settings)
    except CommandError as error:
        # Slurm's contribs have commands of the same names: those answer, but not as LSF.
        other = isinstance(error, CommandFailed) and error.completed.ok
        away = not other and parse.NOT_SET_UP.search(str(error)) is None
        return Detection(available=False, away=away, reason=f"LSF does not answer: {error}")
    return Detection(
        available=True,
        reason=version.text,
        version=".".join(str(part) for part in version.number),
        details={
            "cluster": version.cluster or "not known",
            "default queue": parse.default_queue(parameters) or "not known",
            "largest array": str(parse.largest_array(parameters)),
            "files": "shared" if settings["transfer"] == "shared" else "moved by LSF",
            "unit for limits": _UNITS.get(unit := _unit(host, version, settings), unit or ""),
        },
    )


@hookimpl
def anybatch_limits(host: Host, settings: Mapping[str, Any]) -> Limits:
    """The cluster's MAX_JOB_ARRAY_SIZE, and what else rendering needs, asked once.

    Where a job is not done LSF leaves those pending for ever that wait for it, so anybatch sees
    to dependencies. Where LSF moves files there are no arrays: `bsub -f` copies the same files
    for every element.
    """
    version = _version(host, settings)
    parameters = _parameters(host, version, settings)
    size = parse.largest_array(parameters)
    cluster = render.Cluster(
        modern=version.modern,
        unit=_unit(host, version, settings),
        per_task=parse.reserves_per_task(parameters),
        openlava=version.openlava,
    )
    most = min(size, settings["max_array"] or size) if settings["transfer"] == "shared" else 1
    return Limits(array=most, facts=cluster.facts())


@hookimpl
def anybatch_environment() -> Environment:
    """What LSF sets belongs to one job; where the cluster is does not."""
    return Environment(
        scrub=("LSB_*", "LS_*", "LSF_*", "BSUB_*", "HOSTTYPE", "LSFUSER", "OPENLAVA_VERSION"),
        keep=("LSF_ENVDIR", "LSF_SERVERDIR", "LSF_BINDIR", "LSF_LIBDIR", "LSF_CONFDIR"),
    )


@hookimpl
def anybatch_transfer(settings: Mapping[str, Any]) -> Transfer | None:
    """LSF, where the user says so; nothing tells what machines share."""
    return Transfer.SYSTEM if settings["transfer"] == "lsf" else None


@hookimpl
def anybatch_render(submission: Submission) -> Rendered:
    """See `render`."""
    return render.render(submission)


@hookimpl
def anybatch_submit(submission: Submission, rendered: Rendered, host: Host) -> Sequence[str]:
    """One bsub. What LSF refuses for good is told from what may pass, or may have arrived."""
    command = rendered.command
    if render.travels(submission):
        travel.pack(submission, host, rendered.longer)
        command = attrs.evolve(command, timeout=command.timeout - rendered.longer)
    completed = host.run(command)
    job = parse.submitted_id(completed.stdout)
    if job:
        return _ids(submission, job, host)
    said = f"{completed.stderr}\n{completed.stdout}"
    told = _NAMED.sub("", said)
    if completed.returncode > 0 and _REFUSED.search(told) and not _TRANSIENT.search(told):
        raise Rejected(f"bsub: {(completed.stderr.strip() or completed.stdout.strip())}")
    raise CommandFailed(command, completed)


@hookimpl
def anybatch_find(submission: Submission, host: Host) -> Sequence[str]:
    """The job whose description is the token, or whose name begins with it; also a purged one."""
    name = render.job_name(submission)
    settings = submission.settings
    if _version(host, settings).modern:
        which = ("-Jd", f"{submission.token}*")
        fields = f"jobid job_description delimiter='{parse.DELIMITER}'"
        listed = _ask(
            host, settings, "bjobs", "-a", "-u", host.user, *which, "-noheader", "-o", fields
        )
        job = parse.described(submission.token, listed.stdout)
    else:
        which = ("-J", name)
        listed = _ask(host, settings, "bjobs", "-a", "-w", "-u", host.user, *which)
        job = next(iter(parse.read_table(listed.stdout)), "").partition("[")[0]
    if not job:
        everything = ("-a", "-l", "-n", "0", "-u", host.user)
        kept = _ask(host, settings, "bhist", *everything, *which).stdout
        for native, called, described in life.long_descriptions(kept):
            if submission.token in (described.split(" ")[0], called.split(".")[0]):
                job = native.partition("[")[0]
    return _ids(submission, job, host) if job else []


def _ids(submission: Submission, job: str, host: Host) -> list[str]:
    if render.travels(submission):
        travel.note(submission, job, host)
    count = submission.count
    return [f"{job}[{element}]" for element in range(1, count + 1)] if count > 1 else [job]


@hookimpl
def anybatch_status(
    ids: Sequence[str],
    folders: Mapping[Path, Sequence[str]],
    settings: Mapping[str, Any],
    host: Host,
) -> Mapping[str, JobStatus]:
    """One bjobs for all; for those that it no longer knows one bhist, else one bacct.

    Where LSF moves files, what jobs have brought back is unpacked.
    """
    answers = _answers(ids, settings, host)
    arrivals = _arrivals.setdefault(host, travel.Arrivals())
    return arrivals.settle(answers, folders, settings["transfer_patience"], host)


def _answers(ids: Sequence[str], settings: Mapping[str, Any], host: Host) -> dict[str, JobStatus]:
    version = _version(host, settings)
    ask = _bjobs if version.modern else _plain_bjobs
    answers = ask(ids, settings, host)
    found = {native: answers[native] for native in ids if native in answers}
    for program in ("bhist", "bacct"):
        missing = [native for native in ids if native not in found]
        if missing and host.which(program):
            found = {**_long(program, missing, settings, host), **found}
    if version.openlava:
        found = {native: states.distrusted(status) for native, status in found.items()}
    return {native: found[native] for native in ids if native in found}


def _bjobs(ids: Sequence[str], settings: Mapping[str, Any], host: Host) -> dict[str, JobStatus]:
    fields = " ".join(parse.FIELDS)
    if _version(host, settings).json:
        form = ("-json", "-o", fields)
    else:
        form = ("-noheader", "-o", f"{fields} delimiter='{parse.DELIMITER}'")
    return parse.read_bjobs(_ask(host, settings, "bjobs", "-a", *form, *_which(ids, host)).stdout)


def _plain_bjobs(
    ids: Sequence[str], settings: Mapping[str, Any], host: Host
) -> dict[str, JobStatus]:
    """The table; of what has ended the long form (how), and the past (by whom; to run again?)."""
    table = parse.read_table(_ask(host, settings, "bjobs", "-a", "-w", *_which(ids, host)).stdout)
    ended = {native: None for native in ids if native in table and table[native].state.final}
    if not ended:
        return table
    long = _long("bjobs", list(ended), settings, host)
    logged = _long("bhist", list(long), settings, host) if long and host.which("bhist") else {}
    now = datetime.now(timezone.utc)
    long |= {native: states.settled(long[native], logged[native], now) for native in logged}
    return {**{native: table[native] for native in table if native not in ended}, **long}


def _long(
    program: str, ids: Sequence[str], settings: Mapping[str, Any], host: Host
) -> dict[str, JobStatus]:
    options = {"bjobs": ("-a",), "bhist": ("-a", "-n", "0"), "bacct": ()}[program]
    found: dict[str, JobStatus] = {}
    words = parse.compress(ids)
    for start in range(0, len(words), MOST_IDS):
        some = words[start : start + MOST_IDS]
        answer = _ask(host, settings, program, "-l", *options, *some)
        now = datetime.now(timezone.utc)
        found |= life.read_long(answer.stdout, f"{program} -l", now)
    return {native: found[native] for native in ids if native in found}


def _which(ids: Sequence[str], host: Host) -> tuple[str, ...]:
    jobs = parse.arrays(ids)
    return tuple(jobs) if len(jobs) <= MOST_IDS else ("-u", host.user)


@hookimpl
def anybatch_account(
    ids: Sequence[str], settings: Mapping[str, Any], host: Host
) -> Mapping[str, JobStatus]:
    """What bjobs says of use, where it can; for others one bacct."""
    modern = _version(host, settings).modern
    found = _bjobs(ids, settings, host) if modern else {}
    missing = [native for native in ids if native not in found]
    if missing and host.which("bacct"):
        found |= _long("bacct", missing, settings, host)
    return {native: found[native] for native in ids if native in found}


@hookimpl
def anybatch_terminate(
    ids: Sequence[str], signal: str | None, settings: Mapping[str, Any], host: Host
) -> None:
    """One bkill; ids that are unknown or have ended are no error."""
    which = ("-s", signal) if signal else ()
    command = _command(settings, "bkill", *which, *parse.compress(ids))
    completed = host.run(command)
    said = completed.stderr.strip()
    if re.search(r"(illegal|unknown|invalid|bad)\b.*signal", said, re.IGNORECASE):
        raise UsageError(f"lsf: there is no signal {signal!r}: {said}")
    # Other lines are what sites print around it.
    complaints = [line for line in said.splitlines() if re.match(r"Job <[^>]*>( is not|:)", line)]
    harmless = complaints and all(parse.GONE.search(line) for line in complaints)
    if not completed.ok and (not harmless or _TRANSIENT.search(said)):
        raise CommandFailed(command, completed)


# -- the cluster


def _version(host: Host, settings: Mapping[str, Any]) -> parse.Version:
    """What lsid says, asked once."""
    if host not in _versions:
        command = _command(settings, "lsid")
        completed = host.run(command)
        version = parse.read_version(completed.stdout)
        if not completed.ok:
            raise CommandFailed(command, completed)
        if version is None:
            raise CommandFailed(command, completed, "this is neither LSF nor OpenLava")
        _versions[host] = version
    return _versions[host]


def _parameters(host: Host, version: parse.Version, settings: Mapping[str, Any]) -> dict[str, str]:
    """What the cluster is set to; OpenLava has no `-a`."""
    command = _command(settings, "bparams", "-l" if version.openlava else "-a")
    completed = host.run(command)
    if not completed.ok:
        raise CommandFailed(command, completed)
    return parse.read_parameters(completed.stdout)


def _unit(host: Host, version: parse.Version, settings: Mapping[str, Any]) -> str | None:
    """LSF_UNIT_FOR_LIMITS; empty: not set; None: nobody tells."""
    if version.openlava:
        return ""  # it has no such thing
    if folder := host.environ.get("LSF_ENVDIR"):
        with contextlib.suppress(OSError):
            return parse.read_unit(host.read(Path(folder) / "lsf.conf"))
    if host.which("badmin") is None:
        return None
    try:
        completed = host.run(_command(settings, "badmin", "showconf", "mbd"))
    except CommandError:
        return None
    told = completed.ok and parse.read_parameters(completed.stdout)
    return parse.read_unit(completed.stdout) if told else None


# -- commands


def _command(settings: Mapping[str, Any], program: str, *arguments: str) -> Command:
    return Command((program, *arguments), timeout=settings["timeout"], hide_env=render.HIDDEN)


def _ask(host: Host, settings: Mapping[str, Any], program: str, *arguments: str) -> Completed:
    """What a command answers."""
    command = _command(settings, program, *arguments)
    completed = host.run(command)
    if not completed.ok and not _is_answer(completed):
        raise CommandFailed(command, completed)
    return completed


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
