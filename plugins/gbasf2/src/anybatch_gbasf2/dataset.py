"""`GridDataset`: what a project leaves on the grid, for a job that reads it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from anybatch_gbasf2.project import project_of

if TYPE_CHECKING:
    from anybatch import Run


@attrs.frozen
class GridDataset:
    """A dataset on the grid.

    Attributes:
        path: its logical path: `/belle/user/ada/pre_ab12cd34ef`.

    Example:
        first = session.submit(steering_job("skim.py", download_dataset=False, ...))
        first.wait()
        [skimmed] = GridDataset.of(first)
        session.submit(steering_job("fit.py", input_dataset=str(skimmed), ...))
    """

    path: str

    def __str__(self) -> str:
        return self.path

    @classmethod
    def of(cls, run: Run) -> list[GridDataset]:
        """The datasets of a run's projects."""
        datasets = {project_of(one.settings).dataset for one in run.submissions}
        return [cls(path) for path in sorted(datasets)]
