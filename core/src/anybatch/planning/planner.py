"""From jobs to a plan: checked, grouped, and written out as text. Nothing is submitted.

Jobs that differ in nothing but command, files and variables share one submission, up to the
batch system's array limit; what is special to each stands in its line of the task file.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import JobError
from anybatch.planning.inputs import program_of
from anybatch.planning.job_environment import inherited, merge
from anybatch.planning.paths import JobGroup, Resolver
from anybatch.planning.plan import Link, Plan, Planned, Wait, new_run_id
from anybatch.planning.transfer_layout import TransferSets, page_links
from anybatch.quoting import RUN_FOLDER
from anybatch.ranges import spans
from anybatch.records import (
    Environment,
    Limits,
    Rendered,
    RenderedFile,
    Submission,
    Transfer,
)
from anybatch.worker.script import definitions, render_script, render_task
from anybatch.worker.tasks import render_pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anybatch.host import Host
    from anybatch.model import Job, Resources
    from anybatch.plugins.registry import Plugins
    from anybatch.settings.layers import Settings


_UNKNOWN_ID = "ID-OF-{run}-{index}"


class Planner:
    """Makes plans for one batch system.

    Args:
        system: the plugin's name.
        base: the folder that relative paths start from.
        limits: what the system allows.
    """

    def __init__(
        self,
        system: str,
        *,
        plugins: Plugins,
        settings: Settings,
        host: Host,
        base: Path,
        limits: Limits,
    ) -> None:
        self._system = system
        self._plugins = plugins
        self._settings = settings
        self._host = host
        self._base = base
        self._limits = limits
        self._resolver = Resolver(base, host)

    def plan(self, jobs: Sequence[Job], runs: Path, waits: Sequence[Sequence[Wait]]) -> Plan:
        """The plan for *jobs*.

        Args:
            runs: the folder of run folders.
            waits: for each job what it runs after; in a wait for a job of the same
                submission the run's id is empty.

        Raises:
            UsageError: a job or setting that cannot be; nothing was written.
        """
        if not jobs:
            raise JobError("there is no job to submit")
        now = datetime.now(timezone.utc)
        run = new_run_id(now)
        work = _RunDraft(run, runs / run, len(jobs))
        groups = self._grouped(jobs, waits)
        for _, group in groups:
            self._resolver.check_run_folder(work.folder, group)
        tables = _TaskFiles(self._resolver, work)
        planned: list[Planned] = []
        for (group_waits, group), number in zip(
            groups, _numbers(groups, self._limits.array), strict=True
        ):
            own = tuple((name or run, index) for name, index in group_waits)
            planned += self._submissions(jobs, group, own, number, work, tables)
        planned.sort(key=lambda one: one.submission.number)
        script = render_script(run, work.count, tables.shared)
        return Plan(
            run=run,
            system=self._system,
            folder=work.folder,
            base=self._base,
            created=now,
            count=len(jobs),
            submissions=tuple(planned),
            settings=self._settings.table(self._system),
            stdout=tuple(spans([self._resolver.log(job.stdout) for job in jobs])),
            stderr=tuple(spans([self._resolver.log(job.stderr) for job in jobs])),
            files=(RenderedFile(work.folder / "job.sh", script, 0o700), *tables.files()),
            folders=tuple(tables.folders()),
            links=tuple(tables.links()),
            notes=tuple(dict.fromkeys([*tables.notes, *self._left_out()])),
        )

    def _left_out(self) -> Iterator[str]:
        """What plugins failed to contribute."""
        for name in self._plugins.plugins_for(self._system):
            for problem in self._plugins.problems(name):
                if problem.startswith(("anybatch_environment", "anybatch_transfer")):
                    yield f"jobs go without the part of plugin {name!r}: {problem}"

    # -- grouping

    def _grouped(
        self, jobs: Sequence[Job], waits: Sequence[Sequence[Wait]]
    ) -> list[tuple[tuple[Wait, ...], JobGroup]]:
        groups: dict[Any, JobGroup] = {}
        for index, (job, wait) in enumerate(zip(jobs, waits, strict=True)):
            key = (_directives(job), tuple(wait))
            if key not in groups:
                groups[key] = self._group(job)
            groups[key].indices.append(index)
        return [(key[1], group) for key, group in groups.items()]

    def _group(self, job: Job) -> JobGroup:
        settings = self._settings.with_layer("call", job.settings)
        arguments = self._arguments(job, settings)
        composed = merge(self._contributions(job, arguments))
        if job.container is not None and not composed.contained:
            raise JobError(
                f"nobody runs {self._system} jobs in the container {job.container!r}: that takes a "
                f"plugin (pip install anybatch-apptainer)"
            )
        patterns = settings.core("inherit_env")
        transfers = self._plugins.call_each("anybatch_transfer", arguments, Transfer)
        transfer = next((answer for _, answer in transfers), Transfer.SHARED)
        return JobGroup(
            job=job,
            composed=composed,
            inherit=inherited(self._host.environ, patterns, composed),
            transfer=transfer,
            settings=settings.table(self._system),
        )

    def _contributions(
        self, job: Job, arguments: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[Environment]:
        """The batch system's, then those of others, who run no container that it runs itself."""
        hook = "anybatch_environment"
        own = {self._system: arguments[self._system]}
        others = {name: given for name, given in arguments.items() if name != self._system}
        contains = False
        for _, one in self._plugins.call_each(hook, own, Environment):
            contains = one.runs_container
            yield one
        if contains:
            job = attrs.evolve(job, container=None)
            others = {name: {**given, "job": job} for name, given in others.items()}
        for _, one in self._plugins.call_each(hook, others, Environment):
            yield attrs.evolve(one, wrapper=(), forbidden_names=()) if contains else one

    def _arguments(self, job: Job, settings: Settings) -> dict[str, dict[str, Any]]:
        """What each plugin is given that a call about the job reaches; the batch system first."""
        about = {"job": job, "host": self._host, "system": self._system, "folder": self._base}
        names = self._plugins.plugins_for(self._system)
        return {name: {**about, "settings": settings.table(name)} for name in names}

    # -- submissions

    def _submissions(
        self,
        jobs: Sequence[Job],
        group: JobGroup,
        waits: tuple[Wait, ...],
        first: int,
        work: _RunDraft,
        tables: _TaskFiles,
    ) -> Iterator[Planned]:
        size = self._limits.array
        for start in range(0, len(group.indices), size):
            indices = tuple(group.indices[start : start + size])
            number = first + start // size
            transfer_sets = tables.add(number, group, [(index, jobs[index]) for index in indices])
            submission = Submission(
                token=f"ab-{work.run}-{number}",
                run=work.run,
                number=number,
                folder=work.folder,
                count=len(indices),
                name=_name(group.job),
                resources=group.job.resources,
                settings=group.settings,
                after=_placeholders(waits) if self._limits.dependencies else (),
                container=group.job.container,
                transfer=group.transfer,
                transfer_sets=transfer_sets,
                limits=self._limits,
            )
            render(self._plugins, self._system, submission)
            yield Planned(
                submission=submission, indices=indices, waits=waits, retry=group.job.retry
            )


@attrs.frozen
class _RunDraft:
    """The run that is being planned."""

    run: str
    folder: Path
    count: int


class _TaskFiles:
    """The task files in the making, and what all tasks share."""

    def __init__(self, resolver: Resolver, work: _RunDraft) -> None:
        self.shared: dict[str, str] = {}
        self.notes: list[str] = []
        self._resolver = resolver
        self._work = work
        self._lines: dict[int, list[str]] = {}
        self._scripts: dict[str, str] = {}
        self._definitions: dict[Any, tuple[dict[str, str], str]] = {}
        self._parcels = TransferSets(work.folder)
        self._away: dict[int, int] = {}

    def add(self, number: int, group: JobGroup, jobs: Sequence[tuple[int, Job]]) -> tuple[str, ...]:
        """Write the lines of a submission's jobs.

        Returns:
            The transfer_set of each job, or one for all; empty where no files travel.
        """
        lines, transfer_sets = [], []
        for index, job in jobs:
            own, transfer_set = self._own(job, group)
            self.shared = self.shared or own
            lines.append(render_task(index, self._words(job.command), own, self.shared))
            transfer_sets.append(transfer_set)
        self._lines[number] = lines
        if group.transfer is not Transfer.SYSTEM:
            return ()
        self._away[number] = len(jobs)
        return tuple(transfer_sets) if len(set(transfer_sets)) > 1 else (transfer_sets[0],)

    def _own(self, job: Job, group: JobGroup) -> tuple[dict[str, str], str]:
        """A job's definitions, and its transfer_set."""
        away = group.transfer is Transfer.SYSTEM
        program = program_of(job) if away else ""
        around_it = (getattr(job, name) for name in _AROUND)
        key = (id(group), tuple(job.env.items()), program, *around_it)
        if key not in self._definitions:
            transfer_set = ""
            if away:
                around, transfer_set, notes = self._resolver.layout_transferred(
                    job, group, self._parcels
                )
            else:
                around, notes = self._resolver.layout(job, group)
            self.notes += notes
            if len(self._definitions) >= _CACHED:
                self._definitions.clear()
            self._definitions[key] = (definitions(around), transfer_set)
        return self._definitions[key]

    def _words(self, command: str | tuple[str, ...]) -> Sequence[str]:
        if not isinstance(command, str):
            return command
        name = self._scripts.setdefault(command, f"command-{len(self._scripts)}.sh")
        path = f"{RUN_FOLDER}/{name}"
        return (path,) if command.startswith("#!") else ("/bin/sh", path)

    def files(self) -> Iterator[RenderedFile]:
        """The task files and the scripts that were given as text."""
        folder = self._work.folder
        for number, lines in self._lines.items():
            for name, text in render_pages(number, lines):
                yield RenderedFile(folder / name, text)
        for text, name in self._scripts.items():
            yield RenderedFile(folder / name, text, 0o700)

    def folders(self) -> Iterator[Path]:
        """The folders that are needed because files travel."""
        if self._away:
            yield from self._parcels.folders()

    def links(self) -> Iterator[Link]:
        """The links that travelling files are found by."""
        if self._away:
            yield from self._parcels.links(["job.sh", *self._scripts.values()])
        for number, count in self._away.items():
            yield from page_links(self._work.folder, number, count)


_AROUND = (
    *("workdir", "env_script", "setup", "inputs", "flat", "outputs", "output_dir"),
    *("stdin", "stdout", "stderr"),
)
_CACHED = 1000  #: distinct surroundings held at once; a run of 100,000 jobs stays small


def render(plugins: Plugins, system: str, submission: Submission) -> Rendered:
    """A submission as its batch system writes it.

    Raises:
        UsageError: it cannot be written for this system.
        PluginError: the plugin raised or gave no `Rendered`.
    """
    rendered = plugins.call_checked(system, "anybatch_render", Rendered, submission=submission)
    assert isinstance(rendered, Rendered)
    return rendered


def _numbers(groups: Sequence[tuple[Any, JobGroup]], size: int) -> Iterator[int]:
    number = 0
    for _, group in groups:
        yield number
        number += -(-len(group.indices) // size)


def _directives(job: Job) -> Any:
    """Equal for jobs that can share a submission."""
    settings = json.dumps(job.settings, sort_keys=True, default=str) if job.settings else ""
    resources: Resources = job.resources
    return (_name(job), resources, job.container, job.retry, settings)


def _name(job: Job) -> str:
    if job.name is not None:
        return job.name
    program = "script" if isinstance(job.command, str) else PurePosixPath(job.command[0]).name
    return "".join(c if c.isprintable() else "?" for c in program) or "job"


def _placeholders(waits: Sequence[Wait]) -> tuple[str, ...]:
    return tuple(
        _UNKNOWN_ID.format(run=run, index="all" if index is None else index) for run, index in waits
    )
