"""The right to submit for a run: who has it, who says so, and what it costs."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import locallease
from anybatch.errors import FolderError, NotSubmitted
from anybatch.localhost import LocalHost
from anybatch.locallease import LocalLease
from anybatch.model import Job
from anybatch.plugins.registry import Plugins
from anybatch.testing import await_that

from .toy import Clock, Toy, leave_record, local_host, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.session import Session

JOB = Job(["true"])
HOLD = """
import sys
from pathlib import Path
from anybatch.localhost import LocalHost
lease = LocalHost().lease(Path(sys.argv[1]))
assert lease.take()
if sys.argv[2:]:
    lease.drop()
print("ready", flush=True)
sys.stdin.readline()
"""


def test_the_lease_is_no_name_that_others_can_take(tmp_path: Path) -> None:
    """What any user may bind, a name in the abstract namespace, hinders nobody."""
    squatted = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    squatted.bind(f"\0anybatch-lease-{os.getuid()}-{tmp_path.name}")
    lease = local_host().lease(tmp_path)
    assert lease.take()
    lease.drop()
    squatted.close()


def test_a_lease_is_taken_and_dropped_in_pairs(tmp_path: Path) -> None:
    """Threads of one process share it; it is free when the last has dropped it."""
    one, two = local_host().lease(tmp_path), local_host().lease(tmp_path)
    assert one.take()
    assert one.take()
    one.drop()
    assert not two.take()
    one.drop()
    assert two.take()
    two.drop()


@pytest.mark.parametrize("odd", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/etc")])
def test_an_odd_lease_is_an_error_of_its_run(tmp_path: Path, odd: Callable[[Path], object]) -> None:
    """Whatever stands in its place, nobody waits for it for ever, and no link is followed."""
    odd(tmp_path / "lease")
    with pytest.raises(FolderError, match="cannot lock"):
        local_host().lease(tmp_path).take()


def test_a_file_system_without_locks_has_its_leases_in_the_state_folder(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some Lustre and NFS mounts are; two processes meet there all the same."""
    import fcntl

    flock = fcntl.flock

    def no_locks(descriptor: int, how: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(isolated)):
            raise OSError(38, "Function not implemented")
        flock(descriptor, how)

    monkeypatch.setattr("anybatch.locallease.fcntl.flock", no_locks)
    one, two = local_host().lease(isolated), local_host().lease(isolated)
    assert one.take()
    assert not two.take()
    one.drop()
    assert two.take()
    two.drop()
    [made] = (isolated.parent / "state/anybatch/leases").iterdir()
    assert made.name == isolated.name


def test_a_stopped_process_that_is_not_submitting_blocks_nobody(
    isolated: Path, toy: Toy, run_python: Callable[..., Any]
) -> None:
    """Ctrl-Z while it waits: the right is held during a step only."""
    toy.scripted["submit"] = [KeyError("busy")]
    with session_of(isolated, toy) as session:
        run = session.submit(JOB)
    other = run_python(HOLD, str(run.folder), "and drop")
    assert other.stdout.readline() == "ready\n"
    with session_of(isolated, toy) as session:
        assert not session.attach(run.id).unattended
        other.send_signal(signal.SIGSTOP)
        again = session.attach(run.id)
        await_that(lambda: again.submissions and again.jobs[0].id, session._engine.step)
    other.kill()
    other.wait()


def test_a_stopped_process_that_is_submitting_is_named(
    isolated: Path, toy: Toy, clock: Clock, run_python: Callable[..., Any]
) -> None:
    """Its number is told once; what is watched goes on, and submitting when it is gone."""
    toy.scripted["submit"] = [KeyError("busy")]
    with session_of(isolated, toy) as session:
        run = session.submit(JOB)
    other = run_python(HOLD, str(run.folder))
    assert other.stdout.readline() == "ready\n"
    other.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
    notices: list[str] = []
    with session_of(isolated, toy, on_notice=notices.append) as session:
        again = session.attach(run.id)
        for _ in range(3):
            clock.now += 10
            session._engine.step()
        [notice] = notices
        assert notice.startswith(f"run {run.id}: process {other.pid} (stopped) has the right")
        other.kill()
        other.wait()
        for _ in range(9):
            clock.now += 10
            session._engine.step()
        assert again.jobs[0].id is not None


def test_a_process_that_has_closed_its_session_is_no_holder(isolated: Path, toy: Toy) -> None:
    """Its program may run on for days without looking after the run."""
    toy.scripted["submit"] = [KeyError("busy")]
    with session_of(isolated, toy) as session:
        run = session.submit(JOB)
        holder = local_host().lease(run.folder).holder()
        assert holder
        assert (holder.alive, holder.here) == (True, True)
    assert local_host().lease(run.folder).holder() is None


def test_many_unfinished_runs_hold_no_descriptors(isolated: Path, toy: Toy) -> None:
    """More runs wait to be submitted than this process may have files open."""
    toy.scripted["submit"] = [KeyError("busy")] * 1000
    with session_of(isolated, toy) as session:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            session.submit(JOB)
        session._engine.step()
        assert len(os.listdir("/proc/self/fd")) <= before + 1


# -- "nothing was submitted" is true


@pytest.mark.parametrize("left", range(1, 12))
def test_without_descriptors_all_or_nothing_is_submitted(
    isolated: Path, toy: Toy, left: int
) -> None:
    """Too many open files, at whatever moment: the error leaves nothing that is submitted later."""
    with session_of(isolated, toy) as session:
        session.submit(JOB)  # what is imported late has been imported
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = max(map(int, os.listdir("/proc/self/fd"))) + 1
        fillers = [os.open("/dev/null", os.O_RDONLY) for _ in range(lowest)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) + 1, hard))
        for filler in fillers[:left]:
            os.close(filler)
        try:
            run = session.submit(JOB)
        except FolderError as error:
            run, text = None, str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers[left:]:
                os.close(filler)
    assert run or "nothing was submitted" in text
    with session_of(isolated, toy) as later:
        assert len(later.runs()) == (2 if run else 1)
        assert not later.unreadable
        later._engine.step()
        assert len(toy.calls["submit"]) == (2 if run else 1)


@pytest.mark.parametrize("name", ["journal-", "lease", "submit-0"])
def test_a_folder_that_fails_at_the_last_moment_leaves_nothing(
    isolated: Path, toy: Toy, name: str
) -> None:
    """After the run is on record nothing but a submit command makes it stay."""

    class Failing(LocalHost):
        def append(self, path: Path, data: bytes, *, durable: bool = False) -> None:
            self._fail(path)
            super().append(path, data, durable=durable)

        def write(self, path: Path, text: str, mode: int = 0o600) -> None:
            try:
                self._fail(path)
            except OSError as error:
                raise FolderError(str(error)) from error
            super().write(path, text, mode)

        def lease(self, folder: Path) -> Any:
            if name == "lease":
                (folder / "lease").mkdir()
            return super().lease(folder)

        def _fail(self, path: Path) -> None:
            if path.name.startswith(name):
                raise OSError(28, "No space left on device")

    plugins = Plugins(Failing({}))
    plugins.add("toy", toy)
    with session_of(isolated, toy, plugins=plugins, host=plugins.host) as session:
        with pytest.raises(FolderError, match="nothing was submitted"):
            session.submit(JOB)
        assert list(session.runs_folder.iterdir()) == []
    assert session_of(isolated, toy).runs() == []
    assert not toy.calls["submit"]


def test_a_run_that_was_submitted_in_part_stays(isolated: Path) -> None:
    """Its journal fails after the first of two submissions: the run is on record, and said so."""
    toy = Toy(array=1)
    notices: list[str] = []
    with session_of(isolated, toy, on_notice=notices.append) as session:

        def break_journal() -> list[str]:
            [journal] = session.runs_folder.glob("*/journal-*")
            journal.unlink()
            journal.mkdir()
            return ["7"]

        toy.scripted["submit"] = [break_journal]
        run = session.submit([JOB, JOB])
        assert isinstance(run.broken, FolderError)
        assert [f"run {run.id} can no longer be watched" in notice for notice in notices] == [True]
        assert run.folder.is_dir()


# -- machines that share a folder and not its locks


class Unlocked(LocalLease):
    """On a machine of its own: what others have locked does not hinder it."""

    def take(self) -> bool:
        return True

    def drop(self) -> None:
        pass


class Machine(LocalHost):
    """One of several machines that share folders, and no locks."""

    def lease(self, folder: Path) -> LocalLease:
        return Unlocked(folder, threading.local(), f"machine-{id(self)}")


def machines(folder: Path, toy: Toy, count: int) -> list[Session]:
    made = []
    for _ in range(count):
        plugins = Plugins(Machine({}))
        plugins.add("toy", toy)
        made.append(session_of(folder, toy, plugins=plugins, host=plugins.host))
    return made


@pytest.mark.parametrize("times", range(3))
def test_without_common_locks_a_retry_is_planned_once(isolated: Path, times: int) -> None:
    """Two machines see a failure at the same moment: one plans the retry, and submits it."""
    toy = Toy()
    one, two = machines(isolated, toy, 2)
    runs = [one.submit(Job(["false"], retry=2))]
    runs.append(two.attach(runs[0].id))
    leave_record(runs[0].folder, "0.0.0.command.exit-1")
    both = threading.Barrier(2)

    def look(session: Session) -> None:
        both.wait()
        for _ in range(3):
            session._engine.step(force=True)

    threads = [threading.Thread(target=look, args=(session,)) for session in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for session in (one, two):
        session._engine.step(force=True)
    assert [submission.number for submission in toy.calls["submit"]] == [0, 1]
    assert [run.jobs[0].attempt for run in runs] == [1, 1]
    one.close(), two.close()


def test_without_common_locks_a_submission_is_made_once(isolated: Path) -> None:
    """Of two machines that find it not submitted, one submits it; the other learns of it."""
    toy = Toy()
    toy.scripted["submit"] = [NotSubmitted("no answer")]
    one, two = machines(isolated, toy, 2)
    run = one.submit(JOB)
    other = two.attach(run.id)
    both = threading.Barrier(2)

    def hand_over(session: Session) -> None:
        both.wait()
        session._engine.step(force=True)

    threads = [threading.Thread(target=hand_over, args=(session,)) for session in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one._engine.step(force=True), two._engine.step(force=True)
    assert len(toy.calls["submit"]) == 2  # the one that failed, and another
    assert [one.jobs[0].id is None for one in (run, other)] == [False, False]
    one.close(), two.close()


def test_a_claim_outlives_its_claimant_for_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one machine the lock tells who is at it; another one's counts for a while."""
    mine = local_host().lease(tmp_path)
    other = LocalLease(tmp_path, threading.local(), "elsewhere")
    assert mine.claim("submit-0.1")
    assert mine.claim("submit-0.1")
    assert not other.claim("submit-0.1")
    assert other.claim("submit-0.2")
    assert local_host().lease(tmp_path).claim("submit-0.1")
    tmp_path.joinpath("claims", "plan-1.0").write_text("1 1 elsewhere abc\n")
    assert not mine.claim("plan-1")
    monkeypatch.setattr(locallease, "ABANDONED", -1)
    assert mine.claim("plan-1")
    assert not tmp_path.joinpath("claims", "plan-1.2").exists()
