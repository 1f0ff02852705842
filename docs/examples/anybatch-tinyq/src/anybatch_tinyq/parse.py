"""Text to records. Pure. A line that cannot be read is left out: that is not a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch import State
from anybatch.records import JobStatus

from anybatch_tinyq.states import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator


def statuses(stdout: str) -> dict[str, JobStatus]:
    """What `tinyq list` says of each task, by its id."""
    return {name: _status(word, code) for name, word, code, _ in _rows(stdout)}


def labels(stdout: str) -> dict[str, str]:
    """What each task's job is called, by the task's id."""
    return {name: label for name, _, _, label in _rows(stdout)}


def _rows(stdout: str) -> Iterator[list[str]]:
    rows = (line.split("|", 3) for line in stdout.splitlines())
    return (row for row in rows if len(row) == 4)


def _status(word: str, code: str) -> JobStatus:
    state = STATES.get(word, State.RUNNING)  # an unknown word never ends a job
    exit_code = int(code) if code else None
    if state is State.DONE and exit_code != 0:
        state = State.FAILED
    return JobStatus(state=state, native_state=word, source="tinyq list", exit_code=exit_code)
