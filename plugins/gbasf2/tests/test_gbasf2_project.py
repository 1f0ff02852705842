"""Projects from beginning to end, on a simulated grid."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Executor, Job, Reason, Resources, State, UsageError
from anybatch.cli import cli
from anybatch.runs import lookup, polling
from anybatch.testing import await_that
from anybatch_gbasf2 import GridDataset, path_job, render, steering_job
from anybatch_gbasf2.client import Client
from anybatch_gbasf2.project import Project, project_of
from click.testing import CliRunner

from .conftest import DATASET, SIMULATOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch import Outcome, Run, Session

    from .conftest import Grid

SUBMIT = """
import sys
from anybatch import Session
from anybatch_gbasf2 import steering_job
with Session("gbasf2") as session:
    run = session.submit(steering_job("steer.py", max_retries=1))
    print(run.id, flush=True)
    run.wait()
"""


def end(run: Run, timeout: float = 240) -> list[Outcome]:
    """Follow a run to its end, with a look whenever one is over."""
    run._engine.watch()

    def looked() -> bool:
        run.refresh()
        return run.finished

    await_that(looked, patience=timeout)
    return run.wait()


def submit_and_die(
    run_python: Callable[..., subprocess.Popen[str]], program: str, when: Callable[[], object]
) -> str:
    """Have a program killed that submits and waits, when something is so; the run's id."""
    process = run_python(program)
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    await_that(when)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return name


def client_and_project(run: Run) -> tuple[Client, Project]:
    """The project of a run, and its client."""
    settings = run.watched.state.submissions[0].planned.submission.settings
    project = project_of(settings)
    return Client(run._engine.host, project.setup_path, project.proxy_group), project


def states(run: Run) -> Counter[State]:
    """How many jobs are in each state."""
    return Counter(run.counts)


def ids_in(grid: Grid, command: str) -> Counter[str]:
    """How often a command was given the id of each job."""
    calls = (call for call in grid.calls() if call[0] == command)
    return Counter(word for call in calls for word in call if word.isdecimal())


@pytest.mark.usefixtures("often")
def test_a_project_is_a_run(session: Session, grid: Grid, grid_home: Path) -> None:
    """A job for each file; done when its output is here; few commands."""
    grid.dataset(5)
    run = session.submit(steering_job("steer.py"))
    assert len(run) == 5
    before = grid.count()["status"]
    run.refresh()
    assert grid.count()["status"] - before == 1
    outcomes = run.wait(timeout=240)
    assert [outcome.state for outcome in outcomes] == [State.DONE] * 5
    [project] = grid.state()["names"]
    outputs = sorted((grid_home / project / "sub00").iterdir())
    assert [path.read_text().splitlines()[-1] for path in outputs] == [
        f"events of {number}" for number in range(5)
    ]
    assert not (grid_home / f"{project}.partial").exists()
    count = grid.count()
    assert (count["gbasf2"], count["gb2_ds_get"], count["gb2_job_output"]) == (1, 1, 1)


def test_two_hundred_jobs_survive(
    grid: Grid,
    grid_home: Path,
    new_session: Callable[..., Session],
    run_python: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten percent fail at first, the program is killed in the middle, and everything is there."""
    monkeypatch.setattr(polling, "COST", 5)
    grid.dataset(200)
    sick = [str(index) for index in range(0, 200, 10)]
    grid.faults(
        application_fails=dict.fromkeys(sick[::2], 1),
        site_fails=dict.fromkeys(sick[1::2], 1),
        reschedule_lag=1,
        download_fails={"_00007_": 1},
    )
    program = "from anybatch.runs import polling; polling.COST = 5" + SUBMIT
    name = submit_and_die(run_python, program, lambda: grid.words()["Done"] > 40)
    run = new_session("gbasf2", settings={"anybatch": {"poll_interval": "2s"}}).attach(name)
    outcomes = run.wait(600)
    assert Counter(outcome.state for outcome in outcomes) == {State.DONE: 200}
    assert [outcome.index for outcome in outcomes if outcome.attempt] == [int(i) for i in sick]
    [project] = grid.state()["names"]
    here = [path.name for path in (grid_home / project).glob("sub*/*.root")]
    assert len(here) == 200
    assert sum(name.endswith("_01.root") for name in here) == 20
    stored = list((grid.folder / "storage/belle/user/ada" / project).glob("sub*/*.root"))
    assert len(stored) == 210  # ten jobs were lost after their output was there
    count = grid.count()
    assert count["gbasf2"] == 1
    assert count["gb2_ds_get"] <= 3
    looks = count["status"]  # how many the time had, the machine decides
    assert count["gb2_job_reschedule"] <= min(looks, 20)
    assert count["gb2_job_output"] <= min(looks, 25)
    assert count["proxy_info"] + count["ds_list"] <= 12 + looks // 2
    assert sum(ids_in(grid, "gb2_job_reschedule").values()) == 20
    logged = ids_in(grid, "gb2_job_output")
    assert len(logged) == 200
    # Twice where a job ran twice, and once more where the kill came while its logs were fetched.
    assert {1, 2} <= set(logged.values()) <= {1, 2, 3}


def test_a_failure_says_why_and_has_its_log(session: Session, grid: Grid, grid_home: Path) -> None:
    """Application, site and upload; the others' outputs are downloaded all the same."""
    grid.dataset(4)
    grid.faults(application_fails={"0": 9}, site_fails={"1": 9}, upload_fails={"2": 9})
    run = session.submit(steering_job("steer.py"))
    outcomes = end(run)
    assert [(one.state, one.reason) for one in outcomes] == [
        (State.FAILED, Reason.EXIT_CODE),
        (State.FAILED, Reason.NODE_FAILURE),
        (State.FAILED, Reason.STAGE_OUT),
        (State.DONE, None),
    ]
    project = grid.state()["names"][0]
    logs = run.folder / "logs" / project
    assert sorted(path.name for path in logs.iterdir()) == [str(700001 + i) for i in range(4)]
    assert outcomes[0].why() == "Application Finished With Errors, Exited With Status 3"
    assert outcomes[0].describe().endswith(f" (log: {logs}/700001/std.out)")
    assert len(list((grid_home / project).glob("sub*/*_job700004_*.root"))) == 1


def test_logs_are_shown(session: Session, grid: Grid, grid_home: Path) -> None:
    """What basf2 printed is a job's output, what was printed around it tells of errors."""
    grid.dataset(2)
    grid.faults(application_fails={"1": 9})
    run = session.submit(steering_job("steer.py", max_retries=1))
    shown = CliRunner().invoke(cli, ["logs", f"{run.id}:0"])
    assert (shown.exit_code, shown.stdout) == (1, "")
    outcomes = end(run)
    shown = CliRunner().invoke(cli, ["logs", f"{run.id}:0"])
    assert (shown.exit_code, shown.stdout.split()[0]) == (0, "processing")
    shown = CliRunner().invoke(cli, ["logs", "--stderr", f"{run.id}:1"])
    assert "Application Finished With Errors" in shown.stdout
    again = outcomes[1].stdout
    assert again is not None
    assert again.parent.name == "700002"
    assert again.parent.parent.name.startswith("again-")


def test_retries_have_an_end(session: Session, grid: Grid, grid_home: Path) -> None:
    """A job that fails again after it was rescheduled so often has failed; each log once."""
    grid.dataset(2)
    grid.faults(application_fails={"1": 9}, reschedule_lag=1)
    run = session.submit(steering_job("steer.py", max_retries=2))
    outcomes = end(run)
    assert [(one.state, one.attempt) for one in outcomes] == [(State.DONE, 0), (State.FAILED, 2)]
    count = grid.count()
    assert count["gb2_job_reschedule"] == 2
    assert grid.state()["jobs"]["700002"]["attempt"] == 2
    assert ids_in(grid, "gb2_job_output")["700002"] == 3


def test_answers_that_are_none_change_nothing(session: Session, grid: Grid) -> None:
    """Garbage, a broken client, an empty answer: no job is done, failed or lost by it."""
    grid.dataset(3)
    grid.faults(hold=0)
    run = session.submit(steering_job("steer.py"))
    for fault in ("status_garbage", "status_breaks", "status_empty"):
        grid.faults(**{fault: 2})
        for _ in range(2):
            run.refresh()
            assert states(run) == {State.QUEUED: 3}
    grid.faults(hold=99)
    grid.change(lambda state: state["jobs"]["700001"].update(Status="Stalled"))
    run.refresh()
    assert run.jobs[0].state is State.RUNNING
    assert run.jobs[0].native_state == "Stalled"


def test_a_job_that_is_killed_or_deleted_has_ended(
    grid: Grid, grid_home: Path, new_session: Callable[..., Session]
) -> None:
    """Nobody waits for more; a deleted job, of which the grid says nothing, is lost."""
    session = new_session("gbasf2", settings={"anybatch": {"lost_after": "1s"}})
    grid.dataset(2)
    grid.faults(hold=0)
    run = session.submit(steering_job("steer.py"))
    grid.change(lambda state: state["jobs"]["700001"].update(Status="Killed"))
    grid.change(lambda state: state["jobs"]["700002"].update(Status="Deleted"))
    outcomes = end(run)
    assert [outcome.state for outcome in outcomes] == [State.TERMINATED, State.LOST]


def test_jobs_are_killed(session: Session, grid: Grid) -> None:
    """Some with one command, all with another; a signal cannot be sent."""
    grid.dataset(4)
    grid.faults(hold=0)
    run = session.submit(steering_job("steer.py"))
    with pytest.raises(UsageError, match="cannot send signals"):
        run.terminate(signal="USR1")
    assert run.terminate([1, 2]) == 2
    assert [call[1:] for call in grid.calls() if call[0] == "gb2_job_kill"] == [
        ["--force", "--jobid", "700002", "700003"]
    ]
    run.terminate()
    outcomes = end(run)
    assert [outcome.state for outcome in outcomes] == [State.TERMINATED] * 4


def test_jobs_are_killed_as_they_were_submitted(
    session: Session, grid: Grid, new_session: Callable[..., Session]
) -> None:
    """By the client of their project, whatever the settings of the session that kills them."""
    grid.dataset(2)
    grid.faults(hold=0)
    run = session.submit(steering_job("steer.py"))
    others = {"setup_path": "/nowhere", "proxy_group": "belle_other", "user": "eve"}
    other = new_session("gbasf2", settings={"gbasf2": others})
    assert other.attach(run.id).terminate() == 2
    assert grid.words() == {"Killed": 2}


def test_a_project_that_is_there_is_attached_to(
    session: Session, grid: Grid, grid_home: Path
) -> None:
    """The same job again is the same project; another steering file makes another."""
    grid.dataset(2)
    first = session.submit(steering_job("steer.py"))
    end(first)
    second = session.submit(steering_job("steer.py"))
    assert [str(job.id) for job in second.jobs] == [str(job.id) for job in first.jobs]
    assert [outcome.state for outcome in end(second)] == [State.DONE] * 2
    assert (grid.count()["gbasf2"], grid.count()["gb2_ds_get"]) == (1, 1)
    with (grid_home / "steer.py").open("a") as file:
        file.write("# changed\n")
    session.submit(steering_job("steer.py"))
    assert len(grid.state()["names"]) == 2


def test_what_gbasf2_refuses_is_refused(session: Session, grid: Grid) -> None:
    """A name that was used before, by a project that is gone."""
    grid.dataset(1)
    grid.faults(reject_names=True)
    run = session.submit(steering_job("steer.py"))
    [outcome] = end(run)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.REJECTED)
    assert "already exists" in str(outcome.message)


def test_a_submission_that_says_nothing_is_found(session: Session, grid: Grid) -> None:
    """Where no ids are printed, the project tells them."""
    grid.dataset(3)
    grid.faults(submit_says_nothing=True)
    run = session.submit(steering_job("steer.py"))
    assert [str(job.id) for job in run.jobs] == [
        f"{grid.state()['names'][0]}/{700001 + number}" for number in range(3)
    ]


def test_jobs_that_the_grid_does_not_show_yet_are_waited_for(
    session: Session, grid: Grid, notices: list[str]
) -> None:
    """No job is refused because a listing right after the submission has a part of them."""
    grid.dataset(4)
    grid.faults(submit_says_nothing=True, status_partial=1)
    run = session.submit(steering_job("steer.py"))
    assert {outcome.state for outcome in end(run)} == {State.DONE}
    [notice] = notices
    assert "the project has 2 jobs so far, for 4 of the run" in notice
    assert grid.count()["gbasf2"] == 1


def test_a_project_that_the_grid_does_not_show_yet_is_waited_for(
    session: Session, grid: Grid, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is taken when it is submitted again, because it was made before."""
    monkeypatch.setattr(lookup, "SETTLE", 0.1)
    grid.dataset(2)
    grid.faults(submit_says_nothing=True, status_empty=5)
    run = session.submit(steering_job("steer.py"))
    assert {outcome.state for outcome in end(run)} == {State.DONE}
    assert "the project was made before" in notices[-1]


def test_a_job_that_gbasf2_did_not_make_is_refused(session: Session, grid: Grid) -> None:
    """It told how many it made, so there is nothing to be waited for."""
    grid.dataset(2)
    run = session.submit(steering_job("steer.py", jobs=3))
    outcomes = end(run)
    assert [outcome.state for outcome in outcomes] == [State.DONE, State.DONE, State.FAILED]
    assert outcomes[2].reason is Reason.REJECTED
    assert outcomes[2].message == "gbasf2 made fewer jobs than this run has"


def test_a_submission_that_timed_out_is_not_repeated(
    grid: Grid,
    grid_home: Path,
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It arrived, and is found by the project's name."""
    monkeypatch.setattr(render, "PER_JOB", timedelta(0))
    grid.dataset(2)
    grid.faults(submit_seconds=60, hold=0)
    session = new_session("gbasf2", settings={"anybatch": {"submit_timeout": "6s"}})
    run = session.submit(steering_job("steer.py"))
    session.watch()
    await_that(lambda: all(job.state is State.QUEUED for job in run.jobs))
    assert grid.count()["gbasf2"] == 1


def test_one_job_for_all_where_their_number_is_not_known(session: Session, grid: Grid) -> None:
    """Grouped input: the run's job stands for the project, and is rescheduled as one."""
    grid.dataset(3)
    grid.faults(application_fails={"2": 1})
    run = session.submit(steering_job("steer.py", input_grouping="size", max_retries=1))
    assert len(run) == 1
    [outcome] = end(run)
    assert (outcome.state, outcome.attempt) == (State.DONE, 1)
    [call] = [call for call in grid.calls() if call[0] == "gb2_job_reschedule"]
    assert call[1:] == ["--user", "ada", "-p", grid.state()["names"][0], "--force"]


def test_a_pickled_path_runs_on_the_grid(
    session: Session, grid: Grid, grid_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its aliases, global tags and log level, from the wrapper that was shown."""
    monkeypatch.syspath_prepend(str(SIMULATOR / "modules"))
    for name in ("basf2", "basf2.pickle_path", "variables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import basf2
    from variables import variables

    variables.addAlias("mine", "M")
    path = basf2.create_path()
    path.add_module("RootOutput", outputFileName="C.root")
    basf2.conditions.globaltags.append("my_tag")
    basf2.set_log_level("DEBUG")
    grid.dataset(1)
    run = session.submit(path_job(path, "path.pkl", max_event=7))
    [outcome] = end(run)
    assert outcome.state is State.DONE
    [output] = (grid_home / grid.state()["names"][0]).glob("sub00/C_*.root")
    assert output.read_text().startswith("RootOutput max_event=7 ['my_tag']")
    assert outcome.stdout is not None
    log = outcome.stdout.read_text()
    assert "at DEBUG" in log
    assert "aliases: {'mine': 'M'}" in log


def test_pickled_paths_of_one_run_stay_apart(session: Session, grid: Grid, grid_home: Path) -> None:
    """Each project has its own path and its own steering file around it."""
    grid.dataset(1)
    grid.faults(hold=0)
    jobs = []
    for number, name in enumerate(("first", "second")):
        (grid_home / name).write_text(f"path {name}")
        own = {"pickle_file": name, "project_name": name, "max_event": number + 5}
        jobs.append(Job(["basf2", name], settings={"gbasf2": own}))
    session.submit(jobs)
    for number, name in enumerate(("first", "second")):
        sandbox = grid.folder / "sandboxes" / name
        assert (sandbox / render.PICKLE).read_text() == f"path {name}"
        assert f"max_event={number + 5}" in (sandbox / render.WRAPPER).read_text()


def test_the_example_works(grid: Grid, grid_home: Path) -> None:
    """`examples/grid.py`, which names outputs and counts jobs."""
    grid.dataset(2)
    example = SIMULATOR.parents[2] / "examples" / "grid.py"
    argv = [sys.executable, str(example), "steer.py", DATASET]
    completed = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert completed.stdout.endswith("2 done\n")
    assert f"/belle/user/ada/{grid.state()['names'][0]}" in completed.stdout


@pytest.mark.usefixtures("often")
def test_a_future_stands_for_a_whole_project(grid: Grid, grid_home: Path) -> None:
    """Where it is asked to be one job; of several no future can tell."""
    grid.dataset(2)
    with Executor("gbasf2") as executor:
        several = executor.submit(steering_job("steer.py"))
        assert "a future stands for one job" in str(several.exception(240))
        assert not grid.state()["names"]
        assert executor.submit(steering_job("steer.py", jobs=1)).result(240).done


def test_what_stays_on_the_grid_is_named_for_the_next_job(session: Session, grid: Grid) -> None:
    """Nothing is downloaded, and the dataset is the input of another project."""
    grid.dataset(2)
    first = session.submit(steering_job("steer.py", download_dataset=False, download_logs=False))
    end(first)
    [made] = GridDataset.of(first)
    second = session.submit(steering_job("steer.py", input_dataset=str(made)))
    assert len(second) == 2
    assert [outcome.state for outcome in end(second)] == [State.DONE] * 2
    assert grid.count()["gb2_ds_get"] == 1


def test_each_job_has_its_log_where_outputs_stay_on_the_grid(session: Session, grid: Grid) -> None:
    """Also one that is done before the others have ended."""
    grid.dataset(2)
    grid.faults(hold=1)
    run = session.submit(steering_job("steer.py", download_dataset=False))

    def first_is_done() -> bool:
        run.refresh()
        return run.jobs[0].state is State.DONE

    await_that(first_is_done)
    grid.change(lambda state: state["jobs"]["700002"].update(Status="Killed"))
    first, _ = end(run)
    assert first.stdout is not None
    assert first.stdout.read_text().startswith("processing")


def test_a_project_is_watched_while_another_is_downloaded(
    session: Session, grid: Grid, grid_home: Path
) -> None:
    """One question for both; the download tells how far it is, and holds up nobody."""
    grid.dataset(3)
    grid.dataset(1, "/belle/MC/other")
    grid.faults(download_pauses="_00001_")
    first = session.submit(steering_job("steer.py", download_logs=False))
    stays = {"input_dataset": "/belle/MC/other", "download_dataset": False, "download_logs": False}
    second = session.submit(steering_job("steer.py", **stays))
    grid.change(lambda state: state["jobs"]["700004"].update(Status="Running"))

    def told() -> str | None:
        session.poll()
        return first.jobs[0].message

    await_that(lambda: told() == "outputs are downloaded, 1 of 3 files")
    grid.change(lambda state: state["jobs"]["700004"].update(Status="Done"))
    grid.change(lambda state: state["jobs"]["700004"].update(ApplicationStatus="Done"))
    await_that(lambda: told() and second.finished)
    assert not first.finished
    grid.faults(download_pauses=None)
    assert {outcome.state for outcome in end(first)} == {State.DONE}
    assert 2 in {len(call[1:]) for call in grid.calls() if call[0] == "status"}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"command": ["./fit"]}, "the grid runs only basf2: use the command"),
    ({"command": "echo hello"}, "the grid runs only basf2: use the command"),
    ({"command": ["basf2", "other.py"]}, "does not run the file 'steer.py'"),
    ({"env": {"A": "b"}}, "env is not supported on the grid"),
    ({"inputs": ("a",)}, "inputs is not supported on the grid; use gbasf2.additional_files"),
    ({"container": "a.sif"}, "container is not supported on the grid"),
    ({"checkpoint": True}, "checkpoint is not supported on the grid"),
    ({"input_list": ["root://a/b"]}, "input_list is not .* use gbasf2.input_dataset"),
    ({"resources": Resources(time="1h")}, "the resource time .* gbasf2.cputime limits"),
    ({"settings": {"input_dslist": "steer.py"}}, "set exactly one of"),
    ({"settings": {"proxy_group": "belle_sl"}}, "need project_lpn_path"),
    ({"settings": {"project_name_prefix": "-x"}}, "not begin with -"),
    ({"settings": {"release": "--force"}}, "release '--force' must not start with -"),
    (
        {"settings": {"input_datafiles": ["/a", "--priority=9"]}},
        "'--priority=9' must not start with -",
    ),
    ({"settings": {"min_proxy_lifetime": 24}}, "min_proxy_lifetime \\(24 h\\) must be less than"),
    ({"settings": {"priority": 11}}, "priority must be between 0 and 10: 11"),
    ({"settings": {"max_retries": -1}}, "max_retries must be 0 or more: -1"),
    ({"settings": {"additional_files": ["gone"]}}, "no such file: .*/gone"),
    ({"settings": {"custom_steering_file": "gone.py"}}, "gone.py"),
    ({"settings": {"project_name_prefix": "x" * 30}}, "32 is the most"),
    ({"settings": {"project_name_prefix": "a b"}}, "letters, digits, _ and - only"),
    ({"settings": {"project_name_hash_length": 5}}, "6 to 10"),
    ({"settings": {"additional_params": "'"}}, "No closing quotation"),
    ({"settings": {"input_dataset": "/belle/none"}}, "the input has no files"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_is_no_job_for_the_grid_is_refused(
    session: Session, grid: Grid, change: dict[str, Any], message: str
) -> None:
    """Before anything is submitted, with what to do instead."""
    grid.dataset(1)
    settings = {"custom_steering_file": "steer.py", **change.get("settings", {})}
    arguments = {"command": ["basf2", "steer.py"], **change, "settings": {"gbasf2": settings}}
    with pytest.raises(UsageError, match=message):
        session.submit(Job(arguments.pop("command"), **arguments))
    assert not grid.state()["names"]


def test_the_same_job_twice_is_refused(session: Session, grid: Grid) -> None:
    """A project is made once."""
    grid.dataset(2)
    with pytest.raises(UsageError, match="the same job was given twice"):
        session.submit([steering_job("steer.py")] * 2)


def test_a_release_is_a_must(
    grid: Grid,
    grid_home: Path,
    new_session: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the setting nor the environment names one that the grid has."""
    monkeypatch.setenv("BELLE2_RELEASE", "head")
    file = grid_home / "anybatch.toml"
    file.write_text(file.read_text().replace("release =", "jobtype ="))
    with pytest.raises(UsageError, match=r"set gbasf2\.release"):
        new_session("gbasf2").submit(steering_job("steer.py"))
