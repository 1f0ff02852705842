"""Which command is run when, and what its failure means: no tinyq is needed."""

from __future__ import annotations

import pytest
from anybatch.errors import CommandFailed
from anybatch.host import Completed
from anybatch.testing import ScriptedHost
from anybatch_tinyq import plugin


def test_many_tasks_cost_one_command() -> None:
    """Each job is asked for once."""
    listed = Completed(0, "7.1|RUNNING||ab-1 fit\n7.2|ENDED|0|ab-1 fit\n")
    host = ScriptedHost(("tinyq list 7 9", listed))
    assert set(plugin.anybatch_status(["7.1", "7.2", "9.1"], host)) == {"7.1", "7.2"}
    assert host.steps == []


def test_not_being_able_to_ask_is_not_an_answer() -> None:
    """No job's state changes then."""
    host = ScriptedHost(("tinyq list 7", Completed(1, stderr="tinyq: out of order\n")))
    with pytest.raises(CommandFailed, match="out of order"):
        plugin.anybatch_status(["7.1"], host)
