"""Jobs of a submission as a further one, which is handed over first.

A submission that may not be handed over as a whole is taken apart, from the front. What is left of
it waits. It is never submitted itself: each of its jobs is in one part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from anybatch.planning.plan import token
from anybatch.planning.transfer_layout import make_links, page_links
from anybatch.records import Transfer
from anybatch.worker.tasks import read_some, render_pages

if TYPE_CHECKING:
    from collections.abc import Collection

    from anybatch.host import Host
    from anybatch.planning.plan import Planned
    from anybatch.runs.entries import SubmissionState
    from anybatch.runs.state import RunState


def take_part(
    run: RunState, one: SubmissionState, indices: Collection[int], host: Host
) -> SubmissionState:
    """Have some of a submission's jobs be one of their own, the run's next.

    Raises:
        FolderError: that cannot be.
    """
    planned = _planned(run, one, indices, host)
    run.record_part(one.planned.submission.number, planned)
    return run.submissions[planned.submission.number]


def _planned(run: RunState, one: SubmissionState, indices: Collection[int], host: Host) -> Planned:
    """The part. Its task file is written.

    Raises:
        FolderError: that cannot be.
    """
    planned, chosen = one.planned, frozenset(indices)
    submission, number = planned.submission, len(run.submissions)
    tasks = [task for task, index in enumerate(planned.indices, 1) if index in chosen]
    lines = read_some(host, run.folder, submission.number, tasks)
    for name, text in render_pages(number, lines):
        host.write(run.folder / name, text)
    if submission.transfer is Transfer.SYSTEM:
        make_links(page_links(run.folder, number, len(lines)), host)
    sets, previous = submission.transfer_sets, submission.previous_ids
    return attrs.evolve(
        planned,
        indices=tuple(planned.indices[task - 1] for task in tasks),
        submission=attrs.evolve(
            submission,
            number=number,
            token=token(run.id, number),
            **planned.pack.facts(len(tasks)),
            max_running=None,
            transfer_sets=sets if len(sets) < 2 else tuple(sets[task - 1] for task in tasks),
            previous_ids=tuple(previous[task - 1] for task in tasks) if previous else (),
        ),
    )
