"""What the index of runs has of a run, so that nobody needs to open its folder to list it.

    {"folder": "/home/me/.anybatch/runs/RUN", "name": "fit", "system": "slurm", ...}
    {"ended": "2026-11-20T09:47:25+00:00", "counts": {"done": 3}}

The first line is written before anything is submitted, a further one each time that the run has
ended. Earlier versions wrote the folder alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.model import State
from anybatch.runs.serialization import read_path, read_time, write_path

if TYPE_CHECKING:
    from anybatch.runs.fold import Fold
    from anybatch.runs.store import RunFile

_MOST_LABELS = 4096  #: characters of a run's different labels that are kept here


@attrs.frozen(kw_only=True)
class Summary:
    """A run, as far as the index knows it.

    Attributes:
        folder: of the run.
        name: of its first job.
        system: the batch system.
        created: when it was submitted.
        labels: of its jobs, each as `NAME=VALUE`; None: too many, or not told.
        ended: when it ended, as it was noticed.
        counts: how many jobs ended in which state.

    All but the folder may be None, for an earlier version, a full disk or whoever else wrote it.
    """

    folder: Path
    name: str | None = None
    system: str | None = None
    created: datetime | None = None
    labels: frozenset[str] | None = None
    ended: datetime | None = None
    counts: Mapping[State, int] | None = None

    def has_label(self, label: str) -> bool | None:
        """Whether a job has the label `NAME=VALUE`, or any called `NAME`; None: not known."""
        if self.labels is None:
            return None
        name, equals, _ = label.partition("=")
        return any(one == label if equals else one.startswith(f"{name}=") for one in self.labels)


def of_run(file: RunFile) -> Summary:
    """The summary of a new run."""
    first = next(one for one in file.submissions if 0 in one.indices)
    labels = {f"{name}={value}" for _, table in file.labels for name, value in table.items()}
    return Summary(
        folder=file.folder,
        name=first.submission.name,
        system=file.system,
        created=file.created,
        labels=frozenset(labels) if sum(map(len, labels)) <= _MOST_LABELS else None,
    )


def write_start(summary: Summary) -> str:
    """The first line of an entry."""
    plain: dict[str, Any] = {
        "folder": write_path(summary.folder),
        "name": summary.name,
        "system": summary.system,
        "created": summary.created and summary.created.isoformat(),
        "labels": None if summary.labels is None else sorted(summary.labels),
    }
    return json.dumps(plain) + "\n"


def write_end(state: Fold) -> str:
    """The line that tells how a run has ended."""
    ends = [job.outcome.ended for job in state.jobs if job.outcome and job.outcome.ended]
    ended = max(ends, default=datetime.now(timezone.utc))
    counts = {one.value: state.counts[one] for one in State if state.counts[one]}
    return json.dumps({"ended": ended.isoformat(), "counts": counts}) + "\n"


def read(data: bytes) -> Summary | None:
    """The inverse: what an entry tells; None: no folder.

    A line that was cut, or makes no sense, tells nothing.
    """
    if data.startswith(b"/"):
        return None if b"\0" in data else Summary(folder=Path(os.fsdecode(data)))
    first, *others = data.split(b"\n")
    start = _table(first)
    folder = _folder(start.get("folder"))
    if folder is None:
        return None
    end = next(filter(None, map(_table, reversed(others))), {})
    labels = _typed(start.get("labels"), list)
    return Summary(
        folder=folder,
        name=_typed(start.get("name"), str),
        system=_typed(start.get("system"), str),
        created=_time(start.get("created")),
        labels=None if labels is None else frozenset(one for one in labels if type(one) is str),
        ended=_time(end.get("ended")),
        counts=_counts(end.get("counts")),
    )


def _table(line: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _folder(plain: Any) -> Path | None:
    if not isinstance(plain, str) or not plain.startswith("/") or "\0" in plain:
        return None
    try:
        return read_path(plain)
    except ValueError:  # surrogates that stand for no byte
        return None


def _typed(plain: Any, kind: type) -> Any:
    return plain if isinstance(plain, kind) else None


def _time(plain: Any) -> datetime | None:
    try:
        return read_time(plain)
    except (ValueError, TypeError, AttributeError):
        return None


def _counts(plain: Any) -> Mapping[State, int] | None:
    try:
        return {State(name): int(number) for name, number in plain.items()}
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
