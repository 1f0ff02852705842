"""The same sessions and runs under asyncio: `async with`, `await`, `async for`.

from anybatch import Job, aio

async with aio.Session("auto") as session:
    run = await session.submit(Job(["true"]))
    outcomes = await run.wait()
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any

from anybatch import arguments
from anybatch.errors import AnybatchError
from anybatch.session import Session as BlockingSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from types import TracebackType

    from anybatch.model import Job
    from anybatch.outcome import Outcome
    from anybatch.planning.plan import RunLimit
    from anybatch.run import Run as BlockingRun

_SLICE = 0.5  #: seconds; how long a thread may wait on after its task was cancelled


class Session:
    """An `anybatch.Session` that never blocks the event loop.

    Args:
        system, arguments: as for `anybatch.Session`, which is `blocking`.
    """

    def __init__(self, system: str | None = None, **arguments: Any) -> None:
        self.blocking = BlockingSession(system, **arguments)
        self._threads = ThreadPoolExecutor(thread_name_prefix="anybatch-submit")
        self._unwanted: list[Future[Any]] = []

    async def submit(self, jobs: Job | Iterable[Job], **given: Any) -> Run:
        """See `anybatch.Session.submit`.

        If the task is cancelled meanwhile, the jobs are not submitted, or stopped as soon as they
        are. What hinders that is told to `on_notice`.
        """
        order = _Order(self.blocking, jobs, given)
        submitting = self._threads.submit(order.submit)
        try:
            return Run(await asyncio.wrap_future(submitting), self.blocking)
        except asyncio.CancelledError:
            order.cancelled = True
            self._unwanted.append(submitting)
            if order.run is not None:
                self._unwanted.append(self._threads.submit(order.stop))
            raise

    async def attach(self, name: str) -> Run:
        """See `anybatch.Session.attach`."""
        return Run(await asyncio.to_thread(self.blocking.attach, name), self.blocking)

    async def limit(self, **limits: int | None) -> RunLimit:
        """See `anybatch.Session.limit`."""
        return await asyncio.to_thread(partial(self.blocking.limit, **limits))

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        wait(self._unwanted)
        self.blocking.close()


class _Order:
    """A submission in a thread, which may be cancelled at any moment.

    Either thread sets its attribute before it looks at the other's: so one of them stops the run.
    """

    def __init__(
        self,
        session: BlockingSession,
        jobs: Job | Iterable[Job],
        given: Mapping[str, Any],
    ) -> None:
        self._session = session
        self._plan = partial(session.plan, jobs, **given)
        self.cancelled = False
        self.run: BlockingRun | None = None

    def submit(self) -> BlockingRun:
        plan = self._plan()
        if self.cancelled:
            raise CancelledError
        self.run = self._session.submit_plan(plan)
        if self.cancelled:
            self.stop()
        return self.run

    def stop(self) -> None:
        assert self.run is not None
        try:
            self.run.terminate()
        except AnybatchError as error:
            self._session.on_notice(
                f"run {self.run.id} was cancelled while it was submitted, but not all of its jobs "
                f"can be stopped: {error}"
            )


class Run:
    """An `anybatch.Run` that never blocks the event loop; made by a `Session`.

    Attributes:
        blocking: the run itself, with all that needs no waiting: `id`, `jobs`, `counts`.
    """

    def __init__(self, run: BlockingRun, session: BlockingSession) -> None:
        self.blocking = run
        self._owner = session

    @property
    def id(self) -> str:
        """The run's id."""
        return self.blocking.id

    async def wait(self, timeout: float | None = None) -> list[Outcome]:
        """See `anybatch.Run.wait`."""
        await self._until(lambda: self.blocking.finished, arguments.seconds(timeout))
        return await asyncio.to_thread(self.blocking.wait)

    async def as_completed(self, timeout: float | None = None) -> AsyncIterator[Outcome]:
        """See `anybatch.Run.as_completed`."""
        timeout = arguments.seconds(timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        pending = list(range(len(self.blocking)))
        while pending:
            left = None if deadline is None else deadline - time.monotonic()
            await self._until(partial(self._any_ended, tuple(pending)), left)
            for index in tuple(pending):
                outcome = self.blocking.outcome(index)
                if outcome is not None:
                    pending.remove(index)
                    yield outcome
        await asyncio.to_thread(lambda: [*self.blocking.as_completed()])  # notes that it was told

    def _any_ended(self, indices: Iterable[int]) -> bool:
        return any(map(self.blocking.outcome, indices))

    async def limit(self, **limits: int | None) -> RunLimit:
        """See `anybatch.Run.limit`."""
        return await asyncio.to_thread(partial(self.blocking.limit, **limits))

    async def terminate(
        self,
        indices: Iterable[int] | None = None,
        signal: str | None = None,
        *,
        reason: str | None = None,
    ) -> int:
        """See `anybatch.Run.terminate`."""
        return await asyncio.to_thread(self.blocking.terminate, indices, signal, reason=reason)

    async def rerun(self, indices: Iterable[int] | None = None, **wanted: Any) -> int:
        """See `anybatch.Run.rerun`."""
        return await asyncio.to_thread(partial(self.blocking.rerun, indices, **wanted))

    async def _until(self, ready: Callable[[], bool], timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
            runs = [self.blocking]
            if await asyncio.to_thread(self._owner.wait_until, ready, max(left, 0), runs):
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"run {self.id}: not all jobs have ended")
