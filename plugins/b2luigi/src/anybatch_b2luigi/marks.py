"""Which job a task became, in a file beside the task's files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs
from b2luigi.core.utils import get_task_file_dir

NAME = "anybatch.json"


@attrs.frozen
class Mark:
    """A task's jobs.

    Attributes:
        run: the run's id.
        indices: their numbers in the run; one, except for a project on the grid.
    """

    run: str
    indices: tuple[int, ...]


def write(task: Any, mark: Mark) -> None:
    """Note what a task became. A reader sees the old mark or the new one, never half of it."""
    folder = Path(get_task_file_dir(task))
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{NAME}.{os.getpid()}.part"
    part.write_text(json.dumps({"run": mark.run, "indices": mark.indices}) + "\n", "utf-8")
    part.replace(folder / NAME)


def read(task: Any) -> Mark | None:
    """What a task became; None: nothing is noted, or nothing that can be read."""
    try:
        plain = json.loads((Path(get_task_file_dir(task)) / NAME).read_text("utf-8"))
        indices = tuple(int(index) for index in plain["indices"])
        return Mark(str(plain["run"]), indices) if indices else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
