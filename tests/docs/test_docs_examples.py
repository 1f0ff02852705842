"""The examples work: those of the repository, and the plugins of the documentation."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .blocks import ROOT, name_of, on_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TINYQ_TESTS = ROOT / "docs" / "examples" / "anybatch-tinyq" / "tests"


IN_A_CONTAINER = ROOT / "examples" / "container.py"
ON_THE_GRID = ROOT / "examples" / "grid.py"  # the tests of the gbasf2 plugin run it
HERE = sorted({*(ROOT / "examples").glob("*.py")} - {IN_A_CONTAINER, ON_THE_GRID})
#: The end of what an example prints.
TOLD = {
    "average": "average: 0.",
    "campaign": "sum: 499500",
    "scan": "-27.0",
    "transfer": "/2/fits/sum.txt has samples/kaons.txt: 700",
}


@pytest.mark.parametrize("example", HERE, ids=name_of)
def test_an_example_runs_on_this_machine(example: Path, page_folder: Path) -> None:
    """It takes the batch system's name, and ends well."""
    ended = subprocess.run(
        [sys.executable, str(example), "local"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert TOLD[example.stem] in ended.stdout.splitlines()[-1]


STAND_IN = """#!/bin/sh
until [ "$1" = docker://busybox ]; do shift; done
shift
exec "$@"
"""


def test_the_example_of_containers_runs_without_one(
    page_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the container itself, which `plugins/apptainer/tests` has; and it is told apart."""
    argv = [sys.executable, str(IN_A_CONTAINER), "docker://busybox"]
    monkeypatch.setenv("PATH", "/usr/bin-without-apptainer")
    refused = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "apptainer is not on the PATH of this machine" in refused.stdout
    stand_in = page_folder / "bin" / "apptainer"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", on_path(stand_in.parent))
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "greetings/2/greeting.txt hello from the inside" in ended.stdout


def test_the_tests_of_the_plugin_pass(page_folder: Path, install: Callable[[str], None]) -> None:
    """Those that need no tinyq, as its author runs them."""
    install("tinyq")
    words = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(TINYQ_TESTS / f"test_tinyq_{name}.py") for name in ("parse", "plugin")),
    ]
    ended = subprocess.run(
        [sys.executable, *words, "--rootdir", str(TINYQ_TESTS), "-c", os.devnull],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


#: Tests of the contract that ask much of the job script and little of a plugin.
SCRIPT_ALONE = (
    "test_a_command_that_is_not_there_fails_with_127",
    "test_a_failing_set_up_is_told_from_a_failing_command",
    "test_a_job_inside_a_job_sees_nothing_of_the_outer",
    "test_a_missing_output_is_a_failure_of_its_own",
    "test_a_run_after_another_run",
    "test_a_working_folder_that_vanished_is_a_failed_set_up",
    "test_inputs_and_outputs_are_brought",
    "test_missing_inputs_are_refused",
    "test_the_environment_is_built_by_the_job_script",
    "test_values_and_names_arrive_byte_for_byte",
)


def _contract() -> type:
    """The author's test class, without what takes long and shows nothing of the plugin."""
    path = TINYQ_TESTS / "test_tinyq_contract.py"
    spec = importlib.util.spec_from_file_location("test_tinyq_contract", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert all(hasattr(module.TestTinyq, name) for name in SCRIPT_ALONE)
    return type("Contract", (module.TestTinyq,), dict.fromkeys(SCRIPT_ALONE))


class TestTinyq(_contract()):  # type: ignore[misc]
    """The contract on the plugin that the documentation shows."""

    @pytest.fixture(autouse=True)
    def _installed(self, page_folder: Path, install: Callable[[str], None]) -> None:
        install("tinyq")
