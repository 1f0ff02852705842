"""What tinyq prints, and what is read from it."""

from __future__ import annotations

import pytest
from anybatch import State
from anybatch_tinyq.parse import statuses


@pytest.mark.parametrize(
    ("line", "state", "exit_code"),
    [
        ("7.1|WAITING||ab-1 fit", State.QUEUED, None),
        ("7.1|RUNNING||ab-1 fit", State.RUNNING, None),
        ("7.1|ENDED|0|ab-1 fit", State.DONE, 0),
        ("7.1|ENDED|3|ab-1 a|b", State.FAILED, 3),
        ("7.1|STOPPED|143|ab-1 fit", State.TERMINATED, 143),
        ("7.1|NEWWORD||ab-1 fit", State.RUNNING, None),
    ],
)
def test_every_word_has_its_state(line: str, state: State, exit_code: int | None) -> None:
    """An unknown word never ends a job."""
    status = statuses(line)["7.1"]
    assert (status.state, status.exit_code) == (state, exit_code)


def test_what_cannot_be_read_is_left_out() -> None:
    """A banner or half a line is not a verdict."""
    assert statuses("Welcome to tinyq!\n7.1|RUN\n") == {}
