"""The state of a run: what a process saw happen, another one reads from the journal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from anybatch.model import Job, Reason, State
from anybatch.outcome import Outcome
from anybatch.planning.plan import token
from anybatch.ranges import write_ranges
from anybatch.runs import store
from anybatch.runs.entries import Phase
from anybatch.runs.journal import Journal
from anybatch.runs.retry import plan_retries
from anybatch.runs.state import RunState
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .texts import TEXTS, raw
from .toy import NOON, Toy, local_host, said, session_of

TRUE = ["true"]
SLACK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def new_state(folder: Path, *jobs: Job, array: int = 2) -> RunState:
    """A run that is planned and written, and nothing else."""
    session = session_of(folder, Toy(array=array))
    file = store.create(session.plan(jobs), session.host)
    return RunState(
        file,
        Journal(file.folder, "live", local_host()),
        lambda values: session.settings.restore_types("toy", values),
    )


def folded(state: RunState, times: int = 1) -> RunState:
    """The state as another process reads it, each event applied so many times."""
    other = RunState(state.file, Journal(state.folder, "other", local_host()), state._restore_types)
    for event in other._journal.read():
        for _ in range(times):
            other.apply(event)
    return other


def content(state: RunState) -> Any:
    """All of a state but what only the watching process knows."""
    jobs = [attrs.evolve(job) for job in state.jobs]
    assert not state.early
    counts = {kind: number for kind, number in state.counts.items() if number}
    return jobs, state.submissions, counts, state.unfinished


EVENTS = st.tuples(
    st.sampled_from(
        [
            *("submitting", "submitted", "not_found", "refused", "state", "terminate"),
            *("ended", "ended", "retry"),
        ]
    ),
    st.integers(0, 9),
    st.lists(st.integers(0, 4), unique=True, min_size=1),
    st.sampled_from([state for state in State if state is not State.NEW]),
    st.none() | st.sampled_from(list(Reason)),
    st.none() | TEXTS,
)


def play(state: RunState, event: tuple[Any, ...]) -> None:
    """Record an event as the submitter, the watcher or the user would."""
    kind, number, indices, now, reason, text = event
    s = number % len(state.submissions)
    planned = state.submissions[s].planned
    jobs = [state.jobs[index] for index in indices]
    if kind == "submitting":
        state.record(kind, s=s, host="here", lasts=float(number))
    elif kind == "submitted":
        state.record(kind, s=s, ids=[f"{s}.{index}" for index in planned.indices])
    elif kind == "not_found":
        state.record(kind, s=s)
    elif kind == "refused":
        state.record(kind, s=s, reason="rejected", text=text)
    elif kind == "state":
        now = State.RUNNING if now.final else now
        state.record_states((job, said(now, message=text)) for job in jobs)
    elif kind == "terminate":
        state.record(kind, jobs=write_ranges(sorted(indices)))
    elif kind == "ended":
        now = now if now.final else State.DONE
        state.record_ended([state.outcome(j, now, reason, message=text, ended=NOON) for j in jobs])
    elif not any(state.jobs[index].state.final for index in planned.indices):
        again = attrs.evolve(planned.submission, number=len(state.submissions))
        again = attrs.evolve(again, token=token(state.id, again.number))
        state.record_retry(
            attrs.evolve(planned, submission=again, waits=(), attempt=planned.attempt + 1)
        )


@SLACK
@given(events=st.lists(EVENTS, max_size=25))
def test_the_journal_tells_what_happened(isolated: Path, events: list[tuple[Any, ...]]) -> None:
    """Another process reads the state that the recording one has, and events are idempotent."""
    state = new_state(isolated, *[Job(TRUE, retry=1) for _ in range(5)])
    for event in events:
        play(state, event)
        assert sum(state.counts.values()) == 5
        assert all(number >= 0 for number in state.counts.values())
        assert state.unfinished == sum(not job.state.final for job in state.jobs)
    assert content(folded(state)) == content(state)
    assert content(folded(state, times=2)) == content(state)


@SLACK
@given(events=st.lists(EVENTS, max_size=15), late=st.integers(0, 15))
def test_reading_in_pieces_is_reading_at_once(
    isolated: Path, events: list[tuple[Any, ...]], late: int
) -> None:
    """A process that follows a run arrives where one arrives that comes at its end."""
    state = new_state(isolated, *[Job(TRUE) for _ in range(5)])
    follower = RunState(
        state.file, Journal(state.folder, "follower", local_host()), state._restore_types
    )
    for number, event in enumerate(events):
        play(state, event)
        if number % (late + 1) == 0:
            follower.catch_up()
    follower.catch_up()
    assert content(follower) == content(state)


@pytest.fixture
def state(isolated: Path) -> RunState:
    return new_state(isolated, *[Job(TRUE, retry=2) for _ in range(3)])


def submit(state: RunState, s: int, *ids: str) -> None:
    state.record("submitting", s=s, host="here", lasts=0.0)
    state.record("submitted", s=s, ids=list(ids))


def test_a_new_run(state: RunState) -> None:
    """Jobs are new and without ids before anything has happened."""
    assert [job.state for job in state.jobs] == [State.NEW] * 3
    assert [one.phase for one in state.submissions] == [Phase.WAITING] * 2
    assert state.id_of(state.jobs[0]) is None
    assert not state.finished


def test_submitted_jobs_are_queued_under_their_ids(state: RunState) -> None:
    """Each job of a submission gets the id of its place; the others stay new."""
    submit(state, 0, "7.1", "7.2")
    assert [job.native_id for job in state.jobs] == ["7.1", "7.2", None]
    assert [job.state for job in state.jobs] == [State.QUEUED, State.QUEUED, State.NEW]
    assert str(state.id_of(state.jobs[1])) == "7.2"
    assert state.submitted_at(state.jobs[0]) is not None


def test_a_verdict_stays(state: RunState) -> None:
    """After the verdict no word of the system, however late, changes the job."""
    submit(state, 0, "1", "2")
    job = state.jobs[0]
    state.record_ended([state.outcome(job, State.FAILED, Reason.SIGNAL, native_state="F")])
    state.record_states([(job, said(State.RUNNING, "R"))])
    assert (job.state, job.native_state) == (State.FAILED, "F")
    assert content(folded(state)) == content(state)


def test_a_late_word_of_another_process_changes_no_verdict(state: RunState) -> None:
    """What another process saw before the verdict, and is read after it, says nothing more."""
    submit(state, 0, "1", "2")
    other = folded(state)
    other.record_states([(other.jobs[0], said(State.RUNNING, "R"))])
    job = state.jobs[0]
    state.record_ended([state.outcome(job, State.FAILED, Reason.SIGNAL, native_state="F")])
    state.catch_up()
    assert (job.state, job.native_state) == (State.FAILED, "F")


def test_only_news_is_written(state: RunState) -> None:
    """An answer that says what is known writes nothing; equal ones share an event."""
    submit(state, 0, "1", "2")
    running = said(State.RUNNING, "R")
    for _ in range(3):
        state.record_states([(job, running) for job in state.jobs[:2]])
    events = [e for e in Journal(state.folder, "other", local_host()).read() if e["e"] == "state"]
    assert [event["jobs"] for event in events] == ["0-1"]


def test_an_event_of_a_later_version_is_passed_over(state: RunState) -> None:
    """Kinds of events that this version does not know change nothing."""
    before = content(folded(state))
    state.record("invented", s=0)
    assert content(folded(state)) == before


def test_outcomes_come_back_whole(state: RunState) -> None:
    """All of an outcome survives the journal, times, paths and odd texts too."""
    outcome = state.outcome(
        state.jobs[0],
        State.FAILED,
        Reason.OUT_OF_MEMORY,
        signal=9,
        message="líne\none \udcff",
        host="node",
        started=NOON,
        evidence=("a", "b"),
        max_memory=2**40,
    )
    state.record_ended([outcome])
    assert folded(state).jobs[0].outcome == outcome
    assert isinstance(outcome, Outcome)


def test_a_retry_makes_jobs_new(state: RunState) -> None:
    """Jobs that are run again are new, in a further submission, with no trace of the last id."""
    submit(state, 0, "1", "2")
    job = state.jobs[0]
    state.record_states([(job, said(State.RUNNING, "R", message="on node"))])
    outcome = state.outcome(job, State.FAILED, Reason.SIGNAL)
    host = session_of(state.file.base, Toy()).host
    (planned,) = plan_retries(state, [outcome], host)
    state.record_retry(planned)
    assert (job.state, job.native_id, job.attempt, job.submission) == (State.NEW, None, 1, 2)
    assert (job.native_state, job.message, state.submitted_at(job)) == (None, None, None)
    assert state.jobs[1].state is State.QUEUED
    assert state.submissions[2].phase == Phase.WAITING
    assert planned.indices == (0,)
    assert planned.submission.token not in {
        one.planned.submission.token for one in state.submissions[:2]
    }
    assert content(folded(state)) == content(state)


@SLACK
@given(words=st.lists(TEXTS, min_size=3, max_size=3))
def test_a_retry_runs_the_same_line(isolated: Path, words: list[str]) -> None:
    """The line of a job that is run again is the first one but for the attempt, in any text."""
    folder = Path(tempfile.mkdtemp(dir=isolated))
    state = new_state(folder, *[Job(["echo", word]) for word in words], array=3)
    host = session_of(folder, Toy()).host
    outcomes = [state.outcome(job, State.FAILED, Reason.SIGNAL) for job in state.jobs]
    (planned,) = plan_retries(state, outcomes[1:], host)
    assert planned.indices == (1, 2)
    first = (state.folder / "tasks" / "0.0").read_bytes().split(b"\n")
    again = (state.folder / "tasks" / "1.0").read_bytes().split(b"\n")
    assert again == [line.replace(b"ab_attempt=0", b"ab_attempt=1", 1) for line in first[1:]]
    assert all(b"ab_attempt=1; " in line for line in again[:2])
    assert raw(words[1]).replace(b"'", b"'\\''").split(b"\n")[0] in again[0]


@pytest.mark.parametrize("attempt", [0, 1, 12])
def test_logs_have_a_place_for_each_attempt(state: RunState, attempt: int) -> None:
    """Logs in the run's folder are told apart by index and attempt."""
    job = state.jobs[2]
    job.attempt = attempt
    logs = state.folder / "logs" / (f"0.{attempt}" if attempt else "0")
    assert state.logs(job) == (logs / "2.out", logs / "2.err")


def test_log_files_of_the_user_s_own(isolated: Path) -> None:
    """A log file that the user named is that file, with the number of the job in it."""
    state = new_state(isolated, Job(TRUE), Job(TRUE, stdout="{index}/o", stderr="e"))
    assert state.logs(state.jobs[1]) == (isolated / "1" / "o", isolated / "e")
    assert state.logs(state.jobs[0])[0] == state.folder / "logs/0/0.out"
