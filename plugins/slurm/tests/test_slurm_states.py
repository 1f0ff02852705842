"""Slurm's words for where a job is, and what they mean here."""

from __future__ import annotations

import pytest
from anybatch import Reason, State
from anybatch_slurm.states import HELD_REASONS, STATES, read_state
from hypothesis import given
from hypothesis import strategies as st

BASE = (
    *("PENDING", "RUNNING", "SUSPENDED", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT"),
    *("NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY"),
)
FLAGS = (
    *("COMPLETING", "CONFIGURING", "RESIZING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"),
    *("SPECIAL_EXIT", "RESV_DEL_HOLD", "SIGNALING", "STAGE_OUT", "STOPPED", "REVOKED"),
    *("LAUNCH_FAILED", "RECONFIG_FAIL", "POWER_UP_NODE", "UPDATE_DB", "EXPEDITING"),
)
#: What a job is called that has ended and will not be run again.
ENDED = {
    "COMPLETED": (State.DONE, None),
    "CANCELLED": (State.TERMINATED, None),
    "FAILED": (State.FAILED, None),
    "BOOT_FAIL": (State.FAILED, Reason.NODE_FAILURE),
    "NODE_FAIL": (State.FAILED, Reason.NODE_FAILURE),
    "DEADLINE": (State.FAILED, Reason.TIME_LIMIT),
    "TIMEOUT": (State.FAILED, Reason.TIME_LIMIT),
    "OUT_OF_MEMORY": (State.FAILED, Reason.OUT_OF_MEMORY),
    "PREEMPTED": (State.FAILED, Reason.PREEMPTED),
}
WAITING = {
    *("PENDING", "REQUEUED", "REQUEUE_FED", "LAUNCH_FAILED", "RECONFIG_FAIL"),
    *("POWER_UP_NODE", "EXPEDITING"),
}
STUCK = {"REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}


def test_the_table_holds_every_word_of_the_manual_and_no_other() -> None:
    """20.11 to 26.05 know these words."""
    assert sorted(STATES) == sorted(BASE + FLAGS)


@pytest.mark.parametrize("word", BASE + FLAGS)
def test_a_word_is_a_verdict_only_where_the_job_has_ended(word: str) -> None:
    """A job that is requeued, held, stopped or started by another cluster has not ended."""
    state, reason, plain = read_state(word)
    assert plain == word
    if word in ENDED:
        assert (state, reason) == ENDED[word]
        assert state.final
    else:
        expected = State.HELD if word in STUCK else State.RUNNING
        expected = State.QUEUED if word in WAITING else expected
        assert (state, reason) == (expected, None)


@pytest.mark.parametrize("word", [word for word in BASE + FLAGS if len(word) > 10])
def test_a_word_cut_to_ten_columns_is_the_same_word(word: str) -> None:
    """Without --parsable2 sacct prints `OUT_OF_ME+`."""
    assert read_state(word[:9] + "+") == read_state(word)


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("CANCELLED by 1000", "CANCELLED"),
        ("CANCELLED by 0", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        ("OUT_OF_ME+", "OUT_OF_MEMORY"),
        ("NODE_FAIL+", "NODE_FAIL"),
    ],
)
def test_what_sacct_adds_to_a_word_is_dropped(word: str, plain: str) -> None:
    """Who cancelled a job, and the sign that a word was cut, are not part of the word."""
    assert read_state(word) == read_state(plain)


@pytest.mark.parametrize("word", ["+", "C+", "RE+", "REQUEUE+", "", " ", "by 1000", "QUANTUM"])
def test_a_word_that_may_be_several_or_none_is_no_verdict(word: str) -> None:
    """It is kept as it is, and the job counts as running."""
    state, reason, _ = read_state(word)
    assert (state, reason) == (State.RUNNING, None)


@given(st.text())
def test_any_word_has_a_state(word: str) -> None:
    """What Slurm has not invented yet is no error, and no verdict unless it is a known word."""
    state, _, plain = read_state(word)
    assert plain in ENDED or not state.final
    assert not plain.endswith("+")


def test_reasons_to_be_held_are_written_both_ways() -> None:
    """Where squeue writes blanks, scontrol writes underscores."""
    blank = {reason for reason in HELD_REASONS if " " in reason}
    assert blank
    assert {reason.replace(" ", "_") for reason in blank} <= HELD_REASONS
