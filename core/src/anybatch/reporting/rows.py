"""What a report knows of each job: what was asked for, what was used, how it ended."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import attrs

from anybatch import tails
from anybatch.model import State
from anybatch.outcome import JobView

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import TextIO

    from anybatch.run import Run

TAIL = 4000  #: bytes of a log that are read for its last lines
LINES = 12  #: and how many of these are shown


@attrs.frozen(kw_only=True)
class Row:
    """A job in a report.

    Attributes:
        job: what is known of it.
        why: why it is not done, in words for people; empty for done.
        waiting: seconds from submission to start, or to the end of a job that never started;
            None: not known, or not over.
        running: seconds from start to end; None: not known, or not over.
    """

    job: JobView
    why: str
    waiting: float | None
    running: float | None

    @property
    def cores(self) -> int:
        """All cores that the job asked for."""
        return self.job.resources.cores * self.job.resources.tasks

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time used."""
        return None if self.job.cpu_time is None else self.job.cpu_time.total_seconds()

    @property
    def cpu_share(self) -> float | None:
        """CPU time used, as a share of the cores asked for over the running time (0..1)."""
        if self.cpu_seconds is None or not self.running:
            return None
        return self.cpu_seconds / (self.running * self.cores)

    @property
    def memory_share(self) -> float | None:
        """Peak memory, as a share of the memory asked for."""
        if self.job.max_memory is None or not self.job.resources.memory:
            return None
        return self.job.max_memory / self.job.resources.memory


def collect(run: Run, indices: Collection[int] | None = None) -> list[Row]:
    """A row for each job of a run, or for those of *indices*, in order of index."""
    return [_row(job, run) for job in run.jobs if indices is None or job.index in indices]


def _row(job: JobView, run: Run) -> Row:
    outcome = run.outcome(job.index)
    return Row(
        job=job,
        why=outcome.why() if outcome else job.message or "",
        waiting=_seconds(job.submitted, job.started or job.ended),
        running=_seconds(job.started, job.ended),
    )


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())


def last_lines(path: Path) -> str:
    """The last lines of a log; empty where there is none, or it cannot be read."""
    text = tails.last_lines(path, LINES, TAIL).decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-LINES:])


def record(row: Row) -> dict[str, Any]:
    """A row for programs: seconds, bytes, UTC."""
    job = row.job
    return {
        "index": job.index,
        "name": job.name,
        "id": None if job.id is None else job.id.native_id,
        "state": job.state.value,
        "reason": job.reason and job.reason.value,
        "why": row.why or None,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "attempt": job.attempt,
        "host": job.host,
        "submitted": _iso(job.submitted),
        "started": _iso(job.started),
        "ended": _iso(job.ended),
        "waiting": row.waiting,
        "running": row.running,
        "cores": row.cores,
        "cpu_time": row.cpu_seconds,
        "memory": row.job.resources.memory,
        "max_memory": job.max_memory,
        "time": None if row.job.resources.time is None else row.job.resources.time.total_seconds(),
        "stdout": str(job.stdout),
        "stderr": str(job.stderr),
        **{f"param_{name}": value for name, value in job.params.items()},
        **{f"label_{name}": value for name, value in job.labels.items()},
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def write_csv(rows: Sequence[Row], out: TextIO) -> None:
    """All rows as comma-separated values (RFC 4180), with a heading."""
    records = [_safe(record(row)) for row in rows]
    names = dict.fromkeys(name for one in records for name in one)
    writer = csv.DictWriter(out, list(names))
    writer.writeheader()
    writer.writerows(records)


def _safe(values: Mapping[str, Any]) -> dict[str, Any]:
    """Texts that no spreadsheet takes for a formula; a quote mark in front makes them texts."""
    return {
        name: f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA else value
        for name, value in values.items()
    }


_FORMULA = tuple("=+-@\t\r")


def is_failure(row: Row) -> bool:
    """Whether a job has ended and is not done."""
    return row.job.state.final and row.job.state is not State.DONE
