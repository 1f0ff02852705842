"""`run`, `submit` and `render`: jobs on the command line, on the real `local` system."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch.cli.describing import many_of, read_lines
from anybatch.cli.progress import FIRST
from anybatch.errors import JobError
from anybatch.model import Job
from anybatch.testing import awkward_texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import TOY

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Call = Callable[..., Result]
    Program = Callable[..., subprocess.CompletedProcess[bytes]]

pytestmark = pytest.mark.system

FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
JOB_KEYS = {"index", "id", "state", "reason", "exit_code", "signal", "native_state", "host"}
JOB_KEYS |= {"submitted", "started", "ended", "stdout", "stderr", "labels", "params"}
JOB_KEYS |= {"cpu_time", "max_memory", "attempt", "message", "name"}
RUN_KEYS = {"run", "name", "system", "folder", "created", "finished", "counts", "jobs"}
ECHO = "import os, sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
lines = st.lists(
    st.binary(max_size=20)
    .map(lambda line: line.replace(b"\n", b"").replace(b"\0", b""))
    .filter(lambda line: not line.endswith(b"\r") and not line.startswith(b"\xef\xbb\xbf"))
)


def test_a_single_job_passes_its_output_through(call: Call) -> None:
    """The job's output and errors are printed on ours, unchanged."""
    result = call("run", "--", "sh", "-c", r"printf 'a\377\n\000b'; printf 'c\376' >&2")
    assert result.exit_code == 0
    assert result.stdout_bytes == b"a\xff\n\0b"
    assert result.stderr_bytes.endswith(b": 1 done\nc\xfe")


@pytest.mark.parametrize(
    ("script", "expected"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)],
)
def test_run_ends_like_the_job(call: Call, script: str, expected: int) -> None:
    """The exit code is the job's own, 128 and its number for a signal."""
    assert call("run", "--", "sh", "-c", script).exit_code == expected


def test_a_failure_before_the_command_is_exit_code_1(call: Call) -> None:
    """A job whose set-up fails ends in 1: the set-up's exit code is not the job's own."""
    result = call("run", "--setup", "exit 9", "--", "true")
    assert result.exit_code == 1
    assert "setup" in result.stderr


def test_a_failure_is_told(call: Call) -> None:
    """Who waits is told which job failed, why, and where its log is."""
    result = call("run", "--", "sh", "-c", "exit 3")
    assert re.search(r":0 failed: exit code 3 \(log: \S+/0\.err\)$", result.stderr, re.M)


def test_one_of_many_fails(call: Call) -> None:
    """With many jobs the exit code is 1 where any is not done; equal failures are summed up."""
    result = call("run", "--count", "25", "--", "sh", "-c", "test $ANYBATCH_INDEX = 0")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "1 done, 24 failed" in result.stderr
    assert result.stderr.count(" failed: exit code 1 (log: ") <= FIRST
    assert "24 jobs failed (exit code 1): 1-24; first log: /" in result.stderr
    [line] = [line for line in result.stderr.splitlines() if line.startswith("anybatch: logs: ")]
    assert re.fullmatch(r".*: \S+/logs \(to print one: anybatch logs \S+:INDEX\)", line)


def test_logs_are_where_the_options_say(call: Call, home: Path) -> None:
    """What is told of the logs of many jobs names the files that were chosen for them."""
    result = call("run", "--count", "2", "--stdout", "o/{index}.txt", "--", "true")
    assert re.search(r"^anybatch: logs: o/\{index\}\.txt and \S+/logs \(", result.stderr, re.M)
    both = ["--stdout", "o/{index}", "--stderr", "o/{index}"]
    assert "logs: o/{index} (to" in call("run", "--count", "2", *both, "--", "true").stderr


def test_all_of_many_are_done(call: Call) -> None:
    """With many jobs that are all done the exit code is 0."""
    assert call("run", "--count", "3", "--", "true").exit_code == 0


def test_json_of_a_run(call: Call) -> None:
    """`run --json` prints the run, and nothing else, on standard output."""
    result = call("run", "--json", "--", "sh", "-c", "echo out; exit 3")
    assert result.exit_code == 3
    run = json.loads(result.stdout)
    assert set(run) == RUN_KEYS
    [job] = run["jobs"]
    assert set(job) == JOB_KEYS
    assert (job["state"], job["reason"], job["exit_code"]) == ("failed", "exit_code", 3)
    assert all(job[name].endswith("+00:00") for name in ("submitted", "started", "ended"))
    assert Path(job["stdout"]).read_text() == "out\n"


def test_redirected_output_is_not_repeated(call: Call, home: Path) -> None:
    """What --stdout sends to a file is there, and not on the terminal too."""
    result = call("run", "--stdout", "here", "--", "echo", "text")
    assert (result.stdout, (home / "here").read_text()) == ("", "text\n")


def test_submit_prints_the_id_alone(call: Call) -> None:
    """`submit` prints the run's id, by which `wait` finds it."""
    result = call("submit", "--", "true")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    assert result.stderr == f"anybatch: run {result.stdout.strip()}: 1 job on local\n"
    assert call("wait", result.stdout.strip()).exit_code == 0


def test_run_says_first_where_jobs_go(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line names the run, how many jobs it has, and the batch system."""
    first = call("run", "--count", "20", "--", "true").stderr.splitlines()[0]
    assert re.fullmatch(r"anybatch: run \S+: 20 jobs on local", first)
    monkeypatch.delenv("ANYBATCH_SYSTEM")
    first = call("run", "--", "true").stderr.splitlines()[0]
    expected = "1 job on this machine (local), because no batch system was found"
    assert re.fullmatch(rf"anybatch: run \S+: {re.escape(expected)}", first)


def test_the_cluster_is_named_before_anything_goes_wrong(
    call: Call, install: Callable[[str, str], None], home: Path
) -> None:
    """What was chosen is the first line, with the system's cluster, also where it is away."""
    limits = "def anybatch_limits(self, settings):\n            "
    limits += "return Limits(array=9, render_context={'cluster': 'main'})\n\n        "
    text = TOY.replace("def anybatch_settings", f"{limits}def anybatch_settings")
    install("toy", text.replace("import Detection", "import Detection, Limits"))
    (home / "down").touch()
    first, second = call("submit", "--system", "toy", "--", "true").stderr.splitlines()[:2]
    assert re.fullmatch(r"anybatch: run \S+: 1 job on toy, cluster main", first)
    assert "submission failed" in second


@pytest.mark.parametrize("command", ["run", "submit", "render"])
def test_a_system_that_is_not_here(
    call: Call, install: Callable[[str, str], None], command: str
) -> None:
    """It is an invalid request that names the program that is missing, not a failure."""
    limits = "def anybatch_limits(self, settings):\n            "
    limits += "self.host.run(Command(['toy-conf']))\n\n        "
    install("toy", TOY.replace("def anybatch_settings", f"{limits}def anybatch_settings"))
    result = call(command, "--system", "toy", "--", "true")
    hint = "(see: anybatch doctor --system toy)"
    told = f"anybatch: toy is not available here: toy-conf is not on the PATH {hint}\n"
    assert (result.exit_code, result.stderr) == (2, told)


def test_auto_takes_no_login_node_for_a_cluster(
    call: Call, install: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signs of a cluster are exit code 2, with what was found and how to choose."""
    monkeypatch.delenv("ANYBATCH_SYSTEM")
    detect = "return Detection(available=False, unreachable=True, reason='CONF is set')"
    install("toy", re.sub(r"return Detection\(.*\)", detect, TOY))
    result = call("run", "--", "true")
    assert result.exit_code == 2
    assert "toy seems to be set up here, but cannot be used: CONF is set" in result.stderr
    assert "`--system local`" in result.stderr
    assert call("run", "--system", "local", "--", "true").exit_code == 0


def test_git_sees_no_run_folders(call: Call, home: Path) -> None:
    """`.anybatch` hides itself; a folder that the user has chosen is left as it is."""
    call("submit", "--set", "runs_dir=elsewhere", "--", "true")
    assert not (home / "elsewhere" / ".gitignore").exists()
    assert not (home / ".anybatch").exists()
    call("submit", "--", "true")
    assert (home / ".anybatch" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("command", ["run", "submit"])
def test_piped_input_is_not_dropped_silently(program: Program, home: Path, command: str) -> None:
    """Bytes that wait on standard input do not reach jobs, and a notice says so."""
    notice = b"anybatch: standard input is not passed to jobs; use --stdin FILE instead\n"
    assert notice in program(command, "--", "true", input=b"hello\n").stderr
    (home / "lines").write_text("hello\n")
    with open("lines", "rb") as file:
        assert notice in program(command, "--", "true", stdin=file).stderr
        file.seek(0, os.SEEK_END)
        assert notice not in program(command, "--", "true", stdin=file).stderr
    for words in (["--each", "-"], ["--stdin", "lines"]):
        assert notice not in program(command, *words, "--", "true", input=b"hello\n").stderr
    assert notice not in program(command, "--", "true", stdin=subprocess.DEVNULL).stderr


def test_what_is_given_reaches_the_job(call: Call, home: Path) -> None:
    """Each option does what its field of `Job` does."""
    (home / "env.sh").write_text("export FROM_SCRIPT=1\n")
    (home / "in.txt").write_text("input\n")
    (home / "stdin").write_text("typed\n")
    script = (
        'echo "$FROM_SCRIPT $A $SETUP $ANYBATCH_COUNT"; cat; cat in.txt; echo "$ANYBATCH_INDEX" > r'
    )
    options = ["--env-script", "env.sh", "--env", "A=b=c", "--env", "B=", "--setup", "SETUP=3"]
    options += ["--input", "in.txt", "--output", "r", "--output-dir", "got-{index}"]
    options += ["--workdir", "job-{index}", "--stdin", "stdin", "--name", "a name"]
    options += ["--cores", "1", "--memory", "10MB", "--time", "1m", "--nodes", "1", "--tasks", "1"]
    result = call("run", *options, "--setup", "export SETUP", "--", "sh", "-c", script)
    assert result.stdout == "1 b=c 3 1\ntyped\ninput\n"
    assert (home / "got-0" / "r").read_text() == "0\n"


def test_settings_of_the_command_line_win(call: Call, home: Path) -> None:
    """--set wins over a job file's settings, and takes the core's settings too."""
    (home / "job.toml").write_text('command = ["true"]\n[settings.local]\nkill_wait = "5s"\n')
    words = ["--job", "job.toml", "--set", "local.kill_wait=3s", "--set", "runs_dir=elsewhere"]
    plan = json.loads(call("render", "--json", *words).stdout)
    assert plan["folder"].startswith(str(home / "elsewhere"))
    assert json.loads(plan["submissions"][0]["files"][0]["text"])["kill_wait"] == 3.0


def test_options_win_over_a_job_file(call: Call, home: Path) -> None:
    """Variables are merged with those of the job file, a command takes the place of its own."""
    (home / "job.toml").write_text('command = ["false"]\nenv = { A = "1", B = "2" }\n')
    result = call("run", "--job", "job.toml", "--env", "B=3", "--", "sh", "-c", 'echo "$A$B"')
    assert result.stdout == "13\n"


def test_jobs_run_after_others(call: Call) -> None:
    """--after has a job wait for another run; one that can never start ends as a failure."""
    failing = call("submit", "--", "false").stdout.strip()
    result = call("run", "--after", f"{failing}:0", "--", "true")
    assert result.exit_code == 1
    assert "dependency" in result.stderr


def test_retries_are_asked_for(call: Call, home: Path) -> None:
    """--retry takes the reasons from the job file where it names some."""
    text = 'command = ["sh", "-c", "echo x >> tries; exit 1"]\n[retry]\non = ["exit_code"]\n'
    (home / "job.toml").write_text(text)
    assert call("run", "--job", "job.toml", "--retry", "2").exit_code == 1
    assert (home / "tries").read_text() == "x\n" * 3


def test_rendering_touches_nothing(call: Call, home: Path) -> None:
    """`render` shows the script, the task and the command, and writes nothing."""
    result = call("render", "--", "echo", "a word")
    assert result.exit_code == 0
    assert "set -- echo 'a word'" in result.stdout
    assert "# to submit jobs 0:" in result.stdout
    assert os.listdir(home) == []


def test_what_was_rendered_is_what_is_written(call: Call) -> None:
    """The files of a dry run have the same text as those of the run, but for the run's id."""
    plan = json.loads(call("render", "--json", "--count", "2", "--", "true").stdout)
    run = json.loads(call("submit", "--json", "--count", "2", "--", "true").stdout)
    for file in [*plan["files"], *plan["submissions"][0]["files"]]:
        path = Path(file["path"].replace(plan["run"], run["run"]))
        assert path.read_text() == file["text"].replace(plan["run"], run["run"])
        assert f"{path.stat().st_mode & 0o777:04o}" == file["mode"]


def test_words_are_not_options_after_the_first(call: Call) -> None:
    """Options after the command's first word are the command's, with and without `--`."""
    assert call("run", "echo", "--json", "--", "-x").stdout == "--json -- -x\n"
    assert call("run", "--", "printf", "%s", "--json").stdout == "--json"


@FEW
@given(st.lists(awkward_texts(), max_size=4))
def test_words_arrive_byte_for_byte(program: Program, words: list[str]) -> None:
    """The words of a command arrive as they were given, whatever is in them."""
    result = program("run", "--", sys.executable, "-c", ECHO, *words)
    assert result.stdout == "\0".join(words).encode()


def test_words_need_not_be_text(program: Program) -> None:
    """Bytes that are no UTF-8 arrive too."""
    words = [b"\xff\xfe", b"-\x80", b"caf\xe9"]
    result = program("run", "--", sys.executable, "-c", ECHO, *words)
    assert result.stdout == b"\0".join(words)


@FEW
@given(lines.filter(bool))
def test_each_line_arrives_byte_for_byte(call: Call, home: Path, content: list[bytes]) -> None:
    """--each runs a job for each line, with the line in the place of {}."""
    (home / "lines").write_bytes(b"".join(line + b"\n" for line in content))
    words = ["--each", "lines", "--", sys.executable, "-c", ECHO, "a", "<{}|{}>"]
    jobs = json.loads(call("run", "--json", *words).stdout)["jobs"]
    logs = [Path(job["stdout"]).read_bytes() for job in jobs]
    assert logs == [b"a\0<%b|%b>" % (line, line) for line in content]


@pytest.mark.parametrize("content", [b"a.root\r\nb.root\r\n", b"a\nb\r\nc\n", b"a\nb\r"])
def test_lines_with_carriage_returns_are_refused(content: bytes) -> None:
    """The line breaks of Windows would become part of the words of jobs."""
    with pytest.raises(JobError, match=r"--each: line [12] ends with a carriage return"):
        read_lines(BytesIO(content))


def test_a_byte_order_mark_is_refused() -> None:
    """It would be the beginning of the first job's words; a table may have one, as from Excel."""
    with pytest.raises(JobError, match="--each: the file begins with a byte order mark"):
        read_lines(BytesIO(b"\xef\xbb\xbfa.root\nb.root\n"))


@given(lines.filter(bool), st.booleans())
def test_each_line_is_a_job(content: list[bytes], ended: bool) -> None:
    """A line keeps every byte but the line break, which the last line need not have."""
    text = b"\n".join(content) + b"\n" * (ended or not content[-1])
    found = [line.encode("utf-8", "surrogateescape") for line in read_lines(BytesIO(text))]
    assert found == content


def test_a_line_without_a_place_is_the_last_word(call: Call) -> None:
    """A command without {} gets the line as its last word; `-` is standard input."""
    result = call("run", "--each", "-", "--", "echo", "line", input="it is\t")
    assert result.stdout_bytes == b"line it is\t\n"


NOTHING = {"count": None, "zipped": False, "tables": (), "each": (), "params": ()}
NOTHING |= {"split": (), "per_job": None, "jobs": None}


def test_a_script_takes_no_lines() -> None:
    """The text of a script gets no line put in, which could become a command."""
    with pytest.raises(JobError, match="script"):
        many_of(Job("echo {}"), {**NOTHING, "each": [BytesIO(b"; rm -r ~\n")]})


def test_all_runs_are_limited_together(
    call: Call, install: Callable[[str, str], None], home: Path
) -> None:
    """A word in place of a run, for one batch system; programs read what holds."""
    install("toy", TOY)
    told = call("limit", "all", "--system", "toy", "--max-running", "2")
    assert told.stdout == "all runs on toy: max_running is 2, max_queued is none\n"
    submitted = call("submit", "--system", "toy", "--count", "3", "--", "true")
    # One or two, as the first submit command took its time: what is left of a limited run is paced.
    assert "not submitted yet, and nobody watches" in submitted.stderr
    shown = call("status", submitted.stdout.strip()).stdout
    assert "not submitted yet: max_running of all runs is 2" in " ".join(shown.split())
    as_json = call("limit", "all", "--system", "toy", "--max-running", "none", "--json").stdout
    assert json.loads(as_json) == {"system": "toy", "max_running": None, "max_queued": None}
    refused = call("limit", submitted.stdout.strip(), "--system", "toy")
    assert refused.exit_code == 2
    assert "--system is for `anybatch limit all`" in refused.stderr
