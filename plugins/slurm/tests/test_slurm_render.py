"""From a submission to the text that sbatch gets."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Resources, UsageError
from anybatch.host import Command
from anybatch.localhost import LocalHost
from anybatch.records import Submission
from anybatch_slurm.render import format_time, render
from anybatch_slurm.settings import MANAGED, OPTIONS, SETTINGS
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import CLUSTERS, configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "ab-20261120-094725-64a26d-0"
TABLE = {setting.name: setting.default for setting in SETTINGS}
SPACE = " \t\n\v\f\r"

#: Any text that is one line.
LINES = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]))


def submission(own: dict[str, Any] | None = None, **fields: Any) -> Submission:
    usual: dict[str, Any] = {
        **{"token": TOKEN, "run": "20261120-094725-64a26d", "number": 0},
        **{"folder": Path("/runs/one"), "count": 1, "name": "fit"},
    }
    return Submission(**{**usual, **fields, "settings": {**TABLE, **(own or {})}})


def script(one: Submission) -> str:
    """The text of the only file."""
    [file] = render(one).files
    return file.text


def words(line: str) -> Iterator[str]:
    """The arguments in a line, as sbatch takes them apart.

    Blanks separate; quotes of either kind group; a backslash takes the next character as it
    is, inside quotes too; outside of quotes `#` begins a comment.
    """
    rest = iter(line)
    word, quote, escaped = "", "", False
    for character in rest:
        if escaped:
            word, escaped = word + character, False
        elif character == "\\":
            escaped = True
        elif quote:
            quote, word = ("", word) if character == quote else (quote, word + character)
        elif character in "\"'":
            quote = character
        elif character == "#":
            break
        elif character not in SPACE:
            word += character
        elif word:
            yield word
            word = ""
    assert not quote, f"sbatch would refuse the unmatched quote in {line!r}"
    if word:
        yield word


def directives(text: str) -> list[str]:
    """The options that sbatch finds in a script: before the first line that is no comment."""
    found: list[str] = []
    for line in text.split("\n"):
        if line.startswith("#SBATCH"):
            found += words(line.removeprefix("#SBATCH"))
        elif line.strip(SPACE) and not line.strip(SPACE).startswith("#"):
            break
    return found


def options(one: Submission) -> dict[str, str | None]:
    """The options of a submission by name; None for a bare one."""
    found: dict[str, str | None] = {}
    for word in directives(script(one)):
        name, equals, value = word.removeprefix("--").partition("=")
        assert word.startswith("--")
        assert name not in found, f"{name} is given twice"
        found[name] = value if equals else None
    return found


# -- the whole


def test_one_job_is_this_script() -> None:
    """What is shown is what runs, to the byte."""
    rendered = render(submission())
    [file] = rendered.files
    assert file.path == Path("/runs/one/submit-0.sh")
    assert file.mode == 0o700
    assert file.text == (
        "#!/bin/sh\n"
        "#SBATCH --job-name=fit\n"
        "#SBATCH --output=logs/system.log\n"
        "#SBATCH --open-mode=append\n"
        f"#SBATCH --comment={TOKEN}\n"
        "command -v bash >/dev/null && exec bash "
        '/runs/one/job.sh 0 1 "${SLURM_RESTART_COUNT:-0}"\n'
        'exec /bin/sh /runs/one/job.sh 0 1 "${SLURM_RESTART_COUNT:-0}"\n'
    )
    assert rendered.command.argv == ("sbatch", "--parsable", "/runs/one/submit-0.sh")
    assert rendered.command.cwd == Path("/runs/one")
    assert rendered.command.timeout == timedelta(minutes=2)


def test_many_jobs_with_everything_are_this_script() -> None:
    """One array; the resources, then the user's own options, which win."""
    one = submission(
        {"account": "physics", "hold": True, "comment": "my own words", "signal": "USR1@60"},
        number=3,
        count=200,
        name="Größe #1",
        after=("17", "18_4"),
        resources=Resources(
            nodes=2,
            tasks=8,
            cores=4,
            gpus=1,
            memory="2 GiB",
            disk="10 GB",
            time="1h30m",
            queue="short",
            exclusive=True,
        ),
    )
    run = '/runs/one/job.sh 3 "$((SLURM_ARRAY_TASK_ID + 1))" "${SLURM_RESTART_COUNT:-0}"'
    assert script(one) == (
        "#!/bin/sh\n"
        '#SBATCH --job-name="Größe #1"\n'
        "#SBATCH --array=0-199\n"
        "#SBATCH --dependency=afterok:17:18_4\n"
        "#SBATCH --kill-on-invalid-dep=yes\n"
        "#SBATCH --output=logs/system.log\n"
        "#SBATCH --open-mode=append\n"
        "#SBATCH --nodes=2\n"
        "#SBATCH --ntasks=8\n"
        "#SBATCH --cpus-per-task=4\n"
        "#SBATCH --gpus-per-task=1\n"
        "#SBATCH --mem=2097152K\n"
        "#SBATCH --tmp=9765625K\n"
        "#SBATCH --time=0-01:30:00\n"
        "#SBATCH --partition=short\n"
        "#SBATCH --exclusive\n"
        "#SBATCH --account=physics\n"
        f'#SBATCH --comment="{TOKEN} my own words"\n'
        "#SBATCH --hold\n"
        "#SBATCH --signal=B:USR1@60\n"
        f"command -v bash >/dev/null && exec bash {run}\n"
        f"exec /bin/sh {run}\n"
    )


def test_hosts_are_avoided_beside_those_that_the_user_excludes() -> None:
    """As squeue named them; a name that can be no node's is left out."""
    hosts = ("n1", "n[2-4],m7", "a b", "x\n#SBATCH --uid=0")
    text = script(submission({"exclude": "old[1-2]"}, avoid=hosts))
    assert "#SBATCH --exclude=old[1-2],n1,n[2-4],m7\n" in text
    assert "uid" not in text
    assert "--exclude" not in script(submission())


@pytest.mark.parametrize("count", [1, 2, 1000, 100_000])
def test_an_array_counts_from_nothing(count: int) -> None:
    """A single job is no array, so that it has a plain id."""
    found = options(submission(count=count)).get("array")
    assert found == (f"0-{count - 1}" if count > 1 else None)


@given(count=st.integers(1, 3), number=st.integers(0, 9), name=LINES.map(lambda t: f"/r/{t}"))
def test_the_job_script_is_started_with_its_numbers(count: int, number: int, name: str) -> None:
    """The shell that runs the last lines gives path and numbers to the job script unchanged."""
    one = submission(folder=Path(name), count=count, number=number)
    shown = 'bash() { for word; do printf "<%s>" "$word"; done; exit; }\n'
    text = script(one).replace("exec bash", "bash")
    environment = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_RESTART_COUNT": "2", "PATH": os.defpath}
    done = subprocess.run(
        ["/bin/sh"],
        input=(shown + text).encode(),
        env=environment,
        capture_output=True,
        check=True,
    )
    task = 2 if count > 1 else 1
    assert done.stdout.decode() == f"<{one.script}><{number}><{task}><2>"


# -- resources


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Resources(), {}),
        (Resources(nodes=2), {"nodes": "2"}),
        (Resources(tasks=16), {"ntasks": "16"}),
        (Resources(nodes=4, tasks=16), {"nodes": "4", "ntasks": "16"}),
        (Resources(cores=8), {"cpus-per-task": "8"}),
        (Resources(gpus=1), {"gpus-per-task": "1", "ntasks": "1"}),
        (Resources(gpus=2, tasks=3), {"gpus-per-task": "2", "ntasks": "3"}),
        (Resources(queue="short"), {"partition": "short"}),
        (Resources(exclusive=True), {"exclusive": None}),
        (Resources(memory=1), {"mem": "1K"}),
        (Resources(memory=1024), {"mem": "1K"}),
        (Resources(memory=1025), {"mem": "2K"}),
        (Resources(memory="2 GiB"), {"mem": "2097152K"}),
        (Resources(memory="500 MB"), {"mem": "488282K"}),
        (Resources(memory="1.5 TiB"), {"mem": "1610612736K"}),
        (Resources(disk="10 GB"), {"tmp": "9765625K"}),
        (Resources(disk=1), {"tmp": "1K"}),
        (Resources(time="1s"), {"time": "0-00:00:01"}),
        (Resources(time="59s"), {"time": "0-00:00:59"}),
        (Resources(time=0.5), {"time": "0-00:00:01"}),
        (Resources(time="1m"), {"time": "0-00:01:00"}),
        (Resources(time="23h59m"), {"time": "0-23:59:00"}),
        (Resources(time="24h"), {"time": "1-00:00:00"}),
        (Resources(time="25h30m"), {"time": "1-01:30:00"}),
        (Resources(time="7d"), {"time": "7-00:00:00"}),
        (Resources(time="100d1h1m1s"), {"time": "100-01:01:01"}),
    ],
    ids=str,
)
def test_resources_become_options(asked: Resources, expected: dict[str, str | None]) -> None:
    """What is left at its default is left to the site; sizes and times are rounded up."""
    found = options(submission(resources=asked))
    for name in ("job-name", "output", "open-mode", "comment"):
        del found[name]
    assert found == expected


@given(st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=9999)))
def test_a_time_limit_is_never_shortened(limit: timedelta) -> None:
    """Slurm's `days-hours:minutes:seconds`, whole seconds, rounded up."""
    days, _, clock = format_time(limit).partition("-")
    hours, minutes, seconds = map(int, clock.split(":"))
    assert max(hours - 24, minutes - 60, seconds - 60) < 0
    written = timedelta(days=int(days), hours=hours, minutes=minutes, seconds=seconds)
    assert timedelta(0) <= written - limit < timedelta(seconds=1)


@given(st.integers(1, 2**50))
def test_memory_is_never_less_than_asked_for(memory: int) -> None:
    """Slurm's K are 1024 bytes."""
    text = options(submission(resources=Resources(memory=memory)))["mem"]
    assert text
    assert 0 <= int(text.removesuffix("K")) * 1024 - memory < 1024


# -- settings


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_sbatch_is_a_directive_by_its_name(name: str) -> None:
    """Texts, numbers and nothing else; `signal` and `comment` get a word of ours."""
    expected = {"signal": "B:some text", "comment": f"{TOKEN} some text"}
    assert options(submission({name: "some text"}))[name] == expected.get(name, "some text")
    if name not in expected:
        assert options(submission({name: 0}))[name] == "0"


@pytest.mark.parametrize("name", sorted({*OPTIONS} - {"comment", "signal"}))
def test_true_is_a_bare_option_and_false_is_none(name: str) -> None:
    """An option that sbatch would take for a value is never written for a switch."""
    assert options(submission({name: True}))[name] is None
    assert name not in options(submission({name: False}))
    assert "False" not in script(submission({name: False}))


def test_false_takes_back_what_resources_ask_for() -> None:
    """The user's own options win over everything."""
    asked = Resources(exclusive=True, memory="1 GiB", queue="short")
    own = {"exclusive": False, "mem": "2G", "partition": "main", "job-name": "other"}
    found = options(submission(own, resources=asked))
    assert "exclusive" not in found
    assert (found["mem"], found["partition"], found["job-name"]) == ("2G", "main", "other")


def test_our_own_options_can_not_be_set() -> None:
    """What the core needs for itself is not offered, and says what to use in its place."""
    assert not {*MANAGED} & {*OPTIONS}
    assert all(MANAGED.values())


def test_settings_are_documented_and_unique() -> None:
    """Each names the option that it becomes."""
    names = [setting.name for setting in SETTINGS]
    assert len(names) == len(set(names))
    assert all(setting.help or setting.replaced_by for setting in SETTINGS)
    assert {*names} == {*OPTIONS, *MANAGED, "max_array", "skip"}


@pytest.mark.parametrize("skip", [("mem",), ("mem", "time"), ("job-name",), ("nosuch",)])
def test_what_a_site_forbids_is_not_written(skip: tuple[str, ...]) -> None:
    """`skip` takes options out, wherever they come from."""
    asked = Resources(memory="1 GiB", time="1h")
    everything = options(submission({"mem": "2G"}, resources=asked))
    found = options(submission({"mem": "2G", "skip": skip}, resources=asked))
    assert found == {name: value for name, value in everything.items() if name not in skip}


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        ("USR1", "B:USR1"),
        ("USR1@60", "B:USR1@60"),
        ("10@60", "B:10@60"),
        (10, "B:10"),
        ("B:USR1@60", "B:USR1@60"),
        ("R:USR1@60", "R:USR1@60"),
        ("RB:USR1@60", "RB:USR1@60"),
    ],
)
def test_a_warning_signal_goes_to_the_job_script(given_: object, written: str) -> None:
    """Without `B:` only steps that srun has started get it."""
    assert options(submission({"signal": given_}))["signal"] == written


def test_the_comment_begins_with_the_token() -> None:
    """By which the job is found again; what the user wrote follows."""
    assert options(submission())["comment"] == TOKEN
    assert options(submission({"comment": "mine"}))["comment"] == f"{TOKEN} mine"
    assert options(submission({"comment": ""}))["comment"] == TOKEN


def test_dependencies_are_all_named() -> None:
    """A job that can never start is not left in the queue."""
    found = options(submission(after=("5", "6_0", "7+1")))
    assert found["dependency"] == "afterok:5:6_0:7_1"
    assert found["kill-on-invalid-dep"] == "yes"
    assert "dependency" not in options(submission())


def test_very_many_elements_are_waited_for_as_their_array() -> None:
    """Slurm takes no ranges, and its list of dependencies has to fit into a variable."""
    many = tuple(f"6_{number}" for number in range(15_000))
    found = options(submission(after=("5_3", *many, "7")))
    assert found["dependency"] == "afterok:5_3:6:7"


# -- text stays text


@pytest.mark.parametrize(
    ("folder", "output"),
    [
        ("/r/plain", "logs/system.log"),
        ("/r/50%j", "logs/\\system.log"),
        ("/r/50%\nx", "logs/\\system.log"),
        ("/r/a\\b%j", "/dev/null"),
        ("/r/a\\b\nx", "/dev/null"),
    ],
)
def test_a_folder_is_no_pattern_of_file_names(folder: str, output: str) -> None:
    """In sbatch's file names `%j` is a number, and a backslash changes the rules."""
    assert options(submission(folder=Path(folder)))["output"] == output


@pytest.mark.parametrize("name", ["account", "partition", "job-name", "wckey"])
@given(text=LINES)
def test_a_value_is_read_back_by_sbatch_as_it_was(name: str, text: str) -> None:
    """Quotes, blanks, backslashes, `#` and any Unicode; no value adds an option or a line."""
    plain = script(submission({name: "x"}))
    one = script(submission({name: text}))
    assert f"--{name}={text}" in directives(one)
    assert len(directives(one)) == len(directives(plain))
    assert one.split("\n").count("#!/bin/sh") == 1
    lines = [line for line in one.split("\n") if line.startswith("#")]
    assert len(lines) == 1 + len(directives(plain))


@given(name=LINES, comment=LINES)
def test_name_and_comment_together_are_two_options(name: str, comment: str) -> None:
    """The two texts that users write freely."""
    found = options(submission({"comment": comment}, name=name))
    assert found["job-name"] == name
    assert found["comment"] == (f"{TOKEN} {comment}" if comment else TOKEN)
    assert set(found) == {"job-name", "output", "open-mode", "comment"}


@pytest.mark.parametrize("bad", ["a\nb", "a\n#SBATCH --hold", "\r", "a\0b"])
@pytest.mark.parametrize("name", ["job-name", "comment", "account", "signal"])
def test_a_value_of_two_lines_is_refused_by_name(name: str, bad: str) -> None:
    """It could add a directive; the error says which setting it is."""
    with pytest.raises(UsageError, match=rf"^slurm: the value of {name} must be a single line"):
        render(submission({name: bad}))


@pytest.mark.parametrize("name", ["array", "comment", "dependency"])
def test_what_jobs_depend_on_is_not_skipped(name: str) -> None:
    """Jobs would be lost, run twice after a submission without an answer, or run too soon."""
    with pytest.raises(UsageError, match=rf"^slurm: {name} cannot be skipped: "):
        render(submission({"skip": ["mem", name]}))


@given(st.lists(LINES, min_size=2, max_size=4).map("\n".join))
def test_no_line_begins_with_text_of_a_path(path: str) -> None:
    """A folder's name may hold line breaks; sbatch looks for #PBS and #BSUB everywhere."""
    text = script(submission(folder=Path(f"/r/{path}\n#BSUB -q short")))
    [*_, opening, closing, first, second, end] = text.split("\n")
    assert (opening, closing, end) == ("ab_nl='", "'", "")
    assert first.startswith("command -v bash ")
    assert second.startswith("exec /bin/sh ")
    found = options(submission(folder=Path(f"/r/{path}\nx")))
    assert found.pop("output") in ("logs/system.log", "logs/\\system.log", "/dev/null")
    assert found.items() < options(submission()).items()


def test_a_path_of_several_lines_arrives_at_the_job_script() -> None:
    """It is one word of the shell."""
    one = submission(folder=Path("/r/a\n#BSUB -q short\n'b'"))
    shown = 'bash() { printf "<%s>" "$@"; exit; }\n'
    text = shown + script(one).replace("exec bash", "bash")
    done = subprocess.run(["/bin/sh"], input=text, text=True, capture_output=True, check=True)
    assert done.stdout == f"<{one.script}><0><1><0>"


# -- the environment of sbatch


def seen(one: Submission, environ: dict[str, str]) -> dict[str, str]:
    """What sbatch sees of a caller's environment."""
    return LocalHost(environ)._environment(render(one).command)


CALLER = {
    **{"PATH": "/bin", "HOME": "/home/alice", "USER": "alice", "SLURM_CONF": "/etc/slurm.conf"},
    **{"SLURM_JWT": "token", "KRB5CCNAME": "FILE:/tmp/cc", "SLURM_CLUSTERS": "b"},
    **{"SBATCH_PARTITION": "long", "SBATCH_ACCOUNT": "physics", "SBATCH_QOS": "high"},
}


def test_sbatch_sees_what_leads_to_cluster_home_and_credentials() -> None:
    """Its environment is the job's; the job script builds that itself."""
    caller = {**CALLER, "SECRET": "x", "SLURM_JOB_ID": "1", "SBATCH_ARRAY_INX": "0-9"}
    found = seen(submission(), {**caller, "SBATCH_JOB_NAME": "y", "PYTHONPATH": "/p"})
    assert {name: found.get(name) for name in CALLER} == CALLER
    assert set(found) - set(CALLER) == {"LC_ALL"}


@pytest.mark.parametrize(
    ("own", "hidden"),
    [
        ({}, set()),
        ({"partition": "short"}, {"SBATCH_PARTITION"}),
        ({"account": "x", "qos": "y"}, {"SBATCH_ACCOUNT", "SBATCH_QOS"}),
        ({"clusters": "a"}, {"SLURM_CLUSTERS"}),
        ({"partition": False}, set()),
    ],
)
def test_what_is_set_wins_over_variables(own: dict[str, Any], hidden: set[str]) -> None:
    """Variables would win over the script's own lines; those of other options stay."""
    assert set(CALLER) - set(seen(submission(own), CALLER)) == hidden


def test_a_queue_wins_over_the_variable_too() -> None:
    """However it was asked for."""
    asked = submission(resources=Resources(queue="short"))
    assert "SBATCH_PARTITION" not in seen(asked, CALLER)


# -- the real sbatch


@pytest.mark.usefixtures("slurm_engines")
@settings(max_examples=12, deadline=None)
@given(
    name=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=40)
    .filter(str.isprintable)
    .filter(str.strip)
)
def test_the_real_sbatch_reads_names_as_they_are(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A held job shows the name that was asked for, and nothing else of it was read."""
    folder = tmp_path_factory.mktemp("run")
    rendered = render(submission({"hold": True, "comment": name}, folder=folder, name=name))
    host = LocalHost({**os.environ, "SLURM_CONF": str(configuration(CLUSTERS[0]))})
    for file in rendered.files:
        host.write(file.path, file.text, file.mode)
    submitted = host.run(rendered.command)
    assert submitted.ok, submitted.stderr
    job = submitted.stdout.strip()
    try:
        shown = host.run(Command(("squeue", "--noheader", f"--jobs={job}", "--format=%j\n%k\n%r")))
    finally:
        host.run(Command(("scancel", job)))
    assert shown.stdout == f"{name}\n{TOKEN} {name}\nJobHeldUser\n"


@pytest.mark.parametrize("urgency", [-100, -1, 1, 100])
def test_urgency_is_a_hundred_of_nice(urgency: int) -> None:
    """As much as a bare --nice; the usual one is not said."""
    text = render(submission(urgency=urgency)).files[0].text
    assert f"#SBATCH --nice={-100 * urgency}\n" in text
    assert "--nice" not in render(submission()).files[0].text
