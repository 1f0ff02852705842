"""Running jobs again: the same lines of the job script, as a further submission."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import attrs

from anybatch.planning.plan import token
from anybatch.planning.transfer_layout import make_links, page_links
from anybatch.records import Transfer
from anybatch.worker.script import next_attempt
from anybatch.worker.tasks import read_lines, render_pages

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
    number = len(run.submissions)
    for old, indices in by_submission.items():
        planned = run.submissions[old].planned
        attempt = planned.attempt + 1
        tasks = _tasks(run, planned, host)
        lines = [next_attempt(tasks[index], attempt) for index in indices]
        for name, text in render_pages(number, lines):
            host.write(run.folder / name, text)
        if planned.submission.transfer is Transfer.SYSTEM:
            make_links(page_links(run.folder, number, len(lines)), host)
        yield attrs.evolve(
            planned,
            indices=tuple(indices),
            waits=(),
            attempt=attempt,
            submission=attrs.evolve(
                planned.submission,
                number=number,
                token=token(run.id, number),
                count=planned.pack.count(len(indices)),
                transfer_sets=_parcels(planned, indices),
                previous_ids=()
                if planned.packed
                else tuple(run.jobs[index].native_id or "" for index in indices),
            ),
        )
        number += 1


def _tasks(run: RunState, planned: Planned, host: Host) -> dict[int, str]:
    submission = planned.submission
    lines = read_lines(host, run.folder, submission.number, len(planned.indices))
    return dict(zip(planned.indices, lines, strict=True))


def _parcels(planned: Planned, indices: Iterable[int]) -> tuple[str, ...]:
    """The transfer_sets of some jobs of a submission."""
    transfer_sets = planned.submission.transfer_sets
    if len(transfer_sets) < 2:
        return transfer_sets
    of = dict(zip(planned.indices, transfer_sets, strict=True))
    return tuple(of[index] for index in indices)
