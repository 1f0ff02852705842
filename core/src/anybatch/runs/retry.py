"""Running jobs again by themselves: those whose failure may pass."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import attrs

from anybatch.runs.further import FurtherSubmissions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anybatch.host import Host
    from anybatch.outcome import Outcome
    from anybatch.planning.plan import Planned
    from anybatch.runs.state import RunState


def to_be_retried(run: RunState, outcome: Outcome) -> bool:
    """Whether a job that ended so gets another attempt."""
    job = run.jobs[outcome.index]
    wanted = outcome.reason in run.submissions[job.submission].planned.retry.on
    return wanted and run.retries(job) and not job.terminated


def plan_retries(run: RunState, outcomes: Iterable[Outcome], host: Host) -> Iterator[Planned]:
    """Submissions that run these jobs again, one for each that they were in.

    Their task files are written.

    Raises:
        FolderError: one of them cannot be.
    """
    by_submission: dict[int, list[int]] = defaultdict(list)
    for outcome in outcomes:
        by_submission[run.jobs[outcome.index].submission].append(outcome.index)
    further = FurtherSubmissions(run, host)
    for old, indices in by_submission.items():
        planned = attrs.evolve(run.submissions[old].planned, waits=())
        made = further.make(planned, indices, attempt=planned.attempt + 1)
        made.write(host)
        yield made.planned
