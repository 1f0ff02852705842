"""Watching in the background: jobs are handed over though no program waits for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Session
from anybatch.attendant import LOG_LIMIT, Attendant
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
    await_that(lambda: Path("done").exists() and Path("done").read_text() == "x\n" * 3)
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
    attendant.log.write_text("x" * (LOG_LIMIT + 1))
    attendant._say("more")
    assert attendant.log.read_text().endswith("more\n")
    assert attendant.log.stat().st_size < 100
    assert attendant.log.with_suffix(".old").stat().st_size > LOG_LIMIT
    assert attendant.log.parent.stat().st_mode & 0o777 == 0o700
