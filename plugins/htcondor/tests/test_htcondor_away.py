"""Jobs on a real machine that shares no folder with the submitter: HTCondor moves the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Reason, Resources
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


def test_what_a_pack_had_done_at_its_time_limit_comes_back(condor_away: Session) -> None:
    """It stops before HTCondor would hold it and give nothing back; the rest is told apart."""
    hang = 'echo "$ANYBATCH_INDEX" >out; test "$ANYBATCH_INDEX" != 1 || exec sleep 600'
    job = Job(
        ["sh", "-c", hang],
        outputs=["out"],
        output_dir="results/{index}",
        resources=Resources(time="10s"),
    )
    first, second, third = condor_away.submit([job] * 3, pack=3).wait(PATIENCE)
    assert first.done
    assert Path("results/0/out").read_text() == "0\n"
    assert [second.reason, third.reason] == [Reason.TIME_LIMIT] * 2
    assert "shortly before its time limit" in str(second.message)
    assert "it had not begun" in str(third.message)
