"""Tables of what the grid client prints and is given, and what must hold for any text."""

from __future__ import annotations

import ast
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest
from anybatch import Reason, Resources, State, UsageError
from anybatch.records import Submission
from anybatch.testing import awkward_texts
from anybatch_gbasf2 import parse, render
from anybatch_gbasf2.job_ids import NativeId, deal_out, read_native_id
from anybatch_gbasf2.names import LONGEST, project_name
from anybatch_gbasf2.parse import GridJob, environment, newest, status_of, submitted_ids
from anybatch_gbasf2.project import project_of
from anybatch_gbasf2.settings import SETTINGS
from anybatch_gbasf2.states import STATES, read_state
from hypothesis import given
from hypothesis import strategies as st

DEFAULTS: dict[str, Any] = {setting.name: setting.default for setting in SETTINGS}
SET: dict[str, Any] = {
    **DEFAULTS,
    "project_name": "pre_ab12",
    "user": "ada",
    "release": "light-2601-venus",
    "custom_steering_file": "/home/ada/my steer.py",
    "input_dataset": ("/belle/MC/one, /belle/MC/two", "/belle/MC/three"),
    "download_to": "/home/ada/out",
    "jobs": 2,
}


def submission(**changes: Any) -> Submission:
    """A submission of two jobs."""
    previous_ids = changes.pop("previous_ids", ())
    settings = {**SET, **changes}
    return Submission(
        token="ab-r-0",
        run="r",
        number=0,
        folder=Path("/runs/r"),
        count=2,
        name="n",
        settings=settings,
        previous_ids=previous_ids,
    )


def words(**changes: Any) -> tuple[str, ...]:
    """The command that submits."""
    return render.render(submission(**changes)).command.argv


ASKED: list[dict[str, Any]] = [
    *({"nodes": 2}, {"tasks": 2}, {"cores": 2}, {"gpus": 1}, {"memory": 1}, {"disk": 1}),
    *({"time": 60}, {"queue": "long"}, {"exclusive": True}),
]


def test_every_resource_is_refused_not_left_out() -> None:
    """gbasf2 has an option for none of them, also where a project is run again."""
    assert [*attrs.fields_dict(Resources)] == [name for asked in ASKED for name in asked]
    for asked in ASKED:
        for previous in ((), ("pre_ab12/1", "pre_ab12/2")):
            one = attrs.evolve(submission(previous_ids=previous), resources=Resources(**asked))
            with pytest.raises(UsageError, match=f"the resource {next(iter(asked))} cannot"):
                render.render(one)


# -- states


@pytest.mark.parametrize(
    ("status", "minor", "application", "state", "reason"),
    [
        ("Waiting", "Pilot Agent Submission", "Unknown", State.QUEUED, None),
        ("Running", "Input Data Resolution", "Unknown", State.RUNNING, None),
        ("Running", "Application", "Running", State.RUNNING, None),
        ("Done", "Execution Complete", "Done", State.DONE, None),
        ("Done", "Execution Complete", "Unknown", State.FAILED, Reason.STAGE_OUT),
        ("Done", "Requests Done", "Failed to upload", State.FAILED, Reason.STAGE_OUT),
        ("Completed", "Pending Requests", "Done", State.RUNNING, None),
        ("Completing", "", "", State.RUNNING, None),
        ("Stalled", "", "", State.RUNNING, None),
        ("Killed", "Marked for termination", "Unknown", State.TERMINATED, None),
        ("Deleted", "", "", State.TERMINATED, None),
        ("Failed", "Application Finished With Errors", "", State.FAILED, Reason.EXIT_CODE),
        (
            *("Failed", "Watchdog identified this job as stalled", "Executing RunScriptStep1"),
            *(State.FAILED, Reason.NODE_FAILURE),
        ),
        ("Scouting", "", "", State.QUEUED, None),
        ("A new word", "", "", State.RUNNING, None),
    ],
)
def test_every_word_has_its_state(
    status: str, minor: str, application: str, state: State, reason: Reason | None
) -> None:
    """Done is done where the application says so too; a word that nobody knows is no end."""
    assert read_state(status, minor, application) == (state, reason)


def test_ends_are_those_of_dirac() -> None:
    """Completed is none, for requests make it Done or Failed."""
    ends = {word for word, state in STATES.items() if state.final}
    assert ends == {"Done", "Failed", "Killed", "Deleted"}


# -- what is printed


@pytest.mark.parametrize(
    ("stdout", "ids"),
    [
        ("<=====v5r7=====>\nJobID = 7 ... 9 (3 jobs)\n", [7, 8, 9]),
        ("JobID = 7 (1 jobs)", [7]),
        ("JobID = 7 ... 8 (2 jobs)\nJobID = 11 ... 12 (2 jobs)", [7, 8, 11, 12]),
        ("JobID = 7 ... 19 (3 jobs)", None),
        ("", None),
    ],
)
def test_ids_of_a_submission(stdout: str, ids: list[int] | None) -> None:
    """Only where they are told for certain."""
    assert submitted_ids(stdout) == ids


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("x\nERROR: Project a already exists. Please use another name\n", True),
        ("ERROR: Invalid basf2 release x", True),
        ("ERROR: proxy has not Belle VOMS extensions", False),
        ("Connection timed out", False),
        ("", False),
    ],
)
def test_refusals_for_good(text: str, refused: bool) -> None:
    """What may pass by itself is none."""
    assert bool(parse.refusal(text)) is refused


@pytest.mark.parametrize("text", ["", "[]", "garbage\n@anybatchx {}", "@anybatch {", "@anybatch"])
def test_what_is_no_answer(text: str) -> None:
    """A banner, a torn line: an error, and never an empty answer."""
    with pytest.raises(ValueError, match=r"."):
        parse.marked(text)


def test_an_answer_is_found_among_other_lines() -> None:
    """The client prints lines of its own, before and after."""
    assert parse.marked('Welcome\n@anybatch {"a": 1}\nbye\n') == {"a": 1}


ROW = {
    "Status": "Running",
    "MinorStatus": "Application",
    "ApplicationStatus": "Running",
    "Site": "LCG.X.de",
    "SubmissionTime": "2026-01-02 03:04:05",
    "LastUpdateTime": "2026-01-02T03:05:06.5+00:00",
}


def test_jobs_that_make_no_sense_are_left_out() -> None:
    """The others are read."""
    rows = {"700001": ROW, "x": ROW, "700002": None, "700003": {"Site": "?"}}
    found = parse.jobs({"p": rows, "q": None})
    assert list(found) == ["p"]
    assert list(found["p"]) == [700001]
    assert found["p"][700001].changed == "20260102030506"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*ROW, "700001", "p"]), inner)
        ),
    )
)
def test_no_answer_breaks_reading(plain: Any) -> None:
    """Whatever JSON comes, jobs are read or left out."""
    for jobs in parse.jobs(plain).values():
        for name, job in jobs.items():
            status_of(NativeId("p", (name,)), {name: job}, 0)
    parse.proxy(plain)


@given(st.dictionaries(st.from_regex(r"[A-Z_]+", fullmatch=True), awkward_texts()))
def test_any_environment_is_read(variables: dict[str, str]) -> None:
    """Line breaks, equals end_seen_at, functions."""
    text = "".join(f"{name}={value}\0" for name, value in variables.items())
    assert environment(text) == variables


# -- statuses


def job(number: int, status: str, updated: str = "2026-01-02 03:04:05") -> GridJob:
    """A job on the grid."""
    application = "Done" if status == "Done" else "Unknown"
    return GridJob(number, status, "Minor", application, "LCG.X.de", updated, updated)


def told(native_id: NativeId, *jobs: GridJob, now: float = 0) -> tuple[State, str | None] | None:
    """State and message."""
    status = status_of(native_id, {one.id: one for one in jobs}, now)
    return (status.state, status.message) if status else None


def test_a_job_that_is_not_there_is_not_known() -> None:
    """Nor is a project of which some jobs are missing."""
    assert told(NativeId("p", (7,))) is None
    assert told(NativeId("p", (7,)), job(8, "Done")) is None
    assert told(NativeId("p", every=2), job(8, "Done")) is None
    assert told(NativeId("p", every=1), job(8, "Done")) == (State.DONE, None)


def test_a_failure_from_before_rescheduling_is_none() -> None:
    """As long as the grid may lag; a later change is one."""
    again = NativeId("p", (7,), seen="20260102030405", at=1000)
    stale = "rescheduled; the grid still shows the failure"
    assert told(again, job(7, "Failed"), now=1001) == (State.QUEUED, stale)
    assert told(again, job(7, "Failed"), now=1000 + parse.LAG) == (State.FAILED, "Minor")
    later = job(7, "Failed", "2026-01-02 03:04:06")
    assert told(again, later, now=1001) == (State.FAILED, "Minor")


def test_an_output_that_could_not_be_uploaded_is_no_failure_from_before() -> None:
    """No job that is Done is rescheduled, so there is nothing to wait for."""
    native_id = NativeId("p", every=2, seen="20260102030405", at=1000)
    known = {
        1: GridJob(1, "Done", "Execution Complete", "upload failed", "", "", "2026-01-02 03:04:00"),
        2: GridJob(2, "Done", "Execution Complete", "Done", "", "", "2026-01-02 05:00:00"),
    }
    status = status_of(native_id, known, 1001)
    assert status is not None
    assert (status.state, status.reason) == (State.FAILED, Reason.STAGE_OUT)


def test_the_id_of_a_job_without_a_time_can_be_read() -> None:
    """Where the grid does not tell when a job that is rescheduled has failed."""
    native_id = NativeId("p", (1,), seen="", at=1000)
    assert read_native_id(str(native_id)) == native_id


def test_several_jobs_are_as_far_as_the_last() -> None:
    """Their words are counted; all have to be done."""
    every = NativeId("p", every=2)
    assert told(every, job(7, "Done"), job(8, "Running")) == (State.RUNNING, "Done 1, Running 1")
    ended = told(every, job(7, "Done"), job(8, "Failed"))
    assert ended == (State.FAILED, "Done 1, Failed 1; Minor")
    assert told(every, job(7, "Done"), job(8, "Done")) == (State.DONE, "Done 2")


@pytest.mark.parametrize(
    ("shown", "count", "age", "grows"),
    [
        (2, 3, 10, True),
        (3, 3, 10, False),
        (4, 3, 10, False),
        (2, 3, parse.SETTLE, False),
        (2, 3, -parse.SETTLE, False),
        (1, 1, 10, True),
        (1, 1, parse.SETTLE, False),
        (0, 3, 0, False),
    ],
)
def test_a_project_that_may_grow(shown: int, count: int, age: float, grows: bool) -> None:
    """It is young and has too few jobs, or nobody knows how many; clocks may differ."""
    jobs = {number: job(number, "Waiting") for number in range(shown)}
    made = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc).timestamp()
    assert parse.may_grow(jobs, count, made + age) is grows


# -- ids


@pytest.mark.parametrize(
    ("jobs", "count", "ids"),
    [
        ([9, 7, 8], 3, ["p/7", "p/8", "p/9"]),
        ([9, 7, 8], 1, ["p/all-3"]),
        ([7, 8, 9, 11], 2, ["p/7", "p/8-9,11"]),
        ([7], 3, ["p/7", "p/none-1", "p/none-2"]),
    ],
)
def test_grid_jobs_are_dealt_out(jobs: list[int], count: int, ids: list[str]) -> None:
    """One each; none is left over."""
    assert deal_out("p", jobs, count) == ids


@given(
    st.sets(st.integers(1, 10**9), min_size=1, max_size=20),
    st.integers(1, 25),
    st.integers(0, 10**10),
)
def test_ids_are_distinct_and_can_be_read(jobs: set[int], count: int, at: int) -> None:
    """Each grid job belongs to one job of the run."""
    ids = deal_out("my-p_1", jobs, count)
    native_ids = [read_native_id(name) for name in ids]
    assert len(set(ids)) == count
    own = [one for native_id in native_ids for one in native_id.own({one: one for one in jobs})]
    assert sorted(own) == sorted(jobs)
    assert [str(native_id) for native_id in native_ids] == ids
    again = NativeId("my-p_1", tuple(sorted(jobs)), seen="20260102030405", at=at)
    assert read_native_id(str(again)).at == at
    assert read_native_id(str(again)).ids == again.ids


@pytest.mark.parametrize("text", ["", "p", "p/", "p/x", "a b/7", "p/7@", "p/all-"])
def test_what_is_no_id(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="is no id"):
        read_native_id(text)


# -- names


@given(awkward_texts(min_size=1), st.integers(0, 15))
def test_names_are_what_gbasf2_takes_or_refused(prefix: str, length: int) -> None:
    """Letters, digits, `_`, `-`; 32 at most; a hash of 6 to 10."""
    settings = {**SET, "project_name": None, "project_name_prefix": prefix}
    settings["project_name_hash_length"] = length
    try:
        name = project_name(settings, {})
    except UsageError:
        return
    assert len(name) <= LONGEST
    assert name.startswith(prefix)
    assert 6 <= length <= 10
    assert name.replace("_", "").replace("-", "").isascii()


def test_another_job_is_another_project() -> None:
    """How results are treated makes no difference, what is computed does."""
    settings = {**SET, "project_name": None, "project_name_prefix": "p_"}
    name = project_name(settings, {"custom_steering_file": "a"})
    assert project_name({**settings, "max_retries": 5}, {"custom_steering_file": "a"}) == name
    assert project_name(settings, {"custom_steering_file": "b"}) != name
    assert project_name({**settings, "release": "x"}, {"custom_steering_file": "a"}) != name


# -- commands


def test_the_smallest_submission() -> None:
    """Nothing is given that is not set; words stay words."""
    assert words() == (
        *("gbasf2", "/home/ada/my steer.py", "-p", "pre_ab12", "-s", "light-2601-venus"),
        *("-i", "/belle/MC/one,/belle/MC/two,/belle/MC/three", "--force"),
    )


def test_every_option() -> None:
    """In the order of gbasf2's manual."""
    found = words(
        pickle_file="/home/ada/path.pkl",
        custom_steering_file=None,
        additional_files=("/a b", "/c"),
        lfn_sandboxfiles=True,
        noscout=True,
        input_dataset=(),
        input_dslist="/list",
        n_repetition_job=3,
        input_datafiles=("/x", "/y"),
        cputime=60,
        evtpersec=1.5,
        priority=0,
        jobtype="User",
        basf2opt="-n 10",
        input_grouping="site",
        project_lpn_path="/belle/group/x",
        additional_params="--verbose 'two words'",
    )
    assert found == (
        *("gbasf2", "steering_file_wrapper.py", "-p", "pre_ab12", "-s", "light-2601-venus"),
        *("-f", "serialized_basf2_path.pkl", "/a b", "/c", "--lfn_sandboxfiles", "--noscout"),
        *("--input_dslist", "/list", "--repetition", "3", "--input_datafiles", "/x", "/y"),
        *("--force", "--cputime", "60", "--evtpersec", "1.5", "--priority", "0"),
        *("--jobtype", "User", "--basf2opt=-n 10", "--input_grouping", "site"),
        *("--output_ds", "/belle/group/x/pre_ab12", "--verbose", "two words"),
    )


def test_rescheduling_is_shown_as_it_is_run() -> None:
    """Jobs by id; the project, where one job stands for it."""
    assert words(previous_ids=("pre_ab12/7", "pre_ab12/9@20260102030405-17")) == (
        *("gb2_job_reschedule", "--jobid", "7", "9", "--force"),
    )
    assert words(previous_ids=("pre_ab12/all-3",)) == (
        *("gb2_job_reschedule", "--user", "ada", "-p", "pre_ab12", "--force"),
    )


def test_the_user_s_template_makes_the_steering_file() -> None:
    """It is there as text: rendering reads no file, so that what was shown is what runs."""
    made = render.render(submission(pickle_file="p", jinja_template="run {{ pickle_file_path }}\n"))
    assert made.files[-1].text == f"run {render.PICKLE}\n"


def test_many_jobs_have_more_time() -> None:
    """Each adds to the limit of the commands that do something with it."""

    def longer(**changes: Any) -> timedelta:
        return render.render(submission(**changes)).extra_timeout

    assert longer() == timedelta(seconds=6)
    assert longer(previous_ids=("pre_ab12/7", "pre_ab12/9")) == timedelta(seconds=6)
    assert longer(input_grouping="site") == timedelta(seconds=3000)
    one, many = NativeId("p", (7,)), NativeId("p", every=1000)
    assert render.kill([one], "ada").timeout == timedelta(seconds=123)
    assert render.kill([many], "ada").timeout == timedelta(seconds=3120)


def test_the_wrapper_is_python() -> None:
    """It names the pickle and the number of events."""
    text = render.steering_file(render.default_template(), 7)
    ast.parse(text)
    assert "FILE = 'serialized_basf2_path.pkl'" in text
    assert "max_event=7" in text


def test_a_project_is_what_the_settings_say() -> None:
    """Where its dataset is, and what is to be done with it."""
    assert project_of(SET).dataset == "/belle/user/ada/pre_ab12"
    assert project_of({**SET, "project_lpn_path": "/belle/x/"}).dataset == "/belle/x/pre_ab12"
    assert str(project_of(SET).target) == "/home/ada/out/pre_ab12"
    assert project_of({**SET, "download_dataset": False}).download_to == ""


# -- files


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["B_0_job7_00.root", "B_0_job7_01.root"], ["B_0_job7_01.root"]),
        (["B_0_job7_9.root", "B_0_job7_10.root"], ["B_0_job7_10.root"]),
        (["B_0_job7_00.root", "C_0_job7_01.root"], ["B_0_job7_00.root", "C_0_job7_01.root"]),
        (["B_0_job7_00.udst.root", "B_0_job7_01.udst.root"], ["B_0_job7_01.udst.root"]),
        (["notes.root", "B_0_job7_00.root"], ["B_0_job7_00.root", "notes.root"]),
        ([], []),
    ],
)
def test_the_newest_of_each_output(names: list[str], kept: list[str]) -> None:
    """Numbers are compared as numbers; what has another form stays."""
    assert newest(names) == kept


@pytest.mark.parametrize(
    ("row", "size", "checksum"),
    [
        ([10, "0a1B2c3d"], 10, "0a1B2c3d"),
        ([10, None], 10, None),
        ([None, "1"], None, "1"),
        (["10", "no hex"], None, None),
        (None, None, None),
        ([10], None, None),
    ],
)
def test_what_is_told_of_a_file(row: Any, size: int | None, checksum: str | None) -> None:
    """What makes no sense is not compared with anything."""
    assert parse.grid_files({"/a": row}) == {"/a": parse.GridFile(size, checksum)}


#: What b2luigi calls `gbasf2_*`.
FOREIGN = {
    *("input_dataset", "input_dslist", "release", "setup_path", "proxy_lifetime"),
    *("min_proxy_lifetime", "proxy_group", "project_lpn_path", "max_retries", "download_dataset"),
    *("download_logs", "additional_download_params", "custom_steering_file"),
    *("jinja_template_path", "additional_files", "input_datafiles", "n_repetition_job"),
    *("force_submission", "cputime", "evtpersec", "priority", "jobtype", "basf2opt"),
    *("lfn_sandboxfiles", "input_grouping", "noscout", "additional_params"),
    *("project_name_prefix", "project_name_hash_length", "max_event", "print_status_updates"),
}


def test_settings_are_there_and_documented() -> None:
    """Those that users of b2luigi know, with a sentence for each."""
    assert {setting.name for setting in SETTINGS} >= FOREIGN
    assert all(setting.help.endswith(".") for setting in SETTINGS)
