"""The job script and the task files as text: what is written, and that it stays on its line."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.quoting import quote, quote_indexed, quote_pattern, quote_words
from anybatch.worker.job_layout import JobLayout
from anybatch.worker.script import (
    definitions,
    next_attempt,
    render_script,
    render_task,
)
from hypothesis import given
from hypothesis import strategies as st

from .texts import TEXTS, raw

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = JobLayout(workdir="/w")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "''"),
        ("plain-1.2/a_b:c@d%e+f=g,h", "plain-1.2/a_b:c@d%e+f=g,h"),
        ("a b", "'a b'"),
        ("it's", "'it'\\''s'"),
        ("$HOME", "'$HOME'"),
        ("~", "'~'"),
        ("{index}", "'{index}'"),
        ("a\nb", "'a'\"$ab_nl\"'b'"),
        ("é", "'é'"),
    ],
)
def test_words_are_quoted_where_they_must_be(text: str, quoted: str) -> None:
    """Plain words stay readable, all else stands in quotes."""
    assert quote(text) == quoted


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "''"),
        ("{index}", '"$ab_index"'),
        ("out {index}/{index}.log", '\'out \'"$ab_index"/"$ab_index".log'),
        ("{ index }", "'{ index }'"),
    ],
)
def test_the_index_is_filled_in(text: str, quoted: str) -> None:
    """`{index}` becomes the job's number, in whatever text it stands."""
    assert quote_indexed(text) == quoted


@pytest.mark.parametrize(
    ("pattern", "quoted"),
    [
        ("*.dat", "*.dat"),
        ("a b/?[0-9].txt", "'a b/'?[0-9].txt"),
        ("[!a]*", "[!a]*"),
        ("[$(id)]", "['$('id')']"),
        ("[a b]", "[a' 'b]"),
        ("[", "'['"),
        ("{index}*", '"$ab_index"*'),
    ],
)
def test_patterns_are_left_to_the_shell(pattern: str, quoted: str) -> None:
    """Of a pattern only the wildcards stand outside of quotes."""
    assert quote_pattern(pattern) == quoted


@given(st.lists(TEXTS, max_size=20))
def test_quoted_words_are_one_line_that_reads_back(words: list[str]) -> None:
    """Quoted words are on one line, and a shell reads exactly them from it."""
    text = quote_words(words)
    assert "\n" not in text
    assert shlex.split(text.replace('"$ab_nl"', '"\n"')) == words


@given(st.lists(TEXTS, min_size=1, max_size=30))
def test_a_posix_shell_reads_back_what_was_quoted(texts: list[str]) -> None:
    """A real shell gives every text back, byte for byte, with the index filled in."""
    words = [part for text in texts for part in (quote(text), quote_indexed(text))]
    script = "ab_nl='\n'\nab_index=7\nprintf '%s\\0' " + " ".join(words)
    done = subprocess.run(["/bin/sh"], input=raw(script), capture_output=True, check=True)
    expected = [part for text in texts for part in (text, text.replace("{index}", "7"))]
    assert done.stdout.split(b"\0")[:-1] == [raw(text) for text in expected]
    assert done.stderr == b""


def layout(values: list[str]) -> JobLayout:
    """JobLayout with a drawn text in every place that takes one."""
    a, b, c, d, e, f, g, h = values
    return attrs.evolve(
        PLAIN,
        workdir=a,
        inherit={"A": b},
        env_script=c,
        env={"B": d},
        setup=(e,),
        wrapper=(f, a),
        inputs=((g, h),),
        outputs=(h,),
        output_dir=b,
        stdin=c,
        stdout=d,
        stderr=e,
    )


@given(st.lists(TEXTS, min_size=8, max_size=8), st.lists(TEXTS, min_size=1))
def test_a_task_is_one_line(values: list[str], command: list[str]) -> None:
    """Whatever a job is made of, each definition and its task take one line."""
    own = definitions(layout(values))
    assert not [text for text in own.values() if "\n" in text]
    task = render_task(3, command, own, definitions(PLAIN))
    assert task.index("\n") == len(task) - 1


def test_a_task_tells_what_is_its_own() -> None:
    """What is as in the shared part is not repeated in a task."""
    shared = definitions(PLAIN)
    own = definitions(attrs.evolve(PLAIN, env={"A": "1"}))
    assert render_task(4, ["run", "a b"], own, shared) == (
        "ab_index=4 ab_attempt=0; ab_shared; ab_env() { export A=1; }; set -- run 'a b'\n"
    )
    assert render_task(5, ["run"], shared, shared) == (
        "ab_index=5 ab_attempt=0; ab_shared; set -- run\n"
    )


@pytest.mark.parametrize("text", ["x", " ab_attempt=7;", "; ab_index=1 ab_attempt=0; ab_shared"])
def test_another_attempt_changes_its_number_alone(text: str) -> None:
    """A task that is run again is the same line, though its words look like its head."""
    task = render_task(2, ["echo", text], definitions(PLAIN), definitions(PLAIN))
    again = next_attempt(next_attempt(task, 1), 12)
    assert again.startswith("ab_index=2 ab_attempt=12; ")
    assert again.replace("ab_attempt=12", "ab_attempt=0", 1) == task


@pytest.mark.parametrize(
    ("change", "name", "text"),
    [
        ({"inputs": (("/a b", "x/y"),)}, "ab_stage_in", "{ ab_link '/a b' x/y; }"),
        ({"inputs": (("/a", "-x"),)}, "ab_stage_in", "{ ab_link /a ./-x; }"),
        ({"inputs": (("/a", "x"),), "copy": True}, "ab_stage_in", "{ ab_copy /a x; }"),
        ({"outputs": ("-*",)}, "ab_stage_out", "{ ab_collect '-*' ./-*; }"),
        ({"setup": ("a; b",)}, "ab_setup", "{ ab_setup_line 'a; b'; }"),
        ({"workdir": "/w/{index}"}, "ab_make_workdir", "=1"),
        ({"wrapper": ("in it", "x")}, "ab_launch", "=wrapped"),
        ({}, "ab_launch", "=inside"),
        ({}, "ab_setup", "() { :; }"),
    ],
)
def test_definitions(change: dict[str, Any], name: str, text: str) -> None:
    """Each part of a job is a readable line of shell."""
    written = definitions(attrs.evolve(PLAIN, **change))[name]
    assert written.startswith(name)
    assert written.endswith(text)


@pytest.mark.parametrize("shell", [["bash", "-n"], ["dash", "-n"], ["busybox", "sh", "-n"]])
def test_the_script_is_what_every_shell_can_read(shell: list[str], tmp_path: Path) -> None:
    """The job script is valid for every shell, and names run and count."""
    values = ["it's", "$(x)", "a\nb", '"', "`y`", "*", "\\", "{index}"]
    shared = definitions(layout(values))
    script = render_script("r-1", 12, shared)
    (tmp_path / "job.sh").write_text(script)
    subprocess.run([*shell, str(tmp_path / "job.sh")], check=True)
    lines = script.splitlines()
    assert lines[0] == "#!/bin/sh"
    assert {"ab_run_id=r-1", "ab_count=12"} <= set(lines)
