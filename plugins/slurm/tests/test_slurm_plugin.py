"""Which command is run when, and what its answer or its failure means.

A scripted host stands in for the machine: it answers with what real clusters answered (22.05),
and fails on a command that was not expected.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch import Job, Reason, State, UsageError
from anybatch.errors import (
    CommandError,
    CommandFailed,
    CommandNotFound,
    CommandTimeout,
    NotSubmitted,
    Rejected,
)
from anybatch.host import Command, Completed
from anybatch.localhost import LocalHost
from anybatch.records import Batch, JobStatus, Limits, Submission, Unreachable
from anybatch.testing import ScriptedHost, await_that
from anybatch_slurm.cluster import MOST_IDS
from anybatch_slurm.parse import SQUEUE_FIELDS
from anybatch_slurm.plugin import Slurm
from anybatch_slurm.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anybatch.host import Host

DATA = Path(__file__).parent / "data"
TOKEN = "tok-2"
SETTINGS_TABLE = {setting.name: setting.default for setting in SETTINGS}
SQUEUE = "squeue --noheader --all --states=all"
SACCT = "sacct --noheader --parsable2 --duplicates"
CONFIG = "scontrol show config"
CONTROLLER_AWAY = "Unable to contact slurm controller (connect failure)"


def data(name: str) -> str:
    """A captured output."""
    tool, _, rest = name.partition(" ")
    return (DATA / f"{tool}-22.05-{rest}.txt").read_text()


def said(name: str) -> Completed:
    """A command that printed what was captured."""
    return Completed(0, stdout=data(name))


#: Ends a line of squeue or sacct about a job of ours: its comment and command.
OURS = f"{TOKEN}|/runs/one/submit-0.sh|"


def ours(text: str) -> Completed:
    """Lines of squeue or sacct, all about jobs of our submission."""
    return Completed(0, re.sub(r"\|?$", f"|{OURS}", text.rstrip(), flags=re.MULTILINE) + "\n")


def failed(name: str, returncode: int = 1) -> Completed:
    """A command that failed with what was captured."""
    return Completed(returncode, stderr=data(f"{name}.stderr"))


def squeue_rows(ids: list[str]) -> str:
    """Jobs that run, as squeue lists them."""
    line = f"RUNNING|0|0|1|1|NONE|n|None|{OURS}"
    return "".join(f"{native}|N/A|{native}|{line}\n" for native in ids)


def table(**own: Any) -> dict[str, Any]:
    """The plugin's settings."""
    return {**SETTINGS_TABLE, **own}


def submission(count: int = 1, **own: Any) -> Submission:
    return Submission(
        token=TOKEN,
        run="20261120-094725-64a26d",
        number=0,
        folder=Path("/runs/one"),
        count=count,
        name="fit",
        settings=table(**own),
    )


def batch(ids: Sequence[str], **own: Any) -> Batch:
    """Jobs that are asked about."""
    return Batch(submission=submission(len(ids), **own), ids=tuple(ids))


def submit(answer: Completed | Exception, count: int = 1) -> list[str]:
    """The ids that submitting gives, its one command answered so."""
    one = submission(count)
    host = ScriptedHost(("sbatch --parsable /runs/one/submit-0.sh", answer))
    slurm = Slurm(host)
    rendered = slurm.anybatch_render(one)
    ids = list(slurm.anybatch_submit(one, rendered))
    assert host.ran == [rendered.command]
    return ids


# -- submit


@pytest.mark.parametrize(
    ("answer", "count", "ids"),
    [
        (said("sbatch parsable"), 1, ["47"]),
        (said("sbatch parsable-array"), 3, ["49_0", "49_1", "49_2"]),
        (said("sbatch parsable-cluster"), 1, ["1250"]),
        (Completed(0, "Welcome!\n47\nYou have 3 hours left.\n"), 2, ["47_0", "47_1"]),
        (Completed(0, "47\n", "sbatch: warning: can't run 1 processes on 2 nodes\n"), 1, ["47"]),
    ],
)
def test_submitting_is_one_sbatch_that_gives_the_ids(
    answer: Completed, count: int, ids: list[str]
) -> None:
    """The elements of an array are numbered from 0, in the order of the tasks."""
    assert submit(answer, count) == ids


def refusal(*lines: str) -> Completed:
    """An sbatch that failed with these words."""
    return Completed(1, stderr="".join(f"sbatch: error: {line}\n" for line in lines))


FAILED = "Batch job submission failed: "
POLICY = (
    f"{FAILED}Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


@pytest.mark.parametrize(
    "answer",
    [
        *(
            refusal(FAILED + words)
            for words in (
                "Socket timed out on send/recv operation",
                "Unable to contact slurm controller (send failure)",
                "Unable to contact slurm controller (receive failure)",
                "Zero Bytes were transmitted or received",
                "Connection reset by peer",
                "Resource temporarily unavailable",
                "Protocol authentication error",
            )
        ),
        Completed(0, stdout=""),
        Completed(0, stdout="Submitted batch job 48\n"),
        Completed(1, stdout="47\n", stderr="sbatch: error: the wrapper could not write its log\n"),
        Completed(-9),
        Completed(-15, stderr="sbatch: error: interrupted\n"),
        Completed(1),
    ],
    ids=lambda answer: (answer.stderr or answer.stdout or str(answer.returncode)).strip()[-60:],
)
def test_what_may_have_arrived_is_no_refusal(answer: Completed) -> None:
    """The core then looks for the token before it submits again; Slurm's words are told."""
    with pytest.raises(CommandFailed) as caught:
        submit(answer)
    assert (answer.stderr or answer.stdout or "(no output)").strip() in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (failed("sbatch stopped"), "Unable to contact slurm controller (connect failure)"),
        (failed("sbatch nodatabase-cluster"), "Problem talking to database"),
        (failed("sbatch error-clusters-plain"), "Problem talking to database"),
        (refusal(f"{FAILED}Connection refused"), "Connection refused"),
        (refusal("Slurm temporarily unable to accept job, sleeping and retrying"), "temporarily"),
        (refusal(f"{FAILED}Slurm backup controller in standby mode"), "standby"),
        (Completed(1, "", "sbatch: fatal: Could not establish a configuration source\n"), "config"),
        (refusal("QOSMaxSubmitJobPerUserLimit", POLICY), "more are handed over when some have"),
        (refusal("AssocGrpSubmitJobsLimit", POLICY), "AssocGrpSubmitJobsLimit"),
        (refusal(POLICY), "a limit of your account on jobs at once"),
    ],
)
def test_what_slurm_does_not_take_now_may_be_taken_later(answer: Completed, words: str) -> None:
    """There are certainly no jobs, so nothing has to be looked up."""
    with pytest.raises(NotSubmitted) as caught:
        submit(answer)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "help_"),
    [
        (["you must name a project", f"{FAILED}Unspecified error"], "set slurm.account"),
        ([f"{FAILED}Invalid account or account/partition combination specified"], "slurm.account"),
        ([f"{FAILED}Invalid qos specification"], "slurm.qos"),
        ([f"{FAILED}Requested node configuration is not available"], "slurm.constraint"),
        ([f"{FAILED}Invalid feature specification"], "slurm.constraint"),
        ([f"{FAILED}Requested time limit is invalid (missing or exceeds some limit)"], "--time"),
        (["QOSMaxWallDurationPerJobLimit", POLICY], "--time"),
        (["QOSMaxCpuPerJobLimit", POLICY], "--cores"),
        (["QOSMaxCpuPerUserLimit", POLICY], "--cores"),
        (["AssocMaxMemPerJob", POLICY], "--memory"),
        ([f"{FAILED}Invalid --nice value"], "only operators"),
    ],
    ids=lambda value: value[-1][-40:] if isinstance(value, list) else None,
)
def test_a_refusal_for_good_names_the_setting_that_helps(lines: list[str], help_: str) -> None:
    """Beside Slurm's own words, those of the site's rules among them."""
    with pytest.raises(Rejected) as caught:
        submit(refusal(*lines))
    assert all(line in str(caught.value) for line in lines)
    assert help_ in str(caught.value).rpartition("(")[2]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("error-partition", 1, "Invalid partition name specified"),
        ("error-memory", 1, "Memory specification can not be satisfied"),
        ("error-gpus", 1, "Invalid generic resource (gres) specification"),
        ("error-array-index", 1, "Invalid job array specification"),
        ("error-array-toolong", 1, "parameter too long"),
        ("error-clusters-accounting", 1, "No cluster 'nosuch' known by database"),
        ("error-option", 255, "unrecognized option '--nosuch=1'"),
        ("error-noscript", 1, "Unable to open file /nonexistent/script.sh"),
        ("error-noshebang", 1, "This does not look like a batch script"),
        ("enforced-cores", 1, "More processors requested than permitted"),
        ("enforced-nodes", 1, "Node count specification invalid"),
        ("enforced-time", 1, "Requested time limit is invalid"),
    ],
)
def test_what_slurm_refuses_for_good_is_rejected_in_its_words(
    name: str, code: int, words: str
) -> None:
    """Nothing is tried again."""
    with pytest.raises(Rejected) as caught:
        submit(failed(f"sbatch {name}", code))
    assert words in str(caught.value)


# -- dependencies

WAITS = ["5", "6_1"]
KNOWN = "5|N/A|5|RUNNING|0|0|1|1|NONE|n|None|\n6|0-9|6|PENDING|0|0|1|N/A|N/A||Priority|\n"


def submit_after(after: Sequence[str], listed: str, *more: tuple[str, Any]) -> list[str]:
    """Submit a job that waits for others, of which squeue tells so."""
    one = attrs.evolve(submission(), after=tuple(after))
    host = ScriptedHost((SQUEUE, Completed(0, listed)), *more)
    slurm = Slurm(host)
    return list(slurm.anybatch_submit(one, slurm.anybatch_render(one)))


def test_a_job_waits_for_what_slurm_knows() -> None:
    """It is asked just before, in one squeue."""
    assert submit_after(WAITS, KNOWN, ("sbatch", said("sbatch parsable"))) == ["47"]


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        (
            KNOWN.splitlines(keepends=True)[0],
            "job 6_1, which it waits for, is not known to Slurm any more",
        ),
        (KNOWN.replace("5|RUNNING", "5|FAILED"), "job 5, which it waits for, is FAILED"),
        (KNOWN.replace("5|RUNNING", "5|CANCELLED"), "job 5, which it waits for, is CANCELLED"),
        ("", "not known"),
    ],
)
def test_a_job_is_not_handed_over_behind_one_that_is_gone(listed: str, why: str) -> None:
    """To Slurm a job that it has forgotten counts as one that was successful."""
    with pytest.raises(NotSubmitted, match=why):
        submit_after(WAITS, listed)


def test_a_list_that_slurm_does_not_take_is_waited_for_by_us() -> None:
    """A whole array is a short word, some of it only where nothing else of it goes on."""
    many = [f"6_{number}" for number in range(1000)]
    array = "6|{}|6|PENDING|0|0|1|N/A|N/A||Priority|\n"
    assert submit_after(many, array.format("0-999"), ("sbatch", said("sbatch parsable")))
    with pytest.raises(NotSubmitted, match="some of the array 6"):
        submit_after(many, array.format("0-1000"))
    singles = tuple(str(number) for number in range(10_000_000, 10_020_000))
    with pytest.raises(NotSubmitted, match="20000 jobs"):
        Slurm(ScriptedHost()).anybatch_submit(
            attrs.evolve(submission(), after=singles),
            Slurm(ScriptedHost()).anybatch_render(submission()),
        )


# -- memory


def test_a_kill_of_a_single_job_for_memory_is_told_while_it_is_in_the_queue(
    tmp_path: Path,
) -> None:
    """It is no element of an array; nothing is left to accounting, which tells late."""
    one = attrs.evolve(submission(), folder=tmp_path)
    one.system_log.parent.mkdir()
    one.system_log.write_text(data("slurmstepd memory"))
    line = f"5369|N/A|5369|FAILED|9|0|1|1|1|n|JobLaunchFailure|{TOKEN}||\n"
    host = ScriptedHost((SQUEUE, Completed(0, line)))
    [answers] = Slurm(host).anybatch_status([Batch(submission=one, ids=("5369",))])
    assert isinstance(answers["5369"], JobStatus)
    assert answers["5369"].reason is Reason.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("queued", "ended"), [("9", "0:9"), (str(137 << 8), "137:0"), (str(9 << 8), "9:0")]
)
@pytest.mark.parametrize("source", ["squeue", "sacct"])
def test_a_kill_for_memory_is_told_as_such(
    source: str, queued: str, ended: str, tmp_path: Path
) -> None:
    """Slurm may tell a bare SIGKILL, as an exit code too, or that a shell has seen one.

    slurmstepd wrote why.
    """
    one = attrs.evolve(submission(2), folder=tmp_path)
    log = one.system_log
    log.parent.mkdir()
    log.write_text(data("slurmstepd memory"))
    kill = f"FAILED|{queued}|0|1|1|1|n|JobLaunchFailure"
    queue = "".join(f"5368|{n}|{5369 - n}|{kill}|{TOKEN}||\n" for n in (0, 1))
    kept = "".join(
        f"5368_{n}|FAILED|{ended}|1|2|3|n|00:01.000||None|{TOKEN}|{5369 - n}|sbatch\n"
        for n in (0, 1)
    )
    steps = {
        "squeue": [(SQUEUE, Completed(0, queue))],
        "sacct": [
            (SQUEUE, Completed(0)),
            (CONFIG, said("scontrol config-accounting")),
            (SACCT, Completed(0, kept)),
        ],
    }[source]
    [answers] = Slurm(ScriptedHost(*steps)).anybatch_status(
        [Batch(submission=one, ids=("5368_0", "5368_1"))]
    )
    assert [status and status.reason for status in answers.values()] == [Reason.OUT_OF_MEMORY] * 2
    assert (first := answers["5368_0"])
    assert "StepId=5369.batch exceeded memory limit" in str(first.message)
    assert str(log) in str(first.message)


@pytest.mark.parametrize("error", [CommandNotFound, CommandTimeout])
def test_an_sbatch_that_cannot_run_or_hangs_decides_nothing(
    error: Callable[[Command, str], Exception],
) -> None:
    """The error is passed on as it is."""
    with pytest.raises((CommandNotFound, CommandTimeout)):
        submit(error(Command(("sbatch",)), "no answer"))


# -- find

FIND = f"{SQUEUE} --user=alice --Format=ArrayJobID:|,Reason:|,Comment:|,Command:|"
FIND_ENDED = "sacct --noheader --parsable2 --allocations --user=alice --starttime=now-30days"
OTHERS = "12|None|somebody's own|\n13|None|(null)|\n14|None|tok-22|\n"


@pytest.mark.parametrize(
    ("listed", "count", "ids"),
    [
        ("17|None|tok-2|\n", 1, ["17"]),
        ("17|JobHeldUser|tok-2 my own | words|\n", 1, ["17"]),
        ("17|None|tok-2|\n17|Resources|tok-2|\n", 2, ["17_0", "17_1"]),
    ],
)
def test_a_job_in_the_queue_is_found_by_its_token(listed: str, count: int, ids: list[str]) -> None:
    """One squeue for all of the user's jobs, whatever their state and partition."""
    host = ScriptedHost((FIND, Completed(0, OTHERS + listed)))
    assert Slurm(host).anybatch_find(submission(count)) == ids


def test_a_job_that_has_left_the_queue_is_found_in_accounting() -> None:
    """Comments are in accounting when a job has ended."""
    kept = "9|None|\n1268|None|tok-2 mine\n"
    config = (CONFIG, said("scontrol config-accounting"))
    host = ScriptedHost((FIND, Completed(0, OTHERS)), config, (FIND_ENDED, Completed(0, kept)))
    assert Slurm(host).anybatch_find(submission()) == ["1268"]
    assert host.steps == []


def test_elements_in_accounting_are_their_array() -> None:
    """One that has ended is enough to know them all."""
    kept = "1269_1|None|tok-2\n1269_[6-7,9%2]|JobArrayTaskLimit|tok-2\n"
    config = (CONFIG, said("scontrol config-accounting"))
    host = ScriptedHost((FIND, Completed(0)), config, (FIND_ENDED, Completed(0, kept)))
    assert Slurm(host).anybatch_find(submission(2)) == ["1269_0", "1269_1"]


def test_what_is_nowhere_is_certainly_not_there() -> None:
    """Without accounting the queue alone is asked."""
    config = (CONFIG, said("scontrol config-plain"))
    host = ScriptedHost((FIND, Completed(0, OTHERS)), config, config)
    assert Slurm(host).anybatch_find(submission()) == []
    config = (CONFIG, said("scontrol config-accounting"))
    host = ScriptedHost((FIND, Completed(0)), config, (FIND_ENDED, Completed(0)), config)
    assert Slurm(host).anybatch_find(submission()) == []
    assert host.steps == []


def test_what_a_refusal_left_behind_is_not_found() -> None:
    """A job that can never run keeps its token for a while, as FAILED with BadConstraints."""
    listed = "24|BadConstraints|tok-2|\n"
    config = (CONFIG, said("scontrol config-plain"))
    host = ScriptedHost((FIND, Completed(0, listed)), config, config)
    assert Slurm(host).anybatch_find(submission()) == []


@pytest.mark.parametrize(
    "steps",
    [
        [(FIND, failed("squeue stopped-name"))],
        [(FIND, Completed(0)), (CONFIG, failed("scontrol stopped"))],
        [
            (FIND, Completed(0)),
            (CONFIG, said("scontrol config-accounting")),
            (FIND_ENDED, failed("sacct nodatabase")),
        ],
    ],
    ids=["queue", "configuration", "accounting"],
)
def test_not_being_able_to_look_is_not_finding_nothing(
    steps: list[tuple[str, Completed | Exception]],
) -> None:
    """Controller or database away: nothing is decided."""
    with pytest.raises(CommandFailed):
        Slurm(ScriptedHost(*steps)).anybatch_find(submission())


# -- status

MIXED = ["14", "6_0", "6_7", "9", "2", "5_0", "7"]


def told(ids: Sequence[str], host: Host) -> Mapping[str, JobStatus | None]:
    """What the plugin says of jobs of one submission."""
    [answers] = Slurm(host).anybatch_status([batch(ids)])
    return answers


def states(ids: Sequence[str], host: Host) -> dict[str, State]:
    """The states that the plugin answers with."""
    answers = told(ids, host)
    return {native: one.state for native in ids if (one := answers.get(native))}


def test_jobs_that_the_queue_knows_cost_one_squeue() -> None:
    """Arrays are asked for once; the first id twice, because a lone unknown one is an error."""
    host = ScriptedHost((SQUEUE, ours(data("squeue mixed-long"))))
    assert states(MIXED, host) == {
        **{"14": State.TERMINATED, "6_0": State.DONE, "6_7": State.QUEUED, "9": State.FAILED},
        **{"2": State.HELD, "5_0": State.HELD, "7": State.RUNNING},
    }
    assert host.option("--jobs") == "14,6,9,2,5,7,14"
    columns = (*SQUEUE_FIELDS, "Comment", "Command")
    assert host.option("--Format") == ",".join(f"{column}:|" for column in columns)


def test_times_and_lists_are_asked_for_in_full() -> None:
    """Seconds since 1970, and arrays whose list is not cut after 64 bytes."""
    host = ScriptedHost((SQUEUE, ours(data("squeue mixed-long"))))
    states(MIXED, host)
    assert host.ran[0].env == {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}


def test_jobs_that_have_left_the_queue_are_asked_of_accounting() -> None:
    """One sacct for all that are missing, and for no other."""
    ids = ["1284_1", "1284_2", "1284_4", "1285"]
    raw = data("sacct purged").splitlines()
    kept = "\n".join("|".join((row.split("|")[0], *row.split("|")[2:])) for row in raw)
    host = ScriptedHost(
        (SQUEUE, ours(data("squeue purged-partly"))),
        (CONFIG, said("scontrol config-accounting")),
        (SACCT, ours(kept)),
    )
    assert states(ids, host) == {
        **{"1284_1": State.FAILED, "1284_2": State.FAILED},
        **{"1284_4": State.RUNNING, "1285": State.DONE},
    }
    assert host.option("--jobs") == "1284,1285"
    assert host.option("--starttime") == "1970-01-01"
    assert host.steps == []


def test_what_squeue_says_wins_over_accounting() -> None:
    """Accounting lags behind; of what the queue has lost it says for ever that it runs."""
    late = "1284_4|FAILED|3:0|1|Unknown|Unknown|None assigned|00:00:00||None\n"
    late += late.replace("1284_4", "1285").replace("FAILED|3:0", "RUNNING|0:0")
    config = (CONFIG, said("scontrol config-accounting"))
    host = ScriptedHost(
        (SQUEUE, ours(data("squeue purged-partly"))), config, (SACCT, ours(late)), config
    )
    assert states(["1284_4", "1285"], host) == {"1284_4": State.RUNNING}
    assert host.steps == []


def test_what_is_missing_is_believed_of_the_same_cluster_alone() -> None:
    """Commands may lead to another one since the configuration was read."""
    plain, other = said("scontrol config-plain"), said("scontrol config-accounting")
    rows = Completed(0, squeue_rows(["7"]))
    host = ScriptedHost((SQUEUE, rows), (CONFIG, plain), (CONFIG, plain))
    assert set(told(["7", "8"], host)) == {"7"}
    assert host.steps == []
    host = ScriptedHost((SQUEUE, rows), (CONFIG, plain), (CONFIG, other))
    answers = told(["7", "8"], host)
    assert isinstance(answers["8"], Unreachable)
    assert "this is the cluster 'accounting' now, and was 'plain'" in answers["8"].reason
    assert answers["7"]


def test_the_configuration_is_asked_for_once() -> None:
    """A cluster's configuration stays, and each cluster has its own."""
    host = ScriptedHost((CONFIG, said("scontrol config-plain")))
    slurm = Slurm(host)
    assert slurm.anybatch_limits(table()).array == 100001
    assert slurm.anybatch_limits(table()).array == 100001
    assert host.steps == []
    host.steps += [(f"{CONFIG} --clusters=far", said("scontrol config-accounting"))]
    for _ in range(2):
        assert slurm.anybatch_limits(table(clusters="far")).array == 201
    assert host.steps == []


def test_an_element_that_was_removed_from_its_array_is_terminated() -> None:
    """Whoever else is missing is not; there is no more to be asked."""
    ids = ["72_1", "72_2", "72_4", "72_6", "99_0"]
    config = (CONFIG, said("scontrol config-plain"))
    host = ScriptedHost((SQUEUE, ours(data("squeue array-partly-cancelled"))), config, config)
    answers = told(ids, host)
    assert "99_0" not in answers
    assert (gone := answers["72_4"])
    assert gone.never_started
    assert gone.state is State.TERMINATED
    assert (known := answers["72_2"])
    assert not known.never_started


def test_an_element_that_accounting_saw_run_was_not_removed() -> None:
    """Only one that never ran leaves its array without a trace."""
    rows = ours("8|1|8|RUNNING|0|0|1|1|NONE|n|None|\n")
    late = ours("8_0|RUNNING|0:0|1|2|Unknown|n|00:00:00||None\n")
    config = (CONFIG, said("scontrol config-accounting"))
    host = ScriptedHost((SQUEUE, rows), config, (SACCT, late), config)
    assert set(told(["8_0", "8_1", "8_2"], host)) == {"8_1", "8_2"}


STRANGER = "9|N/A|9|RUNNING|0|0|1|1|NONE|n|None|(null)|/home/alice/own.sh|\n"


def test_a_job_of_our_number_is_not_ours() -> None:
    """Numbers are used again: what another job does is not told of ours, from either source."""
    config = (CONFIG, said("scontrol config-accounting"))
    kept = f"9|FAILED|3:0|1|2|3|n|00:01.000||None|{OURS}\n"
    later = "9|COMPLETED|0:0|5|6|7|n|00:01.000||None||sbatch own.sh\n"
    host = ScriptedHost(
        (SQUEUE, Completed(0, STRANGER)), config, (SACCT, Completed(0, kept + later))
    )
    answers = told(["9"], host)
    assert (one := answers["9"])
    assert (one.state, one.exit_code, one.restarts) == (State.FAILED, 3, 0)


@pytest.mark.parametrize("signal", [None, "USR1"])
def test_a_job_of_our_number_is_left_alone(signal: str | None) -> None:
    """Nothing is stopped of which nobody can be sure whose it is, and the user is told."""
    rows = squeue_rows(["7"]) + STRANGER
    host = ScriptedHost((SQUEUE, Completed(0, rows)), ("scancel", Completed(0)))
    [answer] = Slurm(host).anybatch_terminate([batch(["7", "9"])], signal)
    assert host.ran[-1].argv[-1] == "7"
    assert set(answer) == {"9"}
    assert "another one now" in answer["9"]


def test_accounting_that_cannot_be_asked_takes_nothing_back() -> None:
    """What squeue said holds; of what it does not know nothing is said."""
    rows = squeue_rows(["7"]) + ours("8|1|8|RUNNING|0|0|1|1|NONE|n|None|\n").stdout
    for config, more in (
        (said("scontrol config-accounting"), [(SACCT, failed("sacct nodatabase"))]),
        (failed("scontrol stopped"), []),
    ):
        host = ScriptedHost((SQUEUE, Completed(0, rows)), (CONFIG, config), *more)
        answers = told(["7", "8_0", "8_1", "9"], host)
        assert {native: getattr(one, "state", None) for native, one in answers.items()} == {
            **{"7": State.RUNNING, "8_1": State.RUNNING, "8_0": None, "9": None}
        }


def test_half_an_answer_of_accounting_is_taken_for_what_it_is() -> None:
    """Rows that were printed before the error hold; what is missing in them is not known."""
    half = ours("9|COMPLETED|0:0|1|2|3|n|00:01.000||None\n").stdout
    broken = Completed(1, half, "sacct: error: slurmdbd: Connection reset\n")
    config = (CONFIG, said("scontrol config-accounting"))
    host = ScriptedHost((SQUEUE, Completed(0)), config, (SACCT, broken))
    answers = told(["8", "9"], host)
    assert isinstance(answers["8"], Unreachable)
    assert "Connection reset" in answers["8"].reason
    assert getattr(answers["9"], "state", None) is State.DONE


def test_a_cluster_of_the_same_name_is_another_one() -> None:
    """Its controller is: jobs with our token are ours, and to be missing there means nothing."""
    home = Limits(render_context={"cluster": "plain", "controllers": "far(10.0.0.1):6817"})
    one = attrs.evolve(batch(["7", "8"]), submission=attrs.evolve(submission(), limits=home))
    config = (CONFIG, said("scontrol config-plain"))
    rows = Completed(0, squeue_rows(["7"]))
    slurm = Slurm(ScriptedHost(config, (SQUEUE, rows), config))
    [answers] = slurm.anybatch_status([one])
    assert answers["7"]
    assert isinstance(answers["8"], Unreachable)
    host = ScriptedHost(config, (SQUEUE, rows), ("scancel 7", Completed(0)))
    [left] = Slurm(host).anybatch_terminate([one], None)
    assert set(left) == {"8"}
    assert "which it was not submitted to" in getattr(left["8"], "reason", "")
    slurm = Slurm(ScriptedHost(config, (FIND, Completed(0)), config))
    with pytest.raises(CommandError, match=r"and was far\(10.0.0.1\):6817"):
        slurm.anybatch_find(one.submission)
    rendered = slurm.anybatch_render(one.submission)
    with pytest.raises(CommandError, match=r"and was far\(10.0.0.1\):6817"):
        slurm.anybatch_submit(one.submission, rendered)


def test_very_many_single_jobs_are_asked_for_by_user() -> None:
    """Their ids would make a command line too long for the system."""
    ids = [str(number) for number in range(1, MOST_IDS + 2)]
    host = ScriptedHost((f"{SQUEUE} --user=alice", Completed(0, squeue_rows(ids))))
    assert set(states(ids, host).values()) == {State.RUNNING}
    assert not any(word.startswith("--jobs") for word in host.ran[0].argv)


def test_many_elements_are_one_id() -> None:
    """An array of 100,000 elements is one word."""
    host = ScriptedHost((SQUEUE, ours("7|0-99999|7|PENDING|0|0|1|N/A|N/A||Priority|\n")))
    assert len(states([f"7_{number}" for number in range(100_000)], host)) == 100_000
    assert host.option("--jobs") == "7,7"


def test_very_many_missing_jobs_are_asked_of_accounting_in_turns() -> None:
    """As few as the length of a command line allows."""
    ids = [str(number) for number in range(1, 2 * MOST_IDS + 2)]
    rows = [f"{native}|COMPLETED|0:0|1|2|3|n|00:01.000||None\n" for native in ids]
    parts = [rows[start : start + MOST_IDS] for start in range(0, len(ids), 2000)]
    host = ScriptedHost(
        (f"{SQUEUE} --user=alice", Completed(0)),
        (CONFIG, said("scontrol config-accounting")),
        *((SACCT, ours("".join(part))) for part in parts),
    )
    assert set(states(ids, host).values()) == {State.DONE}
    assert host.commands["sacct"] == 3
    assert max(len(word) for command in host.ran for word in command.argv) < 20_000


@pytest.mark.parametrize(
    "steps",
    [
        [(SQUEUE, failed("squeue stopped-several"))],
        [(SQUEUE, CommandTimeout(Command(("squeue",)), "no answer"))],
        [(SQUEUE, Completed(0)), (CONFIG, failed("scontrol stopped"))],
        [
            (SQUEUE, Completed(0)),
            (CONFIG, said("scontrol config-accounting")),
            (SACCT, failed("sacct nodatabase")),
        ],
        [
            (SQUEUE, Completed(0)),
            (CONFIG, said("scontrol config-plain")),
            (CONFIG, failed("scontrol stopped")),
        ],
    ],
    ids=["queue", "hangs", "configuration", "accounting", "controller"],
)
def test_not_being_able_to_ask_is_not_an_answer(
    steps: list[tuple[str, Completed | Exception]],
) -> None:
    """No job's state changes; Slurm's words are in the error."""
    with pytest.raises((CommandFailed, CommandTimeout)) as caught:
        states(["1"], ScriptedHost(*steps))
    assert any(
        words in str(caught.value)
        for words in (CONTROLLER_AWAY, "no answer", "Problem talking to the database")
    )


# -- account


def test_use_is_asked_for_where_there_is_accounting() -> None:
    """One sacct when a run has ended."""
    rows = "7|COMPLETED|0:0|1|2|3|n|00:01.000||None\n7.batch|COMPLETED|0:0|1|2|3|n|00:01.000|5M|\n"
    host = ScriptedHost((CONFIG, said("scontrol config-accounting")), (SACCT, ours(rows)))
    [found] = Slurm(host).anybatch_account([batch(["7"])])
    assert (found["7"].cpu_time, found["7"].max_memory) == (timedelta(seconds=1), 5 * 1024**2)


def test_without_accounting_nobody_is_asked_for_use() -> None:
    """Accounting would only say that it is off."""
    host = ScriptedHost((CONFIG, said("scontrol config-plain")))
    assert Slurm(host).anybatch_account([batch(["7"])]) == [{}]


# -- terminate


def terminate(
    ids: list[str], signal: str | None, *steps: tuple[str, Any], **own: Any
) -> ScriptedHost:
    host = ScriptedHost(*steps)
    assert Slurm(host).anybatch_terminate([batch(ids, **own)], signal) == [{}]
    assert host.steps == []
    return host


@pytest.mark.parametrize(
    "answer", [said("scancel several"), said("scancel unknown"), said("scancel again")]
)
def test_stopping_many_jobs_is_one_scancel(answer: Completed) -> None:
    """Jobs that are unknown or have ended are no error to it."""
    ids = ["69", "70_1", "70_2", "70_3", "70_7", "999999"]
    rows = "70|1-9|70|PENDING|0|0|1|N/A|N/A||JobHeldUser|\n69|N/A|69|RUNNING|0|0|1|1|NONE|n|None|"
    host = terminate(ids, None, (SQUEUE, ours(rows)), ("scancel", answer))
    assert host.ran[1].argv == ("scancel", "69", "70_[1-3,7]")


def test_nothing_to_stop_is_no_command() -> None:
    """Without an id scancel would complain."""
    ended = ours("7|N/A|7|COMPLETED|0|0|1|1|1|n|None|\n")
    terminate(["7"], "USR1", (SQUEUE, ended))
    terminate(["7"], None, (SQUEUE, ended))
    terminate(["7"], "KILL", (SQUEUE, failed("squeue unknown")))


@pytest.mark.parametrize(
    ("signal", "options"),
    [("USR1", ("--signal=USR1", "--batch")), ("KILL", ("--signal=KILL", "--full"))],
)
def test_a_signal_goes_to_the_script_and_kill_to_everybody(
    signal: str, options: tuple[str, ...]
) -> None:
    """The script passes signals on to the command, but it cannot pass on KILL."""
    rows = ours("7|N/A|7|RUNNING|0|0|1|1|NONE|n|None|\n8|1|20|RUNNING|0|0|1|1|NONE|n|None|\n")
    host = terminate(["7", "8_1"], signal, (SQUEUE, rows), ("scancel", Completed(0)))
    assert host.ran[-1].argv == ("scancel", *options, "7", "8_[1]")


@pytest.mark.parametrize("signal", ["USR1", "KILL", "TERM"])
def test_a_signal_is_for_jobs_that_run(signal: str) -> None:
    """KILL for an element that waits would end all that wait in its array (22.05)."""
    queue = (SQUEUE, ours(data("squeue mixed-long")))
    host = terminate(["7", "2", "5_0", "9", "99"], signal, queue, ("scancel 7", Completed(0)))
    assert host.ran[-1].argv[3:] == ("7",)


def test_elements_get_a_signal_once_while_others_wait() -> None:
    """Ten at a time, with a short limit: scancel (22.05) would send it again after 5 seconds."""
    running = "".join(f"8|{n}|{n + 20}|RUNNING|0|0|1|1|NONE|n|None|\n" for n in range(12))
    waiting = "8|12-40%12|8|PENDING|0|0|1|N/A|N/A||JobArrayTaskLimit|\n"
    rows = ours(running + waiting).stdout + squeue_rows(["7"])
    hangs = CommandTimeout(Command(("scancel",)), "no answer within 4 s; it was ended")
    host = terminate(
        ["7", *(f"8_{number}" for number in range(41))],
        "USR1",
        (SQUEUE, Completed(0, rows)),
        ("scancel 7", Completed(0)),
        ("scancel 8_[0-9]", hangs),
        ("scancel 8_[10-11]", hangs),
    )
    assert [c.timeout.total_seconds() for c in host.ran] == [60, 60, 4, 4]
    killed = terminate(
        ["8_1", "8_20"], "KILL", (SQUEUE, Completed(0, rows)), ("scancel 8_[1]", Completed(0))
    )
    assert killed.ran[-1].timeout == timedelta(seconds=60)


def test_an_unknown_signal_is_the_users_mistake() -> None:
    """Slurm knows which there are."""
    unknown = Completed(1, stderr="Unknown job signal: NOSUCH\n")
    with pytest.raises(UsageError, match="NOSUCH"):
        terminate(["7"], "NOSUCH", (SQUEUE, Completed(0, squeue_rows(["7"]))), ("scancel", unknown))


GONE = "scancel: error: Kill job error on job id 7: Invalid job id specified\n"
DENIED = "scancel: error: Kill job error on job id 8: Access/permission denied\n"


def test_a_job_that_ended_before_its_signal_is_no_error() -> None:
    """It is one that scancel does complain of."""
    queue = (SQUEUE, Completed(0, squeue_rows(["7"])))
    terminate(["7"], "USR1", queue, ("scancel", Completed(1, stderr=GONE)))


@pytest.mark.parametrize(
    "answer",
    [failed("scancel stopped", 8), Completed(1, stderr=GONE + DENIED), Completed(1)],
    ids=["away", "denied", "silent"],
)
def test_a_scancel_that_failed_is_an_error(answer: Completed) -> None:
    """A job that is gone does not hide that another one could not be told."""
    with pytest.raises(CommandFailed):
        terminate(
            ["7", "8"], None, (SQUEUE, Completed(0, squeue_rows(["7", "8"]))), ("scancel", answer)
        )


def test_a_signal_is_not_sent_where_nobody_can_tell_who_runs() -> None:
    """The controller is away."""
    with pytest.raises(CommandFailed, match="Unable to contact"):
        terminate(["7"], "USR1", (SQUEUE, failed("squeue stopped")))


@pytest.mark.usefixtures("slurm_cluster")
def test_the_real_scancel_signals_an_element_once_and_leaves_those_that_wait(
    tmp_path: Path,
) -> None:
    """Three of an array run and three wait: the one that is meant gets it, and one time."""
    host = LocalHost()
    work = "trap 'echo x >>got-$I' USR1; touch ready-$I; while test -e wait; do sleep 0.1; done"
    script = f"I=$SLURM_ARRAY_TASK_ID; {work}"
    (tmp_path / "wait").touch()
    array = ("sbatch", "--parsable", "--array=0-5%3", "--output=/dev/null", f"--comment={TOKEN}")
    job = host.run(Command((*array, "--wrap", script), cwd=tmp_path)).stdout.strip()
    try:
        await_that(lambda: len(list(tmp_path.glob("ready-*"))) == 3)
        slurm = Slurm(host)
        slurm.anybatch_terminate([batch([f"{job}_0", f"{job}_4"])], "USR1")
        slurm.anybatch_terminate([batch([f"{job}_4", f"{job}_5"])], "KILL")
        assert host.commands["scancel"] == 1
        found = states([f"{job}_{n}" for n in range(6)], host)
        assert list(found.values()) == 3 * [State.RUNNING] + 3 * [State.QUEUED]
        got = tmp_path / "got-0"
        await_that(lambda: got.exists() and got.read_text())
        assert list(tmp_path.glob("got-*")) == [got]
        assert got.read_text() == "x\n"
    finally:
        (tmp_path / "wait").unlink()
        host.run(Command(("scancel", job)))


# -- detect and limits

TOOLS = ("sbatch", "squeue", "scancel", "scontrol")
PING = ("scontrol ping", said("scontrol ping"))
PARTITIONS = ("sinfo --noheader --format=%P", said("sinfo partitions"))


@pytest.mark.parametrize("tool", ["sbatch", "squeue", "scancel", "scontrol"])
def test_a_missing_tool_is_named(tool: str) -> None:
    """No command is run then. A cluster is here, because other tools are."""
    found = Slurm(ScriptedHost(missing=(tool,))).anybatch_detect(table(), choosing=False)
    assert (found.available, found.unreachable) == (False, True)
    assert found.reason.startswith(f"{tool} is not on the PATH, although s")


#: What a machine with a Slurm of its own has.
CONFIGURED = (
    *("/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/run/slurm/conf/slurm.conf"),
    "/usr/local/etc/slurm.conf",
)


@pytest.mark.parametrize("sign", ["SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JOB_ID", ""])
def test_signs_of_a_cluster_without_its_tools(sign: str) -> None:
    """A login node without `module load slurm` is no stand-in for its cluster."""
    host = ScriptedHost(missing=TOOLS, absent=CONFIGURED, environ={sign: "x"} if sign else {})
    found = Slurm(host).anybatch_detect(table(), choosing=True)
    assert (found.available, found.unreachable) == (False, bool(sign))
    said = f", although {sign} is set" if sign else ""
    assert found.reason == f"sbatch is not on the PATH{said}"


@pytest.mark.parametrize(
    "steps",
    [
        [("scontrol ping", Completed(1, stdout=data("scontrol ping-stopped")))],
        [PING, (CONFIG, failed("scontrol stopped"))],
        [("scontrol ping", CommandTimeout(Command(("scontrol",)), "no answer within 60 s"))],
    ],
    ids=["down", "no-configuration", "hangs"],
)
def test_a_controller_that_does_not_answer_is_a_reason(
    steps: list[tuple[str, Completed | Exception]],
) -> None:
    """In Slurm's own words, never an exception; Slurm is set up here all the same."""
    found = Slurm(ScriptedHost(*steps)).anybatch_detect(table(), choosing=False)
    assert (found.available, found.unreachable) == (False, True)
    assert found.reason.startswith("the controller does not answer: scontrol")
    assert any(words in found.reason for words in ("DOWN", "Unable to contact", "no answer"))


@pytest.mark.parametrize(
    "stderr",
    [
        "scontrol: fatal: Could not establish a configuration source\n",
        "scontrol: fatal: Unable to process configuration file\n",
    ],
)
def test_tools_without_a_cluster_are_not_a_cluster_that_is_away(stderr: str) -> None:
    """Slurm may be installed where it is not set up; a SLURM_CONF that is broken says it is."""
    for environ in ({}, {"SLURM_CONF": "/nowhere/slurm.conf"}):
        step = (PING[0], Completed(1, stderr=stderr))
        host = ScriptedHost(step, absent=CONFIGURED, environ=environ)
        found = Slurm(host).anybatch_detect(table(), choosing=False)
        assert (found.available, found.unreachable) == (False, bool(environ))


@pytest.mark.parametrize(
    ("cluster", "accounting", "largest"), [("plain", "off", "100001"), ("accounting", "on", "201")]
)
def test_a_cluster_is_described(cluster: str, accounting: str, largest: str) -> None:
    """For `anybatch systems` and `doctor`."""
    host = ScriptedHost(PING, (CONFIG, said(f"scontrol config-{cluster}")), PARTITIONS)
    found = Slurm(host).anybatch_detect(table(), choosing=False)
    assert (found.available, found.version) == (True, "22.05.8")
    assert found.reason == "Slurmctld(primary) at vm is UP"
    assert found.details == {
        **{"cluster": cluster, "accounting": accounting},
        **{"default partition": "main", "largest array": largest},
    }


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (Completed(0, stdout="short\n"), "none"),
        (failed("sinfo stopped"), "not known"),
        (CommandNotFound(Command(("sinfo",)), "program not found"), "not known"),
    ],
)
def test_a_cluster_without_a_default_partition_is_usable(
    answer: Completed | Exception, shown: str
) -> None:
    """It is a detail."""
    host = ScriptedHost(PING, (CONFIG, said("scontrol config-plain")), (PARTITIONS[0], answer))
    found = Slurm(host).anybatch_detect(table(), choosing=False)
    assert found.available
    assert found.details["default partition"] == shown


@pytest.mark.parametrize(
    ("cluster", "own", "array"),
    [
        ("plain", None, 100001),
        ("accounting", None, 201),
        ("accounting", 40, 40),
        ("accounting", 5000, 201),
        ("plain", 0, 100001),
    ],
)
def test_the_largest_array_is_the_clusters_or_less(
    cluster: str, own: int | None, array: int
) -> None:
    """`max_array` can only lower it; Slurm has dependencies."""
    host = ScriptedHost((CONFIG, said(f"scontrol config-{cluster}")))
    limits = Slurm(host).anybatch_limits(table(max_array=own))
    assert (limits.array, limits.dependencies) == (array, True)


@pytest.mark.parametrize(
    ("config", "own", "reruns"),
    [
        ("JobRequeue = 1", {}, True),
        ("JobRequeue = 1", {"no-requeue": True}, False),
        ("JobRequeue = 0", {}, False),
        ("JobRequeue = 0", {"requeue": True}, True),
    ],
)
def test_a_job_may_be_run_again_where_slurm_lets_it(
    config: str, own: dict[str, Any], reruns: bool
) -> None:
    """Then the end of its script is not its end before squeue says so."""
    slurm = Slurm(ScriptedHost((CONFIG, Completed(0, f"ClusterName = x\n{config}\n"))))
    limits = slurm.anybatch_limits(table(**own))
    assert limits.reruns is reruns
    assert limits.late_arrival >= timedelta(seconds=60)


def test_limits_are_not_guessed() -> None:
    """Where the controller is away the run waits."""
    with pytest.raises(CommandFailed):
        Slurm(ScriptedHost((CONFIG, failed("scontrol stopped")))).anybatch_limits(table())


# -- settings and the environment


def test_the_cluster_reaches_every_command() -> None:
    """What is submitted to one cluster is not looked for on another."""
    config = said("scontrol config-accounting")
    rows = Completed(0, squeue_rows(["7"]))
    host = ScriptedHost(
        *(PING, (CONFIG, config), PARTITIONS),
        *((SQUEUE, Completed(0)), (SACCT, Completed(0)), (CONFIG, config), (SACCT, Completed(0))),
        *((FIND, Completed(0)), (FIND_ENDED, Completed(0)), (CONFIG, config)),
        *((SQUEUE, rows), ("scancel 7", Completed(0))) * 2,
    )
    slurm, far = Slurm(host), batch(["7"], clusters="far")
    slurm.anybatch_detect(table(clusters="far"), choosing=False)
    slurm.anybatch_status([far])
    slurm.anybatch_account([far])
    slurm.anybatch_find(far.submission)
    slurm.anybatch_terminate([far], None)
    slurm.anybatch_terminate([far], "USR1")
    assert host.steps == []
    assert all(command.argv[1] == "--clusters=far" for command in host.ran)
    [file] = slurm.anybatch_render(far.submission).files
    assert "\n#SBATCH --clusters=far\n" in file.text


def test_what_slurm_sets_for_a_job_is_not_inherited() -> None:
    """Where the cluster is, is."""
    found = Slurm(ScriptedHost()).anybatch_environment(Job(["true"]), table(), "slurm", Path("/"))
    assert {"SLURM_*", "SBATCH_*", "PMI_*"} <= set(found.scrub)
    assert found.keep == ("SLURM_CONF", "SLURM_CLUSTERS")


OUTER = {
    # Set by Slurm for the job that we are in.
    **{"SLURM_JOB_ID": "1", "SLURM_JOBID": "1", "SLURM_ARRAY_TASK_ID": "3", "SLURM_STEP_ID": "0"},
    **{"SLURM_TASK_PID": "77", "SLURM_JOB_NAME": "outer", "SLURM_ARRAY_JOB_ID": "1"},
    # Set by the user for the commands that they type.
    **{"SQUEUE_FORMAT": "%i", "SQUEUE_STATES": "R", "SACCT_FEDERATION": "1", "SINFO_FORMAT": "%n"},
    **{"SCANCEL_STATE": "PENDING", "SCANCEL_INTERACTIVE": "1", "SCONTROL_FUTURE": "1"},
    **{"SBATCH_ARRAY_INX": "0-99", "SBATCH_JOB_NAME": "x", "SBATCH_EXPORT": "NONE"},
    **{"SLURM_TIME_FORMAT": "relative", "SLURM_BITSTR_LEN": "8"},
}
KEPT = {"SLURM_CONF": "/etc/slurm/slurm.conf", "SLURM_CLUSTERS": "near", "HOME": "/home/alice"}
FAKE = """#!/bin/sh
export -p >>"$0.env"
case "$(basename "$0") $*" in
  "scontrol show config") exec {cat} {data}/scontrol-22.05-config-accounting.txt ;;
  "scontrol ping") echo UP ;;
  "squeue "*) echo "7|N/A|7|RUNNING|0|0|1|1|NONE|n|None|tok-2|" ;;
  "sbatch "*) echo 7 ;;
esac
"""


def test_no_command_believes_that_it_is_inside_a_job(tmp_path: Path) -> None:
    """Neither a job around us nor the user's own defaults change what commands do."""
    text = FAKE.format(cat=shutil.which("cat"), data=DATA)
    tools = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo")
    for tool in tools:
        (tmp_path / tool).write_text(text)
        (tmp_path / tool).chmod(0o755)
    host = LocalHost({**OUTER, **KEPT, "PATH": f"{tmp_path}:{os.defpath}"})
    one = attrs.evolve(submission(), folder=tmp_path)
    slurm = Slurm(host)
    slurm.anybatch_detect(table(), choosing=False)
    slurm.anybatch_status([batch(["7", "8"])])
    slurm.anybatch_find(one)
    slurm.anybatch_terminate([batch(["7"])], "USR1")
    assert slurm.anybatch_submit(one, slurm.anybatch_render(one)) == ["7"]
    assert set(host.commands) == set(tools)
    for tool in tools:
        exported = (tmp_path / f"{tool}.env").read_text()
        for name in OUTER.keys() - {"SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN"}:
            assert f"{name}=" not in exported, f"{tool} sees {name}"
        for name, value in KEPT.items():
            assert f"{name}='{value}'" in exported, f"{tool} does not see {name}"
        if tool != "sbatch":
            assert "SLURM_TIME_FORMAT='%s'" in exported
            assert "SLURM_BITSTR_LEN='0'" in exported


def test_every_command_has_a_time_limit() -> None:
    """A controller that hangs does not hang us."""
    host = ScriptedHost((SQUEUE, ours(data("squeue mixed-long"))))
    states(MIXED, host)
    assert host.ran[0].timeout == timedelta(seconds=60)


# -- several clusters

NEAR, FAR = "--clusters=near", "--clusters=far"
ON_NEAR = squeue_rows(["7", "8"])
ON_FAR = ours("7|N/A|7|COMPLETED|0|0|1|1|1|n|None|\n").stdout


def test_each_cluster_is_asked_about_its_own_jobs_once() -> None:
    """One squeue for all batches of a cluster, and equal ids on two clusters are two jobs."""
    batches = [
        batch(["7"], clusters="near"),
        batch(["7", "9"], clusters="far"),
        batch(["8"], clusters="near"),
        batch(["7"]),
    ]
    host = ScriptedHost(
        (f"{SQUEUE} {NEAR}", Completed(0, ON_NEAR)),
        (f"{SQUEUE} {FAR} --jobs=7,9,7", Completed(0, ON_FAR)),
        *[(f"{CONFIG} {FAR}", said("scontrol config-plain"))] * 2,
        (f"{SQUEUE} --jobs=7,7", ours("7|N/A|7|PENDING|0|0|1|N/A|N/A||Priority|\n")),
    )
    near, far, also_near, here = Slurm(host).anybatch_status(batches)
    assert host.steps == []
    assert [(one := answers.get("7")) and one.state for answers in (near, far, here)] == [
        *(State.RUNNING, State.DONE, State.QUEUED)
    ]
    assert "9" not in far
    assert (eighth := also_near["8"])
    assert eighth.state is State.RUNNING
    assert not any(word.startswith("--clusters") for word in host.ran[-1].argv)


def test_a_cluster_that_is_away_keeps_no_other_from_answering() -> None:
    """Nothing is said of its own jobs; where none answers that is an error."""
    batches = [batch(["7"], clusters="near"), batch(["7"], clusters="far")]
    away, there = failed("squeue stopped"), Completed(0, ON_FAR)
    host = ScriptedHost((f"{SQUEUE} {NEAR}", away), (f"{SQUEUE} {FAR}", there))
    near, far = Slurm(host).anybatch_status(batches)
    assert isinstance(near["7"], Unreachable)
    assert CONTROLLER_AWAY in near["7"].reason
    assert getattr(far["7"], "state", None) is State.DONE
    with pytest.raises(CommandFailed, match="Unable to contact"):
        Slurm(ScriptedHost((SQUEUE, away), (SQUEUE, away))).anybatch_status(batches)


@pytest.mark.parametrize("signal", [None, "USR1"])
def test_jobs_are_stopped_where_they_are(signal: str | None) -> None:
    """One scancel for each cluster; a cluster that is away did not accept it for its own jobs."""
    batches = [
        batch(["7"], clusters="near"),
        batch(["7"], clusters="far"),
        batch(["8"], clusters="near"),
    ]
    asked = (f"{SQUEUE} {NEAR}", Completed(0, ON_NEAR))
    refused = (SQUEUE, failed("squeue stopped"))
    host = ScriptedHost(asked, (f"scancel {NEAR} 7 8", Completed(0)), refused)
    near, far, also_near = Slurm(host).anybatch_terminate(batches, signal)
    assert host.steps == []
    assert FAR in host.ran[-1].argv
    assert near == also_near == {}
    assert isinstance(far["7"], Unreachable)
    assert CONTROLLER_AWAY in far["7"].reason


def test_use_is_asked_for_on_the_cluster_that_has_accounting() -> None:
    """Each cluster says for itself whether it has."""
    rows = "7|COMPLETED|0:0|1|2|3|n|00:01.000||None\n"
    host = ScriptedHost(
        (f"{CONFIG} {NEAR}", said("scontrol config-plain")),
        (f"{CONFIG} {FAR}", said("scontrol config-accounting")),
        (f"{SACCT} {FAR} --jobs=7", ours(rows)),
    )
    batches = [batch(["7"], clusters="near"), batch(["7"], clusters="far")]
    near, far = Slurm(host).anybatch_account(batches)
    assert host.steps == []
    assert near == {}
    assert far["7"].cpu_time == timedelta(seconds=1)


def test_an_option_that_is_never_given_to_sbatch_is_not_asked_with() -> None:
    """Where `skip` keeps `clusters` from sbatch, the jobs are on the cluster that is here."""
    host = ScriptedHost((SQUEUE, Completed(0, ON_NEAR)))
    Slurm(host).anybatch_status([batch(["7"], clusters="far", skip=("clusters",))])
    assert not any(word.startswith("--clusters") for word in host.ran[0].argv)


@pytest.mark.parametrize(
    ("environ", "own", "name"),
    [
        ({}, {}, None),
        ({"SLURM_CLUSTERS": "near"}, {}, "near"),
        ({"SLURM_CLUSTERS": "near", "SBATCH_CLUSTERS": "far"}, {}, "far"),
        ({"SLURM_CLUSTERS": "near", "SBATCH_CLUSTERS": "near"}, {"clusters": "far"}, "far"),
    ],
)
def test_the_cluster_that_the_environment_names_is_asked_too(
    environ: dict[str, str], own: dict[str, Any], name: str | None
) -> None:
    """It is written down with the submission, for who asks may have another environment."""
    where = f" --clusters={name}" if name else ""
    host = ScriptedHost((f"{CONFIG}{where}", said("scontrol config-plain")), environ=environ)
    limits = Slurm(host).anybatch_limits(table(**own))
    one = attrs.evolve(
        batch(["7"], **own), submission=attrs.evolve(submission(**own), limits=limits)
    )
    config = (f"{CONFIG}{where}", said("scontrol config-plain"))
    host = ScriptedHost(config, (f"{SQUEUE}{where}", Completed(0, ON_NEAR)))
    Slurm(host).anybatch_status([one])
    assert [w for w in host.ran[-1].argv if w.startswith("--clusters")] == where.split()
    [file] = Slurm(host).anybatch_render(one.submission).files
    assert [line for line in file.text.splitlines() if "clusters" in line] == [
        f"#SBATCH{option}" for option in ([where] if name else [])
    ]


@pytest.mark.parametrize("names", ["near,far", "all"])
def test_one_cluster_has_to_be_named(names: str) -> None:
    """Clusters number their jobs alike: nothing would tell which of them has the jobs."""
    for environ, own in (({}, {"clusters": names}), ({"SLURM_CLUSTERS": names}, {})):
        with pytest.raises(UsageError, match=r"more than one cluster; name one"):
            Slurm(ScriptedHost(environ=environ)).anybatch_limits(table(**own))


def test_commands_that_lead_to_another_cluster_say_nothing_of_the_jobs() -> None:
    """SLURM_CONF may be another one now: neither is a job lost, nor submitted again, nor stopped.

    A job of the same id is somebody else's.
    """
    one, other = (
        attrs.evolve(batch(["7"]), submission=attrs.evolve(submission(), limits=limits))
        for limits in (
            Limits(render_context={"cluster": "accounting"}),
            Limits(render_context={"cluster": "plain"}),
        )
    )
    config = (CONFIG, said("scontrol config-plain"))
    host = ScriptedHost(config, (SQUEUE, Completed(0, ON_NEAR)))
    slurm = Slurm(host)
    said_of_ours, said_of_theirs = slurm.anybatch_status([one, other])
    elsewhere = Unreachable("this is the cluster 'plain', and the jobs are in 'accounting'")
    assert said_of_ours == {"7": elsewhere}
    assert getattr(said_of_theirs["7"], "state", None) is State.RUNNING
    assert slurm.anybatch_status([one]) == [{"7": elsewhere}]
    assert slurm.anybatch_terminate([one], None) == [{"7": elsewhere}]
    assert host.steps == []
    rendered = slurm.anybatch_render(one.submission)
    for ask in (
        lambda: slurm.anybatch_find(one.submission),
        lambda: slurm.anybatch_submit(one.submission, rendered),
    ):
        with pytest.raises(CommandError, match="the cluster 'plain', and the jobs are in 'acc"):
            ask()


# -- how urgent jobs are


def prepare(urgency: int, *steps: tuple[str, Any], user: str = "tester") -> list[Any]:
    """Have the plugin take a job of an urgency; the steps that are left."""
    host = ScriptedHost(*steps, environ={**os.environ, "USER": user})
    host.user = user
    Slurm(host).anybatch_environment(Job(["true"], urgency=urgency), table(), "slurm", Path("/"))
    return host.steps


PLAIN, DATABASE = said("scontrol config-plain"), said("scontrol config-accounting")
ASKED = "sacctmgr --noheader --parsable2 show user tester format=AdminLevel"


def test_only_operators_raise_jobs() -> None:
    """Slurm refuses `--nice` below 0 of others, who are told before anything is submitted."""
    for steps in ([(CONFIG, PLAIN)], [(CONFIG, DATABASE), (ASKED, Completed(0, "None\n"))]):
        with pytest.raises(UsageError, match="urgency 5: only operators of the cluster"):
            prepare(5, *steps)
    assert prepare(5, (CONFIG, DATABASE), (ASKED, Completed(0, "Operator\n"))) == []
    assert prepare(5, (CONFIG, DATABASE), (ASKED, Completed(0, "Administrator\n"))) == []
    assert prepare(5, user="root") == []


def test_a_database_that_is_away_refuses_nothing() -> None:
    """The controller knows it as well, and tells when the jobs are submitted."""
    away = Completed(1, stderr="sacctmgr: error: Problem talking to the database")
    assert prepare(1, (CONFIG, DATABASE), (ASKED, away)) == []


def test_who_lowers_a_job_is_asked_for_nothing() -> None:
    """Every user may."""
    assert prepare(0) == []
    assert prepare(-100) == []
