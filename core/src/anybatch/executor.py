"""Jobs as `concurrent.futures`."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from anybatch.errors import AnybatchError
from anybatch.outcome import JobFailed
from anybatch.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from anybatch.model import Job
    from anybatch.outcome import Outcome
    from anybatch.run import Run

#: Jobs given within so many seconds become one run, and so one submit command.
GATHER = 0.05


class Executor:
    """Submits jobs and returns futures of their outcomes, as `concurrent.futures` does.

    Args:
        system: a batch system's name, or `auto`.
        arguments: further ones of `Session`.

    `Future.result()` returns an `Outcome`. It raises `JobFailed` if the job is not done, and
    `UsageError` if the job could not be submitted. Jobs that are given at about the same time go
    to the batch system in one submission. At the end of a `with` block the executor waits for all
    jobs.
    """

    def __init__(self, system: str | None = None, **arguments: Any) -> None:
        self.session = Session(system, **arguments)
        self._pending: list[tuple[Job, Future[Outcome]]] = []
        self._open: dict[str, tuple[Run, dict[int, Future[Outcome]]]] = {}
        self._giving = threading.Lock()
        self._ending = False
        self._cancelling = False
        self._thread = threading.Thread(target=self._work, name="anybatch-executor", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Future[Outcome]:
        """A future of the job's outcome.

        Raises:
            RuntimeError: the executor was shut down.
        """
        future: Future[Outcome] = Future()
        with self._giving:
            if self._ending:
                raise RuntimeError("this executor was shut down; create a new one")
            self._pending.append((job, future))
        self.session.wake()
        return future

    def map(self, jobs: Iterable[Job], timeout: float | None = None) -> Iterator[Outcome]:
        """The outcomes of jobs, in their order.

        Raises:
            JobFailed: at the first that is not done.
            TimeoutError: an outcome was not there within *timeout* seconds of the call.
        """
        futures = [self.submit(job) for job in jobs]
        deadline = None if timeout is None else time.monotonic() + timeout
        return (
            future.result(None if deadline is None else deadline - time.monotonic())
            for future in futures
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs.

        Args:
            wait: return when all jobs have ended; else they go on, and nobody watches them.
            cancel_futures: stop the jobs that have not ended.
        """
        self._cancelling = cancel_futures
        if cancel_futures:
            for _, future in self._taken():
                future.cancel()
            for run, _ in list(self._open.values()):
                run.terminate()
        self._end()
        self.session.wake()
        if wait:
            self._thread.join()
        self.session.close()

    def _work(self) -> None:
        """Submit what is pending and settle what has ended, until all is done."""
        try:
            while not (self._ending and not self._pending and not self._open):
                self.session.wait_until(self._has_work)
                if self._pending:
                    time.sleep(GATHER)
                    self._submit(self._taken())
                self._settle()
        except BaseException as error:
            self._end()
            self._fail_all(error)

    def _end(self) -> None:
        """From here on nothing is given, so that what was given is all there is."""
        with self._giving:
            self._ending = True

    def _taken(self) -> list[tuple[Job, Future[Outcome]]]:
        """What was given since the last call."""
        with self._giving:
            pending, self._pending = self._pending, []
        return pending

    def _has_work(self) -> bool:
        return bool(self._pending) or self._any_ended() or (self._ending and not self._open)

    def _any_ended(self) -> bool:
        return any(run.outcome(index) for run, futures in self._open.values() for index in futures)

    def _submit(self, pending: list[tuple[Job, Future[Outcome]]]) -> None:
        live = [(job, future) for job, future in pending if future.set_running_or_notify_cancel()]
        if not live:
            return
        try:
            run = self.session.submit((job for job, _ in live), require_one_job_each=True)
        except Exception as error:
            if len(live) == 1:
                live[0][1].set_exception(error)
                return
            for job, future in live:  # one bad job costs only itself
                self._submit_alone(job, future)
            return
        self._watch(run, [future for _, future in live])

    def _submit_alone(self, job: Job, future: Future[Outcome]) -> None:
        try:
            run = self.session.submit(job, require_one_job_each=True)
        except Exception as error:
            future.set_exception(error)
        else:
            self._watch(run, [future])

    def _watch(self, run: Run, futures: list[Future[Outcome]]) -> None:
        self._open[run.id] = (run, dict(enumerate(futures)))
        if self._cancelling:  # it was not open yet when `shutdown` stopped what was
            try:
                run.terminate()
            except AnybatchError as error:
                self.session.on_notice(f"cannot stop run {run.id}: {error}")

    def _settle(self) -> None:
        for name, (run, futures) in list(self._open.items()):
            for index in list(futures):
                outcome = run.outcome(index)
                if outcome is not None:
                    _resolve(futures.pop(index), outcome)
            if not futures:
                del self._open[name]

    def _fail_all(self, error: BaseException) -> None:
        for _, futures in self._open.values():
            for future in futures.values():
                future.set_exception(error)
        for _, future in self._taken():
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


def _resolve(future: Future[Outcome], outcome: Outcome) -> None:
    if outcome.done:
        future.set_result(outcome)
    else:
        future.set_exception(JobFailed(outcome))
