"""Why a queued job has not started, for its user. Pure.

What is told changes as seldom as can be, for each change is an event in the journal of a run. So it
is what a job needs of what there is, not how much of that is in use just now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.units import format_size

if TYPE_CHECKING:
    from anybatch.local.events import Submitted
    from anybatch.local.jobs import Submission, Table


def why(table: Table, submission: Submission) -> str:
    """Why the next job of a submission waits; empty: it is about to start.

    The submission may be one that is not in the table, as if it came last.
    """
    if submission.waits_for:
        return _dependency(submission)
    if submission.full:
        return f"as many jobs of its run as may ({submission.most}) run at once"
    if lacking := _lacking(table, submission.event):
        return f"waits for {' and '.join(lacking)}"
    first = table.first
    is_next = first in (None, submission) or submission.event.urgency > first.event.urgency
    return "" if is_next else "jobs that come before it wait for room"


def _dependency(submission: Submission) -> str:
    waits_for = submission.waits_for
    last = next(native for native in reversed(submission.event.after) if native in waits_for)
    return f"waits for job {last}" + (" and others" if len(waits_for) > 1 else "")


def _lacking(table: Table, event: Submitted) -> list[str]:
    """What a job needs of what there is, where so much is not free."""
    lacking = []
    if table.cores + event.cores > event.max_cores:
        lacking.append(f"{event.cores} of {event.max_cores} core{'s' * (event.max_cores != 1)}")
    if table.memory + event.memory > event.max_memory:
        sizes = f"{format_size(event.memory)} of {format_size(event.max_memory)}"
        lacking.append(f"{sizes} of memory")
    return lacking
