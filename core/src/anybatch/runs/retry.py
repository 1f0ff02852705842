"""Running jobs again by themselves: those whose failure may pass, or with more than they had."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from anybatch.retries import RetryRule
from anybatch.runs.further import FurtherSubmissions
from anybatch.states import Reason
from anybatch.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anybatch.host import Host
    from anybatch.model import Resources
    from anybatch.outcome import Outcome
    from anybatch.planning.plan import Planned
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.state import RunState


SHORT = timedelta(minutes=1)  #: of an attempt that has hardly saved anything
_FREE = 4  #: checkpoints after which those that are short are paced
_LONGEST_PAUSE = timedelta(minutes=5)


def _ruled(run: RunState, outcome: Outcome) -> tuple[JobRecord, Planned, RetryRule | None]:
    """The job of an outcome, what it was planned with, and the rule that is for such an end."""
    job = run.jobs[outcome.index]
    planned = run.submissions[job.submission].planned
    return job, planned, planned.retry.rule(outcome.reason, outcome.exit_code)


def to_be_retried(run: RunState, outcome: Outcome) -> bool:
    """Whether a job that ended so gets another attempt."""
    job, planned, rule = _ruled(run, outcome)
    allowed = planned.retry.times if rule is None else rule.times
    if job.terminated or _used(job, planned, rule) >= allowed:
        return False
    if rule is None:
        return outcome.reason in planned.retry.on
    return not _has_grown(planned, rule)


def _has_grown(planned: Planned, rule: RetryRule) -> bool:
    """Whether jobs that are run again with more have had the most already."""
    grows = rule.memory is not None or rule.time is not None
    had, grown = planned.submission.resources, _grown(planned, rule)
    return grows and (grown.memory, grown.time) == (had.memory, had.time)


def why_no_more(run: RunState, outcome: Outcome) -> str:
    """Why a job that may be run again with more is not; empty: there is no such reason."""
    job, planned, rule = _ruled(run, outcome)
    if rule is None or job.terminated or _used(job, planned, rule) >= rule.times:
        return ""
    if not _has_grown(planned, rule):
        return ""
    largest, had = planned.largest, planned.submission.resources
    memory = _of_one(planned, had.memory)
    most = largest.memory
    if rule.memory is not None and most and memory == _of_one(planned, most):
        what, by = format_size(most), largest.memory_by
    elif rule.time is not None and largest.time is not None and had.time == largest.time:
        what, by = format_duration(largest.time), largest.time_by
    else:
        what, by = rule.most, "the rule of its retry"
    return f"not run again, for it had the most that it may grow to, {what}: {by}"


def _used(job: JobRecord, planned: Planned, rule: RetryRule | None) -> int:
    """How many attempts followed one that a rule is for, since somebody wanted the job last.

    Of an attempt that an earlier version repeated, no verdict is on record: it had no rules.
    """
    past = [one for one in job.attempts if job.since <= one.attempt < job.attempt]
    ruled = [planned.retry.rule(one.reason, one.exit_code) for one in past]
    if rule is not None:
        return ruled.count(rule)
    return job.attempt - job.since - sum(one is not None for one in ruled)


def _of_one(planned: Planned, memory: int | None) -> int | None:
    """What of some memory each of the jobs has that run at once."""
    return memory and memory // planned.pack.side_by_side


def _grown(planned: Planned, rule: RetryRule) -> Resources:
    """What the next attempt asks for.

    A rule is about a job, what a site allows about one of the batch system, which may be a pack.
    """
    needed, largest = planned.needed, planned.largest
    most_memory, most_time = rule.limits()
    most_memory = min(filter(None, (most_memory, _of_one(planned, largest.memory))), default=None)
    most_time = min(filter(None, (most_time, largest.time)), default=None)
    memory, time = needed.memory, needed.time
    if rule.memory is not None and memory is not None:
        more = round(memory * rule.memory)
        memory = more if most_memory is None else max(memory, min(more, most_memory))
    if rule.time is not None and time is not None:
        longer = time * rule.time
        time = longer if most_time is None else max(time, min(longer, most_time))
    return planned.asked(attrs.evolve(needed, memory=memory, time=time))


@attrs.frozen
class _Like:
    """What jobs have in common that are run again together."""

    submission: int
    rule: RetryRule | None
    avoid: tuple[str, ...]
    pause: timedelta


def plan_retries(run: RunState, outcomes: Iterable[Outcome], host: Host) -> Iterator[Planned]:
    """Submissions that run these jobs again, one for those with equal needs.

    Their task files are written.

    Raises:
        FolderError: one of them cannot be.
    """
    groups: dict[_Like, list[int]] = {}
    for outcome in outcomes:
        groups.setdefault(_like(run, outcome), []).append(outcome.index)
    further = FurtherSubmissions(run, host)
    for like, indices in groups.items():
        old, rule = run.submissions[like.submission].planned, like.rule
        made = further.make(
            attrs.evolve(old, waits=(), pause=like.pause),
            indices,
            attempt=old.attempt + 1,
            resources=_grown(old, rule) if rule else old.submission.resources,
            avoid=like.avoid,
        )
        made.write(host)
        yield made.planned


def _like(run: RunState, outcome: Outcome) -> _Like:
    job, planned, rule = _ruled(run, outcome)
    avoid = planned.submission.avoid
    if rule is not None and rule.avoids and outcome.host:
        avoid = tuple(dict.fromkeys((*avoid, outcome.host)))
    return _Like(job.submission, rule, avoid, _pause(outcome, rule, _used(job, planned, rule)))


def _pause(outcome: Outcome, rule: RetryRule | None, used: int) -> timedelta:
    """How long the next attempt waits.

    A job that asks again and again at once saves nothing, and its submit commands are in the way of
    others'. So where the rule says nothing, the pause grows after some of them.

    Args:
        used: how many attempts the rule has given the job.
    """
    pause = rule.pause if rule is not None else timedelta(0)
    checkpointed = outcome.reason is Reason.CHECKPOINTED and not pause
    if not checkpointed or outcome.started is None or outcome.ended is None:
        return pause
    if used <= _FREE or outcome.ended - outcome.started >= SHORT:
        return pause
    return min(timedelta(seconds=2.0 ** min(used - _FREE, 20)), _LONGEST_PAUSE)
