"""LSF's words and what they mean."""

from __future__ import annotations

import pytest
from anybatch import Reason, State
from anybatch_lsf.states import DOUBTFUL, REQUEUED, STATES, TERMINATIONS
from lsfsim.jobs import TERMINATIONS as SIMULATED

MANUAL = (
    *("PEND", "PROV", "PSUSP", "RUN", "USUSP", "SSUSP", "DONE", "EXIT", "UNKWN", "WAIT", "ZOMBI"),
    *("POST_DONE", "POST_ERR"),
)


def test_every_word_of_the_manual_has_a_state() -> None:
    """About job states; of LSF 10.1."""
    assert set(STATES) == set(MANUAL)
    assert set(DOUBTFUL) <= set(STATES)


@pytest.mark.parametrize("word", ["UNKWN", "ZOMBI", "SSUSP", "USUSP", "WAIT", "PROV", "PSUSP"])
def test_what_is_no_end_is_no_end(word: str) -> None:
    """A machine that does not answer may well go on with the job."""
    assert not STATES[word].final


def test_a_reason_goes_with_a_state() -> None:
    """What a person has ended is terminated, what a limit has ended has failed."""
    assert set(SIMULATED) <= {*TERMINATIONS, *REQUEUED}
    assert not REQUEUED & set(TERMINATIONS)
    for word, (state, reason) in TERMINATIONS.items():
        assert word.startswith("TERM_")
        assert state in (State.TERMINATED, State.FAILED)
        assert reason is not Reason.TERMINATED
    assert TERMINATIONS["TERM_MEMLIMIT"] == (State.FAILED, Reason.OUT_OF_MEMORY)
    assert TERMINATIONS["TERM_RUNLIMIT"] == (State.FAILED, Reason.TIME_LIMIT)
    assert TERMINATIONS["TERM_OWNER"] == TERMINATIONS["TERM_ADMIN"] == (State.TERMINATED, None)
