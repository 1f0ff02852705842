"""gbasf2, the grid client of Belle II, for anybatch."""

from anybatch_gbasf2.dataset import GridDataset
from anybatch_gbasf2.jobs import path_job, steering_job

__all__ = ["GridDataset", "path_job", "steering_job"]
