"""What OpenLava 2.2 and 4.0 were seen to print (see data/README.md), read file by file."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Reason, State
from anybatch.errors import CommandFailed, Rejected, UsageError
from anybatch.records import Batch, Limits, Submission
from anybatch.testing import ScriptedHost
from anybatch_lsf import life, parse
from anybatch_lsf.plugin import LSF
from anybatch_lsf.render import Cluster
from anybatch_lsf.settings import SETTINGS
from hypothesis import given
from hypothesis import strategies as st

from .captured import Capture, names, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anybatch.records import JobStatus

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
SETTINGS_TABLE = {setting.name: setting.default for setting in SETTINGS}
VERSIONS = ("2.2", "4.0")

pytestmark = pytest.mark.usefixtures("utc")


def captures(pattern: str) -> list[tuple[str, str]]:
    """Version and name of every file with such a name; there are some."""
    found = [(v, name) for v in VERSIONS for name in names(v) if re.fullmatch(pattern, name)]
    assert found
    return found


def told(one: JobStatus) -> str:
    """State, reason and how it ended, in words."""
    how = f"exit {one.exit_code}" if one.exit_code else f"signal {one.signal}" if one.signal else ""
    words = (one.state.value, one.reason.value if one.reason else "", how)
    message = f": {one.message}" if one.message else ""
    return " ".join(filter(None, words)) + message


def word(one: JobStatus) -> str:
    """What a table tells: word and host."""
    return f"{one.native_state} {one.host or ''}".rstrip()


def elements(found: dict[str, JobStatus], tell: Any) -> str:
    """All of a job, by index."""
    of = {int(name.partition("[")[2].rstrip("]") or 0): one for name, one in found.items()}
    return "; ".join(f"{index or ''} {tell(one)}".lstrip() for index, one in sorted(of.items()))


KILLED = "terminated signal 2: killed by username"
LOST = "failed node_failure: LSF lost the machine that it ran on"
#: By the name of a job in the captures: what `bjobs -w`, `bjobs -l` and `bhist -l` tell of it.
JOBS: dict[str, tuple[str, str | None, str | None]] = {
    "adminkill": ("EXIT h1", "failed signal 2", "terminated signal 2: killed by root"),
    "array": (
        "1 EXIT h1; 2 DONE h1; 3 EXIT h1; 4 DONE h1",
        "1 failed exit 1; 2 done; 3 failed exit 3; 4 done",
        "1 failed exit 1; 2 done; 3 failed exit 3; 4 done",
    ),
    "array-killed": (
        "1 EXIT h1; 2 EXIT h1; 3 EXIT h1; 4 EXIT h1; 5 RUN h1; 6 EXIT h1",
        "1 failed signal 2; 2 failed signal 2; 3 failed signal 10; 4 failed signal 2; 5 running; "
        "6 failed signal 2",
        f"1 {KILLED}; 2 {KILLED}; 3 failed signal 10; 4 {KILLED}; 5 running; 6 {KILLED}",
    ),
    "array-killed-whole": (
        "1 EXIT h1; 2 EXIT h1; 3 EXIT h1",
        "1 failed signal 2; 2 failed signal 2; 3 failed signal 2",
        "1 failed signal 2; 2 failed signal 2; 3 failed signal 2",
    ),
    "caught": ("EXIT h1", "failed exit 5", "terminated exit 5: killed by username"),
    "copy": ("DONE h1", "done", "done"),
    "copybad": ("DONE h1", "done", "done"),
    "done": ("DONE h1", "done", "done"),
    "element": ("3 EXIT h1", "3 failed exit 3", "3 failed exit 3"),
    "element-unknown": ("3 EXIT h1", None, None),
    "exit137": ("EXIT h1", "failed signal 9", "failed signal 9"),
    "exit255": ("EXIT h1", "failed exit 255", "failed exit 255"),
    "exit3": ("EXIT h1", "failed exit 3", "failed exit 3"),
    "group9": ("EXIT h1", "failed signal 9", "failed signal 9"),
    "held2": ("DONE h1", "done", "done"),
    "killed": ("EXIT h1", "failed signal 2", "terminated signal 2: killed by username"),
    "killed-held": ("EXIT", "terminated", "terminated: killed by username"),
    "killed-pending": ("EXIT", "terminated", "terminated: killed by username"),
    "longname": ("DONE h1", "done", "done"),
    "memlimit": ("EXIT h1", "failed signal 2", "failed signal 2"),
    "node-crashed": ("EXIT h200", LOST, LOST),
    "partly-unknown": ("DONE h1", "done", "done"),
    "pending": ("PEND", "queued", "queued"),
    "pipe": ("DONE h1", "done", "done"),
    "psusp": ("PSUSP", "held", "held"),
    "quit": ("DONE h1", "done", "done"),
    "range": (
        "1 EXIT h1; 2 DONE h1; 4 DONE h1",
        "1 failed exit 1; 2 done; 4 done",
        "1 failed exit 1; 2 done; 4 done",
    ),
    "requeue": ("DONE h1", "done", "done"),
    "rerun-after-crash": ("DONE h1", "done", "done"),
    "runlimit": ("EXIT h1", "failed signal 12", "failed signal 12"),
    "running": ("RUN h1", "running", "running"),
    "segv": ("EXIT h1", "failed signal 11", "failed signal 11"),
    "self1": ("DONE h1", "done", "done"),
    "self11": ("EXIT h1", "failed signal 11", "failed signal 11"),
    "self13": ("EXIT h1", "failed signal 13", "failed signal 13"),
    "self15": ("EXIT h1", "failed signal 15", "failed signal 15"),
    "self2": ("EXIT h1", "failed signal 2", "failed signal 2"),
    "self3": ("EXIT h1", "failed signal 3", "failed signal 3"),
    "self6": ("EXIT h1", "failed signal 6", "failed signal 6"),
    "self9": ("EXIT h1", "failed signal 9", "failed signal 9"),
    "stop": ("DONE h1", "done", "done"),
    "two-slots": ("RUN h1", "running", "running"),
    "ususp": ("DONE h1", "done", "done"),
    "xcpu": ("DONE h1", "done", "done"),
    "zombie-killed": ("EXIT h200", LOST, "terminated: killed by username"),
}


@pytest.mark.parametrize(("version", "name"), captures("bjobs-w-.*"))
def test_every_table_of_a_job_is_read(version: str, name: str) -> None:
    """Its word and its host; elements by their index."""
    job = name.removeprefix("bjobs-w-")
    expected = JOBS[job][0] if job != "none" else ""
    assert elements(parse.read_table(read(version, name).stdout), word) == expected


@pytest.mark.parametrize(("version", "name"), captures("bjobs-l-.*|bhist-l-.*"))
def test_every_long_form_of_a_job_is_read(version: str, name: str) -> None:
    """How it ended, and who has ended it where that is told; a signal that DONE hides is not."""
    program, _, job = name.partition("-l-")
    expected = JOBS[job][1 if program == "bjobs" else 2]
    found = life.read_long(read(version, name).stdout, f"{program} -l", NOW)
    assert elements(found, told) == expected
    for one in found.values():
        assert one.submitted
        ran = one.state in (State.RUNNING, State.DONE) or bool(one.host)
        assert (one.started is not None) is ran
        assert (one.ended is not None) is one.state.final
        assert one.never_started is (one.state.final and not ran)


@pytest.mark.parametrize(
    ("version", "name"), captures("bjobs|bjobs-a-w|bjobs-a-w-later|bjobs-w|bjobs-J.*|bjobs-a-none")
)
def test_every_row_of_a_long_table_is_read(version: str, name: str) -> None:
    """Whatever its name is: longer than the column, with blanks, of an element."""
    rows = [line for line in read(version, name).stdout.split("\n") if re.match(r"\d", line)]
    found = parse.read_table("\n".join(rows))
    assert len(found) == len(rows)
    assert [one.native_state for one in found.values()] == [row.split()[2] for row in rows]
    # Of what is pending the narrow table has no host, the wide one `-`.
    hosts = [None if re.search(" -  | PEND | PSUSP ", row) else "h1" for row in rows]
    assert [one.host for one in found.values()] == hosts


@pytest.mark.parametrize(
    ("version", "name"), captures("bjobs-(none|J-unknown|unknown.*|w-none)|bhist-(J-)?unknown.*")
)
def test_nothing_found_is_an_answer(version: str, name: str) -> None:
    """On standard error, or of bhist on standard output; with 254 or 255."""
    said = read(version, name)
    assert said.status in (254, 255)
    assert parse.NOTHING.search(said.stdout + said.stderr)
    assert not parse.lists_jobs(said.stdout)
    assert not life.read_long(said.stdout, "bhist -l", NOW)


@pytest.mark.parametrize(("version", "name"), captures("bjobs-(o|json)|bjobs-mbatchd-dead"))
def test_a_complaint_is_no_answer(version: str, name: str) -> None:
    """Neither an option that is not there nor a daemon that does not answer."""
    said = read(version, name)
    assert said.status
    assert not parse.NOTHING.search(said.stdout + said.stderr)
    assert not parse.lists_jobs(said.stdout)


# -- lives

#: What a log of events comes to after each of its events.
LIVES = {
    "bhist-l-requeue": [
        *("queued", "running", "running", "running", "running"),
        *("queued: requeued by username",) * 2,
        *("running", "running", "running", "done", "done"),
    ],
    "bhist-l-zombie-killed": [
        *("queued", "running", "running", "running"),
        "running: LSF has lost contact with the machine that it runs on",
        "running: LSF has lost contact with the machine that it runs on",
        "running: killed, but the machine that it runs on does not answer",
        "terminated: killed by username",
    ],
    "bhist-l-node-crashed": [
        *("queued", "running", "running", "running"),
        "running: LSF has lost contact with the machine that it runs on",
        *("running", LOST),
    ],
    "bhist-l-rerun-after-crash": [
        *("queued", "running", "running", "running"),
        "running: LSF has lost contact with the machine that it runs on",
        "running: killed, but the machine that it runs on does not answer",
        "queued",
        *("running", "running", "running", "done", "done", "done"),
    ],
    "bhist-l-held2": ["held", "queued", "running", "running", "running", "done", "done"],
}


@pytest.mark.parametrize(("version", "name"), captures("|".join(LIVES)))
def test_a_life_is_read_at_each_moment(version: str, name: str) -> None:
    """A log of events may be read between any two of them; 4.0 requeues what is `Done` as well."""
    lines = read(version, name).stdout.split("\n")
    begins = [n for n, line in enumerate(lines) if re.match(r"[A-Z][a-z]{2} [A-Z]", line)]
    ends = [*begins[1:], len(lines)]
    found: list[JobStatus] = []
    for end in ends:
        text = "\n".join(line for line in lines[:end] if line.strip())
        found += life.read_long(text, "bhist -l", NOW).values()
    told_then = [told(one) for one in found]
    if name == "bhist-l-requeue" and version == "4.0":
        # Its first run was `Done` and `Post job process done`.
        told_then.remove("queued: requeued by username")
    assert told_then == LIVES[name]


# -- wrapping

LONG = [(v, name) for v, name in captures("b(jobs|hist)-l-.*")]


def unwrapped(text: str) -> list[str]:
    return text.replace(f"\n{' ' * 21}", "").split("\n")


def wrapped(line: str, width: int) -> str:
    """As OpenLava does, which drops a blank that would begin a line."""
    parts = [line[:width]]
    rest = line[width:]
    while rest:
        rest = rest.removeprefix(" ")
        parts.append(rest[: width - 21])
        rest = rest[width - 21 :]
    return f"\n{' ' * 21}".join(parts)


@given(
    st.sampled_from(LONG),
    st.integers(30, 100),
    st.from_regex("[a-z][a-z0-9_.@-]{0,40}", fullmatch=True),
)
def test_a_line_is_read_wherever_it_is_cut(which: tuple[str, str], width: int, user: str) -> None:
    """At any column, and whatever the names in it shift."""
    lines = unwrapped(read(*which).stdout.replace("username", user))
    whole = life.read_long("\n".join(lines), "bhist -l", NOW)
    cut = "\n".join(wrapped(line, width) for line in lines)
    assert life.read_long(cut, "bhist -l", NOW) == whole
    assert list(life.long_descriptions(cut)) == list(life.long_descriptions("\n".join(lines)))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_longer_than_a_line_is_read_whole(version: str) -> None:
    """It is what a job is found again by."""
    [(_, name, _)] = life.long_descriptions(read(version, "bhist-l-longname").stdout)
    [(_, listed, _)] = life.long_descriptions(read(version, "bjobs-l-longname").stdout)
    assert name == listed == "n" * 200


@pytest.mark.parametrize(("version", "name"), captures("bhist-J|bhist-J-glob"))
def test_jobs_are_found_in_the_log_by_name(version: str, name: str) -> None:
    """All elements, each with its index in id and name."""
    found = list(life.long_descriptions(read(version, name).stdout))
    assert len(found) == len(life.read_long(read(version, name).stdout, "bhist -l", NOW)) > 3
    for native, called, _ in found:
        assert re.fullmatch(r"arr\w*" if "glob" in name else "arr", called.partition("[")[0])
        assert native.partition("[")[2] == called.partition("[")[2] != ""


# -- bsub, bkill, bparams, lsid

#: What bsub refuses, and in which words.
REFUSED = {
    "badM": "-5: MEMLIMT value should be a positive integer. Job not submitted.",
    "badP": "987654: No matching job found. Job not submitted.",
    "badR": "Bad resource requirement syntax. Job not submitted.",
    "badRname": "Bad resource requirement syntax. Job not submitted.",
    "badW": "abc: Bad RUNLIMIT specification. Job not submitted.",
    "badarray": "Job array index too large. Job not submitted.",
    "badarray2": "Bad job name. Job not submitted.",
    "badhost": "nosuchhost: Bad host name, host group name or cluster name. Job not submitted.",
    "badn": "The number of processors must be a positive integer. Job not submitted.",
    "badqueue": "nosuch: No such queue. Job not submitted.",
    "cwd": "wd: Bad CPULIMIT specification. Job not submitted.",
    "empty": "No command is specified. Job not submitted.",
    "toolongname": "Bad job name. Job not submitted.",
    "toomanyslots": "Too many processors requested. Job not submitted.",
}


#: mbatchd went away meanwhile.
AWAY = {("4.0", "badhost"), ("4.0", "badoption")}


def submission(count: int = 1) -> Submission:
    return Submission(
        token="ab-20261128-042241-97bf7a-0",
        run="20261128-042241-97bf7a",
        number=0,
        folder=Path("/runs/one"),
        count=count,
        name="fit",
        settings=SETTINGS_TABLE,
        limits=Limits(
            render_context=Cluster(modern=False, unit="", openlava=True).render_context()
        ),
    )


def submit(answer: Capture) -> list[str]:
    lsf, one = LSF(ScriptedHost(("bsub", answer.completed))), submission()
    return list(lsf.anybatch_submit(one, lsf.anybatch_render(one)))


@pytest.mark.parametrize(("version", "name"), captures("bsub-.*"))
def test_every_answer_of_bsub_is_understood(version: str, name: str) -> None:
    """An id, or a refusal for good in its own words; one that hung decides nothing."""
    said = read(version, name)
    kind = name.removeprefix("bsub-")
    if said.status == 124 or (version, kind) in AWAY:
        with pytest.raises(CommandFailed):
            submit(said)
    elif said.status:
        with pytest.raises(Rejected) as caught:
            submit(said)
        assert REFUSED.get(kind, "illegal option -- gpu") in str(caught.value)
    else:
        [job] = submit(said)
        assert f"Job <{job}> is submitted to default queue <normal>." in said.stdout
        assert kind not in REFUSED


#: What is to be made of an answer of bkill; nothing: it is none that one has to hear of.
KILLS: dict[str, tuple[type[Exception], str]] = {
    "bkill-bad-id": (CommandFailed, "abc: Illegal job ID"),
    "bkill-no-id": (CommandFailed, "must be specified"),
    "bkill-s-99": (UsageError, "99: Illegal signal value"),
    "bkill-s-ABRT": (UsageError, "ABRT: Illegal signal value"),
    "bkill-s-RTMIN": (UsageError, "RTMIN: Illegal signal value"),
    "bkill-s-bad": (UsageError, "NOSUCH: Illegal signal value"),
}


@pytest.mark.parametrize(("version", "name"), captures("bkill-.*"))
def test_every_answer_of_bkill_is_understood(version: str, name: str) -> None:
    """Jobs that have ended, are unknown or are being killed are no error; others are."""
    lsf = LSF(ScriptedHost(("bkill", read(version, name).completed)))
    batch = Batch(submission=submission(), ids=("7",))
    signal = "NOSUCH" if name.startswith("bkill-s-") else None
    if name in KILLS:
        error, words = KILLS[name]
        with pytest.raises(error, match=words):
            lsf.anybatch_terminate([batch], signal)
    else:
        lsf.anybatch_terminate([batch], signal)


@pytest.mark.parametrize(
    ("version", "name", "text", "number"),
    [
        ("2.2", "lsid", "OpenLava 2.2", (2, 2)),
        ("2.2", "lsid-mbatchd-dead", "OpenLava 2.2", (2, 2)),
        ("4.0", "lsid", "OpenLava 4.0dev4", (4, 0)),
    ],
)
def test_every_answer_of_lsid_is_read(
    version: str, name: str, text: str, number: tuple[int, ...]
) -> None:
    """The product by its name; 2.2 calls itself `openlava project`."""
    assert parse.read_version(read(version, name).stdout) == parse.Version(
        text=text, number=number, openlava=True, cluster="openlava"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_parameters_are_read(version: str) -> None:
    """The largest array and the default queue, among sentences; `bparams -a` is not there."""
    found = parse.read_parameters(read(version, "bparams-l").stdout)
    assert parse.largest_array(found) == 1000
    assert parse.default_queue(found) == "normal"
    assert not parse.reserves_per_task(found)
    assert found["CLEAN_PERIOD"] == "1800"
    refused = read(version, "bparams-a")
    assert (refused.status, parse.read_parameters(refused.stdout)) == (255, {})


# -- all together


def ask(version: str, job: str, ids: Iterable[str]) -> dict[str, JobStatus]:
    """What the plugin comes to, where bjobs and bhist answer as they did."""
    steps = [
        ("lsid", read(version, "lsid").completed),
        ("bjobs -a -w", read(version, f"bjobs-w-{job}").completed),
        ("bjobs -l -a", read(version, f"bjobs-l-{job}").completed),
        ("bhist -l -a -n 0", read(version, f"bhist-l-{job}").completed),
    ]
    host = ScriptedHost(*steps, missing=("bacct",))
    batch = Batch(submission=submission(), ids=tuple(ids))
    [found] = LSF(host).anybatch_status([batch])
    return {native_id: one for native_id, one in found.items() if one}


def job_ids(version: str, job: str) -> list[str]:
    return list(life.read_long(read(version, f"bhist-l-{job}").stdout, "bhist -l", NOW))


FINISHED = [
    (version, job)
    for version in VERSIONS
    for job, (_, listed, logged) in JOBS.items()
    if logged and f"bhist-l-{job}" in names(version)
    if not re.search("running|queued|held", listed or "")
]


@pytest.mark.parametrize(("version", "job"), FINISHED)
def test_the_log_of_events_has_the_last_word_on_who_ended_a_job(version: str, job: str) -> None:
    """The table, the long form and the log come to what the log says; DONE needs a record."""
    found = ask(version, job, job_ids(version, job))
    assert elements(found, told) == JOBS[job][2]
    for one in found.values():
        assert one.needs_record is (one.state is State.DONE)
        assert one.reason in (None, Reason.NODE_FAILURE)
