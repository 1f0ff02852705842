"""Packs whose files the batch system moves: a folder for each job, and equal files travel once."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
from anybatch.errors import JobError
from anybatch.model import Job
from anybatch.packing import Pack
from anybatch.ranges import PAGE
from anybatch.records import REMOTE_RUN_DIR, Resources
from anybatch.testing import await_that
from anybatch.transfer import COMMON, addresses_for, sources_for

from .away import make, plan, write

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from .away import Away
    from .shells import Shell

pytestmark = pytest.mark.usefixtures("isolated")

#: Ends at no signal that can be heard.
DEAF = "{ trap 'echo asked' TERM; echo began; while :; do sleep 0.1; done; }"
SHOW = ["sh", "-c", 'for f in *; do printf "%s=%s;" "$f" "$(cat "$f")"; done']


@pytest.mark.parametrize("lanes", [1, 3])
def test_files_of_one_name_do_not_meet(isolated: Path, shell: Shell, lanes: int) -> None:
    """Inputs and outputs of packed jobs may be called alike; each sees its own and no other's."""
    make(isolated, *(f"in/{i}/data" for i in range(5)), "common")
    jobs = [
        Job(
            ["sh", "-c", f"{SHOW[2]}; cat common data >made; echo x >>common"],
            inputs=[f"in/{i}/data", "common"],
            flat=True,
            outputs=["made"],
            output_dir="results/{index}",
            name="job",
        )
        for i in range(5)
    ]
    away = write(isolated, shell, jobs, pack=Pack(3, side_by_side=lanes))
    assert [away.run(1), away.run(2)] == [0, 0], away.said
    assert away.records == [f"{i}.0.0.command.exit-0" for i in range(5)]
    assert [away.out(i) for i in range(5)] == [f"common=common;data=in/{i}/data;" for i in range(5)]
    made = [(isolated / f"results/{i}/made").read_text() for i in range(5)]
    assert made == [f"commonin/{i}/data" for i in range(5)]
    assert away.said == ""


def test_what_several_need_travels_once(isolated: Path) -> None:
    """With each pack, in one set; what one job needs is in another."""
    make(isolated, "common", "too", *(f"own{i}" for i in range(4)))
    jobs = [Job(["true"], inputs=["common", "too", f"own{i}"]) for i in range(4)]
    jobs.append(Job(["true"]))
    planned = plan(isolated, jobs, pack=3)
    [submission] = [one.submission for one in planned.submissions]
    assert (submission.count, submission.pack, submission.members) == (2, 3, 5)
    taken = [sources_for(submission, task) for task in (1, 2)]
    assert taken == [
        [COMMON, "stage-in/tasks-0.0", *(f"stage-in/{n}" for n in (0, 1, 2, 3))],
        [COMMON, "stage-in/tasks-0.0", "stage-in/0", "stage-in/4"],
    ]
    places = {str(link.path.relative_to(planned.folder)) for link in planned.links}
    common = f"stage-in/0/{REMOTE_RUN_DIR}/sets/0"
    assert {f"{common}/common", f"{common}/too"} <= places
    assert [one for one in places if one.endswith("/common")] == [f"{common}/common"]


def test_what_else_a_job_is_given_is_its_own(isolated: Path, shell: Shell) -> None:
    """Standard input, environment script, list of files, program and variables."""
    for i in range(2):
        make(isolated, f"in{i}", f"a{i}", f"b{i}")
        (isolated / f"env{i}").write_text(f"export WHO={i}\n")
        (isolated / f"program{i}").write_text(
            "#!/bin/sh\necho $WHO $(cat) $(cat $ANYBATCH_INPUT_LIST)\n"
        )
        (isolated / f"program{i}").chmod(0o755)
    jobs = [
        Job(
            [f"./program{i}"],
            stdin=f"in{i}",
            env_script=f"env{i}",
            input_list=[f"a{i}", f"b{i}", "https://site/x"],
            name="job",
        )
        for i in range(2)
    ]
    away = write(isolated, shell, jobs, pack=2)
    assert away.run() == 0, away.said + away.err()
    assert [away.out(i) for i in range(2)] == [
        f"{i} in{i} a{i} b{i} https://site/x\n" for i in range(2)
    ]


def test_a_pack_takes_all_pages_of_its_lines(isolated: Path, shell: Shell) -> None:
    """They may be two, and the last page may be the last of all."""
    jobs = [Job(["true"])] * (PAGE + 2)
    away = write(isolated, shell, jobs, pack=PAGE - 1)
    [submission] = away.submissions
    assert [sources_for(submission, task) for task in (1, 2)] == [
        [COMMON, "stage-in/tasks-0.0"],
        [COMMON, "stage-in/tasks-0.0", "stage-in/tasks-0.1"],
    ]
    assert away.run(2) == 0
    assert away.records == sorted(f"{i}.0.0.command.exit-0" for i in range(PAGE - 1, PAGE + 2))


def test_a_missing_input_fails_the_jobs_that_need_it(isolated: Path, shell: Shell) -> None:
    """And no other of the pack."""
    make(isolated, "here", "gone")
    jobs = [Job(SHOW, inputs=[name], name="job") for name in ("here", "gone", "here")]
    away = write(isolated, shell, jobs, pack=3)
    (isolated / "gone").unlink()
    assert away.run() == 0
    assert away.records == [
        "0.0.0.command.exit-0",
        "1.0.0.stage_in.exit-1",
        "2.0.0.command.exit-0",
    ]
    assert "input gone has not arrived" in away.err(1)


def test_working_folders_are_removed_as_jobs_end(isolated: Path, shell: Shell) -> None:
    """So a pack needs the disk of one job at a time, beside what came and what goes back."""
    make(isolated, "data")
    look = ["sh", "-c", "ls .. | wc -l"]
    away = write(isolated, shell, [Job(look, inputs=["data"])] * 4, pack=4)
    assert away.run() == 0, away.said
    assert [away.out(i).strip() for i in range(4)] == ["1"] * 4
    assert not os.listdir(away.scratch / REMOTE_RUN_DIR / "work")


def test_addresses_come_to_the_jobs_that_name_them(isolated: Path, shell: Shell) -> None:
    """The batch system fetches each once for a pack; equal names of two are refused."""
    jobs = [
        Job(["cat", name], inputs=[f"https://site/{name}", "https://site/both"], name="job")
        for name in ("a", "b", "a")
    ]
    planned = plan(isolated, jobs, pack=2)
    [submission] = [one.submission for one in planned.submissions]
    site = "https://site"
    assert addresses_for(submission, 1) == [f"{site}/a", f"{site}/both", f"{site}/b"]
    assert addresses_for(submission, 2) == [f"{site}/a", f"{site}/both"]
    away = write(isolated, shell, jobs, pack=2)
    away.fetched = {"a": "A", "b": "B", "both": "AB"}
    assert away.run() == 0, away.said + away.err()
    assert [away.out(0), away.out(1)] == ["A", "B"]
    other = Job(["cat", "a"], inputs=["https://other/a"], name="job")
    with pytest.raises(JobError, match="https://other/a of packed jobs have the same name"):
        plan(isolated, [jobs[0], other], pack=2)


def test_all_files_of_a_pack_need_disk_at_once(isolated: Path) -> None:
    """Memory and cores are those of the jobs that run together."""
    job = Job(["true"], resources=Resources(disk="1 GiB", memory="1 GiB", cores=2))
    [one] = plan(isolated, [job] * 6, pack=Pack(6, side_by_side=2)).submissions
    asked = one.submission.resources
    assert (asked.disk, asked.memory, asked.cores) == (6 * 2**30, 2 * 2**30, 4)


# -- packs that are cut short


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that are ended with the test, with all that they have started."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(120)


def three(base: Path, shell: Shell, second: str) -> Away:
    """A pack of three jobs; the second one does not end by itself at first."""
    command = f'test "$ANYBATCH_INDEX" != 1 || {second}; echo ran; echo x >made'
    job = Job(["sh", "-c", command], optional_outputs=["made"], output_dir="out/{index}")
    return write(base, shell, [job] * 3, pack=3)


def await_second(away: Away) -> None:
    await_that(lambda: list((away.scratch / REMOTE_RUN_DIR / "logs/0").glob("1.out")))
    await_that(lambda: "began" in (away.scratch / REMOTE_RUN_DIR / "logs/0/1.out").read_text())


def test_what_was_done_when_a_signal_ends_a_pack_comes_back(
    isolated: Path, shell: Shell, started: list[subprocess.Popen[bytes]]
) -> None:
    """With the word of the job that it ended; the others have left nothing."""
    away = three(isolated, shell, "{ echo began; exec sleep 600; }")
    started.append(away.start())
    await_second(away)
    os.killpg(started[0].pid, signal.SIGTERM)
    assert started[0].wait(120) == 1
    away.bring_back()
    assert away.records[0] == "0.0.0.command.exit-0"
    assert [name.split(".")[0] for name in away.records] == ["0", "1"]
    assert away.records[1].endswith(".TERM")
    assert (isolated / "out/0/made").read_text() == "x\n"


def test_a_pack_that_was_moved_goes_on_where_it_was(
    isolated: Path, shell: Shell, started: list[subprocess.Popen[bytes]]
) -> None:
    """What had ended is not run again, and its outputs come with the others."""
    once = "{ test -e ../../../exit || { echo began; exec sleep 600; }; }"
    away = three(isolated, shell, once)
    started.append(away.start())
    await_second(away)
    os.kill(started[0].pid, signal.SIGTERM)
    assert started[0].wait(120) == 1
    started.append(away.start_again())
    assert started[1].wait(120) == 0
    away.bring_back()
    assert away.records == [
        "0.0.0.command.exit-0",
        "1.0.0.command.signal-15.TERM",
        "1.0.1.command.exit-0",
        "2.0.1.command.exit-0",
    ]
    assert [away.out(i) for i in range(3)] == ["ran\n", "began\nran\n", "ran\n"]
    made = [(isolated / f"out/{i}/made").read_text() for i in range(3)]
    assert made == ["x\n"] * 3


@pytest.mark.parametrize("second", ["{ echo began; exec sleep 600; }", DEAF])
def test_a_pack_stops_before_its_time_limit(
    isolated: Path, shell: Shell, started: list[subprocess.Popen[bytes]], second: str
) -> None:
    """First its jobs are asked to end, then it ends without them; and no command sees the limit."""
    away = three(isolated, shell, f"{{ test -z $ab_time_limit && {second}; }}")
    started.append(away.start(ab_time_limit="1000000"))
    await_second(away)
    os.kill(started[0].pid, signal.SIGALRM)
    if second is DEAF:
        log = away.scratch / REMOTE_RUN_DIR / "logs/0/1.out"
        await_that(lambda: "asked" in log.read_text())
        os.kill(started[0].pid, signal.SIGALRM)
    assert started[0].wait(120) == 124
    away.bring_back()
    ended = ["0.0.0.command.exit-0", "1.0.0.command.signal-15.TERM"]
    assert away.records == ended[: 1 if second is DEAF else 2]


def test_the_clock_of_a_pack_runs(
    isolated: Path, shell: Shell, started: list[subprocess.Popen[bytes]]
) -> None:
    """It stops the pack in time, and with the pack."""
    away = three(isolated, shell, "exec sleep 600")
    started.append(away.start(ab_time_limit="3"))
    assert started[0].wait(120) == 124
    away = write(isolated, shell, [Job(["true"])] * 2, pack=2)
    started.append(away.start(ab_time_limit="1000000"))
    assert started[1].wait(120) == 0
    await_that(lambda: not _is_left(started[1].pid))


def _is_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
