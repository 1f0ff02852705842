"""Which command is run when, and what its answer or its failure means, in all dialects.

A scripted host stands in for the machine. What it prints is as documented for LSF 10.1, and as
OpenLava 2.2.1 was seen to print it.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch import Reason, State, UsageError
from anybatch.errors import CommandFailed, CommandNotFound, CommandTimeout, Rejected
from anybatch.host import Command, Completed
from anybatch.model import Job
from anybatch.records import Batch, Limits, Submission, Transfer
from anybatch.testing import ScriptedHost
from anybatch_lsf.plugin import LSF, MOST_IDS
from anybatch_lsf.render import HIDDEN, PACKING, Cluster
from anybatch_lsf.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anybatch.records import Detection, JobStatus

TOKEN = "ab-20261120-094725-64a26d-0"
DEFAULTS = {setting.name: setting.default for setting in SETTINGS}
NAMED = "\nMy cluster name is cluster1\nMy master name is h1\n"
COPYRIGHT = "Copyright International Business Machines Corp. 1992, 2016.\n"
JSON = Completed(0, f"IBM Spectrum LSF Standard 10.1.0.12, Jun 10 2022\n{COPYRIGHT}{NAMED}")
TEXT = Completed(0, f"IBM Spectrum LSF Standard 10.1.0.0, Jul 08 2016\n{COPYRIGHT}{NAMED}")
NINE = Completed(0, f"Platform LSF 9.1.3.0, Jul 04 2014\n{NAMED}")
LAVA = Completed(0, f"openlava 2.2, Mar 10 2014\n{NAMED}")
MODERN = pytest.mark.parametrize("lsid", [JSON, TEXT], ids=["json", "text"])
OLD = pytest.mark.parametrize("lsid", [NINE, LAVA], ids=["9.1", "openlava"])
ALL = pytest.mark.parametrize(
    "lsid", [JSON, TEXT, NINE, LAVA], ids=["json", "text", "9.1", "openlava"]
)

AWAY = [
    "LSF is down. Please wait ...",
    "batch system daemon not responding ... still trying",
    "Failed in an LSF library call: Slave LIM configuration is not ready yet",
    "ls_getentityinfo() failed: LIM is down; try later",
    "Cannot connect to LSF. Please wait ...",
    "User permission denied",
    "",
]
HANGS = CommandTimeout(Command(("bjobs",)), "no answer within 60 s; it was ended")


def table(**own: Any) -> dict[str, Any]:
    """The plugin's settings."""
    return {**DEFAULTS, **own}


def submission(count: int = 1, modern: bool = True, **own: Any) -> Submission:
    cluster = Cluster(modern=modern, unit="MB")
    return Submission(
        token=TOKEN,
        run="20261120-094725-64a26d",
        number=0,
        folder=Path("/runs/one"),
        count=count,
        name="fit",
        settings=table(**own),
        limits=Limits(array=1000, render_context=cluster.render_context()),
    )


def script(lsid: Completed, *steps: tuple[str, Any], **more: Any) -> ScriptedHost:
    """A host of a cluster that is asked first which one it is."""
    return ScriptedHost(("lsid", lsid), *steps, **more)


def complains(*lines: str, stdout: str = "") -> Completed:
    """A command that has something to say on standard error."""
    return Completed(255, stdout, "".join(f"{line}\n" for line in lines))


def gone(*ids: str, stdout: str = "") -> Completed:
    """What bjobs prints of ids that it does not know, beside the others."""
    return complains(*(f"Job <{native_id}> is not found" for native_id in ids), stdout=stdout)


NOBODY = complains("No matching job found")


# -- detect

PARAMETERS = """\
lsb.params configuration at Fri Nov 20 09:00:00 2026

\tDEFAULT_QUEUE = short normal
\tMAX_JOB_ARRAY_SIZE = 5000
\tRESOURCE_RESERVE_PER_TASK = Y
"""
BPARAMS = ("bparams -a", Completed(0, PARAMETERS))
LAVA_PARAMETERS = """\

System default queues for automatic queue selection:
    DEFAULT_QUEUE = normal

The maximum number of elements of a job array:
    MAX_JOB_ARRAY_SIZE = 1000

"""
LAVA_BPARAMS = ("bparams -l", Completed(0, LAVA_PARAMETERS))
SHOWCONF = """\
MBD configuration at Fri Nov 20 09:00:00 2026

\tLSB_SHAREDIR = /lsf/work
\tLSF_UNIT_FOR_LIMITS = GB
"""
BADMIN = ("badmin showconf mbd", Completed(0, SHOWCONF))


def detect(*steps: tuple[str, Any], **more: Any) -> Detection:
    """What the plugin finds; all that the script expects is asked for."""
    host = ScriptedHost(*steps, **more)
    found = LSF(host).anybatch_detect(table(), choosing=False)
    assert host.steps == []
    assert all(command.timeout == timedelta(seconds=20) for command in host.ran)
    return found


@pytest.mark.parametrize("tool", ["bsub", "bjobs", "bkill", "lsid"])
def test_a_missing_tool_is_named(tool: str) -> None:
    """No command is run then. A cluster is here, because other tools are."""
    found = detect(missing=(tool,))
    assert (found.available, found.unreachable) == (False, True)
    assert found.reason.startswith(f"{tool} is not on the PATH, although b")


@pytest.mark.parametrize("sign", ["LSF_ENVDIR", "LSF_SERVERDIR", "LSB_JOBID", ""])
def test_signs_of_a_cluster_without_its_tools(sign: str) -> None:
    """A login node whose profile was not read is no stand-in for its cluster."""
    tools = ("bsub", "bjobs", "bkill", "lsid")
    found = detect(missing=tools, environ={sign: "x"} if sign else {})
    assert (found.available, found.unreachable) == (False, bool(sign))


def test_a_cluster_is_described() -> None:
    """For `anybatch systems` and `doctor`."""
    found = detect(("lsid", JSON), BPARAMS, BADMIN)
    assert (found.available, found.version) == (True, "10.1.0.12")
    assert found.reason == "IBM Spectrum LSF Standard 10.1.0.12"
    assert found.details == {
        **{"cluster": "cluster1", "default queue": "short"},
        **{"largest array": "5000", "unit for limits": "GB", "files": "shared"},
    }


def test_openlava_is_described() -> None:
    """It knows no `bparams -a`, and no unit."""
    found = detect(("lsid", LAVA), LAVA_BPARAMS)
    assert (found.available, found.version, found.reason) == (True, "2.2", "OpenLava 2.2")
    assert found.details == {
        **{"cluster": "cluster1", "default queue": "normal"},
        **{"largest array": "1000", "unit for limits": "the default", "files": "shared"},
    }


def test_what_is_not_told_is_not_known() -> None:
    """Details are no reason to refuse a cluster."""
    version = Completed(0, "IBM Spectrum LSF Standard 10.1.0.12, Jun 10 2022\n")
    found = detect(("lsid", version), ("bparams -a", Completed(0)), missing=("badmin",))
    assert found.available
    assert found.details == {
        **{"cluster": "not known", "default queue": "not known"},
        **{"largest array": "1000", "unit for limits": "not known", "files": "shared"},
    }


@pytest.mark.parametrize("answer", [HANGS, *map(complains, AWAY)], ids=["hangs", *AWAY])
def test_a_cluster_that_does_not_answer_is_away(answer: Any) -> None:
    """In its own words, never an exception; no other system takes its place."""
    for steps in ([("lsid", answer)], [("lsid", JSON), ("bparams -a", answer)]):
        found = detect(*steps)
        assert (found.available, found.unreachable) == (False, True)
        assert found.reason.startswith("LSF does not answer: ")
        told = str(answer) if isinstance(answer, Exception) else answer.stderr.strip()
        assert told in found.reason


@pytest.mark.parametrize(
    "words",
    [
        "lsid: ls_getentityinfo() failed: Unable to open file lsf.conf",
        "initenv: LSF_CONFDIR not defined in /etc/lsf.conf",
        "Cannot find LSF_ENVDIR",
    ],
)
def test_tools_without_a_cluster_are_not_a_cluster_that_is_away(words: str) -> None:
    """LSF may be installed where it is not set up; an LSF_ENVDIR says that it is."""
    assert detect(("lsid", complains(words)), environ={"LSF_ENVDIR": "/lsf"}).unreachable
    found = detect(("lsid", complains(words)))
    assert (found.available, found.unreachable) == (False, False)
    assert words in found.reason


def test_tools_of_another_system_are_not_lsf() -> None:
    """Slurm's contribs have a bsub, bjobs, bkill and lsid of their own."""
    slurm = "Slurm 22.05.8, May 1 2022\nCopyright SchedMD LLC, 2010-2017.\n"
    found = detect(("lsid", Completed(0, f"{slurm}{NAMED}")))
    assert (found.available, found.unreachable) == (False, False)
    assert "neither LSF nor OpenLava" in found.reason
    assert "Slurm 22.05.8" in found.reason


# -- limits


def limits(*steps: tuple[str, Any], own: dict[str, Any] | None = None, **more: Any) -> Limits:
    """What the plugin answers; all that the script expects is asked for."""
    host = ScriptedHost(*steps, **more)
    found = LSF(host).anybatch_limits(table(**(own or {})))
    assert host.steps == []
    assert not found.dependencies
    return found


@pytest.mark.parametrize(("own", "array"), [(None, 5000), (40, 40), (100_000, 5000), (0, 5000)])
def test_the_largest_array_is_the_clusters_or_less(own: int | None, array: int) -> None:
    """`max_array` can only lower it."""
    assert limits(("lsid", JSON), BPARAMS, BADMIN, own={"max_array": own}).array == array


def test_there_are_no_arrays_where_lsf_moves_files() -> None:
    """`-f` would copy the same file for every element."""
    assert limits(("lsid", JSON), BPARAMS, BADMIN, own={"transfer": "lsf"}).array == 1


@pytest.mark.parametrize(("own", "transfer"), [("lsf", Transfer.SYSTEM), ("shared", None)])
def test_lsf_moves_files_where_the_user_says_so(own: str, transfer: Transfer | None) -> None:
    """Else others may have an opinion."""
    assert LSF(ScriptedHost()).anybatch_transfer(Job(["true"]), table(transfer=own)) is transfer


@pytest.mark.parametrize(
    ("lsid", "modern"), [(JSON, True), (TEXT, True), (NINE, False), (LAVA, False)]
)
def test_the_dialect_is_told_to_those_who_write(lsid: Completed, modern: bool) -> None:
    """OpenLava and LSF before 10.1 know fewer options."""
    parameters = [LAVA_BPARAMS] if lsid is LAVA else [BPARAMS, BADMIN]
    assert Cluster.of(limits(("lsid", lsid), *parameters).render_context).modern is modern


@pytest.mark.parametrize(
    ("text", "unit"), [("LSF_UNIT_FOR_LIMITS=MB\n", "MB"), ("LSF_ENVDIR=/lsf/conf\n", "")]
)
def test_the_unit_is_read_from_the_clusters_configuration(
    tmp_path: Path, text: str, unit: str
) -> None:
    """LSF_ENVDIR says where it is; nobody has to be asked."""
    (tmp_path / "lsf.conf").write_text(text)
    found = limits(("lsid", JSON), BPARAMS, environ={"LSF_ENVDIR": str(tmp_path)})
    assert Cluster.of(found.render_context).unit == unit


@pytest.mark.parametrize("environ", [{}, {"LSF_ENVDIR": "/nowhere"}])
def test_the_unit_is_asked_for_where_the_configuration_cannot_be_read(
    environ: dict[str, str],
) -> None:
    """`badmin showconf mbd` tells everybody."""
    found = limits(("lsid", JSON), BPARAMS, BADMIN, environ=environ)
    assert Cluster.of(found.render_context).unit == "GB"
    unset = Completed(0, SHOWCONF.replace("LSF_UNIT", "# LSF_UNIT"))
    found = limits(("lsid", JSON), BPARAMS, (BADMIN[0], unset), environ=environ)
    assert Cluster.of(found.render_context).unit == ""


@pytest.mark.parametrize(
    "answer",
    [HANGS, complains("User permission denied"), Completed(0), Completed(0, "Not for you.\n")],
    ids=["hangs", "denied", "empty", "words"],
)
def test_a_unit_that_nobody_tells_is_not_known(answer: Any) -> None:
    """It is not taken for the default: a wrong unit is a limit a thousand times too small."""
    found = limits(("lsid", JSON), BPARAMS, (BADMIN[0], answer))
    assert Cluster.of(found.render_context).unit is None
    found = limits(("lsid", JSON), BPARAMS, missing=("badmin",))
    assert Cluster.of(found.render_context).unit is None


def test_openlava_has_no_unit_to_ask_for() -> None:
    """Its lsf.conf may be that of an LSF that was there before."""
    found = limits(("lsid", LAVA), LAVA_BPARAMS, environ={"LSF_ENVDIR": "/nowhere"})
    assert Cluster.of(found.render_context).unit == ""


@pytest.mark.parametrize(
    ("line", "per_task"),
    [
        ("RESOURCE_RESERVE_PER_TASK = Y", True),
        ("RESOURCE_RESERVE_PER_TASK = y", True),
        ("RESOURCE_RESERVE_PER_SLOT = Y", True),
        ("RESOURCE_RESERVE_PER_TASK = N", False),
        ("RESOURCE_RESERVE_PER_SLOT = N", False),
        ("MAX_JOB_NUM = 1000", False),
    ],
)
def test_what_memory_is_reserved_for_is_told(line: str, per_task: bool) -> None:
    """For each slot or each machine; older LSF has another name for it."""
    parameters = Completed(0, f"lsb.params configuration at ...\n\n\t{line}\n")
    found = limits(("lsid", JSON), ("bparams -a", parameters), BADMIN)
    assert Cluster.of(found.render_context).per_task is per_task


@pytest.mark.parametrize("answer", [HANGS, *map(complains, AWAY)], ids=["hangs", *AWAY])
def test_limits_are_not_guessed(answer: Any) -> None:
    """Where the cluster is away the run waits."""
    with pytest.raises((CommandFailed, CommandTimeout)):
        limits(("lsid", answer))
    with pytest.raises((CommandFailed, CommandTimeout)):
        limits(("lsid", JSON), ("bparams -a", answer))


# -- submit


def submit(answer: Any, count: int = 1) -> list[str]:
    """The ids that submitting gives, its one command answered so."""
    one = submission(count)
    host = ScriptedHost(("bsub", answer))
    lsf = LSF(host)
    rendered = lsf.anybatch_render(one)
    ids = list(lsf.anybatch_submit(one, rendered))
    assert host.ran == [rendered.command]
    return ids


@pytest.mark.parametrize(
    ("answer", "count", "ids"),
    [
        (Completed(0, "Job <1> is submitted to default queue <normal>.\n"), 1, ["1"]),
        (Completed(0, "Job <2> is submitted to queue <s>.\n"), 2, ["2[1]", "2[2]"]),
        (
            Completed(
                0,
                "*** Job <9> was nice. Welcome! ***\nJob <3> is submitted to queue <s>.\nBye.\n",
                "Cannot connect to LSF. Please wait ...\n",
            ),
            1,
            ["3"],
        ),
        # It was taken, whatever came after it:
        (
            complains("bsub: esub left a mess", stdout="Job <4> is submitted to queue <s>.\n"),
            1,
            ["4"],
        ),
    ],
)
def test_submitting_is_one_bsub_that_gives_the_ids(
    answer: Completed, count: int, ids: list[str]
) -> None:
    """Elements of an array are numbered from 1, in the order of the tasks."""
    assert submit(answer, count) == ids


@pytest.mark.parametrize(
    "words",
    [
        "nosuch: No such queue. Job not submitted.",
        "temporary: No such queue. Job not submitted.",
        "Queue <time-out> does not accept jobs of user <job limit>. Job not submitted.",
        "Job array index too large. Job not submitted.",
        "Bad resource requirement syntax. Job not submitted.",
        "MEMLIMIT: Cannot exceed queue's hard limit(s). Job not submitted.",
        "User cannot use the queue. Job not submitted.",
        "bsub: illegal option -- Jd\nUsage: bsub [-h] [-V] [-H] [-x] [-r] [-N] [-B] [-I]",
        "Project is missing.\nRequest aborted by esub. Job not submitted.",
        "Too many processors requested. Job not submitted.",
    ],
)
def test_what_lsf_refuses_for_good_is_rejected_in_its_words(words: str) -> None:
    """Nothing is tried again."""
    with pytest.raises(Rejected) as caught:
        submit(complains(words))
    assert str(caught.value) == f"bsub: {words}"
    with pytest.raises(Rejected, match="bsub: "):
        submit(Completed(255, stdout=f"{words}\n"))


@pytest.mark.parametrize(
    "answer",
    [
        *map(complains, AWAY),
        complains("User <alice>: Job limit exceeded. Job not submitted."),
        complains("Pending job threshold reached. Retrying in 60 seconds... Job not submitted."),
        complains("Too many processes. Job not submitted."),
        complains("Batch library internal error. Job not submitted."),
        complains("Master batch daemon internal error. Job not submitted."),
        complains("XDR encode/decode error. Job not submitted."),
        complains("Batch protocol error. Job not submitted."),
        complains("Cannot allocate memory. Job not submitted."),
        # It may have arrived:
        Completed(0),
        Completed(0, "Welcome!\n"),
        Completed(-9),
        Completed(-15, stderr="Job not submitted.\n"),
    ],
    ids=lambda answer: (answer.stderr or answer.stdout or str(answer.returncode)).strip()[-60:],
)
def test_what_may_pass_or_may_have_arrived_is_no_refusal(answer: Completed) -> None:
    """The core then looks for the token before it submits again; LSF's words are told."""
    with pytest.raises(CommandFailed) as caught:
        submit(answer)
    assert (answer.stderr or answer.stdout or "(no output)").strip() in str(caught.value)


@pytest.mark.parametrize("error", [CommandNotFound, CommandTimeout])
def test_a_bsub_that_cannot_run_or_hangs_decides_nothing(
    error: Callable[[Command, str], Exception],
) -> None:
    """The error is passed on as it is."""
    with pytest.raises((CommandNotFound, CommandTimeout)):
        submit(error(Command(("bsub",)), "no answer"))


def submit_packed(folder: Path, *steps: tuple[str, Any]) -> tuple[list[str], ScriptedHost]:
    """The ids that submitting gives where LSF moves the files, and who was asked."""
    one = attrs.evolve(
        submission(), folder=folder, transfer=Transfer.SYSTEM, transfer_sets=("stage-in/0",)
    )
    host = ScriptedHost(*steps)
    lsf = LSF(host)
    rendered = lsf.anybatch_render(one)
    limit = rendered.command.timeout + rendered.extra_timeout
    rendered = attrs.evolve(rendered, command=attrs.evolve(rendered.command, timeout=limit))
    return list(lsf.anybatch_submit(one, rendered)), host


SUBMITTED = Completed(0, "Job <1> is submitted to default queue <normal>.\n")


@pytest.mark.parametrize("packed", [Completed(0), Completed(1, "", "tar: x: file changed\n")])
def test_what_travels_is_packed_before_bsub(tmp_path: Path, packed: Completed) -> None:
    """Each in its own time. The archive is the owner's alone, and the token tells whose it is."""
    ids, host = submit_packed(tmp_path, ("tar -czhf", packed), ("bsub", SUBMITTED))
    assert ids == ["1"]
    archive = tmp_path / "lsf" / f"{TOKEN}.in.tgz"
    transfer_sets = (f"{tmp_path}/stage-in/{name}" for name in ("common", "tasks-0.0", "0"))
    words = [word for transfer_set in transfer_sets for word in ("-C", transfer_set, ".")]
    assert host.ran[0].argv == ("tar", "-czhf", str(archive), *words)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert [command.timeout for command in host.ran] == [PACKING, timedelta(minutes=2)]
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


@pytest.mark.parametrize(
    ("packed", "error"),
    [
        (Completed(2, "", "tar: x.tgz: Cannot write: No space left on device\n"), CommandFailed),
        (Completed(-9), CommandFailed),
        (Completed(2, "", "tar: ./a: Cannot open: Permission denied\n"), Rejected),
        (Completed(1, "", "tar: ./a: File removed before we read it\n"), Rejected),
    ],
)
def test_what_cannot_be_packed_is_not_submitted(
    tmp_path: Path, packed: Completed, error: type[Exception]
) -> None:
    """A full disk may pass; a file that is gone or cannot be read is told."""
    with pytest.raises(error, match="tar"):
        submit_packed(tmp_path, ("tar", packed))


# -- find

BY_DESCRIPTION = (
    f"bjobs -a -u alice -Jd {TOKEN}* -noheader -o",
    f"bhist -a -l -n 0 -u alice -Jd {TOKEN}*",
)
BY_NAME = (
    f"bjobs -a -w -u alice -J {TOKEN}.fit",
    f"bhist -a -l -n 0 -u alice -J {TOKEN}.fit",
)
#: How a job is looked for in each dialect: by bjobs, then by bhist.
FIND = {
    **dict.fromkeys((JSON, TEXT), BY_DESCRIPTION),
    **dict.fromkeys((NINE, LAVA), BY_NAME),
}
HEADING = "JOBID   USER    STAT  QUEUE      FROM_HOST   EXEC_HOST   JOB_NAME   SUBMIT_TIME\n"
NO_JOB = complains("No job found")


def find(lsid: Completed, *answers: Any, count: int = 1) -> list[str]:
    """The ids that are found where bjobs, and bhist where it is asked, answer so."""
    host = script(lsid, *zip(FIND[lsid], answers, strict=False))
    found = list(LSF(host).anybatch_find(submission(count, modern=lsid in (JSON, TEXT))))
    assert host.steps == []
    return found


@MODERN
@pytest.mark.parametrize(
    ("listed", "count", "ids"),
    [
        (f"17|{TOKEN}\n", 1, ["17"]),
        (f"16|{TOKEN}1\n17|{TOKEN} my own | words\n", 1, ["17"]),
        (f"17|{TOKEN}\n17|{TOKEN}\n", 2, ["17[1]", "17[2]"]),
        # LSB_BJOBS_DISPLAY_ENH shows elements so:
        (f"17[1]|{TOKEN}\n17[2]|{TOKEN}\n", 2, ["17[1]", "17[2]"]),
    ],
)
def test_a_job_is_found_by_its_description(
    lsid: Completed, listed: str, count: int, ids: list[str]
) -> None:
    """One bjobs, whatever its state and queue; one that has a longer token is another."""
    assert find(lsid, Completed(0, f"Welcome!\n{listed}"), count=count) == ids


@OLD
@pytest.mark.parametrize(
    ("jobs", "ids"), [(["17"], ["17"]), (["18[1]", "18[2]"], ["18[1]", "18[2]"])]
)
def test_an_old_cluster_is_asked_by_name(lsid: Completed, jobs: list[str], ids: list[str]) -> None:
    """The token begins the job's name there."""
    rows = "".join(_row(native_id, "PEND", "", "", "") for native_id in jobs)
    assert find(lsid, Completed(0, f"{HEADING}{rows}"), count=len(ids)) == ids


PURGED = """\
Job <{0}>, Job Name <{1}>, User <alice>, Project <default>, {2}Command <#!/bin/sh;
                     #BSUB -o /dev/null>
Fri Nov 20 10:00:00: Submitted from host <h1>, to Queue <normal>, CWD </runs/one>;
Fri Nov 20 10:00:04: Dispatched to <h2>;
Fri Nov 20 10:00:09: Done successfully. The CPU time used is 0.1 seconds;

Summary of time in seconds spent in various states by  Fri Nov 20 10:00:09
  PEND     PSUSP    RUN      USUSP    SSUSP    UNKWN    TOTAL
  4        0        5        0        0        0        9
"""


@MODERN
def test_a_purged_job_is_found_in_the_log_of_events(lsid: Completed) -> None:
    """After CLEAN_PERIOD bjobs knows it no more."""
    kept = [
        PURGED.format("16", "fit", f"Job Description <{TOKEN}1>, "),
        PURGED.format("17", "fit", f"Job Description <{TOKEN} mine>, "),
    ]
    assert find(lsid, NO_JOB, Completed(0, "\n".join(kept))) == ["17"]


@OLD
def test_a_purged_job_of_an_old_cluster_is_found_by_name(lsid: Completed) -> None:
    """One element is enough to know them all."""
    kept = [PURGED.format(f"18[{n}]", f"{TOKEN}.fit[{n}]", "") for n in (1, 2)]
    unknown = complains(f"Job <{TOKEN}.fit> is not found")
    assert find(lsid, unknown, Completed(0, "\n".join(kept)), count=2) == ["18[1]", "18[2]"]


@ALL
def test_what_is_nowhere_is_certainly_not_there(lsid: Completed) -> None:
    """Neither queue nor log of events know it."""
    for nothing in (NO_JOB, complains("No unfinished job found"), Completed(0), gone("x")):
        assert find(lsid, nothing, NOBODY) == []


@OLD
def test_a_name_that_is_not_found_may_hold_any_word(lsid: Completed) -> None:
    """Also one that would tell of something that passes."""
    name = f"{TOKEN}.threshold_scan"
    host = script(lsid, (f"bjobs -a -w -u alice -J {name}", gone(name)), ("bhist", NOBODY))
    one = attrs.evolve(submission(modern=False), name="threshold_scan")
    assert LSF(host).anybatch_find(one) == []
    assert host.steps == []


@ALL
def test_a_job_that_has_ended_is_found_whatever_the_exit_status(lsid: Completed) -> None:
    """LSB_BJOBS_CONSISTENT_EXIT_CODE: 255 where no job is unfinished."""
    rows = f"17|{TOKEN}\n" if lsid in (JSON, TEXT) else _row("17", "DONE", "", "", "h1")
    assert find(lsid, Completed(255, f"{HEADING}{rows}")) == ["17"]


@ALL
@pytest.mark.parametrize("answer", [HANGS, *map(complains, AWAY)], ids=["hangs", *AWAY])
def test_not_being_able_to_look_is_not_finding_nothing(lsid: Completed, answer: Any) -> None:
    """Nothing is decided then, and nothing submitted again."""
    for answers in ([answer], [NO_JOB, answer]):
        with pytest.raises((CommandFailed, CommandTimeout)):
            find(lsid, *answers)


# -- status

JOBS = {
    "7": ("RUN", "", "", "h1"),
    "8[1]": ("DONE", "", "", "h1"),
    "8[2]": ("EXIT", "7", "", "h2"),
    "8[3]": ("PEND", "", "", ""),
    "9": ("PSUSP", "", "", ""),
}
KNOWN = {
    **{"7": State.RUNNING, "8[1]": State.DONE, "8[2]": State.FAILED},
    **{"8[3]": State.QUEUED, "9": State.HELD},
}
#: How bjobs is asked in each dialect.
ASKS = {
    **{JSON: "bjobs -a -json -o", TEXT: "bjobs -a -noheader -o"},
    **{NINE: "bjobs -a -w", LAVA: "bjobs -a -w -p"},
}
FIELDS = "jobid jobindex stat exit_code exit_reason exec_host cpu_used max_mem pend_reason"


def listed(lsid: Completed, jobs: dict[str, Any], unknown: Iterable[str] = ()) -> Completed:
    """What bjobs answers in a dialect."""
    if lsid is JSON:
        errors = [{"JOBID": name, "ERROR": f"Job <{name}> is not found"} for name in unknown]
        records = [*(_record(native_id, *facts) for native_id, facts in jobs.items()), *errors]
        answer = {"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}
        return Completed(0, f"{json.dumps(answer, indent=2)}\n")
    if lsid is TEXT:
        records = [_record(native_id, *facts) for native_id, facts in jobs.items()]
        out = "".join(f"{'|'.join(v or '-' for v in one.values())}\n" for one in records)
    else:
        out = HEADING + "".join(_row(native_id, *facts) for native_id, facts in jobs.items())
    return gone(*unknown, stdout=out if jobs else "") if unknown else Completed(0, out)


def _record(native_id: str, stat: str, code: str, why: str, host: str) -> dict[str, str]:
    job, _, index = native_id.rstrip("]").partition("[")
    values = (job, index or "0", stat, code, why, host, "0.1 second(s)", "2 Mbytes", "")
    return dict(zip(FIELDS.upper().split(), values, strict=True))


def _row(native_id: str, stat: str, code: str, why: str, host: str) -> str:
    job, bracket, index = native_id.partition("[")
    where = host or ("-" if stat == "EXIT" else "")
    name = f"{TOKEN}.fit{bracket}{index}"
    return f"{job:<7} alice   {stat:<5} normal     h0          {where:<11} {name} Nov 20 10:00\n"


def ended_now() -> str:
    """The minute that it is, as commands print it."""
    return time.strftime("%a %b %e %H:%M")


def life(*ids: str, events: Iterable[str], day: str = "Fri Nov 20 10:00") -> str:
    """The long form of jobs with these events."""
    begin = "Submitted from host <h0>, to Queue <normal>, CWD </runs/one>;"
    lines = [begin, "Dispatched to <h1>;", *events]
    told = "".join(f"{day}:{n:02}: {line}\n" for n, line in enumerate(lines))
    blocks = (f"Job <{name}>, Job Name <fit>, User <alice>, Command <x>\n{told}\n" for name in ids)
    return f"{'-' * 78}\n\n".join(blocks)


DONE = ["Done successfully. The CPU time used is 0.1 seconds."]
EXITED = ["Exited with exit code 7. The CPU time used is 0.1 seconds."]
SIGNALLED = ["Exited with exit code 137. The CPU time used is 0.1 seconds."]
LONG_OLD = "bjobs -l -a"
BHIST = "bhist -l -a -n 0"
BACCT = "bacct -l"


def batch(*ids: str, **own: Any) -> Batch:
    """Jobs of one submission."""
    return Batch(submission=submission(**own), ids=ids)


def status(lsf: ScriptedHost | LSF, *ids: str) -> dict[str, JobStatus]:
    """What the plugin answers; all that the script expects is asked for."""
    plugin = lsf if isinstance(lsf, LSF) else LSF(lsf)
    [found] = plugin.anybatch_status([batch(*ids)])
    assert isinstance(plugin.host, ScriptedHost)
    assert plugin.host.steps == []
    return dict(found)


def states(lsf: ScriptedHost | LSF, *ids: str) -> dict[str, State]:
    return {native_id: one.state for native_id, one in status(lsf, *ids).items()}


@MODERN
def test_all_jobs_cost_one_bjobs(lsid: Completed) -> None:
    """Arrays are asked for once; who else is listed is not asked for."""
    jobs = {**JOBS, "8[4]": ("RUN", "", "", "h1")}
    host = script(lsid, (ASKS[lsid], listed(lsid, jobs)))
    assert states(host, *JOBS) == KNOWN
    assert host.ran[-1].argv[-3:] == ("7", "8", "9")
    delimiter = "" if lsid is JSON else " delimiter='|'"
    assert host.option("-o") == f"{FIELDS}{delimiter}"


@MODERN
def test_an_lsf_that_does_not_tell_why_jobs_wait(lsid: Completed) -> None:
    """A column that early versions lack is asked for once; other errors are errors."""
    refused = Completed(255, "", "bjobs: Invalid field name: pend_reason\n")
    host = script(lsid, (ASKS[lsid], refused), (ASKS[lsid], listed(lsid, JOBS)))
    lsf = LSF(host)
    assert states(lsf, *JOBS) == KNOWN
    host.steps = [(ASKS[lsid], listed(lsid, JOBS))]
    assert states(lsf, *JOBS) == KNOWN
    assert "pend_reason" not in host.option("-o")
    down = Completed(255, "", "bjobs: LSF is down\n")
    host.steps = [(ASKS[lsid], down)]
    with pytest.raises(CommandFailed):
        states(lsf, *JOBS)


@ALL
def test_each_submission_has_the_answers_about_its_jobs(lsid: Completed) -> None:
    """One command asks about all; its time limit is the most generous."""
    jobs = {"7": JOBS["7"], "9": JOBS["9"]}
    host = script(
        lsid, (ASKS[lsid], listed(lsid, jobs, unknown=("6",))), missing=("bhist", "bacct")
    )
    patient = batch("9", timeout=timedelta(minutes=5))
    found = LSF(host).anybatch_status([batch("7", "6"), patient])
    assert [list(one) for one in found] == [["7"], ["9"]]
    assert host.ran[-1].timeout == timedelta(minutes=5)


@MODERN
def test_reasons_of_ends_are_told(lsid: Completed) -> None:
    """With LSF's own words as the message."""
    why = "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit"
    host = script(lsid, (ASKS[lsid], listed(lsid, {"7": ("EXIT", "137", why, "h1")})))
    one = status(host, "7")["7"]
    assert (one.state, one.reason) == (State.FAILED, Reason.OUT_OF_MEMORY)
    assert (one.message, one.signal, one.source) == (why, 9, "bjobs")


@OLD
def test_an_old_cluster_is_asked_twice_more_about_what_has_ended(lsid: Completed) -> None:
    """Its table does not tell how, and its long form not whether that is the end."""
    long = Completed(0, life("8[1]", events=DONE) + life("8[2]", events=EXITED))
    host = script(lsid, (ASKS[lsid], listed(lsid, JOBS)), (LONG_OLD, long), (BHIST, long))
    found = status(host, *JOBS)
    assert {native_id: one.state for native_id, one in found.items()} == KNOWN
    assert found["8[2]"].exit_code == 7
    assert host.ran[1].argv[-3:] == ("7", "8", "9")
    assert host.ran[2].argv == ("bjobs", "-l", "-a", "8[1-2]")
    assert host.ran[3].argv == ("bhist", "-l", "-a", "-n", "0", "8[1-2]")


@OLD
@pytest.mark.parametrize("end", ["DONE", "EXIT"])
def test_a_job_that_is_to_run_again_has_not_ended(lsid: Completed, end: str) -> None:
    """It is listed as ended until the next round of scheduling; only its past tells."""
    last = DONE if end == "DONE" else SIGNALLED
    again = ["Signal <REQUEUE_PEND> requested by user or administrator <alice>;", *last]
    now = ended_now()
    begun = [*again, "Pending: Job has been requeued;", "Dispatched to <h1>;"]
    for past, state in ((again, State.QUEUED), (begun, State.RUNNING)):
        host = script(
            lsid,
            (ASKS[lsid], listed(lsid, {"7": (end, "", "", "h1")})),
            (LONG_OLD, Completed(0, life("7", events=last, day=now))),
            (BHIST, Completed(0, life("7", events=past, day=now))),
        )
        assert states(host, "7") == {"7": state}


@OLD
def test_a_job_that_is_purged_between_two_questions_is_asked_of_the_log(lsid: Completed) -> None:
    """The table alone does not tell how it ended."""
    jobs = {"7": ("EXIT", "", "", "h1"), "9": JOBS["9"]}
    host = script(
        lsid,
        (ASKS[lsid], listed(lsid, jobs)),
        (LONG_OLD, gone("7")),
        (f"{BHIST} 7", Completed(0, life("7", events=EXITED))),
    )
    found = status(host, "7", "9")
    assert (found["7"].exit_code, found["9"].state) == (7, State.HELD)


@OLD
def test_a_job_that_should_have_run_again_long_ago_has_ended(lsid: Completed) -> None:
    """No round of scheduling takes a quarter of an hour; nobody waits for ever."""
    again = ["Signal <REQUEUE_PEND> requested by user or administrator <alice>;", *EXITED]
    host = script(
        lsid,
        (ASKS[lsid], listed(lsid, {"7": ("EXIT", "", "", "h1")})),
        (LONG_OLD, Completed(0, life("7", events=EXITED))),
        (BHIST, Completed(0, life("7", events=again))),
    )
    assert states(host, "7") == {"7": State.FAILED}


@ALL
def test_done_is_no_success_by_itself_on_openlava_alone(lsid: Completed) -> None:
    """It says so of jobs that a signal has ended, in its table, its log and its long form."""
    jobs = {"7": ("DONE", "", "", "h1")}
    long = Completed(0, life("7", events=DONE))
    more = [(LONG_OLD, long), (BHIST, long)] if lsid in (NINE, LAVA) else []
    one = status(script(lsid, (ASKS[lsid], listed(lsid, jobs)), *more), "7")["7"]
    assert (one.state, one.needs_record) == (State.DONE, lsid is LAVA)
    gone_since = (ASKS[lsid], listed(lsid, {}, unknown=("7",)))
    one = status(script(lsid, gone_since, (BHIST, long)), "7")["7"]
    assert (one.state, one.needs_record) == (State.DONE, lsid is LAVA)


@OLD
def test_an_old_cluster_is_asked_who_has_sent_a_signal(lsid: Completed) -> None:
    """Only the log of events tells a job that was killed from one that died."""
    jobs = {"8[1]": JOBS["8[2]"], "8[2]": JOBS["8[2]"], "8[3]": JOBS["8[2]"]}
    killed = ["Signal <KILL> requested by user or administrator <root>;", *SIGNALLED]
    long = life("8[1]", events=EXITED) + life("8[2]", "8[3]", events=SIGNALLED)
    past = life("8[1]", events=EXITED) + life("8[2]", events=SIGNALLED)
    past += life("8[3]", events=killed)
    host = script(
        lsid,
        (ASKS[lsid], listed(lsid, jobs)),
        (LONG_OLD, Completed(0, long)),
        (BHIST, Completed(0, past)),
    )
    found = status(host, *jobs)
    assert [found[native_id].state for native_id in jobs] == [
        *(State.FAILED, State.FAILED, State.TERMINATED)
    ]
    assert [found[native_id].signal for native_id in jobs] == [None, 9, 9]
    assert found["8[3]"].message == "killed by root"
    assert host.ran[-1].argv[-1] == "8[1-3]"


@ALL
def test_purged_jobs_are_asked_of_the_log_of_events_then_of_accounting(lsid: Completed) -> None:
    """And no others: each command is about what the one before did not know."""
    jobs = {"7": JOBS["7"], "9": JOBS["9"]}
    purged = ("5[1]", "5[2]", "5[3]", "6", "4")
    steps = [
        (ASKS[lsid], listed(lsid, jobs, unknown=("5", "6", "4"))),
        (f"{BHIST} 6 4 5[1-3]", Completed(0, life("5[1]", "5[3]", events=EXITED))),
        (f"{BACCT} 6 4 5[2]", Completed(0, life("6", events=["Completed <done>."]))),
    ]
    assert states(script(lsid, *steps), "7", *purged, "9") == {
        **{"7": State.RUNNING, "9": State.HELD, "6": State.DONE},
        **{"5[1]": State.FAILED, "5[3]": State.FAILED},
    }


@ALL
def test_what_is_nowhere_is_left_out(lsid: Completed) -> None:
    """That is no verdict."""
    steps = [(ASKS[lsid], listed(lsid, {}, unknown=("5", "6"))), (BHIST, NOBODY), (BACCT, NOBODY)]
    assert states(script(lsid, *steps), "5[1]", "5[2]", "6") == {}


@ALL
def test_commands_that_are_not_there_are_not_asked(lsid: Completed) -> None:
    """Some sites keep bhist and bacct for administrators."""
    step = (ASKS[lsid], listed(lsid, {}, unknown=("6",)))
    assert states(script(lsid, step, missing=("bhist", "bacct")), "6") == {}


@ALL
def test_very_many_jobs_are_asked_for_by_user(lsid: Completed) -> None:
    """Their ids would make a command line too long."""
    ids = [str(number) for number in range(1, MOST_IDS + 2)]
    answer = listed(lsid, dict.fromkeys(ids, JOBS["7"]))
    host = script(lsid, (f"{ASKS[lsid]} -u alice", answer))
    assert set(states(host, *ids).values()) == {State.RUNNING}
    assert host.option("-u") == host.ran[-1].argv[-1]
    enough = script(lsid, (ASKS[lsid], answer))
    assert len(states(enough, *ids[1:])) == MOST_IDS
    assert "-u" not in enough.ran[-1].argv


@ALL
def test_many_elements_are_one_id(lsid: Completed) -> None:
    """An array of 5,000 is one word."""
    ids = [f"8[{number}]" for number in range(1, 5001)]
    host = script(lsid, (ASKS[lsid], listed(lsid, dict.fromkeys(ids, JOBS["7"]))))
    assert len(states(host, *ids)) == 5000
    assert host.ran[-1].argv[-1] == "8"


@ALL
def test_very_many_purged_jobs_are_asked_for_in_turns(lsid: Completed) -> None:
    """As few as the length of a command line allows."""
    ids = [str(number) for number in range(1, 2 * MOST_IDS + 2)]
    parts = [ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS)]
    answers = [Completed(0, life(*part, events=EXITED)) for part in parts]
    steps = [(f"{ASKS[lsid]} -u alice", NO_JOB), *((BHIST, answer) for answer in answers)]
    assert set(states(script(lsid, *steps), *ids).values()) == {State.FAILED}


@ALL
@pytest.mark.parametrize("answer", [HANGS, *map(complains, AWAY)], ids=["hangs", *AWAY])
def test_not_being_able_to_ask_is_not_an_answer(lsid: Completed, answer: Any) -> None:
    """No job's state changes, wherever it fails; LSF's words are in the error."""
    unknown = (ASKS[lsid], listed(lsid, {}, unknown=("7",)))
    for steps in (
        [(ASKS[lsid], answer)],
        [unknown, (BHIST, answer)],
        [unknown, (BHIST, NOBODY), (BACCT, answer)],
    ):
        with pytest.raises((CommandFailed, CommandTimeout)) as caught:
            states(script(lsid, *steps), "7")
        told = str(answer) if isinstance(answer, Exception) else answer.stderr.strip()
        assert told in str(caught.value)


@ALL
def test_a_part_of_an_answer_is_none(lsid: Completed) -> None:
    """LSF went down after it had listed some jobs, and said that it does not know others."""
    some = listed(lsid, {"7": JOBS["7"]}).stdout
    trouble = gone("8", stdout=some)
    for words in AWAY[:5]:
        cut = attrs.evolve(trouble, stderr=f"{trouble.stderr}{words}\n")
        with pytest.raises(CommandFailed):
            states(script(lsid, (ASKS[lsid], cut)), "7", "8")


@ALL
def test_an_answer_about_ended_jobs_is_one_whatever_the_exit_status(lsid: Completed) -> None:
    """LSB_BJOBS_CONSISTENT_EXIT_CODE: 255 where no job is unfinished."""
    answer = attrs.evolve(listed(lsid, {"7": ("DONE", "", "", "h1")}), returncode=255)
    long = Completed(255, life("7", events=DONE))
    more = [(LONG_OLD, long), (BHIST, long)] if lsid in (NINE, LAVA) else []
    assert states(script(lsid, (ASKS[lsid], answer), *more), "7") == {"7": State.DONE}
    for trouble in (
        attrs.evolve(answer, returncode=-9),
        attrs.evolve(answer, stderr="User permission denied\n"),
    ):
        with pytest.raises(CommandFailed):
            states(script(lsid, (ASKS[lsid], trouble)), "7")


@ALL
def test_an_unknown_id_and_a_banner_spoil_no_answer(lsid: Completed) -> None:
    """Sites greet on standard error too, and bjobs then ends with 255 for the unknown one."""
    out = listed(lsid, {"7": JOBS["7"]}).stdout
    answer = complains("Maintenance on Friday!", "Job <8> is not found", stdout=out)
    nobody = complains("Maintenance on Friday!", *NOBODY.stderr.splitlines())
    # OpenLava's bhist says it on standard output.
    aside = complains("Maintenance on Friday!", stdout=NOBODY.stderr)
    for past in (nobody, aside):
        host = script(lsid, (ASKS[lsid], answer), (BHIST, past), (BACCT, nobody))
        assert states(host, "7", "8") == {"7": State.RUNNING}


@ALL
def test_a_half_written_answer_is_no_wrong_one(lsid: Completed) -> None:
    """Wherever it breaks off, what is told of a job is right, or nothing is told of it."""
    # An old cluster would be asked once more about what has ended.
    ended = () if lsid in (JSON, TEXT) else ("DONE", "EXIT")
    jobs = {name: job for name, job in JOBS.items() if job[0] not in ended}
    whole = listed(lsid, jobs).stdout
    for end in range(len(whole)):
        cut = (ASKS[lsid], Completed(0, whole[:end]))
        found = states(script(lsid, cut, missing=("bhist", "bacct")), *JOBS)
        assert found.items() <= KNOWN.items()


# -- account


@MODERN
def test_use_is_told_by_bjobs_then_by_accounting(lsid: Completed) -> None:
    """One question each when a run has ended; accounting is asked for those that are purged."""
    accounted = (
        f"{life('6', events=['Completed <done>.'])}"
        "Accounting information about this job:\n"
        "     CPU_T     WAIT     TURNAROUND   STATUS     HOG_FACTOR    MEM    SWAP\n"
        "      1.50        4             42     done         0.0015     5M     10M\n"
    )
    host = script(
        lsid,
        (ASKS[lsid], listed(lsid, {"7": ("DONE", "", "", "h1")}, unknown=("6",))),
        (f"{BACCT} 6", Completed(0, accounted)),
    )
    [found] = LSF(host).anybatch_account([batch("7", "6")])
    assert host.steps == []
    assert (found["7"].cpu_time, found["7"].max_memory) == (timedelta(seconds=0.1), 2 * 2**20)
    assert (found["6"].cpu_time, found["6"].max_memory) == (timedelta(seconds=1.5), 5 * 2**20)


@MODERN
def test_accounting_is_not_asked_about_nobody(lsid: Completed) -> None:
    """Without ids it would list all of the user's jobs."""
    host = script(lsid, (ASKS[lsid], listed(lsid, {"7": ("DONE", "", "", "h1")})))
    assert [set(found) for found in LSF(host).anybatch_account([batch("7")])] == [{"7"}]


@OLD
def test_use_is_told_by_accounting_alone_on_an_old_cluster(lsid: Completed) -> None:
    """Its bjobs does not tell it; without bacct nobody does."""
    host = script(lsid, (f"{BACCT} 8[1-2]", NOBODY))
    assert LSF(host).anybatch_account([batch("8[1]", "8[2]")]) == [{}]
    assert host.steps == []
    nobody = script(lsid, missing=("bacct",))
    assert LSF(nobody).anybatch_account([batch("8[1]", "8[2]")]) == [{}]


# -- terminate


def terminate(
    ids: list[str], signal: str | None, answer: Any
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The one command that is run, whichever LSF it is, and what it refused."""
    host = ScriptedHost(("bkill", answer))
    [refused] = LSF(host).anybatch_terminate([batch(*ids)], signal)
    assert host.steps == []
    return host.ran[0].argv, dict(refused)


@pytest.mark.parametrize("signal", [None, "USR1", "KILL"])
def test_many_jobs_are_one_bkill(signal: str | None) -> None:
    """The elements of an array are put together; a signal is named."""
    ids = ["69", *(f"70[{number}]" for number in (1, 2, 3, 7)), "71[5]", "72"]
    which = ("-s", signal) if signal else ()
    assert terminate(ids, signal, Completed(0)) == (
        ("bkill", *which, "69", "72", "70[1-3,7]", "71[5]"),
        {},
    )
    whole = [f"7[{number}]" for number in range(1, 5001)]
    assert terminate(whole, signal, Completed(0)) == (("bkill", *which, "7[1-5000]"), {})


@pytest.mark.parametrize(
    "lines",
    [
        ["Job <7>: No matching job found"],
        ["Job <7>: Job has already finished"],
        ["Job <7>: Operation is in progress"],
        ["Job <7> is not found"],
        ["Job <7>: Job has not started yet"],
        ["Job <7>: No matching job found", "Job <8[2]>: Job has already finished"],
        ["Maintenance on Friday!", "Job <7>: No matching job found"],
    ],
)
def test_jobs_that_are_gone_are_no_error(lines: list[str]) -> None:
    """They have ended by themselves a moment ago, or are being killed."""
    stdout = "Job <9> is being terminated\n"
    for signal in (None, "TERM"):
        argv, refused = terminate(["7", "8[2]", "9"], signal, complains(*lines, stdout=stdout))
        assert argv
        assert refused == {}


@pytest.mark.parametrize(
    "lines",
    [
        ["Job <8>: User permission denied"],
        ["Job <7>: No matching job found", "Job <8>: User permission denied"],
        ["Maintenance on Friday!", "Job <8>: User permission denied"],
    ],
)
def test_a_job_that_may_not_be_killed_is_told(lines: list[str]) -> None:
    """A job that is gone does not hide that another one could not be told, and why."""
    _, refused = terminate(["7", "8"], None, complains(*lines))
    assert refused == {"8": "Job <8>: User permission denied"}


def test_each_submission_is_told_of_its_own_jobs() -> None:
    """They are killed with one command."""
    answer = complains("Job <8>: User permission denied", stdout="Job <7> is being terminated\n")
    host = ScriptedHost(("bkill 7 8", answer))
    refused = LSF(host).anybatch_terminate([batch("7"), batch("8")], None)
    assert refused == [{}, {"8": "Job <8>: User permission denied"}]


@pytest.mark.parametrize(
    "lines",
    [
        ["Job <9>: User permission denied"],
        ["Job <7>: No matching job found", "LSF is down. Please wait ..."],
        ["Job <8>: User permission denied", "LSF is down. Please wait ..."],
        *([words] for words in AWAY),
    ],
)
def test_a_bkill_that_failed_is_an_error(lines: list[str]) -> None:
    """It is not known of which jobs."""
    with pytest.raises(CommandFailed) as caught:
        terminate(["7", "8"], None, complains(*lines))
    assert lines[-1] in str(caught.value)


def test_a_bkill_that_hangs_is_an_error() -> None:
    """Whether it had an effect is not known."""
    with pytest.raises(CommandTimeout):
        terminate(["7"], None, HANGS)


@pytest.mark.parametrize(
    "words", ["NOSUCH: Illegal signal value", "NOSUCH: Unknown signal", "Bad signal name: NOSUCH"]
)
def test_an_unknown_signal_is_the_users_mistake(words: str) -> None:
    """LSF knows which there are."""
    with pytest.raises(UsageError, match="NOSUCH"):
        terminate(["7"], "NOSUCH", complains(words))


# -- every command


def test_every_command_has_a_time_limit_and_believes_not_to_be_in_a_job() -> None:
    """A cluster that is away does not hang us; a job around us changes no answer."""
    own = table(timeout=timedelta(seconds=9))
    host = script(
        JSON,
        *(BPARAMS, BADMIN),
        *((ASKS[JSON], listed(JSON, {}, unknown=("7",))), (BHIST, NOBODY), (BACCT, NOBODY)),
        *((ASKS[JSON], listed(JSON, {}, unknown=("7",))), (BACCT, NOBODY)),
        *((BY_DESCRIPTION[0], NO_JOB), (BY_DESCRIPTION[1], NOBODY), ("bkill 7", Completed(0))),
    )
    lsf, jobs = LSF(host), [batch("7", timeout=own["timeout"])]
    lsf.anybatch_limits(own)
    lsf.anybatch_status(jobs)
    lsf.anybatch_account(jobs)
    lsf.anybatch_find(submission(timeout=own["timeout"]))
    lsf.anybatch_terminate(jobs, None)
    assert host.steps == []
    assert {command.timeout for command in host.ran} == {own["timeout"]}
    assert {command.hide_env for command in host.ran} == {HIDDEN}
    assert {"LSB_JOB*", "LSB_BJOBS_*", "LSB_DISPLAY_*"} <= set(HIDDEN)


def test_which_lsf_it_is_is_asked_once() -> None:
    """A host is one cluster; another host may be another."""
    host = script(JSON)
    lsf = LSF(host)
    for _ in range(2):
        host.steps.append((ASKS[JSON], listed(JSON, JOBS)))
        assert states(lsf, *JOBS) == KNOWN
    assert host.commands == {"lsid": 1, "bjobs": 2}
    with pytest.raises(CommandFailed):
        states(ScriptedHost(("lsid", complains("LSF is down. Please wait ..."))), *JOBS)


def test_what_lsf_sets_for_a_job_is_not_inherited() -> None:
    """Where the cluster is, is."""
    host = ScriptedHost()
    found = LSF(host).anybatch_environment(Job(["true"]), table(), "lsf", Path("/"))
    assert {"LSB_*", "LS_*", "LSF_*"} <= set(found.scrub)
    assert {"HOSTTYPE", "LSFUSER", "OPENLAVA_VERSION"} <= set(found.scrub)
    assert {"LSF_ENVDIR", "LSF_SERVERDIR", "LSF_BINDIR", "LSF_LIBDIR"} <= set(found.keep)
