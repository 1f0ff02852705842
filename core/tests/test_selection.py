"""Texts that choose runs and jobs."""

from __future__ import annotations

import pytest
from anybatch.errors import UsageError
from anybatch.model import State
from anybatch.selection import Having, InState, Numbers, Selection, read_selection
from hypothesis import given
from hypothesis import strategies as st

NUMBER = st.integers(0, 10**18 - 1)
PARTS = st.one_of(
    st.tuples(NUMBER, NUMBER).map(lambda two: Numbers(min(two), max(two))),
    st.sampled_from(State).map(InState),
    st.builds(
        Having,
        name=st.from_regex(r"[A-Za-z][A-Za-z0-9._-]*", fullmatch=True),
        value=st.text(st.characters(blacklist_characters=",")),
    ),
)
WORD = st.text(st.characters(blacklist_characters="/:")).filter(lambda text: text not in ".")
FOLDER = st.sampled_from(["/a/b", "./a:b/c", "../x", "/a:b:c/20260102-120000-aaaaaa", "/:/x"])


@given(WORD | FOLDER, st.lists(PARTS).map(tuple))
def test_what_is_written_is_read(run: str, parts: tuple[Numbers | InState | Having, ...]) -> None:
    """Every selection has a text, which is read as the same again."""
    selection = Selection(run, parts)
    assert read_selection(str(selection)) == selection


@given(st.text() | st.text("ab:/.,-=@0123"))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a usage error is raised, and what is read keeps its whole text."""
    try:
        selection = read_selection(text)
    except UsageError:
        return
    assert text.startswith(selection.run)
    assert bool(selection.parts) == (text != selection.run)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("run:", r"invalid jobs '' in 'run:': expected RUN, RUN:3, RUN:1-3,7, RUN:failed"),
        ("run:fialed", "did you mean 'failed'"),
        ("run:7-3", "7-3 ends before it begins"),
        ("run:-1", "invalid jobs '-1'"),
        ("run:1,", "invalid jobs ''"),
        ("run: 1", "invalid jobs ' 1'"),
        ("run:1:2", "invalid jobs '1:2'"),
        ("run:1.0", "invalid jobs '1.0'"),
        ("run:٣", "invalid jobs"),
        ("run:" + "9" * 5000, "invalid jobs"),
        ("/folder:x", "invalid jobs 'x'"),
    ],
)
def test_what_is_no_selection(text: str, problem: str) -> None:
    """It is told what is wrong, and what is expected."""
    with pytest.raises(UsageError, match=problem):
        read_selection(text)


def test_a_selection_is_a_text() -> None:
    """Other types are refused with what is expected."""
    with pytest.raises(UsageError, match="named by a text"):
        read_selection(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ("3", [3]),
        ("007", [7]),
        ("1-3,7,2", [1, 2, 3, 7]),
        ("failed", [4, 9]),
        ("failed,lost,0", [0, 4, 9]),
        ("seed=5", [5]),
        ("seed=", []),
        ("seed=5,done,4", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("8-999999999999999999", [8, 9]),
        ("a=b=c", [2]),
    ],
)
def test_jobs_are_chosen(jobs: str, expected: list[int]) -> None:
    """A job is chosen once, if any part fits it."""
    states = [State.FAILED if n in (4, 9) else State.DONE for n in range(10)]
    tables = [{"seed": str(n), "a": "b=c" if n == 2 else "b"} for n in range(10)]
    selection = read_selection(f"run:{jobs}")
    assert selection.choose(10, states.__getitem__, tables.__getitem__) == expected


def test_numbers_that_a_run_does_not_have() -> None:
    """The first of each part is told."""
    assert list(read_selection("run:1-12,3,99,failed").numbers_beyond(10)) == [10, 99]
