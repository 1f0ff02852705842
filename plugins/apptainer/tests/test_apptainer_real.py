"""Real containers on real batch systems: a busybox and nothing else is inside.

Apptainer by itself mounts the home folder, /tmp and the current folder. Sites switch that off,
and so do these tests: what a job sees it owes to the plugin.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, Outcome, Reason, Resources, Run, Session, State, UsageError
from anybatch.testing import await_that

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).parents[3] / "examples" / "container.py"
PATIENCE = 180
BARE = "--no-mount=home,tmp,cwd"


@pytest.fixture(autouse=True)
def _bare(configure: Callable[..., None]) -> None:
    configure(additional_params=[BARE])


@pytest.fixture
def session(system: str, new_session: Callable[..., Session]) -> Session:
    """A session on each of the batch systems."""
    return new_session(system)


def run_one(session: Session, *words: str, **fields: Any) -> Outcome:
    """How a job ends."""
    [outcome] = session.submit(Job(words, **fields)).wait(PATIENCE)
    return outcome


def said(outcome: Outcome) -> str:
    """What a job has printed, which must be done."""
    assert outcome.stdout
    assert outcome.stderr
    assert outcome.done, outcome.stderr.read_text()
    return outcome.stdout.read_text()


def settings(**values: Any) -> dict[str, Any]:
    """Settings of the plugin, besides those of all tests here."""
    values["additional_params"] = [BARE, *values.get("additional_params", [])]
    return {"settings": {"apptainer": values}}


def processes_of(run: Run) -> list[int]:
    """The processes that have a job of the run in their environment."""
    mark, found = f"ANYBATCH_RUN={run.id}".encode(), []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


# -- how jobs end


def test_every_end_is_told_as_what_it_was(session: Session) -> None:
    """Exit codes and signals pass through the container's program."""
    codes = [0, 1, 126, 127, 137, 255]
    numbers = [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP]
    jobs = [Job(["sh", "-c", f"exit {code}"], name="ends") for code in codes]
    jobs += [Job(["sh", "-c", f"kill -{int(n)} $$"], name="ends") for n in numbers]
    jobs += [Job(["no-such-program"], name="ends")]
    outcomes = session.submit(jobs).wait(PATIENCE)
    assert [o.exit_code for o in outcomes] == [*codes, *[None] * len(numbers), 127]
    assert [o.signal for o in outcomes] == [*[None] * len(codes), *numbers, None]
    assert {o.reason for o in outcomes[1:]} == {Reason.EXIT_CODE, Reason.SIGNAL}


@pytest.mark.parametrize("option", ["--pid", "--containall"])
def test_ends_are_told_from_a_process_namespace(session: Session, option: str) -> None:
    """There Apptainer has an init of its own, which ends as a shell does after a signal."""
    more = settings(additional_params=[option])
    jobs = [Job(["sh", "-c", end], name="ends", **more) for end in ("exit 7", "kill -9 $$", "exit")]
    outcomes = session.submit(jobs).wait(PATIENCE)
    assert [(o.exit_code, o.signal) for o in outcomes] == [(7, None), (137, None), (0, None)]


def test_much_output_hangs_nothing(session: Session) -> None:
    """200 MB on standard output and as much on standard error arrive whole."""
    size = 200_000_000
    script = f"head -c {size} /dev/zero; head -c {size} /dev/zero >&2; echo end"
    outcome = run_one(session, "sh", "-c", script)
    assert outcome.done
    assert outcome.stdout
    assert outcome.stderr
    sizes = [outcome.stdout.stat().st_size, outcome.stderr.stat().st_size]
    shutil.rmtree(outcome.stdout.parent)
    assert sizes == [size + len("end\n"), size]


def test_standard_input_is_read(session: Session) -> None:
    """A file for standard input need not be seen inside."""
    Path("in").write_text("some words\n")
    assert said(run_one(session, "cat", stdin="in", workdir="w-{index}")) == "some words\n"


# -- signals, limits


def test_a_signal_reaches_the_command_once(session: Session, system: str) -> None:
    """Signals go through to the command, which may go on."""
    if system == "htcondor":
        pytest.skip("HTCondor sends jobs no signals")
    script = "trap 'echo got >>got' USR1; >ready; until test -s got; do sleep 0.1; done; sleep 0.5"
    run = session.submit(Job(["sh", "-c", script]))
    await_that(Path("ready").exists)
    run.terminate(signal="USR1")
    [outcome] = run.wait(PATIENCE)
    assert outcome.done
    assert Path("got").read_text() == "got\n"


DEAF = "trap '' TERM; while :; do sleep 1; done"


@pytest.mark.parametrize(
    ("options", "background"),
    # A process that is deaf or has left its group is found by few batch systems.
    [([], "sleep 600"), (["--pid"], 'setsid sh -c "$0"')],
    ids=["", "--pid"],
)
def test_nothing_is_left_of_a_terminated_job(
    session: Session, options: list[str], background: str
) -> None:
    """Processes in the background end with the job; with `--pid` also those that hide."""
    script = f"{background} & sleep 600 & >ready; wait"
    more = settings(additional_params=options)
    run = session.submit(Job(["sh", "-c", script, DEAF], **more))
    await_that(Path("ready").exists)
    await_that(lambda: len(processes_of(run)) > 2)
    run.terminate()
    [outcome] = run.wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.TERMINATED)
    await_that(lambda: not processes_of(run))


def test_the_time_limit_ends_all_there_is(
    configure: Callable[..., None], new_session: Callable[..., Session]
) -> None:
    """At the time limit everything inside ends, whatever it does with signals."""
    session = new_session("local", settings={"local": {"kill_wait": "1s"}})
    script = "trap '' TERM; sh -c \"$0\" & >ready; wait"
    seen: list[int] = []
    for limit in ("3s", "15s", "60s"):  # a container takes as long to start as it takes
        run = session.submit(Job(["sh", "-c", script, DEAF], resources=Resources(time=limit)))
        await_that(lambda run=run: Path("ready").exists() or run.finished, run.refresh)
        seen = processes_of(run)
        [outcome] = run.wait(PATIENCE)
        if seen:
            break
        Path("ready").unlink(missing_ok=True)
    assert seen
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.TIME_LIMIT)
    await_that(lambda: not processes_of(run))


# -- the environment


SHOW = 'for name; do eval "echo \\"$name=\\${$name-}\\""; done'


def variables(outcome: Outcome) -> dict[str, str]:
    """The variables that a job has shown."""
    return dict(line.split("=", 1) for line in said(outcome).splitlines())


def test_the_set_up_happens_inside(session: Session) -> None:
    """env_script, env and setup take effect in the container, in this order."""
    Path("site.sh").write_text("ORDER=script; export ORDER\nWHERE=$APPTAINER_NAME; export WHERE\n")
    outcome = run_one(
        session,
        *("sh", "-c", 'echo "$ORDER|$WHERE|$LATE"; ls -d /etc/deb* /bin/busybox 2>&1; pwd'),
        env_script="site.sh",
        env={"ORDER": "env"},
        setup="LATE=$ORDER-setup; export LATE",
    )
    shown = said(outcome).splitlines()
    assert shown[0] == "env|busybox|env-setup"
    assert "No such file" in shown[1] + shown[2]
    assert "/bin/busybox" in shown[1:3]
    assert shown[3] == os.getcwd()


def test_a_set_up_that_fails_inside_is_told(session: Session) -> None:
    """What is not there inside fails as a set-up, with the line as the message."""
    outcome = run_one(session, "true", setup="ls /etc/debian_version")
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
    assert outcome.message
    assert "setup: ls /etc/debian_version" in outcome.message


@pytest.mark.parametrize("inherit", [{}, {"inherit_env": ["*"]}], ids=["default", "everything"])
def test_nothing_of_the_outside_leaks_in(
    system: str,
    inherit: dict[str, list[str]],
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The image's own paths hold; what has a meaning everywhere is inherited."""
    outside = ("LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "MODULEPATH")
    for name in outside:
        monkeypatch.setenv(name, "/outside")
    monkeypatch.setenv("PATH", f"/outside:{os.environ['PATH']}")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    session = new_session(system, settings={"anybatch": inherit})
    names = ("PATH", "HOME", "TZ", *outside, "ANYBATCH_INDEX", "ANYBATCH_COUNT", "ANYBATCH_RUN")
    shown = variables(run_one(session, "sh", "-c", SHOW, "sh", *names))
    run = shown.pop("ANYBATCH_RUN")
    assert run.startswith("20")
    assert shown == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(Path.home()),
        "TZ": "Asia/Tokyo",
        **dict.fromkeys(outside, ""),
        "ANYBATCH_INDEX": "0",
        "ANYBATCH_COUNT": "1",
    }


@pytest.mark.parametrize("clean", [False, True])
def test_cleanenv_keeps_the_batch_system_s_variables_out(
    session: Session, system: str, clean: bool
) -> None:
    """What the system sets is seen inside unless the user says otherwise; the job's own stays."""
    name = {"local": "LOGNAME", "slurm": "SLURM_JOB_ID", "htcondor": "_CONDOR_SLOT"}[system]
    words = ("sh", "-c", SHOW, "sh", name, "OWN", "ANYBATCH_INDEX")
    shown = variables(run_one(session, *words, env={"OWN": "1"}, **settings(cleanenv=clean)))
    assert (shown[name] == "") is clean
    assert (shown["OWN"], shown["ANYBATCH_INDEX"]) == ("1", "0")


# -- folders


def test_the_job_s_folders_are_there(session: Session) -> None:
    """Working folder and output folder are seen and made, and outputs are brought."""
    script = "echo $PWD; test -d ../../out/0 && echo x >../../out/0/direct; echo y >made"
    outcome = run_one(
        session,
        *("sh", "-c", script),
        workdir="deep/work-{index}",
        outputs=["made"],
        output_dir="out/{index}",
    )
    assert said(outcome) == f"{Path.cwd()}/deep/work-0\n"
    assert Path("out/0/direct").read_text() == "x\n"
    assert Path("out/0/made").read_text() == "y\n"


def test_files_that_lie_elsewhere_are_there(session: Session) -> None:
    """Inputs that are links lead somewhere inside, and the env_script is found."""
    Path("data/deep").mkdir(parents=True)
    Path("data/a.txt").write_text("a")
    Path("data/deep/b.txt").write_text("b")
    Path("site.sh").write_text("export SITE=s\n")
    outcome = run_one(
        session,
        *("sh", "-c", "cat data/a.txt data/deep/b.txt; echo $SITE"),
        workdir="w-{index}",
        inputs=["data/*.txt", "data/deep"],
        env_script="site.sh",
    )
    assert said(outcome) == "abs\n"


def test_mounts_are_seen_inside(session: Session) -> None:
    """`SRC`, relative `SRC:DST` and `SRC:DST:ro` do what they say."""
    for name in ("plain", "moved", "fixed"):
        Path(name).mkdir()
        Path(name, "file").write_text(name)
    mounts = [str(Path("plain").absolute()), "moved:/data/here", "./fixed:/data/fixed:ro"]
    script = "cat $0/plain/file /data/here/file /data/fixed/file; >/data/here/new; ! >/data/fixed/x"
    words = ("sh", "-c", script, os.getcwd())
    outcome = run_one(session, *words, workdir="w-{index}", **settings(mounts=mounts))
    assert said(outcome) == "plainmovedfixed"
    assert Path("moved/new").exists()


def test_without_default_mounts_the_user_s_have_to_do(session: Session) -> None:
    """Nothing is bound then but what is named; what is missing is told."""
    missing = run_one(session, "true", **settings(mount_defaults=False))
    assert missing.reason is Reason.SETUP
    assert "failed to set working directory" in (missing.message or "")
    own = settings(mount_defaults=False, mounts=["."])
    assert said(run_one(session, "pwd", **own)) == f"{Path.cwd()}\n"


def test_a_run_folder_that_is_not_inside_is_told(
    system: str, new_session: Callable[..., Session], tmp_path: Path
) -> None:
    """The job script has to be seen inside; a set-up without it has failed."""
    session = new_session(system, settings={"anybatch": {"runs_dir": str(tmp_path / "runs")}})
    outcome = run_one(session, "true", **settings(mount_defaults=False, mounts=["."]))
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
    assert "job.sh" in (outcome.message or "")


def test_a_run_folder_that_cannot_be_written_inside_is_told(
    system: str, new_session: Callable[..., Session], tmp_path: Path
) -> None:
    """A command does not run where its end could not be recorded."""
    runs = tmp_path / "runs"
    runs.mkdir()
    session = new_session(system, settings={"anybatch": {"runs_dir": str(runs)}})
    more = settings(mount_defaults=False, mounts=[".", f"{runs}:{runs}:ro"])
    outcome = run_one(session, "touch", "ran", **more)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
    assert "Read-only" in (outcome.message or "")
    assert not Path("ran").exists()


# -- images


@pytest.mark.parametrize("name", ["busybox", "busybox.sif"])
def test_folders_and_files_are_images(session: Session, apptainer: Path, name: str) -> None:
    """An image is a folder or one file, and a relative path starts where all others do."""
    Path("image").symlink_to(apptainer.with_name(name))
    outcome = run_one(session, "sh", "-c", "echo $APPTAINER_NAME", container="image")
    assert said(outcome).strip()
    assert outcome.stderr
    assert outcome.stderr.read_text() == ""


def test_an_image_among_the_inputs(session: Session, apptainer: Path) -> None:
    """An image that travels with the job is used from where the job works."""
    Path("images").mkdir()
    shutil.copy(apptainer.with_name("busybox.sif"), "images/box.sif")
    more = {"inputs": ["images/*.sif"], "workdir": "w-{index}"}
    run = session.submit(Job(["ls", "images"], container="images/box.sif", **more))
    assert said(run.wait(PATIENCE)[0]) == "box.sif\n"
    assert " ./images/box.sif " in (run.folder / "job.sh").read_text()


def test_an_image_that_is_gone_on_the_worker(session: Session, apptainer: Path) -> None:
    """The reason is `setup`, and the program's own words are the message."""
    shutil.copy(apptainer.with_name("busybox.sif"), "box.sif")
    image = str(Path("box.sif").absolute())
    first = Job(["rm", image], name="first")
    second = Job(["true"], name="second", container=image, after=first)
    outcome = session.submit([first, second]).wait(PATIENCE)[1]
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
    assert "FATAL" in (outcome.message or "")
    assert image in (outcome.message or "")


def test_what_is_no_image_is_told(session: Session) -> None:
    """A file of another kind is a failed set-up."""
    Path("text").write_text("no image\n")
    outcome = run_one(session, "true", container="text")
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
    assert "FATAL" in (outcome.message or "")


def test_a_mount_that_is_not_on_the_worker(session: Session) -> None:
    """What is to be mounted and is not there keeps the command from running, and is named."""
    outcome = run_one(session, "true", **settings(mounts=["/no/such/folder"]))
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
    assert "/no/such/folder" in (outcome.message or "")


# -- the program


def test_a_program_by_name(session: Session) -> None:
    """Debian's package has `singularity` as another name."""
    assert said(run_one(session, "echo", "x", **settings(command="singularity"))) == "x\n"


def test_a_program_that_is_not_there(session: Session, system: str) -> None:
    """On this machine it is an error before the submission, elsewhere a failed set-up."""
    job = Job(["true"], **settings(command="no-such-program"))
    if system == "local":
        with pytest.raises(UsageError, match="no-such-program is not on the PATH"):
            session.submit(job)
        return
    [outcome] = session.submit(job).wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
    assert "no-such-program" in (outcome.message or "")


def test_the_example_runs(system: str, apptainer: Path) -> None:
    """`examples/container.py` does what it says."""
    argv = [sys.executable, str(EXAMPLE), str(apptainer), system]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"job 1 of 3 in {Path.cwd()}/work-1" in done.stdout
    assert "greetings/2/greeting.txt hello from the inside" in done.stdout


def test_many_jobs_each_in_its_container(session: Session) -> None:
    """Containers that start at the same moment do not hinder each other."""
    script = "echo $ANYBATCH_INDEX >made"
    job = Job(["sh", "-c", script], workdir="w-{index}")
    outcomes = session.submit([job] * 20).wait(PATIENCE)
    assert all(outcome.done for outcome in outcomes)
    assert [Path(f"w-{n}/made").read_text() for n in range(20)] == [f"{n}\n" for n in range(20)]
