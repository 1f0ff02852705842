"""How runs and jobs look: plain records for JSON, tables for people."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.base import echo_exact
from anybatch.counts import count_jobs, write_counts
from anybatch.errors import FolderAway
from anybatch.model import State
from anybatch.parameters import describe
from anybatch.printable import escaped
from anybatch.ranges import write_ranges
from anybatch.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.errors import AnybatchError
    from anybatch.history import Listed
    from anybatch.outcome import JobView
    from anybatch.planning.plan import Plan, Planned
    from anybatch.records import Rendered, RenderedFile
    from anybatch.run import Run
    from anybatch.runs.rerun import Rerun

MANY = 30  #: above so many jobs, equal ones share a line
ROOM = 30  #: for the indices of such a line
NARROW = 8  #: no column gets narrower than this
MOST_FITTED = 500  #: rows that are fitted to a terminal, which takes 1 ms each

_UNITS = (timedelta(hours=1), timedelta(minutes=1))  #: what ages are rounded to

# -- for programs


def run_record(run: Run, indices: Sequence[int] | None = None) -> dict[str, Any]:
    """A run and its jobs, or some of them."""
    return {
        "run": run.id,
        "name": run.name,
        "system": run.system,
        "folder": str(run.folder),
        "created": utc(run.created),
        "finished": run.finished,
        "counts": {state.value: number for state, number in run.counts.items()},
        "jobs": [_job_record(job) for job in _some(run, indices)],
    }


def _some(run: Run, indices: Sequence[int] | None) -> list[JobView]:
    jobs = run.jobs
    return jobs if indices is None else [jobs[index] for index in indices]


def _job_record(job: JobView) -> dict[str, Any]:
    return {
        "index": job.index,
        "name": job.name,
        "labels": dict(job.labels),
        "params": dict(job.params),
        "id": None if job.id is None else str(job.id),
        "state": job.state.value,
        "reason": job.reason and job.reason.value,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "native_state": job.native_state,
        "host": job.host,
        "submitted": utc(job.submitted),
        "started": utc(job.started),
        "ended": utc(job.ended),
        "stdout": str(job.stdout),
        "stderr": str(job.stderr),
        "cpu_time": None if job.cpu_time is None else job.cpu_time.total_seconds(),
        "max_memory": job.max_memory,
        "attempt": job.attempt,
        "message": job.message,
    }


def utc(time: datetime | None) -> str | None:
    """A time for programs."""
    return None if time is None else time.astimezone(timezone.utc).isoformat()


def _told(plan: Plan) -> list[str]:
    """Who is told of the run's end, without what may be secret."""
    return [target.shown for target in plan.notify.targets] if plan.notify else []


def plan_record(plan: Plan, rendered: Sequence[Rendered]) -> dict[str, Any]:
    """A plan, with the text of everything."""
    return {
        "run": plan.run,
        "system": plan.system,
        "folder": str(plan.folder),
        "jobs": plan.count,
        "notes": list(plan.notes),
        "notify": _told(plan),
        "files": [_file_record(file) for file in plan.files],
        "links": [{"path": str(link.path), "target": link.target} for link in plan.links],
        "submissions": _submission_records(plan.submissions, rendered),
        "skipped": write_ranges(
            index for one in plan.submissions if one.skipped for index in one.indices
        ),
    }


def rerun_record(run: Run, made: Rerun, rendered: Sequence[Rendered]) -> dict[str, Any]:
    """Jobs that would be run again, with the text of everything."""
    planned = [one.planned for one in made.submissions]
    return {
        "run": run.id,
        "system": run.system,
        "folder": str(run.folder),
        "jobs": made.count,
        "notes": list(made.notes),
        "files": [_file_record(file) for one in made.submissions for file in one.files],
        "submissions": _submission_records(planned, rendered),
    }


def _submission_records(
    submissions: Sequence[Planned], rendered: Sequence[Rendered]
) -> list[dict[str, Any]]:
    return [
        {
            "jobs": write_ranges(planned.indices),
            "files": [_file_record(file) for file in one.files],
            "command": list(one.command.argv),
            "stdin": one.command.stdin,
        }
        for planned, one in zip(submissions, rendered, strict=True)
        if not planned.skipped
    ]


def _file_record(file: RenderedFile) -> dict[str, Any]:
    return {"path": str(file.path), "mode": f"{file.mode:04o}", "text": file.text}


# -- for people


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table that fits the terminal; without a terminal, one line for each row.

    Nothing is cut: the first column (ids, names) keeps its width, other cells use more lines.
    """
    rows = [[*map(escaped, row)] for row in rows]
    if not sys.stdout.isatty() or len(rows) > MOST_FITTED:
        _print_lines([headings, *rows])
        return
    from rich.console import Console  # takes 100 ms
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    first, *others = headings
    longest = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    table.add_column(first, no_wrap=True, min_width=longest[0])
    for heading, width in zip(others, longest[1:], strict=True):
        table.add_column(heading, overflow="fold", min_width=min(width, NARROW))
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False, emoji=False).print(table, crop=False)


def _print_lines(rows: Sequence[Sequence[str]]) -> None:
    """A line for each row, however long."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def print_overview(runs: Sequence[Listed], unreadable: Mapping[str, AnybatchError]) -> None:
    """A line for each run, those last that cannot be read now."""
    now = datetime.now(timezone.utc)
    print_table(
        ("RUN", "NAME", "SYSTEM", "AGE", "JOBS", "ENDED"),
        [
            (
                one.id,
                one.name,
                one.system,
                age(now - one.created),
                write_counts(one.counts),
                f"{age(now - one.ended)} ago" if one.ended else "",
            )
            for one in runs
        ]
        + [(name, "", "", "", _short(error), "") for name, error in unreadable.items()],
    )


def age(duration: timedelta) -> str:
    """`3d4h`, `5m20s`: a duration in two units; clocks may disagree a little."""
    unit = next((one for one in _UNITS if duration >= 24 * one), timedelta(seconds=1))
    return format_duration(max(duration, timedelta()) // unit * unit)


def _short(error: AnybatchError) -> str:
    return "away" if isinstance(error, FolderAway) else "unreadable"


def unreadable_record(name: str, error: AnybatchError) -> dict[str, Any]:
    """A run that cannot be read now."""
    return {"run": name, "problem": str(error), "away": isinstance(error, FolderAway), "jobs": []}


def print_jobs(run: Run, indices: Sequence[int]) -> None:
    """A line for each of some jobs; of many, equal ones share a line."""
    jobs = _some(run, indices)
    groups = _equal_jobs(jobs, run) if len(jobs) > MANY else [[job] for job in jobs]
    headings: tuple[str, ...] = ("INDEX", "ID", "STATE", "NATIVE STATE", "HOST", "TIME", "REASON")
    rows: list[tuple[str, ...]] = [_job_row(group, run) for group in groups]
    if any(job.params for job in jobs):
        headings = (*headings[:1], "PARAMETERS", *headings[1:])
        params = map(_params, groups)
        rows = [(row[0], one, *row[1:]) for row, one in zip(rows, params, strict=True)]
    print_table(headings, rows)


def _params(group: Sequence[JobView]) -> str:
    """The parameters of a job, or those that all jobs of a group have."""
    first, *others = (job.params for job in group)
    shared = {
        name: value
        for name, value in first.items()
        if all(one.get(name) == value for one in others)
    }
    return describe(shared)


def _equal_jobs(jobs: Sequence[JobView], run: Run) -> list[list[JobView]]:
    order = list(State)

    def key(job: JobView) -> tuple[int, str]:
        return order.index(job.state), _why(job, run)

    return [list(group) for _, group in groupby(sorted(jobs, key=key), key)]


def _job_row(group: Sequence[JobView], run: Run) -> tuple[str, ...]:
    first, alone = group[0], len(group) == 1
    return (
        str(first.index) if alone else _indices([job.index for job in group]),
        str(first.id or "") if alone else f"{first.id or ''} ...",
        first.state.value,
        next(filter(None, map(_said, group)), ""),
        (first.host or "") if alone else "",
        _duration(first) if alone else "",
        _why(first, run),
    )


def _indices(numbers: Sequence[int]) -> str:
    """Which jobs, as far as there is room, and how many: `0-7,9,12... (23)`."""
    text = write_ranges(numbers)
    if len(text) > ROOM:
        text = text[: text.rindex(",", 0, ROOM)] + ",..."
    return f"{text} ({len(numbers)})"


def _said(job: JobView) -> str:
    """The system's own word, where it adds something."""
    return "" if job.state is State.DONE else job.native_state or ""


def _why(job: JobView, run: Run) -> str:
    """Why a job is not done, or what the batch system says of it."""
    outcome = run.outcome(job.index)
    return outcome.why() if outcome else job.message or ""


def _duration(job: JobView) -> str:
    if job.started is None:
        return ""
    return format_duration((job.ended or datetime.now(timezone.utc)) - job.started)


def headline(run: Run) -> str:
    """A run in a line."""
    age = format_duration(datetime.now(timezone.utc) - run.created)
    counts = write_counts(run.counts)
    return f"run {run.id} on {run.system}, {age} old, in {run.folder}: {counts}"


def print_plan(plan: Plan, rendered: Sequence[Rendered]) -> None:
    """Files and commands, in the order in which they are used."""
    echo_exact(f"# run {plan.run} on {plan.system}: {count_jobs(plan.count)}; this is a dry run")
    if told := _told(plan):
        echo_exact(f"# told of its end: {', '.join(told)}")
    for file in plan.files:
        _print_file(file)
    for link in plan.links:
        echo_exact(f"\n# link {link.path} -> {link.target}")
    _print_submissions(plan.submissions, rendered)


def print_rerun(run: Run, made: Rerun, rendered: Sequence[Rendered]) -> None:
    """Files and commands of jobs that would be run again."""
    what = f"rerunning {count_jobs(made.count)}"
    echo_exact(f"# run {run.id} on {run.system}: {what}; this is a dry run")
    for one in made.submissions:
        for file in one.files:
            _print_file(file)
    _print_submissions([one.planned for one in made.submissions], rendered)


def _print_submissions(submissions: Sequence[Planned], rendered: Sequence[Rendered]) -> None:
    for planned, one in zip(submissions, rendered, strict=True):
        if planned.skipped:
            which = write_ranges(planned.indices)
            echo_exact(f"\n# jobs {which} do not run: their outputs are there")
            continue
        for file in one.files:
            _print_file(file)
        echo_exact(f"\n# to submit jobs {write_ranges(planned.indices)}:")
        echo_exact(f"{one.command}")
        if one.command.stdin:
            echo_exact(f"# with this standard input:\n{one.command.stdin}")


def _print_file(file: RenderedFile) -> None:
    echo_exact(f"\n# file {file.path}, mode {file.mode:04o}:\n{file.text}", nl=False)
