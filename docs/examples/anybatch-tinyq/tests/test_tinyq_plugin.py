"""Which command is run when, and what its failure means. No tinyq is needed."""

from __future__ import annotations

import pytest
from anybatch import Resources, UsageError
from anybatch.errors import CommandFailed, Rejected
from anybatch.host import Completed
from anybatch.records import Batch
from anybatch.testing import ScriptedHost, submission
from anybatch_tinyq.plugin import TinyQ
from anybatch_tinyq.render import render


def batch(*ids: str) -> Batch:
    """Jobs of one submission."""
    return Batch(submission=submission("tinyq", count=len(ids)), ids=ids)


def test_a_job_carries_its_token() -> None:
    """The token comes first in the job's name, so that the job can be found again."""
    one = submission("tinyq", count=2, name="fit it")
    host = ScriptedHost(("tinyq submit", Completed(0, "7\n")))
    assert TinyQ(host).anybatch_submit(one, render(one)) == ["7.1", "7.2"]
    assert host.ran[0].argv[-3:-1] == (f"{one.token} fit it", "2")


def test_what_a_job_needs_is_said_or_refused() -> None:
    """It is told cores for all of a job's tasks, and whole MB."""
    needs = Resources(tasks=2, cores=3, memory="1 GB", queue="main")
    words = render(submission("tinyq", resources=needs, settings={"hold": True})).command.argv
    assert words[5:12] == ("-c", "6", "-m", "954", "-q", "main", "-H")
    with pytest.raises(UsageError, match="GPUs"):
        render(submission("tinyq", resources=Resources(gpus=1)))


def test_a_refusal_is_told_from_what_may_pass() -> None:
    """The first is final; what the second has done is not known."""
    for stderr, expected in (
        ("tinyq: there is no queue 'shrot'\n", Rejected),
        ("tinyq: out of order\n", CommandFailed),
    ):
        one = submission("tinyq")
        host = ScriptedHost(("tinyq submit", Completed(1, stderr=stderr)))
        with pytest.raises(expected, match=stderr.strip()):
            TinyQ(host).anybatch_submit(one, render(one))


def test_many_tasks_cost_one_command() -> None:
    """Each job is asked about once, whatever submission it is of; unknown ones once more."""
    listed = Completed(0, "7.1|RUNNING||1|2||ab-1 fit\n7.2|ENDED|0|1|2|3|ab-1 fit\n")
    host = ScriptedHost(("tinyq list 7 9", listed), ("tinyq past 9", Completed(0)))
    known, others = TinyQ(host).anybatch_status([batch("7.1", "7.2"), batch("9.1")])
    assert set(known) == {"7.1", "7.2"}
    assert "9.1" not in others
    assert host.steps == []


def test_not_being_able_to_ask_is_not_an_answer() -> None:
    """The error is passed on, and no job's state changes."""
    host = ScriptedHost(("tinyq list 7", Completed(1, stderr="tinyq: out of order\n")))
    with pytest.raises(CommandFailed, match="out of order"):
        TinyQ(host).anybatch_status([batch("7.1")])
