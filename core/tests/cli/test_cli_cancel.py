"""`terminate`, also called `cancel`: what is asked, and what is kept."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch.errors import UsageError
from anybatch.runs.stopping import check_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Call = Callable[..., Result]

pytestmark = pytest.mark.system


def submit(call: Call, *words: str) -> str:
    result = call("submit", *words)
    assert result.exit_code == 0
    return result.stdout.strip()


def states(call: Call, *runs: str) -> list[str]:
    found = json.loads(call("status", "--json", *runs).stdout)
    return [job["state"] for run in found for job in run["jobs"]]


def test_a_reason_is_kept_and_shown(call: Call) -> None:
    """In the outcome, by `show`, and in the journal; whether the job ran or not."""
    run = submit(call, "--name", "fit", "--count", "2", "--", "sleep", "600")
    late = submit(call, "--after", run, "--", "true")
    result = call("cancel", late, "fit:1", "--reason", "wrong calibration")
    assert result.exit_code == 0
    assert call("wait", "fit:1", late).exit_code == 1
    assert "state          terminated: wrong calibration\n" in call("show", "fit:1").stdout
    assert "terminated: wrong calibration" in call("show", late).stdout
    folder = Path(call("path", "fit").stdout.strip())
    assert any('"why": "wrong calibration"' in one.read_text() for one in folder.glob("journal*"))
    call("cancel", "fit")
    call("wait", "fit")
    assert "wrong" not in call("show", "fit:0").stdout


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "\x1b[2J", "x" * 1001, 3])
def test_a_reason_is_a_line_of_text(reason: object) -> None:
    """What cannot be shown as one is refused."""
    with pytest.raises(UsageError, match="reason"):
        check_reason(reason, None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not for a signal"):
        check_reason("why", "USR1")


def test_all_is_asked_for(call: Call) -> None:
    """Without a terminal --yes is needed; with one a question is asked, and no is the default."""
    assert call("cancel", "all").stdout == "no active runs\n"
    runs = [submit(call, "--name", "fit", "--count", "2", "--", "sleep", "600") for _ in range(2)]
    for words in (("all",), ("all:running,queued", "@")):
        result = call("cancel", *words)
        assert result.exit_code == 2
        assert "this would stop 4 jobs of " in result.stderr
        assert f"{runs[0]} (fit), {runs[1]} (fit); add --yes" in result.stderr
    for answer, code, stopped in ((b"\n", 1, False), (b"n\n", 1, False), (b"y\n", 0, True)):
        assert _answer(answer) == code
        assert ("terminated" in call("status", *runs).stdout) == stopped or stopped
    call("wait", *runs)
    assert states(call, *runs) == ["terminated"] * 4
    again = submit(call, "--", "sleep", "600")
    assert call("cancel", "all", "--yes").exit_code == 0
    call("wait", again)
    assert states(call, again) == ["terminated"]


def _answer(text: bytes) -> int:
    """The exit code of `cancel all`, where somebody at a terminal answers."""
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "anybatch", "cancel", "all"]
    process = subprocess.Popen(words, stdin=slave, stderr=slave, stdout=subprocess.DEVNULL)
    os.close(slave)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(master, 4096)
    os.write(master, text)
    code = process.wait()
    os.close(master)
    return code
