"""The documentation is executed: what it shows is what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .blocks import PAGES, Runner, name_of, read_blocks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Plugins of docs/examples that a page takes for installed.
INSTALLED = {
    "README.md": [],
    "docs/howto/site-defaults.md": ["mysite"],
    "docs/howto/write-a-plugin.md": ["tinyq"],
}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_do_what_the_page_says(
    page: Path, page_folder: Path, install: Callable[[str], None]
) -> None:
    """Every block of a page runs in order, and prints what is shown below it."""
    for plugin in INSTALLED.get(name_of(page), []):
        install(plugin)
    runner = Runner(page_folder)
    try:
        for block in read_blocks(page):
            runner.run(block)
    finally:
        runner.close()
