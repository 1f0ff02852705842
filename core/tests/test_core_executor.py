"""Futures under pressure: no job that was given is forgotten, whatever happens meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor, as_completed
from concurrent.futures import wait as wait_for
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import CommandTimeout, FolderError, JobError
from anybatch.executor import Executor
from anybatch.host import Command
from anybatch.model import Job
from anybatch.outcome import JobFailed
from anybatch.testing import await_that

from .toy import Toy, leave_record, local_host, plugins_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

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
    assert {*map(repr, toy.calls["terminate"])} == {repr((["1.1"], None))}
    with pytest.raises(JobFailed, match="terminated"):
        future.result(timeout=0)


def test_a_future_may_be_cancelled_before_it_is_submitted(executor: Executor, toy: Instant) -> None:
    """A future that is cancelled in time never becomes a job."""
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


def test_one_bad_job_of_many_is_left_out(executor: Executor, toy: Instant) -> None:
    """Jobs that cannot be fail, each with its own error; all the others are one run."""
    wrong = {7: Job(["true"], stdin="none"), 8: Job(["true"], workdir="none"), 9: None}
    with executor.session._engine.mutex:  # what was given stays where it is
        futures: list[Future[Outcome]] = [
            executor.submit(wrong.get(number, Job(["true"])))  # type: ignore[arg-type]
            for number in range(30)
        ]
    errors = {n: future.exception(timeout=60) for n, future in enumerate(futures)}
    assert [n for n, error in errors.items() if error is not None] == [7, 8, 9]
    assert "stdin" in str(errors[7])
    assert "workdir" in str(errors[8])
    assert isinstance(errors[9], TypeError)
    runs = {future.result().run for n, future in enumerate(futures) if n not in wrong}
    assert len(runs) <= 2  # the thread may have taken the first few before the others came
    assert sum(submission.count for submission in toy.calls["submit"]) == 27


def test_jobs_that_cannot_be_one_run_are_several(executor: Executor) -> None:
    """Where each of the jobs can be but not all together, all of them run all the same."""
    with executor.session._engine.mutex:
        futures = [executor.submit(Job(["true"], stdout="log")) for _ in range(3)]
    assert all(future.result(timeout=60).done for future in futures)


def test_a_job_that_waits_for_another_is_refused(executor: Executor) -> None:
    """Whether two futures are one run depends on the moment; so one cannot name the other's job."""
    first = Job(["true"])
    futures = [executor.submit(job) for job in (first, Job(["true"], after=first))]
    with pytest.raises(JobError, match=r"Session\.submit"):
        futures[1].result(timeout=60)
    run = futures[0].result(timeout=60).run
    assert executor.submit(Job(["true"], after=run)).result(timeout=60).done


def test_cancelled_futures_complete(executor: Executor, toy: Instant) -> None:
    """Who waits for futures is told of those that are cancelled, by whom ever."""
    go_on = threading.Event()
    entered = hold_submit(toy, go_on)
    first = executor.submit(Job(["true"]))
    assert entered.wait(60)
    mine, theirs = executor.submit(Job(["true"])), executor.submit(Job(["true"]))
    assert mine.cancel()
    assert not first.cancel()
    executor.shutdown(wait=False, cancel_futures=True)
    assert set(as_completed([mine, theirs], timeout=60)) == {mine, theirs}
    assert mine.cancelled()
    assert theirs.cancelled()
    go_on.set()
    assert wait_for([first], timeout=60).done == {first}


def test_shutting_down_without_waiting_loses_nothing(executor: Executor) -> None:
    """Every future completes after `shutdown(wait=False)`, also one that was not submitted yet."""
    futures = [executor.submit(Job(["true"])) for _ in range(3)]
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(Job(["true"]))
    assert all(future.result(timeout=60).done for future in futures)


def test_a_callback_may_shut_the_executor_down(executor: Executor) -> None:
    """`shutdown` in the executor's own thread does not wait for itself."""
    ended: list[bool] = []
    first = executor.submit(Job(["true"]))
    first.add_done_callback(lambda _: ended.append(executor.shutdown() is None))
    executor.shutdown()
    assert first.result().done
    assert ended == [True]


def test_a_run_that_cannot_be_watched_fails_its_futures(executor: Executor) -> None:
    """Where a run's folder cannot be written any more, its futures say so; others go on."""
    future = executor.submit(Job(["true"], name="stays"))
    await_that(lambda: executor._open)
    [(run, _)] = executor._open.values()
    for journal in run.folder.glob("journal-*"):
        journal.unlink()
        journal.mkdir()
    leave_record(run.folder, "0.0.0.command.exit-0")
    assert isinstance(future.exception(timeout=60), FolderError)
    assert executor.submit(Job(["true"])).result(timeout=60).done


def test_an_executor_that_cannot_go_on_says_so(anybatch_home: Path, toy: Instant) -> None:
    """What ends its thread fails all futures, and every later `submit`."""

    def raising(text: str) -> None:
        raise ValueError("told")

    broken = Executor("toy", plugins=plugins_of(toy=toy), host=local_host(), on_notice=raising)
    toy.scripted["status"].append(CommandTimeout(Command(("toystat",)), "no answer"))
    future = broken.submit(Job(["true"], name="stays"))
    assert isinstance(future.exception(timeout=60), ValueError)
    with pytest.raises(BrokenExecutor, match="told"):
        broken.submit(Job(["true"]))
    broken.shutdown()


def test_jobs_that_could_not_be_stopped_are_stopped_later(
    executor: Executor, toy: Instant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the system cannot be asked to stop jobs, it is asked again."""
    monkeypatch.setattr("anybatch.executor.STOP_AGAIN", 0)
    toy.scripted["terminate"] += [CommandTimeout(Command(("toystop",)), "no answer")] * 2
    future = executor.submit(Job(["true"], name="stays"))
    await_that(lambda: executor._open)
    executor.shutdown(cancel_futures=True)
    assert len(toy.calls["terminate"]) >= 3, "it was asked again after each failure"
    with pytest.raises(JobFailed, match="terminated"):
        future.result(timeout=0)


# -- the end of the interpreter, and forks

PREAMBLE = """
import gc, os, sys, threading, warnings
sys.path.insert(0, sys.argv[1])
from anybatch import Executor, Job, Session, UsageError
from toy import Toy, leave_record, local_host, plugins_of

class Late(Toy):
    "Its jobs end after the main thread."
    def take(self, submission):
        def end():
            threading.main_thread().join()
            for index in range(submission.count):
                leave_record(submission.folder, f"{index}.0.0.command.exit-0")
        threading.Thread(target=end, daemon=True).start()
        return super().take(submission)

def tell(future):
    print("done" if future.exception() is None else "failed", flush=True)

executor = Executor("toy", plugins=plugins_of(toy=Late()), host=local_host())
future = executor.submit(Job(["true"]))
"""


def run_program(text: str) -> subprocess.CompletedProcess[str]:
    """A program of its own that has given a job to an executor."""
    command = [sys.executable, "-c", PREAMBLE + text, str(Path(__file__).parent)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "end",
    [
        "",
        "executor.shutdown(wait=False)",
        "del executor; gc.collect()",
        "executor.submit(Job(['true'])).add_done_callback(tell); del executor",
        "raise SystemExit(0)",
    ],
)
def test_the_interpreter_waits_for_futures(anybatch_home: Path, end: str) -> None:
    """However a program ends, what it gave is submitted, and its futures complete."""
    ended = run_program(f"future.add_done_callback(tell)\n{end}\n")
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == ["done"] * (2 if "submit" in end else 1)
    assert ended.returncode == 0


def test_an_idle_executor_keeps_no_program(anybatch_home: Path) -> None:
    """An executor without work has no thread, so nothing waits for it, and it takes more jobs."""
    text = """
executor.shutdown(cancel_futures=True)
other = Executor("toy", plugins=plugins_of(toy=Late()), host=local_host())
print([thread.name for thread in threading.enumerate() if not thread.daemon])
"""
    ended = run_program(text)
    assert (ended.stdout, ended.stderr) == ("['MainThread']\n", "")


def test_a_fork_has_no_part_in_its_parents_jobs(anybatch_home: Path) -> None:
    """In a forked child futures fail at once, and what needs the parent refuses."""
    text = """
warnings.simplefilter("ignore")
run = executor.session.submit(Job(["true"]))
child = os.fork()
if not child:
    print(type(future.exception(timeout=60)).__name__)
    with executor:
        for use in (
            lambda: executor.submit(Job(["true"])),
            lambda: executor.session.submit(Job(["true"])),
            run.wait,
            run.terminate,
            run.refresh,
            lambda: run.jobs,
        ):
            try:
                use()
            except (RuntimeError, UsageError) as error:
                print(type(error).__name__)
    executor.session.close()
    with Session("toy", plugins=plugins_of(toy=Toy()), host=local_host()) as session:
        print(session.attach(run.id).id == run.id)
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
future.add_done_callback(tell)
"""
    ended = run_program(text)
    assert ended.stderr == ""
    lines = ["RuntimeError", "RuntimeError", *["UsageError"] * 5, "True", "7", "done"]
    assert ended.stdout.splitlines() == lines
