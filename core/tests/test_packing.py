"""Packs: what the batch system is asked for, and what its word on a pack means for each job."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, Pack, Reason, Resources, Retry, RetryRule, State
from anybatch.runs.members import NO_SIGN, NOT_BEGUN, OUT_OF_TIME, WAITS, status_of_member
from anybatch.worker.exit_records import parse_record
from hypothesis import given
from hypothesis import strategies as st

from .toy import NOON, Toy, said, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch import Session

sizes = st.integers(1, 60)


@given(pack=st.builds(Pack, sizes, sizes), jobs=st.integers(1, 200))
def test_each_job_is_in_one_pack(pack: Pack, jobs: int) -> None:
    """Packs are full but for the last, and every job has the id of its own."""
    packs = pack.count(jobs)
    of = pack.spread(range(packs), jobs)
    assert sorted(set(of)) == [*range(packs)]
    assert all(of.count(number) == pack.jobs for number in range(packs - 1))
    for place in range(jobs):
        mates = pack.mates(range(jobs), place)
        assert {of[mate] for mate in mates} == {of[place]}
        assert len(mates) == of.count(of[place])


def test_side_by_side_asks_for_more() -> None:
    """Cores, GPUs, memory and disk are those of all that run at once; the time is the pack's."""
    asked = Resources(cores=2, gpus=1, memory="1 GiB", disk="2 GiB", time="1h", queue="q")
    assert Pack(50).scaled(asked) == asked
    assert Pack(50, side_by_side=3).scaled(asked) == Resources(
        cores=6, gpus=3, memory="3 GiB", disk="6 GiB", time="1h", queue="q"
    )
    assert Pack(50, side_by_side=3).scaled(Resources()) == Resources(cores=3)


@given(
    pack=st.integers(1, 60).flatmap(lambda n: st.builds(Pack, st.just(n), st.integers(1, n))),
    moved=st.booleans(),
    numbers=st.tuples(*[st.integers(1, 10**6)] * 4),
)
def test_what_one_job_asks_for_is_known_of_its_pack(
    pack: Pack, moved: bool, numbers: tuple[int, ...]
) -> None:
    """So that what jobs need can be changed later, though packs are what was submitted."""
    cores, gpus, memory, disk = numbers
    asked = Resources(cores=cores, gpus=gpus, memory=memory, disk=disk, time="1h")
    assert pack.of_one(pack.scaled(asked, moved=moved), moved=moved) == asked


@pytest.mark.parametrize("asked", [Resources(nodes=2), Resources(tasks=4)])
def test_jobs_of_many_processes_stay_one_after_another(asked: Resources) -> None:
    """Two programs of MPI in one allocation would share its processes."""
    with pytest.raises(JobError, match="side_by_side"):
        Pack(5, side_by_side=2).scaled(asked)
    assert Pack(5).scaled(asked) == asked


@pytest.mark.parametrize("given", [0, -1, True, "5", 2.5, [3]])
def test_what_is_no_pack_is_refused(given: Any, tmp_path: Path) -> None:
    """A pack is a whole number of jobs."""
    with session_of(tmp_path, Toy()) as session, pytest.raises(JobError, match="pack"):
        session.submit(Job(["true"]), pack=given)


# -- what the system's word means


ENDED = parse_record("0.0.0.command.exit-0")
FAILED = parse_record("0.0.0.command.exit-3")
STOPPED = parse_record("0.0.0.command.signal-15.TERM")
TIME = {"reason": Reason.TIME_LIMIT, "message": "TIMEOUT"}


@pytest.mark.parametrize(
    ("pack", "record", "begun", "state", "reason", "message"),
    [
        ((State.QUEUED, {"message": "Priority"}), None, False, State.QUEUED, None, "Priority"),
        ((State.RUNNING, {}), None, False, State.QUEUED, None, WAITS),
        ((State.RUNNING, {}), None, True, State.RUNNING, None, None),
        ((State.RUNNING, {}), ENDED, True, State.RUNNING, None, None),
        ((State.FAILED, TIME), ENDED, True, State.RUNNING, None, "TIMEOUT"),
        ((State.TERMINATED, {}), ENDED, True, State.RUNNING, None, None),
        ((State.FAILED, TIME), STOPPED, True, State.FAILED, Reason.TIME_LIMIT, "TIMEOUT"),
        ((State.FAILED, TIME), None, True, State.FAILED, Reason.TIME_LIMIT, "TIMEOUT"),
        (
            (State.FAILED, TIME),
            None,
            False,
            State.FAILED,
            Reason.TIME_LIMIT,
            f"{NOT_BEGUN}: TIMEOUT",
        ),
        ((State.TERMINATED, {}), None, False, State.TERMINATED, None, NOT_BEGUN),
    ],
)
def test_what_a_pack_does_is_not_what_each_job_does(
    pack: Any, record: Any, begun: bool, state: State, reason: Any, message: Any
) -> None:
    """A job that had ended is not touched by the pack's end, and one without its turn waits."""
    status = said(pack[0], **pack[1])
    own = status_of_member(status, record, begun=begun)
    assert (own.state, own.reason, own.message) == (state, reason, message)


@pytest.mark.parametrize(
    ("pack", "record", "begun", "state", "reason", "message"),
    [
        ((State.RUNNING, {}), None, False, State.RUNNING, None, None),
        ((State.RUNNING, {}), ENDED, True, State.RUNNING, None, None),
        ((State.DONE, {}), ENDED, True, State.DONE, None, None),
        ((State.DONE, {}), FAILED, True, State.FAILED, None, None),
        ((State.FAILED, TIME), ENDED, True, State.DONE, None, None),
        ((State.FAILED, TIME), FAILED, True, State.FAILED, None, None),
        ((State.FAILED, TIME), STOPPED, True, State.FAILED, Reason.TIME_LIMIT, "TIMEOUT"),
        ((State.FAILED, TIME), None, True, State.FAILED, Reason.TIME_LIMIT, "TIMEOUT"),
        (
            (State.FAILED, TIME),
            None,
            False,
            State.FAILED,
            Reason.TIME_LIMIT,
            f"{NO_SIGN}: TIMEOUT",
        ),
        ((State.TERMINATED, {}), None, False, State.TERMINATED, None, NO_SIGN),
        ((State.FAILED, {"exit_code": 124}), ENDED, True, State.DONE, None, None),
        (
            (State.FAILED, {"exit_code": 124}),
            STOPPED,
            True,
            State.FAILED,
            Reason.TIME_LIMIT,
            OUT_OF_TIME,
        ),
        (
            (State.FAILED, {"exit_code": 124}),
            None,
            False,
            State.FAILED,
            Reason.TIME_LIMIT,
            f"{NOT_BEGUN}: {OUT_OF_TIME}",
        ),
        (
            (State.TERMINATED, {"undelivered": True}),
            ENDED,
            True,
            State.TERMINATED,
            None,
            None,
        ),
    ],
)
def test_where_files_are_moved_all_is_known_when_the_pack_has_ended(
    pack: Any, record: Any, begun: bool, state: State, reason: Any, message: Any
) -> None:
    """Before that, none of its jobs is said to wait or to have ended."""
    status = said(pack[0], **pack[1])
    own = status_of_member(status, record, begun=begun, moved=True)
    assert (own.state, own.reason, own.message) == (state, reason, message)


def test_use_and_times_of_a_pack_are_no_job_s() -> None:
    """What fifty jobs used is told of none of them."""
    status = said(
        State.DONE, started=NOON, ended=NOON, cpu_time=timedelta(5), max_memory=7, exit_code=0
    )
    own = status_of_member(status, None, begun=True)
    facts = (own.started, own.ended, own.cpu_time, own.max_memory, own.exit_code)
    assert facts == (None,) * 5


# -- runs


def leave(session: Session, run: Any, *names: str) -> None:
    for name in names:
        kind = "exit" if "-" in name else "start"
        (run.folder / kind / "0" / name).touch()


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Any]:
    """Submits jobs in packs of three to a scripted batch system."""

    def submit(toy: Toy, number: int = 7, **fields: Any) -> tuple[Session, Any]:
        session = session_of(tmp_path, toy)
        return session, session.submit([Job(["true"], **fields)] * number, pack=3)

    return submit


def test_packs_are_what_is_submitted_and_asked_about(packed: Callable[..., Any]) -> None:
    """Seven jobs are three of the system's, each asked about once; each job has its pack's id."""
    toy = Toy()
    _, run = packed(toy)
    assert [one.count for one in toy.calls["submit"]] == [3]
    run.refresh()
    assert toy.calls["status"][-1] == ["1.1", "1.2", "1.3"]
    assert [str(job.id) for job in run.jobs] == ["1.1"] * 3 + ["1.2"] * 3 + ["1.3"]


def test_what_a_limit_cut_short_is_told_from_what_was_done(packed: Callable[..., Any]) -> None:
    """Of a pack that ran out of time, the jobs that had ended keep how they ended."""
    toy = Toy(reruns=True)
    session, run = packed(toy, 3)
    toy.answers["1.1"] = said(State.RUNNING)
    leave(session, run, "0.0.0.1767355200.node", "0.0.0.command.exit-3", "1.0.0.1767355201.node")
    run.refresh()
    assert [job.state for job in run.jobs] == [State.FAILED, State.RUNNING, State.QUEUED]
    toy.answers["1.1"] = said(State.FAILED, "TIMEOUT", reason=Reason.TIME_LIMIT)
    first, second, third = run.wait(60)
    assert (first.reason, first.exit_code) == (Reason.EXIT_CODE, 3)
    assert (second.reason, second.message) == (Reason.TIME_LIMIT, None)
    assert (third.reason, third.message) == (Reason.TIME_LIMIT, NOT_BEGUN)


def test_a_pack_that_is_done_makes_no_success_of_a_job_without_a_record(
    packed: Callable[..., Any],
) -> None:
    """The script of one job may be killed, and the pack go on; only a record proves its end."""
    toy = Toy()
    session, run = packed(toy, 3)
    leave(session, run, "0.0.0.1767355200.node", "0.0.0.command.exit-0", "1.0.0.1767355201.node")
    toy.answers["1.1"] = said(State.DONE, ended=NOON)
    assert [one.state for one in run.wait(60)] == [State.DONE, State.FAILED, State.FAILED]


def test_a_record_that_is_seen_after_the_pack_s_end_counts(packed: Callable[..., Any]) -> None:
    """A job ended before a limit cut its pack short, and its record was read only after that."""
    toy = Toy()
    session, run = packed(toy, 3)

    def ended() -> Any:
        leave(session, run, *(f"{i}.0.0.176735520{i}.node" for i in (0, 1)))
        leave(session, run, "0.0.0.command.exit-0")
        return [{"1.1": said(State.FAILED, "TIMEOUT", reason=Reason.TIME_LIMIT)}]

    toy.scripted["status"] = [ended]
    session.poll()
    assert [job.state for job in run.jobs] == [State.DONE, State.FAILED, State.FAILED]


def test_more_for_another_attempt_is_meant_for_each_job(tmp_path: Path) -> None:
    """Of a retry and of a rerun: two side by side get twice that."""
    toy = Toy()
    more = RetryRule(Reason.OUT_OF_MEMORY, 5, memory="x2", most="2 GiB")
    job = Job(["true"], resources=Resources(memory="1 GiB"), retry=Retry(rules=[more]))
    with session_of(tmp_path, toy) as session:
        run = session.submit([job] * 2, pack=Pack(2, side_by_side=2))
        for native in ("1.1", "2.1"):
            leave(session, run, *(f"{i}.{native[0]}.0.1767355200.node" for i in (0, 1)))
            toy.answers[native] = said(State.FAILED, "OOM", reason=Reason.OUT_OF_MEMORY)
            run.refresh()
            run.watched.submitter.step()
        run.refresh()
        assert [job.state for job in run.jobs] == [State.FAILED] * 2
        run.rerun(resources={"memory": "3 GiB", "cores": 4})
        run.watched.submitter.step()
    asked = [(one.resources.memory, one.resources.cores) for one in toy.calls["submit"]]
    gib = 2**30
    assert asked == [(2 * gib, 2), (4 * gib, 2), (6 * gib, 8)]


def test_only_what_is_not_done_is_run_again(packed: Callable[..., Any]) -> None:
    """The jobs of a lost node are packed anew, without the one that was done."""
    toy = Toy()
    session, run = packed(toy, 5, retry=1)
    leave(session, run, "1.0.0.1767355201.node", "1.0.0.command.exit-0")
    toy.answers["1.1"] = said(State.FAILED, "NODE_FAIL", reason=Reason.NODE_FAILURE)
    run.refresh()
    session.poll()
    run.watched.submitter.step()
    again = toy.calls["submit"][-1]
    assert (again.number, again.count) == (1, 1)
    assert [job.attempt for job in run.jobs] == [1, 0, 1, 0, 0]
    assert [str(job.id) for job in run.jobs] == ["2.1", "1.1", "2.1", "1.2", "1.2"]


def test_a_pack_ends_as_a_whole(packed: Callable[..., Any]) -> None:
    """Who names one job of it is told with whom it shares; those that have ended do not count."""
    toy = Toy()
    session, run = packed(toy, 6)
    came = run.try_to_terminate([0, 1])
    assert len(came.refused) == 2
    assert "shares a pack with 2" in came.refused[0]
    assert not toy.calls["terminate"]
    leave(session, run, "2.0.0.1767355201.node", "2.0.0.command.exit-0")
    run.refresh()
    run.terminate([0, 1])
    assert toy.calls["terminate"] == [(["1.1"], None)]


def test_another_process_knows_the_packs(packed: Callable[..., Any], tmp_path: Path) -> None:
    """They are on record with the run."""
    toy = Toy()
    _, run = packed(toy)
    with session_of(tmp_path, toy) as other:
        again = other.attach(run.id)
        assert [str(job.id) for job in again.jobs] == [str(job.id) for job in run.jobs]
        again.terminate([6])
    assert toy.calls["terminate"] == [(["1.3"], None)]


def test_nothing_native_waits_for_a_job_in_a_pack(packed: Callable[..., Any]) -> None:
    """That a pack is over does not mean that its jobs are done; the core waits itself."""
    toy = Toy(dependencies=True)
    session, run = packed(toy, 3)
    later = session.submit(Job(["true"], after=[f"{run.id}:1"]))
    assert len(toy.calls["submit"]) == 1
    assert later.counts == {State.NEW: 1}
