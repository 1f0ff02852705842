"""Jobs on a machine that sees none of our folders: LSF moves the files, in both dialects."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch import Job, Reason, Session, State, UsageError
from anybatch.testing import TransferContract, native_id, waiting
from lsfsim.fixture import Simulator

if TYPE_CHECKING:
    from anybatch import Outcome
    from anybatch.run import Run

PATIENCE = 180
EXAMPLE = Path(__file__).parents[3] / "examples" / "transfer.py"
await_that = partial(waiting.await_that, patience=PATIENCE)
COMMON_TOOLS = ("cat", "chmod", "cp", "date", "mkdir", "mv", "rm", "sed", "sleep", "uname")
WAIT_FOR_GO = "while ! test -e /tmp/go; do sleep 0.1; done"

_WATCH_AND_DIE = """
import os, signal, sys
from anybatch import Session
from anybatch.localhost import LocalHost
run = LocalHost.run

def die(self, command):
    if command.argv[0] == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, command)

LocalHost.run = die
Session("lsf").attach(sys.argv[1]).wait(180)
"""

pytestmark = pytest.mark.skipif(
    subprocess.run(
        [
            "unshare",
            *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]),
            "--mount",
            "true",
        ],
        capture_output=True,
        check=False,
    ).returncode
    != 0,
    reason="mount namespaces cannot be made here",
)


@attrs.frozen
class Away:
    """A cluster whose jobs see nothing of ours.

    Attributes:
        cluster: the simulator.
        tmp: what its host has as /tmp.
        open: makes a session.
    """

    cluster: Simulator
    tmp: Path
    open: Callable[..., Session]

    @property
    def session(self) -> Session:
        """A session whose files LSF moves."""
        return self.open()

    def go(self) -> None:
        """Let jobs go on that wait for it."""
        (self.tmp / "go").touch()

    def await_file(self, name: str) -> None:
        """Wait until a job has made /tmp/NAME."""
        await_that((self.tmp / name).exists)

    @property
    def left(self) -> list[str]:
        """What lies in the host's /tmp, without what LSF itself leaves there."""
        theirs = ("lsbatch-", "go")
        return [n for n in os.listdir(self.tmp) if not n.startswith(theirs)]


@pytest.fixture(params=["lsf", "openlava"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_away(
    dialect: str,
    anybatch_home: Path,
    tmp_path: Path,
    make_cluster: Callable[..., Simulator],
    new_session: Callable[..., Session],
) -> Callable[..., Away]:
    def make(**settings: Any) -> Away:
        tmp = tmp_path / "worker"
        hidden = [str(anybatch_home)]
        cluster = make_cluster(dialect=dialect, tmp=str(tmp), hidden=hidden, **settings)

        def session(core: dict[str, Any] | None = None, **own: Any) -> Session:
            tables = {"anybatch": core or {}, "lsf": {"transfer": "lsf", **own}}
            return new_session("lsf", settings=tables)

        return Away(cluster, tmp, session)

    return make


@pytest.fixture
def away(make_away: Callable[..., Away]) -> Away:
    return make_away()


def ended(run: Run) -> list[Outcome]:
    """The outcomes, looked for often."""
    await_that(lambda: run.finished, run.refresh)
    return run.wait(0)


def message(run: Run) -> str | None:
    return run.jobs[0].message


def out(outcome: Outcome) -> str:
    assert outcome.stdout
    return outcome.stdout.read_text()


def err(outcome: Outcome) -> str:
    assert outcome.stderr
    return outcome.stderr.read_text()


class TestLsfTransfer(TransferContract):
    """What every batch system must do that moves files, LSF and OpenLava do."""

    system = "lsf"

    @pytest.fixture
    def session(self, away: Away) -> Session:
        return away.session


# -- there and back


def test_nothing_is_left_of_a_job_but_what_lsf_has_fetched(away: Away) -> None:
    """However it has ended; each is a submission of its own, with a folder of its own."""
    jobs = [
        Job(["sh", "-c", "pwd >&2"]),
        *(Job(["sh", "-c", end]) for end in ("exit 3", "kill -9 $$")),
        Job(["true"], setup=["false"]),
        Job(["true"], outputs=["*.root"]),
    ]
    session = away.session
    run = session.submit(jobs)
    first, *failed = ended(run)
    assert first.done
    assert err(first).startswith("/tmp/ab-")
    assert {outcome.state for outcome in failed} == {State.FAILED}
    assert session.host.commands["bsub"] == len(jobs)
    assert os.listdir(run.folder / "lsf") == []
    assert all(name.endswith(".out.tgz") for name in away.left)


def test_a_link_among_outputs_comes_as_what_it_leads_to(away: Away) -> None:
    """As on every system that moves files; what it leads to may not come along."""
    script = "echo new >fit; ln -s fit newest"
    job = Job(["sh", "-c", script], outputs=["fit", "newest"], output_dir="results")
    [outcome] = ended(away.session.submit(job))
    assert outcome.done
    assert not Path("results/newest").is_symlink()
    assert Path("results/newest").read_text() == "new\n"


def test_the_example_of_travelling_files_runs(away: Away) -> None:
    """It is the same as on every batch system."""
    Path("anybatch.toml").write_text('[lsf]\ntransfer = "lsf"\n')
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "lsf"],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sums = [path.read_text() for path in sorted(Path("transfer/results").glob("*/fits/sum.txt"))]
    assert sums == [
        "samples/muons.txt: 42\n",
        "samples/pions.txt: 210\n",
        "samples/kaons.txt: 700\n",
    ]
    assert "in /tmp/ab-" in done.stdout


@pytest.mark.parametrize(
    ("operator", "there", "here"),
    [
        (">", "ours", "ours"),
        ("<", "", "theirs"),
        ("<<", "", "ourstheirs"),
        ("><", "ours", "ourstheirs"),
        ("<>", "ours", "ourstheirs"),
    ],
)
def test_the_simulator_copies_as_the_manual_says(
    away: Away, operator: str, there: str, here: str
) -> None:
    """Before the job, after it, or both; appended where it says so."""
    Path("a").write_text("ours")
    Path("seen").touch()
    copies = ("-f", f"{Path.cwd()}/a {operator} b", "-f", f"{Path.cwd()}/seen < seen")
    away.cluster.run("bsub", *copies, stdin="touch b; cat b >seen; printf theirs >>b\n")
    await_that(lambda: "DONE" in away.cluster.run("bjobs", "-a").stdout)
    assert Path("seen").read_text() == there
    assert Path("a").read_text() == here


# -- ends


def test_a_terminated_job_has_its_last_words(away: Away) -> None:
    """The command gets the signal and may clean up; its record and logs come back."""
    script = "trap 'echo cleaned; exit 44' INT; echo begun; touch /tmp/ready"
    run = away.session.submit(Job(["sh", "-c", f"{script}; {WAIT_FOR_GO}"]))
    away.await_file("ready")
    run.terminate()
    [outcome] = ended(run)
    assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.TERMINATED)
    assert out(outcome) == "begun\ncleaned\n"
    assert any("exit record 0.0.0.command.exit-44.INT" in text for text in outcome.evidence)


def test_a_signal_reaches_the_command_once(away: Away) -> None:
    """And what surrounds the job lives on."""
    script = "trap 'echo got; touch /tmp/go' USR1; touch /tmp/ready"
    run = away.session.submit(Job(["sh", "-c", f"{script}; {WAIT_FOR_GO}; sleep 0.5"]))
    away.await_file("ready")
    run.terminate(signal="USR1")
    [outcome] = ended(run)
    assert outcome.done
    assert out(outcome) == "got\n"


def test_a_job_ended_while_it_waits_brings_nothing_back(away: Away) -> None:
    """Nothing is waited for either."""
    session = away.open(transfer_patience="1h")
    run = session.submit(Job(["true"], settings={"lsf": {"hold": True}}))
    run.terminate()
    [outcome] = ended(run)
    assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.TERMINATED)


def test_a_job_that_is_killed_at_once_is_a_signal(away: Away) -> None:
    """Nothing can come back; LSF's word is the evidence."""
    session = away.open(transfer_patience="1s")
    [outcome] = ended(session.submit(Job(["sh", "-c", "kill -9 0"])))
    assert (outcome.state, outcome.reason, outcome.signal) == (State.FAILED, Reason.SIGNAL, 9)


# -- copies that fail, or come late


def test_a_job_whose_inputs_do_not_come_has_failed(away: Away, dialect: str) -> None:
    """OpenLava starts it all the same, and it says so; of the other it is known that it ended."""
    away.cluster.fault("once lsrcp fail no route")
    [outcome] = ended(away.open(transfer_patience="1s").submit(Job(["true"])))
    assert outcome.state is State.FAILED
    assert outcome.message
    if dialect == "openlava":
        assert outcome.reason is Reason.SETUP
        assert "did not come whole" in outcome.message
    else:
        assert "its files have not come back" in outcome.message


@pytest.mark.parametrize(
    ("code", "reason", "told"), [(0, Reason.STAGE_OUT, None), (3, Reason.EXIT_CODE, 3)]
)
def test_a_job_of_which_nothing_comes_is_not_done(
    away: Away, code: int, reason: Reason, told: int | None
) -> None:
    """LSF's word alone is evidence of a failure, and none that files are where they belong."""
    session = away.open(transfer_patience="1s")
    run = session.submit(Job(["sh", "-c", f"touch /tmp/ready; {WAIT_FOR_GO}; exit {code}"]))
    away.await_file("ready")
    away.cluster.fault("lsrcp fail no route")
    away.go()
    [outcome] = ended(run)
    assert (outcome.state, outcome.reason, outcome.exit_code) == (State.FAILED, reason, told)
    assert outcome.message
    assert "its files have not come back" in outcome.message


def test_files_that_come_after_the_end_are_waited_for(make_away: Callable[..., Away]) -> None:
    """Half an archive is no archive, and as long as it grows there is hope."""
    away = make_away(copies_late=True)
    job = Job(["sh", "-c", f"touch /tmp/ready; {WAIT_FOR_GO}; echo x >x"], outputs=["x"])
    run = away.session.submit(job)
    away.await_file("ready")
    away.cluster.fault("lsrcp half")
    away.go()
    await_that(lambda: "not come back whole" in (message(run) or ""), run.refresh)
    assert run.counts == {State.RUNNING: 1}
    assert not Path("x").exists()
    away.cluster.fault()
    [outcome] = ended(run)
    assert outcome.done
    assert Path("x").read_text() == "x\n"


def test_what_cannot_be_unpacked_stays_and_is_told(away: Away) -> None:
    """A folder in the way of a file; nothing that has come is thrown away."""
    Path("x").mkdir()
    Path("x/in-the-way").touch()
    job = Job(["sh", "-c", "echo x >x"], outputs=["x"])
    run = away.open(transfer_patience="1s").submit(job)
    [outcome] = ended(run)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.STAGE_OUT)
    assert outcome.message
    [archive] = (run.folder / "lsf").glob("*.out.tgz")
    assert f"its files cannot be unpacked: {archive}: " in outcome.message
    assert archive.exists()
    assert os.listdir("x") == ["in-the-way"]


@pytest.mark.parametrize("moment", ["flock", "rm"])
def test_killed_while_files_come_nothing_is_lost(
    away: Away, run_python: Callable[..., subprocess.Popen[str]], moment: str
) -> None:
    """Before unpacking, in it, and when all is unpacked: who comes later goes on."""
    Path("anybatch.toml").write_text('[lsf]\ntransfer = "lsf"\n')
    session = away.session
    run = session.submit(Job(["sh", "-c", "echo x >x; exit 3"], outputs=["x"]))
    dying = run_python(_WATCH_AND_DIE, run.id, moment)
    dying.communicate(timeout=PATIENCE)
    assert dying.returncode == -signal.SIGKILL
    [outcome] = ended(away.session.attach(run.id))
    assert (outcome.reason, outcome.exit_code) == (Reason.EXIT_CODE, 3)
    assert Path("x").read_text() == "x\n"
    assert os.listdir(run.folder / "lsf") == []


# -- what is submitted


def test_what_was_shown_is_what_lsf_has(away: Away) -> None:
    """To the byte."""
    session = away.session
    run = session.submit(Job(["true"]))
    submission = run.watched.state.submissions[0].planned.submission
    shown = session.hooks.render("lsf", submission).command
    spooled = away.cluster.folder / "spool" / native_id(run)
    assert spooled.read_text() == shown.stdin
    assert ended(run)[0].done


def test_a_submission_that_arrived_unnoticed_is_not_repeated(away: Away) -> None:
    """`bsub` gave up, mbatchd had the job: it is found, and so are its files."""
    session = away.open(core={"submit_timeout": "5s"})
    session.plan(Job(["true"]))
    away.cluster.fault("bsub swallow")
    run = session.submit(Job(["sh", "-c", "echo x >x; echo x >>/tmp/ran"], outputs=["x"]))
    assert run.counts == {State.NEW: 1}
    away.cluster.fault()
    assert run.wait(PATIENCE)[0].done
    assert Path("x").read_text() == "x\n"
    assert (away.tmp / "ran").read_text() == "x\n"


def test_a_file_that_is_gone_when_its_job_is_submitted_is_told(away: Away) -> None:
    """The job waited for another one; tar's words are in the message."""
    Path("a.txt").write_text("a")
    first = Job(["true"], name="first")
    second = Job(["cat", "a.txt"], inputs=["a.txt"], after=first, name="second")
    run = away.session.submit([first, second])
    Path("a.txt").unlink()
    done, refused = run.wait(PATIENCE)
    assert done.done
    assert (refused.state, refused.reason) == (State.FAILED, Reason.REJECTED)
    assert refused.message
    assert "a.txt" in refused.message


def test_a_path_that_lsf_cannot_carry_is_refused(away: Away) -> None:
    """Before anything is submitted, with what to do."""
    session = away.open(core={"runs_dir": "my runs"})
    with pytest.raises(UsageError, match=r"'/.*/my runs/.*runs_dir"):
        session.submit(Job(["true"]))
    assert not Path("my runs").exists()


def test_jobs_may_ask_for_it_by_themselves(away: Away, new_session: Callable[..., Session]) -> None:
    """Each is a submission of its own then, for an array has one name for what comes back."""
    session = new_session("lsf")
    script = "echo $ANYBATCH_INDEX >x$ANYBATCH_INDEX"
    job = Job(["sh", "-c", script], outputs=["x*"], settings={"lsf": {"transfer": "lsf"}})
    run = session.submit([job, job])
    assert [outcome.done for outcome in ended(run)] == [True, True]
    assert [Path(f"x{index}").read_text() for index in (0, 1)] == ["0\n", "1\n"]
    assert session.host.commands["bsub"] == 2


# -- the worker


@pytest.fixture
def packed(away: Away) -> tuple[Run, str, Path]:
    """A job that LSF holds, its batch script, and its archive."""
    session = away.session
    job = Job("echo one >x; echo two >&2", outputs=["x"], settings={"lsf": {"hold": True}})
    run = session.submit(job)
    submission = run.watched.state.submissions[0].planned.submission
    script = session.hooks.render("lsf", submission).command.stdin
    [archive] = (run.folder / "lsf").glob("*.in.tgz")
    return run, script, archive


def start(script: str, folder: Path, argv: list[str], path: str) -> int:
    """Run a batch script in a folder; its exit status."""
    (folder / "script").write_text(script)
    return subprocess.run(
        [*argv, str(folder / "script")],
        cwd=folder,
        env={"PATH": path, "TMPDIR": str(folder), "LSB_JOBID": "7"},
        timeout=PATIENCE,
        check=False,
    ).returncode


@pytest.mark.parametrize("dialect", ["lsf"], indirect=True)
@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_a_worker_needs_a_shell_tar_and_gzip(
    packed: tuple[Run, str, Path], tmp_path: Path, shell: str
) -> None:
    """Also where all of them are busybox, and bash is not there."""
    busybox = shutil.which("busybox")
    program = shutil.which(shell)
    assert busybox
    assert program
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in (*("sh", "tar", "gzip", "mktemp"), *COMMON_TOOLS):
        (tools / name).symlink_to(busybox)
    run, script, archive = packed
    folder = tmp_path / "there"
    folder.mkdir()
    shutil.copy(archive, folder)
    argv = [program, "sh"] if shell == "busybox" else [program]
    assert start(script, folder, argv, str(tools)) == 0
    brought = archive.name.replace(".in.", ".out.")
    assert sorted(os.listdir(folder)) == sorted([brought, "script"])
    assert (folder / brought).stat().st_mode & 0o777 == 0o600
    shutil.copy(folder / brought, run.folder / "lsf")
    run.terminate()
    ended(run)
    assert Path("x").read_text() == "one\n"


@pytest.mark.parametrize("dialect", ["lsf"], indirect=True)
@pytest.mark.parametrize("kind", ["none", "link", "half"])
def test_what_did_not_come_whole_is_not_run(
    packed: tuple[Run, str, Path], tmp_path: Path, kind: str
) -> None:
    """Nor what somebody else has put there; why is among what comes back."""
    _, script, archive = packed
    folder = tmp_path / "there"
    folder.mkdir()
    if kind == "link":
        (folder / archive.name).symlink_to(archive)
    elif kind == "half":
        (folder / archive.name).write_bytes(archive.read_bytes()[:-100])
    assert start(script, folder, ["sh"], os.environ["PATH"]) == 1
    brought = folder / archive.name.replace(".in.", ".out.")
    text = subprocess.run(
        ["tar", "-xzOf", str(brought), "logs/lsf-7.log"], capture_output=True, text=True, check=True
    ).stdout
    assert f":{folder / archive.name}" in text
    assert archive.exists()


@pytest.mark.parametrize("dialect", ["lsf"], indirect=True)
@pytest.mark.parametrize(("status", "record"), [(0, "command.exit-0"), (2, "stage_out.exit-1")])
def test_only_kill_ends_the_packing(
    packed: tuple[Run, str, Path], tmp_path: Path, status: int, record: str
) -> None:
    """Signals do not, and where not all could be packed the command's success is no success."""
    _, script, archive = packed
    tools, folder = tmp_path / "tools", tmp_path / "there"
    tools.mkdir()
    folder.mkdir()
    (tools / "tar").write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -czf ] || exec {shutil.which("tar")} "$@"\n'
        'kill -s INT "$$" "$PPID"; kill -s TERM "$$" "$PPID"\n'
        f'{shutil.which("tar")} "$@"; exit {status}\n'
    )
    (tools / "tar").chmod(0o700)
    shutil.copy(archive, folder)
    assert start(script, folder, ["sh"], f"{tools}:{os.environ['PATH']}") == min(status, 1)
    brought = folder / archive.name.replace(".in.", ".out.")
    listed = subprocess.run(
        ["tar", "-tzf", str(brought)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in listed if name.startswith("exit/0/0")] == [f"exit/0/0.0.0.{record}"]
    assert "stage-out/0/x" in listed
