"""Jobs on a real machine that shares no folder with the submitter: HTCondor moves the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Reason
from anybatch.testing import TransferContract, await_that

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

PATIENCE = 180


@pytest.mark.usefixtures("away")
class TestHTCondorAway(TransferContract):
    """What every batch system must do that moves files, HTCondor does."""

    system = "htcondor"


def test_jobs_with_files_of_their_own_are_one_submission(condor_away: Session) -> None:
    """They run in scratch folders of the machine that has none of ours."""
    jobs = []
    for number in range(3):
        Path(f"own-{number}.txt").write_text(f"own {number}\n")
        jobs.append(
            Job(
                ["sh", "-c", "cat own-*; hostname; pwd >&2; touch out"],
                inputs=[f"own-{number}.txt"],
                outputs=["out"],
                output_dir="results/{index}",
                stdout="printed/{index}.txt",
            )
        )
    outcomes = condor_away.submit(jobs).wait(PATIENCE)
    for number, outcome in enumerate(outcomes):
        assert outcome.done
        assert outcome.host == "worker"
        assert outcome.stdout
        assert outcome.stdout.read_text() == f"own {number}\nworker\n"
        assert outcome.stderr
        assert "/execute/" in outcome.stderr.read_text()
    assert condor_away.host.commands["condor_submit"] == 1


def test_a_missing_output_holds_no_job(condor_away: Session, tool: Callable[..., str]) -> None:
    """What HTCondor itself would miss, it would hold the job for."""
    [outcome] = condor_away.submit(Job(["true"], outputs=["*.root"])).wait(PATIENCE)
    assert outcome.reason is Reason.STAGE_OUT
    assert outcome.id
    native = outcome.id.native_id
    # The event log tells of the end a moment before the job leaves the queue.
    await_that(lambda: tool("condor_q", native, "-af", "JobStatus") == "")
