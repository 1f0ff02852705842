"""Each distribution, built and installed for itself."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(
    path.parent for path in [ROOT / "core/pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]
)
PLUGINS = [project.name for project in PROJECTS if project.name != "core"]

pytestmark = pytest.mark.timeout(1800)  # the registry decides how long it takes
#: One that does not answer for a moment is asked again.
PATIENT = ["--retries", "10", "--timeout", "60"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of all distributions."""
    folder = tmp_path_factory.mktemp("wheels")
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    subprocess.run([*argv, *PATIENT, *PROJECTS], check=True)
    return folder


def install(folder: Path, wheels: Path, *names: str) -> Path:
    """A virtual environment with these distributions in it; its `anybatch` command."""
    venv.create(folder)
    argv = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "--quiet"]
    subprocess.run([*argv, *PATIENT, "--find-links", wheels, *names], check=True)
    return folder / "bin/anybatch"


def systems(command: Path) -> list[dict[str, Any]]:
    """What `anybatch systems` lists."""
    completed = subprocess.run(
        [command, "systems", "--no-detect", "--json"], check=True, capture_output=True, text=True
    )
    found: list[dict[str, Any]] = json.loads(completed.stdout)
    return found


def test_every_wheel_says_that_it_is_typed_and_licensed(wheels: Path) -> None:
    """`py.typed` and the licence are in each."""
    found = sorted(wheels.glob("anybatch*.whl"))
    assert len(found) == len(PROJECTS)
    for wheel in found:
        names = zipfile.ZipFile(wheel).namelist()
        assert any(name.endswith("py.typed") for name in names), wheel
        assert any(name.endswith("LICENSE") for name in names), wheel


def test_the_core_alone_runs_a_job(wheels: Path, tmp_path: Path, anybatch_home: Path) -> None:
    """The built-in system needs no plugin."""
    command = install(tmp_path / "venv", wheels, "anybatch")
    assert [system["name"] for system in systems(command)] == ["local"]
    argv = [command, "run", "--", "echo", "alone"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alone\n"), done.stderr


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_brings_the_core(plugin: str, wheels: Path, tmp_path: Path) -> None:
    """Installing a plugin is enough, and it is found."""
    command = install(tmp_path / "venv", wheels, f"anybatch-{plugin}")
    assert plugin in [system["name"] for system in systems(command)]
