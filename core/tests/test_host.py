"""`LocalHost`: commands and files of this machine; and the lease, which needs real processes."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch.errors import CommandFailed, CommandNotFound, CommandTimeout, FolderError
from anybatch.host import Command, Completed
from anybatch.localhost import LocalHost
from anybatch.testing import await_that
from hypothesis import given

from .texts import NAMES, TEXTS, raw
from .toy import local_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., subprocess.Popen[str]]


def sh(script: str, *words: str, **options: object) -> Command:
    """A command that runs a shell script."""
    return Command(["sh", "-c", script, "sh", *words], **options)  # type: ignore[arg-type]


# -- Secrets --------------------------------------------------------------------------------


def test_without_a_terminal_no_secret_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of its own has no terminal, and nobody waits for an answer."""
    host = local_host(HOME=os.environ.get("HOME", "/"))
    program = "from anybatch.localhost import LocalHost; print(LocalHost().secret('Password: '))"
    answer = host.run(Command([sys.executable, "-c", program]))
    assert (answer.stdout, answer.stderr) == ("None\n", "")


@contextlib.contextmanager
def on_a_terminal(program: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A Python program on a terminal of its own, which has asked for a password."""
    first = "import os; os.open(os.ttyname(0), os.O_RDWR)\n"  # it is now this session's terminal
    terminal, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", first + program],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = b""
        while b"Password: " not in shown:
            shown += os.read(terminal, 1000)
        yield child, terminal
    finally:
        child.kill()
        child.wait()
        os.close(terminal)


def test_a_secret_is_asked_on_the_terminal() -> None:
    """What is typed is the answer, and is not shown."""
    program = "from anybatch.localhost import LocalHost; print(LocalHost().secret('Password: '))"
    with on_a_terminal(program) as (child, terminal):
        os.write(terminal, b"xyzzy\n")
        shown = b""
        with contextlib.suppress(OSError):  # the end: nobody has the terminal open any more
            while more := os.read(terminal, 1000):
                shown += more
        assert child.wait() == 0
    assert shown.split() == [b"xyzzy"]


def test_ctrl_c_while_a_secret_is_asked_leaves_a_terminal_that_echoes() -> None:
    """Also where the question is asked in a thread, which does not live to put that right."""
    program = """
import threading
from anybatch.localhost import LocalHost
threading.Thread(target=LocalHost().secret, args=("Password: ",), daemon=True).start()
while True:
    threading.Event().wait(0.1)
"""
    with on_a_terminal(program) as (child, terminal):
        assert not termios.tcgetattr(terminal)[3] & termios.ECHO
        for _ in range(10):  # Python may overlook a signal that comes as it begins to wait
            os.write(terminal, b"\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)
                break
        assert child.returncode is not None
        assert termios.tcgetattr(terminal)[3] & termios.ECHO


# -- Commands -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_an_exit_status_is_an_answer(code: int) -> None:
    """A command that fails raises nothing; what it printed is there."""
    done = local_host().run(sh(f"echo out; echo err >&2; exit {code}"))
    assert (done.returncode, done.stdout, done.stderr) == (code, "out\n", "err\n")
    assert (done.ok, done.seconds > 0) == (code == 0, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_is_a_negative_status(number: signal.Signals) -> None:
    """A command that was killed says by what."""
    assert local_host().run(sh(f"kill -{int(number)} $$")).returncode == -number


@given(TEXTS)
def test_standard_input_arrives_byte_by_byte(text: str) -> None:
    """Any text, with bytes that are no UTF-8 too, is what the command reads."""
    done = local_host().run(Command(["od", "-An", "-v", "-tx1"], stdin=text))
    assert bytes.fromhex(done.stdout) == raw(text)


@given(TEXTS)
def test_words_arrive_byte_by_byte(text: str) -> None:
    """No shell comes between a command and its words."""
    done = local_host().run(sh('printf %s "$1" | od -An -v -tx1', text))
    assert bytes.fromhex(done.stdout) == raw(text)


def test_output_that_is_no_text_is_replaced() -> None:
    """A command that prints other bytes breaks nothing."""
    done = local_host().run(sh("printf 'a\\377b'; printf '\\376' >&2"))
    assert (done.stdout, done.stderr) == ("a\ufffdb", "\ufffd")


def test_input_that_nobody_reads_is_no_error() -> None:
    """A command may end without having read a long input."""
    assert local_host().run(Command(["true"], stdin="x" * 1_000_000)).ok


def test_text_that_no_bytes_stand_for_starts_nothing(tmp_path: Path) -> None:
    """Input that cannot be encoded is refused before the command runs."""
    with pytest.raises(UnicodeEncodeError):
        local_host().run(sh('touch "$1"', str(tmp_path / "ran"), stdin="\ud800"))
    assert not (tmp_path / "ran").exists()


def test_a_timeout_ends_all_that_was_started(tmp_path: Path) -> None:
    """The command's own children are gone too, and the error names command and limit."""
    pid = tmp_path / "pid"
    script = 'sleep 600 & echo $! >"$1"; wait'
    command = sh(script, str(pid), timeout=timedelta(seconds=2))

    def time_out() -> None:
        with pytest.raises(CommandTimeout) as caught:
            local_host().run(command)
        assert str(caught.value) == f"{command}: timed out after 2 s and was killed"
        assert caught.value.command is command

    time_out()
    await_that(lambda: pid.exists() and pid.read_text(), time_out)  # it may come to nothing in 2 s
    await_that(lambda: not is_running(int(pid.read_text())))


def test_what_a_command_had_printed_before_it_hung_is_told() -> None:
    """A prompt or an address to log in at says why nothing went on."""
    script = 'echo "Log in at https://login"; echo "Password: " >&2; sleep 600'

    def time_out() -> str:
        with pytest.raises(CommandTimeout) as caught:
            local_host().run(sh(script, timeout=timedelta(seconds=2)))
        return str(caught.value)

    # A busy machine may not come to it in 2 s.
    await_that(lambda: "it had printed: Log in at https://login Password:" in time_out())


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_missing_program_is_named() -> None:
    """The error holds the whole command."""
    with pytest.raises(CommandNotFound, match=r"^no-such-program -x: program not found$"):
        local_host().run(Command(["no-such-program", "-x"]))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A folder that is not there is not mistaken for a missing program."""
    missing = tmp_path / "missing"
    with pytest.raises(CommandNotFound, match=f"^true: folder '{missing}' does not exist$"):
        local_host().run(Command(["true"], cwd=missing))


def test_a_program_that_cannot_run_is_named(tmp_path: Path) -> None:
    """A file that is no program says what the system said."""
    (tmp_path / "data").write_text("x")
    with pytest.raises(CommandNotFound, match=r"data: cannot be started: .*Permission denied"):
        local_host().run(Command([str(tmp_path / "data")]))


def test_a_command_runs_where_it_is_told(tmp_path: Path) -> None:
    """The folder is the command's, not this process's."""
    before = Path.cwd()
    assert local_host().run(Command(["pwd"], cwd=tmp_path)).stdout.strip() == str(tmp_path)
    assert Path.cwd() == before


def test_a_command_leads_its_own_session() -> None:
    """Ctrl-C on the terminal does not reach it."""
    done = local_host().run(sh("cut -d' ' -f1,5,6 /proc/$$/stat"))
    assert len(set(done.stdout.split())) == 1
    assert int(done.stdout.split()[2]) != os.getsid(0)


ENVIRONMENTS = [
    ({}, {"A", "B_1", "B_2"}),
    ({"only_env": ()}, set()),
    ({"only_env": ("B_*",)}, {"B_1", "B_2"}),
    ({"only_env": ("A", "B_2", "MISSING")}, {"A", "B_2"}),
    ({"hide_env": ("B_*",)}, {"A"}),
    ({"only_env": ("B_*",), "hide_env": ("B_1",)}, {"B_2"}),
    ({"hide_env": ("*",), "env": {"A": "x"}}, {"A"}),
    ({"only_env": ("a", "b_*")}, set()),
]


@pytest.mark.parametrize(("options", "seen"), ENVIRONMENTS)
def test_a_command_sees_what_it_may(options: dict[str, object], seen: set[str]) -> None:
    """`only_env` lets in, `hide_env` keeps out, `env` comes on top; names are told by case."""
    host = LocalHost({"A": "1", "B_1": "1", "B_2": "1"})
    done = host.run(Command(["/usr/bin/env"], **options))  # type: ignore[arg-type]
    got = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert got.pop("LC_ALL") == "C.UTF-8"
    assert set(got) == seen


def test_commands_speak_english_unless_told_otherwise() -> None:
    """`LC_ALL` is set over the user's, and under the command's own."""
    host = local_host(LC_ALL="fr_FR.UTF-8")
    assert host.run(sh("echo $LC_ALL")).stdout == "C.UTF-8\n"
    assert host.run(sh("echo $LC_ALL", env={"LC_ALL": "C"})).stdout == "C\n"


def test_the_environment_is_that_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one of its own, a host takes this process's as it was when the host was made."""
    monkeypatch.setenv("PROBE", "before")
    host = LocalHost()
    monkeypatch.setenv("PROBE", "after")
    assert host.run(sh("echo $PROBE")).stdout == "before\n"
    assert LocalHost({"PROBE": "x"}).environ == {"PROBE": "x"}


def test_commands_are_counted_by_program() -> None:
    """Every start counts, a failed one too, under the program's name without its folder."""
    host = local_host()
    host.run(Command(["true"]))
    host.run(Command([host.which("true") or ""]))
    host.run(Command(["false"]))
    with pytest.raises(CommandNotFound):
        host.run(Command(["missing"]))
    assert host.commands == {"true": 2, "false": 1, "missing": 1}


def test_a_command_is_words() -> None:
    """A shell line is refused, so is nothing at all; the text quotes what must be quoted."""
    with pytest.raises(TypeError, match="a sequence of words, not the string 'ls -l'"):
        Command("ls -l")  # type: ignore[arg-type]
    for words in ([], ["a", 1]):
        with pytest.raises(ValueError, match="must be a non-empty sequence of strings"):
            Command(words)  # type: ignore[arg-type]
    assert str(Command(["a b", "c"])) == "'a b' c"


@pytest.mark.parametrize(
    ("done", "text"),
    [
        (Completed(1, "out", "err\n"), "x: exit status 1: err"),
        (Completed(1, "out\n"), "x: exit status 1: out"),
        (Completed(2), "x: exit status 2: (no output)"),
    ],
)
def test_a_failed_command_says_what_it_said(done: Completed, text: str) -> None:
    """The error holds standard error, or else standard output."""
    assert str(CommandFailed(Command(["x"]), done)) == text


def test_programs_are_looked_for_on_the_given_path(tmp_path: Path) -> None:
    """The host's own PATH counts."""
    program = tmp_path / "sbatch"
    program.touch(0o755)
    assert LocalHost({"PATH": str(tmp_path)}).which("sbatch") == str(program)
    assert LocalHost({"PATH": str(tmp_path)}).which("sh") is None
    assert local_host().user


# -- Files ----------------------------------------------------------------------------------


@given(NAMES, TEXTS)
def test_what_is_written_is_read(name: str, text: str) -> None:
    """Any text comes back from a file of any name, line ends of any kind included."""
    name, text = os.fsdecode(raw(name)), os.fsdecode(raw(text))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        host = local_host()
        host.write(path, text)
        assert host.read(path) == text
        assert path.read_bytes() == raw(text)
        assert host.listdir(path.parent) == [name]


def test_files_are_the_users_own(tmp_path: Path) -> None:
    """A new file is 0600 unless asked otherwise."""
    host = local_host()
    host.write(tmp_path / "a/b/file", "x")
    host.write(tmp_path / "a/b/program", "x", 0o700)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*")}
    assert modes["file"] == 0o600
    assert modes["program"] == 0o700


def test_new_folders_are_the_users_own(tmp_path: Path) -> None:
    """Nobody else looks into the folder that a file is put in."""
    local_host().write(tmp_path / "folder/file", "x")
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    """Who holds the old file open reads all of it, and nothing is left beside the new one."""
    path = tmp_path / "file"
    path.write_text("old")
    with path.open() as old:
        local_host().write(path, "new")
        assert old.read() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    """Text that no bytes stand for leaves the old file and no other."""
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        local_host().write(path, "new \ud800")
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["file"])


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A read-only place, a file where a folder should be, a folder where the file should be."""
    (tmp_path / "file").touch()
    (tmp_path / "folder/full").mkdir(parents=True)
    places = [Path("/proc/anybatch/file"), tmp_path / "file/below", tmp_path / "folder"]
    for path in places:
        with pytest.raises(FolderError, match=f"^cannot write '{path}': [A-Z]"):
            local_host().write(path, "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("target", ["/no/such/file", "../beside", "a b\nc", "é$(x)"])
def test_a_link_leads_where_it_is_told(tmp_path: Path, target: str) -> None:
    """Whether anything is there or not; folders are made, for the user alone."""
    path = tmp_path / "new" / "folder" / "link"
    local_host().link(path, target)
    assert os.readlink(path) == target
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_link_takes_nobodys_place(tmp_path: Path) -> None:
    """What is there already stays: a file, a folder, a link, even one that leads nowhere."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "folder", "link"):
        local_host().link(tmp_path / name, "/elsewhere")
    assert (tmp_path / "file").read_text() == "mine"
    assert (tmp_path / "folder").is_dir()
    assert os.readlink(tmp_path / "link") == "nowhere"


def test_a_link_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Not even where the reason is that something is there: a file, where a folder is needed."""
    (tmp_path / "file").touch()
    for path in (Path("/proc/anybatch/link"), tmp_path / "file/link", tmp_path / "file/deep/link"):
        with pytest.raises(FolderError, match=f"^cannot create the link '{path}': [A-Z]"):
            local_host().link(path, "/elsewhere")


def test_what_is_there_is_told_from_what_is_not(tmp_path: Path) -> None:
    """A link is what it leads to, and nothing where it leads nowhere; names are no patterns."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    targets = {"to-file": "file", "to-folder": "folder", "to-nothing": "gone", "circle": "circle"}
    for name, target in targets.items():
        (tmp_path / name).symlink_to(target)
    there = {*("file", "folder", "to-file", "to-folder", "to-folder/..")}
    missing = {*("gone", "gone/file", "file/below", "f*", "to-nothing")}
    for name in there | missing:
        assert local_host().exists(tmp_path / name) is (name in there), name
    with pytest.raises(OSError, match="circle"):
        local_host().exists(tmp_path / "circle")


def test_a_missing_folder_is_empty(tmp_path: Path) -> None:
    """Listing a folder that is not there is no error, reading a missing file is one."""
    assert local_host().listdir(tmp_path / "missing") == []
    with pytest.raises(FileNotFoundError):
        local_host().read(tmp_path / "missing")


def test_patterns_match_in_order(tmp_path: Path) -> None:
    """The paths are sorted, `**` crosses folders, and no match is an empty list."""
    for name in ("b.txt", "a.txt", "c.dat", "deep/er/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {
        pattern: [
            str(path.relative_to(tmp_path)) for path in local_host().glob(f"{tmp_path}/{pattern}")
        ]
        for pattern in ("*.txt", "**/*.txt", "x*")
    }
    assert found == {
        "*.txt": ["a.txt", "b.txt"],
        "**/*.txt": ["a.txt", "b.txt", "deep/er/d.txt"],
        "x*": [],
    }


# -- The lease ------------------------------------------------------------------------------

TAKE = """
import sys
from anybatch.localhost import LocalHost
from pathlib import Path
lease = LocalHost().lease(Path(sys.argv[1]))
print(lease.take(), flush=True)
sys.stdin.readline()
"""
#: A caller that dies while its submit command runs: the command says it is there, and ends when
#: the test closes the pipe that it reads.
DIE = """
import sys, os
from pathlib import Path
from anybatch.host import Command
from anybatch.localhost import LocalHost
host = LocalHost()
lease = host.lease(Path(sys.argv[1]))
assert lease.take()
with lease.inherited():
    host.run(Command(["sh", "-c", 'echo $$ >"$1"; read line <"$2"', "sh", *sys.argv[2:]]))
"""


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run's folder."""
    made = tmp_path / "run"
    made.mkdir()
    return made


def test_one_process_at_a_time_has_the_lease(run_folder: Path, run_python: Start) -> None:
    """Another process does not get it while it is held, and gets it when it is given back."""
    other = run_folder / "other"
    other.mkdir()
    lease = local_host().lease(run_folder)
    assert lease.take()
    assert lease.take()
    assert run_python(TAKE, str(run_folder)).communicate()[0] == "False\n"
    assert not local_host().lease(run_folder).take()
    assert run_python(TAKE, str(other)).communicate()[0] == "True\n"
    lease.drop()
    assert run_python(TAKE, str(run_folder)).communicate()[0] == "False\n"
    lease.drop()
    assert run_python(TAKE, str(run_folder)).communicate()[0] == "True\n"


def test_the_lease_is_free_when_its_holder_is_gone(
    run_folder: Path, run_python: Start, tmp_path: Path
) -> None:
    """A killed process leaves nothing behind that keeps others out."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    program = TAKE.replace("sys.stdin.readline()", "open(sys.argv[2]).read()")
    holder = run_python(program, str(run_folder), str(gate))
    assert holder.stdout
    assert holder.stdout.readline() == "True\n"
    lease = local_host().lease(run_folder)
    assert not lease.take()
    holder.kill()
    holder.wait()
    assert lease.take()
    lease.drop()


def test_the_lease_outlives_a_killed_caller_in_its_command(
    run_folder: Path, run_python: Start, tmp_path: Path
) -> None:
    """While the submit command of a killed process still runs, nobody else may submit."""
    told, gate = tmp_path / "told", tmp_path / "gate"
    os.mkfifo(told)
    os.mkfifo(gate)
    caller = run_python(DIE, str(run_folder), str(told), str(gate))
    pid = int(told.read_text())
    caller.kill()
    caller.wait()
    lease = local_host().lease(run_folder)
    assert is_running(pid)
    assert not lease.take()
    ended = os.pidfd_open(pid)
    gate.write_text("go\n")
    wait_for(ended)
    assert lease.take()
    lease.drop()


def wait_for(pidfd: int) -> None:
    """Wait until a process that is no child of ours has ended."""
    import select

    try:
        assert select.select([pidfd], [], [], 120)[0]
    finally:
        os.close(pidfd)


def test_other_commands_do_not_inherit_the_lease(run_folder: Path) -> None:
    """Only commands started inside `inherited` hold it."""
    host = local_host()
    lease = host.lease(run_folder)
    assert lease.take()
    probe = Command([sys.executable, "-c", f"import os; os.fstat({lease._descriptor})"])
    with lease.inherited():
        assert host.run(probe).ok
    assert not host.run(probe).ok
    lease.drop()


def test_commands_of_other_threads_do_not_inherit_the_lease(run_folder: Path) -> None:
    """A download in the background may outlast the submission by far."""
    host = local_host()
    lease = host.lease(run_folder)
    assert lease.take()
    probe = Command([sys.executable, "-c", f"import os; os.fstat({lease._descriptor})"])
    answers: list[Completed] = []
    with lease.inherited():
        other = threading.Thread(target=lambda: answers.append(host.run(probe)))
        other.start()
        other.join()
    assert [answer.ok for answer in answers] == [False]
    lease.drop()


@pytest.mark.parametrize(
    ("start", "most", "expected"),
    [(0, -1, b"0123456789"), (3, 4, b"3456"), (8, 9, b"89"), (10, 1, b""), (-4, 2, b"67")],
)
def test_a_piece_of_a_file_is_read(tmp_path: Path, start: int, most: int, expected: bytes) -> None:
    """From anywhere, and no more of it than is asked for: a log may be longer than the memory."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert LocalHost().read_from(path, start, most) == expected
