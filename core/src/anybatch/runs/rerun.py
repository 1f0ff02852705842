"""Running jobs again because somebody wants it: which jobs, as what, and in which order.

Indices, commands, files and labels stay, and so does the job script. The jobs become further
submissions of the run, as few as their directives allow. Nothing is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from anybatch import arguments
from anybatch.errors import UsageError, did_you_mean, shown
from anybatch.model import Reason, Resources, State
from anybatch.planning.abilities import check_urgency
from anybatch.planning.site_resources import check_largest, growth_bounds, largest
from anybatch.ranges import write_ranges
from anybatch.runs.further import Further, FurtherSubmissions
from anybatch.settings.contradictions import Change, settled_anew
from anybatch.settings.layers import Settings
from anybatch.urgency import problem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anybatch.host import Host
    from anybatch.planning.plan import Planned, Wait
    from anybatch.records import Limits
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.state import RunState

#: What is run again where nobody says which: jobs that depend on others count among the last.
USUAL = frozenset({State.FAILED, State.TERMINATED})


@attrs.frozen(kw_only=True)
class Wanted:
    """What somebody wants to be run again, and as what.

    Attributes:
        indices: which jobs; None: all.
        states: of those, the ones that are in one of these states; None: those that `indices`
            names, or else `USUAL`.
        resources: what the jobs need instead: fields of `Resources`.
        settings: of the batch system, typed, that are different.
        urgency: how urgent they are instead; None: as before.
        known: the session's settings: what is declared, and what is a default.
    """

    indices: frozenset[int] | None = None
    states: frozenset[State] | None = None
    resources: Mapping[str, Any] = attrs.field(factory=dict)
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    urgency: int | None = None
    known: Settings


@attrs.frozen(kw_only=True)
class Rerun:
    """Jobs that are run again.

    Attributes:
        submissions: what is handed over, one submit command each.
        notes: what a user should know: which jobs are left out, and why.
    """

    submissions: tuple[Further, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many jobs."""
        return sum(len(one.planned.indices) for one in self.submissions)


def read_wanted(
    system: str,
    known: Settings,
    indices: Iterable[int] | None,
    *,
    states: Iterable[State | str] | None,
    resources: Mapping[str, Any] | None,
    settings: Mapping[str, Mapping[str, Any]] | None,
    urgency: int | None,
) -> Wanted:
    """What a program wants, checked. Arguments as for `Run.rerun`.

    Args:
        system: the run's batch system.
        known: the session's settings.

    Raises:
        UsageError: it cannot be.
    """
    if urgency is not None and (problem := problem_of(urgency)):
        raise UsageError(problem)
    return Wanted(
        indices=None if indices is None else frozenset(indices),
        states=None if states is None else read_states(states),
        resources=arguments.table(resources, "resources"),
        settings=changed_settings(known, system, settings or {}),
        urgency=urgency,
        known=known,
    )


def read_states(states: Iterable[State | str]) -> frozenset[State]:
    """The states that a user names.

    Raises:
        UsageError: there is no such state, or no job in it has ended.
    """
    known = [state.value for state in State if state.final]
    if not isinstance(states, Iterable):
        raise UsageError(f"states must be a list of states, not {shown(states)}")
    named = [states] if isinstance(states, str) else list(states)
    for one in named:
        word = getattr(one, "value", one)
        if word not in known:
            hint = did_you_mean(word, known) if isinstance(word, str) else ""
            raise UsageError(f"states: {shown(one)} is none of {', '.join(known)}{hint}")
    return frozenset(map(State, named))


def changed_settings(
    settings: Settings, system: str, given: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The settings of a batch system that a rerun changes, with their types.

    Raises:
        UsageError: an unknown setting, a value that does not fit, or a setting that is in the
            job script, which stays.
    """
    tables = settings.checked(given).tables
    for plugin in tables:
        if plugin != system:
            raise UsageError(
                f"settings of {plugin} cannot change in a rerun, which keeps the job script; only "
                f"those of {system} can. Submit the jobs anew"
            )
    return tables.get(system, {})


def choose(run: RunState, wanted: Wanted) -> tuple[list[JobRecord], list[str]]:
    """The jobs to be run again, and what is to be said of others.

    Raises:
        UsageError: a job that is named has not ended.
    """
    states = wanted.states or (USUAL if wanted.indices is None else frozenset(State))
    named = run.jobs if wanted.indices is None else [run.jobs[i] for i in sorted(wanted.indices)]
    open_ones = [job.index for job in named if not job.state.final]
    if open_ones and wanted.indices is not None and wanted.states is None:
        raise UsageError(
            f"run {run.id}: {_jobs(open_ones)} not ended, and cannot be run again yet (to end "
            f"them: anybatch terminate {run.id}:INDEX)"
        )
    notes = [f"{_jobs(open_ones)} not ended; left alone"] if open_ones else []
    chosen = {job.index: job for job in named if job.state.final and job.state in states}
    notes += _leave_out_hopeless(run, chosen)
    if lost := [job.index for job in chosen.values() if job.state is State.LOST]:
        notes.append(f"{_jobs(lost)} lost: what may still run then runs twice at once")
    return list(chosen.values()), notes


def _leave_out_hopeless(run: RunState, chosen: dict[int, JobRecord]) -> Iterator[str]:
    """Leave out the jobs that wait for one that is not done, and is not run again."""
    first = _first_submissions(run)
    again = True
    while again:
        again = False
        for job in list(chosen.values()):
            missing = _missing(run, first[job.index].waits, chosen)
            if missing is not None:
                again = True
                del chosen[job.index]
                yield (
                    f"job {job.index} is left out: it runs after job {missing.index}, which is "
                    f"{missing.state.value} and is not run again"
                )


def _missing(
    run: RunState, waits: Sequence[Wait], chosen: Mapping[int, JobRecord]
) -> JobRecord | None:
    for name, index in waits:
        needed = run.jobs if index is None else [run.jobs[index]]
        for one in needed if name == run.id else ():
            if one.state.final and one.state is not State.DONE and one.index not in chosen:
                return one
    return None


def _first_submissions(run: RunState) -> dict[int, Planned]:
    """What each job was planned as at first: that has all that it waits for."""
    return {index: planned for planned in run.file.submissions for index in planned.indices}


def _waits(run: RunState, job: JobRecord, first: Planned) -> tuple[Wait, ...]:
    """What a job has to wait for once more.

    Other runs it has waited for already, unless that is where it ended.
    """
    stopped = job.outcome is not None and job.outcome.reason is Reason.DEPENDENCY
    waited = job.native_id is not None and not stopped
    return tuple(wait for wait in first.waits if wait[0] == run.id or not waited)


def plan(
    run: RunState,
    wanted: Wanted,
    jobs: Sequence[JobRecord],
    *,
    limits: Callable[[Mapping[str, Any]], Limits],
    host: Host,
) -> tuple[Further, ...]:
    """The submissions of *jobs*: those with equal directives together.

    Args:
        limits: what the batch system allows jobs with these settings.

    Raises:
        UsageError: what is wanted cannot be.
        OSError: the task files of the jobs cannot be read.
    """
    first = _first_submissions(run)
    changed: dict[tuple[int, tuple[Wait, ...]], tuple[str, Planned]] = {}
    groups: dict[str, tuple[Planned, list[JobRecord]]] = {}
    for job in jobs:
        like = job.submission, _waits(run, job, first[job.index])
        if like not in changed:
            planned = _changed(run, run.submissions[job.submission].planned, wanted, like[1])
            changed[like] = _directives(planned), planned
        key, planned = changed[like]
        groups.setdefault(key, (planned, []))[1].append(job)
    further = FurtherSubmissions(run, host)
    made = []
    for planned, members in groups.values():
        allowed = limits(planned.submission.settings)
        check_urgency(run.file.system, planned.submission.urgency, allowed)
        attempt = max(job.attempt for job in members) + 1
        size = allowed.array * planned.pack.jobs
        if planned.packed:  # a pack that is started anew passes by what has ended
            allowed = attrs.evolve(allowed, reruns=False)
        for start in range(0, len(members), size):
            indices = [job.index for job in members[start : start + size]]
            made.append(further.make(planned, indices, attempt=attempt, limits=allowed))
    return tuple(made)


def _changed(run: RunState, planned: Planned, wanted: Wanted, waits: tuple[Wait, ...]) -> Planned:
    submission = planned.submission
    try:
        resources = planned.asked(attrs.evolve(planned.needed, **wanted.resources))
    except (ValueError, TypeError) as error:
        raise UsageError(f"resources: {error}") from None
    _check_gpus(submission.container, submission.resources, resources)
    urgency = submission.urgency if wanted.urgency is None else wanted.urgency
    change = Change(
        resources=resources,
        fields={*wanted.resources, *(["urgency"] if wanted.urgency is not None else [])},
        container=submission.container,
        urgency=urgency,
        settings=wanted.settings,
    )
    settings = settled_anew(run.file.system, wanted.known, submission.settings, change)
    bounds = largest(wanted.known, run.file.system)
    check_largest(resources, bounds, wanted.resources.keys())
    return attrs.evolve(
        planned,
        largest=growth_bounds(bounds),
        unchecked=not wanted.known.core("check_resources"),
        waits=waits,
        pause=timedelta(0),
        skipped=False,
        submission=attrs.evolve(
            submission, resources=resources, settings=settings, urgency=urgency, avoid=()
        ),
    )


def _check_gpus(container: str | None, before: Resources, after: Resources) -> None:
    """Whether a container sees GPUs stands in the job script, which stays."""
    if container is not None and bool(before.gpus) is not bool(after.gpus):
        raise UsageError(
            "gpus: the job's container was planned with GPUs, or without them, and this cannot "
            "change in a rerun; submit the jobs anew"
        )


def _directives(planned: Planned) -> str:
    """Equal for jobs that can share a submission."""
    one = planned.submission
    settings = sorted(one.settings.items(), key=repr)
    same = (one.name, one.resources, one.urgency, settings, one.container, one.transfer)
    return repr((*same, planned.pack, planned.retry, planned.waits))


def _jobs(indices: Sequence[int]) -> str:
    if len(indices) == 1:
        return f"job {indices[0]} is"
    return f"jobs {write_ranges(indices)} are"
