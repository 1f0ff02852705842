"""Sessions and runs as programs use them: waiting, coming back, stopping; futures; asyncio."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch import Executor, aio
from anybatch.errors import (
    CommandTimeout,
    FolderError,
    JobError,
    PluginError,
    RunNotFound,
    UsageError,
)
from anybatch.hookspecs import hookimpl
from anybatch.host import Command
from anybatch.model import Job, Reason, State
from anybatch.outcome import JobFailed
from anybatch.testing import await_that
from anybatch.worker.layout import JOBS

from .toy import NOON, Toy, leave_record, local_host, plugins_of, said, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anybatch.records import Batch, JobStatus, Submission
    from anybatch.run import Run
    from anybatch.session import Session

TRUE = ["true"]
FALSE = ["false"]
TIMEOUT = CommandTimeout(Command(("toysub",)), "no answer within 120 s")


class Quick(Toy):
    """Runs jobs when it gets them: `true` is done, `false` has failed, others stay."""

    def take(self, submission: Submission) -> list[str]:
        for line in (submission.folder / f"tasks/{submission.number}.0").read_text().splitlines():
            index = re.findall(r"ab_index=(\d+)", line)[0]
            if line.endswith(("true", "false")):
                code = 0 if line.endswith("true") else 1
                leave_record(submission.folder, f"{index}.0.0.command.exit-{code}")
        return super().take(submission)


class Grid(Quick):
    """Makes three jobs of one that says so, and refuses some."""

    @hookimpl
    def anybatch_expand(self, job: Job, settings: Mapping[str, Any]) -> Any:
        if job.name == "broken":
            return []
        return [attrs.evolve(job, name="part")] * 3 if settings["partition"] == "grid" else None


class Accounting(Toy):
    """Knows what jobs used."""

    accounts: Any = None

    @hookimpl
    def anybatch_account(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        self.calls["account"].append([native_id for one in batches for native_id in one.ids])
        if isinstance(self.accounts, Exception):
            raise self.accounts
        answer: Mapping[str, JobStatus] = self.accounts
        return [answer] * len(batches)


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy) -> Callable[..., Session]:
    def make(system: object = toy, **more: Any) -> Session:
        return new_session("toy", plugins=plugins_of(toy=system), host=local_host(), **more)

    return make


def finish(run: Run, index: int = 0, code: int = 0) -> None:
    leave_record(run.folder, f"{index}.0.0.command.exit-{code}")


def finish_and_see(run: Run, index: int) -> None:
    """End a job, and wait until that is known."""
    finish(run, index)
    await_that(lambda: run.outcome(index), run.refresh)


# -- waiting


def test_waiting_gives_outcomes_in_order(start: Callable[..., Session]) -> None:
    """`wait` returns when all have ended, the outcomes by index, and the run is finished."""
    run = start(Quick()).submit([Job(TRUE), Job(FALSE), Job(TRUE)])
    outcomes = run.wait(timeout=60)
    assert [outcome.index for outcome in outcomes] == [0, 1, 2]
    assert [outcome.done for outcome in outcomes] == [True, False, True]
    assert run.finished
    assert run.counts == {State.DONE: 2, State.FAILED: 1}
    assert start().runs() == []


def test_waiting_has_an_end(start: Callable[..., Session]) -> None:
    """A wait that takes too long is a `TimeoutError` with the number of jobs, and no more."""
    run = start().submit([Job(TRUE)] * 2)
    finish_and_see(run, 0)
    with pytest.raises(TimeoutError, match=f"run {run.id}: 1 job has not ended"):
        run.wait(timeout=0.2)
    finish(run, 1)
    assert len(run.wait(timeout=60)) == 2


def test_outcomes_come_as_jobs_end(start: Callable[..., Session]) -> None:
    """`as_completed` gives each outcome once, in the order in which jobs end."""
    run = start().submit([Job(TRUE)] * 3)
    order = []
    finish(run, 2)
    outcomes = run.as_completed(timeout=60)
    for following in (0, 1, None):
        order.append(next(outcomes).index)
        if following is not None:
            finish(run, following)
    assert order == [2, 0, 1]
    assert list(outcomes) == []


def test_as_completed_has_an_end(start: Callable[..., Session]) -> None:
    """`as_completed` gives what there is before its time is over."""
    run = start().submit([Job(TRUE)] * 2)
    finish_and_see(run, 1)
    outcomes = run.as_completed(timeout=0.2)
    assert next(outcomes).index == 1
    with pytest.raises(TimeoutError, match="1 job has not ended"):
        next(outcomes)


def test_a_journal_that_cannot_be_written_breaks_waiting(start: Callable[..., Session]) -> None:
    """Who waits is told that nothing can be recorded any more; when it can again, it goes on."""
    run = start().submit(Job(TRUE))
    (journal,) = run.folder.glob("journal-*")
    kept = journal.read_bytes()
    journal.unlink()
    journal.mkdir()
    finish(run)
    with pytest.raises(FolderError, match="cannot write the journal"):
        run.wait(timeout=60)
    journal.rmdir()
    journal.write_bytes(kept)
    assert run.wait(timeout=60)[0].done


def test_a_folder_that_is_gone_breaks_waiting(start: Callable[..., Session]) -> None:
    """Who waits for a run whose folder was removed is told."""
    run = start().submit(Job(TRUE))
    run.folder.rename(run.folder.with_name("away"))
    with pytest.raises(FolderError, match="the journal"):
        run.wait(timeout=60)


# -- coming back


def test_a_run_goes_on_in_another_session(start: Callable[..., Session]) -> None:
    """A run is found again by a part of its id, with all that was known, and waited for."""
    first = start()
    run = first.submit([Job(TRUE), Job(TRUE, name="n")])
    first.close()
    again = start().attach(run.id[-6:])
    assert again.id == run.id
    assert again.jobs == run.jobs
    finish(run, 0)
    finish(run, 1)
    assert [outcome.done for outcome in again.wait(timeout=60)] == [True, True]
    assert start().attach(run.id).finished


def test_a_run_that_has_ended_leaves_its_journal_and_logs(start: Callable[..., Session]) -> None:
    """Records are removed when the journal has their verdicts, which tell as much."""
    first, second = start(), start()
    run = first.submit([Job(TRUE)] * (JOBS + 1))
    watched = second.attach(run.id)
    finish_and_see(run, JOBS)
    assert sorted(os.listdir(run.folder / "exit")) == ["0"]
    assert os.listdir(run.folder / "start") == ["0"]
    await_that(lambda: watched.outcome(JOBS), watched.refresh)
    for index in range(JOBS):
        leave_record(run.folder, f"{index}.0.0.command.exit-0")
    outcomes = run.wait(60)
    await_that(lambda: not [*(run.folder / "exit").iterdir(), *(run.folder / "start").iterdir()])
    assert watched.wait(60) == outcomes
    assert start().attach(run.id).outcomes == outcomes
    assert all(outcome.done and outcome.host == "node1" for outcome in outcomes)


def test_one_session_has_one_view_of_a_run(start: Callable[..., Session]) -> None:
    """Attaching to a run that the session has gives the same object."""
    session = start()
    run = session.submit(Job(TRUE))
    assert session.attach(run.id) is session.attach(run.id[-6:]) is run
    assert session.runs() == [run]


def test_jobs_are_found_by_name(start: Callable[..., Session]) -> None:
    """`RUN:INDEX` finds a job of a run; one that it has not is told."""
    session = start()
    run = session.submit([Job(TRUE)] * 2)
    assert session.find(f"{run.id}:1") == (run, 1)
    assert session.find(run.id) == (run, None)
    with pytest.raises(RunNotFound, match="has no job 2; it has jobs 0 to 1"):
        session.find(f"{run.id}:2")
    with pytest.raises(UsageError, match="one job or run is needed here"):
        session.find(f"{run.id}:0-1")
    with pytest.raises(UsageError, match="one run is needed here"):
        session.attach(f"{run.id}:0")


def test_runs_and_jobs_are_selected(start: Callable[..., Session]) -> None:
    """By id, name, folder, place in the order, state and label; each run comes once."""
    session = start()
    one = session.submit([Job(TRUE, name="fit", labels={"seed": str(n)}) for n in range(4)])
    two = session.submit(Job(TRUE, name="merge"))
    finish(one, 2, code=3)
    finish(one, 3)
    assert session.wait_until(lambda: one.counts.get(State.QUEUED) == 2, 60)

    def select(*texts: str) -> dict[str, list[int]]:
        return {chosen.run.id: list(chosen.indices) for chosen in session.select(*texts)}

    for text in (one.id, "fit", "@2", str(one.folder)):
        assert select(text) == {one.id: [0, 1, 2, 3]}
        assert select(f"{text}:1-2,0") == {one.id: [0, 1, 2]}
        assert select(f"{text}:failed,seed=1") == {one.id: [1, 2]}
    assert select("@") == {two.id: [0]}
    assert select("all") == {one.id: [0, 1, 2, 3], two.id: [0]}
    assert select("all:done") == {one.id: [3]}
    assert select("all:lost") == {}
    assert select("fit:3", "@:0", "@2:1", "fit:3") == {one.id: [1, 3], two.id: [0]}
    assert select("fit:3", "fit") == {one.id: [0, 1, 2, 3]}
    with pytest.raises(RunNotFound, match=f"run {one.id} has no job that is lost,seed=9"):
        session.select("fit:lost,seed=9")
    with pytest.raises(RunNotFound, match="has no job 4; it has jobs 0 to 3"):
        session.select("fit:0-4")
    late = session.submit(Job(TRUE, after=["fit:failed,0", "merge"]))
    (planned,) = (one.planned for one in late.watched.state.submissions)
    assert planned.waits == ((one.id, 0), (one.id, 2), (two.id, None))


def test_refreshing_submits_nothing(start: Callable[..., Session], toy: Toy) -> None:
    """A look at a run that waits to be submitted leaves it waiting."""
    session = start()
    run = session.submit(Job(TRUE))
    late = session.submit(Job(TRUE, after=run))
    finish(run)
    for _ in range(3):
        late.refresh()
    assert run.finished
    assert late.counts == {State.NEW: 1}
    assert len(toy.calls["submit"]) == 1
    assert session.wait_until(lambda: late.counts == {State.QUEUED: 1}, 60)


def test_a_system_may_make_several_jobs_of_one(anybatch_home: Path) -> None:
    """Who runs after the job runs after all that were made of it."""
    grid = Grid(dependencies=True)
    first = Job(["sleep", "9"], settings={"toy": {"partition": "grid"}})
    last = Job(TRUE, after=first)
    with session_of(anybatch_home, grid) as session:
        plan = session.plan([Job(TRUE), first, last])
    [single, parts, then] = plan.submissions
    assert (single.indices, parts.indices, then.indices) == ((0,), (1, 2, 3), (4,))
    assert parts.submission.name == "part"
    assert then.waits == tuple((plan.run, index) for index in (1, 2, 3))


def test_a_future_stands_for_one_job(anybatch_home: Path) -> None:
    """A job of which the system makes several is refused before it is submitted."""
    arguments = {"plugins": plugins_of(toy=Grid()), "host": local_host(), "folder": anybatch_home}
    with Executor("toy", **arguments) as executor:
        future = executor.submit(Job(TRUE, settings={"toy": {"partition": "grid"}}))
        with pytest.raises(JobError, match="toy makes 3 jobs of 1"):
            future.result(60)
        assert executor.submit(Job(TRUE)).result(60).done


def test_no_jobs_of_one_is_a_fault_of_the_plugin(anybatch_home: Path) -> None:
    """A job never vanishes."""
    refused = pytest.raises(PluginError, match=r"anybatch_expand returned \[\]")
    with session_of(anybatch_home, Grid()) as session, refused:
        session.plan(Job(TRUE, name="broken"))


def test_after_a_job_of_another_submission_is_refused(start: Callable[..., Session]) -> None:
    """A job that was submitted before is named by its run, and the error says so."""
    session = start()
    job = Job(TRUE)
    session.submit(job)
    with pytest.raises(JobError, match="for jobs submitted earlier"):
        session.submit(Job(TRUE, after=job))


# -- stopping


def test_jobs_are_stopped_at_the_system(start: Callable[..., Session], toy: Toy) -> None:
    """Jobs that have not ended are stopped in one call, and the system's word is the verdict."""
    run = start().submit([Job(TRUE)] * 3)
    finish(run, 0)
    run.refresh()
    assert run.terminate() == 2
    assert toy.calls["terminate"] == [(["1.2", "1.3"], None)]
    assert [batch.submission.folder for batch in toy.calls["terminate of"][0]] == [run.folder]
    run.refresh()
    assert [o and o.reason for o in run.outcomes] == [None, Reason.TERMINATED, Reason.TERMINATED]
    assert run.terminate() == 0
    assert len(toy.calls["terminate"]) == 1


def test_jobs_that_were_never_submitted_are_stopped_here(
    start: Callable[..., Session], toy: Toy
) -> None:
    """Jobs that wait in the core have their verdict at once, and are never handed over."""
    session = start()
    first = Job(TRUE)
    run = session.submit([first, Job(TRUE, after=first)])
    assert run.terminate([1]) == 1
    outcome = run.outcome(1)
    assert outcome is not None
    assert (outcome.state, outcome.evidence) == (State.TERMINATED, ("never submitted",))
    assert toy.calls["terminate"] == []
    finish(run, 0)
    assert [outcome.state for outcome in run.wait(timeout=60)] == [State.DONE, State.TERMINATED]
    assert len(toy.calls["submit"]) == 1


def test_a_signal_is_no_end(start: Callable[..., Session], toy: Toy) -> None:
    """A signal goes to the jobs that the system has, and decides nothing of how they end."""
    run = start().submit([Job(TRUE)] * 2)
    assert run.terminate([1], signal="USR1") == 1
    assert toy.calls["terminate"] == [(["1.2"], "USR1")]
    finish(run, 0)
    finish(run, 1, code=1)
    assert [outcome.reason for outcome in run.wait(timeout=60)] == [None, Reason.EXIT_CODE]


def test_a_system_that_cannot_be_asked_to_stop_is_told(
    start: Callable[..., Session], toy: Toy
) -> None:
    """An error of the stop command reaches the caller, and the jobs stay as they are."""
    run = start().submit(Job(TRUE))
    toy.scripted["terminate"] = [TIMEOUT, UsageError("no such signal here")]
    with pytest.raises(CommandTimeout):
        run.terminate()
    with pytest.raises(UsageError, match="no such signal"):
        run.terminate(signal="USR2")
    assert run.counts == {State.QUEUED: 1}


# -- accounting


def test_accounting_fills_in_what_is_missing(start: Callable[..., Session]) -> None:
    """Accounting adds use and times that nobody knew; verdict and known facts stay, also later."""
    toy = Accounting()
    use = said(
        State.FAILED,
        host="other",
        ended=NOON,
        cpu_time=timedelta(minutes=5),
        max_memory=7,
        exit_code=9,
    )
    toy.accounts = {"1.1": use, "unasked": use}
    run = start(toy).submit([Job(TRUE)] * 2)
    finish(run, 0)
    finish(run, 1)
    one, two = run.wait(timeout=60)
    assert (one.state, one.exit_code, one.host) == (State.DONE, 0, "node1")
    assert (one.cpu_time, one.max_memory) == (timedelta(minutes=5), 7)
    assert one.ended != NOON
    assert two.cpu_time is None
    run.wait()
    assert toy.calls["account"] == [["1.1", "1.2"]]
    assert start(toy).attach(run.id).outcome(0) == one


@pytest.mark.parametrize("answer", [None, {}, {"1.1": None}, ["1.1"], TIMEOUT, KeyError("x")])
def test_without_accounting_life_goes_on(start: Callable[..., Session], answer: Any) -> None:
    """Accounting that fails or makes no sense costs nothing but its facts."""
    toy = Accounting()
    toy.accounts = answer
    run = start(toy).submit(Job(TRUE))
    finish(run)
    assert run.wait(timeout=60)[0].done


# -- futures


@pytest.fixture
def quick() -> Quick:
    return Quick()


@pytest.fixture
def executor(anybatch_home: Path, quick: Quick) -> Any:
    made = Executor("toy", plugins=plugins_of(toy=quick), host=local_host())
    yield made
    made.shutdown(cancel_futures=True)


class Pause:
    """Stands in for the module `time`: a pause is over when it is told to be."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def sleep(self, seconds: float) -> None:
        assert self.over.wait(60)


def test_many_futures_are_one_submit_command(
    executor: Executor, quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs given within the pause that follows the first go to the batch system together."""
    pause = Pause()
    monkeypatch.setattr("anybatch.executor.time", pause)
    futures = [executor.submit(Job(TRUE)) for _ in range(30)]
    pause.over.set()
    outcomes = [future.result(timeout=60) for future in futures]
    assert [outcome.index for outcome in outcomes] == [*range(30)]
    assert len({outcome.run for outcome in outcomes}) == len(quick.calls["submit"]) == 1


def test_a_failed_job_raises_its_outcome(executor: Executor) -> None:
    """`result` of a job that is not done raises `JobFailed`, which carries the outcome."""
    with pytest.raises(JobFailed, match="exit code 1") as caught:
        executor.submit(Job(FALSE)).result(timeout=60)
    assert caught.value.outcome.exit_code == 1


def test_a_bad_job_costs_only_itself(executor: Executor) -> None:
    """A job that cannot be submitted fails alone, the others given with it run."""
    good, bad, other = (executor.submit(Job(TRUE, workdir=name)) for name in (None, "none", "."))
    assert good.result(timeout=60).done
    assert other.result(timeout=60).done
    with pytest.raises(JobError, match="is not a directory"):
        bad.result(timeout=60)


def test_map_keeps_the_order(executor: Executor) -> None:
    """`map` gives outcomes in the order of the jobs, and raises at the first that is not done."""
    jobs = [Job(TRUE, name=f"n{index % 2}") for index in range(6)]
    assert [outcome.index for outcome in executor.map(jobs, timeout=60)] == [*range(6)]
    outcomes = executor.map([Job(TRUE), Job(FALSE), Job(TRUE)], timeout=60)
    assert next(outcomes).done
    with pytest.raises(JobFailed):
        next(outcomes)


def test_map_has_an_end(executor: Executor) -> None:
    """`map` gives up when its time is over."""
    with pytest.raises(FutureTimeout):
        next(executor.map([Job(["stays"])], timeout=0.3))


def test_shutting_down_with_cancelling_stops_jobs(executor: Executor, quick: Quick) -> None:
    """Jobs that run are stopped, those not given to the system yet never are."""
    running = executor.submit(Job(["stays"]))
    await_that(lambda: executor._open)
    pending = executor.submit(Job(["stays"]))
    executor.shutdown(cancel_futures=True)
    assert quick.calls["terminate"][0] == (["1.1"], None)
    with pytest.raises(JobFailed, match="terminated"):
        running.result(timeout=0)
    with pytest.raises((CancelledError, JobFailed)):
        pending.result(timeout=0)


def test_nothing_is_taken_after_the_end(executor: Executor) -> None:
    """An executor that was shut down takes no job, and says so; shutting down twice is fine."""
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(Job(TRUE))


def test_leaving_an_executor_waits(anybatch_home: Path, quick: Quick) -> None:
    """An executor as a context manager is left when all of its jobs have ended."""
    with Executor("toy", plugins=plugins_of(toy=quick), host=local_host()) as executor:
        futures = [executor.submit(Job(TRUE)), executor.submit(Job(FALSE))]
    assert all(future.done() for future in futures)


# -- asyncio


@pytest.fixture
def arguments(anybatch_home: Path, quick: Quick) -> dict[str, Any]:
    return {"system": "toy", "plugins": plugins_of(toy=quick), "host": local_host()}


def test_waiting_in_asyncio(arguments: dict[str, Any]) -> None:
    """`await run.wait()` gives the outcomes, and other tasks go on meanwhile."""

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            run = await session.submit([Job(TRUE), Job(FALSE)])
            ticks = asyncio.create_task(asyncio.sleep(0, "went on"))
            outcomes = await run.wait(timeout=60)
            assert ticks.done()
            assert [outcome.done for outcome in outcomes] == [True, False]
            assert (await session.attach(run.id)).blocking is run.blocking

    asyncio.run(main())


def test_outcomes_as_they_come_in_asyncio(arguments: dict[str, Any]) -> None:
    """An asynchronous iteration gives outcomes as jobs end, and stops at its time."""

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            run = await session.submit([Job(["stays"])] * 3)
            finish(run.blocking, 2)
            outcomes = run.as_completed(timeout=60)
            assert (await anext(outcomes)).index == 2
            finish(run.blocking, 0)
            assert (await anext(outcomes)).index == 0
            outcomes = run.as_completed(timeout=0.2)
            assert [(await anext(outcomes)).index for _ in range(2)] == [0, 2]
            with pytest.raises(TimeoutError, match=run.id):
                await anext(outcomes)
            assert await run.terminate([1]) == 1

    asyncio.run(main())


def test_jobs_are_limited_stopped_and_rerun_in_asyncio(arguments: dict[str, Any]) -> None:
    """What `await` gives is what the plain calls give."""

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            assert (await session.limit(max_running=5)).max_running == 5
            run = await session.submit(Job(["stays"]))
            assert await run.terminate(reason="no calibration") == 1
            [outcome] = await run.wait(timeout=60)
            assert outcome.message == "no calibration"
            assert await run.rerun([0]) == 1
            leave_record(run.blocking.folder, "0.1.0.command.exit-0")
            [outcome] = await run.wait(timeout=60)
            assert (outcome.done, outcome.attempt) == (True, 1)

    asyncio.run(main())


def test_a_wait_in_asyncio_has_an_end(arguments: dict[str, Any]) -> None:
    """A wait that takes too long is a `TimeoutError`."""

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            run = await session.submit(Job(["stays"]))
            with pytest.raises(TimeoutError, match="not all jobs have ended"):
                await run.wait(timeout=0.2)

    asyncio.run(main())


def test_a_cancelled_wait_leaves_the_jobs_alone(arguments: dict[str, Any], quick: Quick) -> None:
    """Cancelling a task that waits ends it; the run goes on and can be waited for."""

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            run = await session.submit(Job(["stays"]))
            task = asyncio.create_task(run.wait())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 60)
            assert quick.calls["terminate"] == []
            finish(run.blocking)
            assert (await run.wait(timeout=60))[0].done

    asyncio.run(main())


def test_a_cancelled_submission_stops_its_jobs(arguments: dict[str, Any], quick: Quick) -> None:
    """Jobs whose `submit` was cancelled are stopped as soon as the system has them."""
    entered, go_on = threading.Event(), threading.Event()

    def slow() -> list[str]:
        entered.set()
        assert go_on.wait(60)
        return quick.take(quick.calls["submit"][-1])

    quick.scripted["submit"].append(slow)

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            task = asyncio.create_task(session.submit(Job(["stays"])))
            assert await asyncio.to_thread(entered.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not quick.calls["terminate"]
            go_on.set()
            assert (await (await session.submit(Job(TRUE))).wait())[0].done

    asyncio.run(main())
    assert quick.calls["terminate"] == [(["1.1"], None)]


def test_a_submission_cancelled_at_its_end_stops_its_jobs(
    arguments: dict[str, Any], quick: Quick
) -> None:
    """A task that is cancelled when its run is known already does not leave it behind."""

    def known(session: aio.Session) -> list[Run]:
        return list(session.blocking._catalogue.known.values())

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            task = asyncio.create_task(session.submit(Job(["stays"])))
            await asyncio.sleep(0)
            await_that(lambda: any(run.counts == {State.QUEUED: 1} for run in known(session)))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert quick.calls["terminate"] == [(["1.1"], None)]


def test_what_is_cancelled_before_it_is_planned_is_not_submitted(
    arguments: dict[str, Any], quick: Quick
) -> None:
    """Jobs that are still being listed when their `submit` is cancelled never become a run."""
    entered, go_on = threading.Event(), threading.Event()

    def jobs() -> Iterator[Job]:
        entered.set()
        assert go_on.wait(60)
        yield Job(TRUE)

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            task = asyncio.create_task(session.submit(jobs()))
            assert await asyncio.to_thread(entered.wait, 60)
            task.cancel()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert not quick.calls["submit"]


def test_a_run_that_cannot_be_watched_ends_a_wait_in_asyncio(arguments: dict[str, Any]) -> None:
    """Where a run's folder cannot be written any more, who waits is told."""

    async def main() -> None:
        async with aio.Session(**arguments) as session:
            run = await session.submit(Job(["stays"]))
            for journal in run.blocking.folder.glob("journal-*"):
                journal.unlink()
                journal.mkdir()
            leave_record(run.blocking.folder, "0.0.0.command.exit-0")
            with pytest.raises(FolderError):
                await asyncio.wait_for(run.wait(), 60)

    asyncio.run(main())
