"""What goes wrong around a project: proxies, downloads, crashes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch import CommandError, Reason, State, UsageError
from anybatch.cli import cli
from anybatch.localhost import LocalHost
from anybatch.runs import lookup
from anybatch.testing import await_that
from anybatch_gbasf2 import client as client_module
from anybatch_gbasf2 import fetch, steering_job
from anybatch_gbasf2.client import Client
from anybatch_gbasf2.fetch import PAUSES, Download, Incomplete
from anybatch_gbasf2.job_ids import read_native_id
from anybatch_gbasf2.plugin import Gbasf2
from anybatch_gbasf2.settings import SETTINGS
from click.testing import CliRunner

from .conftest import OFTEN, STEERING, Grid
from .test_gbasf2_project import SUBMIT, client_and_project, end, ids_in, submit_and_die

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from anybatch import Run, Session
    from anybatch.planning.plan import Planned
    from anybatch_gbasf2.project import Project


class Terminal(LocalHost):
    """A machine with somebody at its terminal, who types these passwords."""

    def __init__(self, *passwords: str) -> None:
        super().__init__()
        self.passwords = list(passwords)
        self.prompts: list[str] = []

    def secret(self, prompt: str) -> str | None:
        self.prompts.append(prompt)
        return self.passwords.pop(0) if self.passwords else None


def is_queued(run: Run) -> bool:
    """Whether all jobs of a run are in the queue, after a look."""
    run.refresh()
    return run.counts == {State.QUEUED: len(run)}


# -- the client


def test_the_environment_of_the_setup_script_is_whole(grid: Grid) -> None:
    """Functions and values with line breaks arrive; nothing of ours does."""
    client = Client(LocalHost({"HOME": "/home/ada", "MINE": "x"}), str(grid.setup), "belle")
    found = client.environment()
    assert found["BELLE2_BANNER"] == "two\nlines"
    assert found["BASH_FUNC_gb2_greet%%"].startswith("() {")
    assert found["HOME"] == "/home/ada"
    assert "MINE" not in found


def test_what_is_no_folder_on_the_path_has_no_commands(grid: Grid, tmp_path: Path) -> None:
    """Those in the folders beside it are found."""
    (tmp_path / "file").write_text("no folder")
    with grid.setup.open("a") as script:
        script.write(f'export PATH="{tmp_path}/file:$PATH"\n')
    client = Client(LocalHost(), str(grid.setup), "belle")
    assert client.missing(["gbasf2", "gbasf3"]) == ["gbasf3"]


@pytest.mark.parametrize(
    ("script", "problem"),
    [(None, "there is no setup script"), ("exit 3\n", "the setup script does not work")],
)
def test_a_setup_script_that_does_not_work_is_told(
    tmp_path: Path, script: str | None, problem: str
) -> None:
    """Which one, and what is wrong with it."""
    path = tmp_path / "bashrc"
    if script:
        path.write_text(script)
    with pytest.raises(CommandError, match=problem):
        Client(LocalHost(), str(path), "belle").environment()


def test_detection_tells_what_works(grid: Grid, tmp_path: Path) -> None:
    """Setup script, commands, proxy; and `auto` never takes it."""
    settings = {setting.name: setting.default for setting in SETTINGS}
    settings["setup_path"] = str(grid.setup)
    plugin = Gbasf2(LocalHost())
    detect = partial(plugin.anybatch_detect, choosing=False)
    found = detect(settings)
    assert (found.available, found.priority) == (True, None)
    assert found.details["proxy"] == "of ada, for 24.0 h"
    grid.expire()
    found = detect(settings)
    assert (found.available, found.priority) == (False, None)
    assert found.reason == "there is no valid proxy; run: gb2_proxy_init -g belle -v 24:00"
    settings["setup_path"] = str(tmp_path / "none")
    found = detect(settings)
    assert (found.available, found.priority, found.unreachable) == (False, None, False)
    assert "only if named" in plugin.anybatch_detect(settings, choosing=True).reason


@pytest.mark.usefixtures("grid_home")
def test_the_doctor_looks_at_the_client(grid: Grid) -> None:
    """It says what works, and what to run where something does not."""
    found = CliRunner().invoke(cli, ["doctor", "--system", "gbasf2"]).output
    assert "the grid client works and has a proxy" in found
    grid.expire()
    found = CliRunner().invoke(cli, ["doctor", "--system", "gbasf2"]).output
    assert "there is no valid proxy; run: gb2_proxy_init -g belle -v 24:00" in found


# -- the proxy


def test_without_a_terminal_jobs_go_on_when_the_proxy_ends(
    session: Session, grid: Grid, notices: list[str]
) -> None:
    """An error says what to run; no state changes; it goes on when somebody has run it."""
    grid.dataset(2)
    grid.faults(hold=0)
    run = session.submit(steering_job("steer.py"))
    assert is_queued(run)
    grid.expire()
    run.refresh()
    await_that(
        lambda: is_queued(run) and any("gb2_proxy_init -g belle -v 24:00" in n for n in notices)
    )
    grid.renew()
    grid.faults(hold=9)
    grid.change(lambda state: state["jobs"]["700001"].update(Status="Killed"))
    grid.change(lambda state: state["jobs"]["700002"].update(Status="Killed"))
    assert {outcome.state for outcome in end(run)} == {State.TERMINATED}


def test_a_password_is_asked_for_three_times(grid: Grid) -> None:
    """While somebody types, the error comes at once; the third try is right."""
    grid.expire()
    host = Terminal("wrong", "wrong again", "secret")
    client = Client(host, str(grid.setup), "belle")

    def valid() -> bool:
        try:
            return client.need_proxy(12).user == "ada"
        except CommandError:
            return False

    assert not valid()
    await_that(valid)
    assert len(host.prompts) == 3
    [*_, call] = [call for call in grid.calls() if call[0] == "gb2_proxy_init"]
    assert call[1:] == ["-g", "belle", "-v", "12:00", "--pwstdin"]


def test_after_three_wrong_passwords_nobody_is_asked_any_more(grid: Grid) -> None:
    """Until there has been a proxy again, made elsewhere."""
    grid.expire()
    host = Terminal(*["wrong"] * 9)
    client = Client(host, str(grid.setup), "belle")

    def refused() -> bool:
        with pytest.raises(CommandError):
            client.need_proxy(24)
        return len(host.prompts) == 3

    await_that(refused)
    time.sleep(0.1)
    assert refused()
    grid.renew()
    assert client.need_proxy(24).user == "ada"


def test_a_short_proxy_is_enough_to_watch_and_not_to_submit(tmp_path: Path) -> None:
    """The setting min_proxy_lifetime."""
    grid = Grid(tmp_path / "short", proxy=1800)
    client = Client(LocalHost(), str(grid.setup), "belle")
    assert client.need_proxy(24, 1).left < 1801
    with pytest.raises(CommandError, match="is good for less than 1 h"):
        client.need_proxy(24, 1, strict=True)
    grid.close()


def test_a_proxy_that_is_short_is_no_reason_to_ask_for_ever(tmp_path: Path) -> None:
    """It does for watching; after three wrong passwords nobody is asked as long as it lasts."""
    grid = Grid(tmp_path / "short", proxy=1800)
    host = Terminal(*["wrong"] * 9)
    client = Client(host, str(grid.setup), "belle")
    for _ in range(3):
        assert client.need_proxy(24, 1, wait=True).left < 1801
    assert len(host.prompts) == 3
    grid.close()


def test_planning_needs_no_valid_proxy_where_nothing_is_asked(
    session: Session, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has expired tells the user; the number of files can be set, or is known."""
    monkeypatch.setattr(lookup, "SETTLE", 0.1)
    grid.dataset(2)
    grid.expire()
    with pytest.raises(UsageError, match=r"gb2_proxy_init -g belle.*With gbasf2\.jobs set"):
        session.plan(steering_job("steer.py"))
    plan = session.plan(steering_job("steer.py", jobs=2))
    [planned] = plan.submissions
    assert (plan.count, planned.submission.settings["user"]) == (2, "ada")
    assert session.plan(steering_job("steer.py", input_dataset="/belle/a.root")).count == 1
    run = session.submit(steering_job("steer.py", jobs=2))
    grid.renew()
    assert {outcome.state for outcome in end(run)} == {State.DONE}
    [submitted] = [call for call in grid.calls() if call[0] == "gbasf2"]
    assert submitted[1:] == list(submit_words(session, planned)[1:])


def submit_words(session: Session, planned: Planned) -> tuple[str, ...]:
    """The submit command of a plan."""
    return session.hooks.render("gbasf2", planned.submission).command.argv


def test_planning_without_any_proxy(session: Session, grid: Grid) -> None:
    """Nothing is asked where user and number are set; otherwise the setting is named."""
    grid.change(lambda state: state.update(proxy={}))
    with pytest.raises(UsageError, match=r"With gbasf2\.user set, this question is not asked"):
        session.plan(steering_job("steer.py", jobs=2))
    assert session.plan(steering_job("steer.py", jobs=2, user="ada")).count == 2
    assert set(grid.count()) == {"proxy_info"}


def test_planning_waits_for_a_password(
    grid: Grid, grid_home: Path, new_session: Callable[..., Session]
) -> None:
    """Nothing is watched yet that it could hold up, and the error would come too early."""
    grid.dataset(2)
    grid.expire()
    session = new_session("gbasf2", host=Terminal("wrong", "secret"))
    assert session.plan(steering_job("steer.py")).count == 2


def test_a_proxy_of_somebody_else_submits_nothing(session: Session, grid: Grid) -> None:
    """The project's name and dataset were made for another user."""
    grid.dataset(1)
    [outcome] = end(session.submit(steering_job("steer.py", user="eve")))
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.REJECTED)
    assert "the grid proxy is of ada" in str(outcome.message)
    assert not grid.state()["names"]


def test_a_steering_file_that_changes_before_its_turn_comes_submits_nothing(
    session: Session, grid: Grid, grid_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project's name tells of another text, under which nobody would look for this one."""
    monkeypatch.setattr(lookup, "SETTLE", 0.1)
    grid.dataset(1)
    grid.expire()
    changed = session.submit(steering_job("steer.py", jobs=1))
    (grid_home / "gone.py").write_text(STEERING)
    gone = session.submit(steering_job("gone.py", jobs=1))
    (grid_home / "steer.py").write_text(STEERING + "# changed\n")
    (grid_home / "gone.py").unlink()
    grid.renew()
    outcomes = end(changed) + end(gone)
    assert [outcome.reason for outcome in outcomes] == [Reason.REJECTED] * 2
    assert "changed after project" in str(outcomes[0].message)
    assert "gone.py: No such file" in str(outcomes[1].message)
    assert not grid.state()["names"]


# -- rescheduling, when the program is killed meanwhile


@pytest.mark.parametrize(
    ("point", "command", "planned", "lag", "times"),
    [
        pytest.param("before", "killed", False, 0, 2, id="before the plan is written"),
        pytest.param("before", "killed", True, 0, 2, id="before the command has an effect"),
        pytest.param("before", "goes on", True, 0, 1, id="and the command goes on"),
        pytest.param("after", "killed", True, 0, 1, id="after it, before the journal"),
        pytest.param("after", "goes on", True, 0, 1, id="after it, and the command goes on"),
        pytest.param("after", "killed", True, 3600, 2, id="after it, and the grid shows it late"),
    ],
)
def test_killed_while_jobs_are_rescheduled(
    grid: Grid,
    grid_home: Path,
    new_session: Callable[..., Session],
    run_python: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    command: str,
    planned: bool,
    lag: float,
    times: int,
) -> None:
    """Whatever has come to pass by then, each job is run again once."""
    monkeypatch.setattr(lookup, "SETTLE", 0.5)
    grid.dataset(3)
    failing = {"0": 1, "2": 1}
    grid.faults(application_fails=failing, reschedule_pauses=point, reschedule_lag=lag)
    name = submit_and_die(run_python, OFTEN + SUBMIT, (grid.folder / "paused").exists)
    if command == "killed":
        os.kill(grid.paused(), signal.SIGKILL)
        grid.faults(reschedule_pauses=None)
    run = new_session("gbasf2").attach(name)
    if not planned:
        (run.folder / "reschedule-1.json").unlink()
    run.refresh()
    grid.faults(reschedule_pauses=None)
    if lag:  # the grid goes on to lag until nobody waits for it any more
        run._engine.watch()
        await_that(lambda: max(ids_in(grid, "gb2_job_reschedule").values()) == times)
        grid.change(show_all)
    outcomes = end(run)
    assert [(one.state, one.attempt) for one in outcomes] == [
        (State.DONE, 1),
        (State.DONE, 0),
        (State.DONE, 1),
    ]
    assert [job["attempt"] for job in grid.state()["jobs"].values()] == [1, 0, 1]
    assert max(ids_in(grid, "gb2_job_reschedule").values()) == times


def test_an_answer_without_jobs_does_not_keep_them_from_being_rescheduled(
    session: Session, grid: Grid
) -> None:
    """That the grid shows none in this moment does not say that there are none."""
    grid.dataset(1)
    grid.faults(application_fails={"0": 1})
    run = session.submit(steering_job("steer.py", max_retries=1))

    def is_to_be_run_again() -> bool:
        run.refresh()
        return run.jobs[0].attempt == 1

    await_that(is_to_be_run_again)
    grid.faults(status_empty=1)
    [outcome] = end(run)
    assert (outcome.state, outcome.attempt) == (State.DONE, 1)


def test_rescheduling_that_was_put_off_has_all_its_time(
    grid: Grid,
    grid_home: Path,
    new_session: Callable[..., Session],
    run_python: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failure that the grid still shows is none, though the plan is of the day before."""
    monkeypatch.setattr(lookup, "SETTLE", 0.5)
    grid.dataset(1)
    grid.faults(application_fails={"0": 1}, reschedule_pauses="before", reschedule_lag=3)
    name = submit_and_die(run_python, OFTEN + SUBMIT, (grid.folder / "paused").exists)
    os.kill(grid.paused(), signal.SIGKILL)
    grid.faults(reschedule_pauses=None)
    run = new_session("gbasf2").attach(name)
    path = run.folder / "reschedule-1.json"
    plan = json.loads(path.read_text())
    [native_id] = map(read_native_id, plan["native_ids"])
    plan["native_ids"] = [str(attrs.evolve(native_id, at=native_id.at - 86400))]
    path.write_text(json.dumps(plan))
    [outcome] = end(run)
    assert (outcome.state, outcome.attempt) == (State.DONE, 1)


def show_all(state: dict[str, Any]) -> None:
    """Let the grid show every job as it is."""
    for job in state["jobs"].values():
        job["shown_until"] = 0


# -- downloads


def test_files_that_fail_are_tried_again(session: Session, grid: Grid, grid_home: Path) -> None:
    """Those alone, from the list that gb2_ds_get wrote."""
    grid.dataset(3)
    grid.faults(download_fails={"_00001_": 1})
    run = session.submit(steering_job("steer.py"))
    assert {outcome.state for outcome in end(run)} == {State.DONE}
    first, second = [call for call in grid.calls() if call[0] == "gb2_ds_get"]
    [project] = grid.state()["names"]
    partial = grid_home / f"{project}.partial"
    assert first[1:] == [
        *("--new", "--force", f"/belle/user/ada/{project}/sub*"),
        *("--failed_lfns", f"{partial}/failed_files.txt"),
    ]
    assert second[1:] == [*first[1:], "--input_dslist", f"{partial}/failed_old.txt"]


def test_a_download_that_never_becomes_complete_has_failed(
    session: Session, grid: Grid, grid_home: Path
) -> None:
    """After some tries that brought nothing; what came stays in the partial folder."""
    grid.dataset(2)
    grid.faults(download_fails={"_00001_": 99})
    run = session.submit(steering_job("steer.py", download_dataset=False))
    end(run)
    client, project = project_to(grid_home, run)
    pauses: list[float] = []
    with pytest.raises(Incomplete, match=r"1 of 2 files do not come, such as sub00/B_00001"):
        Download(client, project, pauses.append).run()
    assert pauses == list(PAUSES)
    assert not project.target.exists()
    grid.faults(download_fails={})
    download = Download(client, project, pauses.append)
    download.run()
    assert (download.here, download.expected) == (2, 2)


@pytest.mark.parametrize("fault", ["download_truncates", "download_corrupts"])
def test_a_damaged_file_is_downloaded_again(
    session: Session, grid: Grid, grid_home: Path, fault: str
) -> None:
    """Sizes and checksums are those that the grid's catalogue tells; the whole files stay."""
    grid.dataset(3)
    grid.faults(download_fails={"_00002_": 1}, **{fault: {"_00001_": 1}})
    run = session.submit(steering_job("steer.py"))
    assert {outcome.state for outcome in end(run)} == {State.DONE}
    [project] = grid.state()["names"]
    stored = grid.folder / "storage/belle/user/ada" / project
    for path in stored.glob("sub00/*.root"):
        assert (grid_home / project / "sub00" / path.name).read_bytes() == path.read_bytes()
    assert grid.count()["gb2_ds_get"] == 2


def test_a_file_that_always_comes_damaged_is_told(
    session: Session, grid: Grid, grid_home: Path
) -> None:
    """Which one, and what is wrong with it; nothing is moved into place."""
    grid.dataset(2)
    grid.faults(download_truncates={"_00001_": 99})
    run = session.submit(steering_job("steer.py", download_dataset=False))
    end(run)
    client, project = project_to(grid_home, run)
    with pytest.raises(Incomplete, match=r"such as sub00/B_00001\S+ \(it came with \d+ of"):
        Download(client, project, lambda seconds: None).run()
    assert not project.target.exists()


def project_to(folder: Path, run: Run) -> tuple[Client, Project]:
    """The project of a run, as one whose outputs go to a folder, and its client."""
    client, project = client_and_project(run)
    return client, attrs.evolve(project, download_to=str(folder))


def test_an_output_that_comes_after_the_others_are_here_is_downloaded(
    session: Session, grid: Grid, grid_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a job which cannot be rescheduled as long as the proxy is too short for that."""
    monkeypatch.setattr(client_module, "BELIEVED", 0.0)
    grid.dataset(2)
    grid.faults(application_fails={"1": 1})
    run = session.submit(steering_job("steer.py", max_retries=1, min_proxy_lifetime=1))
    grid.change(lambda state: state["proxy"].update(expires=time.time() + 1800))
    session.watch()

    def first_is_done() -> bool:
        run.refresh()
        return run.jobs[0].state is State.DONE

    await_that(first_is_done)
    grid.renew()
    assert {outcome.state for outcome in end(run)} == {State.DONE}
    [project] = grid.state()["names"]
    assert len(list((grid_home / project).glob("sub00/*.root"))) == 2


def test_a_download_is_resumed_after_a_crash(
    grid: Grid,
    grid_home: Path,
    new_session: Callable[..., Session],
    run_python: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command that was left behind goes on alone, and no second one beside it."""
    monkeypatch.setattr(fetch, "WAIT", 0.2)
    grid.dataset(8)
    grid.faults(download_pauses="_00004_")

    def some_came() -> list[Path]:
        return list(grid_home.glob("test_*.partial/test_*/sub00/*.root"))

    name = submit_and_die(run_python, OFTEN + SUBMIT, some_came)
    session = new_session("gbasf2")
    run = session.attach(name)
    await_that(lambda: session.host.commands["flock"] > 3, run.refresh)  # it has found it locked
    grid.faults(download_pauses=None)
    outcomes = end(run)
    assert Counter(outcome.state for outcome in outcomes) == {State.DONE: 8}
    assert grid.count()["gb2_ds_get"] == 1
    assert len(list(grid_home.glob("test_*/sub00/*.root"))) == 8


def test_an_accident_in_the_background_is_no_success() -> None:
    """Whatever it was, it is told, and not tried for ever."""

    def fail() -> None:
        raise KeyError("a name")

    work = fetch.Background(fail)
    await_that(lambda: not work.running)
    assert (work.final, "KeyError" in work.problem) == (True, True)


def test_a_project_without_outputs_is_not_done(session: Session, grid: Grid) -> None:
    """The grid says Done, and there is nothing."""
    grid.dataset(1)
    grid.faults(hold=0)
    run = session.submit(steering_job("steer.py"))
    grid.change(
        lambda state: state["jobs"]["700001"].update(Status="Done", ApplicationStatus="Done")
    )
    [outcome] = end(run)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.STAGE_OUT)
    assert "has no files" in str(outcome.message)


def test_logs_that_do_not_come_hold_up_nothing(session: Session, grid: Grid) -> None:
    """The verdict comes without, and says so."""
    grid.dataset(1)
    grid.faults(output_fails=9, application_fails={"0": 9})
    run = session.submit(steering_job("steer.py"))
    [outcome] = end(run)
    assert outcome.state is State.FAILED
    assert "its log did not come" in str(outcome.message)


def test_a_template_that_is_none_is_refused(session: Session, grid: Grid, grid_home: Path) -> None:
    """Before anything is submitted."""
    grid.dataset(1)
    (grid_home / "path.pkl").write_text("a pickled path")
    (grid_home / "mine.j2").write_text("{{ nothing_of_the_kind }}")
    job = steering_job("path.pkl", pickle_file="path.pkl", jinja_template_path="mine.j2")
    del job.settings["gbasf2"]["custom_steering_file"]  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"jinja_template_path.*'nothing_of_the_kind'"):
        session.submit(job)
