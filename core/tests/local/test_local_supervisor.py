"""The supervisor as a process: it may be killed at any time, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch.errors import CommandFailed
from anybatch.localhost import LocalHost
from anybatch.model import Reason, State
from anybatch.testing import await_that

from .conftest import Local, is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT = 'until [ -e "$TMP/go" ]; do sleep 0.02; done'
TABLE = {"cores": None, "memory": None}


def supervisors(local: Local) -> list[int]:
    """All supervisors that live for this test's state folder."""
    state = f"XDG_STATE_HOME={local.host.environ['XDG_STATE_HOME']}".encode()
    found = []
    for folder in Path("/proc").glob("[1-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"serve" in words and state in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def open_files(pid: int) -> list[str]:
    """What a process holds open now."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(descriptor))
    return found


def command(local: Local, *words: str) -> subprocess.Popen[str]:
    """Start the batch system's command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "anybatch.local", *words],
        env=dict(local.host.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(local: Local, *words: str) -> tuple[int, str]:
    """Exit status and standard error of the batch system's command line."""
    with command(local, *words) as process:
        _, stderr = process.communicate(timeout=180)
        return process.returncode, stderr


def rewrite_journal(local: Local, old: str, new: str) -> None:
    journal = local.state / "journal.jsonl"
    journal.write_text(journal.read_text().replace(old, new))


# -- killed


def test_killed_often_loses_nothing(local: Local) -> None:
    """A supervisor killed again and again: every job still runs, and none runs twice."""
    ids = local.submit('echo $2 >>"$TMP/ran"; sleep 0.01', 30)
    ids += local.submit('echo "after $2" >>"$TMP/ran"', 70)
    while not all(status.state.final for status in local.status(ids)):
        local.kill_supervisor()
    ran = local.lines("ran")
    assert len(ran) == len(set(ran)) == 100
    assert set(local.words(ids)) <= {"DONE", "GONE"}


def test_running_jobs_are_adopted(local: Local) -> None:
    """The next supervisor watches jobs of a killed one, but cannot know how they end."""
    ids = local.submit(WAIT, 3)
    await_that(lambda: local.words(ids) == ["RUNNING", "RUNNING", "QUEUED"])
    local.kill_supervisor()
    assert local.words(ids) == ["RUNNING", "RUNNING", "QUEUED"]
    (local.tmp / "go").touch()
    *adopted, own = local.wait(ids)
    assert own.native_state == "DONE"
    for status in adopted:
        assert (status.native_state, status.state, status.exit_code) == ("GONE", State.FAILED, None)
        assert "while the supervisor was not running" in (status.message or "")


def test_adopted_jobs_can_be_terminated(local: Local) -> None:
    """A job of a killed supervisor is ended with its children like any other."""
    ids = local.submit('echo $$ >>"$TMP/pids"; (sleep 100; :)')
    await_that(lambda: local.lines("pids"))
    local.kill_supervisor()
    local.terminate(ids)
    (status,) = local.wait(ids)
    assert (status.state, status.reason) == (State.TERMINATED, Reason.TERMINATED)
    assert is_gone(int(local.lines("pids")[0]))


def test_jobs_that_ended_unseen(local: Local) -> None:
    """A job that ended while there was no supervisor is told as what it is, gone."""
    ids = local.submit(f'echo $$ >>"$TMP/pids"; {WAIT}')
    await_that(lambda: local.lines("pids"))
    local.kill_supervisor()
    (local.tmp / "go").touch()
    await_that(lambda: is_gone(int(local.lines("pids")[0])))
    assert local.words(ids) == ["GONE"]


def test_start_without_a_line_in_the_journal(local: Local) -> None:
    """A job that began just when the supervisor was killed is found, and not started again."""
    ids = local.submit(f'[ $AGAIN ] || AGAIN=1 exec bash "$0" "$@"; echo $$ >>"$TMP/pids"; {WAIT}')
    await_that(lambda: local.lines("pids"))
    local.kill_supervisor()
    journal = local.state / "journal.jsonl"
    kept = [line for line in journal.read_text().splitlines() if '"started"' not in line]
    journal.write_text("\n".join(kept) + "\n")
    (local.state / "starting" / ids[0]).touch()
    local.terminate(ids)
    assert local.wait(ids)[0].state is State.TERMINATED
    assert len(local.lines("pids")) == 1


def test_torn_line(local: Local) -> None:
    """A line that a killed supervisor did not finish costs nothing but itself."""
    ids = local.submit(f'echo $2 >>"$TMP/ran"; {WAIT}', 3)
    await_that(lambda: len(local.lines("ran")) == 2)
    local.kill_supervisor()
    with (local.state / "journal.jsonl").open("a") as journal:
        journal.write('{"id": "1.1@')
    (local.tmp / "go").touch()
    local.wait(ids)
    assert sorted(local.lines("ran")) == ["1", "2", "3"]


def test_reboot(local: Local) -> None:
    """When the machine was booted, what ran has failed with it, and what was queued starts."""
    ids = local.submit(f'echo $$ >>"$TMP/pids"; {WAIT}', 3)
    await_that(lambda: len(local.lines("pids")) == 2)
    local.kill_supervisor()
    for line in local.lines("pids"):
        os.killpg(int(line), signal.SIGKILL)
    (local.tmp / "go").touch()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    rewrite_journal(local, boot, "another")
    *lost, queued = local.wait(ids)
    assert queued.native_state == "DONE"
    for status in lost:
        assert (status.state, status.reason) == (State.FAILED, Reason.NODE_FAILURE)


def test_reused_process_number(local: Local) -> None:
    """Another process that has a job's number by now is not taken for the job."""
    ids = local.submit(f'echo $$ >>"$TMP/pids"; {WAIT}')
    await_that(lambda: local.lines("pids"))
    local.kill_supervisor()
    rewrite_journal(local, '"born": ', '"born": 1')
    assert local.words(ids) == ["GONE"]
    assert not is_gone(int(local.lines("pids")[0]))
    os.killpg(int(local.lines("pids")[0]), signal.SIGKILL)


def test_damaged_journal(local: Local) -> None:
    """A journal that makes no sense is a clear error, not a fresh start."""
    local.submit()
    local.kill_supervisor()
    rewrite_journal(local, '"event": "submitted"', "")
    with pytest.raises(CommandFailed, match=r"journal\.jsonl, line 2 is damaged"):
        local.known(["1.1"])


def test_old_jobs_are_forgotten(local: Local) -> None:
    """Jobs that ended a day ago are forgotten at the next start, and their numbers stay used."""
    ids = local.submit()
    local.wait(ids)
    local.kill_supervisor()
    rewrite_journal(local, '"at": 1', '"at": ')  # decades ago
    assert local.known(ids) == {}
    assert local.submit() == [f"2.1@{local.host.name}"]
    assert ids[0] not in (local.state / "journal.jsonl").read_text()


# -- coming and going


def test_racing_clients_start_one_supervisor(local: Local) -> None:
    """Clients that come at the same time are all served, by one supervisor."""
    submissions = [local.submission(WAIT, count=2) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(local.hand_over, submissions))
    assert len({native for ids in answers for native in ids}) == 12
    await_that(lambda: supervisors(local) == [local.supervisor])
    (local.tmp / "go").touch()
    local.wait([native for ids in answers for native in ids])


def test_detached_from_everything(local: Local) -> None:
    """The supervisor holds no terminal, no folder and no descriptor of who started it."""
    local.submit(WAIT)
    pid = local.supervisor
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    ours = (str(local.state), "/dev/null", "socket:", "anon_inode:")

    def foreign() -> list[str]:
        # libffi, which ctypes uses, holds its own file open (3.4.2 and later: static trampolines).
        files = (file for file in open_files(pid) if "/libffi.so" not in file)
        return [file for file in files if not file.startswith(ours)]

    await_that(lambda: not foreign())  # what it looks at in /proc it holds for a moment


def test_ends_when_nobody_needs_it(local: Local) -> None:
    """After some rest the supervisor ends and takes its socket away; a client starts another."""
    assert run(local, "serve", "--idle", "0.1") == (0, "")
    assert not (local.state / "socket").exists()
    local.wait(local.submit())


def test_stays_while_jobs_run(local: Local) -> None:
    """No supervisor ends before its jobs."""
    local.submit(f'echo $$ >>"$TMP/pids"; {WAIT}; sleep 0.5')
    await_that(lambda: local.lines("pids"))
    local.kill_supervisor()
    with command(local, "serve", "--idle", "0.1") as process:
        await_that(lambda: (local.state / "lock").read_text() == f"{process.pid}\n")
        (local.tmp / "go").touch()
        assert process.wait(timeout=180) == 0
    assert '"GONE"' in (local.state / "journal.jsonl").read_text()


def test_second_supervisor_gives_way(local: Local) -> None:
    """A supervisor that finds another one ends at once, in peace."""
    local.submit(WAIT)
    pid = local.supervisor
    assert run(local, "serve") == (0, "")
    await_that(lambda: supervisors(local) == [pid])  # a job is one too before it is a shell


def test_rubbish_does_no_harm(local: Local) -> None:
    """A question that makes no sense gets an answer, and the supervisor lives on."""
    local.submit(WAIT)
    pid = local.supervisor
    file = local.tmp / "rubbish.json"
    file.write_text('{"token": 1}')
    status, stderr = run(local, "submit", str(file))
    assert status == 1
    assert "invalid request" in stderr
    assert local.supervisor == pid


# -- the state folder


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Local]:
    """A `local` whose state folder has a path that no socket could have."""
    state = tmp_path.joinpath(*["folder with a long name"] * 8)
    made = Local(LocalHost({**os.environ, "XDG_STATE_HOME": str(state)}), tmp_path)
    yield made
    made.clean_up()


def test_long_state_folder(deep: Local) -> None:
    """The length of the state folder's path does not matter."""
    assert len(str(deep.state)) > 200
    assert deep.wait(deep.submit())[0].state is State.DONE


def test_state_folder_is_private(local: Local) -> None:
    """Nobody else can look into the state folder, or talk to the supervisor."""
    local.submit()
    assert stat.S_IMODE(local.state.stat().st_mode) == 0o700


def test_unwritable_state_folder(local: Local) -> None:
    """Without a state folder `local` is not available, and says why."""
    local.host.environ = {**local.host.environ, "XDG_STATE_HOME": "/dev/null/x"}
    detection = local.plugin.anybatch_detect(TABLE, choosing=False)
    assert not detection.available
    assert "/dev/null/x" in detection.reason
    assert "XDG_STATE_HOME" in detection.reason
    with pytest.raises(CommandFailed, match="cannot write to the state folder"):
        local.submit()


def test_detection(local: Local) -> None:
    """`local` is there, last in the choice, with what the machine has or what is set."""
    detection = local.plugin.anybatch_detect({"cores": 7, "memory": 2**30}, choosing=False)
    assert (detection.available, detection.priority) == (True, 0)
    assert detection.reason.startswith(f"{len(os.sched_getaffinity(0))} core")
    assert detection.details == {"cores": "7", "memory": "1 GiB"}


def test_modules_in_the_users_folder_are_not_imported(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A json.py where the user works is the user's own."""
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 cannot be told so")
    (local.tmp / "json.py").write_text("raise ImportError('the wrong one')")
    monkeypatch.chdir(local.tmp)
    assert local.plugin.anybatch_detect(TABLE, choosing=False).available
