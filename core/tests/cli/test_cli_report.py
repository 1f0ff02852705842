"""Where `report` writes its page."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("matplotlib")

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Call = Callable[..., Result]

pytestmark = pytest.mark.system


@pytest.fixture
def run(call: Call) -> str:
    """A run that has ended."""
    name: str = call("submit", "--", "true").stdout.strip()
    assert call("wait", name).exit_code == 0
    return name


def test_only_a_file_is_replaced(call: Call, run: str) -> None:
    """What a link leads to is written, and nothing takes the place of a pipe or a device."""
    Path("shared").mkdir()
    Path("link.html").symlink_to("shared/page.html")
    result = call("report", run, "-o", "link.html")
    assert (result.exit_code, result.stdout) == (0, "link.html\n")
    assert Path("link.html").is_symlink()
    assert Path("shared/page.html").read_text().startswith("<!DOCTYPE html>")
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()))
    reader.start()
    result = call("report", run, "-o", "pipe")
    reader.join()
    assert (result.exit_code, result.stdout) == (0, "")
    assert Path("pipe").is_fifo()
    assert read == [Path("link.html").read_text()]


def test_a_place_that_cannot_be_is_named(call: Call, run: str) -> None:
    """As it was given."""
    for file, why in {
        ".": "Is a directory",
        "..": "Is a directory",
        "no/such/page.html": "No such file or directory",
        "/dev/full": "No space left on device",
        "x" * 256: "File name too long",
    }.items():
        result = call("report", run, "-o", file)
        assert result.exit_code == 1
        assert result.stderr == f"anybatch: cannot write the report {file!r}: {why}\n"
    assert sorted(path.name for path in Path().iterdir()) == [".anybatch"]
