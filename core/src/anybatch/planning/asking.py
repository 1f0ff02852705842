"""Asking a batch system whether it would take a plan's jobs. Nothing is submitted.

One question for submissions that are alike: those of a run that is more than one array hold as many
jobs as one takes, and differ in nothing that a scheduler looks at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from anybatch.errors import CommandError, JobError, NotSubmitted, Rejected
from anybatch.ranges import write_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anybatch.planning.plan import Plan, Planned
    from anybatch.plugins.calls import Hooks
    from anybatch.records import Submission


@attrs.frozen
class Checked:
    """What a batch system says of jobs before they are submitted.

    Attributes:
        jobs: their numbers in the run: `0-99`.
        asked: whether it could be asked.
        said: what it says: when they may start, or why it could not be asked.
    """

    jobs: str
    asked: bool
    said: str

    def __str__(self) -> str:
        return f"jobs {self.jobs}: {self.said}" if not self.jobs.isdecimal() else self.said


def ask(plan: Plan, hooks: Hooks) -> list[Checked]:
    """What the batch system says of the jobs of a plan; an item for those that are alike.

    Raises:
        JobError: it would refuse some, with its words.
        PluginError: its answer is none.
    """
    return [_ask(plan.system, alike, hooks) for alike in _groups(plan)]


def _groups(plan: Plan) -> Iterator[list[Planned]]:
    """Submissions that are alike, the largest first; without those that need not run."""
    groups: dict[str, list[Planned]] = {}
    for one in plan.submissions:
        if not one.skipped:
            groups.setdefault(repr(_what_counts(one.submission)), []).append(one)
    for alike in groups.values():
        yield sorted(alike, key=lambda one: -one.submission.count)


def _what_counts(submission: Submission) -> Submission:
    """A submission without what tells it from others that are alike."""
    return attrs.evolve(
        submission,
        token="",
        number=0,
        name="",
        count=1,
        after=(),
        transfer_sets=(),
        max_running=None,
    )


def _ask(system: str, alike: list[Planned], hooks: Hooks) -> Checked:
    # What jobs run after has no ids yet.
    submission = attrs.evolve(alike[0].submission, after=())
    jobs = write_ranges(sorted(index for one in alike for index in one.indices))
    try:
        said = hooks.check(system, submission, hooks.render(system, submission))
    except Rejected as error:
        which = f"job {jobs}" if jobs.isdecimal() else f"jobs {jobs}"
        raise JobError(f"{system} would refuse {which}: {error}") from error
    except (CommandError, NotSubmitted) as error:
        return Checked(jobs, asked=False, said=f"{system} could not be asked: {error}")
    if said is None:
        why = f"{system} cannot be asked whether it would take jobs, or when they would start"
        return Checked(jobs, asked=False, said=why)
    return Checked(jobs, asked=True, said=said or f"{system} would take them")
