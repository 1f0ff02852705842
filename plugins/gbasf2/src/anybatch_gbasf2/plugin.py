"""The hooks of the gbasf2 plugin: which command is run when, and what its failure means."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs
from anybatch import hookimpl
from anybatch.errors import CommandError, CommandFailed, Rejected, UsageError
from anybatch.host import Command
from anybatch.records import Detection, JobStatus, Limits

from anybatch_gbasf2 import jobs, parse, render
from anybatch_gbasf2.client import client_of
from anybatch_gbasf2.natives import deal, read_native
from anybatch_gbasf2.project import Project, project_of, read_projects
from anybatch_gbasf2.settings import SETTINGS
from anybatch_gbasf2.watch import ProjectWatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import Rendered, Setting, Submission

    from anybatch_gbasf2.client import Client
    from anybatch_gbasf2.natives import Native

COMMANDS = (
    *("gbasf2", "gb2_ds_get", "gb2_job_kill", "gb2_job_output", "gb2_job_reschedule"),
    *("gb2_proxy_init", "python3", "flock"),
)
_Part = tuple[Path, Project, "list[Native]"]  #: of what is asked for: run folder, project, jobs
_NOT_ASKED = ("proxy", "voms", "connect", "timed out", "timeout", "traceback")

_watches: WeakKeyDictionary[Host, dict[tuple[Path, str], ProjectWatch]] = WeakKeyDictionary()


@hookimpl
def anybatch_settings() -> Iterable[Setting]:
    """See `settings`."""
    return SETTINGS


@hookimpl
def anybatch_detect(host: Host, settings: Mapping[str, Any], auto: bool) -> Detection:
    """The setup script works, its commands are there, and there is a proxy. Never for `auto`.

    The script takes many seconds where the file system fetches it first.
    """
    if auto:
        return Detection(available=False, auto=False, reason="only when asked for by name")
    client = _client(host, settings)
    try:
        missing = client.missing(COMMANDS)
        if missing:
            text = f"{', '.join(missing)} not on the PATH of {client.setup_path}"
            return Detection(available=False, auto=False, reason=text)
        proxy = client.proxy()
    except CommandError as error:
        return Detection(available=False, auto=False, reason=str(error))
    details = {"setup script": f"{client.setup_path} works", "commands": "all there"}
    if proxy is None:
        details["proxy"] = "none, or it has expired"
        how = render.proxy_init(client.group, settings["proxy_lifetime"]).argv
        text = f"there is no valid proxy; run: {' '.join(how)}"
        return Detection(available=False, auto=False, reason=text, details=details)
    details["proxy"] = f"of {proxy.user}, for {proxy.left / 3600:.1f} h"
    text = "the grid client works and has a proxy"
    return Detection(available=True, auto=False, reason=text, details=details)


@hookimpl
def anybatch_limits() -> Limits:
    """A project is one submission, and gbasf2 knows no order."""
    return Limits(array=1_000_000)


@hookimpl
def anybatch_expand(
    job: Job, settings: Mapping[str, Any], host: Host, folder: Path
) -> Sequence[Job]:
    """A job for each grid job of the project; asks for the user and the number of files.

    The name of a user stands in a proxy that has expired, too. So it takes a valid one only to
    count files, and nothing at all where both are set.
    """
    client = _client(host, settings)
    lifetimes = settings["proxy_lifetime"], settings["min_proxy_lifetime"]

    def user() -> str:
        with _or_set("user"):
            return client.owner() or client.need_proxy(*lifetimes, wait=True).user

    def files(user: str, datasets: Sequence[str]) -> Sequence[str]:
        with _or_set("jobs"):
            client.need_proxy(*lifetimes, wait=True)
            return client.names(user, datasets)

    return jobs.complete(job, settings, folder, host, user, files)


@contextlib.contextmanager
def _or_set(setting: str) -> Iterator[None]:
    """Say how to plan without the question, where it cannot be asked."""
    try:
        yield
    except CommandError as error:
        problem = f"{error}. With gbasf2.{setting} set, this question is not asked"
        raise UsageError(f"gbasf2 has to ask the grid for `{setting}`: {problem}") from error


@hookimpl
def anybatch_render(submission: Submission) -> Rendered:
    """See `render`."""
    return render.render(submission)


# -- submitting


@hookimpl
def anybatch_submit(submission: Submission, rendered: Rendered, host: Host) -> Sequence[str]:
    """One gbasf2, unless the project is there already; or one gb2_job_reschedule."""
    project = project_of(submission.settings)
    client = _client_of(project, host)
    lifetimes = project.proxy_lifetime, project.min_proxy_lifetime
    proxy = client.need_proxy(*lifetimes, strict=True)
    if submission.previous_ids:
        return _reschedule(submission, rendered.command, client, project)
    if proxy.user != project.user:
        raise Rejected(
            f"the grid proxy is of {proxy.user}, and project {project.name} was planned for "
            f"{project.user}: see gbasf2.user"
        )
    if there := _in_project(submission, client, project):
        return there
    jobs.check_unchanged(submission.settings, host)
    if pickled := submission.settings["pickle_file"]:
        host.link(render.pickle_folder(submission) / render.PICKLE, pickled)
    tried = _tried(submission, host)
    completed = client.run(rendered.command)
    if ids := parse.submitted_ids(completed.stdout):
        return deal(project.name, ids, submission.count)
    if there := _in_project(submission, client, project):
        return there
    refusal = parse.refusal(f"{completed.stderr}\n{completed.stdout}")
    if parse.is_taken(refusal) and tried and time.time() - tried < parse.SETTLE:
        text = "the project was made before, and the grid does not show its jobs yet"
        raise CommandFailed(rendered.command, completed, text)
    if refusal:
        raise Rejected(f"gbasf2 refused project {project.name}: {refusal}")
    raise CommandFailed(rendered.command, completed, "no jobs of the project are there")


def _tried(submission: Submission, host: Host) -> float:
    """When it was begun before, in seconds since 1970; 0: now for the first time."""
    path = submission.folder / f"tried-{submission.number}"
    if host.exists(path):
        return float(host.read(path))
    host.write(path, f"{time.time()}\n")
    return 0.0


@hookimpl
def anybatch_find(submission: Submission, host: Host) -> Sequence[str]:
    """The project's name is what finds it: there is one of a name for ever."""
    project = project_of(submission.settings)
    client = _client_of(project, host)
    client.need_proxy(project.proxy_lifetime)
    if submission.previous_ids:
        return _rescheduled(submission, client, project)
    return _in_project(submission, client, project)


def _in_project(submission: Submission, client: Client, project: Project) -> list[str]:
    """The ids of the jobs of a project that is there; nobody has told how many they will be.

    Raises:
        CommandError: it may have more in a moment.
    """
    found = client.jobs(project.user, [project.name]).get(project.name, {})
    if parse.may_grow(found, submission.count, time.time()):
        raise CommandError(
            Command(("gb2_job_status", "-p", project.name)),
            f"the project has {len(found)} jobs so far, for {submission.count} of the run; they "
            f"are taken as all when none has been added for {parse.SETTLE} s",
        )
    return deal(project.name, found, submission.count) if found else []


def _reschedule(
    submission: Submission, command: Command, client: Client, project: Project
) -> list[str]:
    """Have jobs run again, after what is known of them was written down."""
    path, host = _plan_path(submission), client.host
    if host.exists(path):
        plan, before = _from_now(json.loads(host.read(path))), True
    else:
        plan, before = _plan(submission, client, project), False
    host.write(path, json.dumps(plan))
    completed = client.run(command)
    said = f"{completed.stdout}\n{completed.stderr}".lower()
    if completed.ok and "error" not in said:
        return list(plan["natives"])
    if any(word in said for word in _NOT_ASKED):
        raise CommandFailed(command, completed)
    if before:
        return list(plan["natives"])  # refused, because the first time had an effect
    raise Rejected(f"the jobs cannot be rescheduled: {said.strip()}")


def _plan(submission: Submission, client: Client, project: Project) -> dict[str, Any]:
    """The new ids, and the time of the last change of each grid job that has failed."""
    known = client.jobs(project.user, [project.name]).get(project.name, {})
    natives, seen, at = [], {}, int(time.time())
    for native in map(read_native, submission.previous_ids):
        failed = [job for job in native.own(known) if job.status != "Done"]
        if not failed:
            text = f"project {project.name} has no job to be rescheduled for {native}"
            tried = _tried(submission, client.host)
            if not native.own(known) and (not tried or time.time() - tried < parse.SETTLE):
                raise CommandError(Command(("gb2_job_status", "-p", project.name)), text)
            raise Rejected(text)
        seen.update({str(job.id): job.changed for job in failed})
        latest = max(job.changed for job in failed)
        natives.append(str(attrs.evolve(native, seen=latest, at=at)))
    return {"natives": natives, "seen": seen}


def _from_now(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan that is carried out only now: the grid shows the failures for a while from now on."""
    at = int(time.time())
    natives = [str(attrs.evolve(read_native(name), at=at)) for name in plan["natives"]]
    return {**plan, "natives": natives}


def _rescheduled(submission: Submission, client: Client, project: Project) -> list[str]:
    """The new ids, where the grid shows that jobs were rescheduled."""
    path, host = _plan_path(submission), client.host
    if not host.exists(path):
        return []
    plan = json.loads(host.read(path))
    known = client.jobs(project.user, [project.name]).get(project.name, {})
    moved = any(
        known[int(i)].changed != seen for i, seen in plan["seen"].items() if int(i) in known
    )
    return list(plan["natives"]) if moved else []


def _plan_path(submission: Submission) -> Path:
    return submission.folder / f"reschedule-{submission.number}.json"


# -- watching


@hookimpl
def anybatch_status(
    ids: Sequence[str],
    folders: Mapping[Path, Sequence[str]],
    settings: Mapping[str, Any],
    host: Host,
) -> Mapping[str, JobStatus]:
    """One question for all projects of a user; what is to be fetched comes in the background.

    Several runs may be attached to a project. Their jobs have the same ids, so one answer is for
    all: that of the run which has most before it.
    """
    watched: dict[tuple[Client, str], list[_Part]] = {}
    for part in _parts(folders, host):
        watched.setdefault((_client_of(part[1], host), part[1].user), []).append(part)
    answers: dict[str, list[JobStatus]] = {}
    for (client, user), parts in watched.items():
        for status in _look(client, user, parts):
            for native, one in status.items():
                answers.setdefault(str(native), []).append(one)
    return {native: parse.furthest_from_done(some) for native, some in answers.items()}


def _parts(folders: Mapping[Path, Sequence[str]], host: Host) -> Iterator[_Part]:
    """The projects that jobs are of, run by run."""
    for folder, ids in folders.items():
        projects = read_projects(folder, host)
        natives: dict[str, list[Native]] = {}
        for native in map(read_native, ids):
            natives.setdefault(native.project, []).append(native)
        for name in natives.keys() & projects.keys():
            yield folder, projects[name], natives[name]


def _look(
    client: Client, user: str, watched: Sequence[_Part]
) -> Iterable[Mapping[Native, JobStatus]]:
    first = watched[0][1]
    least = max(project.min_proxy_lifetime for _, project, _ in watched)
    client.need_proxy(first.proxy_lifetime, least)
    try:
        found = client.jobs(user, sorted({project.name for _, project, _ in watched}))
    except CommandFailed:
        client.need_proxy(first.proxy_lifetime, least)  # where that is why, say so
        raise
    for folder, project, natives in watched:
        watch = _watch(client, project, folder)
        yield watch.look(natives, found.get(project.name, {}))


def _watch(client: Client, project: Project, folder: Path) -> ProjectWatch:
    known = _watches.setdefault(client.host, {})
    key = (folder, project.name)
    if key not in known:
        known[key] = ProjectWatch(client, project, folder)
    return known[key]


# -- stopping


@hookimpl
def anybatch_terminate(
    folders: Mapping[Path, Sequence[str]], signal: str | None, host: Host
) -> None:
    """One gb2_job_kill for the jobs of each project; nothing else can be sent to grid jobs."""
    if signal is not None:
        raise UsageError("gbasf2 cannot send signals to jobs on the grid")
    for _, project, natives in _parts(folders, host):
        there = [native for native in natives if native.none is None]
        if there:
            client = _client_of(project, host)
            client.need_proxy(project.proxy_lifetime)
            command = render.kill(there, project.user)
            completed = client.run(command)
            if not completed.ok:
                raise CommandFailed(command, completed)


# -- the client


def _client(host: Host, settings: Mapping[str, Any]) -> Client:
    return client_of(host, settings["setup_path"], settings["proxy_group"])


def _client_of(project: Project, host: Host) -> Client:
    return client_of(host, project.setup_path, project.proxy_group)
