"""Run folders that a disk, an editor or a later version has changed: one costs no other."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.cli.report import run_record
from anybatch.errors import AnybatchError, FolderError, UnknownSystem
from anybatch.model import Job, Retry, State
from anybatch.runs.events import read_event
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .toy import Toy, leave_record, said, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

SLACK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**12, -1, 1e308, "0-99999999999", "2026-01-01T00:00:00", "NaN"])
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


class Damaged:
    """Two runs, in folders that are set back before each change.

    Attributes:
        bad, good: the ids of the run that is changed, and of the one beside it.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        with session_of(project, Toy()) as session:
            self.good = session.submit(Job(["true"])).id
            toy = session.plugins.implementation("toy", "anybatch_submit").plugin
            jobs = [Job(["false"], retry=Retry(1), labels={"a": "b"}), *[Job(["true"])] * 3]
            run = session.submit(jobs)
            self.bad, self.folder = run.id, run.folder
            leave_record(run.folder, "0.0.0.command.exit-1")
            leave_record(run.folder, "1.0.0.command.exit-0")
            toy.answers.update(dict.fromkeys(toy.answers, said(State.RUNNING)))
            run.refresh()
            run.refresh()
            assert run.counts == {State.NEW: 1, State.RUNNING: 2, State.DONE: 1}
        self.entry = Path(os.environ["XDG_STATE_HOME"], "anybatch/runs/active", self.bad)
        (self.journal,) = self.folder.glob("journal-*")
        self.file = self.folder / "run.json"
        self._kept = {p: p.read_bytes() for p in (self.file, self.journal, self.entry)}

    def restore(self) -> None:
        """As it was before the last change."""
        for path, data in self._kept.items():
            path.write_bytes(data)
        for path in self.folder.glob("journal-*"):
            if path != self.journal:
                path.unlink()

    def look(self) -> AnybatchError | None:
        """Do with all runs what commands do; what hinders the changed one."""
        with session_of(self._project, Toy()) as session:
            runs = {run.id: run for run in session.runs()}
            session.poll()
            session._engine.step(force=True)
            for run in runs.values():
                run_record(run)
                run.has_label("a")
                assert run.unattended in (True, False)
            assert self.good in runs
            assert runs[self.good].broken is None
            broken = runs[self.bad].broken if self.bad in runs else session.unreadable[self.bad]
        # A changed name of the batch system is the name of one that is not installed.
        assert broken is None or isinstance(broken, FolderError | UnknownSystem), repr(broken)
        return broken


@pytest.fixture
def damaged(isolated: Path) -> Damaged:
    return Damaged(isolated)


def places(plain: Any) -> list[tuple[Any, Any]]:
    """Every value of a JSON document, as the table or list that it is in, and its key."""
    keys = list(plain) if isinstance(plain, dict) else range(len(plain))
    own = [(plain, key) for key in keys]
    inner = [plain[key] for key in keys if isinstance(plain[key], (dict, list))]
    return own + [place for one in inner for place in places(one)]


def change(data: st.DataObject, plain: Any) -> str:
    """Drop, replace or add a value; the changed document."""
    table, key = data.draw(st.sampled_from(places(plain)))
    how = data.draw(st.sampled_from(["drop", "replace", "add"]))
    if how == "drop":
        del table[key]
    elif how == "replace":
        table[key] = data.draw(JSON)
    elif isinstance(table, dict):
        table["later"] = data.draw(JSON)
    else:
        table.append(data.draw(JSON))
    return json.dumps(plain)


@SLACK
@given(data=st.data())
def test_a_changed_value_in_run_json_costs_one_run(damaged: Damaged, data: st.DataObject) -> None:
    """Whatever value is dropped, changed or added, the other run is read and watched."""
    damaged.restore()
    damaged.file.write_text(change(data, json.loads(damaged.file.read_text())))
    damaged.look()


@SLACK
@given(data=st.data())
def test_a_changed_journal_line_costs_one_run(damaged: Damaged, data: st.DataObject) -> None:
    """Whatever value of whatever event is dropped, changed or added."""
    damaged.restore()
    lines = damaged.journal.read_text().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["change", "drop", "twice", "move"]))
    line = lines.pop(number)
    if how == "change":
        lines.insert(number, change(data, json.loads(line)))
    elif how != "drop":
        lines.insert(data.draw(st.integers(0, len(lines))), line)
        if how == "twice":
            lines.insert(number, line)
    damaged.journal.write_text("".join(one + "\n" for one in lines))
    damaged.look()


@SLACK
@given(
    what=st.sampled_from(["file", "journal", "entry"]),
    start=st.integers(0, 5000),
    length=st.integers(0, 50),
    new=st.binary(max_size=20),
)
@example(what="file", start=0, length=5000, new=b"")
@example(what="entry", start=0, length=5000, new=b"/")
@example(what="entry", start=0, length=5000, new=b"/\xff")
def test_changed_bytes_cost_one_run(
    damaged: Damaged, what: str, start: int, length: int, new: bytes
) -> None:
    """Wherever bytes are lost, changed or added, in whichever of its files."""
    damaged.restore()
    path: Path = getattr(damaged, what)
    old = path.read_bytes()
    start %= len(old)
    path.write_bytes(old[:start] + new + old[start + length :])
    damaged.look()


# -- what a later version may write


def later(path: Path, edit: Callable[[dict[str, Any]], object], kind: str) -> None:
    """Change the events of a kind, as a later version would write them."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        if event["e"] == kind:
            edit(event)
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.parametrize(
    "kind", ["submitting", "submitted", "state", "ended", "retry"], ids="further field in {}".format
)
def test_further_fields_are_carried_along(damaged: Damaged, kind: str) -> None:
    """Fields of a later version are passed over, in an event and in what is inside it."""

    def edit(event: dict[str, Any]) -> None:
        for table, _ in places(event):
            if isinstance(table, dict):
                table["later"] = {"and": ["more"]}

    later(damaged.journal, edit, kind)
    assert damaged.look() is None


def test_further_kinds_and_reasons_are_carried_along(damaged: Damaged) -> None:
    """An event of an unknown kind tells nothing; a verdict with an unknown reason is one."""
    later(damaged.journal, lambda event: event["outcomes"][0].update(reason="moon"), "ended")
    with damaged.journal.open("a") as file:
        file.write('{"t": 1, "e": "moved", "jobs": 7}\n')
    assert damaged.look() is None


def test_a_state_of_a_later_version_is_passed_over(damaged: Damaged) -> None:
    """What only tells how a job is doing hinders nothing."""
    later(damaged.journal, lambda event: event.update(state="dreaming"), "state")
    assert damaged.look() is None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ended", {"outcomes": [{"index": 0, "state": "dreaming"}]}),
        ("ended", {"outcomes": [{"index": 4, "state": "done", "stdout": "/o", "stderr": "/e"}]}),
        ("submitted", {"s": 7, "ids": ["1"]}),
        ("terminate", {"jobs": "0-9"}),
        ("retry", {"planned": {}}),
        ("submitting", {"s": 0}),
    ],
)
def test_what_decides_and_makes_no_sense_stops_its_run(
    damaged: Damaged, kind: str, fields: dict[str, Any]
) -> None:
    """Else jobs could be run twice; the message names the file and what to do."""
    line = json.dumps({"t": 2e9, "e": kind, **fields})
    (damaged.folder / "journal-z.jsonl").write_text(line + "\n")
    text = str(damaged.look())
    assert str(damaged.folder) in text
    assert "is damaged" in text
    assert "newer anybatch" in text


def test_a_damaged_journal_stays_damaged(damaged: Damaged, isolated: Path) -> None:
    """Who looks again in the same session does not get past the line that made no sense."""
    with session_of(isolated, Toy()) as session:
        run = session.attach(damaged.bad)
        (damaged.folder / "journal-z.jsonl").write_text('{"t": 2e9, "e": "retry"}\n')
        for _ in range(3):
            with pytest.raises(FolderError, match=r"journal-z\.jsonl' is damaged at byte 0"):
                run.terminate()


@given(plain=JSON | st.dictionaries(st.sampled_from("tejs"), JSON))
def test_any_json_is_an_event_or_none_or_damage(plain: Any) -> None:
    """No line is another error than the one that says so."""
    try:
        event = read_event(plain)
    except ValueError:
        return
    assert event is None or isinstance(event["e"], str)


# -- folders that are lost while somebody waits


def test_a_run_whose_folder_is_lost_ends_no_wait_for_others(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for two runs gets the outcomes of the one, and is told of the other."""
    from anybatch.catalogue import Chosen
    from anybatch.cli.progress import Progress
    from anybatch.cli.waiting import await_jobs

    notices: list[str] = []
    with session_of(isolated, Toy(), on_notice=notices.append) as session:
        lost, kept = session.submit(Job(["true"])), session.submit(Job(["true"]))
        shutil.rmtree(lost.folder)
        leave_record(kept.folder, "0.0.0.command.exit-0")
        [outcome] = await_jobs(
            session, [Chosen(run, [0]) for run in (lost, kept)], Progress(notices.append)
        )
        assert outcome.run == kept.id
        assert isinstance(lost.broken, FolderError)
        [notice] = [one for one in notices if "can no longer be watched" in one]
        assert lost.id in notice
