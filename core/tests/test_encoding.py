"""The library in programs whose locale is not UTF-8."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.encoding import as_given, as_utf_8, file_name, to_bytes
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

WORD = "K\u00f6ln \u4e16"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

PROGRAM = """\
# -*- coding: utf-8 -*-
import json, os, sys
from anybatch import Job, Session

word, listed = json.loads(sys.argv[1]), [name for name in os.listdir(".") if name[0] == "K"]
script = 'printf "%s|%s|%s|%s" "$1" "$X" "$CITY" "$INHERITED"; cat'
with Session("local") as session:
    run = session.submit(
        [
            Job(
                ["sh", "-c", script, "sh", word],
                name=word, labels={"city": word}, env={"X": word}, setup=[f"Y='{word}'"],
                stdin=word, inputs=[*listed, "K*"], workdir=f"in-{{index}} {word}",
                stdout=f"out {word}", settings={"anybatch": {"inherit_env": ["INHERITED"]}},
            ),
            Job(
                'echo x >"$ANYBATCH_PARAM_X-made"', params={"x": word}, outputs=["*-made"],
                output_dir=f"to/{word}", scratch=True,
            ),
        ]
    )
    outcomes = run.wait(120)
with Session() as session:
    again = session.attach(run.id)
    jobs = [again.description(index) for index in (0, 1)]
    session.history()
told = [one.message for one in outcomes]
states = [job.state.value for job in again.jobs]
print(json.dumps([states, told, jobs[0].name, jobs[1].params, str(outcomes[0].stdout)]))
"""


def run(
    folder: Path, variables: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[Any]:
    """A program that uses the library, with these variables in place of the locale's."""
    kept = {name: value for name, value in os.environ.items() if name[:3] not in ("LC_", "LAN")}
    (folder / "p.py").write_text(PROGRAM, "utf-8")
    argv = [sys.executable, "p.py", *arguments]
    return subprocess.run(
        argv, cwd=folder, env={**kept, **variables}, capture_output=True, check=False, timeout=300
    )


@pytest.mark.system
def test_a_program_with_ascii_as_its_encoding(anybatch_home: Path) -> None:
    """Words, names, settings, paths that are written or found, logs: all are what they are."""
    folder = anybatch_home / WORD
    folder.mkdir()
    (folder / WORD).write_text("read")
    (folder / f"in-0 {WORD}").mkdir()
    (folder / "anybatch.toml").write_text(f"[job]\nenv = {{ CITY = '{WORD}' }}\n", "utf-8")
    done = run(folder, {**ASCII, "INHERITED": WORD}, json.dumps(WORD))
    assert done.returncode == 0, done.stderr.decode()
    states, told, name, params, out = json.loads(done.stdout)
    assert told == [None, None]
    assert states == ["done", "done"]
    assert (name, params["x"]) == (WORD, WORD)
    assert os.fsencode(out) == os.fsencode(folder / f"out {WORD}")
    assert (folder / f"out {WORD}").read_text("utf-8") == "|".join([WORD] * 4) + "read"
    assert (folder / "to" / WORD / f"{WORD}-made").exists()


LATIN = r"""
import os, sys
from anybatch import AnybatchError, Job, Session

print(sys.getfilesystemencoding())
os.mkdir("K\u00f6ln")
for job in (
    {"workdir": "K\u00f6ln"}, {"inputs": ["K*"]}, {"outputs": ["K\u00f6ln"], "output_dir": "to"},
):
    try:
        Session("local").plan(Job(["true"], **job))
    except AnybatchError as error:
        print(error)
print(Session("local").plan(Job(["true", "K\u00f6ln"], name="K\u00f6ln")).count)
os.chdir("K\u00f6ln")
try:
    Session("local")
except AnybatchError as error:
    print(error)
"""


def test_a_program_with_latin_1_as_its_encoding(anybatch_home: Path) -> None:
    """Texts go through; a path that would become another one is refused, with what to do."""
    if shutil.which("localedef") is None:
        pytest.skip("there is no localedef")
    argv = ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(anybatch_home / "de_DE.ISO-8859-1")]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("there is no Latin-1 to be had")
    kept = {name: value for name, value in os.environ.items() if name[:3] not in ("LC_", "LAN")}
    env = {**kept, "LOCPATH": str(anybatch_home), "LC_ALL": "de_DE.ISO-8859-1"}
    done = subprocess.run([sys.executable, "-c", LATIN], capture_output=True, check=False, env=env)
    encoding, *told = done.stdout.decode("latin-1").splitlines()
    assert encoding == "iso8859-1", done.stderr
    assert told.pop(3) == "1"
    assert len(told) == 4
    assert all("PYTHONUTF8=1" in line and "K\u00f6ln" in line for line in told)


@given(st.binary())
def test_with_utf_8_a_text_is_what_it_is(data: bytes) -> None:
    """Nothing is changed where nothing has to be, whatever bytes a text stands for."""
    text = os.fsdecode(data)
    assert (as_utf_8(text), file_name(text)) == (text, text)
    assert to_bytes(text) == as_given(text) == data
