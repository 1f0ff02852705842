"""What a job gets of its submitter, and what job and supervisor leave behind."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch import Job, Session
from anybatch.local import attributes, parse, processes
from anybatch.local.folder import StateFolder, UnsuitableFolder
from anybatch.localhost import LocalHost
from anybatch.testing import await_that

from .conftest import is_gone

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Local

WAIT = 'until [ -e "$TMP/go" ]; do sleep 0.02; done'
TELL = (
    'umask >"$TMP/umask"; nice >"$TMP/nice"; ulimit -Sn >"$TMP/files"; '
    'grep Cpus_allowed_list /proc/self/status >"$TMP/cores"'
)


def submit_as(local: Local, script: str, become: Callable[[], None]) -> list[str]:
    """The ids of a job submitted by a process that has first run *become*."""
    rendered = local.plugin.anybatch_render(local.submission(script))
    for file in rendered.files:
        local.host.write(file.path, file.text, file.mode)
    environ = {**local.host.environ, **rendered.command.env}
    done = subprocess.run(
        rendered.command.argv, env=environ, preexec_fn=become, check=True, capture_output=True
    )
    return [str(native) for native in json.loads(done.stdout)["ids"]]


def odd() -> None:
    """Take on attributes that nobody has by default."""
    os.umask(0o027)
    os.nice(3)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_NOFILE, (123, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def told(local: Local) -> dict[str, str]:
    return {name: local.lines(name)[0].split()[-1] for name in ("umask", "nice", "files", "cores")}


def test_a_job_has_the_attributes_of_its_submitter(local: Local) -> None:
    """Umask, niceness, processors and limits are the submitter's, whoever came first."""
    local.submit(WAIT)
    own = attributes.own()
    local.wait(submit_as(local, TELL, odd))
    assert told(local) == {
        "umask": "0027",
        "nice": str(own.nice + 3),
        "files": "123",
        "cores": str(max(own.cores)),
    }
    assert (local.tmp / "umask").stat().st_mode & 0o777 == 0o640


def test_the_first_submitter_is_forgotten(local: Local) -> None:
    """A job does not have what the first submitter had, as far as the kernel takes it back."""
    submit_as(local, WAIT, odd)
    local.wait(local.submit(TELL))
    own = attributes.own()
    seen = told(local)
    assert int(seen["umask"], 8) == own.umask
    assert seen["files"] == str(own.limits["RLIMIT_NOFILE"][0]).replace("-1", "unlimited")
    cores = [part.split("-") for part in seen["cores"].split(",")]
    assert sum(int(part[-1]) - int(part[0]) + 1 for part in cores) == len(own.cores)


def test_what_cannot_be_given_is_said(local: Local) -> None:
    """Where the kernel refuses an attribute, the job runs, and the system's log names it."""
    one = local.submission("exit 0")
    log = local.tmp / "log"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = attributes.own()
    limits = {**wanted.limits, "RLIMIT_NOFILE": (hard, 2**40)}  # beyond fs.nr_open, for all users
    asked = attributes.Attributes(
        umask=wanted.umask, nice=wanted.nice, cores=(100_000,), group=wanted.group,
        groups=wanted.groups, limits=limits,
    )  # fmt: skip
    pid = processes.launch(
        ("/bin/sh", str(one.folder / "job.sh"), "0", "1", "0"),
        processes.environment(), str(log), local.tmp / "marker", asked,
    )  # fmt: skip
    assert os.waitpid(pid, 0)[1] == 0
    said = log.read_text().splitlines()
    assert [line.rpartition(" the job could not get ")[2] for line in said] == [
        "the processors 100000",
        f"RLIMIT_NOFILE {2**40}",
    ]


def test_a_program_that_cannot_be_started_is_an_error(local: Local) -> None:
    """With the attributes of another submitter, too, a start that fails raises."""
    with pytest.raises(FileNotFoundError):
        processes.launch(
            ("/no/such", "x"), {}, str(local.tmp / "log"), local.tmp / "m", attributes.own()
        )


def test_the_supervisor_leaves_the_family_of_its_starter(local: Local) -> None:
    """Neither parent, group, session nor variables lead from the starter to the supervisor."""
    local.host.environ = {**local.host.environ, "_CONDOR_ANCESTOR_1": "1:2:3", "SLURM_JOB_ID": "7"}
    local.submit(WAIT)
    pid = local.supervisor
    names = {
        word.partition(b"=")[0] for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    }
    assert not {name for name in names if name.startswith((b"_CONDOR", b"SLURM", b"ANYBATCH"))}
    assert os.getsid(pid) == os.getpgid(pid) == pid
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    line = Path(f"/proc/{parent}/cmdline").read_bytes()
    assert b"anybatch.local" not in line


LEAVE = 'echo $$ >>"$TMP/pids"; exec sleep 300'


@pytest.mark.parametrize(
    "way",
    [
        f"setsid sh -c '{LEAVE}' &",
        f"(setsid sh -c '{LEAVE}' &)",
        f"setsid sh -c '(setsid sh -c \"$LEAVE\" &) ; {LEAVE}' &",
    ],
)
def test_what_has_left_the_session_ends_with_the_job(local: Local, way: str) -> None:
    """Processes in sessions of their own are killed when their job has ended."""
    count = way.count("LEAVE") + 1
    script = f"export TMP LEAVE='{LEAVE}'\n{way}\nuntil [ $(wc -l <\"$TMP/pids\") = {count} ]; "
    script += "do sleep 0.02; done 2>/dev/null"
    local.wait(local.submit(script))
    pids = [int(line) for line in local.lines("pids")]
    assert len(pids) == count
    await_that(lambda: all(is_gone(pid) for pid in pids))


def test_sessions_of_other_jobs_are_left_alone(local: Local) -> None:
    """What a job that still runs has put into a session of its own lives on."""
    (running,) = local.submit(f"export TMP; (setsid sh -c '{LEAVE}' &)\n{WAIT}")
    await_that(lambda: len(local.lines("pids")) == 1)
    local.wait(local.submit("exit 0"))
    (left,) = (int(line) for line in local.lines("pids"))
    assert not is_gone(left)
    (local.tmp / "go").touch()
    local.wait([running])
    await_that(lambda: is_gone(left))


def test_sessions_of_an_adopted_job_end_with_it(local: Local) -> None:
    """Also where another supervisor has started the job."""
    ids = local.submit(f"export TMP; (setsid sh -c '{LEAVE}' &)\n{WAIT}")
    await_that(lambda: len(local.lines("pids")) == 1)
    local.kill_supervisor()
    local.status(ids)
    (local.tmp / "go").touch()
    local.wait(ids)
    (left,) = (int(line) for line in local.lines("pids"))
    await_that(lambda: is_gone(left))


def test_jobs_of_another_folder_are_left_alone(local: Local, tmp_path: Path) -> None:
    """Another state folder has jobs of the same numbers; the end of ours is not theirs."""
    ids = local.submit(f"export TMP; (setsid sh -c '{LEAVE}' &)\n{WAIT}")
    await_that(lambda: len(local.lines("pids")) == 1)
    local.kill_supervisor()
    local.status(ids)
    mark = f"{tmp_path / 'another' / ids[0]}"
    environ = {**local.host.environ, processes.MARK: mark}
    with subprocess.Popen(["sleep", "300"], env=environ, start_new_session=True) as other:
        (local.tmp / "go").touch()
        local.wait(ids)
        (left,) = (int(line) for line in local.lines("pids"))
        await_that(lambda: is_gone(left))
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("command", ["true", "exit 3"])
def test_cpu_time_and_memory_reach_the_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: Local, command: str
) -> None:
    """What the kernel has counted is in the outcome of jobs that ended by themselves."""
    monkeypatch.chdir(tmp_path)
    eat = "head -c 80000000 /dev/zero | tail -n 1 | wc -c"
    host = LocalHost({**local.host.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")})
    monkeypatch.setenv("XDG_STATE_HOME", host.environ["XDG_STATE_HOME"])
    with Session("local", host=host) as session:
        [outcome] = session.submit(Job(f"{eat}; {command}")).wait(180)
    assert outcome.cpu_time
    assert outcome.max_memory
    assert outcome.max_memory > 80_000_000


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path)


def refuse(*_: Any) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def test_a_folder_without_locks_is_named(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names folder, what is missing, and the variable that helps; nothing is left."""
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UnsuitableFolder) as caught:
        folder.check()
    said = str(caught.value)
    assert repr(str(folder.path)) in said
    assert "has no locks (flock)" in said
    assert "set XDG_STATE_HOME" in said
    assert list(folder.path.iterdir()) == []


def test_a_folder_without_sockets_is_named(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that has locks may have no Unix sockets."""

    class Refusing(socket.socket):
        bind = refuse

    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(UnsuitableFolder, match="has no Unix sockets"):
        folder.check()


#: Makes a Python in which `flock` fails as on AFS.
NO_LOCKS = """
import errno, fcntl, os
def flock(*_):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
fcntl.flock = flock
"""


def test_a_submission_in_such_a_folder_is_refused_for_good(local: Local, tmp_path: Path) -> None:
    """No job is tried again where none can ever run, and detection says why."""
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "sitecustomize.py").write_text(NO_LOCKS)
    path = f"{tmp_path / 'no'}:{local.host.environ['PYTHONPATH']}"
    local.host.environ = {**local.host.environ, "PYTHONPATH": path}
    submission = local.submission("exit 0")
    for file in local.plugin.anybatch_render(submission).files:
        local.host.write(file.path, file.text, file.mode)
    request = str(submission.folder / f"submit-{submission.number}.json")
    done = subprocess.run(
        [sys.executable, "-m", "anybatch.local", "submit", request],
        env=dict(local.host.environ), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "has no locks" in json.loads(done.stdout)["rejected"]
    detection = local.plugin.anybatch_detect({"cores": None, "memory": None}, choosing=False)
    assert not detection.available
    assert str(local.state) in detection.reason


@pytest.mark.parametrize(
    ("nice", "limit", "privileged", "said"),
    [
        *((0, 0, False, True), (0, 10, False, True), (0, 20, False, False), (0, -1, False, False)),
        *((0, 0, True, False), (10, 0, False, False), (15, 0, False, False), (5, 15, False, False)),
    ],
)
def test_what_a_niced_supervisor_cannot_give_is_said(
    nice: int, limit: int, privileged: bool, said: bool
) -> None:
    """A later submitter that is less nice is told so, unless the kernel lets it be given."""
    given = attrs.evolve(attributes.own(), nice=10, limits={"RLIMIT_NICE": (limit, limit)})
    text = attributes.lacks(attrs.evolve(given, nice=nice), given, privileged=privileged)
    assert bool(text) == said
    answer = parse.ids(json.dumps({"ids": ["1.1@here"], "lacks": text}))
    assert list(answer) == ["1.1@here"]
    assert answer.notices == ((text,) if said else ())
    if said:
        assert f"niceness 10, not {nice} as you have" in text
