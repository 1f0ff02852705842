"""From a submission to the text that condor_submit gets.

HTCondor's own package reads it back.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import classad2
import htcondor2
import pytest
from anybatch import Resources, UsageError
from anybatch.records import REMOTE_RUN_DIR, Kind, Limits, Submission, Transfer
from anybatch.transfer import RETURNED_DIRS
from anybatch_htcondor.render import escape, log_path, quote, render
from anybatch_htcondor.settings import COMMANDS, MANAGED, SETTINGS
from hypothesis import given
from hypothesis import strategies as st

from .captured import TOKEN, submission

RESTARTS = "$$([ifThenElse(isUndefined(NumShadowStarts),0,NumShadowStarts-1)])"
OVERTIME = "HoldReasonCode =?= 46 || HoldReasonCode =?= 47"
# HTCondor's package sets it where there is none, and other tests would take it for a pool's.
if os.environ.get("CONDOR_CONFIG") == os.devnull:
    del os.environ["CONDOR_CONFIG"]

WANTED = "HoldReasonCode =?= 1 || HoldReasonCode =?= 15 || HoldReasonCode =?= 16"
#: Any text that is one line.
LINES = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]))
AWKWARD = (
    *('"', "\\", "$", "$(x)", "$$(x)", "$ENV(HOME)", "'", "#", "=", "queue", " ", "\t", "@=end"),
    *("$$", '\\"', "$$(", "$F(x)", "+X = 1", "[", "(", ")", ",", ";", "%", "&&", "é", "漢", "😀"),
    *("\u2028", "\x85", "\x0b"),
)
NAMES = st.lists(st.sampled_from(AWKWARD) | LINES, min_size=1, max_size=6).map("".join)


def text_of(one: Submission) -> str:
    """The text of the submit description."""
    file, *_ = render(one).files
    return file.text


def read_back(text: str) -> tuple[dict[str, str], list[str]]:
    """Commands and their values as condor_submit takes them, and the lines of the queue."""
    commands, queue, rest = text.partition("\nqueue ")
    read = htcondor2.Submit(commands + "\n")
    assert not read.getQArgs()
    assert queue
    return dict(read.items()), rest.splitlines()


def commands_of(one: Submission) -> dict[str, str]:
    return read_back(text_of(one))[0]


def own(**values: Any) -> dict[str, str]:
    """The commands of a submission with these settings."""
    return commands_of(submission(values))


def needs(**resources: Any) -> dict[str, str]:
    """The commands that stand for resources."""
    bare = commands_of(submission())
    full = commands_of(submission(resources=Resources(**resources)))
    return {name: value for name, value in full.items() if name not in bare}


def string_of(value: str) -> str:
    """The text that a value is as an attribute; condor_submit takes ClassAds in the old format."""
    expanded = htcondor2.Submit(f"x = {value}\n").expand("x")
    text = classad2.parseOne(f"x = {expanded}\n", classad2.ParserType.Old)["x"]
    assert isinstance(text, str)
    return text


# -- the whole


def test_one_job_is_this_description() -> None:
    """What is shown is what runs, to the byte."""
    rendered = render(submission())
    file, made = rendered.files
    assert made.path == Path("/runs/one/logs/system-0.0/README")
    assert file.path == Path("/runs/one/submit-0.sub")
    assert file.mode == 0o600
    assert file.text == (
        "universe = vanilla\n"
        "executable = /bin/sh\n"
        "transfer_executable = false\n"
        """arguments = "-c 'true >""$0""; exec /bin/sh ""$@""' $(ab_log) """
        f'job.sh 0 $(ab_task) {RESTARTS}"\n'
        'environment = "PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C"\n'
        "output = $(ab_log)\n"
        "error = $(ab_log)\n"
        "initialdir = /runs/one\n"
        "log = htcondor-0.log\n"
        f"submit_event_user_notes = {TOKEN}\n"
        "notification = never\n"
        'MY.JobBatchName = "fit"\n'
        f'MY.AnybatchToken = "{TOKEN}"\n'
        "MY.AnybatchCount = 1\n"
        "should_transfer_files = NO\n"
        f"periodic_remove = JobStatus == 5 && ({OVERTIME})\n"
        "queue ab_task, ab_log from (\n"
        "1, logs/system-0.0/1\n"
        ")\n"
    )
    assert rendered.command.argv == ("condor_submit", "-terse", "/runs/one/submit-0.sub")
    assert rendered.command.timeout == timedelta(minutes=2)


def test_many_jobs_with_everything_are_this_description() -> None:
    """Resources, then the user's own commands, which win; a line for each job."""
    one = submission(
        {
            **{"accounting_group": "physics", "request_memory": "ifThenElse(x, 1, 2)"},
            **{"+JobFlavour": '"longlunch"', "MY.WantIOProxy": True, "priority": 3},
            **{"on_held": "release", "periodic_remove": "NumJobStarts > 5", "hold": True},
            **{"release_pause": timedelta(minutes=1), "notification": "error"},
        },
        number=3,
        count=3,
        name="Größe #1",
        transfer=Transfer.SYSTEM,
        transfer_sets=("stage-in/0", "", "stage-in/1"),
        resources=Resources(tasks=2, cores=4, gpus=1, memory="2 GiB", disk="10 GB", time="1h30m"),
    )
    assert text_of(one) == (
        "universe = vanilla\n"
        "executable = /bin/sh\n"
        "transfer_executable = false\n"
        """arguments = "-c 'true >_condor_stdout; exec /bin/sh ""$@""' $(ab_log) """
        f'.anybatch/job.sh 3 $(ab_task) {RESTARTS}"\n'
        'environment = "PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C"\n'
        "output = $(ab_log)\n"
        "error = $(ab_log)\n"
        "initialdir = /runs/one\n"
        "log = htcondor-3.log\n"
        f"submit_event_user_notes = {TOKEN}\n"
        "notification = error\n"
        'MY.JobBatchName = "Größe #1"\n'
        f'MY.AnybatchToken = "{TOKEN}"\n'
        "MY.AnybatchCount = 3\n"
        "should_transfer_files = YES\n"
        "when_to_transfer_output = ON_EXIT\n"
        "transfer_input_files = $(ab_parcels)\n"
        "transfer_output_files = .anybatch/exit, .anybatch/start, .anybatch/logs, "
        ".anybatch/stage-out\n"
        "request_cpus = 8\n"
        "request_gpus = 2\n"
        "request_memory = ifThenElse(x, 1, 2)\n"
        "request_disk = 9765625\n"
        "allowed_execute_duration = 5400\n"
        "accounting_group = physics\n"
        "hold = true\n"
        f"periodic_remove = (NumJobStarts > 5) || (JobStatus == 5 && ({OVERTIME}))\n"
        "priority = 3\n"
        'MY.JobFlavour = "longlunch"\n'
        "MY.WantIOProxy = true\n"
        f"periodic_release = JobStatus == 5 && !({WANTED} || {OVERTIME}) && NumHolds <= 3 && "
        "time() - EnteredCurrentStatus >= 60\n"
        "queue ab_task, ab_log, ab_parcels from (\n"
        "1, logs/system-3.0/1, stage-in/common/, stage-in/tasks-3.0/, stage-in/0/\n"
        "2, logs/system-3.0/2, stage-in/common/, stage-in/tasks-3.0/\n"
        "3, logs/system-3.0/3, stage-in/common/, stage-in/tasks-3.0/, stage-in/1/\n"
        ")\n"
    )


def test_condor_submit_sees_what_it_needs_and_nothing_of_a_job_around_it() -> None:
    """Home, pool and credentials; what HTCondor set for an outer job would reconfigure it."""
    command = render(submission(), timeout=timedelta(seconds=7)).command
    assert command.timeout == timedelta(seconds=7)
    assert command.only_env is not None
    assert {"PATH", "HOME", "CONDOR_CONFIG", "KRB5*"} <= set(command.only_env)
    assert "PYTHONPATH" not in command.only_env
    assert {"_CONDOR_SLOT", "_CONDOR_SCRATCH_DIR"} <= set(command.hide_env)


# -- resources


@pytest.mark.parametrize(
    ("resources", "commands"),
    [
        ({}, {}),
        ({"cores": 1, "tasks": 1, "gpus": 0, "nodes": 1}, {}),
        ({"cores": 4}, {"request_cpus": "4"}),
        ({"tasks": 3}, {"request_cpus": "3"}),
        ({"tasks": 3, "cores": 2}, {"request_cpus": "6"}),
        ({"gpus": 1}, {"request_gpus": "1"}),
        ({"tasks": 2, "gpus": 2}, {"request_cpus": "2", "request_gpus": "4"}),
        ({"memory": "1 MiB"}, {"request_memory": "1"}),
        ({"memory": 1}, {"request_memory": "1"}),
        ({"memory": 2**20 + 1}, {"request_memory": "2"}),
        ({"memory": "2 GB"}, {"request_memory": "1908"}),
        ({"disk": "1 KiB"}, {"request_disk": "1"}),
        ({"disk": 1025}, {"request_disk": "2"}),
        ({"disk": "1 GiB"}, {"request_disk": "1048576"}),
        ({"time": "1h"}, {"allowed_execute_duration": "3600"}),
        ({"time": timedelta(seconds=0.5)}, {"allowed_execute_duration": "1"}),
        ({"time": timedelta(days=3)}, {"allowed_execute_duration": "259200"}),
    ],
)
def test_resources_are_requests(resources: dict[str, Any], commands: dict[str, str]) -> None:
    """Memory in MiB, disk in KiB, time in seconds, never less than asked; else the pool's own."""
    assert needs(**resources) == commands


@given(st.integers(1, 2**60), st.integers(1, 2**60))
def test_sizes_are_rounded_up_to_their_units(memory: int, disk: int) -> None:
    """By less than a unit."""
    commands = needs(memory=memory, disk=disk)
    assert 0 <= int(commands["request_memory"]) * 2**20 - memory < 2**20
    assert 0 <= int(commands["request_disk"]) * 2**10 - disk < 2**10


@pytest.mark.parametrize(("name", "value"), [("nodes", 2), ("exclusive", True), ("queue", "short")])
def test_what_a_pool_does_not_have_is_refused(name: str, value: Any) -> None:
    """The error names it, and what may be meant."""
    with pytest.raises(
        UsageError, match=rf"htcondor: {name} is not supported.*requirements.*\+Name"
    ):
        render(submission(resources=Resources(tasks=2, **{name: value})))


# -- settings


def test_every_command_is_a_setting_and_none_that_anybatch_needs_itself() -> None:
    """Spelt as in the manual; each of the others says what stands in for it."""
    assert not {*MANAGED} & {*COMMANDS}
    assert all(MANAGED.values())
    declared = {setting.name: setting.kind for setting in SETTINGS}
    assert len(declared) == len(SETTINGS)
    assert all(declared[name] is Kind.OPTION for name in COMMANDS)
    assert {name for name in declared if "*" in name} == {"+*", "MY.*"}


@pytest.mark.parametrize(
    "name", [n for n in COMMANDS if n not in ("batch_name", "periodic_remove")]
)
@pytest.mark.parametrize(
    ("value", "text"),
    [("A < 5", "A < 5"), (7, "7"), (1.5, "1.5"), (True, "true"), (False, "false")],
)
def test_every_command_is_written_as_it_is_set(name: str, value: Any, text: str) -> None:
    """Once, and instead of what would stand there."""
    text_now = text_of(submission({name: value}))
    assert text_now.count(f"\n{name} = ") + text_now.startswith(f"{name} = ") == 1
    assert read_back(text_now)[0][name] == text


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("+JobFlavour", '"longlunch"', 'MY.JobFlavour = "longlunch"'),
        ("MY.WantIOProxy", True, "MY.WantIOProxy = true"),
        ("+A_1", 3, "MY.A_1 = 3"),
        ("+SingularityImage", '"$(DOLLAR)HOME/a.sif"', None),
        ("batch_name", 'my "own"', r'MY.JobBatchName = "my \"own\""'),
        ("batch_name", "$5", 'MY.JobBatchName = "$5"'),
        ("batch_name", "$ENV(HOME)", 'MY.JobBatchName = "$(DOLLAR)ENV(HOME)"'),
        ("batch_name", "$$(x)", 'MY.JobBatchName = "$ $(DOLLAR)(x)"'),
        ("batch_name", "$(Dollar)", 'MY.JobBatchName = "$ (Dollar)"'),
    ],
)
def test_attributes_are_expressions_and_a_batch_name_is_a_text(
    name: str, value: Any, line: str | None
) -> None:
    """An attribute's value is written as it is set, for it may be any expression."""
    lines = text_of(submission({name: value})).splitlines()
    assert (line or f"MY.{name[1:]} = {value}") in lines
    assert len([one for one in lines if one.startswith("MY.JobBatchName")]) == 1


def test_the_last_of_two_spellings_of_an_attribute_holds() -> None:
    """`+X` and `MY.X` are the same attribute, on one line."""
    lines = text_of(submission({"+X": 1, "MY.X": 2})).splitlines()
    assert [line for line in lines if line.startswith("MY.X")] == ["MY.X = 2"]


@pytest.mark.parametrize(
    "name",
    [
        *("+", "MY.", "+1", "+a b", "+a.b", "+a=1\n+b", "+é", "MY.MY.x", "++x", "+*", "MY.*"),
        *("+AnybatchToken", "MY.anybatchtoken", "+ANYBATCHCOUNT"),
        *("+Cmd", "MY.arguments", "+Iwd", "+UserLog", "+Out", "MY.ERR", "+TransferInput"),
        *("+ContainerImage", "+OnExitRemove", "+Environment", "+ShouldTransferFiles"),
    ],
)
def test_what_is_no_attribute_of_the_users_is_refused(name: str) -> None:
    """Names are words; what anybatch itself sets is not the user's."""
    with pytest.raises(UsageError, match="attribute"):
        render(submission({name: "1"}))


@pytest.mark.parametrize(
    ("settings", "remove", "release"),
    [
        ({"on_held": "wait"}, f"JobStatus == 5 && ({OVERTIME})", None),
        ({"on_held": "fail"}, f"JobStatus == 5 && !({WANTED})", None),
        (
            {"on_held": "release", "release_times": 7, "release_pause": timedelta(seconds=0.2)},
            f"JobStatus == 5 && ({OVERTIME})",
            f"JobStatus == 5 && !({WANTED} || {OVERTIME}) && NumHolds <= 7 && "
            "time() - EnteredCurrentStatus >= 1",
        ),
        (
            {"on_held": "fail", "periodic_remove": True, "periodic_release": "x"},
            f"(true) || (JobStatus == 5 && !({WANTED}))",
            "x",
        ),
        (
            {"on_held": "release", "periodic_release": "x || y"},
            f"JobStatus == 5 && ({OVERTIME})",
            f"(x || y) || (JobStatus == 5 && !({WANTED} || {OVERTIME}) && NumHolds <= 3 && "
            "time() - EnteredCurrentStatus >= 300)",
        ),
    ],
)
def test_what_becomes_of_held_jobs_is_a_policy_of_the_job(
    settings: dict[str, Any], remove: str, release: str | None
) -> None:
    """The schedd acts by itself; the user's own policies hold beside ours."""
    commands = own(**settings)
    assert commands["periodic_remove"] == remove
    assert commands.get("periodic_release") == release


def policy(expression: str, **attributes: Any) -> object:
    """The value of a policy for a job, as HTCondor evaluates it."""
    ad = classad2.ClassAd({"JobStatus": 5, "NumHolds": 1, **attributes})
    ad["Policy"] = classad2.ExprTree(expression)
    return ad.eval("Policy")


@pytest.mark.parametrize("on_held", ["wait", "release", "fail"])
@pytest.mark.parametrize("code", [None, *range(1, 50)])
def test_policies_do_what_they_are_called(on_held: str, code: int | None) -> None:
    """Overtime always fails, what a user holds always waits, the rest is as it is set."""
    commands = own(on_held=on_held)
    held = {} if code is None else {"HoldReasonCode": code}
    removed = policy(commands["periodic_remove"], **held)
    assert removed is (code not in (1, 15, 16) if on_held == "fail" else code in (46, 47))
    assert policy(commands["periodic_remove"], **{**held, "JobStatus": 2}) is False
    if on_held == "release":
        expected = code not in (1, 15, 16, 46, 47)
        long_ago = {**held, "EnteredCurrentStatus": 1}
        assert policy(commands["periodic_release"], **long_ago) is expected
        assert policy(commands["periodic_release"], **{**long_ago, "NumHolds": 4}) is False
        assert policy(commands["periodic_release"], **{**long_ago, "JobStatus": 1}) is False


# -- what was asked of the schedd


def in_context(
    count: int = 1, transfer: Transfer = Transfer.SHARED, **asked: str
) -> dict[str, str]:
    limits = Limits(render_context=asked)
    return commands_of(submission(count=count, limits=limits, transfer=transfer))


def test_jobs_get_the_submitters_umask_where_they_share_its_files() -> None:
    """Where files travel, HTCondor writes what comes back, and the job's own umask says nothing."""
    line = """"-c 'umask 0027; true >""$0""; exec /bin/sh ""$@""' $(ab_log) job.sh 0 """
    assert in_context(umask="0027")["arguments"].startswith(line)
    assert "umask" not in in_context(transfer=Transfer.SYSTEM, umask="0027")["arguments"]
    assert "umask" not in in_context()["arguments"]


@pytest.mark.parametrize(("count", "late"), [(8, False), (9, True), (30_000, True)])
def test_more_jobs_than_the_schedd_takes_at_once_come_one_by_one(count: int, *, late: bool) -> None:
    """A submission of more than MAX_JOBS_PER_OWNER would be refused, however often it is tried."""
    commands = in_context(count, most_jobs="8")
    assert (commands.get("max_idle"), commands.get("max_materialize")) == (
        ("2000", "7") if late else (None, None)
    )


# -- files


def test_files_travel_as_parcels() -> None:
    """Each job takes its own; what comes back are the folders of the run."""
    one = submission(
        count=201, number=1, transfer=Transfer.SYSTEM, transfer_sets=("stage-in/0",), name="many"
    )
    commands, queue = read_back(text_of(one))
    assert commands["should_transfer_files"] == "YES"
    back = commands["transfer_output_files"].split(", ")
    assert back == [f"{REMOTE_RUN_DIR}/{name}" for name in RETURNED_DIRS]
    assert queue[0] == "ab_task, ab_log, ab_parcels from ("
    assert (
        queue[200] == "200, logs/system-1.0/200, stage-in/common/, stage-in/tasks-1.0/, stage-in/0/"
    )
    assert queue[201:] == [
        "201, logs/system-1.1/201, stage-in/common/, stage-in/tasks-1.1/, stage-in/0/",
        ")",
    ]


def test_jobs_without_files_of_their_own_take_the_script_and_their_page() -> None:
    """No transfer_set is no error."""
    one = submission(transfer=Transfer.SYSTEM, transfer_sets=("",))
    assert (
        read_back(text_of(one))[1][1]
        == "1, logs/system-0.0/1, stage-in/common/, stage-in/tasks-0.0/"
    )


def test_on_a_shared_file_system_nothing_travels() -> None:
    """Jobs run only on machines of our domain, in the run's folder."""
    commands, queue = read_back(text_of(submission(count=2)))
    assert not {"transfer_input_files", "transfer_output_files"} & set(commands)
    assert commands["should_transfer_files"] == "NO"
    assert queue == ["ab_task, ab_log from (", "1, logs/system-0.0/1", "2, logs/system-0.0/2", ")"]


@pytest.mark.parametrize(
    ("container", "setting", "expected"),
    [
        (None, None, ("vanilla", None)),
        (None, "native", ("vanilla", None)),
        ("/images/a.sif", None, ("vanilla", None)),
        ("/images/a.sif", "native", ("container", "/images/a.sif")),
        ("docker://a/b:$(x)", "native", ("container", "docker://a/b:$(DOLLAR)(x)")),
    ],
)
def test_a_container_is_the_pools_where_it_is_asked_to(
    container: str | None, setting: str | None, expected: tuple[str, str | None]
) -> None:
    """Else a wrapper runs it, and HTCondor knows nothing of it."""
    commands = commands_of(submission({"container": setting}, container=container))
    assert (commands["universe"], commands.get("container_image")) == expected
    kept = "false" if expected[1] else None  # a shared file system has it already
    assert commands.get("transfer_container") == kept


def test_a_pool_that_runs_the_image_has_a_universe_for_it() -> None:
    """Another universe would run the job outside of its container; it is refused."""
    with pytest.raises(UsageError, match="universe and container = 'native' contradict"):
        render(submission({"container": "native", "universe": "vanilla"}, container="/a.sif"))
    assert own(container="native", universe="vanilla")["universe"] == "vanilla"


def test_false_takes_back_a_request_of_the_settings() -> None:
    """What the job asks for holds."""
    one = submission({"request_memory": False}, resources=Resources(memory="2 GiB"))
    assert commands_of(one)["request_memory"] == "2048"


@pytest.mark.parametrize(
    ("count", "settings", "expected"),
    [
        (5, {"late_from": 5}, None),
        (6, {"late_from": 5}, "2000"),
        (6, {"late_from": 5, "max_idle": 10}, "10"),
        (2, {"max_idle": 10}, "10"),
        (20_000, {}, None),
        (20_001, {}, "2000"),
    ],
)
def test_large_submissions_are_materialized_late(
    count: int, settings: dict[str, Any], expected: str | None
) -> None:
    """The queue holds some idle jobs at a time."""
    assert commands_of(submission(settings, count=count)).get("max_idle") == expected


# -- text stays text


@given(NAMES)
def test_a_name_is_a_text_and_nothing_else(name: str) -> None:
    """HTCondor reads the same name back, and the same commands and queue as for any other."""
    commands, queue = read_back(text_of(submission(name=name)))
    usual, usual_queue = read_back(text_of(submission()))
    got = string_of(commands.pop("MY.JobBatchName"))
    assert got == re.sub(r"\$(?=\$\w*\()", "$ ", name)
    assert "$$(" not in got
    del usual["MY.JobBatchName"]
    assert (commands, queue) == (usual, usual_queue)


@given(st.sampled_from([*COMMANDS, "+X", "MY.Y", "batch_name"]), NAMES)
def test_no_value_adds_a_command_or_a_queue_statement(name: str, value: str) -> None:
    """It stands on its line alone, or is refused."""
    try:
        text = text_of(submission({name: value}))
    except UsageError:
        assert value != value.strip() or value.endswith("\\")
        return
    commands, queue = read_back(text)
    known = {*commands_of(submission()), name, "MY.X", "MY.Y", "MY.JobBatchName"}
    assert set(commands) <= known
    assert queue == ["ab_task, ab_log from (", "1, logs/system-0.0/1", ")"]
    assert len(text.split("\n")) - len(text_of(submission()).split("\n")) in (0, 1)


@given(st.text())
def test_no_name_of_an_attribute_adds_anything(name: str) -> None:
    """It is a word, or refused."""
    try:
        text = text_of(submission({f"+{name}": "1"}))
    except UsageError:
        return
    assert f"\nMY.{name} = 1\n" in text
    assert set(commands_of(submission({f"+{name}": "1"}))) == {
        *commands_of(submission()),
        f"MY.{name}",
    }


@pytest.mark.parametrize("value", ["a\\", "\\", " a", "a ", "\ta", "a\u00a0"])
@pytest.mark.parametrize("name", ["requirements", "+X", "MY.X"])
def test_values_that_a_line_cannot_hold_are_refused(name: str, value: str) -> None:
    """A backslash would join the next line; blanks at the ends would be lost."""
    with pytest.raises(
        UsageError, match="must not end with a backslash, or start or end with white space"
    ):
        render(submission({name: value}))


@pytest.mark.parametrize("value", ["a\nqueue 5", "a\r", "a\0b"])
def test_values_of_more_than_one_line_are_refused(value: str) -> None:
    """Settings are checked before; containers and folders come from elsewhere."""
    for one in (
        submission({"requirements": value}),
        submission({"container": "native"}, container=value),
        submission(folder=Path("/runs/\n+x = 1")),
    ):
        with pytest.raises(UsageError, match="must be a single line"):
            render(one)


def test_a_run_folder_with_a_dollar_is_itself() -> None:
    """It begins no macro."""
    text = text_of(submission(folder=Path("/runs/$(x) y$")))
    assert htcondor2.Submit(text).expand("initialdir") == "/runs/$(x) y$"
    dollars = text_of(submission(folder=Path("/runs/$$x$$")))
    assert htcondor2.Submit(dollars).expand("initialdir") == "/runs/$$x$$"
    assert log_path(Path("/runs/$"), 3) == Path("/runs/$/htcondor-3.log")


@pytest.mark.parametrize("text", ["/x/$$(y)", "/x/$$$ENV(y)", "/$$f(/x)", "/$(dollar)"])
def test_a_folder_that_htcondor_would_fill_in_is_refused(text: str) -> None:
    """`$$(y)` is the machine's y, `$(DOLLAR)` is `$`; the job would be held."""
    for one in (
        submission(folder=Path(text)),
        submission({"container": "native"}, container=text),
    ):
        with pytest.raises(UsageError, match=r"contains `\$\$\(`"):
            render(one)


@given(NAMES.filter(lambda text: not re.search(r"(?i)\$\$\w*\(|\$\(dollar\)", text)))
def test_a_text_is_read_back_as_it_is(text: str) -> None:
    """As a value of a submit description, and as a ClassAd's string."""
    assert string_of(quote(text)) == text
    value = htcondor2.Submit(f"x = a{escape(text)}a\n").expand("x")
    assert value == f"a{text}a"


def test_a_token_is_found_by_its_name() -> None:
    """Every submission has one of its own, and a log of its own."""
    first, second = submission(), submission(number=1, token="ab-20261120-094725-64a26d-1")
    assert commands_of(first)["MY.AnybatchToken"] != commands_of(second)["MY.AnybatchToken"]
    assert commands_of(first)["log"] != commands_of(second)["log"]


@pytest.mark.parametrize("own", [None, 'Arch == "X86_64" || OpSys == "LINUX"'])
@pytest.mark.parametrize(
    ("machine", "fits"),
    [("n1", False), ("n1.site.org", False), ("n2.site.org", False), ("n3", True), ("n11", True)],
)
def test_machines_are_avoided(own: str | None, machine: str, fits: bool) -> None:
    """By their whole name or its first part; what the user requires holds too."""
    hosts = ("n1", "n2.site.org", 'x" || true || "')
    text = text_of(submission({"requirements": own}, avoid=hosts))
    [line] = [line for line in text.splitlines() if line.startswith("requirements = ")]
    ad = classad2.ClassAd({"Machine": machine, "Arch": "X86_64", "OpSys": "LINUX"})
    ad["r"] = classad2.ExprTree(line.partition(" = ")[2])
    assert bool(ad.eval("r")) is fits
    ad["Arch"] = ad["OpSys"] = "other"
    assert bool(ad.eval("r")) is (fits and own is None)


@pytest.mark.parametrize("urgency", [-100, -1, 1, 100])
def test_urgency_is_the_priority(urgency: int) -> None:
    """The same number; the usual one is not said."""
    text = render(submission(urgency=urgency)).files[0].text
    assert f"\npriority = {urgency}\n" in text
    assert "priority" not in render(submission()).files[0].text


def test_a_pack_goes_on_after_an_eviction_and_knows_its_time() -> None:
    """Where files are moved. At the limit HTCondor gives nothing back, so the pack stops before."""
    asked = Resources(time="1m")
    own = {"transfer": Transfer.SYSTEM, "transfer_sets": ("",), "resources": asked}
    text = text_of(submission(pack=3, members=3, **own))
    assert "when_to_transfer_output = ON_EXIT_OR_EVICT\n" in text
    assert "ab_time_limit=60; export ab_time_limit; exec" in text
    for other in (own, {"pack": 3, "members": 3, "resources": asked}):
        text = text_of(submission(**other))
        assert "ON_EXIT_OR_EVICT" not in text
        assert "ab_time_limit" not in text
