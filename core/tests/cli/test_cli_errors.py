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
        (["--memory", "2 bananas", "--", "true"], "--memory': '2 bananas' is no size"),
        (["--time", "5", "--", "true"], "'5' has no unit; write for example '5m'"),
        (["--cores", "0", "--", "true"], "--cores"),
        (["--env", "A", "--", "true"], "'A' sets nothing; write NAME=VALUE"),
        (["--env", "1=2", "--", "true"], "'1' is no name of a variable"),
        ([], "the command is empty"),
        (["--", ""], "the command's first word is empty"),
        (["--system", "lcoal", "--", "true"], "'lcoal'; did you mean 'local'"),
        (["--set", "local.croes=1", "--", "true"], "unknown setting 'croes' of local; did you"),
        (["--set", "locl.cores=1", "--", "true"], "there is no plugin 'locl'; did you mean"),
        (["--set", "local.cores=x", "--", "true"], "'x' is no integer"),
        (["--input", "nowhere", "--", "true"], "input 'nowhere' is not there"),
        (["--after", "nobody", "--", "true"], "there is no run 'nobody'"),
        (["--job", "nowhere", "--", "true"], "job file nowhere cannot be read"),
        (["--each", "nowhere", "--", "true"], "nowhere"),
        (["--each", os.devnull, "--", "true"], "the file is empty"),
        (["--each", os.devnull, "--count", "2", "--", "true"], "exclude each other"),
        (["--colour", "red", "--", "true"], "--colour"),
    ],
)
def test_refused(call: Call, home: Path, command: str, words: list[str], message: str) -> None:
    """A wrong option is exit code 2 with a message that names it, and nothing is submitted."""
    result = call(command, *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())
    assert nothing_submitted(home)


@pytest.mark.parametrize("command", ["status", "wait", "logs", "terminate"])
def test_a_run_that_is_not_known(call: Call, command: str) -> None:
    """A run that nobody knows is exit code 2."""
    result = call(command, "20261120-094725-64a26d")
    assert result.exit_code == 2
    assert result.stderr.startswith("anybatch: there is no run '20261120-094725-64a26d'")


@pytest.mark.system
def test_a_job_that_the_run_does_not_have(call: Call) -> None:
    """An index beyond the run's last is exit code 2, for logs and for terminating."""
    run = call("submit", "--", "true").stdout.strip()
    for command in ("logs", "terminate"):
        result = call(command, f"{run}:1")
        assert result.exit_code == 2
        assert "has no job 1, only 0 to 0" in result.stderr


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
    assert b"nothing was submitted" in result.stderr or b"cannot be written" in result.stderr
    assert result.stdout == b""


def test_a_run_folder_that_cannot_be_made(program: Program, home: Path) -> None:
    """Without a place for the run's folder nothing is submitted: exit code 2."""
    (home / "file").touch()
    result = program("submit", "--set", "runs_dir=file/runs", "--", "true")
    assert result.returncode == 2
    assert result.stderr.startswith(b"anybatch: cannot make the run's folder")
    assert b"nothing was submitted" in result.stderr
