"""Further submissions of a run: its jobs once more, with the same lines of the job script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from anybatch.planning.plan import Link, Planned, token
from anybatch.planning.transfer_layout import make_links, page_links
from anybatch.records import RenderedFile, Transfer
from anybatch.worker.script import next_attempt
from anybatch.worker.tasks import read_lines, render_pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.host import Host
    from anybatch.runs.state import RunState


@attrs.frozen(kw_only=True)
class Further:
    """A further submission, and what has to be there before it is put on record.

    Attributes:
        planned: what it is.
        files: its task files.
        links: what they are found by, where the batch system moves files.
    """

    planned: Planned
    files: tuple[RenderedFile, ...]
    links: tuple[Link, ...]

    def write(self, host: Host) -> None:
        """Write the task files.

        Raises:
            FolderError: one of them cannot be.
        """
        for file in self.files:
            host.write(file.path, file.text)
        make_links(self.links, host)


class FurtherSubmissions:
    """Makes them, numbered on from the last one of the run."""

    def __init__(self, run: RunState, host: Host) -> None:
        self._run = run
        self._host = host
        self._number = len(run.submissions)
        self._lines: dict[int, Mapping[int, str]] = {}
        self._sets: dict[int, Mapping[int, str]] = {}

    def make(
        self, planned: Planned, indices: Sequence[int], *, attempt: int, **changes: Any
    ) -> Further:
        """One for some jobs, which may have been in several submissions.

        Args:
            planned: one that a job of them was in; the others were alike.
            changes: fields of `Submission` that are different now.

        Raises:
            OSError: the task files of the jobs cannot be read.
        """
        number, run = self._number, self._run
        self._number += 1
        tasks = [next_attempt(self._task(index), attempt) for index in indices]
        pages = render_pages(number, tasks)
        moved = planned.submission.transfer is Transfer.SYSTEM
        submission = attrs.evolve(
            planned.submission,
            number=number,
            token=token(run.id, number),
            **planned.pack.facts(len(indices)),
            transfer_sets=self._transfer_sets(indices),
            previous_ids=()
            if planned.packed
            else tuple(run.jobs[index].native_id or "" for index in indices),
            **changes,
        )
        return Further(
            planned=attrs.evolve(
                planned, submission=submission, indices=tuple(indices), attempt=attempt
            ),
            files=tuple(RenderedFile(run.folder / name, text) for name, text in pages),
            links=tuple(page_links(run.folder, number, len(indices))) if moved else (),
        )

    def _task(self, index: int) -> str:
        """The line of a job, in its latest attempt."""
        number = self._run.jobs[index].submission
        if number not in self._lines:
            planned = self._run.submissions[number].planned
            lines = read_lines(self._host, self._run.folder, number, len(planned.indices))
            self._lines[number] = dict(zip(planned.indices, lines, strict=True))
        return self._lines[number][index]

    def _transfer_sets(self, indices: Sequence[int]) -> tuple[str, ...]:
        """The transfer set of each job, or one for all; none where no files travel."""
        sets = [self._sets_of(self._run.jobs[index].submission).get(index, "") for index in indices]
        if not any(sets):
            return ()
        return tuple(sets) if len(set(sets)) > 1 else (sets[0],)

    def _sets_of(self, number: int) -> Mapping[int, str]:
        """The transfer sets of a submission, by job."""
        if number not in self._sets:
            planned = self._run.submissions[number].planned
            sets, indices = planned.submission.transfer_sets, planned.indices
            if len(sets) == 1:
                sets = sets * len(indices)
            self._sets[number] = dict(zip(indices, sets, strict=False))
        return self._sets[number]
