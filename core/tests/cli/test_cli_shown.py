"""What terminals are given: nothing that they would obey, whoever wrote it."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.printable import escaped
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

#: An escape sequence, the same in one character, a bell, and a mark that turns text around.
EVIL = "\x1b]0;evil\x07\x9b31m\u202egnp.exe\r"
CONTROLS = ("\x1b", "\x07", "\x9b", "\u202e", "\r", "\udc9b")


def is_safe(text: str) -> bool:
    return not any(control in text for control in CONTROLS)


@given(text=st.text() | st.text(st.characters(max_codepoint=0xFF)))
def test_no_control_character_is_shown(text: str) -> None:
    """But line breaks and tabs; what can be printed stays as it is."""
    clean = escaped(text)
    kinds = {unicodedata.category(c) for c in clean if c not in "\n\t\u200c\u200d"}
    assert kinds.isdisjoint({"Cc", "Cf", "Zl", "Zp"})
    if text.isprintable():
        assert clean == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("\x9b1m", r"\x9b1m"),
        ("a\u202eb", r"a\u202eb"),
        ("\udc9b", r"\x9b"),
        ("näïve\n\t日本", "näïve\n\t日本"),
        ("\udcff", "\udcff"),
    ],
)
def test_control_characters_are_written_as_escapes(text: str, expected: str) -> None:
    """So that it can be seen what was there; other bytes of a path stay what they are."""
    assert escaped(text) == expected


@pytest.mark.system
def test_settings_and_folders_of_others_are_shown_as_text(
    call: Callable[..., Result], home: Path
) -> None:
    """In tables, in lines and in errors."""
    folder = home / f"x{EVIL}"
    folder.mkdir()
    os.chdir(folder)
    Path("anybatch.toml").write_text('runs_dir = "\\u001b]0;evil\\u0007\\u009b\\u202e"\n')
    for words in (("settings",), ("doctor",), ("status", EVIL), ("submit", "--", EVIL)):
        result = call(*words)
        assert is_safe(result.stdout), words
        assert is_safe(result.stderr), words
    Path("anybatch.toml").write_text(f"unknown{'x' * 3} = 1\n")
    result = call("settings")
    assert result.exit_code == 2
    assert is_safe(result.stderr)
    Path("anybatch.toml").write_text("")
    run = call("submit", "--name", "na\u202eme", "--", "true").stdout.strip()
    for words in (("status",), ("status", run), ("wait", run)):
        result: Any = call(*words)
        assert result.exit_code == 0, result.stderr
        assert is_safe(result.stdout + result.stderr), words


@pytest.mark.system
def test_an_odd_log_costs_only_itself(call: Callable[..., Result], home: Path) -> None:
    """A pipe in the place of a log is not waited for, and other logs are printed."""
    run = call("submit", "--count", "2", "--", "echo", "words").stdout.strip()
    assert call("wait", run).exit_code == 0
    [log] = Path(".anybatch/runs", run).glob("logs/*/0.out")
    log.unlink()
    os.mkfifo(log)
    result = call("logs", run)
    assert "words" in result.stdout
    assert "0.out: not a regular file" in result.stderr
    assert "words" in call("logs", "--json", run).stdout


@pytest.mark.system
def test_a_pipe_for_the_system_s_log_stops_no_supervisor(
    call: Callable[..., Result], home: Path
) -> None:
    """The job cannot be started, as is said; the next one can."""
    job = ("submit", "--system", "local", "--", "true")
    blocked = call("submit", "--system", "local", "--", "sleep", "600").stdout.strip()
    waiting = call(*job[:-2], "--after", blocked, "--", "true").stdout.strip()
    [log] = Path(".anybatch/runs", waiting).glob("logs")
    os.mkfifo(log / "system.log")
    call("terminate", blocked)
    call("wait", blocked, waiting)
    other = call(*job).stdout.strip()
    assert call("wait", other).exit_code == 0
