"""Jobs as `concurrent.futures`."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import BrokenExecutor, Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any

from anybatch import arguments
from anybatch.errors import AnybatchError, CommandError, FolderError, JobError, UnknownSystem, shown
from anybatch.model import Job
from anybatch.outcome import JobFailed
from anybatch.planning.expansion import list_jobs
from anybatch.runs import forks
from anybatch.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from anybatch.outcome import Outcome
    from anybatch.planning.plan import Plan
    from anybatch.run import Run

    _Given = tuple[Job, Future[Outcome]]

#: Jobs given within so many seconds become one run, and so one submit command.
GATHER = 0.05
STOP_AGAIN = 10.0  #: seconds until jobs are told to stop again that could not be told


class Executor:
    """Submits jobs and returns futures of their outcomes, as `concurrent.futures` does.

    Args:
        system: a batch system's name, or `auto`.
        arguments: further ones of `Session`.

    `Future.result()` returns an `Outcome`. It raises `JobFailed` if the job is not done, and
    `AnybatchError` if the job could not be submitted. Jobs that are given at about the same time
    go to the batch system in one submission.

    Every future completes, as those of `ProcessPoolExecutor` do: at the end of a `with` block the
    executor waits for all jobs, and so does the interpreter at its end, whether the executor was
    shut down or not. A future can be cancelled until its job is handed to the batch system.

    In a forked child all futures that had not completed fail: their jobs are the parent's.
    """

    def __init__(self, system: str | None = None, **arguments: Any) -> None:
        self.session = Session(system, **arguments)
        self._forked = False
        self._giving = threading.Lock()
        self._pending: list[_Given] = []
        self._futures: set[Future[Outcome]] = set()  #: those that have not completed
        self._open: dict[str, tuple[Run, dict[int, Future[Outcome]]]] = {}
        self._ending = False
        self._cancelling = False
        self._broken: BaseException | None = None
        self._stop_at: dict[str, float] = {}  #: when runs are told to stop, while cancelling
        self._thread: threading.Thread | None = None
        forks.call_in_children(self, Executor._after_fork)

    def submit(self, job: Job) -> Future[Outcome]:
        """A future of the job's outcome.

        Raises:
            RuntimeError: the executor was shut down, is broken, or belongs to another process.
        """
        if self._forked:
            raise RuntimeError("this executor belongs to the parent process; create a new one")
        future: Future[Outcome] = Future()
        with self._giving:
            self._check_open()
            self._begin()
            self._futures.add(future)
            self._pending.append((job, future))
        self.session.wake()
        return future

    def _check_open(self) -> None:
        if self._broken is not None:
            raise BrokenExecutor(
                f"this executor cannot go on ({self._broken}); create a new one"
            ) from self._broken
        if self._ending:
            raise RuntimeError("this executor was shut down; create a new one")
        main = threading.main_thread()
        if threading.current_thread() is main and not main.is_alive():
            raise RuntimeError("the interpreter is ending; nobody would submit the job")

    def _begin(self) -> None:
        """Have a thread that works, for as long as there is work.

        It is no daemon: so the interpreter waits for it at its end.
        """
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="anybatch-executor", daemon=False)
            thread.start()
            self._thread = thread

    def map(self, jobs: Iterable[Job], timeout: float | None = None) -> Iterator[Outcome]:
        """The outcomes of jobs, in their order.

        After an error the jobs that were not handed to the batch system yet are cancelled.

        Raises:
            JobFailed: at the first that is not done.
            TimeoutError: an outcome was not there within *timeout* seconds of the call.
            UsageError: something is no job, or *timeout* no number; nothing was submitted.
        """
        timeout = arguments.seconds(timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        listed = list_jobs(jobs, self.session.settings.core("max_jobs"))
        return _outcomes([self.submit(job) for job in listed], deadline)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs.

        Args:
            wait: return when all futures have completed; else they complete later, and the
                interpreter waits for them at its end.
            cancel_futures: cancel the futures whose jobs were not handed to the batch system, and
                stop the other jobs.
        """
        if self._forked:
            return
        with self._giving:
            self._ending = True
            self._cancelling = self._cancelling or cancel_futures
            thread = self._thread
        if cancel_futures:
            for _, future in self._taken():
                future.cancel()
                self._start(future)
        self.session.wake()
        if thread is None:
            self.session.close()
        elif wait and thread is not threading.current_thread():
            thread.join()

    # -- in the thread

    def _work(self) -> None:
        """Submit what is pending and settle what has ended, until nothing is left to do."""
        try:
            self.session.watch()
            while not self._over():
                self.session.wait_until(self._has_work)
                if self._pending:
                    time.sleep(GATHER)
                    self._submit(self._started(self._taken()))
                self._stop()
                self._settle()
        except BaseException as error:
            self._fail_all(error)
        if self._ending or self._broken:
            self.session.close()

    def _over(self) -> bool:
        """Whether the thread may end; another is started for the next job."""
        with self._giving:
            over = not self._pending and not self._open
            if over:
                self._thread = None
            return over

    def _has_work(self) -> bool:
        return bool(
            self._pending
            or not self._open
            or (self._cancelling and self._due_to_stop())
            or any(
                run.watched.broken or any(map(run.outcome, futures))
                for run, futures in self._open.values()
            )
        )

    def _taken(self) -> list[_Given]:
        """What was given since the last call."""
        with self._giving:
            pending, self._pending = self._pending, []
        return pending

    def _started(self, given: Iterable[_Given]) -> list[_Given]:
        """Those that were not cancelled; from here on they cannot be."""
        return [(job, future) for job, future in given if self._start(future)]

    def _start(self, future: Future[Outcome]) -> bool:
        if future.set_running_or_notify_cancel():
            return True
        self._futures.discard(future)
        return False

    def _submit(self, given: Sequence[_Given]) -> None:
        """Submit jobs as one run. One that cannot be costs only itself."""
        if not given:
            return
        try:
            plan = self._plan([job for job, _ in given])
        except (UnknownSystem, CommandError, FolderError) as error:  # so it would be for any job
            self._fail_each(given, error)
        except Exception as error:
            self._submit_parts(given, error)
        else:
            self._hand_over(plan, given)

    def _plan(self, jobs: Sequence[Job]) -> Plan:
        for job in jobs:
            _check(job)
        return self.session.plan(jobs, require_one_job_each=True, notify=())

    def _hand_over(self, plan: Plan, given: Sequence[_Given]) -> None:
        try:
            run = self.session.submit_plan(plan)
        except Exception as error:
            self._fail_each(given, error)
        else:
            self._open[run.id] = (run, dict(enumerate(future for _, future in given)))

    def _submit_parts(self, given: Sequence[_Given], error: Exception) -> None:
        """Submit those that can be; where each can be but not all together, by halves."""
        if len(given) == 1:
            self._fail_each(given, error)
            return
        good = [one for one in given if self._plannable(*one)]
        if len(good) < len(given):
            self._submit(good)
        else:
            self._submit(good[: len(good) // 2])
            self._submit(good[len(good) // 2 :])

    def _plannable(self, job: Job, future: Future[Outcome]) -> bool:
        try:
            self._plan([job])
        except Exception as error:
            self._fail(future, error)
            return False
        return True

    def _stop(self) -> None:
        """While cancelling, stop what the batch system has; again, where it could not be told."""
        for name in self._due_to_stop() if self._cancelling else ():
            run, _ = self._open[name]
            self._stop_at[name] = float("inf")
            try:
                run.terminate()
            except CommandError as error:
                self._stop_at[name] = time.monotonic() + STOP_AGAIN
                self.session.on_notice(f"cannot stop run {name}, will try again: {error}")
            except AnybatchError as error:
                self.session.on_notice(f"cannot stop run {name}: {error}")

    def _due_to_stop(self) -> list[str]:
        return [name for name in self._open if self._stop_at.get(name, 0) <= time.monotonic()]

    def _settle(self) -> None:
        for name, (run, futures) in list(self._open.items()):
            for index in list(futures):
                outcome = run.outcome(index)
                if outcome is not None:
                    self._complete(futures.pop(index), outcome)
                elif run.watched.broken is not None:
                    self._fail(futures.pop(index), run.watched.broken)
            if not futures:
                del self._open[name]

    def _complete(self, future: Future[Outcome], outcome: Outcome) -> None:
        if not outcome.done:
            self._fail(future, JobFailed(outcome))
            return
        self._futures.discard(future)
        with contextlib.suppress(InvalidStateError):  # somebody else has given it a result
            future.set_result(outcome)

    def _fail(self, future: Future[Outcome], error: BaseException) -> None:
        self._futures.discard(future)
        with contextlib.suppress(InvalidStateError):
            future.set_exception(error)

    def _fail_each(self, given: Iterable[_Given], error: Exception) -> None:
        for _, future in given:
            self._fail(future, error)

    def _fail_all(self, error: BaseException) -> None:
        with self._giving:
            self._broken, self._thread = error, None
        for _, future in self._taken():
            self._start(future)
        for future in tuple(self._futures):
            self._fail(future, error)

    # -- the end

    def _after_fork(self) -> None:
        """Fail what nobody in a forked child completes."""
        self._forked = True
        error = RuntimeError("the job belongs to the parent process, and completes only there")
        for future in tuple(self._futures):
            Future.__init__(future)  # its lock may have been held by a thread that is not here
            future.set_exception(error)

    def __enter__(self) -> Executor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()


class NotAJob(JobError, TypeError):
    """What was given to an executor is no `Job`."""


def _check(job: object) -> None:
    """Refuse what is no job, and what would depend on the moment it is given.

    Raises:
        NotAJob: it is none.
        JobError: it waits for another job; whether both are in one run, nobody can know.
    """
    if not isinstance(job, Job):
        raise NotAJob(f"an executor takes a Job, not {type(job).__name__}: {shown(job)}")
    if any(isinstance(other, Job) for other in job.after):
        raise JobError(
            "after: a job given to an executor cannot wait for another Job; submit both with "
            "Session.submit, or wait for the future of the first"
        )


def _outcomes(futures: list[Future[Outcome]], deadline: float | None) -> Iterator[Outcome]:
    futures.reverse()
    try:
        while futures:
            left = None if deadline is None else deadline - time.monotonic()
            try:
                yield futures.pop().result(left)
            except FutureTimeout:  # another one than Python's own before 3.11
                raise TimeoutError("not all jobs have ended in time") from None
    finally:
        for future in futures:
            future.cancel()
