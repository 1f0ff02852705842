"""Futures under pressure: no job that was given is forgotten, whatever happens meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.executor import Executor
from anybatch.model import Job
from anybatch.outcome import JobFailed
from anybatch.testing import await_that

from .toy import Toy, leave_record, local_host, plugins_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from anybatch.outcome import Outcome
    from anybatch.records import Submission

pytestmark = pytest.mark.usefixtures("anybatch_home")


class Instant(Toy):
    """Its jobs are done when they are submitted, but for those called `stays`."""

    def take(self, submission: Submission) -> list[str]:
        if submission.name != "stays":
            tasks = submission.folder / f"tasks/{submission.number}.0"
            for line in tasks.read_text().splitlines():
                index = line.removeprefix("ab_index=").split()[0]
                leave_record(submission.folder, f"{index}.0.0.command.exit-0")
        return super().take(submission)


@pytest.fixture
def toy() -> Instant:
    return Instant()


@pytest.fixture
def executor(anybatch_home: Path, toy: Instant) -> Iterator[Executor]:
    made = Executor("toy", plugins=plugins_of(toy=toy), host=local_host())
    yield made
    made.shutdown(cancel_futures=True)


def hold_submit(toy: Instant, go_on: threading.Event) -> threading.Event:
    """Have the next submit command wait until it may go on; what is set when it has begun."""
    entered = threading.Event()

    def slow() -> list[str]:
        entered.set()
        assert go_on.wait(60)
        return toy.take(toy.calls["submit"][-1])

    toy.scripted["submit"].append(slow)
    return entered


def test_jobs_given_by_many_threads_are_all_run(executor: Executor, toy: Instant) -> None:
    """Every job is submitted once, those given while others are handed over by few commands."""
    all_given = threading.Event()
    hold_submit(toy, all_given)
    with ThreadPoolExecutor(8) as pool:
        given = pool.map(lambda _: executor.submit(Job(["true"])), range(200))
        futures = list(given)
    all_given.set()
    done, not_done = wait_for(futures, timeout=60)
    assert not not_done
    assert all(future.result().done for future in done)
    assert sum(submission.count for submission in toy.calls["submit"]) == 200
    assert len(toy.calls["submit"]) <= 3


def test_a_job_is_taken_or_refused(executor: Executor) -> None:
    """While an executor is shut down each job either has its outcome or is refused at once."""
    barrier = threading.Barrier(5)

    def give() -> list[Future[Outcome]]:
        futures = []
        barrier.wait(60)
        try:
            for _ in range(1000):
                futures.append(executor.submit(Job(["true"])))
        except RuntimeError:
            pass
        return futures

    with ThreadPoolExecutor(4) as pool:
        given = [pool.submit(give) for _ in range(4)]
        barrier.wait(60)
        executor.shutdown()
    futures = [future for one in given for future in one.result()]
    assert all(future.done() and future.result().done for future in futures)


@pytest.mark.parametrize("what", ["not a job", None, ["true"]])
def test_what_is_no_job_costs_only_itself(executor: Executor, what: Any) -> None:
    """Something that is no job fails alone, the others given with it run."""
    good, bad, other = (executor.submit(job) for job in (Job(["true"]), what, Job(["true"])))
    assert good.result(timeout=60).done
    assert other.result(timeout=60).done
    assert isinstance(bad.exception(timeout=60), Exception)
    assert executor.submit(Job(["true"])).result(timeout=60).done


def test_jobs_being_handed_over_are_cancelled_too(executor: Executor, toy: Instant) -> None:
    """A job whose submit command runs while its executor is shut down is stopped after it."""
    go_on = threading.Event()
    entered = hold_submit(toy, go_on)
    future = executor.submit(Job(["true"], name="stays"))
    assert entered.wait(60)
    ending = threading.Thread(target=executor.shutdown, kwargs={"cancel_futures": True})
    ending.start()
    await_that(lambda: executor._cancelling)
    go_on.set()
    ending.join(60)
    assert not ending.is_alive()
    assert toy.calls["terminate"] == [(["1.1"], None)]
    with pytest.raises(JobFailed, match="terminated"):
        future.result(timeout=0)


def test_a_future_may_be_cancelled_before_it_is_submitted(executor: Executor, toy: Instant) -> None:
    """A future that is cancelled in time never becomes a job."""
    await_that(
        lambda: executor.session._engine._background.running
    )  # it watches, for which it needs the lock
    with executor.session._engine.mutex:  # what was given stays where it is
        first = executor.submit(Job(["true"]))
        await_that(first.running)
        second = executor.submit(Job(["true"]))
        assert second.cancel()
    assert first.result(timeout=60).done
    with pytest.raises(CancelledError):
        second.result(timeout=60)
    executor.shutdown()
    assert sum(submission.count for submission in toy.calls["submit"]) == 1
