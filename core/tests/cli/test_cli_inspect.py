"""`systems`, `settings`, `doctor` and `completion`: what there is and where it comes from."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import __version__
from anybatch.cli import cli

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]
    Install = Callable[[str, str], None]
    Program = Callable[..., subprocess.CompletedProcess[bytes]]


UNREACHABLE = """
    from anybatch.hookspecs import hookimpl
    from anybatch.records import Detection

    @hookimpl
    def anybatch_detect():
        return Detection(available=False, unreachable=True, reason="nobody answers")
"""


def systems(call: Call, *words: str) -> dict[str, dict[str, Any]]:
    """The plugins by name, from `systems --json`."""
    result = call("systems", "--json", *words)
    assert result.exit_code == 0
    return {record["name"]: record for record in json.loads(result.stdout)}


# -- systems


def test_systems_lists_plugins_with_their_distribution(call: Call, toy: Path) -> None:
    """Each plugin is listed with where it comes from, what it is, and its answer."""
    found = systems(call)
    assert found["local"]["distribution"] == "anybatch"
    assert found["local"]["available"] is True
    assert found["toy"] == {
        "name": "toy",
        "distribution": "dist-toy 1.5",
        "kind": "batch system",
        "available": True,
        "unreachable": False,
        "reason": "it is a toy",
        "version": "7.5",
        "priority": None,
        "stands_for": None,
        "details": {},
        "problems": [],
    }
    [line] = [line for line in call("systems").stdout.splitlines() if line.startswith("toy")]
    assert " ".join(line.split()) == "toy dist-toy 1.5 batch system yes it is a toy"


@pytest.mark.system
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raise RuntimeError('no luck')", "cannot be imported: RuntimeError: no luck"),
        ("", "defines no hooks; did you forget @hookimpl?"),
        (
            "from anybatch import hookimpl\n@hookimpl\ndef anybatch_detekt(): pass\n",
            "'anybatch_detekt' is not a hook; did you mean 'anybatch_detect'?",
        ),
        (
            "from anybatch import hookimpl\n@hookimpl\ndef anybatch_detect(): 1 / 0\n",
            "anybatch_detect raised ZeroDivisionError",
        ),
    ],
)
def test_a_broken_plugin_is_named(call: Call, install: Install, text: str, problem: str) -> None:
    """A broken plugin is listed with its distribution and problem, and costs the others nothing."""
    install("broken", text)
    found = systems(call)
    assert found["broken"]["distribution"] == "dist-broken 1.5"
    assert problem in found["broken"]["problems"][0]
    assert found["local"]["available"] is True
    assert problem in call("systems").stdout
    assert call("run", "--", "true").exit_code == 0


def test_listing_without_detection(call: Call, toy: Path) -> None:
    """With --no-detect no plugin is asked."""
    assert systems(call, "--no-detect")["toy"]["available"] is None


def test_a_plugin_that_is_no_batch_system(call: Call, install: Install) -> None:
    """A plugin without `anybatch_submit` is listed as another kind, which needs no answer."""
    install(
        "site", "from anybatch import hookimpl\n@hookimpl\ndef anybatch_settings(): return []\n"
    )
    assert systems(call)["site"]["kind"] == "other"
    assert systems(call)["site"]["available"] is None


STANDS_FOR = """
from anybatch import hookimpl
from anybatch.records import Alias, Detection

@hookimpl
def anybatch_alias(): return Alias(system="toy", settings={"toy": {"partition": "box"}})

@hookimpl
def anybatch_detect(): return Detection(available=%s, reason="box is told")
"""


def test_a_plugin_whose_name_stands_for_a_batch_system(
    call: Call, toy: Path, install: Install
) -> None:
    """It is listed as such, may be named as a system, and has to be usable as well."""
    install("box", STANDS_FOR % True)
    assert systems(call)["box"]["stands_for"] == "toy"
    assert systems(call)["toy"]["stands_for"] is None
    [line] = [line for line in call("systems").stdout.splitlines() if line.startswith("box")]
    assert " ".join(line.split()) == "box dist-box 1.5 alias of toy yes box is told"
    plan = json.loads(call("render", "--system", "box", "--json", "--", "true").stdout)
    assert plan["system"] == "toy"
    doctor = call("doctor", "--system", "box").stdout
    assert "box is an alias of toy; box, available: box is told; toy, available:" in doctor
    assert "alias of: toy" in doctor


def test_a_name_that_stands_for_a_system_and_is_not_usable(
    call: Call, toy: Path, install: Install
) -> None:
    """`doctor` tells of the plugin what it lacks, though the batch system itself is well."""
    install("box", STANDS_FOR % False)
    result = call("doctor", "--system", "box")
    assert result.exit_code == 1
    assert "box, not available: box is told; toy, available:" in result.stdout


def test_an_alias_that_raises(call: Call, install: Install) -> None:
    """A plugin that cannot say what its name stands for is listed with that problem."""
    install("box", STANDS_FOR % "True" + "def anybatch_alias(): 1 / 0\nhookimpl(anybatch_alias)\n")
    assert systems(call)["box"]["stands_for"] is None
    assert "anybatch_alias raised ZeroDivisionError" in systems(call)["box"]["problems"][0]


# -- settings


def test_settings_say_where_they_come_from(
    call: Call, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each value is shown with its source: default, file, environment."""
    file = toy / "anybatch.toml"
    file.write_text("lost_after = '5m'\n[local]\nmemory = '3 GiB'\n")
    monkeypatch.setenv("ANYBATCH_TOY__PARTITION", "long")
    lines = [re.split(r"\s{2,}", line.rstrip()) for line in call("settings").stdout.splitlines()]
    assert ["system", "local", "environment"] in lines
    assert ["poll_interval", "15s", "default"] in lines
    assert ["lost_after", "5m", str(file)] in lines
    assert ["local.memory", "3 GiB", str(file)] in lines
    assert ["toy.partition", "long", "environment"] in lines


def test_settings_of_one_plugin(call: Call, toy: Path) -> None:
    """A plugin's unset settings are shown with --all, with their help."""
    assert "partition" not in call("settings", "toy").stdout
    assert "Where jobs queue." in call("settings", "toy", "--all").stdout
    assert json.loads(call("settings", "toy", "--all", "--json").stdout) == [
        {
            "plugin": "toy",
            "name": "partition",
            "value": None,
            "source": None,
            "kind": "text",
            "help": "Where jobs queue.",
        }
    ]


MANY = """
    from anybatch.hookspecs import hookimpl
    from anybatch.records import Kind, Setting

    @hookimpl
    def anybatch_settings():
        return [Setting(name="+*", kind=Kind.OPTION, help="Any attribute.")]
"""


def test_settings_that_one_declaration_stands_for(call: Call, install: Install, toy: Path) -> None:
    """Those that are set are listed with their values, the pattern with --all."""
    install("many", MANY)
    (toy / "anybatch.toml").write_text("[many]\n'+Flavour' = '\"long lunch\"'\n'+IO' = false\n")
    file = str(toy / "anybatch.toml")
    records = json.loads(call("settings", "many", "--json").stdout)
    assert [(r["name"], r["value"], r["source"], r["help"]) for r in records] == [
        ("+Flavour", '"long lunch"', file, "Any attribute."),
        ("+IO", False, file, "Any attribute."),
    ]
    shown = call("settings", "many").stdout
    assert "many.+Flavour" in shown
    assert "many.+*" not in shown
    everything = call("settings", "many", "--all").stdout
    assert re.search(r"^many\.\+\* +Any attribute\.$", everything, re.MULTILINE)
    assert "many.+IO" in everything


def test_settings_of_a_plugin_that_is_not_there(call: Call) -> None:
    """A misspelt plugin is exit code 2 with a hint."""
    result = call("settings", "lokal")
    assert result.exit_code == 2
    assert "did you mean 'local'?" in result.stderr


# -- doctor


def findings(result: Result) -> dict[str, dict[str, Any]]:
    return {found["check"]: found for found in json.loads(result.stdout)["findings"]}


def test_a_healthy_machine(call: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all is well `doctor` says what it looked at, what auto chooses, and exits with 0."""
    monkeypatch.delenv("ANYBATCH_SYSTEM")
    (home / "anybatch.toml").write_text("")
    result = call("doctor")
    assert result.exit_code == 0
    assert __version__ in result.stdout
    assert str(home / "anybatch.toml") in result.stdout
    assert str(home / ".anybatch" / "runs") in result.stdout
    assert "auto selects local, which has the highest priority here" in result.stdout
    assert "PROBLEM" not in result.stdout
    assert not (home / ".anybatch").exists()


@pytest.mark.system
def test_a_test_job(call: Call) -> None:
    """`doctor --submit` runs a job on the system, and shows how it ended."""
    result = call("doctor", "--submit", "--system", "local", "--json")
    assert result.exit_code == 0
    assert findings(result)["test job"]["text"].endswith(" done")


def test_a_problem_is_exit_code_1(call: Call, install: Install) -> None:
    """A broken plugin is a problem: exit code 1."""
    install("broken", "raise RuntimeError('no luck')")
    result = call("doctor")
    assert result.exit_code == 1
    assert "PROBLEM  plugin broken: dist-broken 1.5: " in result.stdout
    assert "no luck" in result.stdout


def test_a_plugin_that_is_switched_off_is_no_problem(
    call: Call, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user has switched off is told, and is no problem."""
    monkeypatch.setenv("ANYBATCH_DISABLED_PLUGINS", "toy")
    result = call("doctor", "--json")
    assert result.exit_code == 0
    assert "switched off" in findings(result)["plugin toy"]["text"]
    assert re.search(r"^-        plugin toy: ", call("doctor").stdout, re.MULTILINE)


def test_what_is_not_available_is_not_ok(call: Call, install: Install) -> None:
    """`doctor` has a mark of its own for a batch system that is not here: no problem, nor ok."""
    install("cluster", UNREACHABLE.replace("unreachable=True, ", ""))
    result = call("doctor")
    assert result.exit_code == 0
    told = "-        plugin cluster: dist-cluster 1.5: not available: nobody answers"
    assert told in result.stdout.splitlines()


def test_a_mistake_in_the_settings_is_a_problem(call: Call, home: Path) -> None:
    """A settings file with a mistake does not keep `doctor` from its report."""
    (home / "anybatch.toml").write_text("poll_interval = 'often'\n")
    result = call("doctor", "--json")
    assert result.exit_code == 1
    assert "invalid duration 'often'" in findings(result)["settings"]["text"]


def test_folders_that_cannot_be_written_are_problems(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state folder or run folder that cannot be is a problem, with advice."""
    (home / "file").touch()
    (home / "anybatch.toml").write_text("runs_dir = 'file/runs'\n")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "file"))
    found = findings(call("doctor", "--json"))
    assert "XDG_STATE_HOME" in found["state folder"]["text"]
    assert "runs_dir" in found["run folders"]["text"]
    assert not found["state folder"]["ok"]
    assert not found["run folders"]["ok"]


def test_a_system_that_is_away_is_a_problem(call: Call, install: Install) -> None:
    """A batch system that is set up and does not answer is a problem."""
    install("cluster", UNREACHABLE)
    result = call("doctor", "--json")
    assert result.exit_code == 1
    text = findings(result)["plugin cluster"]["text"]
    assert "configured, but unreachable: nobody answers" in text
    assert systems(call)["cluster"]["unreachable"] is True


def test_a_system_that_is_not_installed_is_a_problem(call: Call) -> None:
    """A batch system that is not there is a problem, with what is there."""
    result = call("doctor", "--system", "locall")
    assert result.exit_code == 1
    assert "did you mean 'local'" in result.stdout


# -- help and completion


def test_help_tells_examples_and_exit_codes(call: Call) -> None:
    """Each command's help has a sentence, examples, and what its exit codes mean."""
    for name in cli.commands:
        text = call(name, "--help").stdout
        assert f"anybatch {name}" in text
        assert "Examples:\n" in text
        assert "Exit codes:\n  0 " in text
        assert "--json" in text or cli.commands[name].hidden


def test_help_names_all_commands(call: Call) -> None:
    """The program's help lists people's commands, each with a sentence that is not cut off."""
    text = call("--help").stdout
    listed, _, installation = text[text.index("Jobs ") :].partition("Install")
    for name in (one.name for one in cli.commands.values() if not one.hidden):
        in_a_line = re.search(rf"^.{{9}}{name} +\S.*\.$", listed, re.MULTILINE)
        assert in_a_line or re.search(rf"\b{name}\b", installation)
    assert "..." not in listed
    assert re.findall(r"^(\w+)", listed, re.MULTILINE) == ["Jobs", "Runs", "Results"]


def test_help_fits_a_screen(call: Call) -> None:
    """The program's help has at most 24 lines of 80 columns; without a command it is shown too."""
    text = call("--help", terminal_width=80).stdout
    assert text.count("\n") <= 24
    assert max(map(len, text.splitlines())) <= 80
    assert call(terminal_width=80).stdout == text


def test_help_speaks_no_type_theory(call: Call) -> None:
    """Ranges of numbers are told by errors, not by signs in the help."""
    for name in cli.commands:
        assert "[x>=" not in call(name, "--help").stdout


def complete(program: Program, *words: str) -> list[str]:
    """What a shell would offer for the last word."""
    environ = {
        **os.environ,
        "_ANYBATCH_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["anybatch", *words]),
        "COMP_CWORD": str(len(words)),
    }
    result = program(env=environ)
    assert result.stderr == b""
    return re.findall(r"^plain,(.*)$", result.stdout.decode(), re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["te"], "terminate"),
        (["run", "--mem"], "--memory"),
        (["run", "--system", "lo"], "local"),
        (["run", "--set", "local.k"], "local.kill_wait="),
        (["settings", "lo"], "local"),
    ],
)
def test_completion_of_names(program: Program, words: list[str], offered: str) -> None:
    """A shell completes commands, options, systems and settings."""
    assert complete(program, *words) == [offered]


def test_completion_of_settings_that_one_declaration_stands_for(
    program: Program, install: Install, toy: Path
) -> None:
    """What they begin with; nobody types a star."""
    install("many", MANY)
    assert complete(program, "run", "--set", "many.") == ["many.+"]


@pytest.mark.system
def test_completion_of_runs(call: Call, program: Program) -> None:
    """A shell completes ids: of all runs where logs are asked for, of unfinished ones to wait."""
    ended = call("submit", "--", "true").stdout.strip()
    call("wait", ended)
    active = call("submit", "--", "sleep", "60").stdout.strip()
    assert complete(program, "logs", "20") == [active, ended]
    assert complete(program, "wait", "20") == [active]
    call("terminate", active)


def test_completion_is_silent_about_mistakes(program: Program, home: Path) -> None:
    """A mistake in the settings prints nothing into the line that is being typed."""
    (home / "anybatch.toml").write_text("sytem = 1")
    assert complete(program, "run", "--system", "lo") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(call: Call, shell: str) -> None:
    """There is a script for each shell, which calls the program back."""
    script = call("completion", shell).stdout
    assert f"_ANYBATCH_COMPLETE={shell}_complete" in script
    assert json.loads(call("completion", "--json", shell).stdout)["script"] == script
