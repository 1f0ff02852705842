"""HTCondor's words for where a job is and why it is held, and what they mean here."""

from __future__ import annotations

import pytest
from anybatch import Reason, State
from anybatch_htcondor import states
from anybatch_htcondor.states import hold_message, hold_reason
from hypothesis import given
from hypothesis import strategies as st

#: Codes that say what was exceeded; all others of the manual are just "held".
TELLING = {
    **dict.fromkeys([(46, 0), (47, 0), (46, None), (47, None)], Reason.TIME_LIMIT),
    **dict.fromkeys([(21, 102), (26, 102), (34, 102)], Reason.OUT_OF_MEMORY),
}


def test_the_queue_has_seven_numbers() -> None:
    """Each is a state; one alone is a verdict: what has ended and is not taken away."""
    assert {number: state for number, (state, _) in states.QUEUE_STATES.items()} == {
        **{1: State.QUEUED, 2: State.RUNNING, 3: State.RUNNING, 4: State.DONE},
        **{5: State.HELD, 6: State.RUNNING, 7: State.RUNNING},
    }
    named = (states.REMOVED, states.COMPLETED, states.HELD)
    assert [states.QUEUE_STATES[n][1] for n in named] == ["removing", "completed", "held"]


@pytest.mark.parametrize("table", [states.EVENT_STATES, states.TRANSFER_STATES])
def test_no_event_that_only_moves_a_job_is_a_verdict(table: dict[int, tuple[State, str]]) -> None:
    """Ends are told by two events alone, which are read apart."""
    assert not any(state.final for state, _ in table.values())
    ends = {states.TERMINATED, states.ABORTED}
    apart = {*ends, states.HOLD, states.IMAGE_SIZE, states.TRANSFER}
    assert apart.isdisjoint(states.EVENT_STATES)


@pytest.mark.parametrize("code", [None, *range(50)])
@pytest.mark.parametrize("subcode", [None, 0, 2, 102, 104])
def test_a_hold_tells_what_was_exceeded_or_just_that_it_is_one(
    code: int | None, subcode: int | None
) -> None:
    """Time by its code; memory by code and subcode: policies and machines share codes."""
    expected = TELLING.get((code, subcode), Reason.HELD)
    if code in (46, 47):
        expected = Reason.TIME_LIMIT
    assert hold_reason(code, subcode) is expected


@pytest.mark.parametrize(
    ("text", "code", "subcode", "message"),
    [
        ("no space", 13, 28, "no space (hold code 13, subcode 28)"),
        ("too big", 34, 102, "out of memory: too big (hold code 34, subcode 102)"),
        ("too big", 21, 104, "over disk: too big (hold code 21, subcode 104)"),
        ("too long", 47, 0, "over time: too long (hold code 47, subcode 0)"),
        (None, 46, None, "over time (hold code 46, subcode 0)"),
        ("", 1, 7, "(hold code 1, subcode 7)"),
        (None, None, None, "(hold code 0, subcode 0)"),
        ("somebody's 104", 3, 104, "somebody's 104 (hold code 3, subcode 104)"),
    ],
)
def test_a_hold_is_told_in_one_line(
    text: str | None, code: int | None, subcode: int | None, message: str
) -> None:
    """What was exceeded first, HTCondor's words, and the codes that its manual explains."""
    assert hold_message(text, code, subcode) == message


@given(st.none() | st.text(), st.none() | st.integers(), st.none() | st.integers())
def test_any_hold_has_a_message_and_a_reason(
    text: str | None, code: int | None, subcode: int | None
) -> None:
    """A code that HTCondor has not invented yet is no error."""
    assert f"hold code {code or 0}" in hold_message(text, code, subcode)
    assert hold_reason(code, subcode) in (Reason.HELD, Reason.TIME_LIMIT, Reason.OUT_OF_MEMORY)


def test_holds_that_somebody_wanted_are_no_failures() -> None:
    """No policy of ours removes or releases a job that a user holds or that is being spooled."""
    assert set(states.WANTED_HOLDS) == {1, 15, 16}
    assert set(states.WANTED_HOLDS).isdisjoint(states.TIME_HOLDS)
