"""What tinyq prints, and what is read from it."""

from __future__ import annotations

import pytest
from anybatch import State
from anybatch_tinyq.parse import statuses


@pytest.mark.parametrize(
    ("line", "state", "exit_code"),
    [
        ("7.1|WAITING||1790000000|||ab-1 fit", State.QUEUED, None),
        ("7.1|HELD||1790000000|||ab-1 fit", State.HELD, None),
        ("7.1|RUNNING||1790000000|1790000001||ab-1 fit", State.RUNNING, None),
        ("7.1|ENDED|0|1790000000|1790000001|1790000002|ab-1 fit", State.DONE, 0),
        ("7.1|ENDED|3|1790000000|1790000001|1790000002|ab-1 a|b", State.FAILED, 3),
        ("7.1|STOPPED|143|1790000000|1790000001|1790000002|ab-1 fit", State.TERMINATED, 143),
        ("7.1|NEWWORD||1790000000|||ab-1 fit", State.RUNNING, None),
    ],
)
def test_every_word_has_its_state(line: str, state: State, exit_code: int | None) -> None:
    """An unknown word never ends a job."""
    status = statuses(line)["7.1"]
    assert (status.state, status.exit_code) == (state, exit_code)


def test_a_task_that_was_stopped_while_it_waited_never_started() -> None:
    """Anybatch then believes its end only if the job has left no trace."""
    assert statuses("7.1|STOPPED||1790000000||1790000002|ab-1 fit")["7.1"].never_started


def test_what_cannot_be_read_is_left_out() -> None:
    """A banner or half a line is not a verdict."""
    assert statuses("Welcome to tinyq!\n7.1|RUN\n") == {}
