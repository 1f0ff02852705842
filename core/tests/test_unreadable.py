"""Lines of journals that cannot be read: named once, and never the cause of a second submission."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import CommandTimeout, FolderError
from anybatch.host import Command
from anybatch.model import Job, State
from anybatch.runs.entries import Phase
from anybatch.runs.journal import Journal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .toy import FailingHost, Toy, leave_record, local_host, plugins_of, said, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

    from .toy import Clock

TRUE = ["true"]


@pytest.fixture
def start(new_session: Callable[..., Session], clock: Clock) -> Callable[..., Session]:
    def begin(toy: Toy, **more: Any) -> Session:
        return new_session("toy", plugins=plugins_of(toy=toy), host=local_host(), **more)

    return begin


def spoil(folder: Path, number: int, line: bytes = b'{"t": 1, "e": "subm') -> Path:
    """Another text in the place of a line of the run's journal."""
    [path] = folder.glob("journal-*.jsonl")
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = line
    path.write_bytes(b"\n".join(lines))
    return path


def kinds(folder: Path) -> list[str]:
    [path] = folder.glob("journal-*.jsonl")
    return [json.loads(line)["e"] for line in path.read_text().splitlines()]


def look(run: Run) -> None:
    run._engine.step(force=True)


@pytest.mark.parametrize("line", [b'{"t": 1, "e": "subm', b"\xff\x00", b"[]", b'{"t": 5}', b"7"])
def test_a_line_that_cannot_be_read_is_named_once(start: Any, toy: Toy, line: bytes) -> None:
    """With its number and file, and what follows from it."""
    run = start(toy).submit([Job(TRUE)] * 2)
    toy.answers.update(dict.fromkeys(toy.answers, said(State.RUNNING)))
    look(run)
    path = spoil(run.folder, kinds(run.folder).index("state") + 1, line)
    notices: list[str] = []
    again = start(toy, on_notice=notices.append).attach(run.id)
    for _ in range(3):
        look(again)
    [notice] = [text for text in notices if "cannot be read" in text]
    assert f"line 3 of {str(path)!r} cannot be read" in notice
    assert [job.state for job in again.jobs] == [State.RUNNING] * 2


def test_a_line_that_is_damaged_while_somebody_watches_is_named(start: Any, toy: Toy) -> None:
    """Another process wrote it, and a disk has eaten it."""
    notices: list[str] = []
    run = start(toy, on_notice=notices.append).submit(Job(TRUE))
    (run.folder / "journal-z.jsonl").write_bytes(b"{]\n")
    for _ in range(3):
        look(run)
    assert len([text for text in notices if "line 1 of" in text]) == 1


@pytest.mark.parametrize("lost", [("submitting",), ("submitted",), ("submitting", "submitted")])
def test_what_a_lost_line_may_have_announced_is_looked_up(
    start: Any, toy: Toy, clock: Clock, lost: tuple[str, ...]
) -> None:
    """The jobs are found by their token; none is submitted again."""
    run = start(toy).submit([Job(TRUE)] * 2)
    for number, kind in enumerate(kinds(run.folder), 1):
        if kind in lost:
            spoil(run.folder, number)
    later = start(toy).attach(run.id)
    for _ in range(3):
        look(later)
        clock.now += 10
    assert len(toy.calls["submit"]) == 1
    assert [str(job.id) for job in later.jobs] == ["1.1", "1.2"]


def test_what_was_not_submitted_is_submitted_after_it_was_looked_up(
    start: Any, toy: Toy, clock: Clock
) -> None:
    """Once, by whichever process; the doubt ends with the look-up, which is on record."""
    toy.scripted["submit"] = [CommandTimeout(Command(("toysub",)), "no answer")]
    run = start(toy).submit([Job(TRUE)] * 2)
    spoil(run.folder, 1)
    for _ in range(4):
        later = start(toy).attach(run.id)
        look(later)
        clock.now += 40
    assert len(toy.calls["submit"]) == 2
    assert [job.state for job in later.jobs] == [State.QUEUED] * 2
    assert later.watched.state.submissions[0].phase is Phase.SUBMITTED


def test_what_a_failed_write_has_torn_is_no_doubt(tmp_path: Path) -> None:
    """Its writer was told that it failed, and says so; nothing is looked up for it."""

    class Tears(FailingHost):
        """Its disk is full in the middle of a line."""

        full = False

        def append(self, path: Path, data: bytes, *, durable: bool = False) -> None:
            if self.full:
                super().append(path, data[:10])
                raise OSError(28, "No space left on device")
            super().append(path, data, durable=durable)

    host = Tears()
    writer = Journal(tmp_path, "w", host)
    writer.append({"e": "terminate", "jobs": "0"})
    for host.full in (True, True, False):
        try:
            writer.append({"e": "terminate", "jobs": "1"})
        except FolderError:
            continue
    events = Journal(tmp_path, "r", local_host()).read()
    assert sorted(event["e"] for event in events) == ["terminate", "terminate"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_line_that_is_lost_submits_anything_twice(isolated: Path, data: st.DataObject) -> None:
    """Whichever lines are lost of a run with a retry, each attempt is submitted once."""
    toy = Toy()
    with session_of(isolated, toy) as session:
        run = session.submit([Job(TRUE, retry=1)] * 2)
        leave_record(run.folder, "0.0.0.command.exit-1")
        for _ in range(2):
            look(run)
        submitted = len(toy.calls["submit"])
        assert submitted == 2
        name, folder = run.id, run.folder
    numbers = range(1, len(kinds(folder)) + 1)
    lost = data.draw(st.sets(st.sampled_from(numbers), max_size=4))
    for number in lost:
        spoil(folder, number)
    with session_of(isolated, toy) as session:
        try:
            later = session.attach(name)
        except FolderError:  # what decides is about something that is lost
            return
        for _ in range(3):
            look(later)
    tokens = [one.token for one in toy.calls["submit"]]
    assert len(tokens) == len({*tokens})
