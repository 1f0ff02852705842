"""Runs beside each other: of several threads, processes, sessions and submissions."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import FolderError, RunNotFound
from anybatch.hookspecs import hookimpl
from anybatch.model import Job, State
from anybatch.testing import await_that

from .toy import Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen
    from types import FrameType

    from anybatch.records import Change
    from anybatch.run import Run
    from anybatch.session import Session

TRUE = Job(["true"])
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy) -> Callable[..., Session]:
    """Makes sessions of one user on the toy system, beside further plugins."""

    def make(others: dict[str, object] | None = None, **arguments: Any) -> Session:
        plugins = plugins_of(toy=toy, **(others or {}))
        return new_session("toy", plugins=plugins, host=local_host(), **arguments)

    return make


@pytest.fixture
def session(start: Callable[..., Session]) -> Session:
    return start()


def end(run: Run, index: int, code: int = 0) -> None:
    """The job's script leaves its record."""
    leave_record(run.folder, f"{index}.0.0.command.exit-{code}")


# -- submitting


def test_a_new_run_has_ids_at_once(session: Session, anybatch_home: Path) -> None:
    """Submit returns with the jobs in the batch system, and waits for none of them."""
    run = session.submit([Job(["true"], name="first"), Job(["true"], name="first")])
    assert len(run) == 2
    assert run.counts == {State.QUEUED: 2}
    assert [str(job.id) for job in run.jobs] == ["1.1", "1.2"]
    assert [(job.index, job.name, job.state) for job in run.jobs] == [
        (0, "first", State.QUEUED),
        (1, "first", State.QUEUED),
    ]
    assert run.folder == anybatch_home / ".anybatch" / "runs" / run.id
    assert run.outcomes == [None, None]
    assert not run.finished
    assert run.id in repr(run)


@pytest.mark.parametrize(
    ("text", "settings", "folder"),
    [
        ("", {}, "below/.anybatch/runs"),
        ("system = 'toy'\n", {}, ".anybatch/runs"),
        ("runs_dir = 'my runs'\n", {}, "below/my runs"),
        ("runs_dir = 'x'\n", {"anybatch": {"runs_dir": "../y"}}, "y"),
    ],
)
def test_where_run_folders_go(
    start: Callable[..., Session],
    anybatch_home: Path,
    text: str,
    settings: dict[str, Any],
    folder: str,
) -> None:
    """Run folders go where runs_dir says, else beside the project file, else here."""
    (anybatch_home / "below").mkdir()
    if text:
        (anybatch_home / "anybatch.toml").write_text(text)
    run = start(settings=settings, folder="below").submit(TRUE)
    assert run.folder == anybatch_home / folder / run.id


def test_any_iterable_of_jobs_is_a_run(session: Session) -> None:
    """A generator of jobs is submitted like a list, one job like a list of one."""
    assert len(session.submit(Job(["true", str(number)]) for number in range(3))) == 3
    assert len(session.submit(TRUE)) == 1


# -- waiting


def test_several_threads_may_wait(session: Session) -> None:
    """Who waits in one thread does not keep others from waiting, or from submitting."""
    first = session.submit(TRUE)
    seen: list[bool] = []
    waiting = [
        threading.Thread(target=lambda: seen.append(first.wait(60)[0].done)) for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    second = session.submit(TRUE)
    for run in (second, first):
        end(run, 0)
        run.wait(60)
    for thread in waiting:
        thread.join(60)
    assert seen == [True] * 3


def test_who_waits_is_told_that_watching_broke(session: Session) -> None:
    """When the journal cannot be written any more, each thread that waits raises the error."""
    run = session.submit(TRUE)
    told: list[str] = []

    def wait() -> None:
        with pytest.raises(FolderError, match="the journal"):
            run.wait(60)
        told.append("told")

    waiting = [threading.Thread(target=wait) for _ in range(3)]
    for thread in waiting:
        thread.start()
    await_that(lambda: len(session._engine._bells) == len(waiting))
    run.folder.rename(run.folder.with_name("away"))
    for thread in waiting:
        thread.join(60)
    assert told == ["told"] * 3


def interrupted_at(number: int, call: Callable[[], object]) -> bool:
    """Call with a Ctrl-C that comes at the start of line *number* of all that then run."""
    lines = itertools.count(1)

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and next(lines) == number:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    gc.disable()  # hypothesis is called by it, and what is raised there reaches nobody
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
        gc.enable()
    return False


def test_an_interrupt_at_any_moment_of_a_wait(session: Session) -> None:
    """Ctrl-C comes out of a wait as itself, at whatever line, and leaves no lock behind."""
    session.watch()

    def wait() -> None:
        looks = itertools.count()

        def ready() -> bool:
            session.wake()
            return next(looks) == 2

        session.wait_until(ready)

    moments = 0
    while interrupted_at(moments + 1, wait):
        moments += 1
        waking = threading.Thread(target=session.wake)
        waking.start()
        waking.join(60)
        assert not waking.is_alive()
    assert moments > 30


def test_refresh_looks_once(session: Session, toy: Toy) -> None:
    """Refresh asks the system now and takes up what it says."""
    run = session.submit(TRUE)
    toy.answers["1.1"] = said(State.RUNNING, "R", message="on its way", host="node7")
    run.refresh()
    (job,) = run.jobs
    assert (job.state, job.native_state, job.message) == (State.RUNNING, "R", "on its way")
    assert job.host == "node7"
    assert len(toy.calls["status"]) == 1


def test_leaving_a_session_leaves_the_jobs_alone(start: Callable[..., Session], toy: Toy) -> None:
    """The end of a session stops its watching, twice too, and no job."""
    before = set(threading.enumerate())
    with start() as session:
        run = session.submit(TRUE)
        session.watch()
    session.close()
    assert toy.calls["terminate"] == []
    assert run.counts == {State.QUEUED: 1}
    await_that(lambda: before.issuperset(threading.enumerate()))


# -- coming back


ATTACH = """
import sys
sys.path.insert(0, {root!r})
from core.tests.toy import Toy, State, local_host, plugins_of, said
from anybatch.session import Session
toy = Toy()
toy.answers["1.1"] = said(State.QUEUED)
with Session("toy", plugins=plugins_of(toy=toy), host=local_host()) as session:
    (run,) = session.runs()
    assert run.id == {run!r}, run
    print([(str(job.id), job.state.value) for job in run.jobs], flush=True)
    print([outcome.exit_code for outcome in run.wait(60)])
    print(session.runs(), toy.calls["submit"])
"""


def test_another_process_goes_on(
    session: Session, toy: Toy, run_python: Callable[..., Popen[str]]
) -> None:
    """A program that starts later finds the run, submits nothing again, and gets the verdict."""
    run = session.submit(TRUE)
    session.close()
    program = run_python(ATTACH.format(root=str(ROOT), run=run.id))
    assert program.stdout is not None
    assert program.stdout.readline() == "[('1.1', 'queued')]\n"
    end(run, 0, 9)
    out, err = program.communicate(timeout=120)
    assert (out, err) == ("[9]\n[] []\n", "")
    assert session.attach(run.id) is run
    run.watched.state.catch_up()
    assert run.counts == {State.FAILED: 1}


def test_finished_runs_leave_the_list(session: Session) -> None:
    """The runs that may still change are listed, oldest first; others are found by their id."""
    first, second = session.submit(TRUE), session.submit(TRUE)
    assert {run.id for run in session.runs()} == {first.id, second.id}
    end(first, 0)
    first.wait(60)
    assert session.runs() == [second]
    assert session.attach(first.id) is first


# -- after


def test_labels_stay_with_the_jobs(start: Callable[..., Session]) -> None:
    """A later session reads each job's labels, as they were written."""
    odd = {"campaign": "mc26 é=$x", "site.part-of_it": ""}
    jobs = [Job(["true"], labels=odd), TRUE, Job(["true"], labels={"campaign": "b"})]
    run = start().submit(jobs)
    assert len(run.submissions) == 1
    assert [job.labels for job in start().attach(run.id).jobs] == [odd, {}, {"campaign": "b"}]


def test_runs_are_found_by_a_label(start: Callable[..., Session]) -> None:
    """A run is found by a label of any of its jobs: by name, or by name and value."""
    first = start().submit([TRUE, Job(["true"], labels={"a": "1", "b": "x=y"})])
    second = start().submit(Job(["true"], labels={"a": "2"}))
    start().submit(TRUE)
    found = {
        label: {run.id for run in start().runs(label=label)}
        for label in ("a", "a=1", "b=x=y", "a=", "c")
    }
    assert found == {
        "a": {first.id, second.id},
        "a=1": {first.id},
        "b=x=y": {first.id},
        "a=": set(),
        "c": set(),
    }


def test_after_names_runs_and_jobs(session: Session, toy: Toy) -> None:
    """A job may wait for a run, a run's id, or one job of it, and is submitted after them."""
    first = session.submit([TRUE, TRUE])
    waiting = session.submit(
        [Job(["true"], after=item) for item in (first, first.id, f"{first.id}:1")]
    )
    assert waiting.counts == {State.NEW: 3}
    end(first, 1)
    first._engine.wait_until(lambda: first.outcome(1) is not None, 60)
    await_that(lambda: waiting.jobs[2].state is State.QUEUED)
    assert [job.state for job in waiting.jobs] == [State.NEW, State.NEW, State.QUEUED]
    end(first, 0)
    await_that(lambda: waiting.counts == {State.QUEUED: 3})
    assert len(toy.calls["submit"]) == 3


def test_after_a_run_that_is_not_there_is_refused(session: Session) -> None:
    """Nothing is submitted to wait for something unknown."""
    with pytest.raises(RunNotFound, match="no run matches 'nope'"):
        session.submit(Job(["true"], after="nope"))


# -- stopping


def test_some_jobs_may_be_stopped(session: Session, toy: Toy) -> None:
    """Only the jobs that are named are stopped, and none that has ended."""
    run = session.submit([TRUE] * 3)
    end(run, 0)
    session.wait_until(lambda: run.outcome(0) is not None, 60)
    assert run.terminate([0, 2]) == 1
    assert toy.calls["terminate"] == [(["1.3"], None)]
    assert run.jobs[1].state is State.QUEUED


def test_a_job_that_ended_before_it_was_stopped_keeps_its_verdict(session: Session) -> None:
    """A record of success stands, though somebody asked for the job's end."""
    run = session.submit(TRUE)
    end(run, 0)
    run.terminate()
    assert run.wait(60)[0].state is State.DONE


# -- observers


class Observer:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    @hookimpl
    def anybatch_job_changed(self, change: Change) -> None:
        self.changes.append(change)


def test_observers_get_changes_in_order(start: Callable[..., Session], toy: Toy) -> None:
    """Each observer is told each change of state once, in order, with run, index and id."""
    seen = Observer()
    session = start({"observer": seen})
    run = session.submit([TRUE, TRUE])
    toy.answers["1.1"] = said(State.RUNNING)
    run.refresh()
    end(run, 0)
    end(run, 1, 1)
    run.wait(60)
    told = [(c.run, c.index, c.id, c.old.value, c.new.value) for c in seen.changes]
    assert told[:2] == [
        (run.id, 0, "1.1", "new", "queued"),
        (run.id, 1, "1.2", "new", "queued"),
    ]
    assert [one[3:] for one in told if one[1] == 0] == [
        ("new", "queued"),
        ("queued", "running"),
        ("running", "done"),
    ]
    assert told[-1][3:] in {("queued", "failed"), ("running", "done")}
    assert all(change.time.utcoffset() == timedelta(0) for change in seen.changes)
