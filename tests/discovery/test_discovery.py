"""Broken plugins in a real installation: each costs only itself, and is named.

Wheels are written by hand and installed by pip into one virtual environment, which also sees
what the running Python has: this checkout, and whatever plugins are installed there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import anybatch
import pytest

HEAD = """
from anybatch.host import Command
from anybatch.hookspecs import hookimpl
from anybatch.records import *
from anybatch.system import BatchSystem, Plugin
"""
SYSTEM = """
class System(BatchSystem):
    def anybatch_detect(self, settings, choosing):
        return Detection(available=True, reason="here", priority=None)

    def anybatch_render(self, submission):
        return Rendered(command=Command(["true", submission.token]))

    def anybatch_submit(self, submission, rendered):
        return [str(task) for task in range(submission.count)]

    def anybatch_find(self, submission):
        return []

    def anybatch_status(self, batches):
        return [{} for _ in batches]

    def anybatch_terminate(self, batches, signal):
        pass
"""


def system(hook: str = "") -> str:
    """The module of a batch system, of which a hook is as given."""
    return f"{HEAD}{SYSTEM}\n{indent(hook, '    ')}\n"


def module(hook: str) -> str:
    """A module with one hook."""
    return f"{HEAD}\n@hookimpl\n{hook}\n"


#: By distribution: the plugin's name and its module's text; `System` is the class in it, if any.
PLUGINS = {
    "ab-unimportable": ("unimportable", "import no_such_library\n"),
    "ab-syntax": ("syntax", "def\n"),
    "ab-exits": ("exits", "raise SystemExit(3)\n"),
    "ab-no-class": ("no_class", "class System:\n    def __init__(self, host):\n        pass\n"),
    "ab-not-made": (
        "not_made",
        f"{HEAD}class System(Plugin):\n    def __init__(self, host):\n        raise OSError('no')",
    ),
    "ab-bad-name": ("bad-name", system()),
    "ab-twin-one": ("twin", system()),
    "ab-twin-two": ("twin", system()),
    "ab-misspelt": ("misspelt", system("def anybatch_statsu(self):\n    return []")),
    "ab-unmarked": ("unmarked", "def anybatch_submit():\n    pass\n"),
    "ab-abstract": ("abstract", system().replace("anybatch_find", "find")),
    "ab-incomplete": ("incomplete", module("def anybatch_submit():\n    return []")),
    "ab-asynchronous": ("asynchronous", system("async def anybatch_find(self):\n    return []")),
    "ab-wrong-parameter": ("wrong_parameter", module("def anybatch_detect(machine):\n    pass")),
    "ab-settings-raise": (
        "settings_raise",
        module("def anybatch_settings():\n    raise RuntimeError('no settings')"),
    ),
    "ab-settings-exit": ("settings_exit", module("def anybatch_settings():\n    raise SystemExit")),
    "ab-settings-rubbish": ("settings_rubbish", module("def anybatch_settings():\n    return 5")),
    "ab-detect-raise": (
        "detect_raise",
        system("def anybatch_detect(self, settings, choosing):\n    return 1 / 0"),
    ),
    "ab-detect-rubbish": ("detect_rubbish", module("def anybatch_detect():\n    return 'yes'")),
    "ab-environment-raise": (
        "environment_raise",
        module("def anybatch_environment():\n    raise KeyError('no environment')"),
    ),
    "ab-observer-raise": (
        "observer_raise",
        module("def anybatch_job_changed():\n    raise OSError('no observer')"),
    ),
    "ab-status-rubbish": (
        "status_rubbish",
        system("def anybatch_status(self, batches):\n    return [{batches[0].ids[0]: 'running'}]"),
    ),
    "ab-status-no-list": (
        "status_no_list",
        system("def anybatch_status(self, batches):\n    return 'all well'"),
    ),
    "ab-status-too-few": (
        "status_too_few",
        system("def anybatch_status(self, batches):\n    return []"),
    ),
    "ab-good": (
        "good",
        module("def anybatch_environment():\n    return Environment(env={'GOOD': 'yes'})"),
    ),
}
TWINS = "the name 'twin' is claimed by ab-twin-one 1.0 and ab-twin-two 1.0; uninstall one of them"
#: By distribution: what `anybatch systems` says of it.
CULPRITS = {
    "ab-unimportable": "cannot be imported: ModuleNotFoundError: No module named 'no_such_lib",
    "ab-syntax": "cannot be imported: SyntaxError: ",
    "ab-exits": "cannot be imported: SystemExit: 3",
    "ab-no-class": "defines no hooks",
    "ab-not-made": "OSError: no (",
    "ab-bad-name": "the name 'bad-name' may only contain lower-case letters, digits and _",
    "ab-twin-one": TWINS,
    "ab-twin-two": TWINS,
    "ab-misspelt": "'anybatch_statsu' is not a hook; did you mean 'anybatch_s",
    "ab-unmarked": "anybatch_submit is not marked with hookimpl",
    "ab-abstract": "Can't instantiate abstract class System",
    "ab-incomplete": "implements anybatch_submit, but not anybatch_render",
    "ab-asynchronous": "anybatch_find is asynchronous; hooks must be plain functions",
    "ab-wrong-parameter": "anybatch_detect has no parameter 'machine'; allowed are: host, ",
    "ab-settings-raise": "anybatch_settings raised RuntimeError: no settings",
    "ab-settings-exit": "anybatch_settings raised SystemExit",
    "ab-settings-rubbish": "anybatch_settings returned 5; it must return a sequence",
    "ab-detect-raise": "anybatch_detect raised ZeroDivisionError: division by zero",
    "ab-detect-rubbish": "anybatch_detect returned 'yes'; it must return a Detection",
}


def write_wheel(folder: Path, distribution: str, plugin: str, text: str) -> Path:
    """A wheel with one module and one entry point."""
    module = distribution.replace("-", "_")
    value = f"{module}:System" if "class System" in text else module
    info = f"{module}-1.0.dist-info"
    files = {
        f"{module}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[anybatch]\n{plugin} = {value}\n",
    }
    record = f"{info}/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*files, record])
    wheel = folder / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return wheel


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment with all of these plugins."""
    folder = tmp_path_factory.mktemp("discovery")
    venv.create(folder / "venv")
    program = folder / "venv/bin/python"
    site = subprocess.run(
        [program, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    wheels = [write_wheel(folder, name, *plugin) for name, plugin in PLUGINS.items()]
    argv = [sys.executable, "-m", "pip", "--python", program, "install", "--quiet", "--no-deps"]
    subprocess.run([*argv, "--no-index", "--no-compile", *wheels], check=True)
    checkout = Path(anybatch.__file__).parents[1]
    running = sysconfig.get_path("purelib")
    (Path(site) / "running.pth").write_text(
        f"{checkout}\nimport site; site.addsitedir({running!r})\n"
    )
    return program


def call(python: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A run of that Python by the test's own user."""
    return subprocess.run(
        [python, *words],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        timeout=300,
    )


def systems(python: Path, **environ: str) -> dict[str, dict[str, Any]]:
    """What `anybatch systems --json` says, by distribution."""
    done = call(python, "-m", "anybatch", "systems", "--json", **environ)
    assert done.returncode == 0, done.stderr
    return {record["distribution"]: record for record in json.loads(done.stdout)}


def test_a_job_runs_beside_broken_plugins(python: Path, anybatch_home: Path) -> None:
    """`local` works as if they were not there, and a plugin in order has its part in it."""
    done = call(python, "-m", "anybatch", "run", "--system", "local", "--", "true")
    assert done.returncode == 0, done.stderr
    done = call(python, "-m", "anybatch", "run", "--system", "local", "--", "printenv", "GOOD")
    assert (done.returncode, done.stdout) == (0, "yes\n"), done.stderr
    assert "Traceback" not in done.stderr


def test_every_culprit_is_named(python: Path, anybatch_home: Path) -> None:
    """`anybatch systems` ends well and tells of each its distribution and its problem."""
    found = systems(python)
    for distribution, problem in CULPRITS.items():
        record = found[f"{distribution} 1.0"]
        assert record["name"] == PLUGINS[distribution][0]
        assert problem in "; ".join(record["problems"])
        assert record["available"] is not True
        assert not any("\n" in text for text in record["problems"])
    blamed = {record["distribution"] for record in found.values() if record["problems"]}
    assert {f"{name} 1.0" for name in PLUGINS} & blamed == {f"{name} 1.0" for name in CULPRITS}
    assert (found["anybatch"]["name"], found["anybatch"]["available"]) == ("local", True)


def test_people_see_every_culprit(python: Path, anybatch_home: Path) -> None:
    """The table for people names each distribution, and no traceback is shown."""
    done = call(python, "-m", "anybatch", "systems", COLUMNS="400")
    assert done.returncode == 0, done.stderr
    assert all(f"{name} 1.0" in done.stdout for name in CULPRITS)
    assert "Traceback" not in done.stdout + done.stderr


def test_a_detection_that_raises_is_no_choice(python: Path, anybatch_home: Path) -> None:
    """Its reason names plugin, distribution and place, and the system is not available."""
    record = systems(python)["ab-detect-raise 1.0"]
    assert (record["kind"], record["available"]) == ("batch system", False)
    assert record["reason"].startswith("plugin 'detect_raise' (ab-detect-raise 1.0): ")
    assert "ab_detect_raise.py:" in record["reason"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("unimportable", "cannot be imported: ModuleNotFoundError"),
        ("twin", "ab-twin-one 1.0 and ab-twin-two 1.0"),
        ("misspelt", "did you mean 'anybatch_status'"),
    ],
)
def test_asking_for_a_broken_system_tells_why(
    python: Path, anybatch_home: Path, name: str, problem: str
) -> None:
    """Nothing is submitted elsewhere instead: the command ends with exit code 2."""
    done = call(python, "-m", "anybatch", "run", "--system", name, "--", "true")
    assert done.returncode == 2
    assert f"plugin '{name}' cannot be used: " in done.stderr
    assert problem in done.stderr


def test_a_plugin_can_be_switched_off(python: Path, anybatch_home: Path) -> None:
    """`ANYBATCH_DISABLED_PLUGINS` keeps plugins from being loaded, and says so."""
    done = call(
        python,
        *("-m", "anybatch", "systems", "--json"),
        ANYBATCH_DISABLED_PLUGINS="detect_raise, twin,good",
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    off = "switched off by ANYBATCH_DISABLED_PLUGINS"
    names = sorted(record["name"] for record in records if record["problems"] == [off])
    assert names == ["detect_raise", "good", "twin"]
    assert "division by zero" not in done.stdout
    run = call(
        python,
        *("-m", "anybatch", "run", "--system", "local", "--", "printenv", "GOOD"),
        ANYBATCH_DISABLED_PLUGINS="good",
    )
    assert (run.returncode, run.stdout) == (1, "")


FAULTS = """
    import json
    from anybatch import Job, Session

    with Session("local") as session:
        run = session.submit(Job(["true"]))
        done = [outcome.done for outcome in run.wait(60)]
        names = ("environment_raise", "observer_raise", "good")
        print(json.dumps([done, {name: session.plugins.problems(name) for name in names}]))
"""


def test_faults_of_calls_about_a_job_are_kept(python: Path, anybatch_home: Path) -> None:
    """An environment or an observer that raises is on record, and the job is done."""
    ran = call(python, "-c", dedent(FAULTS))
    assert ran.returncode == 0, ran.stderr
    done, problems = json.loads(ran.stdout)
    assert done == [True]
    assert "anybatch_environment raised KeyError" in problems["environment_raise"][0]
    assert "anybatch_job_changed raised OSError: no observer" in problems["observer_raise"][0]
    assert [len(found) for found in problems.values()] == [1, 1, 0]


RUBBISH = """
    import sys
    from anybatch import Job, Session

    said = []
    with Session(sys.argv[1], on_notice=said.append) as session:
        run = session.submit([Job(["true"])])
        run.refresh()
        print([str(job.state.value) for job in run.jobs], run.outcomes)
        print(*said)
"""


@pytest.mark.parametrize("kind", ["status_rubbish", "status_no_list", "status_too_few"])
def test_a_status_that_is_rubbish_is_no_verdict(
    python: Path, anybatch_home: Path, kind: str
) -> None:
    """The jobs stay as they were, and the notice names plugin, distribution and answer."""
    ran = call(python, "-c", dedent(RUBBISH), kind)
    assert ran.returncode == 0, ran.stderr
    state, said = ran.stdout.split("\n", 1)
    assert state == "['queued'] [None]"
    distribution = f"ab-{kind}".replace("_", "-")
    assert f"cannot query {kind}; keeping the last known states" in said
    assert f"plugin '{kind}' ({distribution} 1.0): anybatch_status" in said
