"""What only a process of its own shows: signals, pipes, terminals, what is imported."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from anybatch.testing import await_that

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]
    Program = Callable[..., subprocess.CompletedProcess[bytes]]
    Start = Callable[..., subprocess.Popen[bytes]]

pytestmark = pytest.mark.system


def read_until(process: subprocess.Popen[bytes], pattern: bytes) -> bytes:
    """The line of standard error that matches."""
    assert process.stderr
    others = b""
    for line in process.stderr:
        if re.search(pattern, line):
            return line
        others += line
    raise AssertionError(f"it ended without {pattern!r}:\n{others.decode()}")


def run_id(line: bytes) -> str:
    return line.split()[2].decode().rstrip(":")


# -- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["run", "wait"])
def test_an_interrupt_leaves_jobs_alone(
    call: Call, start: Start, command: str, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end the waiting with 130 and say how to come back to the jobs."""
    words = ["run", "--", "sleep", "60"]
    if command == "wait":
        words = ["wait", call("submit", *words[1:]).stdout.strip()]
    process = start(*words)
    run = run_id(read_until(process, b": 1 (queued|running)"))
    process.send_signal(number)
    told = f"run {run} continues in the background; reattach with: anybatch wait {run}"
    assert told.encode() in read_until(process, b"reattach")
    assert process.wait() == 130
    [job] = json.loads(call("status", "--json", run).stdout)[0]["jobs"]
    assert job["state"] in ("queued", "running")
    call("terminate", run)


def test_an_interrupt_stops_jobs_where_that_is_wanted(call: Call, start: Start) -> None:
    """With --terminate-on-interrupt the jobs are terminated before the program ends with 130."""
    process = start("run", "--json", "--terminate-on-interrupt", "--", "sleep", "60")
    read_until(process, b": 1 (queued|running)")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert b"stopping 1 job" in stderr
    assert process.returncode == 130
    assert [job["state"] for job in json.loads(stdout)["jobs"]] == ["terminated"]


def test_an_interrupt_waits_for_the_submission(start: Start, toy: Path) -> None:
    """Ctrl-C in the middle of a submission lets it come to its end, so that the run is known."""
    (toy / "slow").touch()
    process = start("run", "--system", "toy", "--", "true")
    await_that((toy / "asked").exists)
    process.send_signal(signal.SIGINT)
    (toy / "slow").unlink()
    assert b"reattach with: anybatch wait" in read_until(process, b"reattach")
    assert process.wait() == 130
    assert (toy / "asked").read_text() == "submit\n"


def test_a_second_interrupt_waits_for_nothing(start: Start, toy: Path) -> None:
    """A second Ctrl-C ends the program even in the middle of a submission."""
    (toy / "slow").touch()
    process = start("run", "--system", "toy", "--", "true")
    await_that((toy / "asked").exists)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert process.returncode in (130, -signal.SIGINT)  # the latter: while Python shuts down


@pytest.mark.parametrize("words", [["run", "--", "true"], ["status"], ["--help"]])
def test_an_interrupt_while_modules_are_imported(
    start: Start, home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """Ctrl-C is no traceback before there is anything that could be interrupted."""
    (home / "click.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\n")
    monkeypatch.setenv("PYTHONPATH", str(home), prepend=os.pathsep)
    process = start(*words)
    assert process.communicate() == (b"", b"")
    assert process.returncode == 130


def test_an_interrupt_while_a_shell_completes(
    start: Start, install: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompt is left as it was."""
    kill = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    install("toy", kill)
    environ = {**os.environ, "_ANYBATCH_COMPLETE": "bash_complete"}
    environ |= {"COMP_WORDS": "anybatch run --system ", "COMP_CWORD": "3"}
    process = start(env=environ)
    assert process.communicate() == (b"", b"")
    assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["status", "terminate", "logs"])
def test_every_command_ends_with_130(
    call: Call, start: Start, toy: Path, command: str, number: signal.Signals
) -> None:
    """Ctrl-C, SIGTERM and SIGHUP end what asks a batch system, or follows a log."""
    run = call("submit", "--system", "toy", "--", "true").stdout.strip()
    (toy / "asked").unlink()
    (toy / "slow").touch()
    process = start(command, *(["--follow"] if command == "logs" else []), run)
    if command == "logs":
        await_that((toy / "asked").exists)  # it watches in the background
    else:
        await_that((toy / "asked").exists)
    process.send_signal(number)
    (toy / "slow").unlink()
    assert process.wait() == 130
    assert process.stderr
    assert b"Traceback" not in process.stderr.read()


# -- output


def test_a_reader_that_leaves(call: Call, start: Start) -> None:
    """A pipe whose reader has gone ends the program without a word."""
    run = call("submit", "--", "sh", "-c", "yes | head -n 1000000").stdout.strip()
    call("wait", run)
    process = start("logs", run)
    assert process.stdout
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == b""
    assert process.wait() == 1


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["settings"], ["status"]])
def test_a_full_disk_for_the_output(start: Start, words: list[str]) -> None:
    """Output that cannot be written is one message and exit code 2."""
    with open("/dev/full", "wb") as full:
        process = start(*words, stdout=full)
    assert process.stderr
    assert process.stderr.read() == b"anybatch: No space left on device\n"
    assert process.wait() == 2


def test_closed_standard_streams(call: Call, start: Start) -> None:
    """A program started without standard streams, as by some daemons, does its work."""
    script = f"{sys.executable} -m anybatch run -- touch made >&- 2>&- <&-"
    assert subprocess.run(["sh", "-c", script], check=False).returncode == 0
    assert os.path.exists("made")


def test_paths_need_not_be_text(program: Program, home: Path) -> None:
    """The path of a run's folder is printed as the bytes that it is."""
    folder = os.fsdecode(b"caf\xe9")
    os.mkdir(folder)
    run = program("submit", "--set", f"runs_dir={folder}", "--", "true").stdout.decode().strip()
    result = program("status", run)
    assert result.returncode == 0
    assert b"/caf\xe9/" + run.encode() in result.stdout


def test_a_bar_on_a_terminal(home: Path) -> None:
    """On a terminal a bar shows the counts; it leaves one line that tells how the run ended."""
    master, slave = pty.openpty()
    job = ["timeout", "120", "sh", "-c", "until test -e go; do sleep 0.02; done"]
    words = [sys.executable, "-m", "anybatch", "run", "--count", "2", "--", *job]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(words, stderr=slave, stdout=subprocess.DEVNULL, env=environ)
    os.close(slave)
    drawn = b""
    while chunk := _read(master):
        drawn += chunk
        if b"0/2" in drawn:
            (home / "go").touch()
    os.close(master)
    assert process.wait() == 0
    assert b"\x1b[?25h" in drawn  # the cursor is shown again
    assert re.search(rb"anybatch: run \S+: 2 done\r\n", drawn)


def test_lines_on_a_terminal_that_cannot_draw(home: Path) -> None:
    """On a dumb terminal the progress is lines, as where there is no terminal."""
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "anybatch", "run", "--", "sleep", "1"]
    environ = {**os.environ, "TERM": "dumb"}
    process = subprocess.Popen(words, stderr=slave, stdout=subprocess.DEVNULL, env=environ)
    os.close(slave)
    drawn = b""
    while chunk := _read(master):
        drawn += chunk
    os.close(master)
    assert process.wait() == 0
    assert b"\x1b" not in drawn
    assert re.search(rb"^anybatch: run \S+: 1 (queued|running)\r$", drawn, re.MULTILINE)
    assert re.search(rb"^anybatch: run \S+: 1 done\r$", drawn, re.MULTILINE)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # its other end was closed
        return b""


# -- what is loaded


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_little(home: Path, words: list[str]) -> None:
    """Help loads neither rich nor the session, for it must be there at once."""
    program = (
        "import sys; from anybatch.cli import cli; cli(sys.argv[1:], standalone_mode=False);"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    words = [sys.executable, "-c", program, *words]
    result = subprocess.run(words, capture_output=True, check=True, text=True)
    loaded = set(result.stderr.split())
    assert "anybatch.cli.submit" in loaded
    assert loaded.isdisjoint(
        {"rich", "anybatch.session", "anybatch.runs.store", "cattrs", "tempfile"}
    )
