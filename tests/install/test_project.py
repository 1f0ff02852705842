"""What all distributions have in common, and files that call what is elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import anybatch
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
PLUGINS = PROJECTS[1:]
HOME = "https://github.com/anybatch/anybatch"


def name_of(path: Path) -> str:
    """What a test calls it."""
    return path.name


def project(folder: Path) -> dict[str, Any]:
    """A `pyproject.toml`."""
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def text(*names: str) -> str:
    """A file of the repository."""
    return ROOT.joinpath(*names).read_text("utf-8")


def targets() -> set[str]:
    """The targets of the Makefile that are no files."""
    [line] = re.findall(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)
    return set(line.split())


@pytest.mark.parametrize("folder", PROJECTS, ids=name_of)
def test_a_distribution_takes_its_version_from_the_core(folder: Path) -> None:
    """It has no number of its own."""
    found = project(folder)
    assert "version" not in found["project"]
    assert found["project"]["dynamic"] == ["version"]
    source = folder / found["tool"]["hatch"]["version"]["path"]
    assert source.resolve() == ROOT / "core/src/anybatch/__init__.py"


@pytest.mark.parametrize("folder", PLUGINS, ids=name_of)
def test_a_plugin_goes_with_the_core_of_its_version(folder: Path) -> None:
    """Its range begins at the core's minor version, and ends before the next."""
    major, minor = (int(part) for part in anybatch.__version__.split(".")[:2])
    wanted = f"anybatch>={major}.{minor},<{major}.{minor + 1}"
    assert wanted in project(folder)["project"]["dependencies"]


@pytest.mark.parametrize("folder", PROJECTS, ids=name_of)
def test_a_distribution_says_where_it_comes_from(folder: Path) -> None:
    """The links lead to the project's home, and to pages that are there."""
    urls = project(folder)["project"]["urls"]
    assert set(urls) == {"Homepage", "Documentation", "Changelog", "Issues", "Source"}
    for url in urls.values():
        assert url.startswith(HOME)
        _, blob, path = url.partition("/blob/main/")
        assert not blob or (ROOT / path).is_file()


def test_types_are_checked_in_every_plugin() -> None:
    """Its folder is among those that mypy takes."""
    mypy = project(ROOT)["tool"]["mypy"]
    for folder in PROJECTS:
        source = str(folder.relative_to(ROOT) / "src")
        assert source in mypy["files"]
        assert source in mypy["mypy_path"]


def test_the_version_has_its_changes() -> None:
    """The changelog has a section of this version."""
    assert f"## [{anybatch.__version__}]" in text("CHANGELOG.md")


def test_the_workflow_calls_targets_that_there_are() -> None:
    """Each `make` names one, or the matrix, all of whose targets are there."""
    workflow = text(".github", "workflows", "test.yml")
    listed = re.findall(r"target: \[(.*)\]", workflow)
    called = {name for names in listed for name in names.split(", ")}
    runs = re.findall(r"\bmake (\$\{\{.*?\}\}|\S+)", workflow)
    called |= set(runs) - {"${{ matrix.target }}"}
    assert {"check", "fast", "test", "lowest", "dist"} <= called <= targets()


def test_the_workflow_takes_each_python_that_is_supported() -> None:
    """From the lowest that the distributions allow, without a gap."""
    [line] = re.findall(r"python: \[(.*)\]", text(".github", "workflows", "test.yml"))
    minors = [int(version.strip('"').removeprefix("3.")) for version in line.split(", ")]
    assert minors == [*range(minors[0], minors[-1] + 1)]
    needed = {folder.name: project(folder)["project"]["requires-python"] for folder in PROJECTS}
    assert needed.pop("b2luigi") == ">=3.11"  # that of b2luigi
    assert set(needed.values()) == {f">=3.{minors[0]}"}


def test_hooks_of_pre_commit_call_what_the_environment_has() -> None:
    """They are local, and each is a tool of the group `dev` in make's environment."""
    configuration = text(".pre-commit-config.yaml")
    assert re.findall(r"repo: (.*)", configuration) == ["local"]
    entries = re.findall(r"entry: (\S+)", configuration)
    tools = {re.split(r"\W", tool)[0] for tool in project(ROOT)["dependency-groups"]["dev"][1:]}
    assert {entry.rpartition("/")[0] for entry in entries} == {".venv/bin"}
    assert {entry.rpartition("/")[2] for entry in entries} <= tools
    assert "VENV ?= .venv\n" in text("Makefile")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "tests/engines/README.md"])
def test_pages_name_targets_that_there_are(page: str) -> None:
    """After `make` in code comes one."""
    code = re.findall(r"`([^`\n]+)`|^    (.+)$", text(page), re.MULTILINE)
    words = " ".join("".join(parts) for parts in code)
    found = set(re.findall(r"\bmake ([a-z]+)", words))
    assert found
    assert found <= targets()


def test_every_target_is_explained() -> None:
    """The Makefile's head has a line for each that people call."""
    head = text("Makefile").partition("\n\n")[0]
    assert targets() - {"pytest", "clean"} == set(re.findall(r"^# make ([\w-]+)", head, re.M))
