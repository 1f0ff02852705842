"""A user of their own for each page of the documentation, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .blocks import ROOT, on_path

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def page_folder(anybatch_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, where `local` is the batch system."""
    monkeypatch.setenv("ANYBATCH_SYSTEM", "local")
    monkeypatch.setenv("PATH", on_path(Path(sys.executable).parent))
    for name in ("SLURM_CONF", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    return anybatch_home


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a plugin of docs/examples look installed, to this process and to others."""
    folders: list[str] = []

    def make(name: str) -> None:
        package = f"anybatch_{name}"
        info = tmp_path / f"installed-{name}" / f"{package}-0.1.0.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: anybatch-{name}\nVersion: 0.1.0\n"
        )
        project = (EXAMPLES / f"anybatch-{name}" / "pyproject.toml").read_text("utf-8")
        [value] = [
            line.partition("=")[2].strip(' "')
            for line in project.splitlines()
            if line.startswith(f"{name} =")
        ]
        info.joinpath("entry_points.txt").write_text(f"[anybatch]\n{name} = {value}\n")
        source = EXAMPLES / f"anybatch-{name}" / "src"
        for folder in (source, info.parent):
            monkeypatch.syspath_prepend(str(folder))
            folders.insert(0, str(folder))
        monkeypatch.setenv("PYTHONPATH", ":".join(folders))
        monkeypatch.setenv("PATH", on_path(source.parent / "bin"))

    return make
