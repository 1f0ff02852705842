"""From what LSF's commands print to records.

Where a table says "documented" it is IBM's manual for LSF 10.1, or what was seen of LSF at sites;
other sentences are those of OpenLava's sources. What a real OpenLava printed is read in
`test_lsf_openlava.py`.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from anybatch import Reason, State
from anybatch.records import JobStatus
from anybatch_lsf import life, parse, pending
from anybatch_lsf.states import settled
from hypothesis import given
from hypothesis import strategies as st
from lsfsim.jobs import read_indices

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)

pytestmark = pytest.mark.usefixtures("utc")


def facts(one: JobStatus) -> tuple[Any, ...]:
    return one.state, one.reason, one.exit_code, one.signal


# -- bsub


@pytest.mark.parametrize(
    ("stdout", "job"),
    [
        ("Job <1> is submitted to default queue <normal>.\n", "1"),
        ("Job <2> is submitted to queue <normal>.\n", "2"),
        ("Cannot connect to LSF. Please wait ...\nJob <3> is submitted to queue <s>.\n", "3"),
        ("*** Job <9> was nice ***\nJob <4> is submitted to default queue <q w>.\n", "4"),
        ("nosuch: No such queue. Job not submitted.\n", None),
        ("", None),
    ],
)
def test_the_id_is_read_from_among_banners(stdout: str, job: str | None) -> None:
    """Documented; sites print what they like around it."""
    assert parse.submitted_id(stdout) == job


# -- ids


@given(
    st.lists(
        st.tuples(st.integers(1, 9999), st.integers(0, 99)), min_size=1, max_size=60, unique=True
    )
)
def test_ids_are_put_together_and_name_the_same_jobs(pairs: list[tuple[int, int]]) -> None:
    """What commands are given comes apart into the same jobs."""
    ids = [parse.native(str(job), str(index)) for job, index in pairs]
    apart = set()
    for word in parse.compress(ids):
        job, bracket, rest = word.partition("[")
        indices = read_indices(rest.removesuffix("]")) if bracket else (0,)
        apart |= {parse.native(job, str(index)) for index in indices}
    assert apart == set(ids)
    assert parse.arrays(ids) == list(dict.fromkeys(str(job) for job, _ in pairs))


def test_a_long_list_of_elements_is_several_words() -> None:
    """No word is longer than the manual allows."""
    words = parse.compress([f"7[{index}]" for index in range(1, 2000, 2)])
    assert len(words) == 4
    assert max(map(len, words)) < 4094


# -- bjobs -o

#: Documented: fields, `-` for nothing, reasons as `bjobs -l` shows them.
ROWS = [
    ("1|0|PEND|-|-|-|-|-", "1", (State.QUEUED, None, None, None)),
    ("1|0|PROV|-|-|h1|-|-", "1", (State.QUEUED, None, None, None)),
    ("1|0|WAIT|-|-|-|-|-", "1", (State.QUEUED, None, None, None)),
    ("1|0|PSUSP|-|-|-|-|-", "1", (State.HELD, None, None, None)),
    ("1|4|RUN|-|-|h1|-|-", "1[4]", (State.RUNNING, None, None, None)),
    ("1[4]|4|USUSP|-|-|h1|-|-", "1[4]", (State.RUNNING, None, None, None)),
    ("1|0|SSUSP|-|-|h1|-|-", "1", (State.RUNNING, None, None, None)),
    ("1|0|UNKWN|-|-|h1|-|-", "1", (State.RUNNING, None, None, None)),
    ("1|0|ZOMBI|-|-|h1|-|-", "1", (State.RUNNING, None, None, None)),
    ("1|0|NEWWORD|-|-|h1|-|-", "1", (State.RUNNING, None, None, None)),
    ("1|0|DONE|-|-|h1|0.1 second(s)|2 Mbytes", "1", (State.DONE, None, 0, None)),
    ("1|0|POST_DONE|-|-|h1|-|-", "1", (State.DONE, None, 0, None)),
    ("1|0|POST_ERR|-|-|h1|-|-", "1", (State.DONE, None, 0, None)),
    ("1|0|POST_ERR|3|-|h1|-|-", "1", (State.FAILED, None, 3, None)),
    ("1|0|EXIT|7|-|h1|-|-", "1", (State.FAILED, None, 7, None)),
    ("1|0|EXIT|255|-|h1|-|-", "1", (State.FAILED, None, 255, None)),
    ("1|0|EXIT|130|-|h1|-|-", "1", (State.FAILED, None, None, 2)),
    ("1|0|EXIT|143|-|h1|-|-", "1", (State.FAILED, None, None, 15)),
    (
        "1|0|EXIT|130|TERM_OWNER: job killed by owner|h1|-|-",
        "1",
        (State.TERMINATED, None, None, 2),
    ),
    ("1|0|EXIT|44|TERM_ADMIN: killed|h1|-|-", "1", (State.TERMINATED, None, 44, None)),
    ("1|0|EXIT|-|-|-|-|-", "1", (State.TERMINATED, None, None, None)),
    (
        "1|0|EXIT|137|TERM_MEMLIMIT: job killed after reaching LSF memory usage limit|h1|-|-",
        "1",
        (State.FAILED, Reason.OUT_OF_MEMORY, None, 9),
    ),
    (
        "1|0|EXIT|140|TERM_RUNLIMIT: job killed after reaching LSF run time limit|h1|-|-",
        "1",
        (State.FAILED, Reason.TIME_LIMIT, None, 12),
    ),
    ("1|0|EXIT|-|TERM_CWD_NOTEXIST: x|-|-|-", "1", (State.FAILED, Reason.SETUP, None, None)),
    ("1|0|EXIT|9|TERM_NEW: x|h1|-|-", "1", (State.FAILED, None, 9, None)),
    ("1|0|EXIT|130|TERM_REQUEUE_OWNER: x|h1|-|-", "1", (State.QUEUED, None, None, None)),
]


@pytest.mark.parametrize(("row", "native", "expected"), ROWS)
def test_a_row_of_bjobs(row: str, native: str, expected: tuple[Any, ...]) -> None:
    """Every state, and every kind of end, by text and by JSON alike."""
    [(found, one)] = parse.read_bjobs(f"Welcome!\n{row}\n").items()
    assert (found, facts(one)) == (native, expected)
    values = ("" if value == "-" else value for value in row.split("|"))
    record = dict(zip((name.upper() for name in parse.FIELDS), values, strict=True))
    text = _json(record, {"JOBID": "13", "ERROR": "Job <13> is not found"})
    assert parse.read_bjobs(text) == {native: one}


def _json(*records: dict[str, str]) -> str:
    import json

    answer = {"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}
    return f"Welcome to {{LSF}}\n{json.dumps(answer, indent=2)}\n"


REASONS = " Job slot limit reached: 26 hosts;\n Load information unavailable: 4 hosts;\n"
TOLD = "Job slot limit reached (the slots of these hosts are in use)"


def test_why_a_job_waits_is_read() -> None:
    """From JSON, from columns and from the table; of one that runs nothing is told."""
    row = (
        "1|0|PEND|-|-|-|-|-|Job slot limit reached: 26 hosts; Closed by LSF administrator: 1 host;"
    )
    ran = "2|0|RUN|-|-|h1|-|-|-"
    text = parse.read_bjobs(f"{row}\n{ran}\n", (parse.REASON,))
    record = dict.fromkeys((name.upper() for name in parse.FIELDS), "")
    record |= {"JOBID": "1", "STAT": "PEND", "PEND_REASON": "Job slot limit reached: 2 hosts;"}
    old = {name: value for name, value in {**record, "JOBID": "2"}.items() if name[:5] != "PEND_"}
    from_json = parse.read_bjobs(_json(record, old), (parse.REASON,))
    head = "1       alice   {} normal     h1             -        fit[3]    Nov 28 03:49\n"
    table = parse.read_table(
        head.format("PEND ") + REASONS + head.replace("1  ", "2  ").format("RUN  ")
    )
    assert [one.message for one in text.values()] == [TOLD, None]
    assert [one.message for one in from_json.values()] == [TOLD, None]
    assert {name: one.message for name, one in table.items()} == {"1[3]": TOLD, "2[3]": None}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", ""),
        ("-", "-"),
        ("New job is waiting for scheduling;", "(LSF has not looked at it yet)"),
        ("There are no suitable hosts for the job;", "(it will not start by itself: ask for less"),
        ("Job requirements for reserving resource (mem) not satisfied: 1 host;", "less mem left"),
        ("Job's requirements for reserving resource (ngpus) not satisfied: 1 host;", "less ngpus"),
        (" The available memory (mem) is low: 2 hosts;", "is low (hosts are too busy)"),
        ("Closed by LSF administrator: 7 hosts;", "(hosts that take no jobs now)"),
        ("What nobody: has seen: 3 hosts;", "What nobody: has seen"),
        (
            "Candidate host pending reasons (0 of 4 hosts).\n Non-candidate host pending reasons "
            "(4 of 4 hosts):\n  Load information unavailable: 1 host;",
            "Load information unavailable (hosts that do not answer)",
        ),
        ("d: 1 host; c: 1 host;a; b; e", "a; b; c; and 2 more"),
    ],
)
def test_reasons_to_wait_in_plain_words(said: str, told: str) -> None:
    """Documented, and OpenLava's; those that nobody knows stay as they are."""
    assert told in pending.explain(said)


def test_what_never_passes_is_told_first() -> None:
    """And what is true of hosts that are none for the job only if there is nothing else."""
    said = pending.explain(
        "Not usable to the queue: 80 hosts; Job slot limit reached: 4 hosts;"
        "The queue is inactivated by the administrator;"
    )
    first, second = said.split("; ")
    assert first.startswith("The queue is inactivated by the administrator (it will not start")
    assert second == TOLD


@given(st.text())
def test_any_reason_is_told_in_a_line(text: str) -> None:
    """Whatever a site's own rules print."""
    assert "\n" not in pending.explain(text)


@given(st.permutations(REASONS.splitlines()), st.lists(st.integers(0, 99), min_size=2, max_size=2))
def test_a_reason_that_lasts_is_told_in_the_same_words(lines: list[str], counts: list[int]) -> None:
    """However many hosts give it, and in which order: each change is an event in a journal."""
    said = "".join(
        f"{line.partition(':')[0]}: {n} hosts;" for line, n in zip(lines, counts, strict=True)
    )
    assert pending.explain(said) == pending.explain(REASONS)


def test_what_a_job_has_used_is_read() -> None:
    """CPU time, memory, and the host without its slots."""
    one = parse.read_bjobs("1|0|DONE|-|-|4*h1:4*h2|12.5 second(s)|1.5 Gbytes\n")["1"]
    assert (one.cpu_time, one.max_memory) == (timedelta(seconds=12.5), 3 * 2**29)
    assert one.host == "h1"


def test_a_job_that_was_killed_while_pending_never_started() -> None:
    """It has neither exit code nor host."""
    one = parse.read_bjobs("1|0|EXIT|-|TERM_OWNER: job killed by owner|-|-|-\n")["1"]
    assert one.never_started


def test_descriptions_are_found_by_their_first_word() -> None:
    """`-Jd "token*"` matches longer tokens too."""
    listed = "7|ab-1-10\n8|ab-1-1 my own | words\n"
    assert parse.described("ab-1-1", listed) == "8"
    assert parse.described("ab-1", listed) is None


# -- bjobs -w

#: The index is only in the name; EXEC_HOST is `-` while pending, or empty in the narrow table.
TABLE = """\
JOBID   USER    STAT  QUEUE      FROM_HOST   EXEC_HOST   JOB_NAME   SUBMIT_TIME
101     root    DONE  normal     host        host        fit        Nov 20 10:01
102     root    EXIT  normal     host        -           fit        Nov 20 10:01
103     root    PEND  normal     host                    ar[1]      Nov 20 10:02
103     root    RUN   normal     host        host        ar[2]      Nov  2 10:02
104     root    PSUSP normal     host                    ab-1.x_[y  Nov 20 10:02
105     root    UNKWN normal     host        host        two words  Nov 20 10:02
No unfinished job found
"""


def test_the_table_is_read() -> None:
    """Elements are told apart by the name; how a job has failed is not told."""
    found = parse.read_table(TABLE)
    assert {native: (one.state, one.host) for native, one in found.items()} == {
        "101": (State.DONE, "host"),
        "102": (State.TERMINATED, None),
        "103[1]": (State.QUEUED, None),
        "103[2]": (State.RUNNING, "host"),
        "104": (State.HELD, None),
        "105": (State.RUNNING, "host"),
    }


# -- the long form

#: Of LSF, documented and as sites show it; wrapped at 80 columns in the middle of words.
LONG = """
Job <771278>, User <ada>, Project <default>, Status <EXIT>, Queue <short>, Comm
                     and <sleep 120; Mon Nov 23 10:17:33: Done successfully.>
Mon Nov 16 10:16:26: Submitted from host <falcon>, CWD <$HOME/test>;

 RUNLIMIT
 1.0 min of n28
Mon Nov 16 10:16:31: Started on <n28>, Execution Home </home/ada>, Execution
                      CWD </home/ada/test>;
Mon Nov 16 10:17:33: Exited with exit code 140. The CPU time used is 0.1 second
                     s.
Mon Nov 16 10:17:33: Completed <exit>; TERM_RUNLIMIT: job killed after reaching
                      LSF run time limit.
------------------------------------------------------------------------------

Job <5[2]>, Job Name <ar[2]>, User <ada>, Project <default>, Status <RUN>, Queue <s>, Command <x>
Fri Nov 20 10:00:00: Submitted from host <h>, CWD </x>;
Fri Nov 20 10:00:05: [2] started on <h>;

Job <6>, User <ada>, Project <default>, Status <EXIT>, Queue <s>, Command <x>
Fri Nov 20 10:00:00: Submitted from host <h>, CWD </x>;
Fri Nov 20 10:00:05: Started 1 Task(s) on Host(s) <h3>, Allocated 1 Slot(s) on
                      Host(s) <h3>, Execution Home </x>;
Fri Nov 20 10:00:09: Exited; job has been forced to exit with exit code unknown.

Job <8>, User <ada>, Project <default>, Status <EXIT>, Queue <s>, Command <x>
Fri Nov 20 10:00:00: Submitted from host <h>, CWD </x>;
Fri Nov 20 10:00:09: Exited;
"""


def test_the_long_form_is_read() -> None:
    """Reasons, codes and times; what the command's text holds is none of it."""
    found = life.read_long(LONG, "bjobs -l", NOW)
    assert set(found) == {"771278", "5[2]", "6", "8"}
    one = found["771278"]
    assert facts(one) == (State.FAILED, Reason.TIME_LIMIT, None, 12)
    assert one.message == "TERM_RUNLIMIT: job killed after reaching LSF run time limit"
    assert one.host == "n28"
    assert one.submitted == datetime(2026, 11, 16, 10, 16, 26, tzinfo=timezone.utc)
    assert one.ended == datetime(2026, 11, 16, 10, 17, 33, tzinfo=timezone.utc)
    assert found["5[2]"].state is State.RUNNING
    assert (found["6"].state, found["6"].host) == (State.FAILED, "h3")
    assert (found["8"].state, found["8"].never_started) == (State.TERMINATED, True)


ADA = "requested by user or administrator <ada>;"
REQUEUED = "Pending: Job has been requeued;"
AWAY = "Unknown; unable to reach the execution host;"
UNREACHABLE = "Termination request issued; but unable to reach the execution host;"
ZOMBIE = "sbatchd startup; kill ZOMBIE job. The CPU time used is unknown;"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (["Done successfully. The CPU time used is 0.0 seconds"], (State.DONE, None, 0, None)),
        (["Exited with exit code 7. The CPU ..."], (State.FAILED, None, 7, None)),
        (["Exited with exit code 130. The CPU ..."], (State.FAILED, None, None, 2)),
        (["Exited by signal 9. The CPU ..."], (State.FAILED, None, None, 9)),
        (
            ["Signal <KILL> requested by user or administrator <ada>;", "Exited by signal 2. ..."],
            (State.TERMINATED, None, None, 2),
        ),
        (
            ["Signal <USR1> requested by user or administrator <ada>;", "Exited by signal 10. ..."],
            (State.FAILED, None, None, 10),
        ),
        (
            ["Exited by signal 2. ...", "Completed <exit>; TERM_MEMLIMIT: job killed after ..."],
            (State.FAILED, Reason.OUT_OF_MEMORY, None, 2),
        ),
        (["Completed <done>."], (State.DONE, None, 0, None)),
        (["Unknown; unable to reach the execution host;"], (State.RUNNING, None, None, None)),
        (
            [
                "Unknown; unable to reach the execution host;",
                "Running;",
                "Exited with exit code 3.",
            ],
            (State.FAILED, None, 3, None),
        ),
        (
            ["Exited with exit code 3.", "Pending: Requeued job is waiting for rescheduling;"],
            (State.QUEUED, None, None, None),
        ),
        (
            [
                "Exited with exit code 3.",
                "Pending: Requeued job is waiting for rescheduling;",
                "Dispatched to <h2>;",
                "Done successfully.",
            ],
            (State.DONE, None, 0, None),
        ),
        (
            [
                "Signal <KILL> requested by user or administrator <ada>;",
                "Exited by signal 2. ...",
                "Pending: Job has been requeued;",
                "Dispatched to <h2>;",
                "Exited with exit code 3.",
            ],
            (State.FAILED, None, 3, None),
        ),
        # Of who is to run it again, before and after its end:
        ([f"Signal <REQUEUE_PEND> {ADA}", "Exited by signal 2."], (State.QUEUED, None, None, None)),
        ([f"Signal <REQUEUE_PSUSP> {ADA}", "Exited by signal 2."], (State.HELD, None, None, None)),
        ([f"Signal <REQUEUE_PSUSP> {ADA}", "Exited.", REQUEUED], (State.HELD, None, None, None)),
        (
            [
                f"Signal <REQUEUE_PSUSP> {ADA}",
                "Exited.",
                REQUEUED,
                "Pending: Waiting for x: 1 host;",
            ],
            (State.QUEUED, None, None, None),
        ),
        (["Exited by signal 2.", f"Signal <REQUEUE_PEND> {ADA}"], (State.QUEUED, None, None, None)),
        ([f"Signal <REQUEUE_PEND> {ADA}", "Done successfully."], (State.QUEUED, None, None, None)),
        ([f"Signal <SIG_KILL_REQUEUE> {ADA}", "Exited."], (State.QUEUED, None, None, None)),
        (["Exited; job will be requeued and rerun;"], (State.QUEUED, None, None, None)),
        (["Job is being requeued;", "Exited with exit code 3."], (State.QUEUED, None, None, None)),
        (
            [
                f"Migration {ADA}",
                "Migration checkpoint initiated (actpid 7);",
                "Exited by signal 9.",
            ],
            (State.QUEUED, None, None, None),
        ),
        (
            ["Kill & Requeue action initiated (actpid 7);", "Exited by signal 9."],
            (State.QUEUED, None, None, None),
        ),
        (
            [
                "Exited by signal 2.",
                "Completed <exit>; TERM_REQUEUE_OWNER: job killed and requeued",
            ],
            (State.QUEUED, None, None, None),
        ),
        (
            [f"Signal <REQUEUE_PEND> {ADA}", f"Signal <KILL> {ADA}", "Exited by signal 2."],
            (State.TERMINATED, None, None, 2),
        ),
        (
            [f"Signal <KILL> {ADA}", f"Signal <REQUEUE_PEND> {ADA}", "Exited by signal 2."],
            (State.QUEUED, None, None, None),
        ),
        # Who has ended it, by name or number:
        ([f"Signal <SIGTERM> {ADA}", "Exited by signal 15."], (State.TERMINATED, None, None, 15)),
        ([f"Signal <9> {ADA}", "Exited by signal 9."], (State.TERMINATED, None, None, 9)),
        ([f"Signal <DELETEJOB> {ADA}", "Exited by signal 9."], (State.TERMINATED, None, None, 9)),
        ([f"Delete {ADA}", "Exited."], (State.TERMINATED, None, None, None)),
        ([f"[3] delete {ADA}", "[3] Exited."], (State.TERMINATED, None, None, None)),
        ([f"Signal <1> {ADA}", "Exited by signal 1."], (State.FAILED, None, None, 1)),
        ([f"Signal <TERMX> {ADA}", "Exited by signal 1."], (State.FAILED, None, None, 1)),
        (
            ["RUNLIMIT termination action initiated (actpid 7);", "Exited with exit code 143."],
            (State.FAILED, Reason.TIME_LIMIT, None, 15),
        ),
        (
            ["MEMLIMIT termination action initiated (actpid 7);", "Exited by signal 9."],
            (State.FAILED, Reason.OUT_OF_MEMORY, None, 9),
        ),
        # A host that is lost:
        (
            ["Exited. The CPU time used is unknown;"],
            (State.FAILED, Reason.NODE_FAILURE, None, None),
        ),
        ([AWAY, "Exited;"], (State.FAILED, Reason.NODE_FAILURE, None, None)),
        ([AWAY, ZOMBIE], (State.FAILED, Reason.NODE_FAILURE, None, None)),
        ([AWAY, "Execution host unavailable; job is killed;"], (State.RUNNING, None, None, None)),
        (
            [AWAY, "Execution host unavailable; job is killed;", ZOMBIE],
            (State.FAILED, Reason.NODE_FAILURE, None, None),
        ),
        ([AWAY, UNREACHABLE], (State.RUNNING, None, None, None)),
        ([AWAY, UNREACHABLE, ZOMBIE], (State.TERMINATED, None, None, None)),
        ([AWAY, "Running;", "Exited by signal 9."], (State.FAILED, None, None, 9)),
        (["Done successfully.", ZOMBIE], (State.DONE, None, 0, None)),
        (["Exited with exit code 3.", ZOMBIE], (State.FAILED, None, 3, None)),
        # Neither ends nor anything that is known:
        (["Suspended by the user or administrator;"], (State.RUNNING, None, None, None)),
        (["Suspended: Host load exceeded threshold;"], (State.RUNNING, None, None, None)),
        (["Suspended by the user or administrator while pending;"], (State.HELD, None, None, None)),
        (["Waiting;"], (State.QUEUED, None, None, None)),
        (["Done successfully.", "Post job process failed;"], (State.DONE, None, 0, None)),
        (["Done successfully.", "Running with execution home </x>;"], (State.DONE, None, 0, None)),
        (["Eaten by a bear;"], (State.RUNNING, None, None, None)),
        ([f"Message <TERM_OWNER> {ADA}", "Exited by signal 9."], (State.FAILED, None, None, 9)),
    ],
)
def test_a_life_in_events(events: list[str], expected: tuple[Any, ...]) -> None:
    """What bhist tells; what came last counts."""
    lines = ["Submitted from host <h>, to Queue <s>, CWD </x>;", "Dispatched to <h>;", *events]
    text = "".join(f"Fri Nov 20 10:00:{n:02}: {line}\n" for n, line in enumerate(lines))
    found = life.read_long(f"\nJob <7>, User <ada>, Command <x>\n{text}", "bhist -l", NOW)
    assert facts(found["7"]) == expected


@pytest.mark.parametrize(
    "line",
    [
        "Dispatched to <h1>;",
        "[2] started on <h1>;",
        " [2] dispatched to <h1>;",
        "The batch job command is started on <h1>;",
        " [2], the batch job command is started on <h1>;",
    ],
)
def test_a_job_that_has_run_was_not_killed_while_pending(line: str) -> None:
    """However its start is told: of elements, and after a command of `-E`, in other words."""
    text = f"""
Job <5[2]>, User <ada>, Project <default>, Status <EXIT>, Queue <s>, Command <x>
Fri Nov 20 10:00:00: Submitted from host <h>, CWD </x>;
Fri Nov 20 10:00:05: {line}
Fri Nov 20 10:00:09: Completed <exit>.
"""
    one = life.read_long(text, "bacct -l", NOW)["5[2]"]
    assert (one.state, one.never_started, one.host) == (State.FAILED, False, "h1")
    assert one.started == datetime(2026, 11, 20, 10, 0, 5, tzinfo=timezone.utc)


def test_openlava_3_calls_a_job_by_its_id() -> None:
    """`Job Id <7>`, where others say `Job <7>`."""
    text = "Job Id <7>, Job Name <fit>, User <a>, Command <x>\nFri Nov 20 10:00:00: Exited with {}"
    found = life.read_long(text.format("exit code 7."), "bjobs -l", NOW)
    assert facts(found["7"]) == (State.FAILED, None, 7, None)
    assert list(life.long_descriptions(text)) == [("7", "fit", "")]


def test_a_time_that_would_be_to_come_is_of_last_year() -> None:
    """Years are not printed, unless LSB_DISPLAY_YEAR=Y."""
    text = "Job <{}>, User <a>, Command <x>\n{}: Submitted from host <h>;\n"
    texts = [
        text.format(1, "Thu Dec 31 23:00:00"),
        text.format(2, "Fri Nov 20 11:00:00"),
        text.format(3, "Thu Dec 31 23:00:00 2020"),
    ]
    found = life.read_long("".join(texts), "bhist -l", NOW)
    years = {native: one.submitted and one.submitted.year for native, one in found.items()}
    assert years == {"1": 2025, "2": 2026, "3": 2020}


def test_the_year_is_that_of_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """East of Greenwich it begins earlier."""
    monkeypatch.setenv("TZ", "UTC-1")
    time.tzset()
    now = datetime(2026, 12, 31, 23, 30, tzinfo=timezone.utc)
    text = "Job <1>, User <a>, Command <x>\nFri Jan  1 00:10:00: Submitted from host <h>;\n"
    submitted = life.read_long(text, "bhist -l", now)["1"].submitted
    assert submitted == datetime(2026, 12, 31, 23, 10, tzinfo=timezone.utc)


def test_bacct_tells_what_was_used() -> None:
    """Documented."""
    text = """
Job <7>, User <ada>, Project <default>, Status <DONE>, Queue <s>, Command <x>
Fri Nov 20 10:00:00: Submitted from host <h>, CWD </x>;
Fri Nov 20 10:00:04: Dispatched to <h>;
Fri Nov 20 10:00:42: Completed <done>.

Accounting information about this job:
     CPU_T     WAIT     TURNAROUND   STATUS     HOG_FACTOR    MEM    SWAP
      0.06        4             42     done         0.0015     2M     10M
"""
    one = life.read_long(text, "bacct -l", NOW)["7"]
    assert facts(one) == (State.DONE, None, 0, None)
    assert (one.cpu_time, one.max_memory) == (timedelta(seconds=0.06), 2 * 2**20)


# -- the cluster


@pytest.mark.parametrize(
    ("stdout", "number", "modern", "json"),
    [
        ("IBM Spectrum LSF Standard 10.1.0.12, Jun 10 2022", (10, 1, 0, 12), True, True),
        ("IBM Spectrum LSF Standard 10.1.0.0, Jul 08 2016", (10, 1, 0, 0), True, False),
        ("Welcome!\nPlatform LSF 9.1.3.0, Jul 04 2014", (9, 1, 3, 0), False, False),
        ("Platform LSF HPC 7.0.3.108010, Jun  4 2008", (7, 0, 3, 108010), False, False),
        ("openlava 2.2, Mar 10 2014", (2, 2), False, False),
        ("openlava project 3.0, Jan 1 2015", (3, 0), False, False),
        ("OpenLava 3.3.3, Jan 1 2016", (3, 3, 3), False, False),
    ],
)
def test_what_it_can_do_follows_from_its_version(
    stdout: str, number: tuple[int, ...], modern: bool, json: bool
) -> None:
    """OpenLava has not what LSF has since."""
    found = parse.read_version(f"{stdout}\n\nMy cluster name is one\nMy master name is h\n")
    assert found
    assert (found.number, found.modern, found.json) == (number, modern, json)
    assert found.openlava is ("lava" in stdout.lower())
    assert found.cluster == "one"


def test_an_answer_without_a_version_is_none() -> None:
    """Another program may be called lsid."""
    assert parse.read_version("this is no batch system 1.2\n") is None


@pytest.mark.parametrize(
    ("stdout", "size", "queue"),
    [
        ("\tDEFAULT_QUEUE = s\n\tMAX_JOB_ARRAY_SIZE = 2000\n", 2000, "s"),
        ("MAX_JOB_ARRAY_SIZE=500 # of them\n", 500, None),
        ("The largest array:\n    MAX_JOB_ARRAY_SIZE = 7\n\n", 7, None),
        ("Default Queues:  normal\n", 1000, None),
        ("MAX_JOB_ARRAY_SIZE = 0\n", 1000, None),
        ("\tDEFAULT_QUEUE =\n\tMAX_JOB_ARRAY_SIZE = 500\n", 500, None),
    ],
)
def test_parameters(stdout: str, size: int, queue: str | None) -> None:
    """What is not told is what LSF takes by itself."""
    found = parse.read_parameters(stdout)
    assert parse.largest_array(found) == size
    assert parse.default_queue(found) == queue


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("LSF_UNIT_FOR_LIMITS=MB\n", "MB"),
        ('LSF_UNIT_FOR_LIMITS = "gb" # since 2020\n', "GB"),
        ("# LSF_UNIT_FOR_LIMITS=MB\n", ""),
        ("LSF_ENVDIR=/x\n", ""),
        ("LSF_RSH=\nLSF_UNIT_FOR_LIMITS=MB\n", "MB"),
        ("LSF_UNIT_FOR_LIMITS=\nLSF_RSH=ssh\n", ""),
        ("LSF_UNIT_FOR_LIMITS=bushels\n", ""),
    ],
)
def test_the_unit_of_limits(text: str, unit: str) -> None:
    """From lsf.conf, or from badmin, which prints the same."""
    assert parse.read_unit(text) == unit


# -- what is damaged

TOKENS = st.sampled_from(
    [
        *("", "7", "7[3]", "-", "RUN", "EXIT", "DONE", "0", "9" * 5000, "٣", "TERM_OWNER: x"),
        *("h1", "0.1 second(s)", "2 Mbytes", "9" * 400 + " Ebytes", "nan", "inf", "\x00", "\u2028"),
    ]
)
ROW_LIKE = st.lists(TOKENS, min_size=6, max_size=9).map("|".join)
LONG_LIKE = st.lists(
    st.sampled_from(
        [
            *("Job <7>, User <a>", "Job <7[3]>, x", "Fri Nov 20 10:00:00: Done successfully."),
            *("Fri Foo 99 99:99:99: Exited by signal 9", "Fri Feb 30 10:00:00: Exited."),
            *(f"Fri Nov 20 10:00:00: Exited by signal {'9' * 5000}", " " * 21 + "x", "CPU_T MEM"),
            *("nan 7K", "Fri Nov 20 10:00:00 0000: Running", "Fri Nov 20 10:00:00: Exited"),
        ]
    )
).map("\n".join)
JSON_LIKE = st.sampled_from(
    [
        '{"COMMAND": "bjobs", "RECORDS": 7}',
        '{"COMMAND": "bjobs", "RECORDS": [7, null, {"JOBID": 7}]}',
        '{"COMMAND": "bjobs", "RECORDS": [{"JOBID": "7"',
        '"RECORDS"',
        '{"A' + "[" * 100_000 + '"RECORDS"',
    ]
)
ANY_OUTPUT = st.text() | ROW_LIKE | LONG_LIKE | JSON_LIKE


@given(st.lists(ANY_OUTPUT, max_size=4).map("\n".join))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    """And nothing that is no id becomes one."""
    found = {
        **parse.read_bjobs(text),
        **parse.read_table(text),
        **life.read_long(text, "bhist -l", NOW),
    }
    assert set(found) <= {"7", "7[3]"} or all(name[0].isdecimal() for name in found)
    list(life.long_descriptions(text))
    parse.described("t", text)
    parse.read_version(text)
    parse.largest_array(parse.read_parameters(text))


# -- what both tell


def test_the_log_of_events_is_not_believed_where_it_knows_less() -> None:
    """Of a job whose start it has lost, bjobs knows better; of one that runs since, it does."""
    now = NOW
    early, late = now - timedelta(minutes=2), now - timedelta(minutes=1)

    def said(state: State, **facts: Any) -> JobStatus:
        return JobStatus(state=state, native_state="X", source="x", **facts)

    listed = said(State.FAILED, exit_code=3, started=early, ended=late)
    assert settled(listed, said(State.TERMINATED, never_started=True), now) is listed
    assert settled(listed, said(State.RUNNING, started=early), now) is listed
    again = said(State.RUNNING, started=late)
    assert settled(listed, again, now) is again
    queued = said(State.QUEUED)
    assert settled(listed, queued, now) is queued
    assert settled(listed, queued, now + timedelta(hours=1)) is listed
