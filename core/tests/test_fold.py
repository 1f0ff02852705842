"""The fold over several writers' journals: whatever order they are read in, it is one state."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.model import Job, Reason, State
from anybatch.planning.plan import RunLimit
from anybatch.ranges import write_ranges
from anybatch.runs.entries import Phase
from anybatch.runs.journal import Journal
from anybatch.runs.moments import Moment
from anybatch.runs.state import RunState
from hypothesis import given
from hypothesis import strategies as st

from .test_runstate import SLACK, content, new_state
from .toy import Clock, local_host, said

if TYPE_CHECKING:
    from collections.abc import Sequence

JOBS = 4


def reader(state: RunState, name: str = "reader") -> RunState:
    return RunState(state.file, Journal(state.folder, name, local_host()), state._restore_types)


def again(state: RunState, s: int) -> None:
    """Run the jobs of a submission again, as the holder of the right to submit does."""
    state.catch_up()
    planned = state.submissions[s].planned
    jobs = [state.jobs[index] for index in planned.indices]
    if any(job.state.final or job.terminated or job.submission != s for job in jobs):
        return
    retry(state, s)


def part(state: RunState, s: int) -> None:
    """Set the first job of a submission apart, as the holder of the right to submit does."""
    state.catch_up()
    one = state.submissions[s]
    left = state.left(one)
    if one.phase is Phase.WAITING and len(left) > 1:
        number = len(state.submissions)
        token = f"ab-{state.id}-{number}"
        submission = attrs.evolve(one.planned.submission, number=number, token=token, count=1)
        part_of = attrs.evolve(one.planned, submission=submission, indices=tuple(left[:1]))
        state.record_part(s, part_of)


def retry(state: RunState, s: int) -> None:
    planned, number = state.submissions[s].planned, len(state.submissions)
    submission = attrs.evolve(planned.submission, number=number, token=f"ab-{state.id}-{number}")
    state.record_retry(
        attrs.evolve(planned, submission=submission, waits=(), attempt=planned.attempt + 1)
    )


def rerun(state: RunState, index: int) -> None:
    """Run a job again that has ended, as the holder of the right to submit does."""
    state.catch_up()
    job = state.jobs[index]
    if not job.state.final:
        return
    planned, number = state.submissions[job.submission].planned, len(state.submissions)
    submission = attrs.evolve(
        planned.submission,
        number=number,
        token=f"ab-{state.id}-{number}",
        count=1,
        transfer_sets=(),
    )
    attempt = job.attempt + 1
    state.record_rerun(
        [attrs.evolve(planned, submission=submission, indices=(index,), attempt=attempt)]
    )


def play(state: RunState, kind: str, s: int, index: int, now: State) -> None:
    """Write an event as a process would that knows no more than it has read."""
    s %= len(state.submissions)
    one, job = state.submissions[s], state.jobs[index]
    if kind == "retry":
        again(state, s)
    elif kind == "rerun":
        rerun(state, index)
    elif kind == "submitting":
        state.record(kind, s=s, n=one.tries + 1, host="here", lasts=1.0)
    elif kind == "not_found":
        state.record(kind, s=s, n=one.tries)
    elif kind == "unfound":
        state.record(kind, s=s, n=one.tries, at=Moment(float(index), "", 0.0).plain())
    elif kind == "failed":
        state.record(kind, s=s, n=one.tries, text=f"no {index}")
    elif kind == "submitted":
        state.record(kind, s=s, ids=[f"{s}.{index}" for index in one.planned.indices])
    elif kind == "state":
        state.record_states([(job, said(State.RUNNING if now.final else now, str(now)))])
    elif kind == "sign":
        state.record_signs([job], "missing" if now.final else None, Moment(index, "b", index))
    elif kind == "terminate":
        state.record(kind, jobs=write_ranges([index]))
    elif kind == "part":
        part(state, s)
    elif kind == "limit":
        state.record_limit(RunLimit(max_running=index + 1))
    elif kind == "throttle":
        state.record(kind, s=s, n=one.tries, most=index + 1)
    elif now.final:
        reason = None if now is State.DONE else Reason.SIGNAL
        state.record_ended([state.outcome(job, now, reason)])


STEPS = st.tuples(
    st.integers(0, 2),  # who
    st.booleans(),  # whether it reads what others wrote first
    st.sampled_from(
        [
            *("submitting", "submitted", "not_found", "unfound", "failed", "state", "state"),
            *("sign", "terminate", "ended", "retry", "retry", "rerun"),
            *("part", "limit", "throttle"),
        ]
    ),
    st.integers(0, 5),
    st.integers(0, JOBS - 1),
    st.sampled_from([state for state in State if state is not State.NEW]),
)


@SLACK
@given(
    steps=st.lists(STEPS, max_size=20),
    offsets=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    data=st.data(),
)
def test_every_order_of_reading_gives_one_state(
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[Any, ...]],
    offsets: list[float],
    data: st.DataObject,
) -> None:
    """Three hosts write, whose clocks differ; their files are read in any order, in any pieces."""
    clock = Clock()
    monkeypatch.setattr("anybatch.runs.state.time", clock)
    first = new_state(Path(tempfile.mkdtemp(dir=isolated)), *[Job(["true"], retry=3)] * JOBS)
    writers = [reader(first, f"w{number}") for number in range(3)]
    for who, reads, *event in steps:
        clock.now = 1e9 + offsets[who]
        if reads:
            writers[who].catch_up()
        play(writers[who], *event)
    for one in writers:
        one.catch_up()
    expected = content(reader_of(writers[0], writers[0].folder))
    files = [events_of(writers[0], f"w{number}") for number in range(3)]
    fold = reader(first)
    for event in interleaved(files, data):
        fold.apply(event)
    assert content(fold) == expected
    assert [content(one) for one in writers] == [expected] * 3


def reader_of(state: RunState, folder: Path) -> RunState:
    made = reader(state)
    made.catch_up()
    return made


def events_of(state: RunState, writer: str) -> list[dict[str, Any]]:
    events = Journal(state.folder, "nobody", local_host()).read()
    return [event for event in events if event["w"] == writer]


def interleaved(files: Sequence[list[Any]], data: st.DataObject) -> list[Any]:
    """All events, those of each file in order."""
    left = [list(file) for file in files]
    found = []
    while any(left):
        found.append(data.draw(st.sampled_from([file for file in left if file])).pop(0))
    return found


@pytest.fixture
def state(isolated: Path) -> RunState:
    return new_state(isolated, *[Job(["true"], retry=2) for _ in range(2)])


@pytest.mark.parametrize("back", [-3600.0, 3600.0])
def test_a_clock_that_is_set_between_failure_and_retry(
    state: RunState, monkeypatch: pytest.MonkeyPatch, back: float
) -> None:
    """A verdict for attempt 0 beats no retry, whatever the clock said when each was written."""
    clock = Clock()
    monkeypatch.setattr("anybatch.runs.state.time", clock)
    other = reader(state, "other")
    other.record_ended([other.outcome(other.jobs[0], State.FAILED, Reason.SIGNAL)])
    clock.now += back
    retry(state, 0)
    state.record("submitting", s=1, n=1, host="here", lasts=0.0)
    state.record("submitted", s=1, ids=["7.1", "7.2"])
    for one in (state, reader_of(state, state.folder)):
        one.catch_up()
        assert [(job.state, job.attempt, job.native_id) for job in one.jobs] == [
            (State.QUEUED, 1, "7.1"),
            (State.QUEUED, 1, "7.2"),
        ]
        assert one.unfinished == 2


def test_a_wish_for_the_end_holds_for_an_attempt_that_it_did_not_know_of(state: RunState) -> None:
    """Who stops a job while another process runs it again has stopped it."""
    other = reader(state, "other")
    again(state, 0)
    other.record("terminate", jobs="0-1")
    state.catch_up()
    assert [(job.attempt, job.terminated) for job in state.jobs] == [(1, True)] * 2


def test_two_plans_of_one_number_leave_the_run_readable(state: RunState) -> None:
    """Ids of a plan that is not the one on record are taken for jobs whose ids nobody knows."""
    other = reader(state, "other")
    planned = state.submissions[0].planned
    number = {"number": 1, "token": f"ab-{state.id}-1"}
    for writer, indices in ((state, (0,)), (other, (0, 1))):
        submission = attrs.evolve(planned.submission, count=len(indices), **number)
        writer.record_retry(
            attrs.evolve(planned, indices=indices, submission=submission, attempt=1)
        )
        writer.record("submitting", s=1, n=1, host="here", lasts=0.0)
    other.record("submitted", s=1, ids=["7.1", "7.2"])
    for order in itertools.permutations([events_of(state, "live"), events_of(state, "other")]):
        fold = reader(state)
        for event in itertools.chain(*order):
            fold.apply(event)
        assert fold.submissions[1].phase is Phase.SUBMITTED


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_what_comes_before_its_cause_waits_for_it(state: RunState, order: tuple[int, ...]) -> None:
    """Ids and words about a retry that has not been read yet are not lost."""
    again(state, 0)
    state.record("submitted", s=1, ids=["7.1", "7.2"])
    state.record_states([(state.jobs[0], said(State.RUNNING, "R"))])
    events = events_of(state, "live")
    fold = reader(state)
    for place in order:
        fold.apply(events[place])
    assert content(fold) == content(state)
