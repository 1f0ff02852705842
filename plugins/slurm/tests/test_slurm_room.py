"""A real limit on the jobs that a user may have at once: what does not fit waits for room."""

from __future__ import annotations

import getpass
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, State

from .conftest import AS_ROOT, CLUSTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch import Session

pytestmark = [
    pytest.mark.parametrize("slurm_cluster", ["accounting"], indirect=True),
    pytest.mark.skipif("accounting" not in CLUSTERS, reason="limits need accounting"),
]

PATIENCE = 180
NAME = "anybatch_few"  #: of a quality of service
WAIT_FOR_GO = ["sh", "-c", "until test -e go; do sleep 0.1; done; exit $ANYBATCH_INDEX"]


def sacctmgr(*words: str) -> None:
    """As an administrator would; what is there already, or is gone, stays so."""
    subprocess.run([*AS_ROOT, "sacctmgr", "--immediate", *words], capture_output=True, check=False)


@pytest.fixture
def few(slurm: Session, tool: Callable[..., str]) -> Iterator[Session]:
    """A session under a limit of six jobs for each user."""
    enforced = re.search("AccountingStorageEnforce.*limits", tool("scontrol", "show", "config"))
    assert enforced, "stop and start the cluster: it keeps no limits"
    user = getpass.getuser()
    sacctmgr("add", "qos", NAME, "MaxSubmitJobsPerUser=6")
    sacctmgr("modify", "user", user, "set", f"qos+={NAME}")
    yield slurm
    sacctmgr("modify", "user", user, "set", f"qos-={NAME}")
    sacctmgr("delete", "qos", NAME)


def test_jobs_wait_for_room_in_a_qos(few: Session, new_session: Callable[..., Session]) -> None:
    """Nine jobs where six are allowed: all run, in few commands, and who asks is told why."""
    run = few.submit([Job(WAIT_FOR_GO, settings={"slurm": {"qos": NAME}})] * 9)
    waiting = [job for job in run.jobs if job.state is State.NEW]
    assert len(waiting) >= 3
    told = new_session("slurm").attach(run.id).jobs[8].message
    assert told is not None
    assert told.startswith("not submitted yet: ")
    assert "QOSMaxSubmitJobPerUserLimit" in told
    assert "more are handed over when some have ended" in told
    assert few.host.commands["sbatch"] <= 4, "they are found by halves"
    Path("go").touch()
    outcomes = run.wait(PATIENCE)
    assert [outcome.exit_code for outcome in outcomes] == list(range(9))
