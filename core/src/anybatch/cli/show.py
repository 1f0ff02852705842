"""`show` and `path`: one run or job in full, and where its files are."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import attrs
import click

from anybatch.cli.asking import analysis_of
from anybatch.cli.base import Command, echo, json_option, print_json, say
from anybatch.cli.params import complete_run
from anybatch.cli.report import age, run_record, utc
from anybatch.counts import write_counts
from anybatch.errors import FolderError
from anybatch.failures import grouped
from anybatch.tails import last_lines
from anybatch.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anybatch.outcome import JobView, Outcome
    from anybatch.planning.plan import Planned, Wait
    from anybatch.run import Run
    from anybatch.runs.notified import NoticeView
    from anybatch.session import Session

LINES = 10  #: of standard error that are shown
Rows = "Iterator[tuple[str, str]]"


@click.command(
    cls=Command,
    examples="""\
anybatch show @
anybatch show fit:3
anybatch show fit:failed""",
    exits={0: "shown", 2: "no such run or job"},
)
@click.argument(
    "names", metavar="RUN[:JOBS]...", nargs=-1, required=True, shell_complete=complete_run
)
@json_option
def show(names: tuple[str, ...], as_json: bool) -> None:
    """Show all that is known of a run or of jobs.

    Of a job: command, working directory, resources asked for and used, host, times, attempts with
    their logs, what the verdict is based on, and the last lines of standard error. Of a run of
    several jobs: what they have in common, and how they failed.
    """
    from anybatch.session import Session

    with Session(on_notice=say) as session:
        chosen = session.select(*names)
        session.poll([one.run for one in chosen])
        if as_json:
            records = []
            for one in chosen:
                plain = run_record(one.run, one.indices)
                for job in plain["jobs"]:
                    job.update(_record(session, one.run, job["index"]))
                    job["analysis"] = analysis_of(session, one.run, one.indices)
                plain["notices"] = _notice_records(one.run)
                records.append(plain)
            print_json(records)
            return
        number = 0
        for one in chosen:
            if not one.named and len(one.run) > 1:
                _print(number, run_rows(session, one.run))
                number += 1
                continue
            jobs = one.run.jobs
            why = analysis_of(session, one.run, one.indices)
            for index in one.indices:
                _print(number, job_rows(session, one.run, jobs[index], why))
                _print_errors(jobs[index])
                number += 1


def _print(number: int, rows: Iterator[tuple[str, str]]) -> None:
    if number:
        echo("")
    for name, text in rows:
        first, *others = text.split("\n")
        echo(f"{name:<14} {first}".rstrip())
        for line in others:
            echo(f"{'':<14} {line}".rstrip())


def _planned(run: Run, index: int) -> Planned:
    state = run.watched.state
    return state.submissions[state.jobs[index].submission].planned


def _record(session: Session, run: Run, index: int) -> dict[str, Any]:
    from anybatch.runs.tasklines import read_task

    described = read_task(run.watched.state, index, session.host)
    planned = _planned(run, index)
    outcome = run.outcome(index)
    return {
        "command": described.command,
        "workdir": described.workdir,
        "resources": _resources(planned),
        "urgency": planned.submission.urgency,
        "container": planned.submission.container,
        "after": [_waited(wait) for wait in planned.waits],
        "evidence": list(outcome.evidence) if outcome else [],
        "attempts": [_outcome_record(one) for one in run.attempts(index)],
    }


def _resources(planned: Planned) -> dict[str, Any]:
    plain = attrs.asdict(planned.submission.resources)
    return {**plain, "time": plain["time"] and plain["time"].total_seconds()}


def _outcome_record(outcome: Outcome) -> dict[str, Any]:
    """How an attempt of a job ended."""
    cpu_time = outcome.cpu_time
    return {
        "attempt": outcome.attempt,
        "id": None if outcome.id is None else str(outcome.id),
        "state": outcome.state.value,
        "reason": outcome.reason and outcome.reason.value,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "message": outcome.message,
        "host": outcome.host,
        "submitted": utc(outcome.submitted),
        "started": utc(outcome.started),
        "ended": utc(outcome.ended),
        "stdout": str(outcome.stdout),
        "stderr": str(outcome.stderr),
        "cpu_time": None if cpu_time is None else cpu_time.total_seconds(),
        "max_memory": outcome.max_memory,
        "evidence": list(outcome.evidence),
    }


def run_rows(session: Session, run: Run) -> Iterator[tuple[str, str]]:
    """What the jobs of a run have in common, and how they failed."""
    del session
    now = datetime.now(timezone.utc)
    planned = [one.planned for one in run.watched.state.submissions]
    yield "run", f"{run.id} ({run.name})"
    yield "jobs", f"{len(run)}: {write_counts(run.counts)}"
    yield "system", f"{run.system}, cluster {run.cluster}" if run.cluster else run.system
    yield "folder", str(run.folder)
    yield "submitted", f"{_time(run.created)} ({age(now - run.created)} ago)"
    yield "asked", "\n".join(dict.fromkeys(_asked(one) for one in planned))
    if waits := dict.fromkeys(_waited(wait) for one in planned for wait in one.waits):
        yield "after", ", ".join([*waits][:LINES])
    yield from _notices(run)
    for group in grouped([outcome for outcome in run.outcomes if outcome]):
        yield "failures", group.describe()


def _notices(run: Run) -> Iterator[tuple[str, str]]:
    """Who is told of the run's end, if anybody."""
    try:
        told = "\n".join(map(_notice, run.notices))
    except FolderError as error:
        told = str(error)
    if told:
        yield "notices", told


def _notice(one: NoticeView) -> str:
    """`mail:me@example.org: sent 2026-11-20 10:47:25 +0100`."""
    words = {
        "waiting": "waits for a failure" if one.on == "failure" else "waits for the end",
        "begun": "begun, and not known to have been sent",
    }
    text = f"{one.target}: {words.get(one.state, one.state)}"
    text += f" {_time(one.time)}" if one.time else ""
    return f"{text}: {one.error}" if one.error else text


def _notice_records(run: Run) -> list[dict[str, Any]] | None:
    """Null: that cannot be read."""
    try:
        return [{**attrs.asdict(one), "time": utc(one.time)} for one in run.notices]
    except FolderError:
        return None


def job_rows(session: Session, run: Run, job: JobView, why: str = "") -> Iterator[tuple[str, str]]:
    """All that is known of a job; *why* it waits."""
    from anybatch.runs.tasklines import read_task

    described = read_task(run.watched.state, job.index, session.host)
    planned = _planned(run, job.index)
    outcome = run.outcome(job.index)
    yield "job", f"{run.id}:{job.index} ({job.name})"
    yield "state", _state(job, outcome)
    if why:
        yield "waits", why
    if described.command is not None:
        yield "command", described.command.rstrip("\n")
    if described.workdir is not None:
        yield "workdir", described.workdir
    if job.params:
        yield "parameters", ", ".join(f"{name}={value}" for name, value in job.params.items())
    if job.labels:
        yield "labels", ", ".join(f"{name}={value}" for name, value in job.labels.items())
    id_text = f", job {job.id}" if job.id else ""
    yield "system", f"{run.system}{id_text}"
    if job.host:
        yield "host", job.host
    yield "asked", _asked(planned)
    if used := _used(job):
        yield "used", used
    if planned.waits:
        yield "after", ", ".join(_waited(wait) for wait in planned.waits)
    yield from _times(job)
    yield from _attempts(run, job)
    if len(run) == 1:
        yield from _notices(run)
    if outcome and outcome.evidence:
        yield "evidence", "\n".join(outcome.evidence)


def _state(job: JobView, outcome: Outcome | None) -> str:
    native = f" ({job.native_state})" if job.native_state and not job.state.final else ""
    why = outcome.why() if outcome else job.message
    return f"{job.state.value}{native}" + (f": {why}" if why else "")


def _asked(planned: Planned) -> str:
    submission = planned.submission
    parts = [submission.resources.describe() or "the defaults of the batch system"]
    if submission.container:
        parts.append(f"container {submission.container}")
    if submission.urgency:
        parts.append(f"urgency {submission.urgency}")
    return ", ".join(parts)


def _used(job: JobView) -> str:
    parts = [] if job.started is None else [f"{format_duration(_ran(job))} of time"]
    if job.cpu_time is not None:
        parts.append(f"{format_duration(job.cpu_time)} of CPU time")
    if job.max_memory is not None:
        parts.append(f"{format_size(job.max_memory)} of memory")
    return ", ".join(parts)


def _ran(job: JobView) -> Any:
    assert job.started is not None
    return (job.ended or datetime.now(timezone.utc)) - job.started


def _waited(wait: Wait) -> str:
    run, index = wait
    return run if index is None else f"{run}:{index}"


def _times(job: JobView) -> Iterator[tuple[str, str]]:
    for name in ("submitted", "started", "ended"):
        if (time := getattr(job, name)) is not None:
            text = _time(time)
            if name == "started" and job.submitted is not None and time >= job.submitted:
                text += f" (waited {format_duration(time - job.submitted)})"
            yield name, text


def _time(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S %z}"


def _attempts(run: Run, job: JobView) -> Iterator[tuple[str, str]]:
    """The logs, and those of earlier attempts with how they ended."""
    for past in run.attempts(job.index):
        if past.attempt != job.attempt:
            why = past.why()
            ended = f"{past.state.value}: {why}" if why else past.state.value
            where = f" on {past.host}" if past.host else ""
            yield f"attempt {past.attempt}", f"{ended}{where}\n{past.stdout}\n{past.stderr}"
    if job.attempt:
        yield f"attempt {job.attempt}", job.state.value
    yield "stdout", f"{job.stdout}{_missing(job.stdout)}"
    yield "stderr", f"{job.stderr}{_missing(job.stderr)}"


def _missing(path: Path) -> str:
    try:
        return "" if path.exists() else " (not there)"
    except OSError:
        return ""


def _print_errors(job: JobView) -> None:
    """The last lines of a job that is not done."""
    if not job.state.final or job.state.value == "done":
        return
    text = last_lines(job.stderr, LINES).decode("utf-8", "replace")
    if text:
        echo(f"last lines of {job.stderr}:")
        for line in text.rstrip("\n").split("\n"):
            echo(f"    {line}")


@click.command(
    cls=Command,
    examples="""\
cd "$(anybatch path fit)"
less "$(anybatch path --stderr fit:3)\"""",
    exits={0: "printed", 2: "no such run or job"},
)
@click.argument(
    "names", metavar="RUN[:JOBS]...", nargs=-1, required=True, shell_complete=complete_run
)
@click.option("--stderr", is_flag=True, help="Of jobs, the log of standard error.")
@json_option
def path(names: tuple[str, ...], stderr: bool, as_json: bool) -> None:
    """Print where the folder of a run is, or the logs of jobs.

    One path a line. With JOBS, that of the standard output of each job.
    """
    from anybatch.session import Session

    with Session(on_notice=say) as session:
        found: list[dict[str, Any]] = []
        for one in session.select(*names):
            if not one.named:
                found.append({"run": one.run.id, "index": None, "path": str(one.run.folder)})
                continue
            for index in one.indices:
                log = str(one.run.logs(index)[stderr])
                found.append({"run": one.run.id, "index": index, "path": log})
    if as_json:
        print_json(found)
    else:
        for record in found:
            click.echo(record["path"])
