"""What cannot be done: one clear message, exit code 2, nothing submitted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from click.testing import Result

    Call = Callable[..., Result]
    Program = Callable[..., subprocess.CompletedProcess[bytes]]


def nothing_submitted(home: Path) -> bool:
    """Whether there are neither run folders nor an index."""
    index = Path(os.environ["XDG_STATE_HOME"]) / "anybatch" / "runs"
    return not (home / ".anybatch").exists() and not index.exists()


@pytest.mark.parametrize("command", ["run", "submit", "render"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--memory", "2 bananas", "--", "true"], "--memory: invalid size '2 bananas'; use for"),
        (["--memory", "2", "--", "true"], "--memory: size '2' has no unit; write 2B or 2GiB"),
        (["--time", "5", "--", "true"], "--time: duration '5' has no unit; write 5m or 5s"),
        (["--time", "1:30", "--", "true"], "'1:30' has two readings; write 1h30m or 1m30s"),
        (["--cores", "0", "--", "true"], "--cores: must be a whole number, 1 or more: '0'"),
        (["--cores", "two", "--", "true"], "--cores: must be a whole number, 1 or more: 'two'"),
        (["--retry", "1", "--retry", "2", "--", "true"], "--retry: TIMES is given twice"),
        (
            ["--retry", "lost=1", "--retry", "lost=2", "--", "true"],
            "--retry: lost is given twice, and only one can hold",
        ),
        (["--retry", "-1", "--", "true"], "--retry: times must be a whole number, 0 or more: -1"),
        (["--count", "9" * 13, "--", "true"], "--count: a run can have at most 1000000 jobs"),
        (["--count", "9" * 5000, "--", "true"], "--count: must be a whole number, 1 or more: '99"),
        (["--set", "submit_timeout=30x", "--", "true"], "invalid duration '30x'"),
        (["--set", "submit_timeout=" + "9" * 99 + "d", "--", "true"], "out of range"),
        (["--cores"], "option '--cores' requires an argument"),
        (["--json=3", "--", "true"], "option '--json' does not take a value"),
        (["--env", "A", "--", "true"], "--env: invalid value 'A': expected NAME=VALUE"),
        (["--env", "1=2", "--", "true"], "env: '1' is not a valid variable name"),
        ([], "no command given; put it after the options, for example: anybatch run -- ./fit 7"),
        (["--", ""], "the name of the program is empty"),
        (["--system", "lcoal", "--", "true"], "'lcoal'; did you mean 'local'"),
        (["--set", "local.croes=1", "--", "true"], "unknown setting 'croes' of local; did you"),
        (["--set", "locl.cores=1", "--", "true"], "no plugin named 'locl'; did you mean"),
        (["--set", "local.cores=x", "--", "true"], "'x' is not an integer"),
        (["--input", "nowhere", "--", "true"], "input 'nowhere' does not exist"),
        (["--after", "nobody", "--", "true"], "no run matches 'nobody'. (`anybatch status --all`"),
        (["--job", "nowhere", "--", "true"], "cannot read job file nowhere: No such file"),
        (["--each", "nowhere", "--", "true"], "--each: 'nowhere': No such file or directory"),
        (["--each", os.devnull, "--", "true"], "the file is empty"),
        (
            ["--each", os.devnull, "--count", "2", "--", "true"],
            "--count cannot be used together with --param, --each",
        ),
        (["--colour", "red", "--", "true"], "unknown option '--colour'; did you mean '--count'?"),
    ],
)
def test_refused(call: Call, home: Path, command: str, words: list[str], message: str) -> None:
    """A wrong option is exit code 2 with a message that names it, and nothing is submitted."""
    result = call(command, *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("anybatch: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert nothing_submitted(home)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["run", "--cores", "two"],
            "--cores: must be a whole number, 1 or more: 'two' (see: {} run",
        ),
        (["run", "--cores"], "option '--cores' requires an argument (see: {} run"),
        (["status", "--nowhere"], "unknown option '--nowhere' (see: {} status"),
        (["logs"], "RUN[:JOBS] is missing (see: {} logs"),
        (["terminate"], "RUN[:JOBS] is missing (see: {} terminate"),
        (
            ["completion", "csh"],
            "SHELL: 'csh' is not one of 'bash', 'zsh', 'fish' (see: {} complet",
        ),
        (["doctor", "please"], "got unexpected extra argument (please) (see: {} doctor"),
        (["rnu"], "unknown command 'rnu'; did you mean 'run'? (see: {}"),
        (["--colour"], "unknown option '--colour' (see: {}"),
    ],
)
def test_errors_of_the_option_parser(call: Call, words: list[str], message: str) -> None:
    """They look like all others, name the parameter, and tell which help to read."""
    result = call(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"anybatch: {message.format('anybatch')}")
    assert result.stderr.endswith(" --help)\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["logs", "RUN:" + "9" * 5000], "invalid jobs '9999"),
        (["terminate", "RUN:" + "9" * 19], "invalid jobs '9999"),
        (["status", "/dev/zero"], "'/dev/zero' is not the folder of one of your runs"),
        (["status", "RUN" * 9999], "no run matches 'RUNRUN"),
        (["wait", ""], "no run matches ''"),
    ],
)
def test_odd_names_of_runs(call: Call, words: list[str], message: str) -> None:
    """Whatever is typed as a run's name is refused in one line."""
    result = call(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"anybatch: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retry = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("resources.cores = " + "9" * 5000, "is not valid TOML: "),
        (".".join("a" * 3000) + " = 1", ""),
        ("settings." + ".".join("a" * 3000) + " = 1\ncommand = 'true'", ""),
        ("env." + ".".join("a" * 3000) + " = 1\ncommand = 'true'", ""),
    ],
    ids=["arrays", "digits", "tables", "settings", "env"],
)
def test_toml_that_overwhelms(call: Call, home: Path, text: str, message: str) -> None:
    """A job file or settings file may hold anything: it is refused in one line."""
    (home / "job").write_text(text)
    (home / "anybatch.toml").touch()
    results = [call("render", "--job", "job", "--", "true")]
    (home / "anybatch.toml").write_text(text)
    results.append(call("settings"))
    for result in results:
        assert result.exit_code == 2 or (not message and result.exit_code == 0)
        assert message in result.stderr or result.exit_code == 0
        assert len(result.stderr) < 2000


def test_only_known_plugins_are_advised(call: Call) -> None:
    """A misspelt name is never advised as a package: nobody owns it on the index."""
    assert "did you mean 'slurm'?" in call("submit", "--system", "slrm", "--", "true").stderr
    assert "pip install" not in call("submit", "--system", "slrm", "--", "true").stderr
    unloaded = call("submit", "--system", "nosuch", "--", "true").stderr
    assert "no batch system named 'nosuch'" in unloaded
    assert "pip install" not in unloaded


@pytest.mark.parametrize("command", ["status", "wait", "logs", "terminate"])
def test_a_run_that_is_not_known(call: Call, command: str) -> None:
    """A run that nobody knows is exit code 2."""
    result = call(command, "20261120-094725-64a26d")
    assert result.exit_code == 2
    assert result.stderr.startswith("anybatch: no run matches '20261120-094725-64a26d'")


@pytest.mark.system
def test_a_job_that_the_run_does_not_have(call: Call) -> None:
    """An index beyond the run's last is exit code 2, for logs and for terminating."""
    run = call("submit", "--", "true").stdout.strip()
    for command in ("logs", "terminate"):
        result = call(command, f"{run}:1")
        assert result.exit_code == 2
        assert "has no job 1; it has only job 0" in result.stderr


def test_a_settings_file_with_a_mistake(call: Call, home: Path) -> None:
    """A mistake in `anybatch.toml` is exit code 2, and the message says where it is."""
    (home / "anybatch.toml").write_text("sytem = 'local'\n")
    result = call("run", "--", "true")
    assert result.exit_code == 2
    assert f"{home / 'anybatch.toml'}: unknown setting 'sytem'; did you" in result.stderr


def test_a_state_folder_that_cannot_be_written(program: Program, home: Path) -> None:
    """Without a place for the index nothing is submitted: exit code 2."""
    (home / "file").touch()
    environ = {**os.environ, "XDG_STATE_HOME": str(home / "file")}
    result = program("submit", "--set", "runs_dir=runs", "--", "true", env=environ)
    assert result.returncode == 2
    assert b"nothing was submitted" in result.stderr or b"cannot write to" in result.stderr
    assert result.stdout == b""


def test_a_run_folder_that_cannot_be_made(program: Program, home: Path) -> None:
    """Without a place for the run's folder nothing is submitted: exit code 2."""
    (home / "file").touch()
    result = program("submit", "--set", "runs_dir=file/runs", "--", "true")
    assert result.returncode == 2
    assert result.stderr.startswith(b"anybatch: cannot create the run folder")
    assert b"nothing was submitted" in result.stderr
