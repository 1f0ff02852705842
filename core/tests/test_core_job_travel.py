"""Jobs whose files the batch system moves: played by copying, on a machine without our folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError
from anybatch.model import Job, Reason, State
from anybatch.ranges import PAGE
from anybatch.records import REMOTE_RUN_DIR, Submission, Transfer
from anybatch.transfer import RETURNED_DIRS
from anybatch.worker.exit_records import parse_record
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .away import Away, make, plan, run_job, write
from .texts import NAMES
from .toy import Toy, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.run import Run
    from anybatch.session import Session

    from .shells import Shell

pytestmark = pytest.mark.usefixtures("isolated")

SHOW = ["sh", "-c", 'for f in "$@"; do printf "%s=%s;" "$f" "$(cat "$f")"; done', "show"]
FIND = ["sh", "-c", r"find . -path ./.anybatch -prune -o ! -name . -print | LC_ALL=C sort"]


# -- what travels


def test_nothing_is_copied_before_it_travels(isolated: Path, shell: Shell) -> None:
    """What lies ready are links, and folders for what comes back."""
    make(isolated, "data/a.txt", "program")
    away = write(isolated, shell, Job(["./program"], inputs=["data"]))
    files = [path for path in (away.folder / "stage-in").rglob("*") if not path.is_dir()]
    assert files
    copied = [path.name for path in files if not path.is_symlink()]
    assert copied == ["arrivals"]
    back = {path.name for path in (away.folder / "stage-in/common" / REMOTE_RUN_DIR).iterdir()}
    assert back == {"job.sh", *RETURNED_DIRS}


def test_inputs_keep_their_layout(isolated: Path, shell: Shell) -> None:
    """Below the folder of the program; what is elsewhere goes to the top."""
    make(isolated, "a.txt", "data/b.txt", "data/deep/c.txt", "../elsewhere/d.txt")
    inputs = ["a.txt", "data/*.txt", "data/deep/c.txt", "../elsewhere/d.txt"]
    away = run_job(
        *(isolated, shell, [*SHOW, "a.txt", "data/b.txt", "data/deep/c.txt", "d.txt"]),
        inputs=inputs,
    )
    assert away.out() == (
        "a.txt=a.txt;data/b.txt=data/b.txt;data/deep/c.txt=data/deep/c.txt;"
        "d.txt=../elsewhere/d.txt;"
    )


def test_copies_travel_as_they_were_at_submission(isolated: Path, shell: Shell) -> None:
    """Files, and folders with links in them; also a program that is an input."""
    make(isolated, "a.txt", "data/deep/b.txt")
    (isolated / "data/link").symlink_to("deep/b.txt")
    (isolated / "program").write_text("#!/bin/sh\ncat a.txt data/deep/b.txt data/link\n")
    (isolated / "program").chmod(0o700)
    job = Job(["./program"], inputs=["a.txt", "data", "program"], copy_inputs=True)
    away = write(isolated, shell, job)
    for name in ("a.txt", "program"):
        (isolated / name).write_text("new")
    shutil.rmtree(isolated / "data")
    assert away.run() == 0, away.said + away.err()
    assert away.out() == "a.txtdata/deep/b.txtdata/deep/b.txt"


def test_flat_inputs_lie_side_by_side(isolated: Path, shell: Shell) -> None:
    """Whatever their layout."""
    make(isolated, "data/b.txt", "data/deep/c.txt")
    away = run_job(isolated, shell, FIND, inputs=["data/b.txt", "data/deep/c.txt"], flat=True)
    assert away.out() == "./b.txt\n./c.txt\n"


def test_a_folder_travels_with_all_that_is_in_it(isolated: Path, shell: Shell) -> None:
    """Links in it become what they lead to, empty folders stay, circles and dead ends do not."""
    make(isolated, "data/a.txt", "data/deep/b.txt", "../elsewhere/big/c.txt")
    (isolated / "data/empty/more").mkdir(parents=True)
    (isolated / "data/to-file").symlink_to("deep/b.txt")
    (isolated / "data/to-sibling").symlink_to("deep")
    (isolated / "data/to-elsewhere").symlink_to(isolated.parent / "elsewhere")
    (isolated / "data/deep/up").symlink_to("..")
    (isolated / "data/nowhere").symlink_to("no such file")
    os.mkfifo(isolated / "data/pipe")
    away = run_job(isolated, shell, FIND, inputs=["data"])
    assert away.out().splitlines() == [
        *("./data", "./data/a.txt", "./data/deep", "./data/deep/b.txt"),
        *("./data/empty", "./data/empty/more"),
        *("./data/to-elsewhere", "./data/to-elsewhere/big", "./data/to-elsewhere/big/c.txt"),
        *("./data/to-file", "./data/to-sibling", "./data/to-sibling/b.txt"),
    ]


def test_an_empty_folder_and_an_empty_file_are_inputs(isolated: Path, shell: Shell) -> None:
    """There is nothing in them, and they are there."""
    (isolated / "empty").mkdir()
    (isolated / "nothing").touch()
    away = run_job(isolated, shell, FIND, inputs=["empty", "nothing"])
    assert away.out() == "./empty\n./nothing\n"


def test_a_folder_that_cannot_be_read_is_refused(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files would be missing where the job runs, and nobody would know."""
    make(isolated, "data/closed/a.txt")
    listdir = os.listdir

    def refuse(path: Any = ".") -> list[str]:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(JobError, match=r"data/closed: Permission denied"):
        plan(isolated, Job(["true"], inputs=["data"]))


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(NAMES.filter(lambda name: not set(name) & set("*?[")), min_size=1, max_size=6))
@example({"a b", "a,b", "a, b", " x", "x ", "é漢", "line\nbreak", "-n", "$HOME", "'\"", "#", "{}"})
def test_files_of_any_name_travel(
    isolated: Path, shell: Shell, tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    """There and back, byte for byte."""
    base = tmp_path_factory.mktemp("any") / "project"
    base.mkdir()
    for name in names:
        (base / name).write_bytes(os.fsencode(name))
    copy = ["sh", "-c", 'mkdir back; for f; do cat "./$f" >"back/$f"; done', "copy", *names]
    job = Job(copy, inputs=sorted(names), outputs=["back"], output_dir="results")
    away = write(base, shell, job)
    assert away.run() == 0, away.said + away.err()
    found = {
        os.fsencode(path.name): path.read_bytes() for path in (base / "results/back").iterdir()
    }
    assert found == {os.fsencode(name): os.fsencode(name) for name in names}


def test_a_program_of_the_project_travels(isolated: Path, shell: Shell) -> None:
    """`./fit` and `bin/fit` are files like any other, and may be run over there."""
    for name in ("fit", "bin/fit"):
        make(isolated, name)
        (isolated / name).write_text(f"#!/bin/sh\necho {name} $1\n")
        (isolated / name).chmod(0o755)
    jobs = [Job(["./fit", "1"], name="fit"), Job(["bin/fit", "2"], name="fit")]
    away = write(isolated, shell, jobs)
    assert [away.run(task) for task in (1, 2)] == [0, 0], away.err()
    assert [away.out(index) for index in (0, 1)] == ["fit 1\n", "bin/fit 2\n"]


def test_a_program_of_the_working_folder_travels(isolated: Path, shell: Shell) -> None:
    """It is looked for where the job is to work, as a shell there would."""
    make(isolated, "work/fit")
    (isolated / "work/fit").write_text("#!/bin/sh\necho hello\n")
    (isolated / "work/fit").chmod(0o755)
    away = run_job(isolated, shell, ["./fit"], workdir="work")
    assert away.out() == "hello\n"


def test_programs_of_the_machine_do_not_travel(isolated: Path, shell: Shell) -> None:
    """Neither one of the PATH nor one with an absolute path."""
    make(isolated, "true")
    for command in (["true"], ["/bin/sh", "-c", ":"]):
        away = run_job(isolated, shell, command)
        assert not [path for path in away.scratch.iterdir() if path.name != REMOTE_RUN_DIR]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo one\necho two $ANYBATCH_INDEX", "one\ntwo 0\n"),
        ("#!/bin/sh\necho own shell", "own shell\n"),
        ("#!/bin/cat\nitself", "#!/bin/cat\nitself"),
    ],
)
def test_scripts_given_as_text_travel(
    isolated: Path, shell: Shell, text: str, expected: str
) -> None:
    """They lie beside the job script."""
    assert run_job(isolated, shell, text).out() == expected


def test_standard_input_travels(isolated: Path, shell: Shell) -> None:
    """And is nothing where none is named."""
    make(isolated, "in put,1")
    assert run_job(isolated, shell, ["cat"], stdin="in put,1").out() == "in put,1"
    assert run_job(isolated, shell, ["cat"]).out() == ""


def test_each_job_takes_its_own(isolated: Path, shell: Shell) -> None:
    """One submission, different inputs; equal sets are packed once."""
    make(isolated, "a.txt", "b.txt", "common.txt")
    jobs = [
        Job(FIND, name="x", inputs=[name, "common.txt"]) for name in ("a.txt", "b.txt", "a.txt")
    ]
    jobs.append(Job(FIND, name="x"))
    away = write(isolated, shell, jobs)
    [submission] = away.submissions
    assert submission.transfer_sets[0] == submission.transfer_sets[2]
    assert submission.transfer_sets[3] == ""
    assert [away.run(task) for task in (1, 2, 3, 4)] == [0] * 4
    listed = [away.out(index).split() for index in range(4)]
    assert listed[0] == listed[2] == ["./a.txt", "./common.txt"]
    assert listed[1] == ["./b.txt", "./common.txt"]
    assert listed[3] == []


def test_jobs_of_every_page_find_their_line(isolated: Path, shell: Shell) -> None:
    """A job takes only its page along."""
    away = write(isolated, shell, [Job(["echo", str(n)], name="many") for n in range(PAGE + 3)])
    for task in (1, PAGE, PAGE + 1, PAGE + 3):
        assert away.run(task) == 0, away.said
        assert away.out(task - 1) == f"{task - 1}\n"
        page = (task - 1) // PAGE
        assert os.listdir(away.scratch / REMOTE_RUN_DIR / "tasks") == [f"0.{page}"]


# -- the environment


ENV_SCRIPT = 'WHERE=$(dirname "$0"); VALUE={}; export VALUE\n'


@pytest.mark.parametrize("hidden", [True, False])
def test_a_copy_of_the_env_script_stands_in_where_it_is_not_there(
    isolated: Path, shell: Shell, hidden: bool
) -> None:
    """A script on a file system that all machines have is loaded from there: it may be newer."""
    script = isolated / "site script.sh"
    script.write_text(ENV_SCRIPT.format("travelled"))
    job = Job(["sh", "-c", "echo $VALUE"], env_script=script)
    away = write(isolated, shell, job)
    copied = away.folder / away.submissions[0].transfer_sets[0] / REMOTE_RUN_DIR / "env_script"
    assert copied.read_text() == script.read_text()
    copied.unlink()
    copied.write_text(ENV_SCRIPT.format("copy"))
    assert away.run(hidden=hidden) == 0
    assert away.out() == ("copy\n" if hidden else "travelled\n")


@pytest.mark.parametrize("lost", ["one.txt", "data/b c", "data/deep/it's", "data", "./program"])
def test_an_input_that_was_removed_fails_the_job(isolated: Path, shell: Shell, lost: str) -> None:
    """Between submission and start; the system says nothing, and the command is not run."""
    make(isolated, "one.txt", "data/a", "data/b c", "data/deep/it's", "program")
    job = Job(["./program"], inputs=["one.txt", "data"], outputs=["*"])
    away = write(isolated, shell, job)
    path = isolated / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert away.run() == 1
    assert [name.split(".")[3:] for name in away.records] == [["stage_in", "exit-1"]]
    assert "has not arrived: was it removed after submission?" in away.err()


@pytest.mark.parametrize(
    ("script", "there"),
    [
        ("echo 1 >x; ln -s x out", {"out": "1\n"}),
        ("echo 1 >out; ln -s out out-2", {"out": "1\n", "out-2": "1\n"}),
        ("mkdir d; echo 1 >d/x; ln -s d out", {"out/x": "1\n"}),
        ("mkdir out d; echo 1 >d/x; ln -s ../d out/d", {"out/d/x": "1\n"}),
        ('mkdir out; echo 1 >out/x; ln -s x "out/a b"', {"out/x": "1\n", "out/a b": "1\n"}),
        ('echo 1 >x; ln -s "$PWD/x" out', {"out": "1\n"}),
    ],
)
def test_outputs_that_are_links_come_as_what_they_lead_to(
    isolated: Path, shell: Shell, script: str, there: dict[str, str]
) -> None:
    """A batch system follows no link to a folder, and passes over one that leads nowhere."""
    run_job(isolated, shell, ["sh", "-c", script], outputs=["out*"], output_dir="results")
    found = {str(p.relative_to("results")): p for p in Path("results").rglob("*") if p.is_file()}
    assert {name: path.read_text() for name, path in found.items()} == there
    assert not any(path.is_symlink() for path in Path("results").rglob("*"))


@pytest.mark.parametrize(
    "script",
    ["ln -s nowhere out", "mkdir out; ln -s nowhere out/x", "mkfifo out", "ln -s out out"],
)
def test_outputs_that_cannot_travel_fail_the_job(isolated: Path, shell: Shell, script: str) -> None:
    """They would not arrive, and the job would be done."""
    away = write(isolated, shell, Job(["sh", "-c", script], outputs=["out"], output_dir="results"))
    assert away.run() == 1
    assert [name.split(".")[3:] for name in away.records] == [["stage_out", "exit-1"]]
    assert away.err()


def test_variables_and_set_up_are_the_jobs_own(isolated: Path, shell: Shell) -> None:
    """As where folders are shared; the job works in its scratch folder."""
    away = run_job(
        *(isolated, shell, ["sh", "-c", 'echo "$A|$B|$ANYBATCH_COUNT"; pwd']),
        env={"A": "a b"},
        setup="B=$A-setup; export B",
    )
    assert away.out().splitlines() == ["a b|a b-setup|1", str(away.scratch)]


# -- what comes back

WRITE = ["sh", "-c", "mkdir -p out; echo $ANYBATCH_INDEX >out/sum; echo x >'a b.txt'"]


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ({}, ["out/sum", "a b.txt"]),
        ({"workdir": "work"}, ["work/out/sum", "work/a b.txt"]),
        ({"output_dir": "results"}, ["results/out/sum", "results/a b.txt"]),
        ({"workdir": "work", "output_dir": "r/s"}, ["r/s/out/sum", "r/s/a b.txt"]),
        ({"output_dir": "../else where"}, ["../else where/out/sum"]),
    ],
)
def test_outputs_come_to_their_folder(
    isolated: Path, shell: Shell, fields: dict[str, Any], places: list[str]
) -> None:
    """Without `output_dir` to the working folder; folders are made."""
    (isolated / "work").mkdir()
    run_job(isolated, shell, WRITE, outputs=["out/s*", "*.txt"], **fields)
    assert [(isolated / place).read_text() for place in places] == ["0\n", "x\n"][: len(places)]


def test_each_job_has_an_output_folder_of_its_own(isolated: Path, shell: Shell) -> None:
    """By `{index}`, in the folder of results or of work; existing results are replaced."""
    make(isolated, "results/0/part/out/sum")
    for fields in ({"output_dir": "results/{index}/part"}, {"workdir": "work-{index}"}):
        away = write(isolated, shell, [Job(WRITE, outputs=["out"], **fields)] * 2)
        assert [away.run(task) for task in (1, 2)] == [0, 0], away.err()
    for index in (0, 1):
        for place in ("results/{}/part/out/sum", "work-{}/out/sum"):
            assert (isolated / place.format(index)).read_text() == f"{index}\n"


def test_outputs_of_different_jobs_go_different_ways(isolated: Path, shell: Shell) -> None:
    """One submission; jobs with equal files and different results have no set of their own."""
    jobs = [Job(WRITE, name="x", outputs=["out"], output_dir=f"to-{n}") for n in "abc"]
    away = write(isolated, shell, jobs)
    assert [away.run(task) for task in (1, 2, 3)] == [0] * 3
    assert [(isolated / f"to-{n}/out/sum").read_text() for n in "abc"] == ["0\n", "1\n", "2\n"]


def test_a_missing_output_is_told_and_the_others_come(isolated: Path, shell: Shell) -> None:
    """The command has succeeded, and bringing its outputs has not."""
    job = Job(WRITE, outputs=["out/sum", "*.root"], output_dir="results")
    away = write(isolated, shell, job)
    assert away.run() == 1
    assert away.records == ["0.0.0.stage_out.exit-1"]
    assert "output *.root: nothing matches" in away.err()
    assert (isolated / "results/out/sum").exists()


def test_optional_outputs_may_be_missing(isolated: Path, shell: Shell) -> None:
    """Those that are there come to where the others do, and a job may have no others."""
    fields = {"optional_outputs": ["out/s*", "*.root"], "output_dir": "results"}
    away = run_job(isolated, shell, WRITE, **fields)
    assert (isolated / "results/out/sum").exists()
    assert away.err() == ""


def test_a_failed_command_brings_what_it_has(isolated: Path, shell: Shell) -> None:
    """For looking into it."""
    job = Job(["sh", "-c", "echo half >part; exit 3"], outputs=["part", "rest"])
    away = write(isolated, shell, job)
    assert away.run() == 3
    assert away.records == ["0.0.0.command.exit-3"]
    assert (isolated / "part").read_text() == "half\n"


@pytest.mark.parametrize(
    ("stdout", "stderr", "outs", "errs"),
    [
        ("out.txt", "err.txt", "out.txt", "err.txt"),
        ("logs/{index}/o", "logs/{index}/e", "logs/0/o", "logs/0/e"),
        ("log-{index}.txt", None, "log-0.txt", None),
        ("both", "both", "both", "both"),
        ("../else where/a b", None, "../else where/a b", None),
    ],
)
def test_logs_with_a_place_of_their_own_come_there(
    isolated: Path, shell: Shell, stdout: str, stderr: str | None, outs: str, errs: str | None
) -> None:
    """The others to the run's folder."""
    command = ["sh", "-c", "echo said; echo cried >&2"]
    away = write(isolated, shell, Job(command, stdout=stdout, stderr=stderr))
    assert away.run() == 0, away.said
    said_there = (isolated / outs).read_text()
    assert "said\n" in said_there
    if errs is None:
        assert away.err() == "cried\n"
    else:
        assert "cried\n" in (isolated / errs).read_text()
    assert not (away.folder / "logs/0/0.out").exists()


def test_nothing_else_comes_back(isolated: Path, shell: Shell) -> None:
    """Inputs, the job script and what nobody asked for stay where they are."""
    make(isolated, "in.txt")
    before = sorted(os.listdir(isolated))
    away = run_job(isolated, shell, WRITE, inputs=["in.txt"])
    assert sorted(os.listdir(isolated)) == sorted({*before, ".anybatch"})
    assert os.listdir(away.folder / "stage-out") == []


def test_start_records_tell_where_and_when(isolated: Path, shell: Shell) -> None:
    """And restarts are told apart."""
    away = write(isolated, shell, Job(["true"]))
    away.run(restarts=2)
    [start] = os.listdir(away.folder / "start/0")
    assert start.startswith("0.0.2.")
    record = parse_record(away.records[0])
    assert record is not None
    assert (record.restarts, record.exit_code) == (2, 0)


def test_stdin_with_an_index_is_refused(isolated: Path) -> None:
    """It would have to be packed for each job."""
    with pytest.raises(JobError, match=r"stdin .*cannot be used when files are transferred"):
        plan(isolated, Job(["cat"], stdin="in-{index}"))


# -- again


@pytest.fixture
def travelling(new_session: Callable[..., Session]) -> Callable[..., tuple[Session, Toy]]:
    def start(**more: Any) -> tuple[Session, Toy]:
        toy = Toy(transfer=Transfer.SYSTEM, **more)
        return new_session("toy", plugins=plugins_of(toy=toy), host=local_host()), toy

    return start


def submissions_of(run: Run) -> list[Submission]:
    return [one.planned.submission for one in run.watched.state.submissions]


def test_a_job_that_is_run_again_takes_the_same_along(
    travelling: Callable[..., tuple[Session, Toy]], shell: Shell
) -> None:
    """Some jobs of a submission, with their own transfer_sets, on pages of their own."""
    base = Path.cwd()
    make(base, "a.txt", "b.txt", "c.txt")
    session, toy = travelling()
    script = 'cat *.txt; test "$ANYBATCH_ATTEMPT" -gt "$1"'
    jobs = [
        Job(["sh", "-c", script, "x", fails], name="x", inputs=[name], retry=1)
        for name, fails in (("a.txt", "0"), ("b.txt", "-1"), ("c.txt", "0"))
    ]
    run = session.submit(jobs)
    away = Away(base, run.folder, submissions_of(run), shell)
    for task in (1, 2, 3):
        away.run(task)
        state = State.DONE if task == 2 else State.FAILED
        toy.answers[f"1.{task}"] = said(state, exit_code=int(task != 2))
    _step(run)
    _step(run)
    away.submissions = submissions_of(run)
    first, second = away.submissions
    assert (second.count, second.transfer) == (2, Transfer.SYSTEM)
    assert second.transfer_sets == (first.transfer_sets[0], first.transfer_sets[2])
    for task in (1, 2):
        assert away.run(task, number=1) == 0, away.said
        toy.answers[f"2.{task}"] = said(State.DONE, exit_code=0)
    _step(run)
    outcomes = run.wait(60)
    assert [(one.state, one.attempt) for one in outcomes] == [
        *((State.DONE, 1), (State.DONE, 0), (State.DONE, 1))
    ]
    assert [away.out(0, ".1"), away.out(2, ".1")] == ["a.txt", "c.txt"]


def _step(run: Run) -> None:
    run._engine.step(force=True)


def test_a_record_that_came_is_no_verdict_while_the_system_moves_files(
    travelling: Callable[..., tuple[Session, Toy]], shell: Shell
) -> None:
    """The record may be the first of the files to come."""
    session, toy = travelling()
    run = session.submit(Job(["sh", "-c", "exit 3"]))
    toy.answers["1.1"] = said(State.RUNNING, "transferring output")
    away = Away(Path.cwd(), run.folder, submissions_of(run), shell)
    away.run()
    for _ in range(3):
        _step(run)
        assert run.outcome(0) is None
    toy.answers["1.1"] = said(State.FAILED, "completed", exit_code=3)
    _step(run)
    outcome = run.outcome(0)
    assert outcome is not None
    assert (outcome.reason, outcome.exit_code) == (Reason.EXIT_CODE, 3)
