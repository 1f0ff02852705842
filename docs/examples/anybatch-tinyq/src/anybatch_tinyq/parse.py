"""Text to records. Pure. A line that cannot be read is left out: that is not a verdict."""

from collections.abc import Iterator
from datetime import datetime, timezone

from anybatch import State
from anybatch.records import JobStatus

from anybatch_tinyq.states import STATES


def statuses(stdout: str) -> dict[str, JobStatus]:
    """What `tinyq list` and `tinyq past` say of each task, by its id."""
    return {row[0]: _status(*row[1:6]) for row in _rows(stdout)}


def labels(stdout: str) -> dict[str, str]:
    """What each task's job is called, by the task's id."""
    return {row[0]: row[6] for row in _rows(stdout)}


def _rows(stdout: str) -> Iterator[list[str]]:
    rows = (line.split("|", 6) for line in stdout.splitlines())
    return (row for row in rows if len(row) == 7)


def _status(word: str, code: str, submitted: str, started: str, ended: str) -> JobStatus:
    state = STATES.get(word, State.RUNNING)  # an unknown word never ends a job
    exit_code = int(code) if code else None
    if state is State.DONE and exit_code != 0:
        state = State.FAILED
    return JobStatus(
        state=state,
        native_state=word,
        source="tinyq",
        exit_code=exit_code,
        submitted=_time(submitted),
        started=_time(started),
        ended=_time(ended),
        never_started=state is State.TERMINATED and not started,
    )


def _time(seconds: str) -> datetime | None:
    return datetime.fromtimestamp(int(seconds), timezone.utc) if seconds else None
