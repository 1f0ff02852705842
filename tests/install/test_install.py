"""Each distribution, built and installed for itself.

`make dist` names its folder in ANYBATCH_DIST: what is to be published is what is tested then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anybatch
import pytest

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(
    path.parent for path in [ROOT / "core/pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]
)
PLUGINS = [project.name for project in PROJECTS if project.name not in ("core", "b2luigi")]
#: What imports b2luigi has its licence.
LICENCES = {"anybatch-b2luigi": "GPL-3.0-or-later"}
DIST = os.environ.get("ANYBATCH_DIST", "")

pytestmark = pytest.mark.timeout(1800)  # the registry decides how long it takes
#: One that does not answer for a moment is asked again.
PATIENT = ["--retries", "10", "--timeout", "60"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of all distributions."""
    if DIST:
        return ROOT / DIST
    folder = tmp_path_factory.mktemp("wheels")
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    subprocess.run([*argv, *PATIENT, *PROJECTS], check=True)
    return folder


def distribution(project: Path) -> str:
    """What the files of a distribution begin with."""
    return "anybatch" if project.name == "core" else f"anybatch_{project.name}"


def sources(project: Path) -> set[str]:
    """What a package has: the files below `src`, by their names in a wheel."""
    base = project / "src"
    files = (path for path in base.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(base)) for path in files}


def check_metadata(metadata: Message) -> None:
    """The version is the core's, and a reader finds the project and its licence."""
    assert metadata["Version"] == anybatch.__version__
    assert metadata["License-Expression"] == LICENCES.get(metadata["Name"], "MIT")
    urls = dict(str(url).split(", ") for url in metadata.get_all("Project-URL", []))
    assert urls["Homepage"] == "https://github.com/anybatch/anybatch"
    assert metadata.get_payload(), "no README in it"


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


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_a_wheel_has_the_whole_package(project: Path, wheels: Path) -> None:
    """All files below `src`, scripts and `py.typed` too; the licence; and true metadata."""
    [path] = wheels.glob(f"{distribution(project)}-*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        [described] = [name for name in names if name.endswith(".dist-info/METADATA")]
        check_metadata(Parser().parsestr(wheel.read(described).decode()))
    assert any(name.endswith("LICENSE") for name in names)
    found = {name for name in names if ".dist-info/" not in name}
    assert found == sources(project)
    assert f"{distribution(project)}/py.typed" in found


@pytest.mark.skipif(not DIST, reason="needs sdists: `make dist`")
@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_an_sdist_has_the_whole_project(project: Path) -> None:
    """The package, README and licence, and the metadata of the wheel."""
    [path] = (ROOT / DIST).glob(f"{distribution(project)}-*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        described = sdist.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert described
        check_metadata(Parser().parsestr(described.read().decode()))
    assert {f"src/{name}" for name in sources(project)} <= names
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names


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


@pytest.mark.skipif(sys.version_info < (3, 11), reason="b2luigi needs Python 3.11")
def test_the_bridge_is_found_by_b2luigi(wheels: Path, tmp_path: Path) -> None:
    """Installing it brings b2luigi, which then knows `anybatch`; no plugin is added."""
    command = install(tmp_path / "venv", wheels, "anybatch-b2luigi", "setuptools<81")
    assert [system["name"] for system in systems(command)] == ["local"]
    program = (
        "from b2luigi.batch.workers import BatchSystems; "
        "print(BatchSystems('anybatch').load_process_class().__name__)"
    )
    argv = [command.parent / "python", "-W", "ignore", "-c", program]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.stdout == "AnybatchProcess\n", done.stderr
