"""Containers of the pool itself, on a real pool: `htcondor.container = "native"`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Reason, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

PATIENCE = 180
IMAGES = Path(os.environ.get("ANYBATCH_ENGINE_DIR", "/var/tmp/anybatch-engines")) / "images"


@pytest.fixture
def contained(pool: None, new_session: Callable[..., Session]) -> Session:
    """A session whose jobs the pool runs in containers."""
    return new_session("htcondor", settings={"htcondor": {"container": "native"}})


def test_the_pool_runs_a_job_in_its_container(contained: Session) -> None:
    """The command sees the image; environment, files and exit code are as without it."""
    Path("in.txt").write_text("carried\n")
    job = Job(
        ["sh", "-c", 'cat in.txt; readlink /bin/sh; echo "$MINE $SET"; cp in.txt out.txt; exit 5'],
        container=str(IMAGES / "busybox.sif"),
        inputs="in.txt",
        env={"MINE": "mine"},
        setup="SET=$MINE-too; export SET",
    )
    [outcome] = contained.submit(job).wait(PATIENCE)
    assert outcome.stdout
    assert outcome.stdout.read_text() == "carried\nbusybox\nmine mine-too\n"
    assert (outcome.state, outcome.exit_code) == (State.FAILED, 5)


def test_nothing_of_the_login_node_is_set_in_an_image(
    contained: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image's own PATH holds, and its libraries."""
    for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH"):
        monkeypatch.setenv(name, f"{os.environ.get(name, '')}:/of/the/login/node")
    script = 'echo "$PATH $LD_LIBRARY_PATH $PYTHONPATH"'
    job = Job(["/bin/sh", "-c", script], container=str(IMAGES / "busybox.sif"))
    [outcome] = contained.submit(job).wait(PATIENCE)
    assert outcome.done, outcome
    assert outcome.stdout
    assert outcome.stdout.read_text().startswith("/")
    assert "login" not in outcome.stdout.read_text()


def test_an_image_on_a_shared_file_system_stays_there(
    shared: None, new_session: Callable[..., Session]
) -> None:
    """The job sees its working folder, and HTCondor takes no image along."""
    session = new_session("htcondor", settings={"htcondor": {"container": "native"}})
    job = Job(["sh", "-c", "pwd; readlink /bin/sh"], container=str(IMAGES / "busybox.sif"))
    [outcome] = session.submit(job).wait(PATIENCE)
    assert outcome.done, outcome
    assert outcome.stdout
    assert outcome.stdout.read_text() == f"{Path.cwd()}\nbusybox\n"


def test_an_image_that_is_not_there_is_shown(contained: Session) -> None:
    """HTCondor holds the job, and says why."""
    settings = {"htcondor": {"on_held": "fail"}}
    job = Job(["true"], container="/nowhere/image.sif", settings=settings)
    [outcome] = contained.submit(job).wait(PATIENCE)
    assert (outcome.state, outcome.reason) in (
        (State.FAILED, Reason.HELD),
        (State.FAILED, Reason.REJECTED),
    )
    assert outcome.message
