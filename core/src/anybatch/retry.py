"""Running jobs again: the same lines of the job script, as a further submission."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import attrs

from anybatch.script import next_attempt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anybatch.host import Host
    from anybatch.model import Outcome
    from anybatch.planning import Planned
    from anybatch.runstate import RunState


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
    number = len(run.submissions)
    for old, indices in by_submission.items():
        planned = run.submissions[old].planned
        attempt = planned.attempt + 1
        tasks = _tasks(run, planned, host)
        lines = [next_attempt(tasks[index], attempt) for index in indices]
        host.write(run.folder / f"tasks-{number}", "".join(lines))
        yield attrs.evolve(
            planned,
            indices=tuple(indices),
            waits=(),
            attempt=attempt,
            submission=attrs.evolve(
                planned.submission,
                number=number,
                token=f"ab-{run.id}-{number}",
                count=len(indices),
            ),
        )
        number += 1


def _tasks(run: RunState, planned: Planned, host: Host) -> dict[int, str]:
    text = host.read(run.folder / f"tasks-{planned.submission.number}")
    lines = [f"{line}\n" for line in text.split("\n")[:-1]]  # a job's text may hold \r or \x85
    return dict(zip(planned.indices, lines, strict=True))
