"""The hooks of the gbasf2 plugin: which command is run when, and what its failure means."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch.commands import ask_each_group
from anybatch.errors import CommandError, CommandFailed, Rejected, UsageError
from anybatch.host import Command
from anybatch.records import Detection, Limits, Unreachable
from anybatch.system import BatchSystem

from anybatch_gbasf2 import jobs, parse, render, reschedule
from anybatch_gbasf2.client import Client
from anybatch_gbasf2.job_ids import NativeId, deal_out, read_native_id
from anybatch_gbasf2.project import Project, project_of
from anybatch_gbasf2.settings import SETTINGS
from anybatch_gbasf2.watch import ProjectWatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import Batch, JobStatus, Rendered, Setting, Submission

COMMANDS = (
    *("gbasf2", "gb2_ds_get", "gb2_job_kill", "gb2_job_output", "gb2_job_reschedule"),
    *("gb2_proxy_init", "python3", "flock"),
)
_Part = tuple[Path, Project]  #: a project of a run: the run's folder, and the project
_Statuses = dict[NativeId, "JobStatus | Unreachable"]


class Gbasf2(BatchSystem):
    """The hooks of `gbasf2`."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._clients: dict[tuple[str, str], Client] = {}
        self._watches: dict[_Part, ProjectWatch] = {}

    def anybatch_settings(self) -> Iterable[Setting]:
        """See `settings`."""
        return SETTINGS

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        """The setup script works, its commands are there, and there is a proxy. Never for `auto`.

        The script takes many seconds where the file system fetches it first.
        """
        if choosing:
            return _unavailable("it is used only if named with --system")
        client = self._client(settings["setup_path"], settings["proxy_group"])
        try:
            missing = client.missing(COMMANDS)
            if missing:
                return _unavailable(f"{', '.join(missing)} not on the PATH of {client.setup_path}")
            proxy = client.proxy(anew=True)
        except CommandError as error:
            return _unavailable(str(error))
        details = {"setup script": f"{client.setup_path} works", "commands": "all there"}
        if proxy is None:
            details["proxy"] = "none, or it has expired"
            how = render.proxy_init(client.group, settings["proxy_lifetime"]).argv
            return _unavailable(f"there is no valid proxy; run: {' '.join(how)}", details)
        details["proxy"] = f"of {proxy.user}, for {proxy.left / 3600:.1f} h"
        text = "the grid client works and has a proxy"
        return Detection(available=True, priority=None, reason=text, details=details)

    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        """A project is one submission, and gbasf2 knows no order."""
        return Limits(array=1_000_000, packs=False)

    def anybatch_expand(
        self, job: Job, settings: Mapping[str, Any], base_dir: Path
    ) -> Sequence[Job]:
        """A job for each grid job of the project; asks for the user and the number of files.

        The name of a user stands in a proxy that has expired, too. So it takes a valid one only
        to count files, and nothing at all where both are set.
        """
        client = self._client(settings["setup_path"], settings["proxy_group"])
        lifetimes = settings["proxy_lifetime"], settings["min_proxy_lifetime"]

        def user() -> str:
            with _or_set("user"):
                return client.owner() or client.need_proxy(*lifetimes, wait=True).user

        def files(user: str, datasets: Sequence[str]) -> Sequence[str]:
            with _or_set("jobs"):
                client.need_proxy(*lifetimes, wait=True)
                return client.names(user, datasets)

        return jobs.complete(job, settings, base_dir, self.host, user, files)

    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `render`."""
        return render.render(submission)

    # -- submitting

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """One gbasf2, unless the project is there already; or one gb2_job_reschedule."""
        project = project_of(submission.settings)
        client = self._client_of(project)
        lifetimes = project.proxy_lifetime, project.min_proxy_lifetime
        proxy = client.need_proxy(*lifetimes, strict=True)
        if submission.previous_ids:
            return reschedule.run(submission, rendered.command, client, project)
        if proxy.user != project.user:
            raise Rejected(
                f"the grid proxy is of {proxy.user}, and project {project.name} was planned for "
                f"{project.user}: see gbasf2.user"
            )
        if there := _in_project(submission, client, project):
            return there
        jobs.check_unchanged(submission.settings, self.host)
        if pickled := submission.settings["pickle_file"]:
            self.host.link(render.pickle_folder(submission) / render.PICKLE, pickled)
        tried = reschedule.tried(submission, self.host)
        completed = client.run(rendered.command)
        if ids := parse.submitted_ids(completed.stdout):
            return deal_out(project.name, ids, submission.count)
        if there := _in_project(submission, client, project):
            return there
        refusal = parse.refusal(f"{completed.stderr}\n{completed.stdout}")
        if parse.is_taken(refusal) and tried and time.time() - tried < parse.SETTLE:
            text = "the project was made before, and the grid does not show its jobs yet"
            raise CommandFailed(rendered.command, completed, text)
        if refusal:
            raise Rejected(f"gbasf2 refused project {project.name}: {refusal}")
        raise CommandFailed(rendered.command, completed, "no jobs of the project are there")

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The project's name is what finds it: there is one of a name for ever."""
        project = project_of(submission.settings)
        client = self._client_of(project)
        client.need_proxy(project.proxy_lifetime)
        if submission.previous_ids:
            return reschedule.find(submission, client, project)
        return _in_project(submission, client, project)

    # -- watching

    def anybatch_status(
        self, batches: Sequence[Batch]
    ) -> Sequence[Mapping[str, JobStatus | Unreachable]]:
        """One question for all projects of a user; what is to be fetched comes in the background.

        Several runs may be attached to a project. Each waits for what it fetches itself.
        """
        parts = _by_part(batches)
        users: dict[tuple[Client, str], list[_Part]] = {}
        for part in parts:
            project = part[1]
            users.setdefault((self._client_of(project), project.user), []).append(part)
        told: dict[_Part, _Statuses] = {}
        errors = []
        for (client, user), some in users.items():
            try:
                told |= self._ask(client, user, {part: parts[part] for part in some})
            except CommandError as error:  # a proxy that has ended is of one user and one group
                errors.append(error)
                told |= {part: dict.fromkeys(parts[part], Unreachable(str(error))) for part in some}
        if errors and len(errors) == len(users):
            raise errors[0]
        return [
            {str(native_id): status for native_id, status in told[_part(batch)].items()}
            for batch in batches
        ]

    def _ask(
        self, client: Client, user: str, parts: Mapping[_Part, Sequence[NativeId]]
    ) -> dict[_Part, _Statuses]:
        """What the grid says of the projects of a user."""
        projects = [project for _, project in parts]
        least = max(project.min_proxy_lifetime for project in projects)
        client.need_proxy(projects[0].proxy_lifetime, least)
        try:
            found = client.jobs(user, sorted({project.name for project in projects}))
        except CommandFailed:
            client.need_proxy(projects[0].proxy_lifetime, least)  # where that is why, say so
            raise
        return {
            part: dict(self._watch(client, part).poll(native_ids, found.get(part[1].name, {})))
            for part, native_ids in parts.items()
        }

    def _watch(self, client: Client, part: _Part) -> ProjectWatch:
        if part not in self._watches:
            folder, project = part
            self._watches[part] = ProjectWatch(client, project, folder)
        return self._watches[part]

    # -- stopping

    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, str | Unreachable]]:
        """One gb2_job_kill for the jobs of each project; nothing else can be sent to grid jobs."""
        if signal is not None:
            raise UsageError("gbasf2 cannot send signals to jobs on the grid")
        return ask_each_group(
            batches,
            _part,
            self._kill,
            lambda batch, error: dict.fromkeys(batch.ids, Unreachable(str(error))),
        )

    def _kill(self, batches: Sequence[Batch]) -> Mapping[str, str]:
        [(part, native_ids)] = _by_part(batches).items()
        there = [native_id for native_id in native_ids if native_id.none is None]
        if there:
            project = part[1]
            client = self._client_of(project)
            client.need_proxy(project.proxy_lifetime)
            command = render.kill(there, project.user)
            completed = client.run(command)
            if not completed.ok:
                raise CommandFailed(command, completed)
        return {}

    # -- the client

    def _client_of(self, project: Project) -> Client:
        return self._client(project.setup_path, project.proxy_group)

    def _client(self, setup_path: str, group: str) -> Client:
        """The client of a setup script and group; its environment and proxy are kept."""
        made = Client(self.host, setup_path, group)
        return self._clients.setdefault((setup_path, group), made)


def _unavailable(reason: str, details: Mapping[str, str] | None = None) -> Detection:
    return Detection(available=False, priority=None, reason=reason, details=details or {})


@contextlib.contextmanager
def _or_set(setting: str) -> Iterator[None]:
    """Say how to plan without the question, where it cannot be asked."""
    try:
        yield
    except CommandError as error:
        problem = f"{error}. With gbasf2.{setting} set, this question is not asked"
        raise UsageError(f"gbasf2 has to ask the grid for `{setting}`: {problem}") from error


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
    return deal_out(project.name, found, submission.count) if found else []


def _part(batch: Batch) -> _Part:
    return batch.submission.folder, project_of(batch.submission.settings)


def _by_part(batches: Sequence[Batch]) -> dict[_Part, list[NativeId]]:
    """The jobs of each project of a run: those that were rescheduled are batches of their own."""
    parts: dict[_Part, list[NativeId]] = {}
    for batch in batches:
        parts.setdefault(_part(batch), []).extend(map(read_native_id, batch.ids))
    return parts
