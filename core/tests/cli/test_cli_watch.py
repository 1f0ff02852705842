"""`status`, `wait`, `logs` and `terminate`: runs that were submitted before."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.cli.report import print_table
from anybatch.testing import await_that

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from click.testing import Result

    Call = Callable[..., Result]
    Start = Callable[..., subprocess.Popen[bytes]]

pytestmark = pytest.mark.system

WAITS = "until test -e go-$ANYBATCH_INDEX; do sleep 0.02; done; echo $ANYBATCH_INDEX"
NOTHING = {
    **{"accepted": 0, "ended": 0, "pending": 0},
    **{"in_doubt": [], "unreached": [], "refused": []},
}


def states(call: Call, *runs: str) -> list[str]:
    """The states of all jobs, from `status --json`."""
    return [job["state"] for run in status(call, *runs) for job in run["jobs"]]


def status(call: Call, *runs: str) -> list[dict[str, Any]]:
    result = call("status", "--json", *runs)
    assert result.exit_code == 0
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def submit(call: Call, *words: str) -> str:
    result = call("submit", *words)
    assert result.exit_code == 0
    return result.stdout.strip()


# -- status and wait


def test_status_lists_what_is_not_finished_or_ended_lately(call: Call) -> None:
    """Without RUN active runs and those of the last day are shown, a line for each, every time."""
    done, open_one = submit(call, "--", "true"), submit(call, "--name", "mine", "--", "sleep", "60")
    call("wait", done)
    for _ in range(2):
        lines = call("status").stdout.splitlines()
        assert [line.split()[0] for line in lines[1:]] == [done, open_one]
    entry = Path(os.environ["XDG_STATE_HOME"], "anybatch/runs/ended", done)
    os.utime(entry, (0, 0))
    result = call("status")
    assert done not in result.stdout
    assert done in call("status", "--all").stdout
    [line] = [line for line in result.stdout.splitlines() if open_one in line]
    assert "local" in line
    assert "mine" in line
    call("terminate", open_one)


def test_status_finds_runs_by_label(call: Call) -> None:
    """With --label only runs are shown that have a job with it, and JSON tells the labels."""
    wanted = submit(call, "--label", "campaign=mc26", "--label", "part=1", "--", "sleep", "60")
    other = submit(call, "--", "sleep", "60")
    result = call("status", "--label", "campaign=mc26")
    assert wanted in result.stdout
    assert other not in result.stdout
    [run] = json.loads(call("status", "--label", "part", "--json").stdout)
    assert run["jobs"][0]["labels"] == {"campaign": "mc26", "part": "1"}
    assert json.loads(call("status", wanted, other, "--label", "part=2", "--json").stdout) == []
    call("terminate", wanted, other)


def test_no_run_is_active(call: Call) -> None:
    """If nothing is unfinished, `status` and `wait` say so and are content."""
    assert call("status").stdout.startswith("no active runs, and none ended within the last day")
    assert call("status", "--name", "x").stdout.startswith("no such runs lately; --all")
    assert call("status", "--json").stdout == "[]\n"
    result = call("wait", "--json")
    assert (result.exit_code, result.stdout) == (0, "[]\n")


def test_status_of_a_run_is_a_table_of_its_jobs(call: Call) -> None:
    """With RUN each job has a line, with the reason where it is not done."""
    run = submit(call, "--count", "2", "--", "sh", "-c", "exit $ANYBATCH_INDEX")
    call("wait", run)
    lines = call("status", run).stdout.splitlines()
    assert lines[0].startswith(f"run {run} on local, ")
    assert lines[0].endswith(": 1 done, 1 failed")
    assert re.match(r"0 +\S+ +done ", lines[2])
    assert re.match(r"1 +\S+ +failed .* exit code 1$", lines[3].rstrip())


def test_equal_jobs_share_a_line(call: Call) -> None:
    """Of many jobs, those that are alike share a line with their numbers."""
    script = "exit $((ANYBATCH_INDEX >= 30))"
    run = submit(call, "--count", "40", "--", "sh", "-c", script)
    call("wait", run)
    lines = call("status", run).stdout.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [["0-29", "(30)"], ["30-39", "(10)"]]


def test_equal_jobs_share_a_line_whatever_the_system_said(call: Call) -> None:
    """Ended jobs of many are grouped by state and reason; the system's word makes no second row."""
    run = submit(call, "--count", "40", "--", "sh", "-c", "exit 1")
    call("wait", run)
    for journal in Path(status(call, run)[0]["folder"]).glob("journal-*.jsonl"):
        events = [json.loads(line) for line in journal.read_text().splitlines()]
        for outcome in (one for event in events for one in event.get("outcomes", [])):
            outcome["native_state"] = "FAILED" if outcome["index"] % 3 else None
        journal.write_text("".join(json.dumps(event) + "\n" for event in events))
    [line] = call("status", run).stdout.splitlines()[2:]
    assert re.match(r"0-39 \(40\) .* failed +FAILED .* exit code 1$", line.rstrip())


def test_a_narrow_terminal_cuts_nothing(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first column keeps its width, and other cells go on in the next line."""
    run, name = "20261120-094725-64a26d", "a-name-that-is-quite-long"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for width in ("80", "50", "30"):
        monkeypatch.setenv("COLUMNS", width)
        print_table(("RUN", "NAME", "JOBS"), [(run, name, "12 queued, 142 running")])
        shown = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
        assert f"\n{run} " in shown
        everything = f"RUN NAME JOBS {run} {name} 12 queued, 142 running"
        assert sorted("".join(shown.split())) == sorted("".join(everything.split()))


def test_a_part_of_the_id_will_do(call: Call) -> None:
    """A run is found by a part of its id that no other has."""
    run = submit(call, "--", "true")
    assert call("wait", run[-6:]).exit_code == 0
    assert status(call, run[-6:])[0]["run"] == run


def test_every_command_takes_the_same_selection(call: Call) -> None:
    """Runs by name, folder and place in the order; jobs by number, state and label."""
    label = ("--label", "part=a")
    run = submit(call, "--name", "fit", "--count", "3", *label, "--", "sh", "-c", WAITS)
    other = submit(call, "--name", "merge", "--after", "fit:0,part=a", "--", "true")
    assert call("status", "fit:0").exit_code == 0
    Path("go-0").touch()
    assert call("wait", "@2:0").exit_code == 0
    assert [job["index"] for job in status(call, "fit:part=a")[0]["jobs"]] == [0, 1, 2]
    assert call("logs", "fit:done").stdout == "0\n"
    result = call("terminate", "--json", "fit:1-2", f".anybatch/runs/{other}")
    assert {one["run"] for one in json.loads(result.stdout)} == {run, other}
    assert call("wait", "all").exit_code == 1
    assert call("terminate", "all").exit_code == 0
    assert call("clean", "fit", "@").exit_code == 0
    assert call("clean", "@").exit_code == 2


def test_a_selection_without_jobs_is_told(call: Call) -> None:
    """Exit code 2, with what there is."""
    submit(call, "--name", "fit", "--", "true")
    assert call("wait", "fit").exit_code == 0
    for text in ("fit:failed", "fit:7", "fti", "fit:x", "nowhere/", "fit:part=b"):
        result = call("status", text)
        assert result.exit_code == 2
        assert text.partition(":")[0].rstrip("/") in result.stderr or "no job" in result.stderr
    assert "did you mean 'failed'" in call("wait", "fit:fialed").stderr


def test_wait_waits_for_all(call: Call) -> None:
    """`wait` without RUN waits for every run; its exit code is 1 where a job is not done."""
    good, bad = submit(call, "--", "true"), submit(call, "--", "false")
    result = call("wait")
    assert result.exit_code == 1
    assert f"job {bad}:0 failed: exit code 1 (log: " in result.stderr
    assert good not in result.stderr
    assert call("wait", good).exit_code == 0
    assert states(call, good, bad, good) == ["done", "failed"]


def test_a_failure_is_told_by_wait_whoever_looked_before(call: Call) -> None:
    """What `status` has noticed is told by the next `wait` without RUN, and only by that."""
    bad = submit(call, "--", "false")
    await_that(lambda: states(call, bad) == ["failed"])
    assert states(call) == ["failed"]
    result = call("wait")
    assert result.exit_code == 1
    assert f"job {bad}:0 failed: exit code 1" in result.stderr
    assert call("wait").exit_code == 0
    assert states(call) == ["failed"]
    call("run", "--", "false")
    assert call("wait").exit_code == 0, "run has told it"


def test_a_run_that_was_named_is_told(call: Call) -> None:
    """`wait RUN` tells of a run, so that the next `wait` need not."""
    bad = submit(call, "--", "false")
    await_that(lambda: states(call) == ["failed"])
    assert call("wait", bad).exit_code == 1
    assert call("wait").exit_code == 0


def test_runs_are_in_the_order_of_their_submission(call: Call) -> None:
    """Also those of the same second, whose ids are in no order."""
    runs = [submit(call, "--", "sleep", "60") for _ in range(6)]
    assert [run["run"] for run in status(call)] == runs
    call("terminate", *runs)


def test_json_of_wait(call: Call) -> None:
    """`wait --json` prints a list of runs as `status --json` does."""
    run = submit(call, "--", "true")
    waited = call("wait", "--json", run)
    assert json.loads(waited.stdout) == status(call, run)


def test_json_tells_what_a_job_used(call: Call) -> None:
    """CPU time in seconds and memory in bytes, of a job that is done as well."""
    run = submit(call, "--", "sh", "-c", "head -c 90000000 /dev/zero | sort | wc -c")
    call("wait", run)
    [[job]] = [one["jobs"] for one in status(call, run)]
    assert job["cpu_time"] > 0
    assert job["max_memory"] > 50_000_000
    assert (job["attempt"], job["message"]) == (0, None)


def test_a_system_that_does_not_answer(call: Call, toy: Path) -> None:
    """What cannot be reached is told with its own words; the states stay as they were known."""
    run = submit(call, "--system", "toy", "--", "true")
    (toy / "down").touch()
    result = call("status", run)
    assert result.exit_code == 0
    assert "queued" in result.stdout
    assert "cannot reach toy" in result.stderr
    assert "the controller is on fire" in result.stderr


def test_held_jobs_say_why(call: Call, toy: Path) -> None:
    """The batch system's message about a held job is shown, and its own word."""
    run = submit(call, "--system", "toy", "--", "true")
    line = call("status", run).stdout.splitlines()[-1]
    assert "held" in line
    assert "HOLD" in line
    assert "the spool is full" in line


def test_jobs_that_nobody_submits(call: Call, toy: Path) -> None:
    """A run whose submission failed is on record, and it is told how it goes on."""
    (toy / "down").touch()
    result = call("submit", "--system", "toy", "--", "true")
    assert result.exit_code == 0
    run = result.stdout.strip()
    hint = (
        f"run {run}: 1 job is not submitted yet, and nobody watches; `anybatch watch --daemon` "
        f"submits in the background, `anybatch wait {run}` here\n"
    )
    assert hint in result.stderr
    (toy / "down").unlink()
    status_now = call("status", run)
    assert hint in status_now.stderr
    assert "new" in status_now.stdout


def test_the_table_of_a_plugin_that_is_gone(
    call: Call, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose plugin is gone hides no other run; its absence is told."""
    lost, other = submit(call, "--system", "toy", "--", "true"), submit(call, "--", "sleep", "60")
    monkeypatch.setenv("ANYBATCH_DISABLED_PLUGINS", "toy")
    result = call("status")
    assert other in result.stdout
    assert f"run {lost}: plugin 'toy' cannot be used" in result.stderr
    call("terminate", other)


def test_a_run_that_has_ended_and_is_away_costs_only_itself(call: Call) -> None:
    """The list as JSON needs the folders of all runs, and says which it has not seen."""
    gone, other = (call("submit", "--", "true").stdout.strip() for _ in range(2))
    assert call("wait").exit_code == 0
    shutil.rmtree(status(call, gone)[0]["folder"])
    result = call("status", "--json")
    assert result.exit_code == 0
    first, second = json.loads(result.stdout)
    assert (first["run"], second["run"], second["away"]) == (other, gone, True)
    assert result.stderr.count(f"run {gone}: ") == 1


def test_a_state_folder_without_room_for_the_daemon_hinders_no_other_command(
    call: Call, toy: Path
) -> None:
    """What was submitted is not told as refused, and `status` goes on."""
    Path(os.environ["XDG_STATE_HOME"], "anybatch/watch").write_text("")
    submit = call("submit", "--system", "toy", "--count", "2", "--max-queued", "1", "--", "true")
    assert submit.exit_code == 0
    assert "nobody watches" in submit.stderr
    run = submit.stdout.strip()
    for words in (("status",), ("status", run)):
        result = call(*words)
        assert result.exit_code == 0, result.stderr
    submit = call("submit", "--system", "toy", "--watch", "--", "true")
    assert submit.exit_code == 1
    assert len(submit.stdout.split()) == 1
    assert "the jobs were submitted, but nobody watches in the background: " in submit.stderr
    assert call("watch", "--stop").stdout == "nobody was watching\n"


def test_a_run_folder_that_makes_no_sense(call: Call) -> None:
    """A `run.json` that cannot be understood is one message and exit code 2."""
    run = submit(call, "--", "true")
    file = Path(status(call, run)[0]["folder"]) / "run.json"
    file.write_text(file.read_text().replace('"token"', '"tokken"'))
    result = call("logs", run)
    assert result.exit_code == 2
    assert "run.json' is damaged: " in result.stderr
    assert "token" in result.stderr


# -- terminate


def test_terminating_a_run(call: Call) -> None:
    """All jobs that have not ended are told to stop, and are terminated then."""
    run = submit(call, "--count", "2", "--", "sleep", "60")
    result = call("terminate", run)
    assert result.stdout == f"run {run}: stopping 2 jobs\n"
    assert call("wait", run).exit_code == 1
    assert states(call, run) == ["terminated", "terminated"]
    assert json.loads(call("terminate", "--json", run).stdout) == [{"run": run, **NOTHING}]
    assert call("terminate", run).stdout == f"run {run}: nothing to stop: the jobs have ended\n"


def test_terminate_says_what_came_of_it(call: Call, toy: Path) -> None:
    """Told are the jobs that the system accepted; refused ones with why, each with exit code 1."""
    run = submit(call, "--system", "toy", "--count", "2", "--", "true")
    (toy / "refuse").touch()
    result = call("terminate", run, f"{run}:0")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count(": belongs to root\n") == 2
    [record] = json.loads(call("terminate", "--json", f"{run}:0").stdout)
    assert {**record, "refused": []} == {"run": run, **NOTHING}
    assert len(record["refused"]) == 1
    (toy / "refuse").unlink()
    assert call("terminate", run).stdout == f"run {run}: stopping 2 jobs\n"


def test_a_system_that_is_away_hinders_no_other(call: Call, toy: Path) -> None:
    """Each run is told apart: one cannot be stopped, one is, one may be submitted."""
    away = submit(call, "--system", "toy", "--", "true")
    (toy / "down").touch()
    new = submit(call, "--system", "toy", "--", "true")
    other = submit(call, "--", "sleep", "60")
    result = call("terminate", away, other)
    assert result.exit_code == 1
    assert result.stdout == f"run {other}: stopping 1 job\n"
    assert f"run {away}: 'toy-terminate" in result.stderr
    assert "on fire" in result.stderr
    doubtful = call("terminate", new)  # that it was not submitted nobody can tell
    assert doubtful.exit_code == 1
    assert doubtful.stdout == f"run {new}: 1 job still being looked up, and stopped when found\n"


def test_cancel_is_another_name(call: Call) -> None:
    """`anybatch cancel` is `terminate`, and the help of both says so."""
    run = submit(call, "--", "sleep", "60")
    assert call("cancel", run).stdout == f"run {run}: stopping 1 job\n"
    assert call("cancel", "--help").stdout == call("terminate", "--help").stdout
    assert "also: cancel" in call("--help").stdout


def test_terminating_some_jobs(call: Call) -> None:
    """With an index only that job is told, once however often it is named."""
    run = submit(call, "--count", "3", "--", "sleep", "60")
    assert "stopping 2 jobs\n" in call("terminate", f"{run}:1", f"{run}:2", f"{run}:1").stdout
    again = call("terminate", f"{run}:0", run).stdout  # the two may have ended meanwhile
    assert any(f"stopping {n}\n" in again for n in ("1 job", "2 jobs", "3 jobs"))


def test_signals_reach_the_command(call: Call, home: Path) -> None:
    """--signal sends a signal, with or without SIG before its name, and stops nothing."""
    script = "trap 'echo got; exit 0' USR1; touch ready; while :; do sleep 0.02; done"
    run = submit(call, "--", "sh", "-c", script)
    await_that((home / "ready").exists)
    assert call("terminate", run, "--signal", "SIGusr1").stdout.endswith(": sent USR1 to 1 job\n")
    assert call("wait", run).exit_code == 0
    assert call("logs", run).stdout == "got\n"


def test_a_signal_that_there_is_not(call: Call) -> None:
    """An unknown signal is exit code 2, also for a run that has ended."""
    run = submit(call, "--", "sleep", "60")
    for _ in range(2):
        result = call("terminate", "--signal", "USR3", run)
        assert result.exit_code == 2
        assert result.stderr.startswith("anybatch: unknown signal 'USR3'; did you mean 'USR")
        call("terminate", run)
        call("wait", run)
    ended = call("terminate", "--signal", "USR1", run)
    assert ended.stdout == f"run {run}: nothing to signal: the jobs have ended\n"


def test_few_commands_end_many_jobs(call: Call, toy: Path) -> None:
    """However many jobs of a run are named, the batch system is told once."""
    run = submit(call, "--system", "toy", "--count", "50", "--", "true")
    call("terminate", *(f"{run}:{index}" for index in range(40)))
    assert (toy / "asked").read_text().splitlines()[-1] == "terminate 40 None"


# -- logs


def test_logs_are_bytes(call: Call) -> None:
    """A job's log is printed as it is; --stderr takes the other one."""
    run = submit(call, "--", "sh", "-c", r"printf 'a\377\n\0'; printf b >&2")
    call("wait", run)
    assert call("logs", run).stdout_bytes == b"a\xff\n\0"
    assert call("logs", "--stderr", f"{run}:0").stdout_bytes == b"b"


def test_logs_of_many_have_headers(call: Call) -> None:
    """Without an index each job's log stands under a header."""
    run = submit(call, "--count", "2", "--", "sh", "-c", "echo $ANYBATCH_INDEX")
    call("wait", run)
    assert call("logs", run).stdout == f"==> {run}:0 <==\n0\n==> {run}:1 <==\n1\n"
    assert call("logs", f"{run}:1").stdout == "1\n"


def test_json_of_logs(call: Call) -> None:
    """`logs --json` gives path and text of each log."""
    run = submit(call, "--", "sh", "-c", r"printf 'a\377'")
    call("wait", run)
    [log] = json.loads(call("logs", "--json", run).stdout)
    assert (log["run"], log["index"], log["text"]) == (run, 0, "a\ufffd")
    assert Path(log["path"]).read_bytes() == b"a\xff"


def test_a_log_that_is_not_there(call: Call, toy: Path) -> None:
    """A missing log is a message and exit code 1."""
    run = submit(call, "--system", "toy", "--", "true")
    result = call("logs", run)
    assert result.exit_code == 1
    assert f"job {run}:0 has no log yet: " in result.stderr
    many = submit(call, "--system", "toy", "--count", "3", "--", "true")
    assert f"no log yet for jobs {many}:0-2" in call("logs", many).stderr
    assert json.loads(call("logs", "--json", run).stdout)[0]["text"] is None


def test_following_a_log(call: Call, start: Start, home: Path) -> None:
    """--follow prints a log as it grows, from before it is there until the job has ended."""
    script = (
        "until test -e go; do sleep 0.02; done; echo one; until test -e on; do sleep 0.02; done"
    )
    run = submit(call, "--", "sh", "-c", script + "; printf two")
    follower = start("logs", "--follow", run)
    assert follower.stdout
    (home / "go").touch()
    assert follower.stdout.readline() == b"one\n"
    (home / "on").touch()
    assert follower.stdout.read() == b"two"
    assert follower.wait() == 0


# -- rerun


def test_rerun_runs_what_is_not_done_and_tells_how_it_ended(call: Call, tmp_path: Path) -> None:
    """The dry run changes nothing; then the jobs are run in the same run, and waited for."""
    mark = tmp_path / "mark"
    run = submit(call, "--count", "3", "--", "sh", "-c", f"test $ANYBATCH_INDEX = 0 -o -e {mark}")
    assert call("wait", run).exit_code == 1
    [shown] = json.loads(call("rerun", run, "--cores", "2", "--dry-run", "--json").stdout)
    assert [one["jobs"] for one in shown["submissions"]] == ["1-2"]
    assert "rerunning 2 jobs; this is a dry run" in call("rerun", run, "--dry-run").stdout
    assert call("rerun", f"{run}:1", "--wait").exit_code == 1  # job 2 does not count
    mark.touch()
    result = call("rerun", run, "--time", "1h", "--wait")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"run {run}: rerunning 2 jobs\n" in result.stderr
    assert [job["attempt"] for job in status(call, run)[0]["jobs"]] == [0, 2, 2]
    assert f"run {run}: nothing to rerun (3 done)\n" in call("rerun", run).stderr
    assert call("rerun", run, "--set", "local.kill_wait=5s", "--json").exit_code == 0
    wrong = call("rerun", run, "--memory", "lots")
    assert (wrong.exit_code, "--memory" in wrong.stderr) == (2, True)
