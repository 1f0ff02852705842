"""Many jobs from the command line: counts, parameters, lines, tables, and what fits together."""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.cli.describing import many_of, read_param, read_table
from anybatch.errors import JobError
from anybatch.model import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.testing import Result

    Call = Callable[..., Result]

NOTHING: dict[str, Any] = {"count": None, "zipped": False, "tables": (), "each": (), "params": ()}
NOTHING |= {"split": (), "per_job": None, "jobs": None}


def named(text: bytes, name: str = "table.csv") -> BytesIO:
    """A file with a name."""
    file = BytesIO(text)
    file.name = name
    return file


def many(job: Job | None = None, **given: Any) -> Sequence[Job]:
    """The jobs that options make."""
    if "params" in given:
        given["params"] = [read_param(text) for text in given["params"]]
    return many_of(job or Job(["fit"]), {**NOTHING, **given})


def values(jobs: Sequence[Job]) -> list[tuple[object, ...]]:
    """The values of each job's parameters."""
    return [tuple(job.params.values()) for job in jobs]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed=0..3", range(4)),
        ("seed=3..0", range(3, -1, -1)),
        ("seed=0..10..5", range(0, 11, 5)),
        ("seed=-1..1", range(-1, 2)),
        ("seed=08..11", ("08", "09", "10", "11")),
        ("seed=7", (7,)),
        ("cut=5.15,5.2,5.20", (5.15, 5.2, "5.20")),
        ("x=a,1..3,b", ("a", 1, 2, 3, "b")),
        ("x=a=b", ("a=b",)),
        ("x=../data,1...3,a..b,1..2/x", ("../data", "1...3", "a..b", "1..2/x")),
    ],
)
def test_values_of_a_parameter(text: str, expected: object) -> None:
    """Numbers where they are spelt as numbers, ranges that cost nothing, else texts."""
    assert read_param(text)[1] == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("seed", "expected NAME=VALUE"),
        ("=3", "expected NAME=VALUE"),
        ("seed=", "an empty value"),
        ("seed=1,,2", "an empty value"),
        ("seed=0..3..0", "a step of 0"),
        ("seed=00..9999999", "more than 1,000,000 values"),
        ("seed=1..", "looks like a range"),
        ("seed=..5", "looks like a range"),
        ("seed=1..1e9", "looks like a range"),
        ("cut=1.0..2.0", "looks like a range"),
        ("seed=9..1..-2", "looks like a range"),
        ("seed=0..9999999,3", "more than 1,000,000 values"),
    ],
)
def test_values_that_cannot_be(text: str, why: str) -> None:
    """The error tells what was expected."""
    with pytest.raises(ValueError, match=why):
        read_param(text)


def test_parameters_multiply() -> None:
    """In the order in which they are given; tables first, then lines; the last fastest."""
    assert values(many(params=["a=1,2", "b=x,y"])) == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    jobs = many(params=["p=7,8"], each=[BytesIO(b"l\n")], tables=[named(b"t\n1\n2\n")])
    assert [dict(job.params) for job in jobs][:2] == [
        {"t": 1, "1": "l", "p": 7},
        {"t": 1, "1": "l", "p": 8},
    ]


@pytest.mark.parametrize("name", ["inputs", "index", "a b", "é", "-x"])
def test_a_name_that_means_something_else_is_refused(name: str) -> None:
    """Also `inputs`, which stands for the files of a split job."""
    with pytest.raises(JobError, match=f"--param: parameter '{name}': "):
        many(params=[f"{name}=1,2"])


def test_zip_takes_the_first_of_each() -> None:
    """One value alone goes along with all."""
    jobs = many(params=["a=1..3", "c=9"], each=[BytesIO(b"x\ny\nz")], zipped=True)
    assert values(jobs) == [("x", 1, 9), ("y", 2, 9), ("z", 3, 9)]
    with pytest.raises(JobError, match="b has 2 values where 3 are needed"):
        many(params=["a=1..3", "b=1,2"], zipped=True)


def test_lines_go_where_the_command_names_them() -> None:
    """All of them to the end, if it names none."""
    twice = {"each": [BytesIO(b"a\nb\n"), BytesIO(b"c")]}
    assert many(**twice)[0].command == ("fit", "{1}", "{2}")
    assert many(Job(["fit", "{/.}"]), each=[BytesIO(b"a")])[0].command == ("fit", "{/.}")
    assert many(Job(["fit", "${1}"]), each=[BytesIO(b"a")])[0].command == ("fit", "${1}", "{1}")


def test_a_count_is_a_template_only_where_it_has_to_be() -> None:
    """So that a hundred thousand equal jobs stay one."""
    assert many(count=3) == [Job(["fit"])] * 3
    jobs = many(Job(["fit", "{index}"]), count=3)
    assert (len(jobs), jobs[2].template) == (3, True)


def test_a_table_has_a_column_for_each_name() -> None:
    """Values with commas, quotes and line breaks; a mark of byte order is none of the name."""
    text = b'\xef\xbb\xbfname, seed ,cut\r\n"a, ""b""\nc",007,5.2\r\n\r\n,1,2\r\n'
    table = read_table(named(text))
    assert table == {"name": ['a, "b"\nc', ""], "seed": ["007", 1], "cut": [5.2, 2]}
    assert read_table(named(b"a\tb\n1,5\t\xff\n", "x.TSV")) == {"a": ["1,5"], "b": ["\udcff"]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no rows"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1\n", "line 2 has 1 values, and the first row 2 names"),
        (b"a,b\n1,2,3\n", "line 2 has 3 values"),
        (b"a,a\n1,2\n", "two columns have the same name"),
        (b"a,A\n1,2\n", "ANYBATCH_PARAM_A"),
        (b"a b\n1\n", "'a b'.*letters, digits and _"),
        (b"a,\n1,2\n", "parameter ''"),
        (b"index\n1\n", "has a meaning of its own"),
        (b'a\n"b\n', "line 2: unexpected end of data"),
        (b"a\n" + b"x" * 200_000 + b"\n", "line 2: field larger"),
    ],
)
def test_tables_that_cannot_be(text: bytes, why: str) -> None:
    """The error names the file and the line."""
    with pytest.raises(JobError, match=f"--table: table.csv: .*{why}"):
        read_table(named(text))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"count": 2, "params": ["a=1"]}, "--count cannot be used together"),
        ({"zipped": True}, "--zip takes the values"),
        ({"params": ["a=1", "a=2"]}, "'a' is given twice"),
        ({"params": ["a=1", "a=2"], "zipped": True}, "'a' is given twice"),
        ({"params": ["a=1"], "tables": [named(b"a\n1\n")]}, "'a' is given twice"),
        ({"params": ["index=1"]}, "has a meaning of its own"),
        ({"params": ["a-b=1"]}, "letters, digits and _"),
        ({"params": ["a=0..99999", "b=0..99999"]}, "10,000,000,000 jobs"),
        ({"each": [BytesIO(b"a\0b")]}, "parameter '1': its value contains a NUL"),
    ],
)
def test_options_that_do_not_fit(given: dict[str, Any], why: str) -> None:
    """Nothing is submitted, and the error tells why."""
    with pytest.raises(JobError, match=why):
        many(**given)


@pytest.mark.system
def test_jobs_run_with_their_parameters(call: Call, home: Path) -> None:
    """Each with its own, which are in its record, and `status` chooses jobs by them."""
    (home / "t.csv").write_text("mode\nfast\nslow\n")
    words = ["--param", "seed=8..9", "--table", "t.csv", "--name", "fit-{seed}"]
    words += ["--stdout", "out/{mode}/{seed}", "--", "echo", "{seed} {mode} ${x} {y}"]
    run = json.loads(call("run", "--json", *words).stdout)
    assert [job["params"] for job in run["jobs"]] == [
        {"mode": mode, "seed": seed} for mode in ("fast", "slow") for seed in (8, 9)
    ]
    assert (home / "out/slow/9").read_text() == "9 slow ${x} {y}\n"
    assert run["jobs"][3]["name"] == "fit-9"
    shown = call("status", f"{run['run']}:seed=9").stdout
    assert "seed=9 " in shown or "seed=9\n" in shown
    assert "seed=8" not in shown


@pytest.mark.system
def test_files_are_split(call: Call, home: Path) -> None:
    """By a pattern or a list, each part with each value."""
    (home / "list").write_text("b\nroot://x//a b\n\nc\n")
    for name in ("d1", "d2"):
        (home / name).touch()
    words = ["--split", "list", "--split", "d?", "--jobs", "2", "--param", "x=7,8", "--"]
    run = json.loads(call("run", "--json", *words, "echo", "{x}", "{inputs}").stdout)
    logs = [Path(job["stdout"]).read_text().replace(f"{home}/", "") for job in run["jobs"]]
    assert logs == ["7 b root://x//a b c\n", "7 d1 d2\n", "8 b root://x//a b c\n", "8 d1 d2\n"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"split": ["no-*"], "jobs": 1}, "no file matches 'no-\\*'"),
        ({"split": ["/no/such"], "jobs": 1}, "cannot read '/no/such': No such file"),
        ({"split": [sys.executable], "jobs": 1}, "is no list of files but data"),
        ({"split": ["/"], "jobs": 1}, "cannot read '/': Is a directory"),
        ({"split": ["/dev/null"], "jobs": 1}, "one line for each path or address"),
        ({"split": ["/etc/passwd"]}, "say with --per-job N"),
        ({"jobs": 1}, "give --split as well"),
        ({"per_job": 1, "count": 2}, "give --split as well"),
        ({"split": ["/etc/passwd"], "count": 2}, "--count cannot be used together"),
    ],
)
def test_splits_that_cannot_be(given: dict[str, Any], why: str) -> None:
    """The error names the option."""
    with pytest.raises(JobError, match=why):
        many(**given)


@pytest.mark.system
def test_a_job_is_printed_as_a_file(call: Call, home: Path) -> None:
    """Which `--job` reads as the same job; of many jobs it is their template."""
    words = ["render", "--job-file", "--cores", "2", "--env", "A={seed}", "--param", "seed=1..3"]
    text = call(*words, "--", "echo", "é {seed}").stdout
    (home / "job.toml").write_text(text)
    again = call("render", "--job-file", "--job", "job.toml").stdout
    assert again == text
    assert 'command = ["echo", "é {seed}"]' in text
    record = json.loads(call("render", "--job-file", "--json", "--", "echo", "a").stdout)
    assert record == {"command": ["echo", "a"]}
