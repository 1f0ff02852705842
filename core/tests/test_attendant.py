"""Watching in the background: jobs are handed over though no program waits for them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Session
from anybatch.attendant import LOG_LIMIT, Attendant, watch
from anybatch.errors import AnybatchError, FolderError
from anybatch.runs.index import Index
from anybatch.testing.waiting import await_that

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

pytestmark = pytest.mark.system
UNTIL_GO = ["sh", "-c", "for i in $(seq 600); do test -e go && exit; sleep 0.2; done"]


@pytest.fixture
def attendant(anybatch_home: Path) -> Iterator[Attendant]:
    """None is left after the test."""
    made = Attendant()
    yield made
    made.stop()


def await_lines(number: int) -> None:
    """Submit commands pause for twenty times what they took, which is long on a busy machine."""
    done = Path("done")
    await_that(lambda: done.exists() and done.read_text() == "x\n" * number, patience=600)


def test_what_waits_is_handed_over_though_its_program_has_ended(
    attendant: Attendant, run_python: Callable[..., Popen[str]]
) -> None:
    """Jobs go one after another, in a session of its own; another start finds the same process."""
    program = "from anybatch import Job, Session; "
    program += "jobs = [Job(['sh', '-c', 'echo x >>done'])] * 3; "
    program += "Session('local').submit(jobs, max_queued=1)"
    assert run_python(program).wait(60) == 0
    number = attendant.start()
    assert attendant.start() == number == Attendant().process
    assert os.getsid(number) != os.getsid(0)
    await_lines(3)
    await_that(lambda: not Session().runs())


def test_it_is_ended_on_request(attendant: Attendant) -> None:
    """Jobs go on, and its log tells what it did; without one there is nothing to end."""
    run = Session("local").submit(Job(UNTIL_GO))
    number = attendant.start()
    assert attendant.stop()
    assert attendant.process is None
    assert not attendant.stop()
    said = attendant.log.read_text().splitlines()
    assert [line.partition(f"process {number} ")[2] for line in said] == [
        "watches",
        "ends: told to",
    ]
    assert not run.finished
    Path("go").touch()
    assert run.wait(60)[0].done


def test_it_ends_by_itself_when_nothing_is_left(attendant: Attendant) -> None:
    """So nobody has to think of it."""
    child = os.fork()
    if child == 0:
        try:
            attendant.serve(idle=0.5)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert "nothing is left to do" in attendant.log.read_text()


def test_its_folder_is_private_and_its_log_stays_small(attendant: Attendant) -> None:
    """A log that has grown too long is kept once, and begun anew."""
    attendant._make_folders()
    attendant.log.write_text("x" * (LOG_LIMIT + 1))
    attendant._say("more")
    assert attendant.log.read_text().endswith("more\n")
    assert attendant.log.stat().st_size < 100
    assert attendant.log.with_suffix(".old").stat().st_size > LOG_LIMIT
    assert attendant.log.parent.stat().st_mode & 0o777 == 0o700


@contextlib.contextmanager
def serving(attendant: Attendant) -> Iterator[int]:
    """An attendant in a child of this process, which has half a second without runs."""
    child = os.fork()
    if child == 0:
        try:
            attendant.serve(idle=0.5)
        finally:
            os._exit(0)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


def lock_of(attendant: Attendant) -> Path:
    return attendant.log.with_name("lock")


def test_who_looks_whether_there_is_one_does_not_hinder_it(attendant: Attendant) -> None:
    """Looking takes the lock for a moment, and may take long on a busy machine."""
    attendant.log.parent.mkdir(parents=True)
    with lock_of(attendant).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        later = threading.Timer(0.5, fcntl.flock, (file, fcntl.LOCK_UN))
        later.start()
        with serving(attendant):
            await_that(lambda: attendant.log.exists() and "watches" in attendant.log.read_text())
        later.join()


def test_a_log_that_cannot_be_written_ends_nothing(attendant: Attendant) -> None:
    """As on a full disk: jobs are handed over all the same."""
    attendant.log.mkdir(parents=True)
    run = Session("local").submit([Job(["sh", "-c", "echo x >>done"])] * 2, max_queued=1)
    with serving(attendant):
        await_lines(2)
        assert run.wait(60)[1].done


def test_runs_that_are_away_are_waited_for(anybatch_home: Path) -> None:
    """A file system that is away for a while does not leave its runs without one who watches."""
    run = Session("local").submit(Job(UNTIL_GO))
    away = run.folder.with_name("away")
    run.folder.rename(away)
    said: list[str] = []
    looks = 0

    def go_on() -> bool:
        nonlocal looks
        looks += 1
        if looks == 5:
            away.rename(run.folder)
            Path("go").touch()
        return True

    watch(said.append, wanted=go_on, patience=600)
    assert looks > 5
    assert sum("is away" in one for one in said) == 1
    assert Session("local").attach(run.id).wait(60)[0].done


def test_an_index_that_cannot_be_read_is_waited_for(anybatch_home: Path) -> None:
    """It is said once; who has no patience is told at once."""
    run = Session("local").submit(Job(["true"]))
    folder = Index()._folder
    folder.chmod(0o777)
    with pytest.raises(FolderError, match="everybody can write"):
        watch(str)
    said: list[str] = []

    def go_on() -> bool:
        if said:
            folder.chmod(0o700)
        return True

    watch(said.append, wanted=go_on, patience=600)
    assert ["everybody can write" in one for one in said] == [True]
    assert Session("local").attach(run.id).finished


def test_a_process_that_is_no_attendant_is_not_ended(attendant: Attendant) -> None:
    """The lock may be held on another machine, or in another container, of the same name."""
    attendant.log.parent.mkdir(parents=True)
    with lock_of(attendant).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("1\n")
        file.flush()
        with pytest.raises(AnybatchError, match="another machine"):
            attendant.stop()
