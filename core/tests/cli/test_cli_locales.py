"""Words, paths and settings go through as the bytes that they are, whatever the locale."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Program = Callable[..., subprocess.CompletedProcess[bytes]]

pytestmark = pytest.mark.system

#: With the first two Python takes ASCII for text; the last is what it makes of them if it may.
LOCALES = [
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "no_SUCH.locale"},
    {"LC_ALL": "C.UTF-8"},
]
WORD = "Köln \u4e16 ".encode() + b"\xff\xe9"


@pytest.fixture(params=LOCALES, ids=lambda one: one["LC_ALL"])
def locale(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a program under a locale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    kept.pop("LANG", None)
    return {**kept, **request.param}


def test_words_and_folders_arrive_in_any_locale(
    program: Program, home: Path, locale: dict[str, str]
) -> None:
    """A command's word, a folder, a variable and an output keep every byte."""
    folder = os.fsencode(home) + b"/" + WORD
    os.mkdir(folder)
    script = b'printf "%s|%s|%s" "$1" "$X" "${PWD##*/}"; printf x >"$1"'
    words = [b"run", b"--env", b"X=" + WORD, b"--", b"sh", b"-c", script, b"sh", WORD]
    done = program(*words, env=locale, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"|".join([WORD] * 3)
    assert os.path.exists(folder + b"/" + WORD)


def test_names_and_settings_are_read_in_any_locale(
    program: Program, home: Path, locale: dict[str, str]
) -> None:
    """Files are UTF-8, as TOML and JSON are, and so is what programs are told."""
    (home / "job.toml").write_text('command = ["true"]\nname = "Köln"\n', "utf-8")
    (home / "anybatch.toml").write_text('[job]\nenv = { CITY = "Köln" }\n', "utf-8")
    done = program("run", "--json", "--job", "job.toml", "--label", "city=Köln", env=locale)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert run["jobs"][0]["labels"] == {"city": "Köln"}
    for words in (["status"], ["status", run["run"]], ["show", run["run"]], ["settings"]):
        shown = program(*words, env=locale)
        assert shown.returncode == 0, shown.stderr
        assert b"Traceback" not in shown.stderr
    assert run["run"].encode() in program("status", "--name", "Köln", env=locale).stdout
