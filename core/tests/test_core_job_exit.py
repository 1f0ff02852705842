"""Exit records tell every way in which a command can end, in every shell."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from anybatch.model import Job
from anybatch.worker.exit_records import own_words, parse_record

from .shells import Shell, write_run
from .toy import local_host

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("isolated")

_HARMLESS = {"SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"}
FATAL = sorted({int(s) for s in signal.valid_signals()} - {signal.Signals[s] for s in _HARMLESS})


def endings(base: Path, shell: Shell, commands: list[list[str]]) -> list[str]:
    """How the records of these commands call their ends."""
    run = write_run(base, shell, [Job(command) for command in commands])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run.run, range(len(commands))))
    by_index = {int(name.split(".")[0]): name for name in run.names}
    assert len(run.names) == len(commands)
    return [by_index[index].partition(".0.0.")[2] for index in range(len(commands))]


def test_every_exit_code_is_told(isolated: Path, shell: Shell) -> None:
    """A command's exit code is in its record, also where a shell uses the code for a signal."""
    commands = [["/bin/sh", "-c", f"exit {code}"] for code in range(256)]
    assert endings(isolated, shell, commands) == [f"command.exit-{n}" for n in range(256)]


def test_no_signal_is_made_up(isolated: Path) -> None:
    """Not even where bash has lost its list of jobs: no signal has the number 103."""
    bash = Shell("bash", ("bash",), os.environ["PATH"])
    run = write_run(isolated, bash, Job(["/bin/sh", "-c", "exit 231"]))
    run.run(**{"BASH_FUNC_jobs%%": "() { :; }"})
    assert run.how == ("command", 231, None, None)


def test_every_fatal_signal_is_told(isolated: Path, shell: Shell) -> None:
    """A command that a signal ends has the signal's number in its record, and no exit code."""
    # A busybox without coreutils has no means to undo that shells ignore these for `&`.
    deaf = {signal.SIGINT, signal.SIGQUIT} if shell.name == "busybox" else set()
    fatal = [number for number in FATAL if number not in deaf]
    commands = [["/bin/sh", "-c", f"kill -{number} $$"] for number in fatal]
    assert endings(isolated, shell, commands) == [f"command.signal-{n}" for n in fatal]


def test_a_program_that_is_not_there_exits_with_127(isolated: Path, shell: Shell) -> None:
    """A command that cannot be found has the exit code that shells give, and a word in its log."""
    run = write_run(isolated, shell, Job(["no-such-program", "x"]))
    run.run()
    assert run.how == ("command", 127, None, None)
    assert run.err() == "anybatch: job 0: command not found: no-such-program\n"


def test_a_file_that_is_no_program_exits_with_126(isolated: Path, shell: Shell) -> None:
    """A command that cannot be executed has the exit code that shells give."""
    (isolated / "data").write_text("no program")
    run = write_run(isolated, shell, Job([str(isolated / "data")]))
    run.run()
    assert run.how == ("command", 126, None, None)


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("./gone", 127, "command not found: ./gone"),
        ("./folder", 126, "cannot execute: ./folder is a folder"),
    ],
)
def test_why_a_command_cannot_start_is_its_outcomes_message(
    isolated: Path, shell: Shell, program: str, code: int, said: str
) -> None:
    """The script names the program, and its words are told from those of a command."""
    (isolated / "folder").mkdir()
    other = Job(["sh", "-c", f"echo '{said}' >&2; exit 5"], name="job")
    run = write_run(isolated, shell, [Job([program], name="job"), other])
    assert [run.run(0), run.run(1)] == [code, 5]
    words = []
    for name in run.names:
        record = parse_record(name)
        assert record
        log = run.path / "logs/0" / f"{record.index}.err"
        words.append(own_words(record, log, local_host()))
    assert words == [said, None]


def test_the_script_ends_as_its_command(isolated: Path, shell: Shell) -> None:
    """The batch system sees the command's own exit status."""
    run = write_run(isolated, shell, Job(["sh", "-c", "exit 9"]))
    assert run.run() == 9


def test_the_start_is_told_by_time_and_machine(isolated: Path, shell: Shell) -> None:
    """A start record is named after job, attempt, restarts, seconds since 1970, and host."""
    run = write_run(isolated, shell, [Job(["true"]), Job(["true"])])
    run.run(1, restarts=4)
    (name,) = (path.name for path in (run.path / "start/0").iterdir())
    index, attempt, restarts, seconds, host = name.split(".", 4)
    assert (index, attempt, restarts) == ("1", "0", "4")
    changed = (run.path / "exit/0" / run.names[0]).stat().st_mtime
    assert abs(changed - int(seconds)) < 60
    with open("/proc/sys/kernel/hostname") as file:
        assert host == file.read().strip()


def test_a_restart_makes_a_record_of_its_own(isolated: Path, shell: Shell) -> None:
    """Each run of a job that the system begins anew is told apart, its output added."""
    run = write_run(isolated, shell, Job(["echo", "again"]))
    for restarts in (0, 1):
        assert run.run(restarts=restarts) == 0
    assert run.names == ["0.0.0.command.exit-0", "0.0.1.command.exit-0"]
    assert run.out() == "again\nagain\n"


def test_a_first_start_empties_old_logs(isolated: Path, shell: Shell) -> None:
    """What lay in a named log before the job is gone, as with a shell's own `>`."""
    (isolated / "log").write_text("of yesterday")
    run = write_run(isolated, shell, Job(["echo", "today"], stdout="log", stderr="log"))
    run.run()
    assert (isolated / "log").read_text() == "today\n"


def test_both_streams_into_one_file_keep_their_order(isolated: Path, shell: Shell) -> None:
    """Where stdout and stderr are one file, nothing is overwritten."""
    script = "echo 1; echo 2 >&2; echo 3"
    run = write_run(isolated, shell, Job(["sh", "-c", script], stdout="log", stderr="log"))
    run.run()
    assert (isolated / "log").read_text() == "1\n2\n3\n"


def test_a_task_that_is_not_there_is_an_error(isolated: Path, shell: Shell) -> None:
    """A task number beyond the last leaves no record and says so to the batch system."""
    run = write_run(isolated, shell, Job(["true"]))
    assert run.run(7) == 1
    assert run.names == []
    assert "task 8 is not in" in run.system_output
