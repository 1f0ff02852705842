"""Jobs on the real thing: how they start, what bounds them, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import CommandError, Rejected, UsageError
from anybatch.model import Reason, Resources, State
from anybatch.records import Unreachable
from anybatch.testing import await_that

from .conftest import is_gone

if TYPE_CHECKING:
    from pathlib import Path

    from anybatch.records import JobStatus

    from .conftest import Local

#: Runs until the test makes the file `go`.
WAIT = 'until [ -e "$TMP/go" ]; do sleep 0.02; done'
SOON = {"kill_wait": timedelta(seconds=0.5)}

#: Writes how many jobs of its kind run while it does.
CONCURRENT = """
mkdir "$TMP/now.$1.$2"
ls -d "$TMP"/now.* | wc -l >>"$TMP/concurrent"
echo "$1.$2" >>"$TMP/order"
sleep 0.05
rmdir "$TMP/now.$1.$2"
"""

#: Does not care for TERM, nor does its grandchild.
STUBBORN = """
trap '' TERM
(sh -c 'echo $$ >>"$TMP/pids"; sleep 100; :') &
echo $$ >>"$TMP/pids"
while :; do sleep 100; done
"""

#: Runs the command in its arguments as the core does, and stays.
SUBMITTER = """
import sys, time
from anybatch.host import Command
from anybatch.localhost import LocalHost
print(LocalHost().run(Command(tuple(sys.argv[1:]))).stdout, flush=True)
time.sleep(100)
"""


def pids(local: Local, count: int) -> list[int]:
    """The processes that jobs have written to `pids`, once there are *count*."""
    await_that(lambda: len(local.lines("pids")) == count)
    return [int(line) for line in local.lines("pids")]


# -- what a job is


def test_done_with_all_facts(local: Local) -> None:
    """A job that ends with exit status 0 is done, and its status tells when and at what cost."""
    (status,) = local.wait(local.submit("exit 0"))
    assert (status.state, status.exit_code, status.signal) == (State.DONE, 0, None)
    assert status.host == local.host.name
    assert status.submitted
    assert status.started
    assert status.ended
    assert status.submitted <= status.started <= status.ended
    assert status.cpu_time


def test_exit_code_and_signal_are_kept_apart(local: Local) -> None:
    """A job that exits with 137 has no signal, and one that is killed has no exit code."""
    exits, killed = local.wait(local.submit("[ $2 = 2 ] || exit 137; kill -9 $$", 2))
    assert (exits.state, exits.exit_code, exits.signal) == (State.FAILED, 137, None)
    assert (killed.state, killed.exit_code, killed.signal) == (State.FAILED, None, 9)


def test_peak_memory_is_the_jobs_own(local: Local) -> None:
    """Peak memory is told where it is the job's, not where it is the supervisor's."""
    small, big = local.wait(
        local.submit("[ $2 = 1 ] || head -c 80000000 /dev/zero | tail -n 1 | wc -c", 2)
    )
    assert small.max_memory is None
    assert big.max_memory
    assert big.max_memory > 80_000_000


def test_arguments_and_log(local: Local) -> None:
    """job.sh gets number, task and restarts; both outputs are appended to the system's log."""
    one = local.submission('echo "$1 $2 $3"; echo oops >&2', 2)
    local.wait(local.hand_over(one))
    lines = one.system_log.read_text().splitlines()
    assert sorted(lines) == ["0 1 0", "0 2 0", "oops", "oops"]


def test_environment_holds_nothing_of_the_submitter(local: Local) -> None:
    """A job knows who it is, and nothing of the environment it was submitted from."""
    local.host.environ = {**local.host.environ, "SECRET": "x", "LD_LIBRARY_PATH": "/x"}
    local.wait(local.submit('env >"$TMP/env"; cat; pwd >>"$TMP/env"'))
    names = {line.partition("=")[0] for line in local.lines("env")}
    assert names - {"_", "PWD", "OLDPWD", "SHLVL"} == {
        "ANYBATCH_LOCAL_JOB", "HOME", "LOGNAME", "PATH", "SHELL", "USER", "/",
    }  # fmt: skip


def test_no_signal_is_ignored_or_blocked(local: Local) -> None:
    """A job starts with the default answer to every signal, whatever the submitter ignores."""
    local.wait(local.submit('grep -E "^Sig(Blk|Ign)" /proc/self/status >"$TMP/signals"'))
    masks = [int(line.split()[1], 16) for line in local.lines("signals")]
    ours = sum(1 << (number - 1) for number in signal.valid_signals())
    assert [mask & ours for mask in masks] == [0, 0]


def test_session_of_its_own(local: Local) -> None:
    """Each job leads a session and a process group."""
    local.submit(f'echo $$ >>"$TMP/pids"; {WAIT}', 2)
    for pid in pids(local, 2):
        assert os.getsid(pid) == os.getpgid(pid) == pid


def test_what_a_job_leaves_running_is_killed(local: Local) -> None:
    """Processes that outlive their job do not go on using its core."""
    ids = local.submit('sleep 100 & echo $! >>"$TMP/pids"')
    local.wait(ids)
    (left,) = pids(local, 1)
    await_that(lambda: is_gone(left))


def test_job_outlives_its_submitter(local: Local, tmp_path: Path) -> None:
    """A job goes on when the process that submitted it is killed; another one sees it end."""
    one = local.submission(WAIT)
    rendered = local.plugin.anybatch_render(one)
    for file in rendered.files:
        local.host.write(file.path, file.text)
    with subprocess.Popen(
        [sys.executable, "-c", SUBMITTER, *rendered.command.argv],
        env=dict(local.host.environ),
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as submitter:
        assert submitter.stdout
        submitter.stdout.readline()
        os.killpg(submitter.pid, signal.SIGKILL)
    ids = local.hand_over(one)
    await_that(lambda: local.words(ids) == ["RUNNING"])
    (tmp_path / "go").touch()
    assert local.wait(ids)[0].state is State.DONE


def test_job_that_cannot_be_started(local: Local) -> None:
    """A run folder that vanished fails the job with the operating system's words."""
    one = local.submission()
    (one.folder / "logs").rmdir()
    (status,) = local.wait(local.hand_over(one))
    assert (status.native_state, status.state, status.reason) == (
        "NOT_STARTED",
        State.FAILED,
        Reason.SETUP,
    )
    assert status.message
    assert "No such file" in status.message


# -- order and limits


def test_cores_are_never_exceeded(local: Local) -> None:
    """Jobs of all runs together use no more cores than there are, and start in order."""
    first = local.submit(CONCURRENT, 8)
    second = local.submit(CONCURRENT, 8)
    local.wait(first + second)
    counts = [int(line) for line in local.lines("concurrent")]
    assert max(counts) == 2
    started = [status.started for status in local.status(first + second) if status.started]
    assert started == sorted(started)


def test_jobs_start_in_order(local: Local) -> None:
    """On one core, jobs run exactly in the order of submission."""
    settings = {"cores": 1}
    ids = local.submit(CONCURRENT, 4, settings=settings)
    ids += local.submit(CONCURRENT, 4, settings=settings)
    local.wait(ids)
    expected = [f"{number}.{task}" for number in (0, 1) for task in range(1, 5)]
    assert local.lines("order") == expected


def test_the_most_urgent_job_is_next(local: Local) -> None:
    """Of the jobs that wait for a core, in whatever order they came."""
    settings = {"cores": 1}
    first = local.submit(WAIT, settings=settings)
    ids = [
        native_id
        for urgency in (0, -7, 30, 0, 99)
        for native_id in local.submit(CONCURRENT, urgency=urgency, settings=settings)
    ]
    (local.tmp / "go").touch()
    local.wait([*first, *ids])
    assert local.lines("order") == [f"{number}.1" for number in (5, 3, 1, 4, 2)]


def test_a_big_job_has_the_machine_to_itself(local: Local) -> None:
    """A job of all cores, or an exclusive one, runs alone."""
    ids = local.submit(CONCURRENT, 2, resources=Resources(cores=2))
    ids += local.submit(CONCURRENT, 2, resources=Resources(exclusive=True))
    local.wait(ids)
    assert local.lines("concurrent") == ["1"] * 4


def test_memory_is_never_exceeded(local: Local) -> None:
    """Jobs that ask for memory wait for it, though cores are free."""
    settings = {"memory": 3 * 2**30, "cores": 4}
    ids = local.submit(CONCURRENT, 4, settings=settings, resources=Resources(memory="2 GiB"))
    local.wait(ids)
    assert local.lines("concurrent") == ["1"] * 4


@pytest.mark.parametrize(
    ("resources", "settings", "words"),
    [
        (Resources(cores=2, tasks=2), {}, ["4 cores", "has 2", "local.cores"]),
        (
            Resources(memory="2 GiB"),
            {"memory": 2**30},
            ["2 GiB", "has 1 GiB", "local.memory"],
        ),
        (Resources(nodes=2), {}, ["2 nodes"]),
        (Resources(gpus=1), {}, ["1 GPU"]),
    ],
)
def test_impossible_requests(
    local: Local, resources: Resources, settings: dict[str, Any], words: list[str]
) -> None:
    """What could never start is refused: what was asked, what there is, what helps."""
    with pytest.raises(Rejected) as caught:
        local.submit(resources=resources, settings=settings)
    assert all(word in str(caught.value) for word in words)


# -- ends


def over_its_limit(
    local: Local, script: str, count: int, **more: Any
) -> tuple[JobStatus, int, list[int]]:
    """A job that has come to its time limit: its status, the limit in seconds, its processes.

    One that has not written *count* lines to `pids` by then was not ready for it.
    """
    for limit in (2, 10, 60):
        (local.tmp / "pids").unlink(missing_ok=True)
        (status,) = local.wait(local.submit(script, resources=Resources(time=limit), **more))
        if len(local.lines("pids")) == count:
            break
    return status, limit, pids(local, count)


def test_time_limit_ends_what_obeys(local: Local) -> None:
    """A job over its limit is told to end; what it makes of that is kept."""
    obedient = "trap 'exit 7' TERM; echo $$ >>\"$TMP/pids\"; sleep 600 & wait"
    status, _, _ = over_its_limit(local, obedient, 1)
    assert (status.state, status.reason) == (State.FAILED, Reason.TIME_LIMIT)
    assert (status.native_state, status.exit_code) == ("TIME_LIMIT", 7)


def test_time_limit_kills_what_does_not(local: Local) -> None:
    """A job that does not end when told so is killed with its grandchildren after kill_wait."""
    status, limit, processes = over_its_limit(local, f"export TMP; {STUBBORN}", 2, settings=SOON)
    assert (status.reason, status.signal) == (Reason.TIME_LIMIT, 9)
    assert status.ended
    assert status.started
    assert status.ended - status.started > timedelta(seconds=limit)
    await_that(lambda: all(map(is_gone, processes)))


def test_terminate_takes_grandchildren_along(local: Local) -> None:
    """Terminating ends a job's whole process group, a stopped one too."""
    family = 'sh -c "sleep 100 & echo \\$! >>\'$TMP/pids\'; wait" & echo $! >>"$TMP/pids"; wait'
    ids = local.submit(family)
    processes = pids(local, 2)
    os.kill(processes[0], signal.SIGSTOP)
    local.terminate(ids)
    (status,) = local.wait(ids)
    assert (status.state, status.reason) == (State.TERMINATED, Reason.TERMINATED)
    await_that(lambda: all(map(is_gone, processes)))


def test_terminate_kills_what_does_not_end(local: Local) -> None:
    """A terminated job that does not care is killed after kill_wait."""
    ids = local.submit(f"export TMP; {STUBBORN}", settings=SOON)
    processes = pids(local, 2)
    local.terminate(ids)
    (status,) = local.wait(ids)
    assert (status.state, status.signal) == (State.TERMINATED, 9)
    await_that(lambda: all(map(is_gone, processes)))


def test_terminate_empties_the_queue_at_once(local: Local) -> None:
    """Queued jobs are terminated before the command returns, and never start."""
    ids = local.submit(f'echo $2 >>"$TMP/ran"; {WAIT}', 20)
    await_that(lambda: len(local.lines("ran")) == 2)
    local.terminate([*ids[2:], "99.1@" + local.host.name])
    assert local.words(ids) == ["RUNNING"] * 2 + ["TERMINATED"] * 18
    assert {status.reason for status in local.status(ids[2:])} == {Reason.TERMINATED}
    (local.tmp / "go").touch()
    local.wait(ids)
    assert sorted(local.lines("ran")) == ["1", "2"]


def test_signal_is_only_sent(local: Local) -> None:
    """A signal by name reaches running jobs and ends nothing by itself."""
    ids = local.submit("trap 'exit 5' USR1; : >\"$TMP/up\"; while :; do sleep 0.02; done")
    await_that((local.tmp / "up").exists)
    local.terminate(ids, "USR1")
    (status,) = local.wait(ids)
    assert (status.state, status.exit_code) == (State.FAILED, 5)


def test_unknown_signal(local: Local) -> None:
    """A name that is no signal is the user's error, with a hint."""
    with pytest.raises(UsageError, match="did you mean 'TERM'"):
        local.terminate(["1.1@" + local.host.name], "TREM")


# -- dependencies


def test_job_runs_after_others(local: Local) -> None:
    """A job starts when all that it is to run after are done, and says what it waits for."""
    first = local.submit(f'{WAIT}; echo first >>"$TMP/order"', 2)
    second = local.submit('echo second >>"$TMP/order"', after=tuple(first))
    third = local.submit("true", resources=Resources(cores=2))
    messages = [one.message for one in local.status([*second, *third])]
    assert messages == [f"waits for job {first[1]} and others", "waits for 2 of 2 cores"]
    assert local.words(second) == ["QUEUED"]
    (local.tmp / "go").touch()
    assert local.wait(second)[0].state is State.DONE
    assert local.lines("order") == ["first", "first", "second"]


def test_job_does_not_run_after_failure(local: Local) -> None:
    """When a job fails, those that were to run after it are terminated, and those after them."""
    first = local.submit("exit $(($2 - 1))", 2)
    second = local.submit('echo ran >>"$TMP/ran"', 2, after=tuple(first))
    third = local.submit('echo ran >>"$TMP/ran"', after=(second[0],))
    for status in local.wait(second + third):
        assert (status.state, status.reason) == (State.TERMINATED, Reason.DEPENDENCY)
    assert local.lines("ran") == []


def test_unknown_dependency(local: Local) -> None:
    """A job that is to run after one that nobody knows is refused."""
    with pytest.raises(Rejected, match=r"dependency 99\.1"):
        local.submit(after=("99.1@" + local.host.name,))


# -- exactly once


def test_a_check_takes_nothing(local: Local) -> None:
    """It tells whether the first job has to wait, and what is refused."""

    def check(cores: int) -> str:
        one = local.submission(count=9, resources=Resources(cores=cores))
        told = local.plugin.anybatch_check(one, local.plugin.anybatch_render(one))
        assert not local.plugin.anybatch_find(one)
        return told

    assert check(2) == "the first starts at once"
    local.submit(WAIT)
    assert check(1) == "the first starts at once"
    assert check(2) == "the first does not start at once: waits for 2 of 2 cores"
    with pytest.raises(Rejected, match="needs 3 cores, but `local` has 2"):
        check(3)


def test_token_is_submitted_once(local: Local) -> None:
    """The same submission again gives the same ids, and nothing runs twice."""
    one = local.submission('echo ran >>"$TMP/ran"', 2)
    ids = local.hand_over(one)
    assert local.hand_over(one) == ids
    local.wait(ids)
    assert len(local.lines("ran")) == 2


def test_find(local: Local) -> None:
    """Jobs are found by their token; before the submit command ran there are none."""
    one = local.submission(count=3)
    assert list(local.plugin.anybatch_find(one)) == []
    ids = local.hand_over(one)
    assert list(local.plugin.anybatch_find(one)) == ids


def test_submit_command_that_did_nothing(local: Local) -> None:
    """A submit command that was killed before it spoke leaves no jobs to be found."""
    one = local.submission()
    local.host.write(one.folder / f"submit-{one.number}.host", local.host.name)
    assert list(local.plugin.anybatch_find(one)) == []


def test_another_machine_cannot_answer(local: Local) -> None:
    """With a shared home folder, jobs of another machine are not taken for unknown ones."""
    one = local.submission()
    ids = local.hand_over(one)
    local.host.name = "elsewhere"
    words = "but this is elsewhere; run the command there"
    [left] = local.plugin.anybatch_terminate([local.batch(ids)], None)
    for answer in (local.known(ids), left):
        assert [*answer] == ids
        for why in answer.values():
            assert isinstance(why, Unreachable)
            assert words in why.reason
    with pytest.raises(CommandError, match=words):
        local.plugin.anybatch_find(one)
    local.host.name = ids[0].partition("@")[2]


def test_unknown_ids_are_left_out(local: Local) -> None:
    """What the supervisor does not know is no part of its answer."""
    assert local.known(["99.1@" + local.host.name, "unknown-1"]) == {}
