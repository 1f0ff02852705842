"""HTCondor: against `condor_submit` and `condor_wait` on the same pool.

The pool is in a folder of its own (`tests/engines/folder`); so the measuring is done there.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from anybatch import Job, Session

from benchmarks.measure import Row, alternate, cpu, in_process, submit_to_verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = Path(__file__).parents[1] / "tests" / "engines" / "folder"
_SHARED = {"htcondor": {"transfer": "shared"}}
_SUBMIT = """
import json, resource, sys, time
from anybatch import Job, Session
count = int(sys.argv[1])
with Session("htcondor", settings={"htcondor": {"transfer": "shared", "hold": True}}) as session:
    session.plan(Job(["true"]))
    jobs = [Job(["true", str(number)]) for number in range(count)]
    started = time.perf_counter()
    run = session.submit(jobs)
    took = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    commands = session.host.commands["condor_submit"]
    run.terminate()
print(json.dumps({"seconds": took, "memory": memory, "commands": commands}))
"""


def rows(folder: Path) -> Iterator[Row]:
    """All that is promised of HTCondor, measured where it is."""
    program = f'make --quiet "$VENV/installed" >&2 && {_PYTHON} -m benchmarks --here htcondor'
    answer = _enter("sh", "-c", program)
    yield from (Row(**row) for row in json.loads(answer.splitlines()[-1]))


_PYTHON = 'exec "$VENV/bin/python"'


def _enter(*argv: str) -> str:
    command = [str(_FOLDER), "enter", *argv]
    root = _FOLDER.parents[2]
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def rows_here(folder: Path) -> Iterator[Row]:
    """The same, in the pool's own folder."""
    os.chdir(folder)
    yield _whole(folder, 1000, rounds=3)
    yield _submission(folder, 10_000, rounds=3)
    yield _late(folder)
    yield from _watching()


# -- submit to last verdict


def _whole(folder: Path, count: int, rounds: int) -> Row:
    return submit_to_verdict(
        "HTCondor",
        count,
        _run_ours,
        lambda number: _run_raw(folder, number),
        commands="`condor_submit`, `condor_wait`",
        rounds=rounds,
        limit=1.15,
    )


def _run_ours(count: int) -> None:
    with Session("htcondor", settings=_SHARED) as session:
        assert all(o.done for o in session.submit([Job(["true"])] * count).wait())


def _run_raw(folder: Path, count: int) -> None:
    _submit_raw(folder, count)
    subprocess.run(["condor_wait", str(folder / "raw.log")], check=True, capture_output=True)


def _submit_raw(folder: Path, count: int, *more: str) -> str:
    (folder / "raw.log").unlink(missing_ok=True)
    lines = [
        *("executable = /bin/true", "transfer_executable = false", "should_transfer_files = NO"),
        *(f"log = {folder}/raw.log", *more, f"queue {count}", ""),
    ]
    (folder / "raw.sub").write_text("\n".join(lines))
    argv = ["condor_submit", "-terse", str(folder / "raw.sub")]
    answer = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return answer.partition(".")[0]


# -- submission alone


def _submission(folder: Path, count: int, rounds: int) -> Row:
    ours, raw, ratio = alternate(
        rounds,
        ours=lambda: in_process(_SUBMIT, folder, str(count))["seconds"],
        theirs=lambda: _submit_held(folder, count),
    )
    return Row(
        f"HTCondor: submission of {count:,} jobs",
        f"{ours:.2f} s, 1 condor_submit",
        f"{ratio:.2f} times the raw {raw:.2f} s (`condor_submit`)",
        "1.3 times",
        ratio <= 1.3,
    )


def _submit_held(folder: Path, count: int) -> float:
    started = time.perf_counter()
    cluster = _submit_raw(folder, count, "hold = true")
    took = time.perf_counter() - started
    subprocess.run(["condor_rm", cluster], check=True, capture_output=True)
    return took


def _late(folder: Path) -> Row:
    answers = [in_process(_SUBMIT, folder, "100000") for _ in range(2)]
    took = statistics.median(answer["seconds"] for answer in answers)
    used = max(answer["memory"] for answer in answers)
    number = answers[0]["commands"]
    what = "HTCondor: submission of 100,000 jobs, materialized late"
    return Row(what, f"{took:.2f} s, {used:.0f} MB, {number} condor_submit", "", "", None)


# -- watching


def _watching() -> Iterator[Row]:
    with Session("htcondor", settings=_SHARED) as session:
        run = session.submit([Job(["sleep", "900"])] * 10_000)
        session.watch()
        time.sleep(30)  # past the first, quicker questions
        before = sum(session.host.commands.values())
        share = cpu(lambda: time.sleep(180)) / 180
        rate = (sum(session.host.commands.values()) - before) / 3
        run.terminate()
    yield Row("HTCondor: watching 10,000 jobs", f"{share:.2%} of a core", "", "1 %", share <= 0.01)
    what = "HTCondor: commands meanwhile"
    yield Row(what, f"{rate:.1f} a minute", "", "1", rate <= 1)


def version() -> str:
    """HTCondor's version."""
    return _enter("condor_version").split()[1]
