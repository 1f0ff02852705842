"""Jobs that are run again in a real pool: by themselves, elsewhere, with more, and on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Reason, Resources, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

pytestmark = pytest.mark.usefixtures("pool")

PATIENCE = 180
#: Job 0 checkpoints once; job 1 fails at first, and job 2 until it is run again on request.
SCRIPT = """
case $ANYBATCH_INDEX.$ANYBATCH_ATTEMPT in
0.0) true >"$ANYBATCH_REQUEUE" ;;
1.0 | 2.0 | 2.1) exit 75 ;;
esac
"""


def test_jobs_are_run_again(new_session: Callable[..., Session]) -> None:
    """On the other machine, if the first is to be avoided; files travel each time."""
    retry = {"exit_code": {"times": 1, "codes": [75], "avoid_host": True}}
    resources = Resources(memory="50 MB")
    job = Job(["sh", "-c", SCRIPT], checkpoint=True, retry=retry, resources=resources)
    run = new_session("htcondor").submit([job] * 3)
    assert [one.state for one in run.wait(PATIENCE)] == [State.DONE, State.DONE, State.FAILED]
    assert [one.reason for one in run.attempts(0)] == [Reason.CHECKPOINTED, None]
    assert [one.exit_code for one in run.attempts(2)] == [75, 75]
    for index in (1, 2):
        assert len({one.host for one in run.attempts(index)}) == 2
    assert run.rerun(resources={"memory": "60 MB"}) == 1
    assert [one.state for one in run.wait(PATIENCE)] == [State.DONE] * 3
    assert run.submissions[-1].resources.memory == 60_000_000
    assert [one.attempt for one in run.jobs] == [1, 1, 2]
