"""All tasks of a program that are jobs: gathered into runs, watched, found again, stopped.

luigi starts one task after the other, and then asks each of them whether it is alive. So tasks
are gathered until the first such question, and become one run with one submit command.

A job that a killed program has left is found by the mark beside the task's files. A program that
was killed between the submission and the mark has left none; then the job's labels tell.
"""

from __future__ import annotations

import atexit
import logging
import time
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs
from anybatch import AnybatchError, Run, RunNotFound, Session, UsageError

from anybatch_b2luigi import marks
from anybatch_b2luigi.jobs import PROGRAM, TASK, job_of, program
from anybatch_b2luigi.marks import Mark
from anybatch_b2luigi.outputs import missing_outputs
from anybatch_b2luigi.settings import ONLY_ON, get, is_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch import Job

log = logging.getLogger("luigi-interface")

#: How long a job's outputs may take to be seen here (file systems of clusters cache).
OUTPUTS_WITHIN = 30.0  #: seconds


@attrs.define(eq=False)
class Started:
    """A task that luigi has started.

    Attributes:
        task: b2luigi's.
        session: of its batch system; none: there is none.
        run, indices: its job; no run yet: it is gathered.
        problem: why it is no job.
        ended: when its job was first seen to be done, in monotonic seconds.
    """

    task: Any
    session: Session | None = None
    run: Run | None = None
    indices: tuple[int, ...] = ()
    problem: str = ""
    ended: float | None = None


class Pool:
    """The jobs of one program."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._gathered: list[Started] = []
        self._started: list[Started] = []
        self._left: dict[str, tuple[Run, tuple[int, ...]]] | None = None
        self._told: set[str] = set()
        atexit.register(self.close)

    def session(self, name: str) -> Session:
        """The session for the batch system called *name*, or `auto`."""
        if name not in self._sessions:
            folder = program().parent
            self._sessions[name] = Session(name, folder=folder, on_notice=log.warning)
        return self._sessions[name]

    def start(self, task: Any) -> Started:
        """Attach a task to the job that it is already, or gather it for the next run."""
        name = str(get("anybatch_system", task, "auto"))
        started = Started(task)
        try:
            started.session = self.session(name)
            self._tell_needless(task, started.session.system)
            found = self._found(task, started.session)
        except AnybatchError as error:
            started.problem = str(error)
            return started
        self._started.append(started)
        if found is not None:
            started.run, started.indices = found
            log.info("task %s is job %s:%s", task, found[0].id, found[1][0])
        else:
            self._gathered.append(started)
        return started

    def _tell_needless(self, task: Any, system: str) -> None:
        """Say once which settings mean nothing on this batch system."""
        for name, systems in ONLY_ON.items():
            if system not in systems and name not in self._told and is_set(name, task):
                self._told.add(name)
                where = " and ".join(systems)
                log.warning("the setting %s means nothing on %s; it is for %s", name, system, where)

    # -- what a program before this one has left

    def _found(self, task: Any, session: Session) -> tuple[Run, tuple[int, ...]] | None:
        """The job that a task is already: one that goes on, or whose outputs have just come."""
        for run, indices in self._candidates(task, session):
            outcomes = [run.outcome(index) for index in indices]
            if any(outcome is None for outcome in outcomes):
                return run, indices
            if all(outcome and outcome.done for outcome in outcomes) and task.complete():
                return run, indices
        return None

    def _candidates(self, task: Any, session: Session) -> Sequence[tuple[Run, tuple[int, ...]]]:
        left = self._left_running(session)
        found = [left[task.task_id]] if task.task_id in left else []
        mark = marks.read(task)
        if mark is None or (found and found[0][0].id == mark.run):
            return found
        try:
            run = session.attach(mark.run)
        except RunNotFound:
            return found  # its owner has removed it
        jobs = run.jobs  # made anew at each look
        labels = [jobs[index].labels.get(TASK) for index in mark.indices if index < len(jobs)]
        if labels == [task.task_id] * len(mark.indices):
            found.append((run, mark.indices))
        return found

    def _left_running(self, session: Session) -> dict[str, tuple[Run, tuple[int, ...]]]:
        """The jobs of this program that were not known to have ended, by task; the newest."""
        if self._left is None:
            runs = session.runs(label=f"{PROGRAM}={program()}")
            session.poll(runs)
            self._left = {}
            for run in runs:
                of_task = defaultdict(list)
                for job in run.jobs:
                    of_task[job.labels.get(TASK, "")].append(job.index)
                self._left |= {name: (run, tuple(some)) for name, some in of_task.items()}
        return self._left

    # -- submitting

    def flush(self) -> None:
        """Submit what was gathered: one run for each batch system."""
        gathered, self._gathered = self._gathered, []
        by_session: dict[Session, list[tuple[Started, Job]]] = defaultdict(list)
        for started in gathered:
            assert started.session is not None
            try:
                job = job_of(started.task, started.session.system)
            except (AnybatchError, ValueError, AttributeError, OSError) as error:
                started.problem = str(error)
            else:
                by_session[started.session].append((started, job))
        for session, pairs in by_session.items():
            self._submit(session, pairs)

    def _submit(self, session: Session, pairs: Sequence[tuple[Started, Job]]) -> None:
        try:
            run = session.submit([job for _, job in pairs])
        except UsageError as error:
            if len(pairs) == 1:
                pairs[0][0].problem = str(error)
            else:
                self._submit_without_bad_ones(session, pairs)
        except AnybatchError as error:
            for started, _ in pairs:
                started.problem = str(error)
        else:
            log.info("run %s: %d tasks on %s", run.id, len(pairs), session.system)
            for index, (started, _) in enumerate(pairs):
                started.run, started.indices = run, (index,)
                marks.write(started.task, Mark(run.id, (index,)))

    def _submit_without_bad_ones(
        self, session: Session, pairs: Sequence[tuple[Started, Job]]
    ) -> None:
        """One task that cannot be a job costs only itself."""
        good = []
        for started, job in pairs:
            try:
                session.plan(job)
            except AnybatchError as error:
                started.problem = str(error)
            else:
                good.append((started, job))
        if len(good) == len(pairs):  # each alone could be; what is wrong is of all together
            for started, _ in pairs:
                started.problem = "its job cannot be submitted together with those of other tasks"
        elif good:
            self._submit(session, good)

    # -- watching

    def ending(self, started: Started) -> str | None:
        """How a task ended: empty: well; else why not; None: it goes on."""
        if started.problem:
            return started.problem
        if started.run is None or started.session is None:
            self.flush()
            return started.problem or None
        started.session.watch()
        outcomes = [started.run.outcome(index) for index in started.indices]
        if any(outcome is None for outcome in outcomes):
            return None
        failed = [outcome for outcome in outcomes if outcome and not outcome.done]
        if failed:
            return "\n".join(outcome.describe() for outcome in failed)
        return self._with_outputs(started)

    def _with_outputs(self, started: Started) -> str | None:
        missing = missing_outputs(started.task)
        if not missing:
            return ""
        now = time.monotonic()
        started.ended = started.ended or now
        if now - started.ended < OUTPUTS_WITHIN:
            return None
        assert started.run is not None
        job = f"{started.run.id}:{started.indices[0]}"
        return f"job {job} is done, and the task's output is not there: {', '.join(missing)}"

    # -- stopping

    def terminate(self, started: Started) -> None:
        """Stop the job of a task."""
        if started in self._gathered:
            self._gathered.remove(started)
        elif started.run is not None and get("anybatch_terminate", started.task, True):
            self._stop(started.run, started.indices)

    def terminate_all(self) -> None:
        """Stop all jobs of the program that have not ended, with one command for each run."""
        self._gathered.clear()
        of_run: dict[Run, list[int]] = defaultdict(list)
        for started in self._started:
            if started.run is not None and get("anybatch_terminate", started.task, True):
                of_run[started.run] += started.indices
        self._started.clear()
        for run, indices in of_run.items():
            self._stop(run, indices)

    def _stop(self, run: Run, indices: Sequence[int]) -> None:
        try:
            run.terminate([index for index in indices if run.outcome(index) is None])
        except AnybatchError as error:
            log.error("run %s goes on: %s", run.id, error)

    def close(self) -> None:
        """Stop watching; jobs go on."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()


@cache
def pool() -> Pool:
    """The one of this program."""
    return Pool()
