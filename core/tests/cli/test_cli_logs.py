"""`logs`, `show` and `path`: what jobs printed, and what is known of them."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest
from anybatch.tails import BLOCK, Lines, Tail, last_lines, read_lines, start_of_last
from hypothesis import example, given
from hypothesis import strategies as st

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]
    Start = Callable[..., subprocess.Popen[bytes]]


def submit(call: Call, *words: str) -> str:
    result = call("submit", *words)
    assert result.exit_code == 0
    return result.stdout.strip()


# -- the ends of files

BYTES = st.lists(st.sampled_from([b"\n", b"a", b"\xff", b"x" * (BLOCK - 1)])).map(b"".join)


@given(BYTES, st.integers(0, 20))
@example(b"x" * BLOCK + b"\n" + b"y" * BLOCK + b"\n", 1)
@example(b"\n" * (3 * BLOCK), BLOCK + 1)
def test_the_last_lines_are_found(data: bytes, lines: int) -> None:
    """Wherever the blocks end that are read, and whether there is a last line break or not."""
    start = start_of_last(io.BytesIO(data), lines)
    expected = b"".join(data.splitlines(keepends=True)[-lines:] if lines else [])
    if b"\r" not in data:
        assert data[start:] == expected


def test_the_last_lines_of_a_file_larger_than_memory(tmp_path: Path) -> None:
    """They are read from its end; a file that cannot be read has none."""
    path = tmp_path / "log"
    path.write_bytes(b"first\n")
    os.truncate(path, 2**42)
    with path.open("ab") as file:
        file.write(b"\none\ntwo\n")
    assert last_lines(path, 2) == b"one\ntwo\n"
    assert len(last_lines(path, 3)) == BLOCK
    assert last_lines(tmp_path / "nowhere", 2) == last_lines(tmp_path, 2) == b""


@given(st.lists(BYTES))
def test_lines_are_kept_together(blocks: list[bytes]) -> None:
    """Blocks in, lines out; nothing is lost, and a line without an end gets one."""
    lines = Lines()
    found = [line for block in blocks for line in lines.take(block)]
    found += lines.end()
    data = b"".join(blocks)
    assert all(line.endswith(b"\n") for line in found)
    longest = max(map(len, data.split(b"\n")))
    if longest <= BLOCK:
        assert b"".join(found) == data + b"\n" * (data[-1:] not in (b"", b"\n"))
    assert b"".join(read_lines(io.BytesIO(data))) == data


def test_a_tail_follows_a_file_that_is_rotated(tmp_path: Path) -> None:
    """It is read from its beginning if it became shorter or is another, but not if copied."""
    path, tail = tmp_path / "log", Tail()

    def read() -> bytes:
        return b"".join(tail.read(path))

    with pytest.raises(FileNotFoundError):
        read()
    path.write_bytes(b"one\n")
    assert read() == b"one\n"
    path.write_bytes(b"one\ntwo\n")
    assert read() == b"two\n"
    path.write_bytes(b"x\n")
    assert read() == b"x\n"
    path.rename(tmp_path / "old")
    path.write_bytes(b"new and longer\n")
    assert read() == b"new and longer\n"
    (tmp_path / "copy").write_bytes(b"new and longer\nmore\n")
    (tmp_path / "copy").rename(path)
    assert read() == b"more\n"


def test_a_tail_follows_attempts(tmp_path: Path) -> None:
    """The rest of the log before comes first; only the first attempt begins with its last lines."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"a\nb\nc\n")
    tail = Tail(1)
    assert b"".join(tail.read(one)) == b"c\n"
    with one.open("ab") as file:
        file.write(b"d\n")
    two.write_bytes(b"x\ny\n")
    assert b"".join(tail.read(two)) == b"d\nx\ny\n"


# -- logs of many


@pytest.mark.system
def test_logs_of_many_jobs(call: Call) -> None:
    """The last lines, those that match, both streams, and those of jobs that failed."""
    script = "for n in 1 2 3; do echo $ANYBATCH_INDEX.$n; done; echo e >&2; exit $ANYBATCH_INDEX"
    run = submit(call, "--name", "fit", "--count", "3", "--", "sh", "-c", script)
    call("wait", "fit")
    assert call("logs", "-n", "1", "fit:0").stdout == "0.3\n"
    assert call("logs", "--tail", "0", "fit:0").stdout == ""
    assert call("logs", "--failed", "--stderr", "fit").stdout == (
        f"==> {run}:1 <==\ne\n==> {run}:2 <==\ne\n"
    )
    both = f"==> {run}:1 <==\n1.3\n==> {run}:1 (stderr) <==\ne\n"
    assert call("logs", "--both", "-n", "1", "fit:1").stdout == both
    assert (
        call("logs", "--grep", r"\.[13]", "fit:0,2", "--tail", "1").stdout == "[0] 0.3\n[2] 2.3\n"
    )
    assert call("logs", "--grep", "3$", "fit:1").stdout == "1.3\n"
    followed = call("logs", "--follow", "--both", "fit:1-2", "--tail", "1").stdout
    assert followed == "[1] 1.3\n[1 err] e\n[2] 2.3\n[2 err] e\n"
    nothing = call("logs", "--grep", "nothing", "fit")
    assert (nothing.exit_code, nothing.stderr) == (1, "anybatch: no line matches\n")
    assert call("logs", "--failed", "fit:0").stderr == "anybatch: no job has failed\n"
    records = json.loads(call("logs", "--json", "-n", "1", "--both", "fit:1").stdout)
    assert [(one["stream"], one["text"]) for one in records] == [
        ("stdout", "1.3\n"),
        ("stderr", "e\n"),
    ]


@pytest.mark.system
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--grep", "("), "--grep: invalid regular expression '('"),
        (("--both", "--stderr"), "--stderr and --both cannot be used together"),
        (("--follow", "--json"), "--follow and --json cannot be used together"),
        (("--attempt", "1"), "has no attempt 1 that has ended"),
    ],
)
def test_options_that_do_not_fit(call: Call, words: tuple[str, ...], problem: str) -> None:
    """Each is told, with exit code 2."""
    submit(call, "--", "true")
    call("wait", "@")
    result = call("logs", *words, "@")
    assert result.exit_code == 2
    assert problem in result.stderr


@pytest.mark.system
def test_many_logs_are_followed_through_their_attempts(
    call: Call, start: Start, home: Path
) -> None:
    """Each line says whose it is; a line is printed when it is whole; so are retries."""
    script = """
        printf "$ANYBATCH_INDEX begins "; until test -e go; do sleep 0.02; done; echo and ends
        test $ANYBATCH_ATTEMPT = $ANYBATCH_INDEX
    """
    run = submit(call, "--count", "2", "--retry", "1", "--", "sh", "-c", script)
    follower = start("logs", "--follow", run)
    (home / "go").touch()
    assert follower.stdout
    lines = follower.stdout.read().splitlines()
    assert follower.wait() == 0
    assert sorted(lines) == [b"[0] 0 begins and ends"] + [b"[1] 1 begins and ends"] * 2
    for attempt in ("0", "1"):
        assert call("logs", "--attempt", attempt, f"{run}:1").stdout == "1 begins and ends\n"


# -- show and path


@pytest.mark.system
def test_a_job_is_shown_in_full(call: Call, home: Path) -> None:
    """What it is, what it asked for, how each attempt ended, and its last words."""
    (home / "w").mkdir()
    words = ["--name", "fit", "--workdir", "w", "--memory", "100MB", "--label", "part=a"]
    words += ["--retry", "1", "--after", submit(call, "--", "true"), "--count", "2"]
    script = "echo 'it is\n{odd}' $1 >&2; exit 3"
    run = submit(call, *words, "--", "sh", "-c", script, "-", "a b")
    call("wait", "fit")
    lines = call("show", "fit:1").stdout.splitlines()
    rows = dict(line.split(maxsplit=1) for line in lines if line[0] != " ")
    assert rows["job"] == f"{run}:1 (fit)"
    assert rows["state"] == "failed: exit code 3"
    assert rows["command"] == """sh -c 'echo '"'"'it is"""
    assert rows["workdir"] == str(home / "w")
    assert rows["labels"] == "part=a"
    assert rows["asked"] == "95.4 MiB"
    assert "of CPU time" in rows["used"]
    assert rows["attempt"].split() == ["1", "failed"]
    assert next(line.split()[:2] for line in lines if line.startswith("attempt")) == [
        "attempt",
        "0",
    ]
    assert rows["evidence"].startswith("exit record 1.")
    assert rows["stderr"] == call("path", "--stderr", "fit:1").stdout.strip()
    assert lines[-2:] == ["    it is", "    {odd} a b"]
    [record] = json.loads(call("show", "--json", "fit:1").stdout)[0]["jobs"]
    assert record["workdir"] == str(home / "w")
    assert [one["attempt"] for one in record["attempts"]] == [0, 1]


@pytest.mark.system
def test_a_run_is_shown_by_what_its_jobs_have_in_common(call: Call, home: Path) -> None:
    """And by how they failed, equal failures once; a command given as text is shown as text."""
    (home / "job.toml").write_text('command = "echo one\\nexit $ANYBATCH_INDEX"\n')
    run = submit(call, "--job", "job.toml", "--count", "3")
    call("wait", "@")
    shown = call("show", "@").stdout
    assert f"run            {run} (" in shown
    assert "3: 1 done, 2 failed" in shown
    assert f"job {run}:1 failed: exit code 1" in shown
    assert (
        "command        echo one\n               exit $ANYBATCH_INDEX\n"
        in call("show", "@:0").stdout
    )
    assert call("path", "@").stdout == f"{home}/.anybatch/runs/{run}\n"
    assert json.loads(call("path", "--json", "@:2").stdout)[0]["index"] == 2
