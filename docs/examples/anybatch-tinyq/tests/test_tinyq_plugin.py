"""Which command is run when, and what its failure means. No tinyq is needed."""

from __future__ import annotations

import pytest
from anybatch.errors import CommandFailed
from anybatch.host import Completed
from anybatch.records import Batch
from anybatch.testing import ScriptedHost, submission
from anybatch_tinyq.plugin import TinyQ


def batch(*ids: str) -> Batch:
    """Jobs of one submission."""
    return Batch(submission=submission("tinyq", count=len(ids)), ids=ids)


def test_a_job_carries_its_token() -> None:
    """The token comes first in the job's name, so that the job can be found again."""
    one = submission("tinyq", count=2, name="fit it")
    host = ScriptedHost(("tinyq submit", Completed(0, "7\n")))
    tinyq = TinyQ(host)
    assert tinyq.anybatch_submit(one, tinyq.anybatch_render(one)) == ["7.1", "7.2"]
    assert host.ran[0].argv[2:4] == (f"{one.token} fit it", "2")


def test_many_tasks_cost_one_command() -> None:
    """Each job is asked about once, whatever submission it is of."""
    listed = Completed(0, "7.1|RUNNING||ab-1 fit\n7.2|ENDED|0|ab-1 fit\n")
    host = ScriptedHost(("tinyq list 7 9", listed))
    known, others = TinyQ(host).anybatch_status([batch("7.1", "7.2"), batch("9.1")])
    assert set(known) == {"7.1", "7.2"}
    assert "9.1" not in others
    assert host.steps == []


def test_not_being_able_to_ask_is_not_an_answer() -> None:
    """The error is passed on, and no job's state changes."""
    host = ScriptedHost(("tinyq list 7", Completed(1, stderr="tinyq: out of order\n")))
    with pytest.raises(CommandFailed, match="out of order"):
        TinyQ(host).anybatch_status([batch("7.1")])
