"""The index of a user's runs, and what is odd in it or in the folders that it leads to."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import AnybatchError, FolderAway, FolderError, RunNotFound
from anybatch.localhost import LocalHost
from anybatch.model import Job, State
from anybatch.plugins.registry import Plugins
from anybatch.runs import summary
from anybatch.runs.finding import find_run
from anybatch.runs.index import Index
from anybatch.runs.summary import Summary
from anybatch.selection import read_selection
from hypothesis import given
from hypothesis import strategies as st

from .toy import Toy, leave_record, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch.run import Run
    from anybatch.session import Session

JOB = Job(["true"])
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
END = '{"ended": "2026-01-02T12:00:00+00:00", "counts": {"done": 2, "lost": 1}}\n'
ONE, TWO = "20260102-120000-aaaaaa", "20260102-130000-bbbbbb"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    made = Index(tmp_path / "state" / "index")
    made.add(ONE, summary_of("/one", name="fit"))
    made.add(TWO, summary_of("/two \udcff", name="merge all"))
    return made


def summary_of(folder: str, **more: Any) -> Summary:
    return Summary(folder=Path(folder), **more)


def folder(index: Index, text: str) -> Path:
    return index.summary(find_run(index, read_selection(text))).folder


def test_runs_are_known_by_id_and_by_part_of_it(index: Index) -> None:
    """A run is found by its id or by a part that no other has, whatever its folder is called."""
    assert folder(index, ONE) == Path("/one")
    assert folder(index, "bbb") == Path("/two \udcff")
    assert index.active() == [ONE, TWO]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("20260102", r"matches 2 runs; they are .*bbbbbb \(merge all\), .*aaaaaa \(fit\)"),
        ("20260102-120000-aaaaab", "Did you mean '20260102-120000-aaaaaa'"),
        ("fitt", "Did you mean 'fit'"),
        ("nonsense", r"no run matches 'nonsense'\. \("),
        ("", "no run matches ''"),
        (".", r"'\.' is not the folder of one of your runs"),
        ("..", r"'\.\.' is not"),
        (f"../active/{ONE}", "is not the folder that run .* is known by"),
        ("../../../../../../etc/passwd", "is not the folder"),
        ("a\0b", "no run matches"),
        ("@3", "no run @3: only 2 are known"),
        ("@0", "no run matches '@0'"),
    ],
)
def test_names_that_are_no_run(index: Index, name: str, text: str) -> None:
    """A name that fits no run or several is told, with what was perhaps meant."""
    with pytest.raises(RunNotFound, match=text):
        folder(index, name)


def test_a_name_means_the_active_run_or_else_the_latest(index: Index) -> None:
    """Two active runs of a name are told, and of ended runs the latest is meant."""
    assert folder(index, "fit") == Path("/one")
    index.add("20260103-120000-cccccc", summary_of("/three", name="fit"))
    with pytest.raises(RunNotFound, match=r"'fit' matches 2 runs; they are .*cccccc \(fit\), "):
        folder(index, "fit")
    index.end("20260103-120000-cccccc", told=True)
    assert folder(index, "fit") == Path("/one")
    index.end(ONE, told=False)
    assert folder(index, "fit") == Path("/three")


def test_a_part_of_one_id_that_is_the_name_of_another_run_is_refused(index: Index) -> None:
    """Whether that has ended or not: `clean` and `terminate` would take the wrong one."""
    other = "20260102-140000-cccccc"
    index.add(other, summary_of("/other", name="bbb"))
    for _ in range(2):
        with pytest.raises(RunNotFound, match=r"matches 2 runs.*cccccc \(bbb\).*bbbbbb"):
            find_run(index, read_selection("bbb"))
        index.end(other, told=True)
    assert folder(index, "bbbb") == Path("/two \udcff")


def test_the_last_run_is_the_one_that_was_submitted_last(index: Index) -> None:
    """Also among those of the same second, whose ids are in no order; ended or not."""
    noon = datetime(2026, 1, 3, 12, tzinfo=timezone.utc)
    for number, end in enumerate(("ffffff", "000000", "888888")):
        created = noon + timedelta(milliseconds=number)
        index.add(f"20260103-120000-{end}", summary_of(f"/{number}", created=created))
    index.end("20260103-120000-888888", told=True)
    found = [folder(index, text) for text in ("@", "@1", "@2", "@3", "@4")]
    assert found == [Path(f"/{name}") for name in (2, 2, 1, 0)] + [Path("/two \udcff")]


def test_a_run_is_named_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative or not, by a link or not; a copy of the folder is not the run."""
    index = Index(tmp_path / "state" / "index")
    real = tmp_path / "a:3" / ONE
    real.mkdir(parents=True)
    index.add(ONE, summary_of(str(real)))
    (tmp_path / "link").symlink_to(real)
    monkeypatch.chdir(real)
    for text in (".", f"../{ONE}/", str(real), str(tmp_path / "link"), f"{tmp_path}/link/."):
        assert folder(index, text) == real
    shutil.copytree(real, tmp_path / "copy" / ONE)
    with pytest.raises(RunNotFound, match="is not the folder that run"):
        folder(index, str(tmp_path / "copy" / ONE))


# -- what an entry tells


def test_an_entry_tells_how_a_run_ended(index: Index, tmp_path: Path) -> None:
    """All that is listed of a run is in the index, also where a line before it was cut."""
    start = summary_of("/x", name="n", system="s", created=NOON, labels=frozenset({"a=1", "b="}))
    index.add("x", start)
    assert index.summary("x") == start
    path = tmp_path / "state/index/active/x"
    path.write_bytes(path.read_bytes() + b'{"ended": "2026')
    index.end("x", told=False, line=END)
    found = index.summary("x")
    assert (found.ended, found.counts) == (NOON, {State.DONE: 2, State.LOST: 1})
    assert [found.has_label(one) for one in ("a", "a=1", "a=2", "b", "c")] == [1, 1, 0, 1, 0]


def test_an_entry_of_an_earlier_version_is_a_path(index: Index, tmp_path: Path) -> None:
    """It is read as before, and stays as it is; all else is not known."""
    path = tmp_path / "state/index/active/x"
    path.write_bytes(b"/old\n\xff")
    assert index.summary("x") == summary_of("/old\n\udcff")
    index.end("x", told=True, line=END)
    assert index.summary("x") == summary_of("/old\n\udcff")
    assert (tmp_path / "state/index/ended/x").read_bytes() == b"/old\n\xff"


@given(st.binary() | st.from_type(type(None)).map(lambda _: b"[" * 100_000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever stands in an entry, it has a folder or is none; nothing else is raised."""
    for entry in (data, b'{"folder": "/x"}\n' + data, b'{"folder": ' + data):
        found = summary.read(entry)
        assert found is None or found.folder.is_absolute()


@given(
    st.builds(
        Summary,
        folder=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")).map(
            lambda text: Path("/" + text)
        ),
        name=st.text() | st.none(),
        system=st.text() | st.none(),
        created=st.datetimes(timezones=st.just(timezone.utc)) | st.none(),
        labels=st.frozensets(st.text()) | st.none(),
    )
)
def test_what_is_written_is_read(start: Summary) -> None:
    """Any name, folder or label."""
    assert summary.read(summary.write_start(start).encode()) == start


def test_entries_never_grow_beyond_what_is_read(index: Index) -> None:
    """A run that is run again very often keeps its entry, with an end that it had."""
    for _ in range(2_000):
        index.end(ONE, told=True, line=END)
        (index._folder / "ended" / ONE).rename(index._folder / "active" / ONE)
    assert index.summary(ONE).counts == {State.DONE: 2, State.LOST: 1}


# -- runs come and go


def test_ended_runs_are_still_known(index: Index) -> None:
    """A run that has ended is no longer active, and is found as before."""
    index.end(ONE, told=True)
    index.end(ONE, told=True)
    assert index.active() == [TWO]
    assert folder(index, "aaaaaa") == Path("/one")
    assert index.known() == [TWO, ONE]


def test_an_end_is_untold_until_somebody_has_waited(index: Index) -> None:
    """Who notices an end leaves it to who waits, once; that it was told is never taken back."""
    index.end(ONE, told=False)
    assert (index.active(), index.untold(), index.known()) == ([TWO], [ONE], [TWO, ONE])
    assert folder(index, ONE) == Path("/one")
    index.end(ONE, told=True)
    index.end(ONE, told=False)
    assert (index.untold(), index.known()) == ([], [TWO, ONE])


def test_ended_runs_are_those_whose_end_was_noticed_since(index: Index) -> None:
    """However long they have run; told or not, and not those that may still change."""
    index.end(ONE, told=True)
    assert index.ended(time.time() - 3600) == index.ended() == [ONE]
    index.end(TWO, told=False)
    assert index.ended(time.time() - 3600) == index.ended() == [TWO, ONE]
    assert index.ended(time.time() + 3600) == []


def test_a_run_is_removed_by_its_user(index: Index) -> None:
    """It is known no more, whether it had ended or not; twice is as good as once."""
    index.end(ONE, told=False)
    for run in (ONE, TWO, TWO):
        index.remove(run)
    assert index.known() == []


def test_an_empty_index_is_no_error(tmp_path: Path) -> None:
    """A user without runs has none, and ending or removing what is not there is nothing."""
    empty = Index(tmp_path / "none")
    empty.end("x", told=True)
    empty.remove("x")
    assert empty.active() == empty.known() == []


def test_what_is_half_written_is_no_run(index: Index, tmp_path: Path) -> None:
    """A process that was killed while it made an entry leaves no run behind."""
    (tmp_path / "state/index/active/.new-0123").write_text("/half")
    assert index.active() == [ONE, TWO]


# -- folders that are away


@pytest.fixture
def start(isolated: Path, toy: Toy) -> Iterator[Callable[..., Session]]:
    """Opens sessions, which are closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **more: stack.enter_context(session_of(isolated, toy, **more))


@pytest.fixture
def runs(isolated: Path, toy: Toy) -> tuple[Run, Run]:
    """Two runs that nobody watches."""
    with session_of(isolated, toy) as session:
        return session.submit(JOB), session.submit(JOB)


def test_a_folder_that_is_away_keeps_its_run(
    start: Callable[..., Session], isolated: Path, runs: tuple[Run, Run]
) -> None:
    """Looking forgets no run: it is told as away, once a session, and comes back as it was."""
    gone, kept = runs
    gone.folder.rename(isolated / "away")
    notices: list[str] = []
    session = start(on_notice=notices.append)
    for _ in range(3):
        assert [run.id for run in session.runs()] == [kept.id]
    assert isinstance(session.unreadable[gone.id], FolderAway)
    [notice] = notices
    assert notice.startswith(f"run {gone.id}: the run folder {str(gone.folder)!r} is away: ")
    assert f"anybatch clean {gone.id}" in notice
    (isolated / "away").rename(gone.folder)
    assert {run.id for run in session.runs()} == {gone.id, kept.id}
    assert not session.unreadable


def test_a_parent_that_cannot_be_entered_keeps_its_runs(
    start: Callable[..., Session], isolated: Path, runs: tuple[Run, Run]
) -> None:
    """A file where the folder of run folders was, as a stale mount point may be, loses no run."""
    above = runs[0].folder.parent
    above.rename(isolated / "away")
    above.touch()
    session = start()
    assert session.runs() == []
    assert set(session.unreadable) == {run.id for run in runs}
    above.unlink()
    (isolated / "away").rename(above)
    assert len(session.runs()) == len(runs)


# -- odd entries, and odd things in a run's folder


def _socket(path: Path) -> None:
    above = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{above}/{path.name}")  # a socket's path must be short
    os.close(above)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


ODD: dict[str, Callable[[Path], object]] = {
    "empty file": Path.touch,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": _socket,
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to a folder": lambda path: path.symlink_to("/"),
    "huge file": _sparse,
    "bytes": lambda path: path.write_bytes(bytes(range(256))),
    "a relative path": lambda path: path.write_text("runs/x"),
    "a path that is too long": lambda path: path.write_text("/x" * 9999),
    "a path with NUL": lambda path: path.write_bytes(b"/a\0b"),
    "JSON nested deeply": lambda path: path.write_text("[" * 100_000),
    "a number of many digits": lambda path: path.write_text("9" * 10_000),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_entry_costs_only_itself(
    start: Callable[..., Session], runs: tuple[Run, Run], odd: str
) -> None:
    """Whatever stands in the index, it is named once, and never waited for."""
    state = Path(os.environ["XDG_STATE_HOME"]) / "anybatch/runs/active"
    ODD[odd](state / "20260101-000000-000000")
    notices: list[str] = []
    session = start(on_notice=notices.append)
    for _ in range(2):
        assert {run.id for run in session.runs()} == {run.id for run in runs}
    assert [notice.count("20260101-000000-000000") > 0 for notice in notices] == [True]


@pytest.mark.parametrize("odd", [*ODD, "missing"])
@pytest.mark.parametrize("name", ["run.json", "journal-x.jsonl"])
def test_odd_files_in_a_run_folder_cost_only_that_run(
    start: Callable[..., Session], runs: tuple[Run, Run], name: str, odd: str
) -> None:
    """Whatever stands in the place of a run's own files, other runs go on, and nothing blocks."""
    bad, good = runs
    path = bad.folder / name
    path.unlink(missing_ok=True)
    if odd != "missing":
        ODD[odd](path)
    session = start()
    found = {run.id for run in session.runs()}
    harmless = name != "run.json" and odd not in (
        *("folder", "pipe", "socket", "huge file"),
        *("link to nothing", "link to itself", "link to a device", "link to a folder"),
    )
    assert found == ({bad.id, good.id} if harmless else {good.id})
    assert isinstance(session.unreadable.get(bad.id), FolderError) == (not harmless)


# -- whose they are

STRANGER = 12345  #: no user of this machine

as_root = pytest.mark.parametrize(
    "stranger", [STRANGER] if os.geteuid() == 0 else [], ids=["of a stranger"]
)


def needing_the_index(session: Session, run: Run) -> tuple[Callable[[], object], ...]:
    """What cannot be done where the index is not believed."""
    return session.runs, lambda: session.attach(run.id), lambda: session.submit(JOB)


@as_root
@pytest.mark.parametrize("where", ["anybatch", "anybatch/runs", "anybatch/runs/active"])
def test_an_index_of_somebody_else_is_not_believed(
    start: Callable[..., Session], toy: Toy, runs: tuple[Run, Run], where: str, stranger: int
) -> None:
    """Who owns a folder of the index could put any run there; the owner is named."""
    os.chown(Path(os.environ["XDG_STATE_HOME"]) / where, stranger, 0)
    for ask in needing_the_index(start(), runs[0]):
        with pytest.raises(FolderError, match=rf"it belongs to user {stranger}, not to you"):
            ask()
    assert len(toy.calls["submit"]) == len(runs)


@pytest.mark.parametrize("where", ["anybatch", "anybatch/runs", "anybatch/runs/active"])
def test_an_index_that_others_can_write_is_not_believed(
    start: Callable[..., Session], runs: tuple[Run, Run], where: str
) -> None:
    """Nothing runs from it before its user has closed it; how is said."""
    os.chmod(Path(os.environ["XDG_STATE_HOME"]) / where, 0o777)
    for ask in needing_the_index(start(), runs[0]):
        with pytest.raises(FolderError, match=r"everybody can write to it \(mode 0777\); chmod"):
            ask()


@as_root
@pytest.mark.parametrize("what", ["entry", "folder", "link"])
def test_a_run_of_somebody_else_is_not_believed(
    start: Callable[..., Session], isolated: Path, runs: tuple[Run, Run], what: str, stranger: int
) -> None:
    """Neither an entry that another made, nor a folder or link that another put in its place."""
    bad, good = runs
    entry = Path(os.environ["XDG_STATE_HOME"]) / "anybatch/runs/active" / bad.id
    path = entry if what == "entry" else bad.folder
    if what == "link":
        bad.folder.rename(isolated / bad.id)
        bad.folder.symlink_to(isolated / bad.id)
    os.chown(path, stranger, 0, follow_symlinks=False)
    session = start()
    assert [run.id for run in session.runs()] == [good.id]
    assert f"belongs to user {stranger}, not to you" in str(session.unreadable[bad.id])


def test_a_run_folder_that_others_can_write_is_not_believed(
    start: Callable[..., Session], runs: tuple[Run, Run]
) -> None:
    """Its job script could be anybody's."""
    bad, good = runs
    bad.folder.chmod(0o777)
    session = start()
    assert [run.id for run in session.runs()] == [good.id]
    assert "is not believed: everybody can write" in str(session.unreadable[bad.id])


@as_root
@pytest.mark.parametrize("what", ["run.json", "jobs.json", "journal-*", "tasks/0.0"])
def test_a_file_of_somebody_else_in_a_run_is_not_believed(
    start: Callable[..., Session], runs: tuple[Run, Run], what: str, stranger: int
) -> None:
    """Each file is asked whose it is when it is opened; the other run goes on."""
    bad, good = runs
    leave_record(bad.folder, "0.0.0.command.exit-1")
    [path] = bad.folder.glob(what)
    os.chown(path, stranger, 0)
    session = start()

    refused: Exception | None = None
    try:
        run = session.attach(bad.id)
        run.description(0)
        session.poll([run])
        refused = run.broken
        run.plan_rerun([0])
    except AnybatchError as error:
        refused = error
    assert f"belongs to user {stranger}, not to you" in str(refused)
    assert session.attach(good.id).broken is None


@as_root
def test_records_in_a_folder_of_somebody_else_are_none(
    start: Callable[..., Session], runs: tuple[Run, Run], stranger: int
) -> None:
    """A job has not ended because of a record that anybody can make."""
    leave_record(runs[0].folder, "0.0.0.command.exit-0")
    os.chown(runs[0].folder / "exit" / "0", stranger, 0)
    run = start().attach(runs[0].id)
    run.refresh()
    assert not run.jobs[0].state.final


@as_root
def test_a_folder_that_is_replaced_while_it_is_read_is_not_believed(
    isolated: Path, toy: Toy, stranger: int
) -> None:
    """Who can write to a folder above may put another in its place after it was looked at."""
    run = session_of(isolated, toy).submit(JOB)

    class Swapped(LocalHost):
        def distrust(self, path: Path) -> str:
            why = super().distrust(path)
            if path == run.folder:
                shutil.copytree(path, isolated / "planted", symlinks=True)
                for one in (isolated / "planted", *(isolated / "planted").rglob("*")):
                    os.chown(one, stranger, 0)
                path.rename(isolated / "away")
                (isolated / "planted").rename(path)
            return why

    plugins = Plugins(Swapped({}))
    plugins.add("toy", toy)
    session = session_of(isolated, toy, plugins=plugins, host=plugins.host)
    with session, pytest.raises(FolderError, match=f"run.json: it belongs to user {stranger}"):
        session.attach(run.id)


@pytest.mark.parametrize(("mode", "noted"), [(0o777, True), (0o1777, False), (0o775, False)])
def test_a_folder_above_that_is_open_to_all_is_noted(
    isolated: Path, toy: Toy, mode: int, noted: bool
) -> None:
    """A group's folder is shared on purpose; what everybody can replace is said with what to do."""
    (isolated / "open" / "mine").mkdir(parents=True)
    (isolated / "open").chmod(mode)
    with session_of(isolated / "open" / "mine", toy) as session:
        notes = session.plan(JOB).notes
    assert [f"write to {isolated}/open; chmod o-w" in note for note in notes] == [True] * noted


def test_a_run_folder_in_the_place_of_another_is_not_believed(
    start: Callable[..., Session], isolated: Path, runs: tuple[Run, Run]
) -> None:
    """The folder of a run holds that run, also where all folders are this user's."""
    bad, good = runs
    bad.folder.rename(isolated / "kept")
    bad.folder.symlink_to(good.folder)
    session = start()
    assert [run.id for run in session.runs()] == [good.id]
    assert "run.json' is damaged" in str(session.unreadable[bad.id])


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077, 0o777])
def test_folders_are_private_whatever_the_umask(
    start: Callable[..., Session], isolated: Path, umask: int
) -> None:
    """What anybatch makes for itself is its user's alone, and its user can read it."""
    before = os.umask(umask)
    try:
        session = start()
        run = session.submit(JOB)
        again = [one.id for one in start().runs()]
    finally:
        os.umask(before)
    assert again == [run.id]
    state = Path(os.environ["XDG_STATE_HOME"])
    for top in (isolated / ".anybatch", state):
        for path in (top, *top.rglob("*")):
            mode = stat.S_IMODE(path.lstat().st_mode)
            if path.is_dir():
                assert mode == 0o700, path
            else:
                assert mode in (0o600, 0o700), path


@as_root
def test_run_folders_are_not_made_in_the_folder_of_somebody_else(
    start: Callable[..., Session], isolated: Path, toy: Toy, stranger: int
) -> None:
    """Who owns `.anybatch/runs` could replace a run's script; nothing is left or submitted."""
    (isolated / ".anybatch/runs").mkdir(parents=True)
    os.chown(isolated / ".anybatch/runs", stranger, 0)
    with pytest.raises(FolderError, match=r"belongs to .* nothing was submitted\. Set runs_dir"):
        start().submit(JOB)
    assert list((isolated / ".anybatch/runs").iterdir()) == []
    assert not toy.calls["submit"]
