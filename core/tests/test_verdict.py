"""Verdicts from evidence: a table of all that can come together, and what must hold anyway."""

from __future__ import annotations

from itertools import product

import attrs
import pytest
from anybatch.model import Reason, State
from anybatch.records import JobStatus
from anybatch.runs.verdict import Evidence, judge
from anybatch.worker.exit_records import ExitRecord, parse_record
from hypothesis import given
from hypothesis import strategies as st

from .toy import said

STATUSES: dict[str, JobStatus | None] = {
    "unasked": None,
    "queued": said(State.QUEUED),
    "held": said(State.HELD),
    "running": said(State.RUNNING),
    "done": said(State.DONE, exit_code=0),
    "perhaps done": said(State.DONE, exit_code=0, needs_record=True),
    "exit 3": said(State.FAILED, exit_code=3),
    "signal 9": said(State.FAILED, signal=9),
    "failed": said(State.FAILED),
    "memory": said(State.FAILED, reason=Reason.OUT_OF_MEMORY, signal=9),
    "time": said(State.FAILED, reason=Reason.TIME_LIMIT),
    "node": said(State.FAILED, reason=Reason.NODE_FAILURE),
    "terminated": said(State.TERMINATED),
    "gone": said(State.FAILED, reason=Reason.LOST),
}

#: Records that say all, and what is said of them at once unless the system knows it better.
CONCLUSIVE = {
    "0.0.0.command.exit-0": "done",
    "0.0.0.command.exit-3": "exit_code",
    "0.0.0.setup.exit-1": "setup",
    "0.0.0.stage_in.exit-1": "stage_in",
    "0.0.0.stage_out.exit-1": "stage_out",
}

#: What the system knows better than any record.
BETTER = {
    "memory": "out_of_memory",
    "time": "time_limit",
    "node": "node_failure",
    "terminated": "terminated",
}

#: What is said of a record of exit code 0; of a job that somebody terminated: behind the slash.
SUCCESS = {
    "node": "done/terminated",
    "exit 3": "done/terminated",
    "signal 9": "signal/terminated",
    "failed": "done/terminated",
    "gone": "done/terminated",
}

#: Other records: what is said while more may come, later, and later of a job that somebody
#: terminated; `-`: nothing. `a|b`: a where the script is known to have started, else b.
OPEN = {
    "": {
        "unasked": "- - -",
        "queued": "- - -",
        "held": "- - -",
        "running": "- - -",
        "done": "- done terminated",
        "perhaps done": "- signal|setup terminated",
        "exit 3": "- exit_code|setup terminated",
        "signal 9": "- signal terminated",
        "failed": "- signal|setup terminated",
        "memory": "out_of_memory out_of_memory out_of_memory",
        "time": "time_limit time_limit time_limit",
        "node": "node_failure node_failure node_failure",
        "terminated": "terminated terminated terminated",
        "gone": "- lost lost",
    },
    "0.0.0.command.signal-9": {
        "unasked": "- signal terminated",
        "queued": "- - -",
        "held": "- - -",
        "running": "- signal terminated",
        "done": "signal signal terminated",
        "perhaps done": "signal signal terminated",
        "exit 3": "signal signal terminated",
        "signal 9": "signal signal terminated",
        "failed": "signal signal terminated",
        "memory": "out_of_memory out_of_memory out_of_memory",
        "time": "time_limit time_limit time_limit",
        "node": "node_failure node_failure node_failure",
        "terminated": "terminated terminated terminated",
        "gone": "signal signal terminated",
    },
    "0.0.0.command.exit-137": {
        "unasked": "- exit_code terminated",
        "queued": "- - -",
        "held": "- - -",
        "running": "- exit_code terminated",
        "done": "exit_code exit_code terminated",
        "perhaps done": "exit_code exit_code terminated",
        "exit 3": "exit_code exit_code terminated",
        "signal 9": "exit_code exit_code terminated",
        "failed": "exit_code exit_code terminated",
        "memory": "out_of_memory out_of_memory out_of_memory",
        "time": "time_limit time_limit time_limit",
        "node": "node_failure node_failure node_failure",
        "terminated": "terminated terminated terminated",
        "gone": "exit_code exit_code terminated",
    },
    "0.0.0.command.exit-143.TERM": {
        "unasked": "- exit_code terminated",
        "queued": "- - -",
        "held": "- - -",
        "running": "- exit_code terminated",
        "done": "exit_code exit_code terminated",
        "perhaps done": "exit_code exit_code terminated",
        "exit 3": "exit_code exit_code terminated",
        "signal 9": "exit_code exit_code terminated",
        "failed": "exit_code exit_code terminated",
        "memory": "out_of_memory out_of_memory out_of_memory",
        "time": "time_limit time_limit time_limit",
        "node": "node_failure node_failure node_failure",
        "terminated": "terminated terminated terminated",
        "gone": "exit_code exit_code terminated",
    },
    "0.0.0.setup.exit-137": {
        "unasked": "- setup terminated",
        "queued": "- - -",
        "held": "- - -",
        "running": "- setup terminated",
        "done": "setup setup terminated",
        "perhaps done": "setup setup terminated",
        "exit 3": "setup setup terminated",
        "signal 9": "setup setup terminated",
        "failed": "setup setup terminated",
        "memory": "out_of_memory out_of_memory out_of_memory",
        "time": "time_limit time_limit time_limit",
        "node": "node_failure node_failure node_failure",
        "terminated": "terminated terminated terminated",
        "gone": "setup setup terminated",
    },
    "0.0.0.stage_in.exit-143.TERM": {
        "unasked": "- stage_in terminated",
        "queued": "- - -",
        "held": "- - -",
        "running": "- stage_in terminated",
        "done": "stage_in stage_in terminated",
        "perhaps done": "stage_in stage_in terminated",
        "exit 3": "stage_in stage_in terminated",
        "signal 9": "stage_in stage_in terminated",
        "failed": "stage_in stage_in terminated",
        "memory": "out_of_memory out_of_memory out_of_memory",
        "time": "time_limit time_limit time_limit",
        "node": "node_failure node_failure node_failure",
        "terminated": "terminated terminated terminated",
        "gone": "stage_in stage_in terminated",
    },
    "0.0.0.command.exit-0.TERM": {
        "unasked": "- signal terminated",
        "queued": "- - -",
        "held": "- - -",
        "running": "- signal terminated",
        "done": "done done terminated",
        "perhaps done": "signal signal terminated",
        "exit 3": "signal signal terminated",
        "signal 9": "signal signal terminated",
        "failed": "signal signal terminated",
        "memory": "out_of_memory out_of_memory out_of_memory",
        "time": "time_limit time_limit time_limit",
        "node": "node_failure node_failure node_failure",
        "terminated": "terminated terminated terminated",
        "gone": "signal signal terminated",
    },
    "0.0.0.command.exit-0.USR1": {
        "unasked": "- done terminated",
        "queued": "- - -",
        "held": "- - -",
        "running": "- done terminated",
        "done": "done done done",
        "perhaps done": "done done done",
        "memory": "out_of_memory out_of_memory out_of_memory",
        "time": "time_limit time_limit time_limit",
        "terminated": "terminated terminated terminated",
    },
}

CELLS = [(record, status, cell) for record, row in OPEN.items() for status, cell in row.items()]


def record_of(name: str) -> ExitRecord | None:
    return parse_record(name) if name else None


def word(evidence: Evidence) -> str:
    """The verdict in a word; its state must fit its reason."""
    verdict = judge(evidence)
    if verdict is None:
        return "-"
    states = {None: State.DONE, Reason.TERMINATED: State.TERMINATED, Reason.LOST: State.LOST}
    assert verdict.state is states.get(verdict.reason, State.FAILED)
    assert verdict.evidence
    return verdict.reason.value if verdict.reason else "done"


def told(name: str, status: str, *, terminated: bool) -> str:
    """What the table says of a record that says all."""
    if name.endswith("exit-0") and status in SUCCESS:
        return SUCCESS[status].split("/")[terminated]
    return BETTER.get(status, CONCLUSIVE[name])


@pytest.mark.parametrize("name", CONCLUSIVE)
@pytest.mark.parametrize("status", STATUSES)
def test_a_conclusive_record_decides_at_once(name: str, status: str) -> None:
    """But for what the system knows better, and for success of what was killed."""
    for terminated, patience in product((False, True), repeat=2):
        evidence = Evidence(
            record=record_of(name),
            status=STATUSES[status],
            terminated=terminated,
            started=True,
            may_wait=patience,
        )
        assert word(evidence) == told(name, status, terminated=terminated)


@pytest.mark.parametrize("name", CONCLUSIVE)
@pytest.mark.parametrize("status", STATUSES)
def test_where_the_system_may_run_it_again_it_speaks_first(name: str, status: str) -> None:
    """No verdict while it has the job in its queue, nor before it was asked for some time."""
    for patience in (False, True):
        evidence = Evidence(
            record=record_of(name),
            status=STATUSES[status],
            started=True,
            reruns=True,
            may_wait=patience,
        )
        said_so = STATUSES[status]
        waits = not (said_so and said_so.state.final) and (patience or status in ("queued", "held"))
        assert word(evidence) == ("-" if waits else told(name, status, terminated=False))
        assert word(attrs.evolve(evidence, missing=True)) == told(name, status, terminated=False)


def test_success_of_a_run_that_may_not_be_the_last_is_none_where_the_job_was_stopped() -> None:
    """The system may run it again, was told to stop it, and does not know it any more."""
    evidence = Evidence(record=ARRIVED, started=True, reruns=True, terminated=True, missing=True)
    assert word(evidence) == "terminated"
    verdict = judge(evidence)
    assert verdict is not None
    assert verdict.evidence[0] == "exit record 0.0.0.command.exit-0, maybe of a run before"
    assert word(attrs.evolve(evidence, reruns=False)) == "done"
    assert word(attrs.evolve(evidence, terminated=False)) == "done"


@pytest.mark.parametrize("name", [*CONCLUSIVE, *filter(None, OPEN)])
@pytest.mark.parametrize(("terminated", "expected"), [(False, "held"), (True, "terminated")])
def test_what_was_held_and_is_gone_is_no_success(
    name: str, terminated: bool, expected: str
) -> None:
    """It was given up while its files were held back, whatever its command did."""
    evidence = Evidence(
        record=record_of(name), started=True, missing=True, was_held=True, terminated=terminated
    )
    assert word(evidence) == expected


@pytest.mark.parametrize(("name", "status", "cell"), CELLS)
@pytest.mark.parametrize("started", [False, True])
def test_open_evidence(name: str, status: str, cell: str, started: bool) -> None:
    """Without a conclusive record system, signal and what was asked for decide together."""
    early, late, late_terminated = (
        text.split("|")[0 if started else -1] for text in cell.split(" ")
    )
    expected = {
        (True, False): early,
        (True, True): early if early == "-" else late_terminated,
        (False, False): late,
        (False, True): late_terminated,
    }
    found = {
        (patience, terminated): word(
            Evidence(
                record=record_of(name),
                status=STATUSES[status],
                terminated=terminated,
                started=started,
                may_wait=patience,
            )
        )
        for patience, terminated in expected
    }
    assert found == expected


@pytest.mark.parametrize("name", [*CONCLUSIVE, *filter(None, OPEN)])
@pytest.mark.parametrize("status", ["unasked", "queued", "held", "running"])
def test_a_record_that_travelled_waits_for_the_system(name: str, status: str) -> None:
    """The files of a job may be on their way for long after its record came, whoever ended it."""
    for terminated, patience in product((False, True), repeat=2):
        evidence = Evidence(
            record=record_of(name),
            status=STATUSES[status],
            terminated=terminated,
            started=True,
            transferred=True,
            may_wait=patience,
        )
        assert word(evidence) == "-"


@pytest.mark.parametrize("name", ["", *CONCLUSIVE, *filter(None, OPEN)])
@pytest.mark.parametrize(
    "status", [name for name, one in STATUSES.items() if one and one.state.final]
)
def test_when_the_system_says_so_a_travelled_record_is_like_any_other(
    name: str, status: str
) -> None:
    """Then all files are here."""
    for terminated, patience in product((False, True), repeat=2):
        evidence = Evidence(
            record=record_of(name),
            status=STATUSES[status],
            terminated=terminated,
            started=True,
            may_wait=patience,
        )
        assert judge(attrs.evolve(evidence, transferred=True)) == judge(evidence)


RECORDS = st.builds(
    ExitRecord,
    index=st.just(0),
    attempt=st.just(0),
    restarts=st.integers(0, 2),
    phase=st.sampled_from(["setup", "stage_in", "command", "stage_out"]),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 31),
    caught=st.none() | st.sampled_from(["TERM", "USR1"]),
    name=st.just("0.0.0.any"),
)
ANSWERS = st.builds(
    JobStatus,
    state=st.sampled_from([state for state in State if state not in (State.NEW, State.LOST)]),
    native_state=st.just("WORD"),
    source=st.just("toystat"),
    reason=st.none() | st.sampled_from(list(Reason)),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 31),
    restarts=st.integers(0, 2),
    needs_record=st.booleans(),
).flatmap(
    lambda one: st.booleans().map(
        lambda late: attrs.evolve(one, undelivered=late and one.state is not State.DONE)
    )
)
EVIDENCE = st.builds(
    Evidence,
    record=st.none() | RECORDS,
    status=st.none() | ANSWERS,
    terminated=st.booleans(),
    started=st.booleans(),
    restarted_uncounted=st.booleans(),
    transferred=st.booleans(),
    may_wait=st.booleans(),
)


@given(evidence=EVIDENCE)
def test_no_verdict_without_evidence(evidence: Evidence) -> None:
    """Without a record of this start and without the system's final word nothing is said."""
    record, status = evidence.record, evidence.status
    current = record and not (status and status.restarts > record.restarts)
    if not current and not (status and status.state.final):
        assert judge(evidence) is None


@given(evidence=EVIDENCE)
def test_every_verdict_is_final_and_told(evidence: Evidence) -> None:
    """A verdict is a final state, has a reason unless it is done, and names its evidence."""
    verdict = judge(evidence)
    if verdict is not None:
        assert verdict.state.final
        assert (verdict.reason is None) == (verdict.state is State.DONE)
        assert verdict.evidence


@given(evidence=EVIDENCE.filter(lambda one: one.transferred))
def test_files_that_are_moved_take_the_systems_word(evidence: Evidence) -> None:
    """No verdict but on a final word."""
    if not (evidence.status and evidence.status.state.final):
        assert judge(evidence) is None


@given(evidence=EVIDENCE.filter(lambda one: bool(one.record and one.record.caught)))
def test_queued_again_is_not_ended(evidence: Evidence) -> None:
    """A job that was sent a signal and stands in the queue has not ended."""
    if evidence.status and evidence.status.state in (State.QUEUED, State.HELD):
        assert judge(evidence) is None


@pytest.mark.parametrize("name", [*CONCLUSIVE, *filter(None, OPEN)])
def test_a_restart_outdates_the_record(name: str) -> None:
    """The record of a start before the system's restart says nothing of the job."""
    running = said(State.RUNNING, restarts=1)
    assert judge(Evidence(record=parse_record(name), status=running, may_wait=False)) is None
    done = said(State.DONE, restarts=1)
    assert word(Evidence(record=parse_record(name), status=done, may_wait=False)) == "done"


@pytest.mark.parametrize("name", [*filter(None, OPEN)])
def test_a_job_that_has_begun_again_is_not_judged_by_a_signal(name: str) -> None:
    """Its record is of the run before, until the system says that it has ended."""
    running, record = said(State.RUNNING), parse_record(name)
    evidence = Evidence(record=record, status=running, restarted_uncounted=True, may_wait=False)
    assert judge(evidence) is None
    assert judge(attrs.evolve(evidence, restarted_uncounted=False)) is not None


def test_the_record_of_the_latest_start_counts() -> None:
    """A record as new as the system's count of restarts is believed."""
    record = parse_record("0.0.1.command.exit-0")
    assert word(Evidence(record=record, status=said(State.RUNNING, restarts=1))) == "done"


@given(evidence=EVIDENCE)
def test_nobody_s_kill_is_a_success(evidence: Evidence) -> None:
    """Neither what the system calls terminated, nor what ended with a signal that was asked for."""
    record, status = evidence.record, evidence.status
    killed = status is not None and status.state is State.TERMINATED
    caught = record is not None and record.caught == "TERM" and evidence.terminated
    verdict = judge(evidence)
    if (killed or (caught and not _restarted(record, status))) and verdict:
        assert verdict.state is not State.DONE


def _restarted(record: ExitRecord | None, status: JobStatus | None) -> bool:
    return bool(record and status and status.restarts > record.restarts)


def test_evidence_says_that_witnesses_disagree() -> None:
    """Whoever is believed, the other one is named."""
    record = parse_record("0.0.0.command.exit-0")
    verdict = judge(Evidence(record=record, status=said(State.TERMINATED, "CANCELLED")))
    assert verdict is not None
    assert verdict.state is State.TERMINATED
    assert verdict.evidence == (
        "exit record 0.0.0.command.exit-0",
        "toystat: CANCELLED",
        "they disagree",
    )


def test_evidence_names_its_sources() -> None:
    """The outcome tells the record's name and the system's own word."""
    record = parse_record("0.0.0.command.exit-3")
    verdict = judge(Evidence(record=record, status=said(State.FAILED, "F")))
    assert verdict is not None
    assert verdict.evidence == ("exit record 0.0.0.command.exit-3", "toystat: F")
    assert verdict.exit_code == 3


def test_a_system_that_is_the_only_witness_is_believed_at_once() -> None:
    """Its jobs leave no records, and none is waited for."""
    done = said(State.DONE, authoritative=True)
    assert word(Evidence(status=done, may_wait=True)) == "done"
    assert word(Evidence(status=attrs.evolve(done, authoritative=False), may_wait=True)) == "-"


def test_done_of_a_system_that_cannot_tell_needs_a_record() -> None:
    """Without one the outcome says what is missing, and has no exit code of the system's."""
    done = said(State.DONE, "DONE", exit_code=0, needs_record=True)
    verdict = judge(Evidence(status=done, started=True, may_wait=False))
    assert verdict is not None
    assert (verdict.state, verdict.reason) == (State.FAILED, Reason.SIGNAL)
    assert (verdict.exit_code, verdict.signal) == (None, None)
    assert verdict.message == "toystat says DONE, but the job has left no exit record"
    assert verdict.evidence == ("toystat: DONE", "no exit record")


@given(evidence=EVIDENCE.filter(lambda one: bool(one.status and one.status.needs_record)))
def test_no_success_without_a_record_where_the_system_cannot_tell(evidence: Evidence) -> None:
    """Whatever else there is."""
    verdict = judge(attrs.evolve(evidence, record=None))
    assert verdict is None or verdict.state is not State.DONE


ARRIVED = parse_record("0.0.0.command.exit-0")


@pytest.mark.parametrize(
    ("status", "terminated", "expected"),
    [
        (said(State.TERMINATED, undelivered=True), False, "terminated"),
        (said(State.TERMINATED, undelivered=True), True, "terminated"),
        (said(State.FAILED, reason=Reason.HELD, undelivered=True), False, "held"),
        (said(State.FAILED, undelivered=True), False, "stage_out"),
        (said(State.FAILED, undelivered=True), True, "terminated"),
        (said(State.TERMINATED), False, "terminated"),
    ],
)
def test_a_record_proves_no_files(status: JobStatus, terminated: bool, expected: str) -> None:
    """The command ended with 0, and the system gave the job up before its files had arrived."""
    for may_wait in (True, False):
        evidence = Evidence(
            record=ARRIVED,
            status=status,
            terminated=terminated,
            started=True,
            transferred=True,
            may_wait=may_wait,
        )
        assert word(evidence) == expected


@given(evidence=EVIDENCE.filter(lambda one: bool(one.status and one.status.undelivered)))
def test_no_success_where_files_have_not_arrived(evidence: Evidence) -> None:
    """Unless the system is still at it, and moves no files of the job."""
    status = evidence.status
    if status and (status.state.final or evidence.transferred):
        verdict = judge(evidence)
        assert verdict is None or verdict.state is not State.DONE


def test_a_job_that_is_done_has_delivered() -> None:
    """A status that says both is the plugin's fault."""
    with pytest.raises(ValueError, match="has not delivered its files cannot be done"):
        said(State.DONE, undelivered=True)
