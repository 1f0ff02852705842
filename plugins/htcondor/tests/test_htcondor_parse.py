"""From what HTCondor's commands print to records: everything was captured on a real pool.

`data/README.md` tells the situation of each file.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Reason, State
from anybatch.records import JobStatus
from anybatch_htcondor import parse
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(__file__).parent / "data"
START = datetime(2026, 11, 20, 11, 0, 0, tzinfo=timezone.utc)

Table = dict[str, JobStatus]


def data(name: str) -> str:
    """A captured output of 25.14: `q running`, `rm hung.stderr`."""
    tool, _, rest = name.partition(" ")
    return (DATA / f"condor_{tool}-25.14-{rest}.txt").read_text()


def clock(minutes: int, seconds: int) -> datetime:
    """So long after 11:00:00 of the day of the captures."""
    return START + timedelta(minutes=minutes, seconds=seconds)


def status(source: str, state: State, native: str, **facts: Any) -> JobStatus:
    """A record; its times as minutes and seconds."""
    for name in ("submitted", "started", "ended"):
        if name in facts:
            facts[name] = clock(*facts[name])
    return JobStatus(state=state, native_state=native, source=source, **facts)


def each(cluster: int, procs: Iterable[int], one: JobStatus) -> Table:
    """The same record for jobs of a cluster."""
    return {f"{cluster}.{proc}": one for proc in procs}


# -- the queue

queue = partial(status, "condor_q")
idle = partial(queue, State.QUEUED, "idle")
running = partial(queue, State.RUNNING, "running", host="sid")
completed = partial(queue, State.FAILED, "completed")
held = partial(queue, State.HELD, "held")
FAILURE = "Transfer {} files failure at"
NO_FILE = "(errno 2) No such file or directory (hold code {}, subcode 2)"

QUEUE: dict[str, Table] = {
    "idle": each(54, range(8), idle()),
    "running": each(54, (5, 6, 7), running(started=(11, 41))),
    "held": {
        # The reason had quotes in it, and HTCondor shows it as null.
        "54.5": held(message="(hold code 1, subcode 7)", started=(11, 41)),
        **each(54, (6, 7), running(started=(11, 41))),
    },
    "suspended": {"57.0": queue(State.RUNNING, "suspended", host="sid", started=(11, 47))},
    "completed": each(
        56, (0, 1), completed(exit_code=4, host="sid", started=(11, 44), ended=(11, 44))
    ),
    "removed": {
        "56.0": queue(State.RUNNING, "removing", started=(11, 44)),
        "56.1": completed(exit_code=4, started=(11, 44)),
    },
    "removing": {"5.0": queue(State.RUNNING, "removing", host="worker", started=(25, 43))},
    # The schedd notices late that a machine is away.
    "disconnected": {"13.0": running(host="worker", started=(32, 48))},
    "reconnected": {"13.0": running(host="worker", started=(32, 48))},
    "lease-over": {"4.0": running(host="worker", started=(24, 17))},
    "startd": {"8.0": idle(started=(27, 45))},
    "restarted": each(6, (0, 1), running(started=(27, 27))),
    "collector-hung": each(17, (0, 1), running(started=(43, 20))),
    "collector-stopped": each(17, (0, 1), running(started=(43, 20))),
    "late": each(11, (0, 1), running(started=(32, 25))),
    "late-held": each(
        12,
        (0, 1),
        held(message="via condor_hold (by user tester) (hold code 1, subcode 0)", started=(32, 33)),
    ),
    "late-removed": each(12, (1, 2), running(host=None)),
    # A cluster's own ad is no job's.
    "late-factory-json": {},
    "late-held-factory": {},
    "late-removed-constraint": {},
    # Nothing says where these are, or how they ended.
    "token": {},
    "userlog": each(54, (5, 6, 7), running(host=None)),
    **{name: {} for name in ("empty-json", "unknown-json", "unknown-text", "token-none")},
}
HELD = {
    "disk": (
        *("76.0", (13, 26)),
        "over disk: Error from slot1_2@sid: disk usage exceeded allocated disk "
        "(hold code 21, subcode 104)",
    ),
    "duration": (
        *("77.0", (13, 26)),
        "over time: The job exceeded allowed job duration of 00:02 (hold code 46, subcode 0)",
    ),
    "execute": (
        *("78.0", (13, 26)),
        "over time: The job exceeded allowed execute duration of 00:02 (hold code 47, subcode 0)",
    ),
    "executable": (
        *("81.0", (13, 26)),
        "Error from slot1_5@sid: Failed to execute '/nosuch/program': (errno=2: 'No such file or "
        "directory') (hold code 6, subcode 2)",
    ),
    "exit": ("90.0", (13, 26), "exit 3 (hold code 3, subcode 78)"),
    "folder": (
        *("83.0", (13, 26)),
        "Cannot access initial working directory /tmp/work/held/gone: Not a directory "
        "(hold code 14, subcode 20)",
    ),
    "format": (
        *("82.0", (13, 26)),
        "Error from slot1_6@sid: Failed to execute '/etc/passwd': (errno=13: 'Permission denied') "
        "(hold code 6, subcode 13)",
    ),
    "input": (
        *("79.0", (13, 24)),
        f"{FAILURE.format('input')} access point sid while sending files to execution point "
        "slot1_1@worker. Details: 1 total failures: first failure: reading from file "
        f"/tmp/work/held/nosuch: {NO_FILE.format(13)}",
    ),
    "max-input": (
        *("87.0", None),
        "TransferInputSizeMB (3) is greater than MAX_TRANSFER_INPUT_MB (1) at submit time "
        "(hold code 32, subcode 0)",
    ),
    "max-output": (
        *("88.0", (13, 26)),
        "Error from slot1_10@sid: STARTER at 198.51.100.1 failed to send file(s) to "
        "<198.51.100.1:19618>: |Error: 1 total failures: first failure: sending file "
        "/var/lib/condor/execute/dir_27434/scratch/f: max total download bytes exceeded (max=1 MB, "
        "this file=3 MB); SHADOW failed to receive file(s) from <198.51.100.1:32205> "
        "(hold code 33, subcode 0)",
    ),
    "memory": (
        *("75.0", (13, 23)),
        "out of memory: Error from slot1_1@sid: memory usage exceeded request_memory "
        "(hold code 21, subcode 102)",
    ),
    "output": (
        *("80.0", (13, 24)),
        f"{FAILURE.format('output')} execution point slot1_2@worker while sending files to access "
        "point sid. Details: 1 total failures: first failure: reading from file "
        f"/var/lib/condor/execute/dir_497/scratch/nosuch: {NO_FILE.format(12)}",
    ),
    "policy": ("1.0", None, "we say so (hold code 3, subcode 77)"),
    "stdin": (
        *("86.0", (13, 26)),
        "Error from slot1_9@sid: Failed to open '/tmp/work/held/nosuch' as standard input: No such "
        "file or directory (errno 2) (hold code 8, subcode 2)",
    ),
    "stdout": (
        *("84.0", (13, 26)),
        f"{FAILURE.format('output')} access point sid while receiving files from execution point "
        f"slot1_8@sid. Details: writing to file /nosuch/out: {NO_FILE.format(12)}",
    ),
    "stdout-shared": (
        *("85.0", (13, 26)),
        "Error from slot1_7@sid: Failed to open '/nosuch/out' as standard output: No such file or "
        "directory (errno 2) (hold code 7, subcode 2)",
    ),
    "submitted": ("91.0", None, "submitted on hold at user's request (hold code 15, subcode 0)"),
}
QUEUE |= {
    f"held-{name}": {native: held(message=message, **({"started": at} if at else {}))}
    for name, (native, at, message) in HELD.items()
}
NOT_JSON = {"q batch", "q nobatch", "q running-af", "q late-batch", "q late-factory"}


def captured(tool: str) -> set[str]:
    """The names of all captured standard outputs of a tool."""
    paths = DATA.glob(f"condor_{tool}-25.14-*.txt")
    names = (path.name.split("-25.14-")[1].removesuffix(".txt") for path in paths)
    return {name for name in names if not name.endswith(".stderr")}


@pytest.mark.parametrize("name", sorted(captured("q")))
def test_every_answer_of_the_queue_is_read_or_refused(name: str) -> None:
    """Each job is where its numbers say; an answer in another format is an error."""
    if f"q {name}" in NOT_JSON:
        with pytest.raises(ValueError, match=r"line|list"):
            parse.read_ads(data(f"q {name}"))
        return
    expected = QUEUE.get(name, {}) if name != "empty-af" else {}
    assert name in QUEUE or name == "empty-af"
    assert parse.read_queue(parse.read_ads(data(f"q {name}"))) == expected


def test_a_job_in_the_queue_that_ended_without_saying_how_is_no_verdict() -> None:
    """Read from a log by condor_q, an ended job has no exit code; it may have been 0."""
    ads = parse.read_ads(data("q userlog"))
    assert [ad["JobStatus"] for ad in ads[:5]] == [4] * 5
    assert not {"54.0", "54.4"} & set(parse.read_queue(ads))


# -- the history

history = partial(status, "condor_history")
ended = partial(history, State.FAILED, "completed", host="sid")
removed = partial(history, State.TERMINATED, "removed")
BY_TESTER = "via condor_rm (by user tester)"
POLICY = "The job attribute PeriodicRemove expression '{}' evaluated to TRUE"

HISTORY: dict[str, Table] = {
    "ended": {
        "54.0": history(
            *(State.DONE, "completed"), host="sid", exit_code=0, started=(11, 41), ended=(11, 41)
        ),
        "54.1": ended(exit_code=3, started=(11, 41), ended=(11, 41)),
        "54.2": ended(signal=9, started=(11, 41), ended=(11, 41)),
        "54.3": ended(signal=15, started=(11, 41), ended=(11, 41)),
        "54.4": ended(exit_code=255, started=(11, 41), ended=(11, 41)),
    },
    "crashed": each(6, (0, 1), ended(exit_code=6, started=(27, 27), ended=(27, 42))),
    "removed": {
        "54.5": removed(
            message="anybatch (by user tester)", host="sid", started=(11, 42), restarts=1
        ),
        "54.6": removed(message="anybatch (by user tester)", host="sid", started=(11, 41)),
        "54.7": removed(message=BY_TESTER, host="sid", started=(11, 41)),
    },
    "removed-idle": each(55, (0, 1), removed(message=BY_TESTER, never_started=True)),
    "removed-policy": {"2.0": removed(message=POLICY.format("JobStatus == 1"), never_started=True)},
    "removed-held": {
        "172.0": history(
            *(State.FAILED, "removed while held"),
            reason=Reason.OUT_OF_MEMORY,
            message="out of memory: Error from slot1_6@sid: memory usage exceeded request_memory "
            "(hold code 21, subcode 102)",
            host="sid",
            submitted=(145, 26),
            started=(145, 29),
            max_memory=153_600_000,
        ),
        "174.0": history(
            *(State.FAILED, "removed while held"),
            reason=Reason.TIME_LIMIT,
            message="over time: The job exceeded allowed execute duration of 00:01 "
            "(hold code 47, subcode 0)",
            host="sid",
            submitted=(145, 40),
            started=(145, 41),
            max_memory=7_680_000,
        ),
        "175.0": history(
            *(State.FAILED, "removed while held"),
            reason=Reason.HELD,
            message="submitted on hold at user's request (hold code 15, subcode 0)",
            submitted=(145, 40),
            never_started=True,
        ),
    },
    "evicted": {"57.0": removed(message=BY_TESTER, host="sid", started=(11, 56), restarts=2)},
    # What is asked for says nothing of how they ended.
    **{name: {} for name in ("ended-ids", "ended-limit", "ended-token", "late")},
    **{name: {} for name in ("completed", "empty-json", "ended-running", "reconnected")},
    **{name: {} for name in ("hung", "stopped", "empty-af")},
}


@pytest.mark.parametrize("name", sorted(captured("history") - {"ended-jsonl"}))
def test_every_answer_of_the_history_is_read(name: str) -> None:
    """Exit codes, signals, and who removed a job; all of it is final."""
    answer = parse.read_history(parse.read_ads(data(f"history {name}")))
    assert answer == HISTORY[name]
    assert all(one.state.final for one in answer.values())


def test_lines_of_ads_are_no_list_of_ads() -> None:
    """`-jsonl` is not what is asked for."""
    with pytest.raises(ValueError, match="Extra data"):
        parse.read_ads(data("history ended-jsonl"))


REMOVED_AD = {
    **{"ClusterId": 7, "ProcId": 0, "JobStatus": 3, "NumJobStarts": 1, "ExitBySignal": False},
    **{"HoldReason": None, "HoldReasonCode": None, "HoldReasonSubCode": None},
}


@pytest.mark.parametrize(
    ("code", "subcode", "reason"),
    [
        (34, 102, Reason.OUT_OF_MEMORY),
        (21, 102, Reason.OUT_OF_MEMORY),
        (46, 0, Reason.TIME_LIMIT),
        (47, None, Reason.TIME_LIMIT),
        (21, 104, Reason.HELD),
        (13, 2, Reason.HELD),
        (None, None, Reason.HELD),
    ],
)
def test_what_a_policy_removed_while_it_was_held_has_failed_for_that(
    code: int | None, subcode: int | None, reason: Reason
) -> None:
    """Its codes have moved to the last hold; the message is that of the hold."""
    ad = {
        **REMOVED_AD,
        **{"LastJobStatus": 5, "RemoveReason": POLICY.format("JobStatus == 5 && ...")},
        **{"LastHoldReason": "why", "LastHoldReasonCode": code, "LastHoldReasonSubCode": subcode},
    }
    [answer] = parse.read_history([ad]).values()
    assert (answer.state, answer.reason) == (State.FAILED, reason)
    assert answer.native_state == "removed while held"
    assert answer.message is not None
    assert f"why (hold code {code or 0}, subcode {subcode or 0})" in answer.message


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (5, BY_TESTER),
        (5, None),
        (2, POLICY.format("JobStatus == 2 && ...")),
        (1, POLICY.format("(QDate < 5) || (JobStatus == 5 && ...)")),
        (None, POLICY.format("JobStatus == 5")),
    ],
)
def test_other_removals_are_somebodys_wish(before: int | None, why: str | None) -> None:
    """By a user, held or not; by a policy of the user's while it was not held any more."""
    last = {"LastHoldReason": "long ago", "LastHoldReasonCode": 34, "LastHoldReasonSubCode": 102}
    ad = {**REMOVED_AD, **last, "LastJobStatus": before, "RemoveReason": why}
    [answer] = parse.read_history([ad]).values()
    assert (answer.state, answer.reason, answer.message) == (State.TERMINATED, None, why)


def test_facts_of_an_ended_job_are_told() -> None:
    """Times in UTC, memory in bytes, both kinds of CPU time, the last machine."""
    ad = {
        **{"ClusterId": 7, "ProcId": 1, "JobStatus": 4, "ExitBySignal": False, "ExitCode": 0},
        **{"QDate": 1795173100, "JobCurrentStartDate": 1795173101, "CompletionDate": 1795173161},
        **{"LastRemoteHost": "slot1@a@node7.example.org", "ResidentSetSize": 2000},
        **{"RemoteUserCpu": 55.5, "RemoteSysCpu": 4, "NumJobStarts": 3},
    }
    assert parse.read_history([ad]) == {
        "7.1": JobStatus(
            state=State.DONE,
            native_state="completed",
            source="condor_history",
            exit_code=0,
            host="node7.example.org",
            submitted=clock(11, 40),
            started=clock(11, 41),
            ended=clock(12, 41),
            restarts=2,
            cpu_time=timedelta(seconds=59.5),
            max_memory=2_048_000,
        )
    }


# -- what is damaged

ENDED_AD = {
    **{"ClusterId": 7, "ProcId": 0, "JobStatus": 4, "ExitBySignal": False, "ExitCode": 0},
    **{"NumJobStarts": 1, "LastRemoteHost": "slot1@sid", "CompletionDate": 1795173161},
}
GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
NOT_ENDED = ["idle", "running", "held", "suspended", "removing", "late-held", "held-memory"]


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "3", '"[]"', "null", "[1]", "[[]]", "[null]", "not found", "[", "[\n{", "]"),
        "-- Failed to fetch ads from: <198.51.100.1:19618?addrs=198.51.100.1-19618>\n",
        "Error: Can't find address for schedd sid",
        "Welcome to the cluster!\n[\n]\n",
        "[\n]\n[\n]\n",
    ],
)
def test_what_is_no_list_of_ads_is_an_error(text: str) -> None:
    """Not an empty answer: that would say that no job is known."""
    with pytest.raises(ValueError, match=r".+"):
        parse.read_ads(text)


@given(st.sampled_from(NOT_ENDED), st.data())
def test_a_truncated_answer_ends_no_job(name: str, drawn: st.DataObject) -> None:
    """Cut anywhere, it is an error or says what the whole one says."""
    text = data(f"q {name}")
    cut = text[: drawn.draw(st.integers(0, len(text)))]
    try:
        answer = parse.read_queue(parse.read_ads(cut))
    except ValueError:
        return
    assert not cut.strip() or answer == QUEUE[name]


@given(st.sampled_from(sorted(ENDED_AD)), GARBAGE)
def test_a_damaged_ad_is_no_success(name: str, garbage: Any) -> None:
    """Whatever stands for an attribute, no exit code 0 comes of it but the one that was there."""
    ad = {**ENDED_AD, name: garbage}
    for read in (parse.read_queue, parse.read_history):
        for native, answer in read([ad]).items():
            assert re.fullmatch(r"-?\d+\.-?\d+", native)
            if name in ("ExitCode", "ExitBySignal", "JobStatus"):
                told = (ad["JobStatus"], ad["ExitBySignal"], ad["ExitCode"]) == (4, False, 0)
                assert (answer.state is State.DONE) == told


@given(st.sampled_from(NOT_ENDED), st.data())
def test_a_lost_attribute_ends_no_job(name: str, drawn: st.DataObject) -> None:
    """A job that has not ended has not, whatever is missing or garbled in its ad."""
    ads = json.loads(data(f"q {name}"))
    for ad in ads:
        attribute = drawn.draw(st.sampled_from(sorted(ad)))
        value = drawn.draw(GARBAGE.filter(lambda value: value != 4))
        ad[attribute] = value
        if drawn.draw(st.booleans()):
            del ad[attribute]
    assert not any(one.state.final for one in parse.read_queue(ads).values())
    assert parse.read_history([ad for ad in ads if ad.get("JobStatus") != 3]) == {}


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (0, None),
        (-1, None),
        (None, None),
        ("1795173100", None),
        (1.5, None),
        (10**18, None),
        (1795173100, clock(11, 40)),
    ],
)
def test_times_are_seconds_or_never(seconds: object, moment: datetime | None) -> None:
    """0 stands for never; what no calendar knows is left out."""
    assert parse.moment(seconds) == moment


@pytest.mark.parametrize(
    ("slot", "machine"),
    [
        *((None, None), ("", None), ("slot1_1@sid", "sid"), ("slot1_1@a@node7", "node7")),
        *(("node7", "node7"), ("slot1@", None)),
    ],
)
def test_a_slot_is_on_a_machine(slot: str | None, machine: str | None) -> None:
    """Its name is what follows the last `@`."""
    assert parse.machine(slot) == machine


# -- submit

SUBMITTED = {
    "terse-one": (1, "28"),
    "terse-items": (4, "27"),
    "terse-late": (6, "11"),
    "collector-hung": (2, "18"),
    "collector-stopped": (2, "19"),
    "cpus-negative": (1, "41"),
    "input-missing": (1, "50"),
    "items-few": (2, "49"),
    "log-missing": (1, "51"),
    "memory-word": (1, "39"),
    "noqueue": (1, "35"),
    "unused": (1, "32"),
    "zero": (1, "36"),
    "dry-run": (1, "1"),
    # Not the format that is asked for, or nothing at all.
    "plain": (3, None),
    "nojobs": (1, None),
    "hung": (2, None),
}


@pytest.mark.parametrize("name", sorted(captured("submit")))
def test_every_answer_of_condor_submit_gives_its_cluster(name: str) -> None:
    """The cluster of so many jobs; with another number of jobs it is not ours."""
    count, cluster = SUBMITTED[name]
    assert parse.submitted_cluster(data(f"submit {name}"), count) == cluster
    assert parse.submitted_cluster(data(f"submit {name}"), count + 1) is None


@pytest.mark.parametrize(
    ("stdout", "count", "cluster"),
    [
        ("Welcome!\n42.0 - 42.9\nGood bye\n", 10, "42"),
        ("WARNING: your disk is 99.9 - 99.9 % full\n42.0 - 42.0\n", 1, "42"),
        ("42.0 - 43.9\n", 10, None),
        ("42.0 - 42.9", 1, None),
        ("x42.0 - 42.0\n", 1, None),
        ("42.0 - 42.0 or so\n", 1, None),
        ("", 1, None),
    ],
)
def test_a_wrapper_may_say_more(stdout: str, count: int, cluster: str | None) -> None:
    """The line stands alone, and is one cluster's."""
    assert parse.submitted_cluster(stdout, count) == cluster


REFUSED = {
    "acctgroup": "Invalid accounting_group: a b",
    "attribute-name": "on Line 6 of attribute-name.sub: Failed to parse command file (line 6).",
    "attribute": 'Parse error in expression: Token = "unclosed',
    "environment": "Missing '=' after environment variable 'A'. The environment you specified "
    "was: '\"A\"'",
    "executable": "Can't access executable file nosuch: No such file or directory",
    "items-at-end": "on Line 8 of items-at-end.sub: Extra data found after queue statement "
    "Failed to parse command file (line 8).",
    "iwd": "No such directory: /nosuch",
    "memory-unit": "Parse error in expression: RequestMemory = 3Q",
    "nofile": "Failed to open command file (nosuch.sub) (No such file or directory)",
    "quoting-double": "Unexpected characters following double-quote. Did you forget to escape the "
    'double-quote by repeating it? Here is the quote and trailing characters: "b" The full '
    'arguments you specified were: "-c a"b"',
    "quoting": "Unbalanced quote starting here: 'a The full arguments you specified were: "
    '"-c \'a"',
    "requirements": "Parse error in expression: Requirements = ((a ==) && (TARGET.Arch == "
    '"X86_64") && (TARGET.OpSys == "LINUX") && (versionGE(split(TARGET.CondorVersion)[1], '
    '"25.12.0") || (TARGET.Disk >= RequestDisk)) && (TARGET.Memory >= RequestMemory) && '
    "((TARGET.FileSystemDomain == MY.FileSystemDomain) || (TARGET.HasFileTransfer)) WARNING: "
    "Could not get attribute references from Requirements: ((a ==)",
    "syntax": "on Line 6 of syntax.sub: Failed to parse command file (line 6).",
    "transfer": 'you specified files you want Condor to transfer via "transfer_input_files", but '
    "you disabled should_transfer_files.",
    "unclosed": "on Line 7 of unclosed.sub: Reached end of file without finding closing brace ')' "
    "for Queue command on line 6 Failed to parse command file (line 7).",
    "universe": "I don't know about the 'nosuch' universe.",
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refusal_is_told_on_one_line(name: str) -> None:
    """HTCondor's words without the word ERROR."""
    assert parse.complain(data(f"submit error-{name}.stderr")) == REFUSED[name]


def test_every_captured_refusal_is_told() -> None:
    """None is left out above; where nothing was said, that is said."""
    names = {path.name for path in DATA.glob("condor_submit-25.14-error-*")}
    known = {*REFUSED, "toomany"}  # which is tried again
    assert names == {f"condor_submit-25.14-error-{name}.stderr.txt" for name in known}
    assert parse.complain(" \n") == "no reason given"


# -- remove, version

GONE = {"again", "late-cluster", "other-user", "unknown", "unknown-cluster"}
GONE |= {"unknown-constraint", "unknown-mixed"}
NOT_DONE = {"crashed", "hung", "stopped", "nothing", "text"}


def test_only_complaints_of_jobs_that_are_gone_are_no_error() -> None:
    """A schedd that is away says the same of the job, and more."""
    names = [path.name for path in DATA.glob("condor_rm-25.14-*.stderr.txt")]
    found = {name.split("-25.14-")[1].removesuffix(".stderr.txt") for name in names}
    assert found == GONE | NOT_DONE
    assert {name for name in found if parse.only_gone(data(f"rm {name}.stderr"))} == GONE


@pytest.mark.parametrize("tool", ["hold", "release"])
def test_other_tools_complain_in_the_same_way(tool: str) -> None:
    """As condor_suspend and condor_continue do."""
    for name, gone in (("unknown", True), ("unknown-constraint", True), ("hung", False)):
        assert parse.only_gone(data(f"{tool} {name}.stderr")) == gone


def test_no_words_at_all_are_an_error() -> None:
    """An exit status other than 0 that is not explained."""
    assert not parse.only_gone("")
    assert not parse.only_gone(" \n\n")
    assert not parse.only_gone("Job 1.0 not found\nPermission denied")


def test_the_version_is_read() -> None:
    """From the first line of condor_version."""
    assert parse.read_version(data("version version")) == "25.14.1"
    assert parse.read_version("condor_version: nobody knows") is None


@pytest.mark.parametrize("name", ["noconfig"])
def test_tools_without_a_configuration_are_told_from_a_schedd_that_is_away(name: str) -> None:
    """They are installed, and belong to no pool."""
    assert parse.NOT_SET_UP.search(data(f"q {name}.stderr"))
    for away in ("hung", "crashed"):
        assert not parse.NOT_SET_UP.search(data(f"q {away}.stderr"))


# -- constraints


def is_true(expression: str, cluster: int, proc: int) -> bool:
    """The value of a constraint for a job; only what constraints are made of is taken."""
    text = expression
    for word, python in (("&&", " and "), ("||", " or "), ("false", "False")):
        text = text.replace(word, python)
    assert re.fullmatch(r"([()\d\s]|ClusterId|ProcId|==|>=|<=|and|or|False)*", text), expression
    return bool(eval(text, {"ClusterId": cluster, "ProcId": proc}))


IDS = st.sets(st.tuples(st.integers(1, 4), st.integers(0, 12)), max_size=30)


@given(IDS)
def test_a_constraint_is_true_for_exactly_its_jobs(ids: set[tuple[int, int]]) -> None:
    """Whatever jobs of whatever clusters, in any order."""
    expression = parse.constraint(f"{cluster}.{proc}" for cluster, proc in ids)
    everything = {(cluster, proc) for cluster in range(6) for proc in range(15)}
    assert {one for one in everything if is_true(expression, *one)} == ids


def test_a_whole_cluster_is_a_short_constraint() -> None:
    """Ranges, not a list of thousands of numbers."""
    ids = parse.natives(42, 10_000)
    expected = "(ClusterId == 42 && ((ProcId >= 0 && ProcId <= 9999)))"
    assert parse.constraint(ids) == parse.constraint(reversed(ids)) == expected


def test_what_is_no_id_is_nobodys() -> None:
    """An id that came from elsewhere matches nothing rather than everything."""
    assert parse.constraint(["", "x", "1", "1.", ".0", "1.0.0", "-1.0", "1.x"]) == "false"


@given(st.text())
def test_no_text_adds_to_a_constraint(text: str) -> None:
    """Ids are numbers; anything else leaves no trace."""
    assert re.fullmatch(
        r"false|\(ClusterId == \d+ && \(ProcId == \d+\)\)", parse.constraint([text])
    )
