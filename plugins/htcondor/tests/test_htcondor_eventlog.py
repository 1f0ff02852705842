"""The event logs of real jobs.

`data/README.md` tells the situation of each log and the numbers of its events.
"""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import TZPATH, ZoneInfo

import attrs
import pytest
from anybatch import Reason, State
from anybatch.records import JobStatus
from anybatch.testing import ScriptedHost
from anybatch_htcondor import eventlog, events
from anybatch_htcondor.eventlog import NEVER_MADE, SOURCE, Log, Tale, fold, machine_zone
from anybatch_htcondor.events import when
from hypothesis import given
from hypothesis import strategies as st

from .captured import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parent / "data"
NAMES = sorted(
    path.name.removeprefix("eventlog-25.14-").removesuffix(".log")
    for path in DATA.glob("eventlog-*.log")
)
START = datetime(2026, 11, 20, 11, 0, 0, tzinfo=timezone.utc)
KB = 1024


class Machine(ScriptedHost):
    """A machine in the time zone of the captures."""

    zone = "UTC"

    def read_from(self, path: Path, start: int, most: int = -1) -> bytes:
        """The file; the one with the machine's zone is of its zone."""
        if path == Path("/etc/localtime"):
            path = Path(TZPATH[0], self.zone)
        return super().read_from(path, start, most)


def log_at(path: Path, token: str = TOKEN) -> Log:
    return Log(path, Machine(), token)


def path_of(name: str) -> Path:
    return DATA / f"eventlog-25.14-{name}.log"


def read(path: Path) -> dict[str, JobStatus]:
    """What a log tells of each job that it has events of."""
    log = log_at(path)
    log.catch_up()
    return told(log)


def told(log: Log) -> dict[str, JobStatus]:
    natives = (f"{cluster}.{proc}" for cluster in log.clusters for proc in range(10))
    found = {native: log.status(native) for native in natives}
    kept = {native: status for native, status in found.items() if status is not None}
    return {n: one for n, one in kept.items() if one.submitted}  # not what is yet to be made


def events_of(path: Path) -> list[events.Event]:
    """The events of a log that are about jobs."""
    return [event for event in events.take(path.read_bytes())[0] if event["Proc"] >= 0]


def folded(tale: Tale | None, kind: int, event: Mapping[str, Any]) -> Tale:
    return fold(tale, kind, event, timezone.utc)


def told_by(tale: Tale | None, event: events.Event) -> Tale:
    return folded(tale, event["EventTypeNumber"], event)


def at(minutes: int, seconds: int) -> datetime:
    return START + timedelta(minutes=minutes, seconds=seconds)


def status(state: State, native: str, *times: tuple[int, int], **facts: Any) -> JobStatus:
    """A record, its times (submitted, started, ended) as minutes and seconds after 11:00."""
    names = ("submitted", "started", "ended")
    moments = {name: at(*one) for name, one in zip(names, times, strict=False)}
    if "memory" in facts:
        facts["max_memory"] = facts.pop("memory") * KB
    return JobStatus(state=state, native_state=native, source=SOURCE, **moments, **facts)


# -- how each log ends

done = partial(status, State.DONE, "completed", host="sid", exit_code=0)
failed = partial(status, State.FAILED, "completed", host="sid")
removed = partial(status, State.TERMINATED, "removed", message="via condor_rm (by user tester)")
running = partial(status, State.RUNNING, "running", host="sid")
held = partial(status, State.HELD, "held")
OVERTIME = "over time: The job exceeded allowed {} duration of 00:0{} (hold code {}, subcode 0)"
POLICY = "The job attribute PeriodicRemove expression '{}' evaluated to TRUE"

MIXED = {
    "54.0": done((11, 40), (11, 41), (11, 41), memory=4960),
    "54.1": failed((11, 40), (11, 41), (11, 41), exit_code=3, memory=4932),
    "54.2": failed((11, 40), (11, 41), (11, 41), signal=9, memory=4972),
    "54.3": failed((11, 40), (11, 41), (11, 41), signal=15, memory=4948),
    "54.4": failed((11, 40), (11, 41), (11, 41), exit_code=255, memory=4980),
}
LATE_CODES = (1, 2, 3, 4, 5)

ENDS: dict[str, dict[str, JobStatus]] = {
    "mixed": {
        **MIXED,
        "54.5": removed(
            *((11, 40), (11, 42), (11, 42)),
            **{"message": "anybatch (by user tester)", "host": "sid"},
            **{"restarts": 1, "memory": 4992},
        ),
        "54.6": removed(
            *((11, 40), (11, 41), (11, 42)),
            **{"message": "anybatch (by user tester)", "host": "sid", "memory": 3544},
        ),
        "54.7": removed((11, 40), (11, 41), (11, 43), host="sid", memory=3376),
    },
    "mixed-running": {
        **MIXED,
        **{f"54.{proc}": running((11, 40), (11, 41)) for proc in (5, 6, 7)},
    },
    "transfer": {
        "92.0": done((13, 36), (13, 39), (13, 41), host="worker", memory=3520),
        "92.1": done((13, 36), (13, 39), (13, 41), host="worker", memory=3312),
    },
    "evicted": {"57.0": removed((11, 46), (11, 56), (11, 57), host="sid", restarts=3, memory=5248)},
    "ended-while-away": {
        "3.0": failed(
            *((21, 22), (23, 15), (24, 15)),
            **{"host": "worker", "exit_code": 5, "restarts": 1, "memory": 5280},
        )
    },
    "reconnected": {
        "13.0": running(
            *((32, 46), (35, 27)),
            **{"host": "worker", "restarts": 1, "memory": 5280},
            message="run again after: Error from slot1_1@worker: STARTER at 198.51.100.6 failed to "
            "send file(s) to <198.51.100.1:19618>",
        )
    },
    "lease-over": {"4.0": removed((24, 16), (24, 18), (25, 42), host="worker")},
    "removed-away": {
        "5.0": status(
            *(State.QUEUED, "reconnect failed", (25, 42), (25, 44)),
            host="worker",
            message="Job disconnected too long: JobLeaseDuration (20 seconds) expired",
        )
    },
    "schedd-crashed": {
        "6.0": failed((27, 27), (27, 27), (27, 42), exit_code=6, memory=3400),
        "6.1": failed((27, 27), (27, 27), (27, 42), exit_code=6, memory=3180),
    },
    "schedd-crashed-transfer": {
        "14.0": failed((36, 36), (36, 38), (36, 53), exit_code=6, memory=3324)
    },
    "shadow-killed": {
        "10.0": failed((30, 51), (30, 56), (31, 16), exit_code=5, restarts=1, memory=3372)
    },
    "startd-ended": {
        "8.0": removed((27, 43), (27, 50), (27, 50), host="worker", restarts=1, memory=5296)
    },
    "startd-killed": {
        "9.0": status(
            *(State.RUNNING, "disconnected", (27, 50), (27, 51)),
            host="sid",
            message="Socket between submit and execute hosts closed unexpectedly",
        )
    },
    "removed-idle": {
        f"55.{proc}": attrs.evolve(removed((11, 43), never_started=True), ended=at(11, 43))
        for proc in range(3)
    },
    "removed-policy": {
        "2.0": attrs.evolve(
            removed((21, 16), never_started=True),
            ended=at(21, 21),
            message=POLICY.format("JobStatus == 1"),
        )
    },
    "removed-held": {
        "174.0": status(
            *(State.FAILED, "removed while held", (145, 40), (145, 41), (145, 48)),
            **{"reason": Reason.TIME_LIMIT, "host": "sid", "memory": 5196},
            message=OVERTIME.format("execute", 1, 47),
        ),
        # A job that is submitted on hold has no event that says so.
        "175.0": attrs.evolve(
            removed((145, 40), never_started=True),
            ended=at(145, 43),
            message=POLICY.format("JobStatus == 5"),
        ),
    },
    "late": {
        "11.0": done((32, 25), (32, 25), (32, 27), memory=3400),
        "11.1": failed((32, 25), (32, 25), (32, 27), exit_code=1, memory=3292),
        "11.2": failed((32, 27), (32, 27), (32, 29), exit_code=2, memory=3440),
        "11.3": failed((32, 27), (32, 28), (32, 30), exit_code=3, memory=3232),
        "11.4": failed((32, 29), (32, 30), (32, 32), exit_code=4, memory=3376),
        "11.5": failed((32, 30), (32, 31), (32, 33), exit_code=5, memory=3120),
    },
    "late-held": {
        "12.0": removed((32, 33), (32, 37), (32, 38), host="sid", restarts=1, memory=3400),
        "12.1": removed((32, 33), (32, 37), (32, 41), host="sid", restarts=1, memory=7500),
        "12.2": removed((32, 38), (32, 39), (32, 41), host="sid", memory=1564),
    },
    "token": {
        f"551.{proc}": failed((50, 38), (50, 39), (50, 39), exit_code=2, memory=5260)
        for proc in range(2)
    },
    "token-late": {
        "552.0": failed((50, 39), (50, 40), (50, 40), exit_code=2, memory=5240),
        "552.1": failed((50, 40), (50, 43), (50, 43), exit_code=2, memory=5228),
    },
    "format-legacy": {"575.0": failed((53, 18), (53, 18), (53, 18), exit_code=2, memory=5232)},
    "format-utc": {"576.0": failed((53, 21), (53, 22), (53, 22), exit_code=2, memory=5240)},
    "format-xml": {"578.0": failed((53, 28), (53, 29), (53, 29), exit_code=2, memory=5264)},
    "held-submitted": {"91.0": status(State.QUEUED, "idle", (13, 23))},
}
#: Job, second of its start and kilobytes of memory where known, begin and end of the message.
HELD: dict[str, tuple[str, int | None, int | None, str, str]] = {
    "disk": ("76.0", 27, 3436, "over disk: Error from slot1_2@sid", "(hold code 21, subcode 104)"),
    "duration": ("77.0", 26, 3364, OVERTIME.format("job", 2, 46), ""),
    "executable": ("81.0", 26, None, "Error from slot1_5@sid", "(hold code 6, subcode 2)"),
    "execute": ("78.0", 26, 3460, OVERTIME.format("execute", 2, 47), ""),
    "exit": ("90.0", 26, 5260, "exit 3 (hold code 3, subcode 78)", ""),
    "folder": ("83.0", None, None, "Cannot access initial", "(hold code 14, subcode 20)"),
    "format": ("82.0", 26, None, "Error from slot1_6@sid", "(hold code 6, subcode 13)"),
    "input": ("79.0", None, None, "Transfer input files", "(hold code 13, subcode 2)"),
    "max-input": ("87.0", None, None, "TransferInputSizeMB (3)", "(hold code 32, subcode 0)"),
    "max-output": ("88.0", 27, 5284, "Error from slot1_10@sid", "(hold code 33, subcode 0)"),
    "memory": (
        *("75.0", 23, 210880, "out of memory: Error from slot1_1@sid"),
        "(hold code 21, subcode 102)",
    ),
    "output": ("80.0", 29, 5276, "Transfer output files", "(hold code 12, subcode 2)"),
    "policy": ("1.0", None, None, "we say so (hold code 3, subcode 77)", ""),
    "stdin": ("86.0", None, None, "Error from slot1_9@sid", "(hold code 8, subcode 2)"),
    "stdout": ("84.0", 27, 5284, "Transfer output files", "(hold code 12, subcode 2)"),
    "stdout-shared": ("85.0", None, None, "Error from slot1_7@sid", "(hold code 7, subcode 2)"),
}


@pytest.mark.parametrize("name", sorted(ENDS))
def test_a_log_tells_how_each_of_its_jobs_is(name: str) -> None:
    """State, exit code or signal, host, times, restarts and memory: all that was written down."""
    found = read(path_of(name))
    if name == "format-legacy":  # this format has no year
        found = {n: _in_2026(one) for n, one in found.items()}
    assert found == ENDS[name]


def _in_2026(one: JobStatus) -> JobStatus:
    names = ("submitted", "started", "ended")
    return attrs.evolve(one, **{name: getattr(one, name).replace(year=2026) for name in names})


@pytest.mark.parametrize("name", sorted(HELD))
def test_a_log_tells_why_a_job_is_held(name: str) -> None:
    """In HTCondor's words and with its codes; what was exceeded comes first."""
    native, second, memory, begin, end = HELD[name]
    [(found, one)] = read(path_of(f"held-{name}")).items()
    assert (found, one.state, one.native_state, one.reason) == (native, State.HELD, "held", None)
    assert one.message is not None
    assert one.message.startswith(begin)
    assert one.message.endswith(end)
    assert one.started == (at(13, second) if second else None)
    assert one.max_memory == (memory * KB if memory else None)


def test_no_captured_log_is_left_out() -> None:
    """What is captured is tested."""
    assert set(NAMES) == {*ENDS, "image-bad", "late-incomplete", *(f"held-{name}" for name in HELD)}


# -- event by event

STORIES = {
    "mixed 54.0": "idle running completed",
    "mixed 54.5": "idle running evicted held released running evicted removed",
    "evicted 57.0": "idle running suspended running evicted running disconnected reconnect-failed "
    "evicted running evicted removed",
    "transfer 92.1": "idle transferring-input running transferring-output completed",
    "reconnected 13.0": "idle transferring-input running "
    + 5 * "disconnected running "
    + "evicted transferring-input running",
    "lease-over 4.0": "idle transferring-input running disconnected reconnect-failed evicted "
    "removed",
    "startd-ended 8.0": 2 * "transferring-input running evicted ",
    "startd-killed 9.0": "idle running disconnected",
    "shadow-killed 10.0": "idle running completed",
    "schedd-crashed 6.1": "idle running disconnected running completed",
    "held-folder 83.0": "idle released held",
    "held-input 79.0": "idle transferring-input evicted held",
    "held-output 80.0": "idle transferring-input running transferring-output evicted held",
    "held-exit 90.0": "idle running held",
    "late-held 12.0": "idle running evicted held released running evicted removed",
    "removed-held 174.0": "idle running held removed-while-held",
    "removed-idle 55.1": "idle held removed",
}
STORIES["startd-ended 8.0"] = f"idle {STORIES['startd-ended 8.0']}removed"


@pytest.mark.parametrize("story", sorted(STORIES))
def test_a_job_goes_its_way_event_by_event(story: str) -> None:
    """The words in their order; an event that only tells a fact changes none."""
    name, native = story.split()
    tale: Tale | None = None
    words: list[str] = []
    for event in events_of(path_of(name)):
        if f"{event['Cluster']}.{event['Proc']}" == native:
            tale = told_by(tale, event)
            word = tale.status.native_state.replace(" ", "-")
            words += [word] if [word] != words[-1:] else []
    assert " ".join(words) == STORIES[story]


@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_is_the_last_word(name: str) -> None:
    """After its end nothing changes a job, whatever the log goes on to say."""
    for event in events_of(path_of(name)):
        for ended in (MIXED["54.0"], MIXED["54.2"]):
            tale = Tale(ended, starts=1)
            assert told_by(tale, event) is tale


@given(
    st.integers(-1, 60),
    st.dictionaries(
        st.sampled_from(
            *[["TerminatedNormally", "ReturnValue", "TerminatedBySignal", "Reason", "EventTime"]]
        ),
        st.none() | st.booleans() | st.integers(-5, 300) | st.text(max_size=9),
    ),
)
def test_no_event_of_any_kind_makes_a_success_of_nothing(kind: int, event: dict[str, Any]) -> None:
    """Done takes an event that says: ended normally, with 0."""
    tale = folded(None, kind, event)
    code = event.get("ReturnValue")
    whole = isinstance(code, int) and not isinstance(code, bool)
    normal = kind == 5 and event.get("TerminatedNormally") and whole and code == 0
    assert (tale.status.state is State.DONE) == bool(normal)


HOLD = {"HoldReason": "too big", "HoldReasonCode": 34, "HoldReasonSubCode": 102}


@pytest.mark.parametrize(
    ("between", "why", "state", "reason"),
    [
        ([], POLICY.format("JobStatus == 5"), State.FAILED, Reason.OUT_OF_MEMORY),
        ([], "via condor_rm (by user tester)", State.TERMINATED, None),
        ([], None, State.TERMINATED, None),
        ([13], POLICY.format("JobStatus == 1"), State.TERMINATED, None),
        ([13, 1], POLICY.format("JobStatus == 2"), State.TERMINATED, None),
    ],
)
def test_a_removal_is_for_a_hold_only_while_it_lasts(
    between: list[int], why: str | None, state: State, reason: Reason | None
) -> None:
    """And only by a policy; what a user removes was not wanted any more."""
    tale = folded(folded(None, 1, {}), 12, HOLD)
    for kind in between:
        tale = folded(tale, kind, {})
    one = folded(tale, 9, {"Reason": why}).status
    assert (one.state, one.reason) == (state, reason)


def test_an_end_that_does_not_say_how_is_no_end() -> None:
    """A job is not failed because its event is damaged; the schedd knows."""
    before = Tale(ENDS["mixed-running"]["54.5"], starts=1)
    assert folded(before, 5, {"TerminatedNormally": True}) == before
    assert folded(before, 5, {}) == before


def test_cpu_time_is_that_of_all_runs_of_the_job() -> None:
    """User's and system's, in days, hours, minutes and seconds."""
    usage = "Usr 1 02:03:04, Sys 0 00:00:06"
    event = {"TerminatedNormally": True, "ReturnValue": 0, "TotalRemoteUsage": usage}
    tale = folded(None, 5, event)
    assert tale.status.cpu_time == timedelta(days=1, hours=2, minutes=3, seconds=10)


@pytest.mark.parametrize(
    ("sizes", "memory"),
    [
        ([{"ResidentSetSize": 900}, {"ResidentSetSize": 300}], 900 * KB),
        ([{"MemoryUsage": 5}], 5 * KB * KB),
        ([{"ResidentSetSize": 900, "MemoryUsage": 1}, {"MemoryUsage": 7}], 900 * KB),
        ([{}], None),
    ],
)
def test_memory_is_the_most_that_was_seen(sizes: list[dict[str, int]], memory: int | None) -> None:
    """In kilobytes where they are told; megabytes are a rough stand-in for them."""
    tale: Tale | None = None
    for event in sizes:
        tale = folded(tale, 6, event)
    assert tale is not None
    assert tale.status.max_memory == memory


# -- times


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("UTC", "2026-11-20T11:53:28", at(53, 28)),
        ("UTC", "2026-11-20 11:53:28", at(53, 28)),
        ("Asia/Tokyo", "2026-11-20T20:53:28.133", at(53, 28)),
        ("Asia/Tokyo", "2026-11-20T11:53:28Z", at(53, 28)),
        ("Asia/Tokyo", "2026-11-20T06:53:28.1-0500", at(53, 28)),
        ("America/New_York", "2026-11-20T11:53:28.133Z", at(53, 28)),
        ("UTC", "13/40 11:53:28", None),
        ("UTC", "2026-11-20", None),
        ("UTC", "", None),
    ],
)
def test_times_are_the_machines_or_say_that_they_are_not(
    zone: str, text: str, expected: datetime | None
) -> None:
    """With an offset, with Z, with fractions; what is no time is none."""
    assert when({"EventTime": text}, ZoneInfo(zone)) == expected


def test_old_times_without_a_year_are_not_of_the_future() -> None:
    """A log of December that is read in January is of the year before."""
    now = datetime.now(timezone.utc)
    for days in (-300, -1, 0):
        then = (now + timedelta(days=days)).replace(microsecond=0)
        assert when({"EventTime": f"{then:%m/%d %H:%M:%S}"}, timezone.utc) == then


@pytest.mark.parametrize("name", ["format-utc", "format-xml", "mixed"])
def test_the_users_time_zone_changes_no_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Daemons write the log, and `TZ` in somebody's shell is not theirs."""
    here = read(path_of(name))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert read(path_of(name)) == here
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_machines_own_zone_counts(tmp_path: Path) -> None:
    """As the daemons use it; a machine that has none is at UTC."""

    class Tokyo(Machine):
        zone = "Asia/Tokyo"

    class Nowhere(Machine):
        zone = "no/where"

    for host, hours in ((Tokyo(), -9), (Nowhere(), 0)):
        log = Log(path_of("mixed"), host, TOKEN)
        log.catch_up()
        one = log.status("54.0")
        assert one is not None
        assert one.ended == at(11, 41) + timedelta(hours=hours)
    assert machine_zone(Nowhere()) is timezone.utc


# -- read in pieces


@pytest.mark.parametrize("name", [name for name in NAMES if name != "format-xml"])
def test_read_event_by_event_it_ends_the_same(name: str, tmp_path: Path) -> None:
    """However often it is looked at while it grows."""
    parts = re.split(r"(?<=\n\.\.\.\n)", path_of(name).read_text())
    path = tmp_path / "log"
    log = log_at(path)
    log.catch_up()  # it is not there yet
    assert told(log) == {}
    with path.open("a") as growing:
        for part in parts:
            growing.write(part)
            growing.flush()
            log.catch_up()
            log.catch_up()
    assert told(log) == read(path_of(name))


@pytest.mark.parametrize("cut", [1, 3, 40, 1463, 3155, 3950, 4361])
def test_a_log_that_is_being_written_is_read_on(cut: int, tmp_path: Path) -> None:
    """Half an event is none yet, and a whole one later."""
    text = path_of("evicted").read_text()
    path = tmp_path / "log"
    path.write_text(text[:cut])
    log = log_at(path)
    log.catch_up()
    assert told(log) == read(path)
    with path.open("a") as growing:
        growing.write(text[cut:])
    log.catch_up()
    assert told(log) == ENDS["evicted"]


def test_a_log_that_stays_torn_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Its writer was killed, or its disk is full."""
    text = path_of("evicted").read_text()
    path = tmp_path / "log"
    path.write_text(text[:-30])
    log = log_at(path)
    log.catch_up()
    log.catch_up()
    [one] = told(log).values()
    assert (one.state, one.native_state) == (State.QUEUED, "evicted")


GARBAGE = {
    "words": "garbage garbage\n",
    "zeros": "\0" * 200 + "\n",
    "nothing": "",
    "half a line": "001 (054.000.000) 2026-11-20 11:1",
    "half an end": "005 (054.006.000) 2026-11-20 11:11:41 Job terminated.\n\t(1) Norm",
    "no number": "005 (054.0x6.000) 2026-11-20 11:11:41 Job terminated.\n\t(1) Normal "
    "termination (return value zz)\n",
    "of a later HTCondor": "099 (054.006.000) 2026-11-20 11:11:41 Something new.\n\tx y z\n",
}


@pytest.mark.parametrize("kind", sorted(GARBAGE))
def test_a_damaged_event_does_not_hide_the_others(kind: str, tmp_path: Path) -> None:
    """The reader stops at some of them; it is past them after three looks."""
    events = path_of("mixed").read_text().split("...\n")
    events.insert(12, GARBAGE[kind])
    path = tmp_path / "log"
    path.write_text("...\n".join(events))
    log = log_at(path)
    for _ in range(3):
        log.catch_up()
    found = {native: (one.state, one.exit_code, one.signal) for native, one in told(log).items()}
    assert found == {n: (one.state, one.exit_code, one.signal) for n, one in ENDS["mixed"].items()}


def test_a_byte_that_is_no_text_costs_nothing(tmp_path: Path) -> None:
    """A reason names a file in Latin-1; the log is read on, before it and after it."""
    data = path_of("held-output").read_bytes()
    path = tmp_path / "log"
    for place in range(0, len(data), 7):
        if data[place : place + 1].isalpha():
            path.write_bytes(data[:place] + b"\xe4" + data[place + 1 :])
            read(path)
    path.write_bytes(data.replace(b"nosuch", b"no\xe4such"))
    [one] = read(path).values()
    assert one.state is State.HELD
    assert "no\ufffdsuch" in (one.message or "")


@given(st.binary(max_size=300), st.integers(0, 5000), st.sampled_from(NAMES))
def test_no_bytes_of_any_kind_raise_or_add_a_success(noise: bytes, at: int, name: str) -> None:
    """Anything may stand anywhere: what is read of other jobs is what was written of them."""
    data = path_of(name).read_bytes()
    whole = data[:at].rfind(b"...\n") + 4 if b"...\n" in data[:at] else 0
    found, size = events.take(data[:whole] + noise + b"\n...\n" + data[whole:])
    assert size <= len(data) + len(noise) + 5
    if (
        name != "format-xml"
        and noise[:1] not in (b"<", b"{")
        and not re.search(rb"\d{3} \(", noise)
    ):
        assert found == events.take(data)[0]


def test_an_event_that_has_no_end_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of zeros, as a full disk may leave it, is passed over, and read on from there."""
    monkeypatch.setattr(eventlog, "_PIECE", 5000)
    path = tmp_path / "log"
    path.write_bytes(bytes(12_345))
    log = log_at(path)
    log.catch_up()
    with path.open("ab") as growing:
        growing.write(b"\n" + path_of("mixed").read_bytes())
    log.catch_up()
    assert told(log) == ENDS["mixed"]


@pytest.mark.parametrize("name", ["mixed", "late", "ended-while-away", "format-xml"])
def test_a_long_log_is_read_piece_by_piece(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of a million jobs has gigabytes; wherever a piece ends, nothing is lost."""
    monkeypatch.setattr(eventlog, "_PIECES", 100)
    for size in (2000, 2001, 4096):
        monkeypatch.setattr(eventlog, "_PIECE", size)
        assert read(path_of(name)) == ENDS[name]


@pytest.mark.parametrize("same_size", [True, False])
def test_a_log_that_is_another_file_now_is_begun_anew(tmp_path: Path, *, same_size: bool) -> None:
    """Moved away and written anew, or cut: nothing is read from the middle of an event."""
    path = tmp_path / "log"
    path.write_bytes(path_of("mixed").read_bytes())
    log = log_at(path)
    log.catch_up()
    other = path_of("evicted").read_bytes()
    path.write_bytes(other + (b"\n" * 40_000 if same_size else b""))
    log.catch_up()
    assert told(log) == ENDS["evicted"]


def test_a_log_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    """The schedd is asked then; when the log is back it tells the same as before."""
    path = tmp_path / "log"
    path.write_bytes(path_of("mixed").read_bytes())
    log = log_at(path)
    log.catch_up()
    path.rename(tmp_path / "elsewhere")
    log.catch_up()
    assert (told(log), log.covers("54.0")) == ({}, False)
    (tmp_path / "elsewhere").rename(path)
    log.catch_up()
    assert told(log) == ENDS["mixed"]


def test_a_log_in_json_is_read(tmp_path: Path) -> None:
    """One object for each event, however the site has set the format."""
    text = "".join(
        json.dumps(event, indent=2) + "\n"
        for event in events.take(path_of("mixed").read_bytes())[0]
    )
    path = tmp_path / "log"
    path.write_text(text)
    assert read(path) == ENDS["mixed"]


def test_a_submit_event_with_another_token_is_somebody_elses(tmp_path: Path) -> None:
    """Whatever cluster writes into the log, only the submission's own is believed."""
    text = path_of("removed-held").read_text()
    path = tmp_path / "log"
    host = 'sock=schedd_240828_de8d>\n    [ JobBatchName = "x" ]\n'
    text = text.replace("sock=schedd_240828_de8d>\n", host)
    for note, believed in ((TOKEN, True), ("ab-other-0", False), ("a note of DAGMan", True)):
        path.write_text(text.replace(host, f"{host}    {note}\n"))
        assert bool(read(path)) is believed


# -- what stopped it


def test_why_a_job_runs_again_and_again_is_told() -> None:
    """An image that is none: evicted in turn, and each state has the reason; its end has not."""
    [one] = read(path_of("image-bad")).values()
    assert one.message
    assert one.message.startswith(
        "run again after: Error from slot1_2@sid: Singularity test failed"
    )
    messages = []
    tale: Tale | None = None
    for event in events_of(path_of("image-bad")):
        tale = told_by(tale, event)
        messages.append((tale.status.native_state, tale.status.message))
    assert next(message for native, message in messages if native == "running") is None
    waiting = next(message for native, message in messages if native == "evicted")
    assert waiting
    assert waiting.startswith("Error from slot1_1@sid: Singularity test failed")
    assert waiting.endswith("bad.sif: image format not recognized")
    ended = told_by(tale, {"EventTypeNumber": 5, "TerminatedNormally": True, "ReturnValue": 0})
    assert (ended.status.state, ended.status.message) == (State.DONE, None)


# -- late materialization


def test_jobs_that_are_still_to_be_materialized_wait(tmp_path: Path) -> None:
    """They have no event yet, and the schedd does not know them either."""
    text = path_of("late").read_text()
    path = tmp_path / "log"
    path.write_text(text[: text.index("005 (011.0")])
    log = log_at(path)
    log.catch_up()
    assert [(one := log.status(f"11.{n}")) and one.native_state for n in range(6)] == [
        *("running", "running", *["to be materialized"] * 4)
    ]
    assert log.may_be_in_queue("11.1")
    assert not log.may_be_in_queue("11.5")
    assert log.status("12.0") is None


def test_jobs_that_never_were_materialized_are_removed_with_their_cluster() -> None:
    """Three of six were made when all was removed."""
    log = log_at(path_of("late-held"))
    log.catch_up()
    for native in ("12.3", "12.5"):
        one = log.status(native)
        assert one is not None
        assert (one.state, one.never_started) == (State.TERMINATED, True)
    assert log.status("13.0") is None


def test_jobs_that_htcondor_gave_up_were_removed_by_nobody() -> None:
    """Eight of twenty were made, and ended, when HTCondor took the cluster for complete."""
    log = Log(path_of("late-incomplete"), ScriptedHost(), "ab-20261128-141327-ab88bd-0")
    log.catch_up()
    one = log.status("13.8")
    assert one is not None
    assert (one.state, one.reason, one.never_started) == (State.FAILED, Reason.REJECTED, True)
    assert one.message == NEVER_MADE


# -- what the schedd says


def test_what_the_schedd_says_holds_until_the_log_has_something_newer(tmp_path: Path) -> None:
    """Only the schedd knows that a job was submitted on hold."""
    events = path_of("late-held").read_text().split("...\n")
    mine = [event for event in events if "(012.000.000)" in event]
    path = tmp_path / "log"
    path.write_text(mine[0] + "...\n")
    log = log_at(path)
    log.catch_up()
    said = JobStatus(state=State.HELD, native_state="held", source="condor_q", message="why")
    log.note("12.0", said)
    assert log.status("12.0") == said
    log.catch_up()
    assert log.status("12.0") == said
    with path.open("a") as growing:
        growing.write(mine[1] + "...\n")
    log.catch_up()
    now = log.status("12.0")
    assert now is not None
    assert (now.native_state, now.message, now.source) == ("running", None, SOURCE)


def test_what_the_schedd_says_never_takes_a_restart_back() -> None:
    """It counts starts at another moment; an exit record of an earlier run must stay dead."""
    log = log_at(path_of("reconnected"))
    log.catch_up()
    log.note("13.0", JobStatus(state=State.RUNNING, native_state="running", source="condor_q"))
    one = log.status("13.0")
    assert one is not None
    assert one.restarts == 1


def test_a_verdict_of_the_log_is_not_talked_out_of() -> None:
    """The queue was asked a moment before the job ended."""
    log = log_at(path_of("mixed"))
    log.catch_up()
    before = log.status("54.0")
    log.note("54.0", JobStatus(state=State.RUNNING, native_state="running", source="condor_q"))
    assert log.status("54.0") is before


def test_a_job_that_the_log_does_not_know_is_taken_from_the_schedd(tmp_path: Path) -> None:
    """Its log could not be written, or is not here."""
    log = log_at(tmp_path / "log")
    log.catch_up()
    assert log.status("1.0") is None
    assert log.may_be_in_queue("1.0")
    said = JobStatus(state=State.RUNNING, native_state="running", source="condor_q")
    log.note("1.0", said)
    assert log.status("1.0") == said
