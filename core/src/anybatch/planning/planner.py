"""From jobs to a plan: checked, grouped, and written out as text. Nothing is submitted.

Jobs that differ in nothing but command, files and variables share one submission, up to the
batch system's array limit; what is special to each stands in its line of the task file.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import JobError
from anybatch.ownership import replaceable
from anybatch.planning.abilities import check_pack, check_urgency
from anybatch.planning.existing import not_changed, skipping
from anybatch.planning.expansion import expand, read_waits
from anybatch.planning.filling import common_name, filled, name_of
from anybatch.planning.input_lists import InputLists
from anybatch.planning.job_defaults import JobDefaults
from anybatch.planning.job_environment import inherited, merge
from anybatch.planning.node import node_limits
from anybatch.planning.node_check import NodeCheck
from anybatch.planning.paths import JobGroup, Resolver
from anybatch.planning.plan import Plan, Planned, RunLimit, Wait, new_run_id, token
from anybatch.planning.retrying import check_growth, checkpointing, growth_notes
from anybatch.planning.site_resources import (
    DefaultResources,
    check_largest,
    growth_bounds,
    largest,
)
from anybatch.planning.task_files import RunDraft, TaskFiles
from anybatch.ranges import spans, write_ranges
from anybatch.records import (
    Limits,
    RenderedFile,
    Submission,
    Transfer,
)
from anybatch.settings.contradictions import settled
from anybatch.worker.script import render_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.packing import Pack
    from anybatch.plugins.calls import Hooks
    from anybatch.settings.layers import Settings


_NO_LIMIT = RunLimit()
_UNKNOWN_ID = "ID-OF-{run}-{index}"


class Planner:
    """Makes plans for one batch system.

    Args:
        system: the plugin's name.
        base: the folder that relative paths start from.
        pack: how jobs are packed.
    """

    def __init__(
        self,
        system: str,
        *,
        hooks: Hooks,
        settings: Settings,
        host: Host,
        base: Path,
        pack: Pack,
    ) -> None:
        self._system = system
        self._hooks = hooks
        self._settings = settings
        self._host = host
        self._base = base
        self._pack = pack
        self._defaults = JobDefaults(settings.jobs)
        self._default_resources = DefaultResources(system, settings)
        self._limits: dict[str, Limits] = {}
        self._nodes = NodeCheck(system, hooks)
        self._resolver = Resolver(base, host, node_limits(settings), system)

    def plan_all(
        self,
        jobs: Sequence[Job],
        runs: Path,
        wait: Callable[[Any], list[Wait]],
        *,
        require_one_job_each: bool = False,
        limit: RunLimit = _NO_LIMIT,
    ) -> Plan:
        """The plan for the jobs that the batch system makes of *jobs*; see `plan`.

        Args:
            wait: what an item of `Job.after` other than a job means.
            require_one_job_each: a job of which the batch system would make several is an error.
        """
        made, waits = expand(jobs, read_waits(jobs, wait), self._expand)
        if require_one_job_each and len(made) != len(jobs):
            raise JobError(
                f"{self._system} makes {len(made)} jobs of {len(jobs)}, but a future stands "
                f"for one job; use Session.submit instead"
            )
        return self.plan(made, runs, waits, limit)

    def _expand(self, job: Job) -> list[Job]:
        job = self._default_resources.apply(self._defaults.apply(job))
        if "anybatch_expand" not in self._hooks.plugins.system(self._system).hooks:
            return [job]
        table = self._settings.with_layer("call", job.settings).table(self._system)
        return self._hooks.expand(self._system, job, table, self._base)

    def plan(
        self,
        jobs: Sequence[Job],
        runs: Path,
        waits: Sequence[Sequence[Wait]],
        limit: RunLimit = _NO_LIMIT,
    ) -> Plan:
        """The plan for *jobs*.

        Args:
            runs: the folder of run folders.
            waits: for each job what it runs after; in a wait for a job of the same
                submission the run's id is empty.
            limit: how many of them there may be at once.

        Raises:
            UsageError: a job or setting that cannot be; nothing was written.
        """
        if not jobs:
            raise JobError("no jobs to submit")
        self._resolver.targets.check(jobs, waits)
        now = datetime.now(timezone.utc)
        run = new_run_id(now)
        work = RunDraft(run, runs / run, len(jobs), limit)
        groups = self._grouped(jobs, waits)
        for _, group in groups:
            self._resolver.check_run_folder(work.folder, group)
        lists = InputLists(work.folder, self._base)
        copy_limit = self._settings.core("copy_limit")
        packed = self._pack.jobs > 1
        tables = TaskFiles(self._resolver, work, lists, copy_limit, packed=packed)
        planned: list[Planned] = []
        for (group_waits, group), number in zip(groups, self._numbers(groups), strict=True):
            own = tuple((name or run, index) for name, index in group_waits)
            planned += self._submissions(jobs, group, own, number, work, tables)
        planned.sort(key=lambda one: one.submission.number)
        script = render_script(run, work.count, tables.shared, tables.pieces, self._pack)
        return Plan(
            run=run,
            system=self._system,
            folder=work.folder,
            base=self._base,
            created=now,
            count=len(jobs),
            submissions=tuple(planned),
            stdout=tuple(spans([self._log(job, job.stdout) for job in jobs])),
            stderr=tuple(spans([self._log(job, job.stderr) for job in jobs])),
            templates=write_ranges(index for index, job in enumerate(jobs) if job.template),
            labels=tuple(spans([job.labels for job in jobs])),
            limit=limit,
            jobs=jobs,
            files=(RenderedFile(work.folder / "job.sh", script, 0o700), *tables.files()),
            folders=tuple(tables.folders()),
            links=tuple(tables.links()),
            copies=tuple(tables.copies.files()),
            notes=tuple(
                dict.fromkeys(
                    [
                        *tables.notes,
                        *growth_notes(planned),
                        *skipping(planned, len(jobs)),
                        *self._left_out(),
                        *_open_to_all(work.folder),
                    ]
                )
            ),
        )

    def _log(self, job: Job, path: Path | None) -> str:
        return str(path or "") if job.template else self._resolver.log(path)

    def _left_out(self) -> Iterator[str]:
        """What plugins failed to contribute."""
        for plugin in self._hooks.plugins.plugins_for(self._system):
            for problem in self._hooks.plugins.problems(plugin.name):
                if problem.startswith(("anybatch_environment", "anybatch_transfer")):
                    yield f"plugin {plugin.name} was skipped for these jobs: {problem}"

    # -- grouping

    def _grouped(
        self, jobs: Sequence[Job], waits: Sequence[Sequence[Wait]]
    ) -> list[tuple[tuple[Wait, ...], JobGroup]]:
        groups: dict[Any, JobGroup] = {}
        skipped = self._skipped(jobs, waits)
        for index, (job, wait) in enumerate(zip(jobs, waits, strict=True)):
            key = (_directives(job), tuple(wait), index in skipped)
            if key not in groups:
                groups[key] = attrs.evolve(self._group(job), skipped=index in skipped)
            groups[key].indices.append(index)
        return [(key[1], group) for key, group in groups.items()]

    def _skipped(self, jobs: Sequence[Job], waits: Sequence[Sequence[Wait]]) -> set[int]:
        """The jobs that need not run."""
        moved: dict[Any, bool] = {}
        found = set()
        for index, job in enumerate(jobs):
            if not job.skip_existing:
                continue
            if (like := _directives(job)) not in moved:
                moved[like] = self._transfer(job) is Transfer.SYSTEM
            if self._resolver.is_done(filled(job, index), index, moved=moved[like]):
                found.add(index)
        return not_changed(found, waits)

    def _group(self, job: Job) -> JobGroup:
        check_growth(job.retry, job.resources)
        settings = self._settings.with_layer("call", job.settings)
        names = [plugin.name for plugin in self._hooks.plugins.plugins_for(self._system)]
        tables = {name: settled(name, settings, job) for name in names}
        composed = merge(self._hooks.environments(self._system, job, tables, self._base))
        if job.container is not None and not composed.contained:
            raise JobError(
                f"no installed plugin can run {self._system} jobs in the container "
                f"{job.container!r}; install anybatch-apptainer"
            )
        patterns = settings.core("inherit_env")
        return JobGroup(
            job=job,
            composed=composed,
            inherit=inherited(self._host.environ, patterns, composed),
            transfer=self._transfer(job),
            settings=tables[self._system],
            limits=self._limits_for(tables[self._system]),
        )

    def _transfer(self, job: Job) -> Transfer:
        settings = self._settings.with_layer("call", job.settings)
        names = [plugin.name for plugin in self._hooks.plugins.plugins_for(self._system)]
        return self._hooks.transfer(
            self._system, job, {name: settings.table(name) for name in names}
        )

    def _limits_for(self, table: Mapping[str, Any]) -> Limits:
        """What the system allows jobs with these settings; asked once for each different table."""
        key = repr(sorted(table.items()))
        if key not in self._limits:
            self._limits[key] = self._hooks.limits(self._system, table)
        return self._limits[key]

    # -- submissions

    def _submissions(
        self,
        jobs: Sequence[Job],
        group: JobGroup,
        waits: tuple[Wait, ...],
        first: int,
        work: RunDraft,
        tables: TaskFiles,
    ) -> Iterator[Planned]:
        size, limits, pack = group.limits.array * self._pack.jobs, group.limits, self._pack
        if pack.jobs > 1:
            check_pack(self._system, limits)
            # A pack that is started anew passes by what has ended.
            limits = attrs.evolve(limits, reruns=False)
        check_urgency(self._system, group.job.urgency, limits)
        moved = group.transfer is Transfer.SYSTEM
        resources = pack.scaled(group.job.resources, moved=moved)
        settings = self._settings.with_layer("call", group.job.settings)
        bounds = largest(settings, self._system)
        check_largest(resources, bounds)
        self._nodes.check(resources, group.settings, settings)
        for start in range(0, len(group.indices), size):
            indices = tuple(group.indices[start : start + size])
            number = first + start // size
            members = [(index, jobs[index]) for index in indices]
            transfer_sets = tables.add(number, group, members)
            submission = Submission(
                token=token(work.run, number),
                run=work.run,
                number=number,
                folder=work.folder,
                name=common_name(members),
                resources=resources,
                settings=group.settings,
                after=_placeholders(waits) if limits.dependencies else (),
                container=group.job.container,
                **pack.facts(len(indices)),
                transfer=group.transfer,
                transfer_sets=transfer_sets,
                limits=limits,
                max_running=work.limit.tasks(limits, pack, len(indices)),
                urgency=group.job.urgency,
            )
            self._hooks.render(self._system, submission)
            yield Planned(
                submission=submission,
                indices=indices,
                waits=waits,
                **checkpointing(group.job, self._settings.core("checkpoint_exit_code")),
                skipped=group.skipped,
                pack=pack,
                largest=growth_bounds(bounds),
                unchecked=not settings.core("check_resources"),
            )

    def _numbers(self, groups: Sequence[tuple[Any, JobGroup]]) -> Iterator[int]:
        number = 0
        for _, group in groups:
            yield number
            number += -(-len(group.indices) // (group.limits.array * self._pack.jobs))


def _directives(job: Job) -> Any:
    """Equal for jobs that can share a submission."""
    try:
        settings = json.dumps(job.settings, sort_keys=True, default=str) if job.settings else ""
    except RecursionError:
        raise JobError("the job's settings are nested too deeply") from None
    same = (name_of(job), job.resources, job.urgency, job.container)
    return (*same, job.retry, job.checkpoint, settings)


def _open_to_all(folder: Path) -> Iterator[str]:
    if above := replaceable(folder):
        yield (
            f"everybody on this machine can replace the run's folder, because everybody can write "
            f"to {above}; chmod o-w or chmod +t it, or set runs_dir"
        )


def _placeholders(waits: Sequence[Wait]) -> tuple[str, ...]:
    return tuple(
        _UNKNOWN_ID.format(run=run, index="all" if index is None else index) for run, index in waits
    )
