"""Runs as a list: active ones, and those that have ended."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch.history import Wanted
from anybatch.model import Job, State
from anybatch.runs import summary
from anybatch.runs.index import Index
from anybatch.runs.summary import Summary

from .toy import Toy, leave_record, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch.run import Run
    from anybatch.session import Session

ALL = Wanted(ended=None)


@pytest.fixture
def start(isolated: Path, toy: Toy) -> Iterator[Callable[..., Session]]:
    """Opens sessions, which are closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **more: stack.enter_context(session_of(isolated, toy, **more))


def entry(run: str, kind: str = "ended") -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "anybatch/runs" / kind / run


def add_ended(run: str, days: float, **more: object) -> None:
    """A run that ended so many days ago, whose folder is not there any more."""
    index, then = Index(), datetime.now(timezone.utc) - timedelta(days=days)
    known = {"name": "old", "system": "toy", "created": then, "labels": frozenset(), **more}
    index.add(run, Summary(folder=Path("/nowhere", run), **known))  # type: ignore[arg-type]
    counts = '{"done": 2, "failed": 1}' if "bad" in run else '{"done": 3}'
    index.end(run, told=True, line=f'{{"ended": "{then.isoformat()}", "counts": {counts}}}')
    os.utime(entry(run), (then.timestamp(), then.timestamp()))


def listed(session: Session, wanted: Wanted | None = None) -> list[str]:
    return [one.id for one in session.history(wanted)]


def test_ended_runs_are_listed_from_the_index(start: Callable[..., Session]) -> None:
    """With all that is shown of them, whether their folders are there or not, again and again."""
    for run, days in (("2", 0.5), ("3-bad", 0.2), ("1", 3)):
        add_ended(run, days)
    session = start()
    for _ in range(2):
        assert listed(session) == ["2", "3-bad"]
        assert listed(session, ALL) == ["1", "2", "3-bad"]
    one = session.history()[1]
    assert (one.name, one.system, one.active) == ("old", "toy", False)
    assert one.counts == {State.DONE: 2, State.FAILED: 1}
    assert one.ended == one.created
    assert not session.unreadable


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(ended=timedelta(days=2)), ["2-bad", "3"]),
        (Wanted(ended=timedelta(hours=1)), []),
        (Wanted(ended=None, limit=1), ["3"]),
        (Wanted(ended=None, limit=2, name="o*d"), ["2-bad", "3"]),
        (Wanted(ended=None, limit=9, name="f?t"), ["1"]),
        (Wanted(ended=None, name="O*"), []),
        (Wanted(ended=None, states=frozenset({State.FAILED, State.LOST})), ["2-bad"]),
        (Wanted(ended=None, system="slurm"), ["1"]),
        (Wanted(ended=None, label="part"), ["1"]),
        (Wanted(ended=None, label="part=2"), []),
    ],
)
def test_what_is_wanted_is_listed(
    start: Callable[..., Session], wanted: Wanted, expected: list[str]
) -> None:
    """By age of the end, number, name, state, system and label."""
    add_ended("3", 0.5)
    add_ended("2-bad", 1.5)
    add_ended("1", 3, name="fit", system="slurm", labels=frozenset({"part=1"}))
    assert listed(start(), wanted) == expected


def test_active_runs_are_listed_whatever_their_age(start: Callable[..., Session]) -> None:
    """In the order of their submission, with the others; a number takes the last of all."""
    add_ended("1", 0.5)
    session = start()
    runs = [session.submit(Job(["true"], name="fit", labels={"n": str(n)})) for n in range(3)]
    ids = [run.id for run in runs]
    assert listed(session) == ["1", *ids]
    assert listed(session, Wanted(limit=2)) == ids[1:]
    assert listed(session, Wanted(label="n=1")) == ids[1:2]
    assert listed(session, Wanted(states=frozenset({State.QUEUED}))) == ids
    assert [one.active for one in session.history()] == [False, True, True, True]


def test_what_is_not_listed_is_not_read(start: Callable[..., Session]) -> None:
    """Old entries are not opened: that they are odd is not noticed before they are listed."""
    for number in range(50):
        run = f"2025{number:02d}"
        add_ended(run, 30)
        entry(run).write_bytes(b"nothing")
        os.utime(entry(run), (0, 0))
    add_ended("20260101", 0.1)
    notices: list[str] = []
    session = start(on_notice=notices.append)
    assert listed(session) == listed(session, Wanted(ended=None, limit=1)) == ["20260101"]
    assert notices == []
    assert listed(session, ALL) == ["20260101"]
    assert len(notices) == len(session.unreadable) == 50


def test_runs_of_earlier_versions_are_opened(start: Callable[..., Session], toy: Toy) -> None:
    """An entry that is a path alone tells nothing, so the folder is asked."""
    run = ended_run(start, toy)
    entry(run.id, "untold").write_text(str(run.folder))
    [one] = start().history()
    assert (one.id, one.name, one.counts) == (run.id, "fit", {State.TERMINATED: 1})


def test_an_end_that_was_not_noted_is_noted_later(start: Callable[..., Session], toy: Toy) -> None:
    """A program was killed when the journal had the end, and the index had not."""
    run = ended_run(start, toy)
    entry(run.id, "untold").rename(entry(run.id, "active"))
    for _ in range(2):
        session = start()
        assert [one.active for one in session.history()] == [False]
        assert session.runs() == []
    assert [one.id for one in session.runs(untold=True)] == [run.id]


def ended_run(start: Callable[..., Session], toy: Toy) -> Run:
    """A run that has ended while nobody waited for it."""
    run = start().submit(Job(["true"], name="fit", after=start().submit(Job(["true"])).id))
    run.terminate()
    assert run.finished
    Index().remove(start().runs()[0].id)
    return run


def test_a_run_is_told_by_who_waits_for_it(start: Callable[..., Session]) -> None:
    """Who watches in the background for another's sake has told nobody how a run ended."""
    session = start()
    one, two = session.submit(Job(["true"])), session.submit(Job(["true"]))
    for run in (one, two):
        leave_record(run.folder, "0.0.0.command.exit-1")
    assert session.wait_until(lambda: one.finished and two.finished, 60)
    assert {run.id for run in start().runs(untold=True)} == {one.id, two.id}
    one.wait()
    assert [run.id for run in start().runs(untold=True)] == [two.id]
    assert len(list(two.as_completed())) == 1
    assert start().runs(untold=True) == []


def test_a_program_that_watches_follows_its_runs(start: Callable[..., Session]) -> None:
    """Whoever calls `watch` looks at outcomes without waiting, so they count as told."""
    session = start()
    run = session.submit(Job(["true"]))
    session.watch()
    leave_record(run.folder, "0.0.0.command.exit-1")
    assert session.wait_until(lambda: run.finished, 60)
    assert start().runs(untold=True) == []


def test_the_summary_of_a_run_is_that_of_its_jobs(start: Callable[..., Session]) -> None:
    """The name is that of the first job; too many labels are looked up in the run."""
    run = start().submit([Job(["true"], name=n, labels={"n": n * 2_000}) for n in "abc"])
    known = Index().summary(run.id)
    assert (known.name, known.system, known.created) == ("a", "toy", run.created)
    assert known.labels is None
    assert summary.of_run(run.watched.state.file) == known
    for index in range(3):
        leave_record(run.folder, f"{index}.0.0.command.exit-0")
    run.refresh()
    assert [one.id for one in start().history(Wanted(label="n"))] == [run.id]
    assert start().history(Wanted(label="n=a")) == []
