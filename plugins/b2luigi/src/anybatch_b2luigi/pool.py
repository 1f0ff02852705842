"""All tasks of a program that are jobs: gathered into runs, watched, found again, stopped.

luigi starts one task after the other, and then asks each of them whether it is alive. So tasks
are gathered until the first such question, and become one run with one submit command.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import time
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs
from anybatch import AnybatchError, Run, Session, UsageError

from anybatch_b2luigi import grid, marks
from anybatch_b2luigi.earlier import Earlier, by_task
from anybatch_b2luigi.jobs import job_of, program
from anybatch_b2luigi.marks import Mark
from anybatch_b2luigi.needless import needless
from anybatch_b2luigi.outputs import missing_outputs
from anybatch_b2luigi.settings import get

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anybatch import Job, Outcome

log = logging.getLogger("luigi-interface")

#: How long a job's outputs may take to be seen here (file systems of clusters cache), unless the
#: setting `anybatch_outputs_within` tells.
OUTPUTS_WITHIN = 30.0  #: seconds
#: How long the end of a program waits for a submission to the grid, which it wants to stop.
GRID_PATIENCE = 60.0  #: seconds
MOST_TOLD = 5  #: failed jobs of a project that are told one by one


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
        self._earlier = Earlier()
        self._told: set[tuple[str, str]] = set()
        self._looked_at: set[tuple[type, str]] = set()
        self._on_grid: list[threading.Thread] = []
        self._planning = threading.Lock()
        atexit.register(self.close)

    def session(self, name: str) -> Session:
        """The session for the batch system called *name*, or `auto`."""
        if name not in self._sessions:
            folder = program().parent
            self._sessions[name] = Session(name, folder=folder, on_notice=log.warning)
        return self._sessions[name]

    def start(self, task: Any) -> Started:
        """Attach a task to the job that it is already, or gather it for the next run."""
        started = Started(task)
        try:
            started.session = self.session(str(get("anybatch_system", task, "auto")))
            self._tell_needless(task, started.session.system)
            found = self._earlier.job_of(task, started.session)
        except Exception as error:  # b2luigi's settings are code of the task
            started.problem = _told(error)
            return started
        self._started.append(started)
        if found is not None:
            started.session, started.run, started.indices = found
            log.info("task %s is job %s:%s", task, started.run.id, started.indices[0])
        else:
            self._gathered.append(started)
        return started

    def _tell_needless(self, task: Any, system: str) -> None:
        """Say once which settings mean nothing on this batch system."""
        if (type(task), system) in self._looked_at:
            return
        self._looked_at.add((type(task), system))
        new = [name for name in needless(task, system) if (name, system) not in self._told]
        self._told.update((name, system) for name in new)
        if new:
            names = f"settings {', '.join(new)} mean" if len(new) > 1 else f"setting {new[0]} means"
            log.warning("the %s nothing on %s", names, system)

    # -- submitting

    def flush(self) -> None:
        """Submit what was gathered: one run for each batch system."""
        gathered, self._gathered = self._gathered, []
        by_session: dict[Session, list[tuple[Started, Job]]] = defaultdict(list)
        for started in gathered:
            assert started.session is not None
            try:
                job = job_of(started.task, started.session.system)
            except Exception as error:  # of the task's code, too: its settings, create_path
                started.problem = _told(error)
            else:
                by_session[started.session].append((started, job))
        for session, pairs in by_session.items():
            if session.system == grid.SYSTEM:
                self._submit_to_grid(session, pairs)
            else:
                self._submit(session, pairs)

    def _submit_to_grid(self, session: Session, pairs: Sequence[tuple[Started, Job]]) -> None:
        """Planning asks the grid, and people for a password; other tasks do not wait for it."""

        def work() -> None:
            with self._planning:
                try:
                    self._submit(session, pairs)
                except Exception as error:
                    for started, _ in pairs:
                        started.problem = started.problem or _told(error)

        thread = threading.Thread(target=work, name="anybatch-b2luigi-grid", daemon=True)
        self._on_grid.append(thread)
        thread.start()

    def _submit(self, session: Session, pairs: Sequence[tuple[Started, Job]]) -> None:
        try:
            run = session.submit([job for _, job in pairs], notify=())
        except UsageError as error:
            if len(pairs) == 1:
                pairs[0][0].problem = str(error)
            else:
                self._submit_without_bad_ones(session, pairs, error)
        except (AnybatchError, OSError) as error:
            for started, _ in pairs:
                started.problem = str(error)
        else:
            log.info("run %s: %d tasks on %s", run.id, len(pairs), session.system)
            of_task = by_task(run)
            for started, _ in pairs:
                indices = of_task[started.task.task_id]
                with _only_said("the task can be found by its labels alone"):
                    marks.write(started.task, Mark(run.id, indices))
                started.indices, started.run = indices, run

    def _submit_without_bad_ones(
        self, session: Session, pairs: Sequence[tuple[Started, Job]], problem: UsageError
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
                started.problem = f"not to be submitted together with other tasks: {problem}"
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
        if started.run.broken:
            return f"run {started.run.id} cannot be watched any more: {started.run.broken}"
        started.session.watch()
        outcomes = [started.run.outcome(index) for index in started.indices]
        if any(outcome is None for outcome in outcomes):
            return None
        if started.run.system == grid.SYSTEM:
            with _only_said("the logs of the project are in the run's folder alone"):
                grid.link_logs(started.task, started.run)
        failed = [outcome for outcome in outcomes if outcome and not outcome.done]
        if failed:
            return _described(failed)
        return self._with_outputs(started)

    def _with_outputs(self, started: Started) -> str | None:
        assert started.run is not None
        if started.run.system == grid.SYSTEM:
            try:
                grid.collect(started.task)
            except (AnybatchError, OSError) as error:
                return str(error)
        try:
            missing = missing_outputs(started.task)
        except Exception as error:  # targets of the task's own may ask anybody
            missing = [_told(error)]
        if not missing:
            return ""
        now = time.monotonic()
        started.ended = started.ended or now
        patience = float(get("anybatch_outputs_within", started.task, OUTPUTS_WITHIN))
        if now - started.ended < patience:
            return None
        job = f"{started.run.id}:{started.indices[0]}"
        return f"job {job} is done, and the task's output is not there: {', '.join(missing)}"

    # -- stopping

    def terminate(self, started: Started) -> None:
        """Stop the job of a task."""
        self._await_grid()
        if started in self._gathered:
            self._gathered.remove(started)
        elif started.run is not None and get("anybatch_terminate", started.task, True):
            self._stop(started.run, started.indices)

    def terminate_all(self) -> None:
        """Stop all jobs of the program that have not ended, with one command for each run."""
        self._gathered.clear()
        self._await_grid()
        of_run: dict[Run, list[int]] = defaultdict(list)
        for started in self._started:
            if started.run is not None and get("anybatch_terminate", started.task, True):
                of_run[started.run] += started.indices
        self._started.clear()
        for run, indices in of_run.items():
            self._stop(run, indices)

    def _await_grid(self) -> None:
        """Only what has been submitted can be stopped; somebody may have to type a password."""
        for thread in self._on_grid:
            thread.join(GRID_PATIENCE)
            if thread.is_alive():
                log.error("a submission to the grid is under way, and is not stopped")
        self._on_grid.clear()

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


@contextlib.contextmanager
def _only_said(what_then: str) -> Iterator[None]:
    """Go on where a file cannot be written that tasks can do without."""
    try:
        yield
    except OSError as error:
        log.warning("%s; %s", error, what_then)


def _described(failed: Sequence[Outcome]) -> str:
    lines = [outcome.describe() for outcome in failed[:MOST_TOLD]]
    if more := len(failed) - MOST_TOLD:
        lines += [f"and {more} more jobs failed"] if more > 0 else []
    return "\n".join(lines)


def _told(error: Exception) -> str:
    """An error of ours speaks for itself; others say what they are."""
    known = isinstance(error, (AnybatchError, ValueError, OSError))
    return str(error) if known else f"{type(error).__name__}: {error}"


@cache
def pool() -> Pool:
    """The one of this program."""
    return Pool()
