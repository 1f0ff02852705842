"""What the supervisor answers: a JSON object for each question.

`{"do": "submit", "request": REQUEST}`  ids of the jobs; twice the same token, twice the same ids
`{"do": "check", "request": REQUEST}`   why the first job would wait, empty where it would not
`{"do": "find", "token": TOKEN}`        ids of the jobs, none where the token is not known
`{"do": "status", "ids": [ID, ...]}`    facts of the jobs that are known
`{"do": "terminate", "ids": [ID, ...], "signal": NAME or null}`
`{"do": "throttle", "token": TOKEN, "most": NUMBER}`  how many jobs of it run at once from now on
"""

from __future__ import annotations

import json
import signal as signals
import time
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import Rejected
from anybatch.local import processes
from anybatch.local.admission import Request, admit
from anybatch.local.events import Ended, Throttled, converter
from anybatch.local.jobs import Submission
from anybatch.local.states import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.local.jobs import Job
    from anybatch.local.supervisor import Supervisor


def reply(supervisor: Supervisor, question: bytes) -> bytes:
    """The answer to *question*, both JSON; `rejected` or `error` say why there is none."""
    try:
        answer = _answer(supervisor, json.loads(question))
    except Rejected as error:
        answer = {"rejected": str(error)}
    except (ValueError, ArithmeticError, RecursionError) as error:
        # A client that was killed while it wrote, or none of ours: it costs no job of others.
        answer = {"error": f"invalid request: {error}"}
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"


def _answer(supervisor: Supervisor, question: Any) -> dict[str, Any]:
    match question:
        case {"do": "submit", "request": {} as request}:
            return _submit(supervisor, request)
        case {"do": "check", "request": {} as request}:
            return {"waits": _check(supervisor, request)}
        case {"do": "find", "token": str(token)}:
            return {"ids": _find(supervisor, token)}
        case {"do": "status", "ids": [*ids]}:
            return {"jobs": _facts_of(supervisor, _known(supervisor, ids))}
        case {"do": "terminate", "ids": [*ids], "signal": None}:
            return {"terminated": _terminate(supervisor, ids)}
        case {"do": "terminate", "ids": [*ids], "signal": str(name)}:
            return {"signalled": _signal(supervisor, ids, name)}
        case {"do": "throttle", "token": str(token), "most": int(most)} if most > 0:
            return {"throttled": _throttle(supervisor, token, most)}
    raise ValueError(f"{question!r:.200}")


def _read(fields: dict[str, Any]) -> Request:
    try:
        return converter.structure(fields, Request)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{error!r}") from error


def _check(supervisor: Supervisor, fields: dict[str, Any]) -> str:
    event = admit(_read(fields), supervisor.machine, supervisor.table)
    return supervisor.why_waits(Submission.of(attrs.evolve(event, count=1)))


def _submit(supervisor: Supervisor, fields: dict[str, Any]) -> dict[str, Any]:
    request = _read(fields)
    if supervisor.table.find(request.token) is None:
        event = admit(request, supervisor.machine, supervisor.table)
        supervisor.record(event, flush=True)
    answer = {"ids": _find(supervisor, request.token), "urgency": request.urgency}
    return {**answer, "lacks": supervisor.lacks(request.attributes)}


def _find(supervisor: Supervisor, token: str) -> list[str]:
    submission = supervisor.table.find(token)
    return [job.id for job in submission.jobs] if submission else []


def _terminate(supervisor: Supervisor, ids: Sequence[Any]) -> int:
    now = time.time()
    queued = _known(supervisor, ids, Word.QUEUED)
    running = _known(supervisor, ids, Word.RUNNING)
    supervisor.record(*(Ended(job.id, now, Word.TERMINATED) for job in queued))
    for job in running:
        supervisor.stop(job, Word.TERMINATED)
    return len(queued) + len(running)


def _throttle(supervisor: Supervisor, token: str, most: int) -> bool:
    known = supervisor.table.find(token) is not None
    if known:
        supervisor.record(Throttled(token, most), flush=True)
    return known


def _signal(supervisor: Supervisor, ids: Sequence[Any], name: str) -> int:
    try:
        number = signals.Signals[f"SIG{name}"]
    except KeyError:
        raise ValueError(f"unknown signal {name!r}") from None
    running = _known(supervisor, ids, Word.RUNNING)
    for job in running:
        processes.signal_script(job.pid, number)
    return len(running)


def _known(supervisor: Supervisor, ids: Sequence[Any], word: Word | None = None) -> list[Job]:
    """The jobs of *ids*, where there are such; with *word* only those in that state."""
    jobs = supervisor.table.jobs
    known = (jobs[native] for native in dict.fromkeys(map(str, ids)) if native in jobs)
    return [job for job in known if word is None or job.word is word]


def _facts_of(supervisor: Supervisor, jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """What is known of jobs; those of a submission that wait do so for the same reason."""
    facts = {job.id: _facts(job) for job in jobs}
    waiting = {job.id: job.submission for job in jobs if job.word is Word.QUEUED}
    reasons = {one: supervisor.why_waits(one) for one in {*waiting.values()}}
    for native, submission in waiting.items():
        if why := reasons[submission]:
            facts[native]["message"] = why
    return facts


def _facts(job: Job) -> dict[str, Any]:
    """What is known of a job, without what is not."""
    facts: dict[str, Any] = {"word": job.word, "submitted": job.submission.event.at}
    if job.started:
        facts |= {"started": job.started.at, "pid": job.started.pid}
    if end := job.ended:
        facts |= {
            "ended": end.at,
            "exit_code": end.exit_code,
            "signal": end.signal,
            "cpu": end.cpu,
            "max_memory": end.max_memory,
            "message": end.message,
        }
    return {name: fact for name, fact in facts.items() if fact is not None}
