"""Names in braces: what is filled in, what stays, and what becomes of hostile values."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, JobError
from anybatch.parameters import read, write
from anybatch.planning.filling import common_name, filled
from anybatch.templates import Names
from hypothesis import given
from hypothesis import strategies as st

from .texts import TEXTS

if TYPE_CHECKING:
    from anybatch.parameters import Value

FILE = {"1": "data/run.1/sample.tar.gz"}


@pytest.mark.parametrize(
    ("text", "params", "filled_in"),
    [
        ("{index} {#}", {}, "6 7"),
        ("{seed}-{cut}", {"seed": 7, "cut": 5.15}, "7-5.15"),
        ("{a}{b}", {"a": True, "b": "é x"}, "trueé x"),
        ("{}|{1}", FILE, "data/run.1/sample.tar.gz|data/run.1/sample.tar.gz"),
        ("{/} {//} {.} {/.}", FILE, "sample.tar.gz data/run.1 data/run.1/sample.tar sample.tar"),
        (
            "{1/} {1//} {1.} {1/.}",
            FILE,
            "sample.tar.gz data/run.1 data/run.1/sample.tar sample.tar",
        ),
        ("{x/} {x//} {x.}", {"x": "plain"}, "plain . plain"),
        ("{2} {1}", {"1": "a", "2": "b"}, "b a"),
        ("{} stays where there are two", {"1": "a", "2": "b"}, "{} stays where there are two"),
        ("{other} {} {1} {.} {3}", {"seed": 7}, "{other} {} {1} {.} {3}"),
        ("${seed} $x{seed}", {"seed": 7}, "${seed} $x7"),
        ('awk {print $1} {"a": {seed}}', {"seed": 7}, 'awk {print $1} {"a": 7}'),
        ("{{seed}} {{{seed}}} {{{{seed}}}}", {"seed": 7}, "{seed} {7} {{seed}}"),
        ("{{other}}", {"seed": 7}, "{{other}}"),
        ("{{seed} {seed}}", {"seed": 7}, "{7 7}"),
        ("{ seed } {Seed}", {"seed": 7}, "{ seed } {Seed}"),
        ("{index/} {#.}", {}, "{index/} {#.}"),
    ],
)
def test_known_names_are_filled_in(text: str, params: dict[str, Value], filled_in: str) -> None:
    """Any other braces stay as they are, and so does what a shell would fill in."""
    assert Names(6, params).fill(text) == filled_in


@given(value=TEXTS, text=TEXTS)
def test_values_are_not_filled_in_again(value: str, text: str) -> None:
    """Whatever braces a value has; and text without names stays byte for byte."""
    assert Names(3, {"x": value}).fill("<{x}>") == f"<{value}>"
    if not any(name in text for name in ("index", "#", "x")):
        assert Names(3, {"x": value}).fill(text) == text


@given(st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_value_is_one_text(value: Value) -> None:
    """A number is read from a text only where it is written as this text again."""
    assert write(read(write(value))) == write(value)
    if not isinstance(value, str):
        assert read(write(value)) == value


@pytest.mark.parametrize("text", ["007", "5.20", "1e3", "1_000", "+7", " 7", "nan", "inf", ""])
def test_what_is_spelt_otherwise_stays_text(text: str) -> None:
    """A command gets what was typed."""
    assert read(text) == text


def test_every_field_is_filled_in() -> None:
    """Those that name things, in their places."""
    job = Job(
        ["fit", "{seed}"],
        name="fit-{seed}",
        workdir="w/{seed}",
        env={"S": "{seed}"},
        inputs=["in-{seed}"],
        outputs=["out-{seed}-*"],
        optional_outputs=["more-{seed}"],
        output_dir="o/{seed}",
        stdin="i/{seed}",
        stdout="l/{seed}",
        stderr="e/{index}",
        params={"seed": "a*"},
    )
    done = filled(job, 4)
    assert done.command == ("fit", "a*")
    assert done.name == "fit-a*"
    assert done.env == {"S": "a*"}
    assert done.inputs == ("in-a*",)
    assert done.outputs == ("out-a[*]-*",), "a value is no pattern"
    assert done.optional_outputs == ("more-a[*]",)
    paths = [done.workdir, done.output_dir, done.stdin, done.stdout, done.stderr]
    assert [str(path) for path in paths] == ["w/a*", "o/a*", "i/a*", "l/a*", "e/4"]


def test_a_job_without_parameters_is_text() -> None:
    """Its command is what it says, unless it is to be a template."""
    job = Job(["echo", "{index}"])
    assert filled(job, 3) is job
    assert filled(Job(["echo", "{index}"], template=True), 3).command == ("echo", "3")


def test_the_text_of_a_script_is_never_changed() -> None:
    """A value must not become shell syntax: it is a variable there, and whoever forgot is told."""
    with pytest.raises(JobError, match=r'write "\$ANYBATCH_PARAM_SEED"'):
        filled(Job("fit {seed}", params={"seed": "$(id)"}), 0)
    kept = "fit ${seed} {{seed}} $ANYBATCH_PARAM_SEED {other}"
    assert filled(Job(kept, params={"seed": 1}), 0).command == kept
    python = "#!/usr/bin/env python3\nprint(f'{seed}')"
    assert filled(Job(python, params={"seed": 1}), 0).command == python


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"command": ["{x}", "a"], "params": {"x": ""}}, "the name of the program is empty"),
        ({"command": "a", "name": "{x}", "params": {"x": "a\nb"}}, "single non-empty line"),
        ({"command": "a", "name": "{x}", "params": {"x": " "}}, "single non-empty line"),
    ],
)
def test_what_comes_out_is_checked(fields: dict[str, object], why: str) -> None:
    """As it would be if it had been written so."""
    with pytest.raises(JobError, match=why):
        filled(Job(**fields), 0)  # type: ignore[arg-type]


def test_jobs_that_share_a_submission_have_a_common_name() -> None:
    """Their own where it is the same, else the template."""
    many = [*enumerate(Job(["fit"], name="fit-{seed}").sweep(seed=[1, 2]))]
    assert common_name(many) == "fit-{seed}"
    assert common_name(many[:1]) == "fit-1"
    assert common_name([(0, Job(["/usr/bin/fit"]))]) == "fit"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"index": 1}, "has a meaning of its own"),
        ({"inputs": 1}, "has a meaning of its own"),
        ({"a b": 1}, "a name is made of letters"),
        ({"": 1}, "a name is made of letters"),
        ({"0": 1}, "a name is made of letters"),
        ({3: 1}, "a name is made of letters"),
        ({"seed": 1, "SEED": 2}, "would both be the variable ANYBATCH_PARAM_SEED"),
        ({"x": None}, "a value must be a text, a number, or true or false, not NoneType"),
        ({"x": [1]}, "not list"),
        ({"x": b"a"}, "not bytes"),
        ({"x": "a\0"}, "a NUL character"),
        ({"x": "\ud800"}, "unpaired surrogate"),
        ({"x": float("nan")}, "nan is no number"),
        ({"x": float("inf")}, "inf is no number"),
        ({"x": 10**5000}, "too long"),
        ({"x": "a" * 100_001}, "more than 100000 bytes"),
    ],
)
def test_parameters_that_cannot_be(params: dict[str, Value], why: str) -> None:
    """Each is refused where it is given, with its name."""
    with pytest.raises(JobError, match=why):
        Job(["a"], params=params)
    with pytest.raises(JobError, match=why):
        Job(["a"]).sweep({name: [value] for name, value in params.items()})


def test_a_shell_finds_values_as_they_are(tmp_path: object) -> None:
    """In the variables that a task line exports, whatever is in them."""
    from anybatch.worker.script import render_task

    for value in ("$(id)", "'\"\\", "a\nb", "{index}", "é \udc80", "-n", ""):
        line = render_task(0, ["true"], {}, {}, {"ANYBATCH_PARAM_X": value})
        shell = f'ab_nl="\n"; ab_shared() {{ :; }}; {line}printf %s "$ANYBATCH_PARAM_X"'
        done = subprocess.run(
            ["/bin/sh", "-c", os.fsencode(shell)], capture_output=True, check=True
        )
        assert done.stdout == os.fsencode(value)
