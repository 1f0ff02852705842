"""The examples hold under a strict type checker, as readers run it on their own programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from .blocks import PAGES, ROOT, Block, name_of, read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SOURCES = [ROOT / "core" / "src", *sorted(ROOT.glob("plugins/*/src"))]
SOURCES += sorted(ROOT.glob("docs/examples/*/src"))


def test_every_python_example_holds_under_mypy_strict(tmp_path: Path) -> None:
    """All pages in one run; an error names page and line. Blocks of a page share their names."""
    written = dict(_modules())
    assert len(written) > 10
    for name, text in written.items():
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-version=3.10"),
            *("--explicit-package-bases", "--ignore-missing-imports", "--no-error-summary"),
            *("--cache-dir", str(ROOT / ".mypy_cache"), *sorted(f"{name}.py" for name in written)),
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": os.pathsep.join(map(str, SOURCES))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _modules() -> Iterable[tuple[str, str]]:
    """Names and texts of modules whose lines have the numbers that they have on their page."""
    for page in PAGES:
        name = re.sub(r"\W", "_", name_of(page).removesuffix(".md"))
        blocks = [block for block in read_blocks(page) if block.language == "python"]
        shared = [block for block in blocks if not block.argument]
        if shared:
            yield name, _placed(shared)
        for number, block in enumerate(block for block in blocks if block.argument):
            yield f"{name}_file_{number}", _placed([block])


def _placed(blocks: Iterable[Block]) -> str:
    lines: list[str] = []
    for block in blocks:
        first = int(block.where.rpartition(":")[2])
        lines += [""] * (first - len(lines)) + block.text.splitlines()
    return "\n".join([*lines, ""])
