"""What is on disk: run folders, the index, journals, and the records that jobs leave."""

from __future__ import annotations

import contextlib
import json
import os
import resource
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.errors import FolderAway, FolderError
from anybatch.localhost import LocalHost
from anybatch.model import Job, Resources, Retry
from anybatch.records import Environment, Transfer
from anybatch.runs import store
from anybatch.runs.journal import Journal
from anybatch.worker.exit_records import ExitFolder, ExitRecord, log_tail, parse_record
from anybatch.worker.layout import JOBS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .texts import TEXTS, raw
from .toy import Toy, leave_record, local_host, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anybatch.host import Listing

TRUE = ["true"]


@contextlib.contextmanager
def full_disk(after: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# -- run.json


def test_a_run_is_read_as_it_was_planned(isolated: Path) -> None:
    """All of a run, with every kind of setting, waits and retries, comes back from its folder."""
    toy = Toy(array=2, environment=Environment(runs_container=True))
    session = session_of(isolated, toy)
    settings_ = {
        "partition": "lönger",
        "options": {"qos": "high", "n": "1"},
        "grace": "1m30s",
        "size": "2 GiB",
    }
    first = Job(TRUE, settings={"toy": settings_}, name="ä b")
    resources = Resources(cores=2, memory="1 GiB", time="1h", queue="long", exclusive=True)
    jobs = [
        first,
        Job(TRUE, after=first, retry=Retry(2, on=["lost", "exit_code"]), stdout="o-{index}"),
        *[Job(TRUE, resources=resources, container="img") for _ in range(3)],
    ]
    made = store.create(session.plan(jobs), session.host)
    read = store.read(made.folder, session.host, session.settings.restore_types)
    assert read == made
    table = read.submissions[0].submission.settings
    assert table["grace"] == timedelta(seconds=90)
    assert table["size"] == 2 * 2**30
    assert read.submissions[1].waits == ((made.run, 0),)


def test_what_a_plugin_found_out_for_rendering_is_kept(isolated: Path) -> None:
    """A later process renders a submission from the same facts."""
    session = session_of(isolated, Toy(facts={"unit": "KB"}))
    made = store.create(session.plan(Job(TRUE)), session.host)
    read = store.read(made.folder, session.host, session.settings.restore_types)
    assert read.submissions[0].submission.limits.render_context == {"unit": "KB"}


def test_a_run_whose_files_travel_is_read_as_it_was_planned(isolated: Path) -> None:
    """With the transfer_set of each job, and everything that lies ready."""
    for name in ("a", "b"):
        (isolated / name).touch()
    jobs = [
        Job(TRUE, inputs=[name], outputs=[f"{name}.out"], output_dir="out/here") for name in "ab"
    ]
    session = session_of(isolated, Toy(transfer=Transfer.SYSTEM))
    plan = session.plan(jobs)
    made = store.create(plan, session.host)
    assert store.read(made.folder, session.host, session.settings.restore_types) == made
    submission = made.submissions[0].submission
    assert (submission.transfer, submission.transfer_sets) == (
        Transfer.SYSTEM,
        ("stage-in/0", "stage-in/1"),
    )
    assert (made.folder / "stage-in/1/b").readlink() == isolated / "b"
    assert (made.folder / "stage-out/0").readlink() == isolated / "out/here"
    assert (isolated / "out/here").is_dir()


def test_a_place_for_outputs_that_cannot_be_made_leaves_no_run_behind(isolated: Path) -> None:
    """Better now than when the jobs have run."""
    (isolated / "out").touch()
    session = session_of(isolated, Toy(transfer=Transfer.SYSTEM))
    plan = session.plan(Job(TRUE, outputs=["x"], output_dir="out/here"))
    with pytest.raises(FolderError, match="nothing was submitted"):
        store.create(plan, session.host)
    assert not plan.folder.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.pop("system"),
        lambda plain: plain.update(created="yesterday"),
        lambda plain: plain["submissions"][0]["submission"].update(token="ab-other-0"),
        lambda plain: plain.update(run="other"),
        lambda plain: plain.update(count=2),
        lambda plain: plain.update(count=10**30, stdout=[]),
        lambda plain: plain["submissions"][0].update(indices="0-99999999999"),
        lambda plain: plain["submissions"][0]["submission"].update(resources={"cores": "many"}),
        lambda plain: plain["submissions"][0].update(indices=7),
        lambda plain: plain["submissions"][0].update(retry={"times": -1}),
        lambda plain: plain["submissions"][0]["submission"]["settings"].update(size="much"),
    ],
)
def test_a_foreign_run_file_is_told(
    isolated: Path, toy: Toy, change: Callable[[dict[str, Any]], Any]
) -> None:
    """A `run.json` that this anybatch does not understand is a `FolderError` with its path."""
    session = session_of(isolated, toy)
    folder = store.create(session.plan(Job(TRUE)), session.host).folder
    plain = json.loads((folder / "run.json").read_text())
    change(plain)
    (folder / "run.json").write_text(json.dumps(plain))
    with pytest.raises(FolderError, match=r"run\.json' is damaged"):
        store.read(folder, session.host, session.settings.restore_types)


def test_a_run_of_another_format_is_told(isolated: Path, toy: Toy) -> None:
    """The message names the run and both formats: its file is not damaged."""
    session = session_of(isolated, toy)
    plan = session.plan(Job(TRUE))
    file = store.create(plan, session.host).folder / "run.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 99'))
    text = rf"^cannot read run {plan.run}: .* \(format 99; this version reads 1\)$"
    with pytest.raises(FolderError, match=text):
        store.read(plan.folder, session.host, lambda system, values: values)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"format": 1', "\0"])
def test_a_broken_run_file_is_told(isolated: Path, toy: Toy, text: str) -> None:
    """A `run.json` that is no JSON table is a `FolderError`."""
    (isolated / "run.json").write_text(text)
    with pytest.raises(FolderError, match="is damaged"):
        store.read(isolated, local_host(), session_of(isolated, toy).settings.restore_types)


def test_a_folder_that_is_gone_is_told(isolated: Path, toy: Toy) -> None:
    """A run whose folder was removed is a `FolderError` that names the folder."""
    with pytest.raises(FolderAway, match=r"run folder '.*gone' is away: No such file"):
        store.read(
            isolated / "gone", local_host(), session_of(isolated, toy).settings.restore_types
        )


@pytest.mark.parametrize("size", [0, 200, 3000])
def test_a_full_disk_leaves_nothing_of_a_run(isolated: Path, toy: Toy, size: int) -> None:
    """A run folder that cannot be written wholly is taken away; nothing was submitted."""
    session = session_of(isolated, toy)
    with full_disk(size), pytest.raises(FolderError, match="nothing was submitted"):
        session.submit([Job(["echo", "x" * 3000])])
    assert list(session.runs_folder.iterdir()) == []
    assert session.runs() == []
    assert not toy.calls["submit"]


def test_a_run_that_cannot_be_remembered_is_not_left(isolated: Path, toy: Toy) -> None:
    """Without a place in the index nothing is submitted and no run folder stays."""
    (isolated.parent / "state").write_text("a file where a folder should be")
    session = session_of(isolated, toy)
    with pytest.raises(FolderError, match="XDG_STATE_HOME"):
        session.submit(Job(TRUE))
    assert list(session.runs_folder.iterdir()) == []
    assert not toy.calls["submit"]


def test_run_folders_are_the_user_s_own(isolated: Path, toy: Toy) -> None:
    """Nobody else can read a run's folder, for variables may hold secrets."""
    session = session_of(isolated, toy)
    folder = store.create(session.plan(Job(TRUE)), session.host).folder
    assert folder.stat().st_mode & 0o077 == 0


# -- files of the host


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=TEXTS)
def test_files_are_read_as_they_were_written(tmp_path: Path, text: str) -> None:
    """Text goes to a file and back with every line break and every byte."""
    host = LocalHost({})
    host.write(tmp_path / "file", text)
    assert raw(host.read(tmp_path / "file")) == raw(text)


# -- journals


def lines(folder: Path, writer: str, *events: dict[str, Any]) -> Path:
    """What another process has written."""
    path = folder / f"journal-{writer}.jsonl"
    with path.open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    return path


def named(events: list[dict[str, Any]]) -> list[str]:
    return [event["e"] for event in events]


def test_several_writers_are_merged_in_order(tmp_path: Path) -> None:
    """Events of all processes come in the order of their times, each once."""
    reader = Journal(tmp_path, "reader", local_host())
    lines(tmp_path, "a", {"t": 1.0, "e": "one"}, {"t": 3.0, "e": "three"})
    lines(tmp_path, "b", {"t": 2.0, "e": "two"})
    assert named(reader.read()) == ["one", "two", "three"]
    lines(tmp_path, "b", {"t": 4.0, "e": "four"})
    lines(tmp_path, "c", {"t": 3.5, "e": "late"})
    assert named(reader.read()) == ["late", "four"]
    assert reader.read() == []


def test_a_process_does_not_read_its_own_events(tmp_path: Path) -> None:
    """What a process wrote it has applied already; another process reads it."""
    journal = Journal(tmp_path, "a", local_host())
    journal.append({"e": "one"})
    journal.append({"e": "two"}, durable=True)
    assert journal.read() == []
    assert named(Journal(tmp_path, "b", local_host()).read()) == ["one", "two"]


def test_a_torn_last_line_waits_for_its_end(tmp_path: Path) -> None:
    """A line that is still being written is not read, and is read once when it is whole."""
    reader = Journal(tmp_path, "reader", local_host())
    path = lines(tmp_path, "a", {"t": 1.0, "e": "one"})
    with path.open("a") as file:
        file.write('{"t": 2.0, "e":')
    assert named(reader.read()) == ["one"]
    with path.open("a") as file:
        file.write(' "two"}\n')
    assert named(reader.read()) == ["two"]
    assert reader.read() == []


@pytest.mark.parametrize("torn", ['{"t": 2.0, "e"', "", "\0\0\0", "[1]", "{}", "7", "\udcff"])
def test_an_unreadable_line_in_the_middle_costs_no_other(tmp_path: Path, torn: str) -> None:
    """It is told by its number, but for an empty one."""
    path = lines(tmp_path, "a", {"t": 1.0, "e": "one"})
    with path.open("ab") as file:
        file.write(torn.encode("utf-8", "surrogateescape") + b"\n")
    lines(tmp_path, "a", {"t": 3.0, "e": "three"})
    events = Journal(tmp_path, "reader", local_host()).read()
    assert [event["e"] for event in events if event["e"] != "unreadable"] == ["one", "three"]
    told = [(event["line"], event["path"]) for event in events if event["e"] == "unreadable"]
    assert told == ([(2, str(path))] if torn else [])


def test_an_event_that_did_not_fit_is_an_error_and_tears_no_other(tmp_path: Path) -> None:
    """On a full disk the event is not taken as written, and later ones are read again."""
    journal = Journal(tmp_path, "a", local_host())
    journal.append({"e": "one"})
    with full_disk(60), pytest.raises(FolderError, match="cannot write the journal"):
        journal.append({"e": "two", "text": "x" * 100})
    journal.append({"e": "three"})
    assert named(Journal(tmp_path, "b", local_host()).read()) == ["one", "three"]


def test_a_journal_without_a_folder_is_told(tmp_path: Path) -> None:
    """A journal whose folder is gone can be neither written nor read, with a clear error."""
    journal = Journal(tmp_path / "gone", "a", local_host())
    with pytest.raises(FolderError, match="cannot write the journal"):
        journal.append({"e": "one"})
    with pytest.raises(FolderError, match="cannot read the journal"):
        journal.read()


# -- records of jobs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0.0.0.command.exit-0", (0, 0, 0, "command", 0, None, None)),
        ("12.1.3.stage_in.exit-255", (12, 1, 3, "stage_in", 255, None, None)),
        ("0.0.0.command.signal-9", (0, 0, 0, "command", None, 9, None)),
        ("0.0.0.command.exit-143.TERM", (0, 0, 0, "command", 143, None, "TERM")),
        ("0.0.0.command.exit-2.USR1", (0, 0, 0, "command", 2, None, "USR1")),
        ("0.0.0.command.exit-0.TERM.new", None),
        ("0.0.command.exit-0", None),
        ("0.0.0.command.exit-", None),
        ("0.0.0.command.exit--1", None),
        ("0.0.0.Command.exit-0", None),
        (".nfs000000001", None),
        ("0.0.0.command.exit-0\n", None),
        ("", None),
    ],
)
def test_record_names(name: str, expected: tuple[Any, ...] | None) -> None:
    """A record is all in its name; any other name is none."""
    wanted = ExitRecord(*expected, name=name) if expected else None
    assert parse_record(name) == wanted


@given(name=st.text() | TEXTS)
def test_any_name_is_a_record_or_none(name: str) -> None:
    """No name of a file is an error, and what is read is conclusive only without a signal."""
    record = parse_record(name)
    if record is not None:
        signalled = record.caught or record.signal is not None
        assert record.conclusive == (not signalled and record.exit_code not in range(129, 193))


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    for name in ("start/0", "exit/0", "start/1", "exit/1"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_a_record_made_right_after_a_listing_is_seen(run_folder: Path) -> None:
    """Within one step of the file system's clock nothing is missed; each record comes once."""
    folder = ExitFolder(run_folder, local_host())
    assert folder.new([0]) == []
    for index in range(50):
        leave_record(run_folder, f"{index}.0.0.command.exit-0")
        assert [record.index for record in folder.new([0])] == [index]
    assert folder.new([0], thorough=True) == []


def test_an_old_time_of_change_is_believed_until_a_thorough_look(run_folder: Path) -> None:
    """A folder that has not changed is not listed again, but by a thorough look."""
    folder = ExitFolder(run_folder, local_host())
    os.utime(folder.path / "0", (1, 1))
    assert folder.new([0]) == []
    leave_record(run_folder, "0.0.0.command.exit-0")
    os.utime(folder.path / "0", (1, 1))
    assert folder.new([0]) == []
    assert [record.index for record in folder.new([0], thorough=True)] == [0]


class Counting(LocalHost):
    """Notes which folders are listed."""

    def __init__(self) -> None:
        super().__init__({})
        self.listed: list[str] = []

    def list_changed(self, folder: Path, since: int = -1) -> Listing | None:
        listing = super().list_changed(folder, since)
        if listing is not None:
            self.listed.append(f"{folder.parent.name}/{folder.name}")
        return listing


def test_a_new_record_costs_the_listing_of_its_page(run_folder: Path) -> None:
    """Of a run of many jobs only the page is listed in which something has changed."""
    host = Counting()
    folder = ExitFolder(run_folder, host)
    for page in (0, 1):
        os.utime(folder.path / str(page), (1, 1))
    assert folder.new([0, 1]) == []
    host.listed.clear()
    leave_record(run_folder, f"{JOBS}.0.0.command.exit-0")
    assert [record.index for record in folder.new([0, 1])] == [JOBS]
    assert host.listed == ["exit/1"]
    folder.start(JOBS, 0, 0)
    assert host.listed == ["exit/1", "start/1"]


def test_folded_records_are_gone_and_no_error(run_folder: Path) -> None:
    """Whoever still looks at a page that another process has folded finds nothing there."""
    folder, other = (ExitFolder(run_folder, local_host()) for _ in range(2))
    leave_record(run_folder, "0.0.0.command.exit-0")
    assert len(folder.new([0])) == 1
    folder.fold(0, lambda index: 0)
    assert not (run_folder / "exit/0").exists()
    assert not (run_folder / "start/0").exists()
    assert other.new([0]) == []
    assert other.start(0, 0, 0) is None


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    """Not being able to look is told, not taken for an empty folder."""
    with pytest.raises(FileNotFoundError):
        ExitFolder(tmp_path, local_host()).new([0])


def test_start_records_tell_host_and_time(run_folder: Path) -> None:
    """A start record tells where and when, for each attempt and restart on its own."""
    folder = ExitFolder(run_folder, local_host())
    (run_folder / "start/0" / ".nfs0001").touch()
    (run_folder / "start/0" / "x.0.0.soon.node").touch()
    (run_folder / "start/0" / "0.1.2.1767355200.node.example.org").touch()
    noon = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
    assert folder.start(0, 1, 2) == ("node.example.org", noon)
    assert folder.start(0, 1, 1) is None
    assert folder.start(0, 0, 2) is None


def test_starts_are_looked_for_again_after_each_look(run_folder: Path) -> None:
    """A start that was not there is looked for again at the next look at the run."""
    folder = ExitFolder(run_folder, local_host())
    assert folder.start(0, 0, 0) is None
    leave_record(run_folder, "0.0.0.command.exit-0", host="n")
    folder.new([0])
    assert (folder.start(0, 0, 0) or ("",))[0] == "n"


def test_the_end_is_when_the_record_was_made(run_folder: Path) -> None:
    """The time of a record's change is when the job ended."""
    leave_record(run_folder, "0.0.0.command.exit-0")
    folder = ExitFolder(run_folder, local_host())
    (record,) = folder.new([0])
    os.utime(folder.path / "0" / record.name, (1_767_355_200, 1_767_355_200))
    assert folder.ended(record) == datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
    assert folder.ended(attrs.evolve(record, name="gone")) is None


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (b"", None),
        (b"\n \n", None),
        (b"one", "one"),
        (b"one\ntwo\n\nthree\n", "two; three"),
        (
            b"FATAL:   no image\nanybatch: job 3: status 255: the wrapper\n",
            "FATAL:   no image; status 255: the wrapper",
        ),
        (
            b"FATAL: in a.sif: FATAL: no x\n: status 2\n\nstatus 1\n",
            "FATAL: in a.sif: FATAL: no x; status 1",
        ),
        (b"anybatch: no task 8\n", "anybatch: no task 8"),
        (b"\xff \x1b[31mred\n", "\ufffd ?[31mred"),
        (b"a" * 5000 + b"\n" + b"b" * 100, "a" * 3995 + "; " + "b" * 100),
    ],
)
def test_the_last_words_of_a_log(tmp_path: Path, log: bytes, words: str | None) -> None:
    """The last two lines with text in the last 4 kB, fit to be shown in one line."""
    (tmp_path / "log").write_bytes(log)
    assert log_tail(tmp_path / "log", local_host()) == words


def test_a_log_that_is_no_file_has_no_last_words(tmp_path: Path) -> None:
    """A log that is gone, or a pipe that nobody writes to, costs no time and no error."""
    os.mkfifo(tmp_path / "pipe")
    assert log_tail(tmp_path / "gone", local_host()) is None
    assert log_tail(tmp_path / "pipe", local_host()) is None
