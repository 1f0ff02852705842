"""The options that make many jobs of one: counted, by parameters, by lines and tables."""

from __future__ import annotations

import csv
import glob
import io
import itertools
import os
import re
from typing import TYPE_CHECKING, Any

import attrs
import click

from anybatch import parameters, sweeps
from anybatch.cli.base import option_group
from anybatch.cli.params import WholeNumber, read_by
from anybatch.errors import JobError
from anybatch.model import Jobs
from anybatch.templates import Names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from anybatch.cli.base import Decorator
    from anybatch.model import Job

_many = option_group("Many jobs")
_RANGE = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})(?:\.\.(\d{1,18}))?", re.ASCII)
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_LIKE_RANGE = re.compile(rf"{_NUMBER}\.\.(?:{_NUMBER}(?:\.\.{_NUMBER})?)?|\.\.{_NUMBER}", re.ASCII)

Columns = dict[str, Any]


def read_param(text: str) -> tuple[str, Any]:
    """`NAME=VALUE,...` as the name and its values; `0..99` and `0..99..10` are ranges.

    Raises:
        ValueError: there is no `=`, a value is empty, or there are too many.
    """
    name, equals, values = text.partition("=")
    if not equals or not name:
        raise ValueError(f"invalid value {text!r:.80}: expected NAME=VALUE,... or NAME=FIRST..LAST")
    parts = [_values(part, text) for part in values.split(",")]
    if len(parts) == 1:
        return name, parts[0]
    if sum(map(len, parts)) > sweeps.MOST_JOBS:
        raise ValueError(f"{text!r:.80} has more than {sweeps.MOST_JOBS:,} values")
    return name, tuple(itertools.chain.from_iterable(parts))


def _values(part: str, text: str) -> Sequence[Any]:
    if not part:
        raise ValueError(f"an empty value in {text!r:.80}; for an empty text use --table")
    found = _RANGE.fullmatch(part)
    if not found and _LIKE_RANGE.fullmatch(part):
        raise ValueError(
            f"{part!r:.80} looks like a range, and is none; write FIRST..LAST or "
            f"FIRST..LAST..STEP in whole numbers, or use --table for a text"
        )
    if not found:
        return (parameters.read(part),)
    first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if not step:
        raise ValueError(f"a step of 0 in {text!r:.80}")
    numbers = range(first, last + 1, step) if last >= first else range(first, last - 1, -step)
    if not any(re.match(r"-?0\d", end) for end in found.group(1, 2)):
        return numbers
    if len(numbers) > sweeps.MOST_JOBS:
        raise ValueError(f"{text!r:.80} has more than {sweeps.MOST_JOBS:,} values")
    width = max(map(len, found.group(1, 2)))
    return tuple(f"{number:0{width}d}" for number in numbers)


DESCRIBING_OPTIONS: tuple[Decorator, ...] = (
    _many(
        "--count",
        type=WholeNumber(1),
        metavar="N",
        help="Run the command as N jobs. {index}, or ANYBATCH_INDEX, is the number of each job (0 "
        "to N-1).",
    ),
    _many(
        "--param",
        "params",
        callback=read_by(read_param),
        multiple=True,
        metavar="NAME=VALUES",
        help="Run a job for each value: seed=0..99, cut=5.15,5.2. {NAME} in the command and in "
        "names of files, or ANYBATCH_PARAM_NAME, is the job's value. Several make all "
        "combinations. Repeatable.",
    ),
    _many(
        "--each",
        type=click.File("rb"),
        multiple=True,
        metavar="FILE",
        help="Run one job for each line of FILE (- for standard input). {} in the command is "
        "replaced by the line; if there is no {}, the line is appended as the last argument. "
        "Several make all combinations, with {1}, {2}. Repeatable.",
    ),
    _many(
        "--table",
        "tables",
        type=click.File("rb"),
        multiple=True,
        metavar="FILE",
        help="Run one job for each row of a CSV file (or TSV, by its ending). Its columns are "
        "parameters, named in the first row. Repeatable.",
    ),
    _many(
        "--split",
        multiple=True,
        metavar="FILE|GLOB",
        help="Split files between jobs: those that match GLOB, or that FILE lists, a path or an "
        "address a line (- for standard input). A job reads its files in the file "
        "ANYBATCH_INPUT_LIST, or gets them as words in the place of {inputs}. Repeatable.",
    ),
    _many("--per-job", type=WholeNumber(1), metavar="N", help="Files for each job of --split."),
    _many("--jobs", type=WholeNumber(1), metavar="N", help="How many jobs --split makes."),
    _many(
        "--zip",
        "zipped",
        is_flag=True,
        help="Take values together, the first of each --param, --each and --table, then the "
        "second; not all combinations.",
    ),
)


def many_of(job: Job, given: Mapping[str, Any]) -> Sequence[Job]:
    """The jobs that options make of one.

    Raises:
        JobError: the options do not fit together, or a file cannot be read.
    """
    count, others = given["count"], ("params", "each", "tables", "split")
    if count and any(given[name] for name in others):
        raise JobError("--count cannot be used together with --param, --each, --table or --split")
    if count and count > sweeps.MOST_JOBS:
        raise JobError(f"--count: a run can have at most {sweeps.MOST_JOBS} jobs")
    axes = list(_axes(given))
    if given["zipped"] and not axes:
        raise JobError("--zip takes the values of --param, --each or --table together; give some")
    if not given["split"] and (given["per_job"] or given["jobs"]):
        raise JobError("--per-job and --jobs tell how --split splits files; give --split as well")
    if count:
        return _counted(job, count)
    if not axes and not given["split"]:
        return [job]
    lines = [str(number + 1) for number in range(len(given["each"]))]
    made = [_zipped(axes)] if given["zipped"] else [sweeps.along(one, None) for one in axes]
    jobs = Jobs(_with_lines(job, lines), sweeps.Table()).times(made)
    return _split(jobs, given) if given["split"] else jobs


def _split(jobs: Jobs, given: Mapping[str, Any]) -> Jobs:
    if not given["per_job"] and not given["jobs"]:
        raise JobError("--split: say with --per-job N how many files a job gets, or with --jobs N")
    files = [file for text in given["split"] for file in split_files(text)]
    return jobs.split(files, per_job=given["per_job"], jobs=given["jobs"])


def split_files(text: str) -> list[str]:
    """The files that match a pattern, or that a file lists.

    Raises:
        JobError: no file matches, or the list cannot be read, or is empty.
    """
    if text != "-" and not os.path.lexists(text) and glob.has_magic(text):
        found = sorted(glob.glob(text, recursive=True))
        if not found:
            raise JobError(f"--split: no file matches {text!r}")
        return found
    try:
        with click.open_file(text, "rb") as file:
            data = file.read()
    except OSError as error:
        raise JobError(f"--split: cannot read {text!r}: {error.strerror}") from error
    if b"\0" in data:
        raise JobError(
            f"--split: {text!r} is no list of files but data; a file that is split to the jobs "
            f"has to be named in a list, or matched by a pattern"
        )
    return [line for line in _lines_of(data, "--split", "path or address") if line]


def _zipped(axes: Sequence[Columns]) -> sweeps.Axis:
    columns: Columns = {}
    for name, column in itertools.chain.from_iterable(one.items() for one in axes):
        if name in columns:
            raise JobError(f"parameter {name!r} is given twice")
        columns[name] = column[0] if len(column) == 1 else column
    return sweeps.along(columns, None)


def _axes(given: Mapping[str, Any]) -> Iterator[Columns]:
    for file in given["tables"]:
        yield read_table(file)
    for number, file in enumerate(given["each"], 1):
        yield {str(number): read_lines(file)}
    for name, values in given["params"]:
        if problem := parameters.check_names([name]):
            raise JobError(f"--param: {problem}")
        yield {name: values}


def _counted(job: Job, count: int) -> Sequence[Job]:
    texts = [*job.env.values(), *job.inputs, job.name or ""]
    texts += [] if isinstance(job.command, str) else job.command
    if not Names(0, {}).in_any(texts):
        return [job] * count
    return Jobs(job, sweeps.Table()).times(sweeps.sweep({}, zipped=False, jobs=count))


def _with_lines(job: Job, lines: Sequence[str]) -> Job:
    """*job*, whose command ends with the lines of --each if it does not use them."""
    if not lines:
        return job
    if isinstance(job.command, str):
        raise JobError(
            "--each cannot be combined with a job file whose command is a script; "
            "use a list of words"
        )
    names = Names(None, dict.fromkeys(lines, ""))
    if names.in_any(job.command):
        return job
    places = [f"{{{line}}}" for line in lines]
    return attrs.evolve(job, command=(*job.command, *places))


def read_lines(file: BinaryIO) -> list[str]:
    """The lines of a file, which keep every byte but the line break.

    Raises:
        JobError: the file is empty, or has the line breaks of Windows.
    """
    return _lines_of(file.read(), "--each", "job")


def _lines_of(data: bytes, option: str, what: str) -> list[str]:
    text = data.decode("utf-8", "surrogateescape")
    if not text:
        raise JobError(f"{option}: the file is empty; it needs one line for each {what}")
    if text.startswith("\ufeff"):
        raise JobError(
            f"{option}: the file begins with a byte order mark, which would be part of the first "
            f"{what}; save it without one"
        )
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        if line.endswith("\r"):
            raise JobError(
                f"{option}: line {number} ends with a carriage return (CRLF line breaks), which "
                f"would be part of the {what}; convert the file, for example with dos2unix"
            )
    return lines


def read_table(file: BinaryIO) -> Columns:
    """The columns of a CSV or TSV file, by the names in its first row.

    Raises:
        JobError: it has no rows, rows of other lengths, or a column without a name of its own.
    """
    what = f"--table: {file.name}"
    delimiter = "\t" if str(file.name).lower().endswith((".tsv", ".tab")) else ","
    text = file.read().decode("utf-8-sig", "surrogateescape")  # spreadsheets write a mark first
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        names = [name.strip() for name in next(reader, [])]
        for row in reader:
            if row and len(row) != len(names):
                raise JobError(
                    f"{what}: line {reader.line_num} has {len(row)} values, and the first row "
                    f"{len(names)} names"
                )
            rows += [row] if row else []
    except csv.Error as error:
        raise JobError(f"{what}: line {reader.line_num}: {error}") from error
    if problem := parameters.check_names(names):
        raise JobError(f"{what}: {problem}")
    if len(set(names)) < len(names):
        raise JobError(f"{what}: two columns have the same name; they are {', '.join(names)}")
    if not rows:
        raise JobError(f"{what}: there are no rows below the first, which names the columns")
    columns = zip(*rows, strict=True)
    return {
        name: [parameters.read(value) for value in column]
        for name, column in zip(names, columns, strict=True)
    }
