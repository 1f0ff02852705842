"""Any text arrives as it was written: from a `Job` through the run folder to the command."""

from __future__ import annotations

import shlex
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from anybatch.model import Job
from anybatch.records import Environment
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .shells import write_run
from .texts import NAMES, TEXTS, raw
from .toy import Toy

if TYPE_CHECKING:
    from .shells import RunFolder, Shell

pytestmark = pytest.mark.usefixtures("isolated")

#: One example is a run of many jobs, so that few examples say much. Making a failing one smaller
#: would take minutes, and the message tells which of its jobs failed.
FEW = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)

#: Writes what it was given to the folder $1: its words, its environment, its folder, its input.
PROBE = """
cat /proc/$$/cmdline >"$1/words"
cat /proc/$$/environ >"$1/env"
readlink -n /proc/$$/cwd >"$1/folder"
cat >"$1/input"
printf said
printf complained >&2
"""

VARIABLES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not name.startswith(("ab_", "ANYBATCH_")) and name.upper() not in TAKEN
)
TAKEN = {"PATH", "PWD", "OLDPWD", "SHLVL", "_", "UID", "EUID", "PPID", "IFS", "OPTIND", "LINENO"}


def run_all(run: RunFolder, count: int) -> None:
    """Run the jobs of a run; each must succeed."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run.run, range(count)))
    failed = [name for name in run.names if not name.endswith(".command.exit-0")]
    assert not failed
    assert len(run.names) == count


def fresh(base: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=base))


def variables(environ: bytes) -> dict[bytes, bytes]:
    return dict(part.split(b"=", 1) for part in environ.split(b"\0") if part)


@attrs.frozen
class Case:
    """A job whose every text is drawn."""

    words: list[str]
    env: dict[str, str]
    workdir: str
    stdin: str
    stdout: str
    input: str


CASES = st.builds(
    Case,
    words=st.lists(TEXTS, max_size=6),
    env=st.dictionaries(VARIABLES, TEXTS, max_size=4),
    workdir=NAMES,
    stdin=NAMES,
    stdout=NAMES,
    input=TEXTS,
)


def job_of(case: Case, folder: Path) -> Job:
    """The job, its files made."""
    for name in ("work", "in", "out", "seen"):
        (folder / name).mkdir(parents=True)
    if "{index}" not in case.workdir:
        (folder / "work" / case.workdir).mkdir()
    stdin = case.stdin.replace("{index}", folder.name)
    (folder / "in" / stdin).write_bytes(raw(case.input))
    return Job(
        ["/bin/sh", "-c", PROBE, "probe", str(folder / "seen"), *case.words],
        env=case.env,
        workdir=folder / "work" / case.workdir,
        stdin=folder / "in" / case.stdin,
        stdout=folder / "out" / case.stdout,
        stderr=folder / "out" / f"{case.stdout}.err",
    )


@FEW
@given(cases=st.lists(CASES, min_size=12, max_size=12))
def test_every_text_arrives_byte_for_byte(isolated: Path, shell: Shell, cases: list[Case]) -> None:
    """Words, values, folders and the names of the three streams arrive as they were written."""
    base = fresh(isolated)
    jobs = [job_of(case, base / str(index)) for index, case in enumerate(cases)]
    run = write_run(base, shell, jobs)
    run_all(run, len(cases))
    for index, case in enumerate(cases):
        folder = base / str(index)
        seen = folder / "seen"
        here = str(index)
        words = (seen / "words").read_bytes().split(b"\0")[:-1]
        assert words[5:] == [raw(word) for word in case.words]
        env = variables((seen / "env").read_bytes())
        assert {raw(n): env[raw(n)] for n in case.env} == {
            raw(name): raw(value) for name, value in case.env.items()
        }
        workdir = case.workdir.replace("{index}", here)
        assert (seen / "folder").read_bytes() == raw(str(folder / "work" / workdir))
        assert (seen / "input").read_bytes() == raw(case.input)
        stdout = case.stdout.replace("{index}", here)
        assert (folder / "out" / stdout).read_bytes() == b"said"
        assert (folder / "out" / f"{stdout}.err").read_bytes() == b"complained"


@FEW
@given(pairs=st.lists(st.tuples(NAMES, NAMES, TEXTS), min_size=6, max_size=6))
def test_every_name_of_a_file_is_staged(
    isolated: Path, shell: Shell, pairs: list[tuple[str, str, str]]
) -> None:
    """Inputs are found, and outputs brought, under whatever name they have."""
    base = fresh(isolated)
    jobs = []
    for index, (source, result, text) in enumerate(pairs):
        folder = base / str(index)
        for name in ("in", "work", "brought"):
            (folder / name).mkdir(parents=True)
        (folder / "in" / source).write_bytes(raw(text))
        jobs.append(
            Job(
                ["cp", "--", f"./{source}", f"./{result.replace('{index}', str(index))}.made"],
                workdir=folder / "work",
                inputs=[str(folder / "in" / source)],
                flat=True,
                outputs=[f"{result}.made"],
                output_dir=folder / "brought",
            )
        )
    run = write_run(base, shell, jobs)
    run_all(run, len(pairs))
    for index, (_, result, text) in enumerate(pairs):
        made = f"{result.replace('{index}', str(index))}.made"
        assert (base / str(index) / "brought" / made).read_bytes() == raw(text)


def test_two_stars_within_a_name_are_one(isolated: Path, shell: Shell) -> None:
    """`a**b` is no folder of any depth: it matches like `a*b`, and names a file of that name."""
    base = fresh(isolated)
    for name in ("work", "brought"):
        (base / name).mkdir()
    outputs = ["x**y", "**z.txt"]
    job = Job(
        "touch xay 'x**y' az.txt",
        workdir=base / "work",
        outputs=outputs,
        output_dir=base / "brought",
    )
    run_all(write_run(base, shell, [job]), 1)
    assert {path.name for path in (base / "brought").iterdir()} >= {"x**y", "az.txt"}


#: Writes the words that it was wrapped around with, then runs what follows.
WRAPPER = """
here=$1 count=$2
shift 2
: >"$here/wrapped"
while [ "$count" -gt 0 ]; do
    printf '%s\\0' "$1" >>"$here/wrapped"
    shift
    count=$((count - 1))
done
exec "$@"
"""


@FEW
@given(
    words=st.lists(TEXTS, max_size=6),
    command=st.lists(TEXTS, max_size=6),
    value=TEXTS,
    line=TEXTS,
)
def test_every_text_passes_a_wrapper(
    isolated: Path, shell: Shell, words: list[str], command: list[str], value: str, line: str
) -> None:
    """The wrapper gets its words, and the command in it gets its own, as they were written."""
    base = fresh(isolated)
    wrap = ("/bin/sh", "-c", WRAPPER, "wrapper", str(base), str(len(words)), *words)
    setup = f"printf %s {shlex.quote(line)} >set"
    toy = Toy(environment=Environment(wrapper=wrap, setup=(setup,), env={"FROM_PLUGIN": value}))
    job = Job(
        ["/bin/sh", "-c", PROBE, "probe", str(base), *command],
        env={"FROM_JOB": value},
        setup=setup,
    )
    run = write_run(base, shell, job, toy)
    run_all(run, 1)
    assert (base / "wrapped").read_bytes().split(b"\0")[:-1] == [raw(word) for word in words]
    seen = (base / "words").read_bytes().split(b"\0")[:-1]
    assert seen[5:] == [raw(word) for word in command]
    env = variables((base / "env").read_bytes())
    assert env[b"FROM_PLUGIN"] == env[b"FROM_JOB"] == raw(value)
    assert (base / "set").read_bytes() == raw(line)
