"""What jobs do on nodes beside their command: scratch folders, `setup_once` and `cleanup`."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.errors import JobError, SettingError
from anybatch.localfiles import LocalFiles
from anybatch.model import Job
from anybatch.packing import Pack
from anybatch.records import Environment, Transfer
from anybatch.testing.waiting import await_that
from anybatch.worker.exit_records import own_words

from .shells import send, write_run
from .toy import Toy, session_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from .shells import RunFolder, Shell

pytestmark = pytest.mark.usefixtures("isolated")


def node_of(base: Path) -> Path:
    """The disk of the node."""
    node = base.parent / "node disk"
    node.mkdir(exist_ok=True)
    return node


def write(base: Path, shell: Shell, jobs: Job | Sequence[Job], **core: Any) -> RunFolder:
    """The run of jobs on a node whose disk is `node_of`."""
    more = {"toy": core.pop("toy", None), "pack": core.pop("pack", None)}
    given = {name: value for name, value in more.items() if value is not None}
    settings = {"anybatch": {"scratch_dir": str(node_of(base)), **core}}
    return write_run(base, shell, jobs, settings=settings, **given)


def left_on(base: Path) -> list[str]:
    """What is left of jobs on the node."""
    [own] = node_of(base).glob("anybatch-*")
    return sorted(os.listdir(own))


# -- scratch


def test_scratch_is_private_and_removed(isolated: Path, shell: Shell) -> None:
    """The command has a folder of its own on the node's disk; nothing of it is left."""
    job = Job(["sh", "-c", "pwd; ls -A; stat -c %a . ..; mkdir -m 500 x; touch y"], scratch=True)
    run = write(isolated, shell, [job, job])
    assert [run.run(0), run.run(1)] == [0, 0], run.err()
    first, second = (run.out(index).splitlines() for index in (0, 1))
    assert first[0] != second[0]
    assert Path(first[0]).is_relative_to(node_of(isolated))
    assert first[1:] == ["700", "700"]
    assert left_on(isolated) == []
    assert os.listdir(isolated) == [".anybatch"]


def test_files_come_to_scratch_and_back(isolated: Path, shell: Shell) -> None:
    """Inputs and the program are copied there, outputs come to where the job was submitted."""
    (isolated / "data").mkdir()
    (isolated / "data/a.txt").write_text("one\n")
    (isolated / "prog").mkdir()
    text = "cat data/a.txt; mkdir data/sub; echo x | tee -a data/a.txt data/more data/sub/x >new"
    (isolated / "prog/fit").write_text(f"#!/bin/sh\n{text}\n")
    (isolated / "prog/fit").chmod(0o755)
    fields = {"inputs": ["data"], "scratch": True, "outputs": ["*", "data/*"]}
    run = write(isolated, shell, [Job(["./prog/fit"], **fields, output_dir=d) for d in (None, "r")])
    assert [run.run(1), run.run(0)] == [0, 0], run.err()
    assert [run.out(0), run.out(1)] == ["one\n", "one\n"]
    assert (isolated / "new").read_text() == (isolated / "r/new").read_text() == "x\n"
    assert not (isolated / "r/prog").exists()
    assert (isolated / "r/data/sub/x").read_text() == (isolated / "data/more").read_text() == "x\n"
    assert (isolated / "data/a.txt").read_text() == "one\n"
    assert not (isolated / "r/data/a.txt").exists()
    assert left_on(isolated) == []


def test_copies_of_the_submission_come_to_scratch(isolated: Path, shell: Shell) -> None:
    """`copy_inputs` needs no other working folder then."""
    (isolated / "a.txt").write_text("old\n")
    run = write(
        isolated, shell, Job(["cat", "a.txt"], inputs=["a.txt"], scratch=True, copy_inputs=True)
    )
    (isolated / "a.txt").write_text("new\n")
    assert run.run() == 0, run.err()
    assert run.out() == "old\n"


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("exit 3", {}),
        ("kill -9 $$", {}),
        ("true", {"outputs": ["missing"]}),
        ("true", {"setup": ["false"]}),
        ("true", {"inputs": ["gone"]}),
    ],
)
def test_scratch_goes_however_the_job_ends(
    isolated: Path, shell: Shell, command: str, fields: dict[str, Any]
) -> None:
    """Also where the job has failed, in whatever phase."""
    (isolated / "gone").touch()
    run = write(isolated, shell, Job(["sh", "-c", f"touch x; {command}"], scratch=True, **fields))
    (isolated / "gone").unlink()
    assert run.run() != 0
    assert len(run.names) == 1
    assert left_on(isolated) == []


def started(run: RunFolder, index: int = 0) -> subprocess.Popen[bytes]:
    """A job whose command has begun, which says so in its log."""
    process = run.start(index)
    log = run.path / "logs/0" / f"{index}.out"
    await_that(lambda: log.exists() and "begun" in log.read_text(), patience=120)
    return process


def test_scratch_goes_when_the_job_is_stopped(isolated: Path, shell: Shell) -> None:
    """At SIGTERM, as from a time limit."""
    run = write(isolated, shell, Job(["sh", "-c", "echo begun; exec sleep 600"], scratch=True))
    process = started(run)
    send(process, "TERM")
    process.wait(timeout=180)
    assert left_on(isolated) == []


def test_the_next_job_removes_what_a_kill_has_left(isolated: Path, shell: Shell) -> None:
    """Scratch of a job that was killed with all its processes; that of a living one stays."""
    job = Job(["sh", "-c", "echo begun; exec sleep 600"], scratch=True)
    run = write(isolated, shell, [job, job, Job(["sh", "-c", "true"], scratch=True)])
    killed, alive = started(run, 0), started(run, 1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert len(left_on(isolated)) == 2
    assert run.run(2) == 0, run.err(2)
    assert len(left_on(isolated)) == 1
    send(alive, "TERM")
    alive.wait(timeout=180)
    assert left_on(isolated) == []


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("{host}+{boot}+{space}+{other}+1", False),
        ("{host}+{boot}+{space}+{pid}+{start}", True),
        ("{host}+{boot}+{space}+{pid}+1", False),
        ("{host}+{boot}+9+{other}+1", True),
        ("{host}+an-earlier-boot+9+{other}+1", False),
        ("another+an-earlier-boot+9+{other}+1", True),
    ],
)
@pytest.mark.parametrize("kind", ["scratch", "users"])
def test_only_what_nobody_uses_for_sure_is_removed(
    isolated: Path, shell: Shell, name: str, stays: bool, kind: str
) -> None:
    """A process number that was given away again, another boot; not another machine's."""
    stat_line = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()
    parts = {
        "host": os.uname().nodename,
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "space": os.readlink("/proc/self/ns/pid").strip("pid:[]"),
        "pid": os.getpid(),
        "start": stat_line[19],
        "other": 2**22 + 7,  # above the most that Linux has
    }
    who = name.format(**parts)
    own = node_of(isolated) / f"anybatch-{os.getuid()}"
    own.mkdir(mode=0o700)
    left = own / (f"scratch.{who}" if kind == "scratch" else f"shared.x/users/{who}")
    left.mkdir(parents=True)
    run = write(isolated, shell, Job(["true"], scratch=True))
    assert run.run() == 0, run.err()
    assert (len(left_on(isolated)) == 1) == stays


def test_a_name_that_somebody_else_took_is_not_used(isolated: Path, shell: Shell) -> None:
    """A link, a file, or a folder that others can enter: the next name is taken."""
    node, uid = node_of(isolated), os.getuid()
    (isolated / "trap").mkdir(mode=0o700)
    (node / f"anybatch-{uid}").symlink_to(isolated / "trap")
    (node / f"anybatch-{uid}.1").touch()
    (node / f"anybatch-{uid}.2").mkdir()
    (node / f"anybatch-{uid}.2").chmod(0o777)
    run = write(isolated, shell, Job(["pwd"], scratch=True))
    assert run.run() == 0, run.err()
    assert run.out().startswith(f"{node}/anybatch-{uid}.3/")
    assert os.listdir(isolated / "trap") == []


@pytest.mark.parametrize("mode", [0o777, None])
def test_a_disk_where_others_can_replace_files_is_refused(
    isolated: Path, shell: Shell, mode: int | None
) -> None:
    """A folder that all can write to has to be sticky; one that is not there is told."""
    run = write(isolated, shell, Job(["true"], scratch=True))
    if mode is None:
        node_of(isolated).rmdir()
    else:
        node_of(isolated).chmod(mode)
    assert run.run() == 1
    assert run.record.phase == "setup"
    assert ("others can replace" if mode else "is not a folder") in run.err()


def test_scratch_is_below_the_node_s_temporary_folder(isolated: Path, shell: Shell) -> None:
    """Without a setting `TMPDIR` of the job tells where."""
    (isolated.parent / "tmp").mkdir()
    run = write_run(isolated, shell, Job(["pwd"], scratch=True))
    assert run.run(TMPDIR=str(isolated.parent / "tmp")) == 0
    assert run.out().startswith(str(isolated.parent / "tmp"))
    assert run.run(TMPDIR=str(isolated.parent / "gone")) == 0
    assert run.out().startswith(f"/tmp/anybatch-{os.getuid()}")


@pytest.mark.parametrize("transfer", list(Transfer))
def test_scratch_and_workdir_are_refused(isolated: Path, transfer: Transfer) -> None:
    """Both say where the command works."""
    (isolated / "work").mkdir()
    why = "scratch and workdir 'work' cannot be used together"
    session = session_of(isolated, Toy(transfer=transfer))
    with session, pytest.raises(JobError, match=why):
        session.plan(Job(["true"], scratch=True, workdir="work"))


def test_a_relative_disk_is_refused(isolated: Path) -> None:
    """Nobody knows where it would be on a node."""
    session = session_of(isolated, Toy(), settings={"anybatch": {"scratch_dir": "x"}})
    with session, pytest.raises(SettingError, match="scratch_dir must be an absolute path"):
        session.plan(Job(["true"]))


# -- cleanup

SHOW = 'echo "<$ANYBATCH_PHASE $ANYBATCH_EXIT_CODE $ANYBATCH_SIGNAL>"'


@pytest.mark.parametrize(
    ("command", "fields", "shown", "phase"),
    [
        ("exit 0", {}, "<command 0 >", "command"),
        ("exit 3", {}, "<command 3 >", "command"),
        ("kill -9 $$", {}, "<command  9>", "command"),
        ("exit 0", {"outputs": ["missing"]}, "<stage_out 1 >", "stage_out"),
        ("exit 0", {"setup": ["(exit 4)"]}, "<setup 4 >", "setup"),
        ("exit 0", {"inputs": ["gone"]}, "<stage_in 1 >", "stage_in"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_cleanup_runs_however_the_job_ends(
    isolated: Path,
    shell: Shell,
    command: str,
    fields: dict[str, Any],
    shown: str,
    phase: str,
    wrapped: bool,
) -> None:
    """It sees how; the verdict is the same as without it."""
    (isolated / "gone").touch()
    lines = [SHOW, "false", "exit 9", "echo $VALUE"]
    job = Job(["sh", "-c", command], cleanup=lines, env={"VALUE": "it's"}, **fields)
    toy = Toy(environment=Environment(wrapper=("env",) if wrapped else ()))
    run = write(isolated, shell, job, toy=toy)
    (isolated / "gone").unlink()
    run.run()
    assert run.record.phase == phase
    assert run.out().splitlines() == [shown, "it's"]
    assert "cleanup: status 1: false\n" in run.err()
    assert "cleanup: status 9: exit 9\n" in run.err()
    assert not run.record.caught


def test_cleanup_runs_when_the_job_is_stopped(isolated: Path, shell: Shell) -> None:
    """At SIGTERM, before the scratch folder goes; a further signal does not end it."""
    lines = ["cat begun; kill -TERM $$; sleep 0.3; echo still", SHOW]
    text = "echo x >begun; echo begun; exec sleep 600"
    run = write(isolated, shell, Job(["sh", "-c", text], cleanup=lines, scratch=True))
    process = started(run)
    send(process, "TERM")
    process.wait(timeout=180)
    assert run.out().splitlines()[1:] == ["x", "still", "<command  15>"]
    assert run.how == ("command", None, 15, "TERM")


def test_cleanup_is_limited_in_time(isolated: Path, shell: Shell) -> None:
    """What takes too long is stopped, and the job has ended as its command did."""
    job = Job(["true"], cleanup=["echo one; while :; do sleep 0.1; done", "echo two"])
    run = write(isolated, shell, job, cleanup_timeout=1)
    assert run.run() == 0
    assert run.how == ("command", 0, None, None)
    assert run.out() == "one\n"
    assert "cleanup: stopped after 1s" in run.err()


# -- setup_once

ONCE = 'echo ran >>"$LOG"; echo made >"$ANYBATCH_NODE_DIR/made"'
READ = ["sh", "-c", 'cat "$ANYBATCH_NODE_DIR/made"; echo begun; exec sleep "$0"']
#: Ends when so many others have come as well.
MEET = (
    'cat "$ANYBATCH_NODE_DIR/made"; echo begun; touch "$LOG.in.$ANYBATCH_INDEX"; '
    'until [ "$(ls -d "$LOG".in.* | wc -l)" -ge "$0" ]; do sleep 0.1; done'
)


def runs_of(log: Path) -> int:
    """How often the lines were run."""
    return log.read_text().count("ran\n") if log.exists() else 0


def once(base: Path, seconds: float, **fields: Any) -> Job:
    """A job with `ONCE`."""
    env = {"LOG": str(base / "log")}
    return Job([*READ, str(seconds)], **{"setup_once": [ONCE], "env": env, **fields})


def test_one_job_of_many_sets_up_a_node(isolated: Path, shell: Shell) -> None:
    """Jobs side by side find what it has made; the last one to leave removes it."""
    job = attrs.evolve(once(isolated, 0), command=["sh", "-c", MEET, "6"])
    run = write(isolated, shell, [job] * 6)
    processes = [run.start(index) for index in range(6)]
    assert [process.wait(timeout=180) for process in processes] == [0] * 6, run.err()
    assert [run.out(index) for index in range(6)] == ["made\nbegun\n"] * 6
    assert runs_of(isolated / "log") == 1
    assert left_on(isolated) == []


def test_a_job_that_comes_later_finds_it(isolated: Path, shell: Shell) -> None:
    """While another one is there; another run has a folder of its own, and so have other lines."""
    run = write(isolated, shell, [once(isolated, 600), once(isolated, 0)])
    other = write(isolated, shell, once(isolated, 0))
    first = started(run)
    assert [run.run(1), runs_of(isolated / "log")] == [0, 1]
    assert [other.run(), runs_of(isolated / "log")] == [0, 2]
    send(first, "TERM")
    first.wait(timeout=180)
    assert left_on(isolated) == []
    assert [run.run(1, restarts=1), runs_of(isolated / "log")] == [0, 3]


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_pack_keeps_it_to_its_end(isolated: Path, shell: Shell, lanes: int) -> None:
    """Jobs one after another in one job of the batch system are not last, but for the last one."""
    run = write(isolated, shell, [once(isolated, 0)] * 4, pack=Pack(4, side_by_side=lanes))
    assert run.run() == 0, run.err()
    assert [run.out(index) for index in range(4)] == ["made\nbegun\n"] * 4
    assert runs_of(isolated / "log") == 1
    assert run.system_output == ""
    assert left_on(isolated) == []


def test_its_failure_is_told_to_all(isolated: Path, shell: Shell) -> None:
    """Each job that was waiting has failed in its set-up, with the line."""
    lines = ["sleep 1; echo ran >>$LOG", "echo no; (exit 5)", "echo never >>$LOG"]
    run = write(isolated, shell, [once(isolated, 0, setup_once=lines)] * 3)
    processes = [run.start(index) for index in range(3)]
    assert [process.wait(timeout=180) for process in processes] == [1] * 3
    assert {name.split(".", 3)[3] for name in run.names} == {"setup.exit-1"}
    for index in range(3):
        assert "setup_once on" in run.err(index)
        assert "status 5: echo no; (exit 5)" in run.err(index)
    assert "never" not in (isolated / "log").read_text()
    assert left_on(isolated) == []


def users_of(base: Path) -> int:
    """How many jobs share a folder on the node."""
    return len(list(node_of(base).glob("anybatch-*/shared.*/users/*")))


@pytest.mark.parametrize("wait_for_others", [False, True])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_turn_of_one_that_was_killed_is_taken(
    isolated: Path, shell: Shell, how: signal.Signals, wait_for_others: bool
) -> None:
    """What it has left half done is removed before the lines are run again."""
    half = 'test ! -e "$ANYBATCH_NODE_DIR/half" || exit 9; touch "$ANYBATCH_NODE_DIR/half" "$LOG"'
    lines = [half, f'test "$ANYBATCH_INDEX" -ne 0 || sleep 600; {ONCE}']
    job = attrs.evolve(once(isolated, 0, setup_once=lines), command=["sh", "-c", MEET, "2"])
    run = write(isolated, shell, [job] * 3)
    first = run.start(0)
    await_that((isolated / "log").exists, patience=120)
    others = [run.start(1), run.start(2)]
    if wait_for_others:
        await_that(lambda: users_of(isolated) == 3, patience=120)
    os.killpg(first.pid, how)
    first.wait(timeout=180)
    assert [other.wait(timeout=180) for other in others] == [0, 0], run.err(1)
    assert runs_of(isolated / "log") == 1
    assert left_on(isolated) == []


def test_waiting_for_it_has_a_limit(isolated: Path, shell: Shell) -> None:
    """A job that waits too long has failed, and says for what."""
    lines = ["touch $LOG; sleep 600"]
    jobs = [once(isolated, 0, setup_once=lines)] * 2
    run = write(isolated, shell, jobs, setup_once_timeout=1)
    first = run.start(0)
    await_that((isolated / "log").exists, patience=120)
    assert run.run(1) == 1
    assert "setup_once of another job" in run.err(1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()


def test_the_next_job_of_any_run_removes_a_shared_folder_that_was_left(
    isolated: Path, shell: Shell
) -> None:
    """Where all jobs of a run were killed."""
    run = write(isolated, shell, once(isolated, 600))
    first = started(run)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert len(left_on(isolated)) == 2
    assert write(isolated, shell, Job(["true"], scratch=True)).run() == 0
    assert left_on(isolated) == []


def test_a_wrapper_passes_it_on(isolated: Path, shell: Shell) -> None:
    """The command finds the folder inside of a container, whatever that clears."""
    toy = Toy(environment=Environment(wrapper=("env", "-i", f"PATH={shell.path}")))
    run = write(isolated, shell, once(isolated, 0), toy=toy)
    assert run.run() == 0, run.err()
    assert run.out() == "made\nbegun\n"


def test_its_lines_see_what_the_command_sees(isolated: Path, shell: Shell) -> None:
    """Variables, the env_script, and the working folder with its inputs."""
    (isolated / "a.txt").write_text("input\n")
    (isolated / "site.sh").write_text("SITE=site; export SITE\n")
    lines = ['{ cat a.txt; echo $SITE "$VALUE"; } >"$ANYBATCH_NODE_DIR/made"']
    job = once(
        isolated,
        0,
        setup_once=lines,
        env={"VALUE": "it's"},
        env_script="site.sh",
        inputs=["a.txt"],
        scratch=True,
    )
    run = write(isolated, shell, job)
    assert run.run() == 0, run.err()
    assert run.out() == "input\nsite it's\nbegun\n"


def test_the_reason_of_a_failure_is_not_what_cleanup_prints(isolated: Path, shell: Shell) -> None:
    """Whatever it prints after that."""
    job = Job(["true"], setup=["(exit 4)"], cleanup=["echo noise >&2", "false"])
    run = write(isolated, shell, job)
    run.run()
    said = own_words(run.record, run.path / "logs/0/0.err", LocalFiles())
    assert said == "ended with status 4: setup: (exit 4)"
