"""Which command is run when, and what its answer or its failure means.

Questions about the state of jobs: `test_htcondor_sources.py`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch import Job, UsageError
from anybatch.commands import Submitted
from anybatch.errors import (
    CommandError,
    CommandFailed,
    CommandNotFound,
    CommandTimeout,
    NotSubmitted,
    Rejected,
)
from anybatch.host import Command, Completed
from anybatch.records import Detection, Environment, Limits, Transfer, Unreachable
from anybatch.testing import ScriptedHost
from anybatch_htcondor.plugin import HTCondor
from hypothesis import given
from hypothesis import strategies as st

from .captured import DATA, TOKEN, batch, data, failed, said, submission, table
from .test_htcondor_parse import REFUSED, is_true

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = ("condor_version", said("version version"))
DOMAIN = ("condor_config_val FILESYSTEM_DOMAIN", Completed(0, "sid\n"))
FOREIGN = "condor_status -json -attributes Machine"
ALL_OURS = (FOREIGN, said("status empty-json"))
ONE_FOREIGN = (FOREIGN, said("status domains"))
QUEUE = "condor_q -limit -json"
NOTHING = said("q empty-json")
HERE = (
    "condor_q -constraint false",
    Completed(0, "\n\n-- Schedd: sid : <198.51.100.1:19618?...\n"),
)
OTHER = (HERE[0], Completed(0, "\n\n-- Schedd: second@sid : <198.51.100.1:19618?...\n"))
ROOM = ("condor_config_val -schedd", Completed(0, "20000\n8\n2147483647\n"))
AT_SID = Limits(render_context={"schedd": "sid"})
JOB = Job(["true"])


# -- detect


def detect(*steps: tuple[str, Any], **more: Any) -> Detection:
    """What the plugin finds; all that the script expects is asked for."""
    signs = ("/etc/condor/condor_config", "/usr/local/etc/condor_config")
    host = ScriptedHost(*steps, **{"absent": signs, **more})
    found = HTCondor(host).anybatch_detect(table(), choosing=False)
    assert host.steps == []
    return found


TOOLS = ("condor_submit", "condor_q", "condor_rm", "condor_history")


def test_without_its_tools_there_is_no_htcondor() -> None:
    """Nothing is run, and `auto` goes on."""
    found = detect(missing=TOOLS)
    assert found == Detection(available=False, reason="condor_submit is not on the PATH")


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_tool_is_named(tool: str) -> None:
    """Some tools alone are a pool that cannot be used, not one that is not there."""
    found = detect(missing=(tool,))
    assert (found.available, found.unreachable) == (False, True)
    assert found.reason.startswith(f"{tool} is not on the PATH, although condor_")


@pytest.mark.parametrize("sign", ["CONDOR_CONFIG", "_CONDOR_SCHEDD_HOST"])
def test_signs_of_a_pool(sign: str) -> None:
    """With one a pool is here, whether its tools are not on the PATH or do not work."""
    broken = (QUEUE, Completed(1, stderr=data("q noconfig.stderr")))
    for found in (
        detect(missing=TOOLS, environ={sign: "x"}),
        detect(VERSION, broken, environ={sign: "x"}),
    ):
        assert (found.available, found.unreachable) == (False, True)
        assert f"{sign} is set" in found.reason


@pytest.mark.parametrize(
    ("answer", "files"), [(ALL_OURS, "shared by all machines"), (ONE_FOREIGN, "transferred")]
)
def test_a_pool_that_answers_is_told_with_its_version(answer: tuple[str, Any], files: str) -> None:
    """And with who moves files, for `doctor`."""
    queue = (QUEUE, said("q empty-json"))
    found = detect(VERSION, queue, DOMAIN, answer)
    assert found == Detection(
        available=True, reason="the schedd answers", version="25.14.1", details={"files": files}
    )


@pytest.mark.parametrize("name", ["stopped", "crashed", "hung"])
def test_a_schedd_that_does_not_answer_is_away(name: str) -> None:
    """`auto` then chooses nothing, for a login node is no stand-in for a pool."""
    found = detect(VERSION, (QUEUE, failed(f"q {name}")))
    assert (found.available, found.unreachable) == (False, True)
    assert "the schedd does not answer" in found.reason
    assert data(f"q {name}.stderr").strip().splitlines()[0] in found.reason


@pytest.mark.parametrize(
    "steps",
    [
        [VERSION, (QUEUE, CommandTimeout(Command(("condor_q",)), "no answer in 20 s"))],
        [("condor_version", CommandTimeout(Command(("condor_version",)), "no answer in 20 s"))],
    ],
)
def test_a_tool_that_hangs_is_a_pool_that_is_away(steps: list[tuple[str, Any]]) -> None:
    """It is set up here, and does not answer now."""
    found = detect(*steps)
    assert (found.available, found.unreachable) == (False, True)


@pytest.mark.parametrize(
    "stderr",
    [
        data("q noconfig.stderr"),
        "Neither the environment variable CONDOR_CONFIG,\n/etc/condor/, /usr/local/etc/, nor "
        "~condor/ contain a condor_config source.\n",
    ],
)
def test_tools_that_belong_to_no_pool_are_not_set_up(stderr: str) -> None:
    """They were installed once; `auto` goes on."""
    found = detect(VERSION, (QUEUE, Completed(1, stderr=stderr)))
    assert (found.available, found.unreachable) == (False, False)


@pytest.mark.parametrize("name", ["collector-hung", "collector-stopped"])
def test_a_schedd_without_its_collector_takes_jobs(name: str) -> None:
    """What machines there are cannot be told; that is said."""
    found = detect(VERSION, (QUEUE, NOTHING), DOMAIN, (FOREIGN, failed(f"status {name}")))
    assert found.available
    assert "cannot be asked" in found.details["files"]
    assert "communication error" in found.details["files"]


# -- limits, environment, transfer


def test_any_number_of_jobs_is_one_submission() -> None:
    """Order between jobs is kept by the core."""
    limits = HTCondor(ScriptedHost(HERE, ROOM)).anybatch_limits(table())
    assert limits.array >= 100_000
    assert not limits.dependencies


def test_the_schedd_is_put_on_record_with_what_it_takes() -> None:
    """Asked once in a session: its name, its limits, and the umask of who submits."""
    host = ScriptedHost(HERE, ROOM)
    plugin = HTCondor(host)
    for _ in range(3):
        context = dict(plugin.anybatch_limits(table()).render_context)
        assert context.pop("umask").isdecimal()
        assert context == {"schedd": "sid", "most_jobs": "8"}
    assert host.option("-name") == "sid"


@pytest.mark.parametrize(
    "answer",
    [Completed(0, "Not defined\nNot defined\n"), Completed(1, stderr="denied"), Completed(0)],
)
def test_limits_that_are_not_told_are_none(answer: Completed) -> None:
    """An old schedd, or one that does not let everybody read its configuration."""
    host = ScriptedHost(HERE, (ROOM[0], answer))
    assert "most_jobs" not in HTCondor(host).anybatch_limits(table()).render_context


def test_a_schedd_that_does_not_tell_its_name_gets_no_jobs() -> None:
    """Nobody could say later whose jobs they are."""
    for answer in (failed("q stopped"), Completed(0, "Welcome!\n")):
        with pytest.raises(CommandFailed):
            HTCondor(ScriptedHost((HERE[0], answer))).anybatch_limits(table())


def environment_of(job: Job, **own: Any) -> Environment:
    """What the plugin contributes to a job."""
    plugin = HTCondor(ScriptedHost())
    return plugin.anybatch_environment(job, table(**own), "htcondor", Path("/"))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, None),
        ({"x509userproxy": "/tmp/proxy"}, None),
        ({"x509userproxy": "proxy"}, {"x509userproxy": "/work/proxy"}),
        ({"scitokens_file": "a/token", "rank": "Mips"}, {"scitokens_file": "/work/a/token"}),
    ],
)
def test_files_of_the_user_are_looked_for_where_the_user_is(
    own: dict[str, str], expected: dict[str, str] | None
) -> None:
    """condor_submit would look for a relative proxy in the run's folder."""
    job = Job(["true"], settings={"htcondor": own, "other": {"x": "y"}})
    made = HTCondor(ScriptedHost()).anybatch_expand(job, table(**own), Path("/work"))
    if expected is None:
        assert made is None
        return
    assert made is not None
    [one] = made
    assert one.settings == {"htcondor": {**own, **expected}, "other": {"x": "y"}}
    assert one.command == job.command


def test_an_image_is_looked_for_where_the_user_is(tmp_path: Path) -> None:
    """condor_submit would look for it in the run's folder; one that is not there is refused."""
    tmp_path.joinpath("a.sif").touch()

    def expanded(image: str, **own: Any) -> str | None:
        job = Job(["true"], container=image)
        plugin = HTCondor(ScriptedHost())
        made = plugin.anybatch_expand(job, table(container="native", **own), tmp_path)
        return made[0].container if made else None

    for transfer in ("shared", "native"):
        assert expanded("./a.sif", transfer=transfer) == f"{tmp_path}/a.sif"
        assert expanded(f"{tmp_path}/a.sif", transfer=transfer) is None
        assert expanded("docker://a/b", transfer=transfer) is None
        with pytest.raises(UsageError, match=rf"the image {tmp_path}/b\.sif is not there"):
            expanded("b.sif", transfer=transfer)
    assert expanded("/cvmfs/b.sif", transfer="native") is None
    with pytest.raises(UsageError, match=r"the image /cvmfs/b\.sif is not there"):
        expanded("/cvmfs/b.sif", transfer="shared")


def test_in_an_image_nothing_of_the_login_node_is_set() -> None:
    """Its paths lead nowhere there; the image has its own."""
    names = {"PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "MODULEPATH"}
    inside = environment_of(Job(["true"], container="/a.sif"), container="native")
    assert names <= set(inside.scrub)
    assert not names & set(environment_of(Job(["true"], container="/a.sif")).scrub)


@pytest.mark.parametrize(("own", "given"), [({}, False), ({"use_x509userproxy": True}, True)])
def test_a_proxy_is_inherited_unless_htcondor_brings_one(
    own: dict[str, Any], *, given: bool
) -> None:
    """The one that HTCondor brings is where the job runs."""
    assert ("X509_USER_PROXY" in environment_of(JOB, **own).scrub) is given


def test_a_job_inherits_nothing_that_belongs_to_another() -> None:
    """But finds the pool; temporary files belong into its own scratch folder."""
    environment = environment_of(JOB)
    assert {"_CONDOR_*", "BATCH_SYSTEM", "TMPDIR"} <= set(environment.scrub)
    assert environment.keep == ("CONDOR_CONFIG",)
    assert not environment.runs_container
    assert environment.wrapper == ()


@pytest.mark.parametrize(
    ("container", "setting", "contains"),
    [(None, "native", False), ("/a.sif", None, False), ("/a.sif", "native", True)],
)
def test_the_pool_runs_containers_where_it_is_asked_to(
    container: str | None, setting: str | None, contains: bool
) -> None:
    """Else a wrapper may."""
    job = Job(["true"], container=container)
    assert environment_of(job, container=setting).runs_container is contains


@pytest.mark.parametrize(
    ("setting", "steps", "transfer"),
    [
        ("shared", [], Transfer.SHARED),
        ("native", [], Transfer.SYSTEM),
        ("auto", [DOMAIN, ALL_OURS], Transfer.SHARED),
        ("auto", [DOMAIN, ONE_FOREIGN], Transfer.SYSTEM),
    ],
)
def test_files_travel_where_a_machine_may_not_share_them(
    setting: str, steps: list[tuple[str, Any]], transfer: Transfer
) -> None:
    """The pool is asked once, and only where it is left open."""
    host = ScriptedHost(*steps)
    plugin = HTCondor(host)
    for _ in range(3):
        assert plugin.anybatch_transfer(JOB, table(transfer=setting)) is transfer
    assert host.steps == []


def test_machines_that_tell_no_domain_are_foreign() -> None:
    """The question is for all whose domain is not ours, and for one of them only."""
    host = ScriptedHost(DOMAIN, ALL_OURS)
    HTCondor(host).anybatch_transfer(JOB, table())
    assert host.option("-constraint") == 'FileSystemDomain =!= "sid"'
    assert host.option("-limit") == "1"


@pytest.mark.parametrize("name", ["collector-hung", "collector-stopped"])
def test_where_the_pool_cannot_be_asked_nothing_is_guessed(name: str) -> None:
    """Nothing is submitted; the next run asks again."""
    host = ScriptedHost(DOMAIN, (FOREIGN, failed(f"status {name}")))
    plugin = HTCondor(host)
    with pytest.raises(CommandFailed, match="communication error"):
        plugin.anybatch_transfer(JOB, table())
    host.steps += [DOMAIN, ONE_FOREIGN]
    assert plugin.anybatch_transfer(JOB, table()) is Transfer.SYSTEM


# -- submit

SUBMIT = "condor_submit -terse /runs/one/submit-0.sub"


def submit(answer: Any, count: int = 1) -> list[str]:
    """The ids that submitting gives, its one command answered so."""
    one = submission(count=count)
    host = ScriptedHost((SUBMIT, answer))
    plugin = HTCondor(host)
    rendered = plugin.anybatch_render(one)
    command = attrs.evolve(rendered.command, timeout=timedelta(seconds=9))
    ids = list(plugin.anybatch_submit(one, attrs.evolve(rendered, command=command)))
    assert host.ran == [command]
    return ids


@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        (said("submit terse-one"), ["28.0"]),
        (said("submit terse-items"), ["27.0", "27.1", "27.2", "27.3"]),
        (said("submit terse-late"), [f"11.{proc}" for proc in range(6)]),
        (said("submit collector-hung"), ["18.0", "18.1"]),
        (Completed(0, "Welcome!\n42.0 - 42.1\n", "WARNING: no proxy\n"), ["42.0", "42.1"]),
    ],
)
def test_submitting_is_one_command_that_gives_the_ids(answer: Completed, ids: list[str]) -> None:
    """The jobs of a cluster are numbered from 0, in the order of the tasks."""
    assert submit(answer, len(ids)) == ids


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_htcondor_refuses_for_good_is_rejected_in_its_words(name: str) -> None:
    """Nothing is tried again."""
    with pytest.raises(Rejected) as caught:
        submit(failed(f"submit error-{name}"))
    assert str(caught.value) == REFUSED[name]


@pytest.mark.parametrize(
    "answer",
    [
        failed("submit stopped"),
        *(
            Completed(1, stderr=f"\nERROR: {words}\n")
            for words in (
                # The schedd was starting again:
                "Failed to connect to local queue manager\nSECMAN:2011:Connection closed during "
                "command authorization. Probably due to an unknown command.",
                "Failed to connect to queue manager sid\nAUTHENTICATE:1003:Failed to authenticate",
                "Can't find address of local schedd",
                "Failed to commit job submission into the queue.",
                "Failed to create new cluster id",
                "Failed to end transaction",
                "SECMAN:2007:This service is running, but did not respond in a reasonable time.",
                "Communication error while submitting",
                "Resource temporarily unavailable",
                "Timed out waiting for response",
            )
        ),
        # It may have arrived:
        said("submit nojobs"),
        said("submit plain"),
        said("submit terse-items"),
        Completed(0, "42.0 - 42.0\n"),
        Completed(1, "42.0 - 42.1\n", "ERROR: the wrapper could not write its log\n"),
        Completed(-9),
        Completed(-15, stderr="ERROR: interrupted\n"),
        Completed(1),
    ],
    ids=lambda answer: (answer.stderr or answer.stdout or str(answer.returncode)).strip()[-50:],
)
def test_what_may_pass_or_may_have_arrived_is_no_refusal(answer: Completed) -> None:
    """The core then looks for the token before it submits again; HTCondor's words are told."""
    with pytest.raises(CommandFailed) as caught:
        submit(answer, count=2)
    assert (answer.stderr or answer.stdout or "(no output)").strip() in str(caught.value)


@pytest.mark.parametrize("error", [CommandNotFound, CommandTimeout])
def test_a_condor_submit_that_cannot_run_or_hangs_decides_nothing(
    error: Callable[[Command, str], Exception],
) -> None:
    """The error is passed on as it is."""
    with pytest.raises((CommandNotFound, CommandTimeout)):
        submit(error(Command(("condor_submit",)), "no answer"))


# -- find

IN_QUEUE = "condor_q -json -attributes ClusterId,Owner"
IN_HISTORY = "condor_history -json -attributes ClusterId,Owner -scanlimit"


def find(*steps: tuple[str, Any], folder: Path = Path("/runs/one"), count: int = 2) -> list[str]:
    """The ids that are found; all that the script expects is asked for."""
    host = ScriptedHost(*steps)
    ids = list(HTCondor(host).anybatch_find(submission(folder=folder, count=count)))
    assert host.steps == []
    for command in host.ran:
        at = command.argv.index("-constraint")
        assert command.argv[at + 1] == f'(AnybatchToken == "{TOKEN}" && (true))'
    return ids


def test_a_cluster_with_a_log_is_found_without_asking(tmp_path: Path) -> None:
    """Each submission has a log of its own, and a cluster has written into this one."""
    text = (DATA / "eventlog-25.14-transfer.log").read_text()
    (tmp_path / "htcondor-0.log").write_text(text)
    (tmp_path / "htcondor-1.log").write_text(text.replace("(092", "(093"))
    assert find(folder=tmp_path) == ["92.0", "92.1"]


def test_a_cluster_in_the_queue_is_found_by_its_token() -> None:
    """Its log could not be made; all its jobs are told, whichever are there yet."""
    assert find((IN_QUEUE, said("q token"))) == ["54.0", "54.1"]


def test_a_cluster_that_has_left_the_queue_is_found_in_the_history(tmp_path: Path) -> None:
    """Before anybody submits it again; a log without an event says nothing."""
    (tmp_path / "htcondor-0.log").touch()
    steps = [(IN_QUEUE, said("q token-none")), (IN_HISTORY, said("history ended-token"))]
    assert find(*steps, folder=tmp_path, count=1) == ["54.0"]


def test_what_is_nowhere_is_certainly_not_there() -> None:
    """Neither log, nor queue, nor history."""
    nothing = (IN_HISTORY, said("history empty-json"))
    assert find((IN_QUEUE, said("q token-none")), nothing) == []


def owned(*owners: str | None) -> Completed:
    """An answer about jobs of as many clusters, from 7 on, of these users."""
    ads = [{"ClusterId": 7 + n, "Owner": owner} for n, owner in enumerate(owners)]
    return Completed(0, json.dumps(ads))


def test_who_puts_our_token_on_a_job_of_his_is_not_believed() -> None:
    """Run ids are seen by everybody. Neither is his job taken, nor is ours submitted again."""
    assert find((IN_QUEUE, owned("mallory", "alice"))) == ["8.0", "8.1"]
    with pytest.raises(CommandError, match=r"cluster 7 has the token .* belongs to 'mallory'"):
        find((IN_QUEUE, owned("mallory")))
    with pytest.raises(CommandError, match="belongs to 'mallory'"):
        find((IN_QUEUE, NOTHING), (IN_HISTORY, owned("mallory")))


def test_what_another_schedd_does_not_know_is_not_submitted_again() -> None:
    """Nothing is decided, submitted or stopped there; the error names the schedd that is missed."""
    host = ScriptedHost(OTHER)
    plugin = HTCondor(host)
    one = submission(limits=AT_SID)
    which = "this is the schedd 'second@sid', and the jobs are in 'sid'"
    for act in (
        lambda: plugin.anybatch_find(one),
        lambda: plugin.anybatch_submit(one, plugin.anybatch_render(one)),
    ):
        host.steps = [OTHER]
        with pytest.raises(CommandError, match=which):
            act()
        assert host.steps == []
    host.steps = [OTHER]
    [left] = plugin.anybatch_terminate([batch(["54.0"], limits=AT_SID)], None)
    assert isinstance(left["54.0"], Unreachable)
    assert left["54.0"].reason.startswith(which)
    assert host.steps == []


@pytest.mark.parametrize(
    "steps",
    [
        [(IN_QUEUE, failed("q stopped"))],
        [(IN_QUEUE, Completed(0, "Welcome!\n"))],
        [(IN_QUEUE, NOTHING), (IN_HISTORY, Completed(1, stderr="no history"))],
    ],
    ids=["queue", "garbage", "history"],
)
def test_not_being_able_to_look_is_not_finding_nothing(steps: list[tuple[str, Any]]) -> None:
    """Nothing is decided then."""
    with pytest.raises(CommandFailed):
        find(*steps)


# -- terminate


def terminate(
    ids: list[str], *answers: Any, signal: str | None = None, **own: Any
) -> tuple[str, list[str]]:
    """The program that is run, and the constraints that it gets."""
    program = PROGRAMS.get(signal or "", "condor_rm")
    steps = ((f"{program} -constraint", answer) for answer in answers)
    asks = len(ids) > 1 or any(not isinstance(a, Completed) or not a.ok for a in answers)
    more = [(WHOSE, NOTHING)] if asks else []
    host = ScriptedHost(*steps, *more)
    assert HTCondor(host).anybatch_terminate([batch(ids, own)], signal) == [{}]
    assert host.steps == []
    changing = [command for command in host.ran if command.argv[0] != "condor_q"]
    [ran] = {command.argv[0] for command in changing}
    return ran, [command.argv[2] for command in changing]


WHOSE = "condor_q -json -attributes ClusterId,ProcId,AnybatchToken"
PROGRAMS = {"STOP": "condor_suspend", "TSTP": "condor_suspend", "CONT": "condor_continue"}


def test_many_jobs_are_stopped_by_one_command() -> None:
    """Whatever clusters they are of; what would make their last jobs yet goes with them."""
    ids = ["54.5", "54.6", "12.0", "54.9"]
    constraint = (
        f'(AnybatchToken == "{TOKEN}" && ('
        "(ClusterId == 54 && ((ProcId >= 5 && ProcId <= 6) || ProcId == 9)) || "
        "(ClusterId == 12 && (ProcId == 0)) || "
        "(ClusterId == 54 && isUndefined(ProcId) && AnybatchCount == 10 "
        "&& JobMaterializeNextProcId >= 9) || "
        "(ClusterId == 12 && isUndefined(ProcId) && AnybatchCount == 1 "
        "&& JobMaterializeNextProcId >= 0)))"
    )
    assert terminate(ids, said("rm constraint")) == ("condor_rm", [constraint])
    whole = [f"7.{proc}" for proc in range(50_000)]
    assert len(terminate(whole, said("rm constraint"))[1]) == 1


def test_no_argument_is_longer_than_linux_allows() -> None:
    """Every second job of twenty thousand: a few commands, each job in one of them."""
    ids = [f"7.{proc}" for proc in range(0, 20_000, 2)]
    program, constraints = terminate(ids, *[said("rm constraint")] * 2)
    assert program == "condor_rm"
    assert all(len(one) < 131_072 for one in constraints)
    for proc in (0, 9_998, 10_000, 19_998):
        jobs = [
            one.partition(" && (")[2].partition(" || (ClusterId == 7 && isUndefined(")[0]
            for one in constraints
        ]
        assert sum(is_true(one, 7, proc) for one in jobs) == 1
        assert sum(is_true(one, 7, proc + 1) for one in jobs) == 0


@pytest.mark.parametrize("name", ["unknown-constraint", "again", "unknown"])
def test_jobs_that_are_gone_are_no_error(name: str) -> None:
    """They have ended by themselves a moment ago."""
    assert terminate(["1.0"], failed(f"rm {name}"))[0] == "condor_rm"


@pytest.mark.parametrize("name", ["stopped", "hung", "crashed", "nothing"])
def test_a_schedd_that_is_away_stops_nothing(name: str) -> None:
    """The user is told, and asks again."""
    with pytest.raises(CommandFailed) as caught:
        terminate(["1.0"], failed(f"rm {name}"))
    assert data(f"rm {name}.stderr").strip().splitlines()[0] in str(caught.value)


def test_a_command_that_fails_without_a_word_is_an_error() -> None:
    """It is not known what it did."""
    with pytest.raises(CommandFailed):
        terminate(["1.0"], Completed(1))


@pytest.mark.parametrize(
    ("signal", "own", "program"),
    [
        (None, {}, "condor_rm"),
        ("TERM", {}, "condor_rm"),
        ("INT", {"kill_sig": "INT"}, "condor_rm"),
        ("INT", {"kill_sig": "SIGINT"}, "condor_rm"),
        ("USR1", {"kill_sig": "INT", "remove_kill_sig": "SIGUSR1"}, "condor_rm"),
        ("STOP", {}, "condor_suspend"),
        ("TSTP", {}, "condor_suspend"),
        ("CONT", {}, "condor_continue"),
    ],
)
def test_signals_are_what_a_command_does_to_a_job(
    signal: str | None, own: dict[str, Any], program: str
) -> None:
    """Removing sends a signal that the job may choose; suspending stops it."""
    assert terminate(["1.0"], Completed(0), signal=signal, **own)[0] == program


@pytest.mark.parametrize(
    ("signal", "own"),
    [("USR1", {}), ("KILL", {}), ("INT", {}), ("TERM", {"kill_sig": "INT"}), ("SIGSTOP", {})],
)
def test_signals_that_cannot_be_sent_are_refused(signal: str, own: dict[str, Any]) -> None:
    """Nothing is run; the error says what is possible."""
    with pytest.raises(UsageError, match="condor_rm sends"):
        HTCondor(ScriptedHost()).anybatch_terminate([batch(["1.0"], own)], signal)


@given(st.text(min_size=1, max_size=8))
def test_no_signal_is_made_up(signal: str) -> None:
    """Only those of the table and the job's own."""
    if signal in (*PROGRAMS, "TERM"):
        return
    with pytest.raises(UsageError):
        HTCondor(ScriptedHost()).anybatch_terminate([batch(["1.0"])], signal)


def test_a_job_of_the_same_number_is_left_alone() -> None:
    """Its token is another's: it is told, and the constraint is for our own alone."""
    ads = [
        {"ClusterId": 54, "ProcId": n, "AnybatchToken": t} for n, t in enumerate([TOKEN, "ab-x"])
    ]
    host = ScriptedHost(
        *(HERE, ("condor_rm", failed("rm unknown-constraint")), HERE),
        (WHOSE, Completed(0, json.dumps([*ads, {"ClusterId": 54, "ProcId": 2}]))),
    )
    ids = ["54.0", "54.1", "54.2", "54.3"]
    [answer] = HTCondor(host).anybatch_terminate([batch(ids, limits=AT_SID)], None)
    assert answer == {
        "54.1": "it was left alone: the job of this number has the token 'ab-x'",
        "54.2": "it was left alone: the job of this number has no token of anybatch",
    }
    assert host.ran[1].argv[2].startswith(f'(AnybatchToken == "{TOKEN}" && (')


@pytest.mark.parametrize("limit", ["PER_OWNER", "SUBMITTED", "PER_SUBMISSION"])
def test_where_there_is_no_room_jobs_wait_for_it(limit: str) -> None:
    """It is certain that none was submitted, and jobs that end make room."""
    words = f"Number of submitted jobs would exceed MAX_JOBS_{limit}"
    with pytest.raises(NotSubmitted, match=f"htcondor: Failed to create proc {words}"):
        submit(Completed(1, stderr=f"\nERROR: Failed to create proc\n{words}\n"), count=2)


def test_warnings_of_a_submit_command_are_told() -> None:
    """A misspelt command was ignored, and the jobs are there."""
    warning = "WARNING: the line 'unusedthing = 3' was unused by condor_submit. Is it a typo?"
    one = submission()
    host = ScriptedHost((SUBMIT, Completed(0, "4.0 - 4.0\n", f"Welcome!\n{warning}\n\n")))
    plugin = HTCondor(host)
    ids = plugin.anybatch_submit(one, plugin.anybatch_render(one))
    assert list(ids) == ["4.0"]
    assert isinstance(ids, Submitted)
    assert ids.notices == (warning,)


def test_a_missing_credential_daemon_is_a_refusal() -> None:
    """None comes because somebody waits."""
    said = (
        "Failed to process job credential requests: 'Can't find address of credd sid'; BAILING OUT."
    )
    with pytest.raises(Rejected, match="credd sid"):
        submit(Completed(1, stderr=f"{said}\n"))


def test_a_signal_means_what_each_batch_was_submitted_with() -> None:
    """One command for all for which it is the same; nothing is run where one cannot be sent."""
    own = {"kill_sig": "CONT"}
    batches = [batch(["1.0"], own), batch(["2.0"]), batch(["3.0"], own)]
    host = ScriptedHost(
        *(("condor_rm -constraint", Completed(0)), (WHOSE, NOTHING)),
        ("condor_continue -constraint", Completed(0)),
    )
    assert HTCondor(host).anybatch_terminate(batches, "CONT") == [{}, {}, {}]
    assert host.steps == []
    removed, continued = (command.argv[2] for command in host.ran[::2])
    assert "ClusterId == 2 " in continued
    assert "ClusterId == 1 " not in continued
    assert "ClusterId == 1 " in removed
    assert "ClusterId == 3 " in removed
    assert "ClusterId == 2 " not in removed
    own = {"kill_sig": "USR1"}
    with pytest.raises(UsageError, match="condor_rm sends"):
        HTCondor(ScriptedHost()).anybatch_terminate([batch(["1.0"], own), batch(["2.0"])], "USR1")


def test_a_job_whose_token_was_changed_is_left_alone_and_told() -> None:
    """Of several in one submission the others are stopped, and it is not said to be."""
    odd = {"ClusterId": 54, "ProcId": 1, "AnybatchToken": "mine"}
    host = ScriptedHost(("condor_rm", Completed(0)), (WHOSE, Completed(0, json.dumps([odd]))))
    [answer] = HTCondor(host).anybatch_terminate([batch(["54.0", "54.1"])], None)
    assert answer == {"54.1": "it was left alone: the job of this number has the token 'mine'"}
    assert host.option("-constraint") == f'(AnybatchToken =!= "{TOKEN}" && (ClusterId == 54))'


def test_a_command_that_fails_is_told_of_the_jobs_that_it_was_for() -> None:
    """The others have been told to stop."""
    batches = [batch(["1.0"], {"kill_sig": "CONT"}), batch(["2.0"])]
    steps = (("condor_rm", Completed(0)), ("condor_continue", failed("rm stopped")))
    stopped, refused = HTCondor(ScriptedHost(*steps)).anybatch_terminate(batches, "CONT")
    assert stopped == {}
    assert isinstance(refused["2.0"], Unreachable)
    assert data("rm stopped.stderr").strip().splitlines()[0] in refused["2.0"].reason
