"""Slurm: against `sbatch --array` and `squeue` on the same cluster."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from anybatch import Job, Session

from benchmarks.measure import Row, cpu, in_process, submit_to_verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINES = Path(os.environ.get("ANYBATCH_ENGINE_DIR", "/var/tmp/anybatch-engines"))

_SUBMIT = """
import json, resource, sys, time
from anybatch import Job, Session
count = int(sys.argv[1])
with Session("slurm", settings={"slurm": {"hold": True}}) as session:
    session.plan(Job(["true"]))  # the cluster's limits are asked once for a session
    jobs = [Job(["true", str(number)]) for number in range(count)]
    started = time.perf_counter()
    run = session.submit(jobs)
    took = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sbatch = session.host.commands["sbatch"]
    run.terminate()
print(json.dumps({"seconds": took, "memory": memory, "sbatch": sbatch}))
"""


def rows(folder: Path) -> Iterator[Row]:
    """All that is promised of Slurm."""
    os.environ["SLURM_CONF"] = str(ENGINES / "slurm-plain" / "slurm.conf")
    os.chdir(folder)
    yield _whole(folder, 1000, rounds=2, limit=1.15)
    yield _whole(folder, 100, rounds=3, limit=1.3)
    yield from _submissions(folder)
    yield from _latency()
    yield from _watching()


# -- submit to last verdict


def _whole(folder: Path, count: int, rounds: int, limit: float) -> Row:
    return submit_to_verdict(
        "Slurm",
        count,
        _run_ours,
        lambda number: _run_raw(folder, number),
        commands="`sbatch --array`, `squeue` twice a second",
        rounds=rounds,
        limit=limit,
    )


def _run_ours(count: int) -> None:
    with Session("slurm") as session:
        assert all(o.done for o in session.submit([Job(["true"])] * count).wait())


def _run_raw(folder: Path, count: int) -> None:
    script = folder / "raw.sh"
    script.write_text("#!/bin/sh\n/bin/true\n")  # the program, as ours, not the shell's own
    argv = ["sbatch", "--parsable", f"--array=0-{count - 1}", "--output=/dev/null", str(script)]
    job = _output(argv).strip()
    while _output(["squeue", "--noheader", f"--jobs={job}"]):
        time.sleep(0.5)


def _output(argv: list[str]) -> str:
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout


# -- submission alone


def _submissions(folder: Path) -> Iterator[Row]:
    plans = ((1000, 3, 0.3, 0), (10_000, 3, 1.0, 0), (100_000, 1, 10.0, 150))
    for count, rounds, limit, memory in plans:
        answers = [in_process(_SUBMIT, folder, str(count)) for _ in range(rounds)]
        took = statistics.median(answer["seconds"] for answer in answers)
        used = max(answer["memory"] for answer in answers)
        kept = took <= limit and answers[0]["sbatch"] == 1 and (not memory or used <= memory)
        yield Row(
            f"Slurm: submission of {count:,} jobs",
            f"{took:.2f} s, {used:.0f} MB, {answers[0]['sbatch']} sbatch",
            "",
            f"{limit:g} s" + (f", {memory} MB" if memory else "") + ", 1 sbatch",
            kept,
        )


# -- from a job's end to its outcome


def _latency() -> list[Row]:
    with Session("slurm") as session:
        run = session.submit([Job(["sh", "-c", f"sleep {20 + n * 3}"]) for n in range(30)])
        delays: list[float] = []
        counts: list[int] = []
        count = threading.Timer(60, lambda: counts.append(sum(session.host.commands.values())))
        for outcome in run.as_completed():
            assert outcome.ended
            delays.append((datetime.now(timezone.utc) - outcome.ended).total_seconds())
            if len(delays) == 6:  # past the first, quicker questions
                counts.append(sum(session.host.commands.values()))
                count.start()
        count.join()
        rate = counts[1] - counts[0]
    delay = statistics.median(delays)
    return [
        Row("Slurm: a job's end to its outcome, median", f"{delay:.2f} s", "", "1 s", delay <= 1),
        Row("Slurm: scheduler commands meanwhile", f"{rate} a minute", "", "4", rate <= 4),
    ]


# -- watching


def _watching() -> list[Row]:
    rows = statistics.median(cpu(_read_rows) for _ in range(5))
    with Session("slurm") as session:
        run = session.submit([Job(["sleep", "600"])] * 10_000)
        run.refresh()
        poll = statistics.median(cpu(run.refresh) for _ in range(5))
        session.watch()
        time.sleep(20)  # past the first, quicker questions
        share = cpu(lambda: time.sleep(40)) / 40
        run.terminate()
    return [
        Row("Slurm: one poll of 10,000 jobs, own CPU", _ms(poll), "", "100 ms", poll <= 0.1),
        Row(
            "Slurm: reading 10,000 rows of squeue, own CPU",
            _ms(rows),
            "as if all were running",
            "100 ms",
            rows <= 0.1,
        ),
        Row("Slurm: watching 10,000 jobs", f"{share:.2%} of a core", "", "1 %", share <= 0.01),
    ]


def _read_rows() -> None:
    from anybatch_slurm.parse import read_squeue

    row = "7|{0}|{1}|RUNNING|0|0|1795167946|1795167946|NONE|node{0}|None|"
    text = "\n".join(row.format(number, 90000 + number) for number in range(10_000))
    assert len(read_squeue(text)) == 10_000


def _ms(value: float) -> str:
    return f"{value * 1000:.0f} ms"


def version() -> str:
    """Slurm's version."""
    return re.sub(r"^slurm\S* ", "", _output(["sbatch", "--version"]).strip())
