"""What an outcome tells beside the verdict: host, times, use, words and logs, from both witnesses.

The system's facts come first. What it said before the end is no word about the end, and clocks of
several machines may differ: no outcome has times that stand in another order than they came in.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.model import Reason, State
from anybatch.worker.exit_records import own_words

if TYPE_CHECKING:
    from anybatch.host import Files
    from anybatch.outcome import Outcome
    from anybatch.records import JobStatus
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.state import RunState
    from anybatch.runs.verdict import Verdict
    from anybatch.worker.exit_records import ExitFolder, ExitRecord

_FACTS = ("host", "submitted", "started", "ended", "cpu_time", "max_memory", "stdout", "stderr")


def facts_of(verdict: Verdict, status: JobStatus | None) -> dict[str, Any]:
    """What the system's last answer tells."""
    if status is None:
        return {}
    facts = {name: getattr(status, name) for name in _FACTS}
    if status.state.final:
        facts["native_state"] = status.native_state
        if verdict.state is not State.DONE:
            facts["message"] = status.message
    return {name: value for name, value in facts.items() if value is not None}


def facts_of_record(
    run: RunState, job: JobRecord, record: ExitRecord, exits: ExitFolder, files: Files
) -> dict[str, Any]:
    """What the job has left itself."""
    host, started = exits.start(record.index, record.attempt, record.restarts) or (None, None)
    facts: dict[str, Any] = {"host": host, "started": started, "ended": exits.ended(record)}
    facts["message"] = own_words(record, run.logs(job)[1], files)
    return {name: value for name, value in facts.items() if value is not None}


def where_to_read(run: RunState, verdict: Verdict, files: Files) -> str | None:
    """Where the system's own words are, if the verdict is a bare signal, or the script's end."""
    log = run.submissions[0].planned.submission.system_log
    with contextlib.suppress(OSError):
        bare = verdict.reason in (Reason.SIGNAL, Reason.SETUP)
        if bare and files.is_file(log) and files.read_from(log, -1):
            return f"the batch system may say why in {log}"
    return None


def in_order(outcome: Outcome) -> Outcome:
    """An outcome whose times do not contradict each other."""
    submitted, started, ended = outcome.submitted, outcome.started, outcome.ended
    if started and ended and ended < started:
        started = None  # told by two clocks; when it ended is the better known
    first = started or ended
    if submitted and first and first < submitted:
        submitted = first
    return attrs.evolve(outcome, submitted=submitted, started=started, ended=ended)
