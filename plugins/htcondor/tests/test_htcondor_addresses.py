"""Inputs that HTCondor fetches itself, from a web server of ours."""

from __future__ import annotations

import http.server
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, JobError, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anybatch import Session


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a folder with two files, which no worker sees."""
    folder = tmp_path / "web"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/a%b.txt").write_text("fetched\n")
    (folder / "b.txt").write_text("too\n")
    handler = partial(_Quiet, directory=str(folder))
    here = socket.gethostbyname(socket.gethostname())  # as workers see it
    with http.server.ThreadingHTTPServer((here, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{here}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_inputs_are_fetched_from_addresses(condor_away: Session, web: str) -> None:
    """Each job's own beside its files; one that is not there never becomes a success."""
    for name in ("own-0", "own-1"):
        (condor_away.folder / name).write_text(f"{name}\n")
    jobs = [
        Job(["cat", "a%25b.txt", "own-0"], inputs=[f"{web}/deep/a%25b.txt", "own-0"]),
        Job(["cat", "b.txt", "own-1"], inputs=["own-1", f"{web}/b.txt"]),
        Job(["cat", "b.txt"], inputs=[f"{web}/b.txt"]),
        Job(["cat"], inputs=[f"{web}/gone.txt"], settings={"htcondor": {"on_held": "fail"}}),
    ]
    outcomes = condor_away.submit(jobs).wait(240)
    assert [outcome.state for outcome in outcomes] == [State.DONE] * 3 + [State.FAILED]
    texts = [outcome.stdout.read_text() for outcome in outcomes[:3] if outcome.stdout]
    assert texts == ["fetched\nown-0\n", "too\nown-1\n", "too\n"]


def test_where_folders_are_shared_nothing_is_fetched(condor: Session) -> None:
    """HTCondor moves no files then, and the error says so before submission."""
    with pytest.raises(JobError, match=r"htcondor does not fetch .*fetches none for these jobs"):
        condor.plan(Job(["true"], inputs=["http://localhost/x"]))
