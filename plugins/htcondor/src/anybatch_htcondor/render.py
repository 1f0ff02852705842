"""A submission as HTCondor wants it: a submit description, and the command. Pure.

condor_submit(1): https://htcondor.readthedocs.io/en/latest/man-pages/condor_submit.html
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.errors import UsageError
from anybatch.host import Command
from anybatch.ranges import page_of
from anybatch.records import REMOTE_RUN_DIR, Rendered, RenderedFile, Transfer
from anybatch.transfer import RETURNED_DIRS, addresses_for, sources_for
from anybatch.worker_paths import ForbiddenFileName

from anybatch_htcondor.settings import COMMANDS
from anybatch_htcondor.states import HELD, TIME_HOLDS, WANTED_HOLDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anybatch.model import Resources
    from anybatch.records import Submission

#: What condor_submit sees of the environment: enough to find home, pool and credentials.
CLIENT_ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LD_LIBRARY_PATH", "TZ", "XDG_RUNTIME_DIR"),
    *("CONDOR_CONFIG", "_CONDOR_*", "X509_USER_*", "KRB5*", "BEARER_TOKEN*"),
)
#: What HTCondor sets for a job, and a command in it must not take for its own configuration.
JOB_VARIABLES = (
    *("_CONDOR_ANCESTOR*", "_CONDOR_Assigned*", "_CONDOR_BIN", "_CONDOR_CHIRP*", "_CONDOR_CREDS"),
    *("_CONDOR_JOB*", "_CONDOR_MACHINE_AD", "_CONDOR_SCRATCH_DIR", "_CONDOR_SLOT"),
    *("_CONDOR_EXECUTE", "_CONDOR_WRAPPER*", "_CHIRP*"),
)
#: A job's own environment is built by the job script; to find a shell this is enough.
_ENVIRONMENT = "PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C"
#: How often the job was started before; counted by shadows, so that none is missed in a crash.
_RESTARTS = "$$([ifThenElse(isUndefined(NumShadowStarts),0,NumShadowStarts-1)])"
#: Most jobs of a late submission that wait in the queue.
_MAX_IDLE = 2000

#: condor_starter 25.14 takes it for an absolute path, and the job is held.
NOT_CARRIED = ForbiddenFileName(
    r"\A\\", "is taken by HTCondor for the root of a Windows path; use another name"
)
_MACRO = re.compile(r"\$(?=\w*\()")
#: What nothing can escape. `$$(` is filled in when the job has a machine, in every string of it;
#: where that fails the job is held. `$(DOLLAR)` becomes `$` again and again.
_FILLED_IN = re.compile(r"\$(?=\$\w*\(|\(DOLLAR\))", re.IGNORECASE)
#: Attributes that anybatch sets, in small letters, and what to use instead.
_OURS = {
    **dict.fromkeys(("anybatchtoken", "anybatchcount", "submiteventusernotes"), ""),
    **dict.fromkeys(("cmd", "args", "arguments"), "the job's command"),
    **dict.fromkeys(("env", "environment"), "the job's env"),
    **dict.fromkeys(("onexithold", "onexitremove"), "the job's retry"),
    **dict.fromkeys(("containerimage", "dockerimage"), "the job's container"),
    **dict.fromkeys(("shouldtransferfiles", "whentotransferoutput"), "htcondor.transfer"),
    **dict.fromkeys(("transferinput", "transferexecutable"), "the job's inputs"),
    **dict.fromkeys(("transferoutput", "transferoutputremaps"), "the job's outputs"),
    "err": "the job's stderr",
    "in": "the job's stdin",
    "iwd": "the job's workdir",
    "jobuniverse": "htcondor.universe",
    "out": "the job's stdout",
    "periodicrelease": "htcondor.periodic_release",
    "periodicremove": "htcondor.periodic_remove",
    "userlog": "the event log in the run's folder",
}
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_ATTRIBUTE = re.compile(r"(\+|MY\.)([A-Za-z_][A-Za-z0-9_]*)")


def log_path(folder: Path, number: int) -> Path:
    """The event log of a submission. One for each, so that it tells which cluster is whose."""
    return folder / f"htcondor-{number}.log"


def system_log_path(folder: Path, number: int, task: int) -> Path:
    """What HTCondor itself prints of a job, a file for each: it appends to none."""
    return folder / _system_logs(number, page_of(task)) / str(task)


def _system_logs(number: int, page: int) -> str:
    return f"logs/system-{number}.{page}"


def render(submission: Submission, timeout: timedelta = timedelta(minutes=2)) -> Rendered:
    """The submit description and the `condor_submit` command of a submission."""
    own_commands = dict(_own(submission.settings))
    if is_contained(submission.container, submission.settings) and "universe" in own_commands:
        raise UsageError(
            "htcondor: the setting universe and container = 'native' contradict each "
            "other, for the pool runs images in a universe of their own; remove one of them"
        )
    asked = dict(_resources(submission.resources))
    for name in asked.keys() & own_commands.keys():
        if own_commands[name] is False:  # it takes back what was set elsewhere
            del own_commands[name]
    commands = {**dict(_commands(submission)), **own_commands}
    for name, value in _avoided(submission.avoid):
        own = commands.get(name)
        commands[name] = value if own is None else f"({_value(name, own)}) && {value}"
    if submission.max_running is not None:
        commands["max_materialize"] = _least(commands, submission.max_running)
    for name, value in _policies(submission.settings):
        own = commands.get(name)
        commands[name] = value if own is None else f"({_value(name, own)}) || ({value})"
    lines = [f"{name} = {_value(name, value)}" for name, value in commands.items()]
    path = submission.folder / f"submit-{submission.number}.sub"
    return Rendered(
        files=(
            RenderedFile(path, "\n".join([*lines, *_queue(submission), ""])),
            *_folders(submission),
        ),
        command=Command(
            ("condor_submit", "-terse", str(path)),
            timeout=timeout,
            only_env=CLIENT_ENVIRONMENT,
            hide_env=JOB_VARIABLES,
        ),
    )


def as_question(submission: Submission) -> Command:
    """The command that reads a submission's description and makes nothing of it.

    It has to have a folder, and files are not looked for: those of the run are not there yet.
    """
    rendered = render(attrs.evolve(submission, folder=Path("/")))
    words = ("condor_submit", "-terse", "-disable", "-dry-run", "/dev/null", "-")
    return attrs.evolve(rendered.command, argv=words, stdin=rendered.files[0].text)


def _folders(submission: Submission) -> Iterator[RenderedFile]:
    """Files that make folders: HTCondor makes none."""
    text = "What HTCondor itself printed of jobs that did not come to their script, by task.\n"
    for page in range(page_of(submission.count) + 1):
        folder = submission.folder / _system_logs(submission.number, page)
        yield RenderedFile(folder / "README", text)


def _commands(submission: Submission) -> Iterator[tuple[str, Any]]:
    """What every job needs. Those of the user come later and win."""
    contained = is_contained(submission.container, submission.settings)
    travels = _travels(submission)
    yield "universe", "container" if contained else "vanilla"
    yield "executable", "/bin/sh"
    yield "transfer_executable", False
    script = submission.script if travels else "job.sh"
    task = f"{script} {submission.number} $(ab_task) {_RESTARTS}"
    yield "arguments", f"\"-c '{_begin(submission)}' $(ab_log) {task}\""
    if not contained:  # in an image its own PATH holds
        yield "environment", f'"{_ENVIRONMENT}"'
    # All that the job script prints goes to the job's own logs: what is here came before it.
    yield "output", "$(ab_log)"
    yield "error", "$(ab_log)"
    yield "initialdir", _path("the run's folder", str(submission.folder))
    yield "log", log_path(submission.folder, submission.number).name
    yield "submit_event_user_notes", submission.token
    yield "notification", "never"
    yield "MY.JobBatchName", _label(submission.name)
    yield "MY.AnybatchToken", quote(submission.token)
    yield "MY.AnybatchCount", submission.count
    if contained:
        yield "container_image", _path("container", submission.container or "")
        if not travels:
            yield "transfer_container", False
    yield from _transfer(submission)
    yield from _resources(submission.resources)
    if submission.urgency:
        yield "priority", submission.urgency
    if submission.count > _most_at_once(submission):
        yield "max_idle", _MAX_IDLE
        if most := submission.limits.render_context.get("most_jobs"):
            # At the owner's limit itself, HTCondor 25.14 may give up the jobs that are left.
            yield "max_materialize", max(1, int(most) - 1)


def _begin(submission: Submission) -> str:
    """What is run before the job script, as a shell line within arguments.

    HTCondor starts jobs under 0022; on a shared file system they get the submitter's umask. The
    log of what the system printed before is of use only where the script was never started; what
    comes after is the script's, before it has opened the job's own logs.
    """
    umask = submission.limits.render_context.get("umask")
    if _travels(submission):
        return f'true >_condor_stdout; {_clock(submission)}exec /bin/sh ""$@""'
    first = f"umask {umask}; " if umask else ""
    return f'{first}true >""$0""; exec /bin/sh ""$@""'


def _clock(submission: Submission) -> str:
    """Tells a pack its time limit: at the limit, HTCondor gives nothing back of what was done."""
    time = submission.resources.time
    if submission.pack == 1 or time is None:
        return ""
    return f"ab_time_limit={math.ceil(time.total_seconds())}; export ab_time_limit; "


def _most_at_once(submission: Submission) -> int:
    """Jobs that one transaction may bring into the queue; with more, they come one by one."""
    most = submission.limits.render_context.get("most_jobs")
    own = int(submission.settings["late_from"])
    return min(own, int(most)) if most else own


def is_contained(image: str | None, settings: Mapping[str, Any]) -> bool:
    """Whether the pool itself runs a job in its container."""
    return image is not None and settings["container"] == "native"


def _travels(submission: Submission) -> bool:
    return submission.transfer is Transfer.SYSTEM


def _transfer(submission: Submission) -> Iterator[tuple[str, Any]]:
    if not _travels(submission):
        yield "should_transfer_files", "NO"
        return
    yield "should_transfer_files", "YES"
    # A pack that is evicted goes on where it was; a job alone begins anew.
    yield "when_to_transfer_output", "ON_EXIT" if submission.pack == 1 else "ON_EXIT_OR_EVICT"
    yield "transfer_input_files", "$(ab_parcels)"
    yield "transfer_output_files", ", ".join(f"{REMOTE_RUN_DIR}/{name}" for name in RETURNED_DIRS)


def _resources(resources: Resources) -> Iterator[tuple[str, Any]]:
    """Commands for what a job needs; nothing for what it leaves to the pool."""
    refused = {
        "nodes": resources.nodes > 1,
        "exclusive": resources.exclusive,
        "queue": resources.queue is not None,
    }
    for name, asked in refused.items():
        if asked:
            raise UsageError(
                f"htcondor: {name} is not supported: a job has a slot of one machine, "
                "and pools have "
                f"no queues; use `requirements`, or an attribute that your pool knows (`+Name`)"
            )
    if (cores := resources.tasks * resources.cores) > 1:
        yield "request_cpus", cores
    if resources.gpus:
        yield "request_gpus", resources.tasks * resources.gpus
    if resources.memory is not None:
        yield "request_memory", -(-resources.memory // 2**20)  # MiB
    if resources.disk is not None:
        yield "request_disk", -(-resources.disk // 2**10)  # KiB
    if resources.time is not None:
        yield "allowed_execute_duration", math.ceil(resources.time.total_seconds())


def _own(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The commands that the user sets."""
    for name, value in settings.items():
        if value is None:
            continue
        if name == "batch_name":
            yield "MY.JobBatchName", _label(str(value))
        elif name in COMMANDS:
            yield name, value
        elif name.startswith(("+", "MY.")):
            match = _ATTRIBUTE.fullmatch(name)
            if not match:
                raise UsageError(f"htcondor: {name!r} is not a valid attribute name")
            if (instead := _OURS.get(match[2].lower())) is not None:
                hint = f"; use {instead}" if instead else ""
                raise UsageError(f"htcondor: the attribute {name!r} is set by anybatch{hint}")
            yield f"MY.{match[2]}", value


def _policies(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What HTCondor itself does about held jobs, whether anybody watches or not."""
    overtime = _any_of(TIME_HOLDS)
    unwanted = f"!({_any_of((*WANTED_HOLDS, *TIME_HOLDS))})"
    held = f"JobStatus == {HELD}"
    if settings["on_held"] == "fail":
        yield "periodic_remove", f"{held} && !({_any_of(WANTED_HOLDS)})"
    else:
        yield "periodic_remove", f"{held} && ({overtime})"
    if settings["on_held"] == "release":
        pause = math.ceil(settings["release_pause"].total_seconds())
        yield (
            "periodic_release",
            f"{held} && {unwanted} && NumHolds <= {settings['release_times']} && "
            f"time() - EnteredCurrentStatus >= {pause}",
        )


def _avoided(hosts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The machines that are not wanted; one may be known by the first part of its name alone."""
    parts = [
        f'Machine =!= "{host}"' if "." in host else f'split(Machine, ".")[0] =!= "{host}"'
        for host in hosts
        if _HOST.fullmatch(host)
    ]
    if parts:
        yield "requirements", " && ".join(f"({part})" for part in parts)


def _least(commands: Mapping[str, Any], most: int) -> int:
    """How many jobs are in the queue at once: the user's own number where it is less."""
    own = str(commands.get("max_materialize", ""))
    return min(most, int(own)) if own.isdecimal() and int(own) > 0 else most


def _any_of(codes: Iterable[int]) -> str:
    return " || ".join(f"HoldReasonCode =?= {code}" for code in codes)


def _queue(submission: Submission) -> Iterator[str]:
    """A line for each job: the number of its task, and the transfer_sets that it takes along."""
    names = "ab_task, ab_log, ab_parcels" if _travels(submission) else "ab_task, ab_log"
    yield f"queue {names} from ("
    for task in range(1, submission.count + 1):
        transfer_sets = sources_for(submission, task) if _travels(submission) else ()
        log = f"{_system_logs(submission.number, page_of(task))}/{task}"
        addresses = addresses_for(submission, task) if _travels(submission) else ()
        yield ", ".join((str(task), log, *(f"{folder}/" for folder in transfer_sets), *addresses))
    yield ")"


# -- texts


def escape(text: str) -> str:
    """A text as it stands in a submit description, where `$(` and `$NAME(` begin a macro."""
    return _MACRO.sub("$(DOLLAR)", text)


def quote(text: str) -> str:
    r"""A text as a string of an old ClassAd: `\` is itself, and before `"` makes it one."""
    inner = text.replace('"', '\\"')
    return escape(f'"{inner}"')


def _label(text: str) -> str:
    """A name for people as a string, without what HTCondor would try to fill in."""
    return quote(_FILLED_IN.sub("$ ", text))


def _path(name: str, text: str) -> str:
    if _FILLED_IN.search(text):
        raise UsageError(
            f"htcondor: {name} {text!r} contains `$$(` or `$(DOLLAR)`, which HTCondor would replace"
        )
    return escape(text)


def _value(name: str, value: Any) -> str:
    """As it stands on its line; what could add a line or join the next one is refused."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if any(character in text for character in "\0\n\r"):
        raise UsageError(f"htcondor: the value of {name} must be a single line: {text!r}")
    if text.endswith("\\") or text != text.strip():
        raise UsageError(
            f"htcondor: the value of {name} must not end with a backslash, or start or end with "
            f"white space: {text!r}"
        )
    return text
