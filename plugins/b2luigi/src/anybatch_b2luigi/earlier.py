"""Jobs that programs before this one have left.

A job is found by the mark beside the task's files. A program that was killed between the
submission and the mark has left none; then the job's labels tell.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from anybatch import RunNotFound

from anybatch_b2luigi import grid, marks
from anybatch_b2luigi.jobs import PROGRAM, PROJECT, TASK, program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anybatch import Run, Session


class Found(NamedTuple):
    """The jobs that a task is, and the session that watches them."""

    session: Session
    run: Run
    indices: tuple[int, ...]


class Earlier:
    """What was left; the runs are listed once, when the first task is looked for."""

    def __init__(self) -> None:
        self._running: dict[str, Found] | None = None
        self._of_runs: dict[str, dict[str, tuple[int, ...]]] = {}  # labels stay as they are

    def job_of(self, task: Any, session: Session) -> Found | None:
        """The job that a task is already: one that goes on, or whose outputs have just come."""
        for found in self._candidates(task, session):
            if found.run.system == grid.SYSTEM and not _is_project_of(task, found):
                continue
            outcomes = [found.run.outcome(index) for index in found.indices]
            if any(outcome is None for outcome in outcomes):
                return found
            if all(outcome and outcome.done for outcome in outcomes) and task.complete():
                return found
        return None

    def _candidates(self, task: Any, session: Session) -> Iterator[Found]:
        running = self._all_running(session).get(task.task_id)
        if running:
            yield running
        mark = marks.read(task)
        if mark is None or (running and running.run.id == mark.run):
            return
        try:
            run = session.attach(mark.run)
        except RunNotFound:
            return  # its owner has removed it
        if self._by_task(run).get(task.task_id) == mark.indices:
            yield Found(session, run, mark.indices)

    def _all_running(self, session: Session) -> dict[str, Found]:
        """The jobs of this program that were not known to have ended, by task; the newest."""
        if self._running is None:
            runs = _runs_of_program(session)
            session.poll(runs)
            self._running = {
                name: Found(session, run, indices)
                for run in runs
                for name, indices in self._by_task(run).items()
            }
        return self._running

    def _by_task(self, run: Run) -> dict[str, tuple[int, ...]]:
        if run.id not in self._of_runs:
            self._of_runs[run.id] = by_task(run)
        return self._of_runs[run.id]


def _is_project_of(task: Any, found: Found) -> bool:
    """Whether the task is still the same project: who changes the prefix wants a new one."""
    label = found.run.jobs[found.indices[0]].labels.get(PROJECT)
    return label == grid.project_of(task)


def _runs_of_program(session: Session) -> list[Run]:
    """Those that may still change. What hinders runs of other programs is not said here."""
    told, session.on_notice = session.on_notice, lambda text: None
    try:
        return session.runs(label=f"{PROGRAM}={program()}")
    finally:
        session.on_notice = told


def by_task(run: Run) -> dict[str, tuple[int, ...]]:
    """The jobs of each task in a run: one, or those of a project on the grid."""
    of_task: dict[str, list[int]] = defaultdict(list)
    for job in run.jobs:
        of_task[job.labels.get(TASK, "")].append(job.index)
    return {name: tuple(indices) for name, indices in of_task.items()}
