"""From what Slurm's commands print to records: everything was captured on real clusters.

`data/README.md` tells the situation of each file.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Reason, State
from anybatch.host import Completed
from anybatch.ranges import write_ranges
from anybatch.records import JobStatus
from anybatch_slurm import parse
from anybatch_slurm.waiting import explain
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DATA = Path(__file__).parent / "data"
START = datetime(2026, 11, 20, 9, 40, 0, tzinfo=timezone.utc)

Table = dict[str, JobStatus]


def data(name: str, version: str = "22.05") -> str:
    """A captured output."""
    tool, _, rest = name.partition(" ")
    return (DATA / f"{tool}-{version}-{rest}.txt").read_text()


def captured(tool: str, version: str) -> set[str]:
    """What there is of a tool's standard output."""
    names = {path.name for path in DATA.glob(f"{tool}-{version}-*.txt")}
    return {
        name.removeprefix(f"{tool}-{version}-").removesuffix(".txt")
        for name in names
        if not name.endswith(".stderr.txt")
    }


def at(seconds: float) -> datetime:
    """So many seconds after 09:40:00, when the captures begin."""
    return START + timedelta(seconds=seconds)


def status(source: str, state: State, native: str, **facts: Any) -> JobStatus:
    """A record, its times in seconds after the start."""
    for name in ("submitted", "started", "ended"):
        if name in facts:
            facts[name] = at(facts[name])
    if state in (State.QUEUED, State.HELD) and "message" in facts:
        facts["message"] = explain(facts["message"])
    return JobStatus(state=state, native_state=native, source=source, **facts)


def elements(array: int, numbers: Iterable[int], one: JobStatus) -> Table:
    """The same record for elements of an array."""
    return {f"{array}_{number}": one for number in numbers}


# -- squeue

queue = partial(status, "squeue")
pending = partial(queue, State.QUEUED, "PENDING")
held = partial(queue, State.HELD, "PENDING")
running = partial(queue, State.RUNNING, "RUNNING", host="plain1")
completed = partial(queue, State.DONE, "COMPLETED", exit_code=0, host="plain1")
failed = partial(queue, State.FAILED, "FAILED", host="plain1")
cancelled = partial(queue, State.TERMINATED, "CANCELLED")
node_failed = partial(
    queue, State.FAILED, "NODE_FAIL", reason=Reason.NODE_FAILURE, message="NodeDown"
)
no_output = {
    "reason": Reason.SETUP,
    "message": "slurmd could not start the job (its output file cannot be opened?)",
}
node_is_down = (
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
)
LONG_LIST = (
    *(range(4), [8], range(12, 16), [17, 22], range(26, 30), [32, 34, 35, 40, 43, 48, 49]),
    *(range(54, 58), range(59, 64), [69, 71, 72, 74, 75, 77, 78, 83, 85, 89, 92, 93, 97, 98]),
)

SQUEUE: dict[str, Table] = {
    "mixed-long": {
        "14": cancelled(signal=15, host="plain1", submitted=45, started=45, ended=48),
        "23": cancelled(
            reason=Reason.DEPENDENCY, message="DependencyNeverSatisfied", submitted=45, ended=46
        ),
        "15": cancelled(submitted=45, ended=48),
        **elements(6, (2, 3), completed(submitted=44, started=71, ended=96)),
        **elements(6, (0, 1), completed(submitted=44, started=45, ended=70)),
        "8": completed(submitted=44, started=45, ended=47),
        "12": completed(submitted=44, started=45, ended=45),
        "18": completed(submitted=45, started=45, ended=45),
        "9": failed(exit_code=3, submitted=44, started=45, ended=45),
        "10": failed(exit_code=137, submitted=44, started=45, ended=45),
        "11": failed(signal=9, submitted=44, started=45, ended=46),
        "13": failed(signal=11, submitted=44, started=45, ended=45),
        "17": failed(**no_output, submitted=45, started=45, ended=45),
        "24": failed(
            reason=Reason.REJECTED, message="BadConstraints", host=None, submitted=45, ended=45
        ),
        "25_1": failed(exit_code=1, submitted=45, started=45, ended=45),
        "25_2": failed(exit_code=2, submitted=45, started=45, ended=45),
        "25_3": failed(exit_code=3, submitted=45, started=45, ended=45),
        "25_4": failed(exit_code=4, submitted=45, started=45, ended=45),
        "3": pending(message="Dependency", submitted=44),
        **elements(6, range(6, 10), pending(message="JobArrayTaskLimit", submitted=44)),
        "19": pending(message="BeginTime", submitted=48, restarts=1),
        "20": pending(message="BeginTime", submitted=46, restarts=1),
        "22": held(message="DependencyNeverSatisfied", submitted=45),
        "26": pending(message="BeginTime", submitted=45),
        "21": held(message="job requeued in held state", submitted=48, restarts=1),
        **elements(
            32,
            (number for part in LONG_LIST for number in part),
            held(message="JobHeldUser", submitted=69),
        ),
        **elements(5, range(0, 199, 2), held(message="JobHeldUser", submitted=44)),
        **elements(4, (1, 3, 7, 11, 13, 15, 17, 19), held(message="JobHeldUser", submitted=44)),
        "2": held(message="JobHeldUser", submitted=44),
        **elements(6, (4, 5), running(submitted=44, started=96)),
        "7": running(submitted=44, started=45),
        "16": running(submitted=45, started=45),
    },
    "requeued": {
        "19": completed(submitted=48, started=171, ended=171, restarts=1),
        "20": completed(submitted=46, started=171, ended=174, restarts=1),
        "21": held(message="job requeued in held state", submitted=48, restarts=1),
        "16": queue(
            State.FAILED,
            "TIMEOUT",
            reason=Reason.TIME_LIMIT,
            message="TimeLimit",
            signal=15,
            host="plain1",
            submitted=45,
            started=45,
            ended=126,
        ),
    },
    "impossible": {
        "43": pending(message="PartitionConfig", submitted=153),
        "44": pending(message="PartitionNodeLimit", submitted=153),
        "45": pending(message="PartitionTimeLimit", submitted=153),
    },
    "resources": {
        "53": pending(message="Resources", submitted=199),
        "54": pending(message="Priority", submitted=199),
        "52": running(submitted=198, started=198),
    },
    "completing": {
        "55": queue(State.RUNNING, "COMPLETING", host="plain1", submitted=201, started=201),
        "56": queue(State.RUNNING, "SUSPENDED", host="plain1", submitted=201, started=201),
    },
    "completing-done": {
        "55": cancelled(signal=9, host="plain1", submitted=201, started=201, ended=203),
        "56": running(submitted=201, started=201),
    },
    "array-partly-cancelled": {
        "72_2": cancelled(signal=15, host="plain1", submitted=346, started=346, ended=348),
        **elements(72, (6, 7, 9), pending(message="JobArrayTaskLimit", submitted=346)),
        "72_3": running(submitted=346, started=348),
        "72_1": running(submitted=346, started=346),
    },
    "array-cancelled": {
        **elements(72, (6, 7, 9), cancelled(submitted=346, ended=350)),
        "72_3": cancelled(signal=15, host="plain1", submitted=346, started=348, ended=350),
        "72_1": cancelled(signal=15, host="plain1", submitted=346, started=346, ended=350),
        "72_2": cancelled(signal=15, host="plain1", submitted=346, started=346, ended=348),
        **elements(73, range(0, 199, 2), cancelled(submitted=346, ended=350)),
    },
    "nodedown-plain": {
        "64": node_failed(signal=15, host="plain1", submitted=285, started=286, ended=288),
        "66_1": node_failed(signal=15, host="plain1", submitted=285, started=286, ended=288),
        "66_2": node_failed(signal=15, host="plain1", submitted=285, started=286, ended=288),
        "63": pending(message="BeginTime", submitted=288, restarts=1),
        "68": pending(message=node_is_down, submitted=289),
        "65": held(message="JobHeldUser", submitted=285),
    },
    "nodedown-resumed": {
        "68": completed(submitted=289, started=292, ended=292),
        "64": node_failed(signal=15, host="plain1", submitted=285, started=286, ended=288),
        "66_1": node_failed(signal=15, host="plain1", submitted=285, started=286, ended=288),
        "66_2": node_failed(signal=15, host="plain1", submitted=285, started=286, ended=288),
        "63": pending(message="BeginTime", submitted=288, restarts=1),
        "65": held(message="JobHeldUser", submitted=285),
    },
    "nodedown-accounting": {
        "1263": node_failed(host="accounting1", submitted=293, started=294, ended=296),
        "1265_1": node_failed(host="accounting1", submitted=293, started=294, ended=296),
        "1265_2": node_failed(host="accounting1", submitted=293, started=294, ended=296),
        "1262": pending(message="BeginTime", submitted=296, restarts=1),
        "1267": pending(message=node_is_down, submitted=297),
        "1264": held(message="JobHeldUser", submitted=293),
    },
    "oom": {"1377": failed(signal=9, host="accounting1", submitted=1213, started=1213, ended=1214)},
    "stopped-after": {"77": running(submitted=422, started=423)},
    "stopped-ended": {"77": failed(exit_code=4, submitted=422, started=423, ended=491)},
    "purged-partly": {"1284_4": running(host="accounting1", submitted=786, started=786)},
    # These were captured with local times, which are nobody's business.
    "purged-among-known": {"1284_4": running(host="accounting1")},
    "unknown-among-known": {"69": held(message="JobHeldUser")},
    "elements-cancelled": elements(70, (4, 5), held(message="JobHeldUser")),
    "nodatabase": {"1282": failed(exit_code=5, host="accounting1")},
    # Nothing is known.
    "empty": {},
    "purged-element": {},
    "unknown-element": {},
    "unknown-several": {},
    # Other columns than ours.
    "mixed": {},
    "mixed-epoch": {},
    "find-name": {},
}


#: When the jobs of 26.05 were submitted: 13:04:34.
NEW = 12274
on_sid = {"host": "sid1", "submitted": NEW, "started": NEW}
ended = {**on_sid, "ended": NEW + 1}

#: What differs since 22.05: the exit codes, and reasons that name the signal.
SQUEUE_26: dict[str, Table] = {
    "mixed-long": {
        "2644": cancelled(
            reason=Reason.DEPENDENCY,
            message="DependencyNeverSatisfied",
            submitted=NEW + 3,
            ended=NEW + 3,
        ),
        "2634": cancelled(signal=15, **{**ended, "ended": NEW + 3}),
        "2635": cancelled(submitted=NEW, ended=NEW + 3),
        **elements(2626, (0, 1), completed(**{**ended, "ended": NEW + 26})),
        "2628": completed(**ended),
        "2632": completed(**ended),
        **{
            f"2646_{code}": queue(
                State.FAILED,
                "FAILED",
                exit_code=code,
                host="sid1",
                submitted=NEW + 3,
                started=NEW + 3,
                ended=NEW + 3,
            )
            for code in range(1, 5)
        },
        "2629": queue(State.FAILED, "FAILED", exit_code=3, **ended),
        "2630": queue(State.FAILED, "FAILED", exit_code=137, **ended),
        "2631": queue(State.FAILED, "FAILED", signal=9, **ended),
        "2633": queue(State.FAILED, "FAILED", signal=11, **ended),
        "2637": queue(State.FAILED, "FAILED", **no_output, **ended),
        "2647": pending(message="BeginTime", submitted=NEW + 3),
        "2638": pending(message="BeginTime", submitted=NEW + 3, restarts=1),
        "2639": pending(message="BeginTime", submitted=NEW + 1, restarts=1),
        **elements(2626, range(4, 10), pending(message="JobArrayTaskLimit", submitted=NEW)),
        "2645": pending(message="PartitionConfig", submitted=NEW + 3),
        "2648": pending(message="PartitionTimeLimit", submitted=NEW + 3),
        "2643": held(message="DependencyNeverSatisfied", submitted=NEW + 3),
        "2623": pending(message="Dependency", submitted=NEW),
        "2640": held(message="job requeued in held state", submitted=NEW + 3, restarts=1),
        **elements(2625, range(0, 199, 2), held(message="JobHeldUser", submitted=NEW)),
        **elements(2624, (1, 3, 7, 11, 13, 15, 17, 19), held(message="JobHeldUser", submitted=NEW)),
        "2622": held(message="JobHeldUser", submitted=NEW),
        **elements(2626, (2, 3), running(**{**on_sid, "started": NEW + 26})),
        "2627": running(**on_sid),
        "2636": running(**on_sid),
    },
    "array-partly-cancelled": {
        "2660_2": cancelled(
            signal=15, host="sid1", submitted=NEW + 38, started=NEW + 38, ended=NEW + 41
        ),
        **elements(2660, (6, 7, 9), pending(message="JobArrayTaskLimit", submitted=NEW + 38)),
        "2660_3": running(host="sid1", submitted=NEW + 38, started=NEW + 41),
        "2660_1": running(host="sid1", submitted=NEW + 38, started=NEW + 38),
    },
    "nodedown": {
        "2664": node_failed(
            signal=1, host="sid1", submitted=NEW + 43, started=NEW + 44, ended=NEW + 47
        ),
        "2665": pending(message="BeginTime", submitted=NEW + 47, restarts=1),
        "2666": pending(message="ReqNodeNotAvail, UnavailableNodes:sid1", submitted=NEW + 48),
    },
}
ALL_SQUEUE = {"22.05": SQUEUE, "26.05": SQUEUE_26}


@pytest.mark.parametrize(
    ("version", "name"),
    [(version, name) for version, table in ALL_SQUEUE.items() for name in table],
)
def test_squeue_is_read_in_full(version: str, name: str) -> None:
    """Every job and element of a captured answer becomes the record that is true of it."""
    found = parse.read_squeue(data(f"squeue {name}", version))
    assert found == ALL_SQUEUE[version][name]


@pytest.mark.parametrize("version", ALL_SQUEUE)
def test_every_captured_answer_of_squeue_is_in_the_table(version: str) -> None:
    """No capture is left unread."""
    assert captured("squeue", version) == set(ALL_SQUEUE[version])


def squeue_line(**fields: str) -> str:
    usual = {
        **{"ArrayJobID": "7", "ArrayTaskID": "N/A", "JobID": "7", "State": "FAILED"},
        **{"exit_code": "0:0", "RestartCnt": "0", "SubmitTime": "1795167600", "NodeList": "n1"},
        **{"StartTime": "1795167601", "EndTime": "1795167602", "Reason": "None"},
    }
    return "".join(f"{({**usual, **fields})[name]}|" for name in parse.SQUEUE_FIELDS) + "\n"


@pytest.mark.parametrize(
    ("text", "exit_code", "signal"),
    [
        ("3:0", 3, None),
        ("200:0", 200, None),
        ("0:9", None, 9),
        ("1:15", None, 15),
        ("0:139", None, 139),
        ("768", 3, None),
        ("65280", 255, None),
        ("15", None, 15),
        ("139", None, 11),  # SIGSEGV with a core dump
        ("", None, None),
        ("3:", None, None),
        ("three", None, None),
        ("3:x", None, None),
        ("-1", None, None),
    ],
)
def test_exit_codes_of_both_generations_are_read(
    text: str, exit_code: int | None, signal: int | None
) -> None:
    """Since 23.02 squeue prints `code:signal`, before it the raw wait status."""
    found = parse.read_squeue(squeue_line(exit_code=text))["7"]
    assert (found.exit_code, found.signal) == (exit_code, signal)


@pytest.mark.parametrize(
    ("word", "state", "reason"),
    [
        ("OUT_OF_MEMORY", State.FAILED, Reason.OUT_OF_MEMORY),
        ("PREEMPTED", State.FAILED, Reason.PREEMPTED),
        ("DEADLINE", State.FAILED, Reason.TIME_LIMIT),
        ("BOOT_FAIL", State.FAILED, Reason.NODE_FAILURE),
        ("REQUEUED", State.QUEUED, None),
        ("SPECIAL_EXIT", State.HELD, None),
        ("RESV_DEL_HOLD", State.HELD, None),
        ("REVOKED", State.RUNNING, None),
        ("CANCELLED", State.TERMINATED, None),
        ("HIBERNATING", State.RUNNING, None),
    ],
)
def test_words_that_were_not_captured_are_read(
    word: str, state: State, reason: Reason | None
) -> None:
    """An exit code belongs to a job that ended by itself; an unknown word is no verdict."""
    for found in (
        parse.read_squeue(squeue_line(State=word))["7"],
        parse.read_sacct(sacct_line(State=word))["7"],
    ):
        assert (found.state, found.reason, found.native_state) == (state, reason, word)
        assert (found.exit_code, found.signal) == (None, None)


@pytest.mark.parametrize(
    "reason",
    ["JobHeldUser", "JobHeldAdmin", "launch failed requeued held", "launch_failed_requeued_held"],
)
def test_what_waits_for_somebody_is_held(reason: str) -> None:
    """Such a job will not start by itself; the reason is shown."""
    line = squeue_line(State="PENDING", Reason=reason, NodeList="", StartTime="N/A")
    found = parse.read_squeue(line)["7"]
    assert (found.state, found.message, found.started) == (State.HELD, explain(reason), None)


def test_a_job_without_a_node_has_not_started() -> None:
    """An expected start is printed for waiting jobs, and one for jobs that never ran."""
    expected = squeue_line(State="PENDING", NodeList="", StartTime="1795167999")
    assert parse.read_squeue(expected)["7"].started is None
    never = squeue_line(State="CANCELLED", NodeList="")
    assert parse.read_squeue(never)["7"].started is None


# -- sacct

account = partial(status, "sacct")
CPU = timedelta(milliseconds=1)
K = 1024

recorded = partial(account, host="accounting1", submitted=48, started=48)
SACCT_MIXED: Table = {
    **dict.fromkeys(
        ("1204", "1205", "1224", "1228"), account(State.QUEUED, "PENDING", submitted=48)
    ),
    "1209": recorded(State.RUNNING, "RUNNING"),
    "1210": recorded(
        State.DONE,
        "COMPLETED",
        exit_code=0,
        ended=51,
        cpu_time=timedelta(seconds=2.05),
        max_memory=111788 * K,
    ),
    "1211": recorded(State.FAILED, "FAILED", exit_code=3, ended=49, cpu_time=CPU),
    "1212": recorded(State.FAILED, "FAILED", exit_code=9, ended=49, cpu_time=CPU),  # exit 137
    "1213": recorded(
        State.FAILED, "FAILED", signal=9, ended=49, cpu_time=2 * CPU, max_memory=2768 * K
    ),
    "1214": recorded(State.DONE, "COMPLETED", exit_code=0, ended=49, cpu_time=2 * CPU),
    "1215": recorded(State.FAILED, "FAILED", signal=11, ended=49, cpu_time=CPU),
    "1216": recorded(
        State.TERMINATED, "CANCELLED", ended=51, cpu_time=2 * CPU, max_memory=3016 * K
    ),
    "1217": account(State.TERMINATED, "CANCELLED", submitted=48, ended=51),
    "1218": recorded(
        State.FAILED,
        "TIMEOUT",
        reason=Reason.TIME_LIMIT,
        ended=128,
        cpu_time=CPU,
        max_memory=2992 * K,
    ),
    "1219": recorded(State.FAILED, "FAILED", **no_output, ended=49),
    "1220": recorded(State.DONE, "COMPLETED", exit_code=0, ended=49, cpu_time=CPU),
    "1221": account(State.QUEUED, "PENDING", message="BeginTime", submitted=51, restarts=1),
    "1222": account(State.QUEUED, "PENDING", message="BeginTime", submitted=50, restarts=1),
    "1223": account(State.HELD, "PENDING", message="JobHeldUser", submitted=51, restarts=1),
    "1225": account(State.TERMINATED, "CANCELLED", submitted=48, ended=49),
    "1226": account(State.FAILED, "FAILED", exit_code=1, submitted=48, ended=48),
    **elements(1206, (1, 3, 7, 11, 13, 15, 17, 19), account(State.QUEUED, "PENDING", submitted=48)),
    **elements(1207, range(0, 199, 2), account(State.QUEUED, "PENDING", submitted=48)),
    **{
        f"1208_{number}": account(
            State.DONE,
            "COMPLETED",
            exit_code=0,
            host="accounting1",
            submitted=48,
            started=start,
            ended=end,
            cpu_time=2 * CPU,
            max_memory=memory * K,
        )
        for number, start, end, memory in (
            *((0, 48, 73, 2884), (1, 48, 73, 2988), (2, 74, 99, 2996), (3, 74, 99, 2928)),
            *((4, 99, 125, 2824), (5, 99, 125, 2844)),
        )
    },
    # Both are among the pending as well.
    **elements(
        1208,
        (6, 7),
        account(
            State.RUNNING,
            "RUNNING",
            message="JobArrayTaskLimit",
            host="accounting1",
            submitted=48,
            started=125,
        ),
    ),
    **elements(
        1208,
        (8, 9),
        account(State.QUEUED, "PENDING", message="JobArrayTaskLimit", submitted=48),
    ),
    **{
        f"1227_{code}": recorded(State.FAILED, "FAILED", exit_code=code, ended=49, cpu_time=CPU)
        for code in (1, 2, 3, 4)
    },
}
lost_node = partial(account, State.FAILED, "NODE_FAIL", reason=Reason.NODE_FAILURE)
NODE_DOWN: Table = {
    "1262": account(State.QUEUED, "PENDING", message="BeginTime", submitted=296, restarts=1),
    "1263": lost_node(host="accounting1", submitted=293, started=294, ended=296),
    "1264": account(State.HELD, "PENDING", message="JobHeldUser", submitted=293),
    "1265_1": lost_node(host="accounting1", submitted=293, started=294, ended=296),
    "1265_2": lost_node(host="accounting1", submitted=293, started=294, ended=296),
    "1267": account(State.QUEUED, "PENDING", message="ReqNodeNotAvail", submitted=297),
}
cancelled_element = partial(account, State.TERMINATED, "CANCELLED", host="accounting1")
PARTLY: Table = {
    "1269_1": account(State.RUNNING, "RUNNING", host="accounting1", submitted=351, started=352),
    "1269_2": cancelled_element(
        submitted=351, started=352, ended=353, cpu_time=2 * CPU, max_memory=2780 * K
    ),
    "1269_3": account(
        State.RUNNING,
        "RUNNING",
        message="JobArrayTaskLimit",
        host="accounting1",
        submitted=351,
        started=353,
    ),
    **elements(
        1269,
        (6, 7, 9),
        account(State.QUEUED, "PENDING", message="JobArrayTaskLimit", submitted=351),
    ),
}
REQUEUED: Table = {
    "1221": account(
        State.DONE,
        "COMPLETED",
        exit_code=0,
        host="accounting1",
        submitted=51,
        started=175,
        ended=175,
        cpu_time=2 * CPU,
        restarts=1,
    ),
    "1222": account(
        State.RUNNING,
        "RUNNING",
        message="BeginTime",
        host="accounting1",
        submitted=50,
        started=175,
        restarts=1,
    ),
    "1223": account(State.HELD, "PENDING", message="JobHeldUser", submitted=51, restarts=1),
}

SACCT: dict[str, Table] = {
    "mixed": SACCT_MIXED,
    "nodedown": NODE_DOWN,
    "nodedown-resumed": {
        **NODE_DOWN,
        "1267": account(
            State.DONE,
            "COMPLETED",
            exit_code=0,
            host="accounting1",
            submitted=297,
            started=301,
            ended=301,
            cpu_time=CPU,
        ),
    },
    "requeued-duplicates": REQUEUED,
    "array-partly-cancelled": PARTLY,
    "array-cancelled": {
        "1269_1": cancelled_element(
            submitted=351, started=352, ended=356, cpu_time=CPU, max_memory=2764 * K
        ),
        "1269_2": PARTLY["1269_2"],
        "1269_3": cancelled_element(
            submitted=351, started=353, ended=356, cpu_time=2 * CPU, max_memory=3000 * K
        ),
        **elements(1269, (6, 7, 9), cancelled_element(host=None, submitted=351, ended=356)),
        **elements(1270, range(0, 199, 2), cancelled_element(host=None, submitted=351, ended=356)),
    },
    "completing": {
        "1254": cancelled_element(submitted=214, started=214, ended=216),
        "1255": account(State.RUNNING, "SUSPENDED", host="accounting1", submitted=214, started=214),
    },
    "completing-done": {
        "1254": cancelled_element(
            submitted=214, started=214, ended=216, cpu_time=7 * CPU, max_memory=3016 * K
        ),
        "1255": account(State.RUNNING, "RUNNING", host="accounting1", submitted=214, started=214),
    },
    "oom": {
        "1377": account(
            State.FAILED,
            "FAILED",
            signal=9,
            host="accounting1",
            submitted=1213,
            started=1213,
            ended=1214,
            cpu_time=timedelta(seconds=0.465),
            max_memory=212680 * K,
        )
    },
    "purged": {
        "1285": account(
            State.DONE,
            "COMPLETED",
            exit_code=0,
            host="accounting1",
            submitted=786,
            started=786,
            ended=786,
            cpu_time=CPU,
        ),
        **{
            f"1284_{code}": account(
                State.FAILED,
                "FAILED",
                exit_code=code,
                host="accounting1",
                submitted=786,
                started=786,
                ended=786,
                cpu_time=CPU,
            )
            for code in (1, 2, 3)
        },
        "1284_4": account(State.RUNNING, "RUNNING", host="accounting1", submitted=786, started=786),
    },
    "nodatabase-after": {
        "1282": account(
            State.FAILED,
            "FAILED",
            exit_code=5,
            host="accounting1",
            submitted=675,
            started=675,
            ended=675,
            cpu_time=CPU,
        ),
        "1283": account(
            State.FAILED,
            "FAILED",
            exit_code=6,
            host="accounting1",
            submitted=679,
            started=680,
            ended=680,
            cpu_time=CPU,
        ),
    },
    # These were captured with local times.
    "stopped-accounting": {"1281": account(State.RUNNING, "RUNNING", host="accounting1")},
    "unknown-among-known": {
        "1282": account(State.FAILED, "FAILED", exit_code=5, host="accounting1", cpu_time=CPU)
    },
    "unknown": {},
}


def sacct(name: str) -> str:
    """A captured answer, without `JobIDRaw`, for which we do not ask."""
    return re.sub(r"(?m)^([^|\n]*)\|[^|\n]*", r"\1", data(f"sacct {name}"))


@pytest.mark.parametrize("name", SACCT)
def test_sacct_is_read_in_full(name: str) -> None:
    """Every job of a captured answer becomes the record that is true of it, with its use."""
    assert parse.read_sacct(sacct(name)) == SACCT[name]


@pytest.mark.parametrize(
    ("fewer", "full"), [("requeued-last", "requeued-duplicates"), ("mixed-last", "mixed")]
)
def test_without_duplicates_only_restarts_are_missing(fewer: str, full: str) -> None:
    """The newest run of a requeued job is the one that counts."""
    found, known = parse.read_sacct(sacct(fewer)), parse.read_sacct(sacct(full))
    assert set(found) == set(known)
    for native, one in found.items():
        assert (one.state, one.submitted) == (known[native].state, known[native].submitted)
        assert one.restarts == 0


def test_without_steps_nothing_is_known_of_use() -> None:
    """--allocations prints zeros, which are no measurement."""
    found = parse.read_sacct(sacct("mixed-allocations"))
    assert set(found) == set(SACCT_MIXED)
    assert {(one.cpu_time, one.max_memory) for one in found.values()} == {(None, None)}


def test_local_times_are_not_taken_for_utc() -> None:
    """Without SLURM_TIME_FORMAT nothing is known of times, everything else is."""
    found = parse.read_sacct(sacct("mixed-iso"))
    assert {native: one.state for native, one in found.items()} == {
        native: one.state for native, one in SACCT_MIXED.items()
    }
    assert {(one.submitted, one.started, one.ended) for one in found.values()} == {
        (None, None, None)
    }


def test_sacct_hides_an_exit_code_above_128_and_squeue_does_not() -> None:
    """`exit 137` is 9:0 in accounting, which is why it is not trusted over the exit record."""
    assert parse.read_sacct(sacct("mixed"))["1212"].exit_code == 9
    assert parse.read_squeue(data("squeue mixed-long"))["10"].exit_code == 137


def sacct_line(**fields: str) -> str:
    usual = {
        **{"JobID": "7", "State": "FAILED", "ExitCode": "0:0", "Submit": "1795167600"},
        **{"Start": "1795167601", "End": "1795167602", "NodeList": "n1", "TotalCPU": "00:00:00"},
        **{"MaxRSS": "", "Reason": "None"},
    }
    return "|".join(({**usual, **fields})[name] for name in parse.SACCT_FIELDS) + "\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:02.050", 2.05),
        ("02:03.500", 123.5),
        ("01:02:03", 3723),
        ("1-02:03:04", 93784),
        ("00:00:00", None),
        ("00:00", None),
        ("", None),
        ("INVALID", None),
    ],
)
def test_cpu_time_is_read_in_all_its_forms(text: str, seconds: float | None) -> None:
    """Short times have fractions, long ones days; nothing measured is not known."""
    found = parse.read_sacct(sacct_line(TotalCPU=text))["7"]
    assert found.cpu_time == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("texts", "memory"),
    [
        (["111788K"], 111788 * K),
        (["1.50M"], 3 * K * K // 2),
        (["2G"], 2 * K**3),
        (["1T"], K**4),
        (["0"], None),
        (["512"], 512),
        (["100K", "3M", "200K"], 3 * K * K),
        ([""], None),
        (["16?"], None),
    ],
)
def test_the_hungriest_step_counts(texts: list[str], memory: int | None) -> None:
    """Memory is known of steps alone, in any unit."""
    rows = [sacct_line(JobID=f"7.{step}", MaxRSS=text) for step, text in enumerate(texts)]
    assert parse.read_sacct(sacct_line() + "".join(rows))["7"].max_memory == memory


def test_a_step_without_its_job_is_left_out() -> None:
    """The row of the job may be missing where the output was cut."""
    assert parse.read_sacct(sacct_line(JobID="7.batch")) == {}


@pytest.mark.parametrize("first", [True, False])
def test_an_element_on_its_own_wins_over_the_list_of_the_pending(first: bool) -> None:
    """An element can be listed as running and among those that wait, in either order."""
    rows = [
        sacct_line(JobID="5_[3-6%2]", State="PENDING", NodeList="None assigned"),
        sacct_line(JobID="5_4", State="RUNNING"),
    ]
    found = parse.read_sacct("".join(rows if first else reversed(rows)))
    assert {native: one.state for native, one in found.items()} == {
        "5_3": State.QUEUED,
        "5_4": State.RUNNING,
        "5_5": State.QUEUED,
        "5_6": State.QUEUED,
    }


# -- the log


def test_the_log_tells_whose_memory_was_too_much() -> None:
    """An element is named by a number of its own; others of its array share the log."""
    found = parse.memory_kills(data("slurmstepd memory"))
    assert set(found) == {"5368", "5369"}
    assert "exceeded memory limit (225058816 > 52428800), being killed" in found["5368"]


@pytest.mark.parametrize(
    "line",
    [
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch. Some of your processes"
        " may have been killed by the cgroup out-of-memory handler.",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some of the step tasks "
        "have been OOM Killed.",
        "slurmstepd: error: Detected 2 oom-kill event(s) in step 7.batch cgroup.",
        "slurmstepd-n1: error: StepId=7.batch exceeded memory limit (3 > 2), being killed",
    ],
)
def test_the_words_of_all_versions_are_known(line: str) -> None:
    """With cgroups and without, from 20.11 on."""
    assert parse.memory_kills(f"banner\n{line}\nslurmstepd: error: *** JOB 8 CANCELLED\n") == {
        "7": line
    }


# -- what is damaged

TOKENS = st.sampled_from(
    [
        *("", "7", "7_3", "7_[1-3]", "1-3", "5,7%2", "0-9:0", "9-1", "N/A", "..", "1-", "7.batch"),
        *("0-198:2", "1,2,...", "123_[", "٣", "RUNNING", "PENDING", "COMPLETED", "CANCELLED by 1"),
        *("0:0", "0:", ":9", "9" * 5000, "9" * 18, "-1", "1795167600", "Unknown", "n1", "None"),
        *("99999999-00:00:00", "99999999999-00:00:00", "9" * 400 + "P", "1.5.K", "\x00", "\u2028"),
    ]
)
SQUEUE_LIKE = st.lists(TOKENS, min_size=8, max_size=14).map("|".join)
ANY_OUTPUT = st.lists(st.text() | SQUEUE_LIKE, max_size=5).map("\n".join)


@pytest.mark.parametrize("read", [parse.read_squeue, parse.read_sacct], ids=lambda r: r.__name__)
@given(text=ANY_OUTPUT)
def test_any_text_is_read_without_an_exception(
    read: Callable[[str], dict[str, JobStatus]], text: str
) -> None:
    """What cannot be read is left out; keys are ids."""
    found = read(text)
    assert all(isinstance(one, JobStatus) for one in found.values())
    assert all(re.match(r"\d+(_(\d+|\.\.\.)|\+\d+)?$", native) for native in found)


@given(st.integers(0, len(data("squeue mixed-long"))))
def test_what_is_left_of_a_cut_answer_is_still_true(end: int) -> None:
    """An answer that ends anywhere tells less, and nothing else."""
    found = parse.read_squeue(data("squeue mixed-long")[:end])
    assert found.items() <= SQUEUE["mixed-long"].items()


@pytest.mark.parametrize("tool", ["squeue", "sacct"])
@given(
    noise=st.text(st.characters(exclude_characters="|=0123456789", exclude_categories=["Cs"])),
    place=st.integers(0, 200),
)
def test_lines_of_others_between_ours_change_nothing(tool: str, noise: str, place: int) -> None:
    """Sites wrap commands and print notes around their answers."""
    text, read = {
        "squeue": (data("squeue mixed-long"), parse.read_squeue),
        "sacct": (sacct("mixed"), parse.read_sacct),
    }[tool]
    lines = text.splitlines(keepends=True)
    lines.insert(place % (len(lines) + 1), f"{noise}\n")
    assert read("".join(lines)) == read(text)


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (parse.read_squeue, squeue_line(ArrayTaskID="0-9:0")),
        (parse.read_squeue, squeue_line(ArrayJobID="", ArrayTaskID="1-3")),
        (parse.read_squeue, squeue_line(ArrayJobID="CLUSTER")),
        (parse.read_squeue, squeue_line(ArrayTaskID="4294967294")),
        (parse.read_squeue, squeue_line().rstrip("|\n")),
        (parse.read_sacct, sacct_line(JobID="abc")),
        (parse.read_sacct, sacct_line(JobID="7_[", State="COMPLETED")),
        (parse.read_sacct, sacct_line(TotalCPU="99999999999-00:00:00")),
        (parse.read_sacct, "7|COMPLETED|0:0\n"),
    ],
)
def test_a_damaged_line_is_left_out(read: Callable[[str], object], line: str) -> None:
    """A missing id is no verdict, a wrong one would be."""
    assert read(line) == {}


def test_a_time_out_of_range_costs_only_itself() -> None:
    """Slurm prints its own numbers for "not set" in places."""
    [one] = parse.read_squeue(squeue_line(EndTime=str(2**64 - 2))).values()
    assert (one.state, one.started, one.ended) == (State.FAILED, at(1), None)


# -- arrays

NUMBERS = st.sets(st.integers(0, 5000), min_size=1, max_size=60)


@given(numbers=NUMBERS, throttle=st.sampled_from(["", "%1", "%200"]), bracket=st.booleans())
def test_natives_are_the_elements_of_a_list(
    numbers: set[int], throttle: str, bracket: bool
) -> None:
    """As squeue and scontrol print it, or in brackets."""
    text = write_ranges(sorted(numbers)) + throttle
    text = f"[{text}]" if bracket else text
    assert list(parse.natives("72", text)) == [f"72_{number}" for number in sorted(numbers)]


@given(st.integers(0, 500), st.integers(1, 50), st.integers(1, 50))
def test_natives_know_steps(first: int, count: int, step: int) -> None:
    """`0-198:2` is how Slurm shortens a regular list."""
    wanted = range(first, first + count * step, step)
    found = list(parse.natives("5", f"{first}-{wanted[-1]}:{step}"))
    assert found == [f"5_{number}" for number in wanted]


@given(st.sets(st.tuples(st.integers(1, 5), st.none() | st.integers(0, 300))))
def test_compressed_ids_stand_for_the_same_jobs(jobs: set[tuple[int, int | None]]) -> None:
    """What goes to scancel is each job once, and no other."""
    ids = [f"{job}" if number is None else f"{job}_{number}" for job, number in jobs]
    words = parse.compress(ids)
    listed = [
        native
        for word in words
        for native in parse.natives(word.partition("_")[0], word.partition("_")[2])
    ]
    assert sorted(listed) == sorted(ids)
    assert len(words) == len({(job, number is None) for job, number in jobs})


def test_a_word_for_scancel_is_never_too_long() -> None:
    """The system takes 128 kB in one word; a large array with gaps makes more."""
    ids = [f"7_{number}" for number in range(0, 200_000, 2)]
    words = parse.compress(ids)
    assert max(map(len, words)) < 100_000
    listed = [native for word in words for native in parse.natives("7", word.partition("_")[2])]
    assert listed == ids


REMOVED = JobStatus(
    state=State.TERMINATED,
    native_state="CANCELLED",
    source="squeue, which has its array without it",
    never_started=True,
)


def test_elements_that_were_removed_from_their_array_are_terminated() -> None:
    """`scancel 72_[4-5,8]` leaves no trace of elements that were pending, in no command."""
    ids = [f"72_{number}" for number in range(1, 10)]
    answers = parse.read_squeue(data("squeue array-partly-cancelled"))
    assert parse.removed_elements(ids, answers) == elements(72, (4, 5, 8), REMOVED)
    newer = parse.read_squeue(data("squeue array-partly-cancelled", "26.05"))
    new_ids = [f"2660_{number}" for number in range(1, 10)]
    assert parse.removed_elements(new_ids, newer) == elements(2660, (4, 5, 8), REMOVED)
    accounted = parse.read_sacct(sacct("array-partly-cancelled"))
    ids = [native.replace("72_", "1269_") for native in ids]
    assert parse.removed_elements(ids, accounted) == elements(1269, (4, 5, 8), REMOVED)


def test_a_job_or_array_that_nobody_knows_was_not_removed() -> None:
    """Only an array that is there can be without an element."""
    answers = parse.read_squeue(data("squeue mixed-long"))
    assert parse.removed_elements(["999", "998_0", "14", "6_0"], answers) == {}


def test_an_array_that_lost_all_elements_one_by_one_is_known_by_its_own_id() -> None:
    """22.05 keeps `7|N/A|CANCELLED` of a held array whose elements were killed together."""
    answers = parse.read_squeue(squeue_line(State="CANCELLED", NodeList=""))
    assert parse.removed_elements(["7_0", "7_1"], answers) == elements(7, (0, 1), REMOVED)


def test_a_list_that_was_cut_is_no_evidence_against_an_element() -> None:
    """Where a wrapper loses SLURM_BITSTR_LEN, squeue prints 64 bytes of the list and `...`."""
    short = "0-3,8,12-15,17,22,26-29,32,34-35,40,43,48-49,54-57,59-63,69,..."
    answers = parse.read_squeue(squeue_line(ArrayTaskID=short, State="PENDING"))
    assert {"7_0", "7_69"} <= set(answers)
    assert parse.removed_elements(["7_1", "7_70"], answers) == {}


@pytest.mark.parametrize(
    ("name", "ids", "alone", "crowded"),
    [
        ("mixed-long", ["7", "14", "2", "16"], ["7", "16"], []),
        ("mixed-long", ["6_0", "6_4", "6_5", "6_6", "7"], ["7"], ["6_4", "6_5"]),
        ("array-partly-cancelled", ["72_1", "72_2", "72_4"], [], ["72_1"]),
        ("completing", ["55", "56"], ["55", "56"], []),
        ("purged-partly", ["1284_1", "1284_4"], ["1284_4"], []),
        ("empty", ["1"], [], []),
    ],
)
def test_only_what_runs_can_get_a_signal(
    name: str, ids: list[str], alone: list[str], crowded: list[str]
) -> None:
    """Elements in whose array others wait are told apart, because scancel stumbles over those."""
    assert parse.running_jobs(ids, data(f"squeue {name}")) == (alone, crowded)


# -- sbatch, the cluster, the rest


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("parsable", "47"),
        ("parsable-array", "49"),
        ("parsable-cluster", "1250"),
        ("array-text", "1249"),
        ("nodatabase", "1283"),
        ("error-cores", "43"),
        ("plain", None),
        ("version", None),
    ],
)
def test_the_id_of_a_submitted_job_is_read(name: str, job: str | None) -> None:
    """`--parsable` prints it alone on a line, with the cluster where one was named."""
    assert parse.submitted_id(data(f"sbatch {name}")) == job


@pytest.mark.parametrize(
    ("stdout", "job"),
    [
        ("Welcome to 2 clusters!\n3504\n", "3504"),
        ("3504;main\nYour project has 17 hours left.\n", "3504"),
        ("12\n3504\n", "3504"),
        ("", None),
        ("job 3504\n", None),
        ("3504 jobs are waiting\n", None),
        ("3504;\n", None),
    ],
)
def test_banners_around_the_id_do_no_harm(stdout: str, job: str | None) -> None:
    """Sites wrap sbatch; only a line that is nothing but an id is one, the last one counts."""
    assert parse.submitted_id(stdout) == job


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "error-partition",
            "sbatch: error: invalid partition specified: nosuch; "
            "sbatch: error: Batch job submission failed: Invalid partition name specified",
        ),
        (
            "error-option",
            "sbatch: unrecognized option '--nosuch=1'\nTry \"sbatch --help\" for more information",
        ),
        ("error-gpus", "sbatch: error: Invalid generic resource (gres) specification"),
    ],
)
def test_errors_are_told_without_the_advice_around_them(name: str, said: str) -> None:
    """Slurm's own words, on one line where it marks them as errors."""
    assert parse.complain(Completed(1, stderr=data(f"sbatch {name}.stderr"))) == said


@pytest.mark.parametrize(
    ("stderr", "only"),
    [
        ("scancel: error: Kill job error on job id 1: Invalid job id specified\n" * 2, True),
        ("", False),
        (data("scancel stopped.stderr"), False),
        (
            "scancel: error: Kill job error on job id 1: Invalid job id specified\n"
            "scancel: error: Kill job error on job id 2: Access/permission denied\n",
            False,
        ),
    ],
)
def test_an_unknown_id_does_not_hide_another_error(stderr: str, only: bool) -> None:
    """There is a line for each job."""
    assert parse.only_unknown_ids(stderr) is only


def test_the_configuration_tells_what_the_cluster_allows() -> None:
    """One command for version, name, largest array, accounting and whose the cluster is."""
    plain = parse.read_config(data("scontrol config-plain"))
    led = "vm(127.0.0.1):16817"
    config = parse.ClusterConfig("22.05.8", "plain", 100001, False, (led,), 12, owner="root")
    assert plain == config
    other = parse.read_config(data("scontrol config-accounting"))
    led = "vm(127.0.0.1):16827"
    config = parse.ClusterConfig("22.05.8", "accounting", 201, True, (led,), 12, owner="root")
    assert other == config
    newer = parse.read_config(data("scontrol config", "26.05"))
    led = "sid(127.0.0.1):16837"
    config = parse.ClusterConfig("26.05.5", "sid", 100001, False, (led,), 12, owner="root")
    assert newer == config


@pytest.mark.parametrize(
    ("text", "array"),
    [
        ("MaxArraySize = 1001\nSchedulerParameters = bf_window=60,max_array_tasks=500", 500),
        ("MaxArraySize = 1001\nSchedulerParameters = max_array_tasks=5000", 1001),
        ("MaxArraySize = 0", 1),
        ("MaxArraySize = (null)", 1),
        ("", 1),
    ],
)
def test_the_lower_limit_of_an_array_counts(text: str, array: int) -> None:
    """A site may allow fewer elements than indices, or no arrays at all."""
    assert parse.read_config(text).array == array


def test_the_default_partition_has_a_star() -> None:
    """`sinfo --format=%P`; there may be none."""
    assert parse.default_partition(data("sinfo partitions")) == "main"
    assert parse.default_partition("short\nlong\n") is None
    assert parse.default_partition("") is None


@pytest.mark.parametrize(
    ("ids", "known", "expected"),
    [
        (["7_0", "7_1"], {"7_0": "R", "7_1": "PD"}, ["7"]),
        (["7_1"], {"7_0": "CD", "7_1": "PD"}, ["7"]),
        (["7_1"], {"7_0": "R", "7_1": "PD"}, ["7_1"]),
        (["7_1", "8_0", "9"], {"7_0": "PD", "7_1": "PD", "8_0": "PD"}, ["7_1", "8", "9"]),
        (["7_1"], {}, ["7_1"]),
        (["7_1"], {"7_1": "PD", "7_...": "PD"}, ["7_1"]),
    ],
    ids=["all", "all that go on", "not all", "several", "unknown", "a list that was cut"],
)
def test_whole_arrays(ids: list[str], known: dict[str, str], expected: list[str]) -> None:
    """An array's own id never ends an element that was not named."""
    states = {"R": State.RUNNING, "PD": State.QUEUED, "CD": State.DONE}
    answers = {
        n: JobStatus(state=states[s], native_state=s, source="squeue") for n, s in known.items()
    }
    assert parse.whole_arrays(ids, answers) == expected
