"""The documentation is executed: what it shows is what happens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .blocks import PAGES, Runner, name_of, read_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

#: Plugins of docs/examples that a page takes for installed.
INSTALLED = {
    "README.md": [],
    "docs/howto/site-defaults.md": ["mysite"],
    "docs/howto/write-a-plugin.md": ["tinyq"],
}
#: Pages where a job submits a job: that has none of the variables which keep a page's runs apart.
NESTED = {"docs/howto/environment.md"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_do_what_the_page_says(
    page: Path, page_folder: Path, install: Callable[[str], None]
) -> None:
    """Every block of a page runs in order, and prints what is shown below it."""
    for plugin in INSTALLED.get(name_of(page), []):
        install(plugin)
    if name_of(page) in NESTED:
        keep_apart()
    runner = Runner(page_folder)
    try:
        for block in read_blocks(page):
            runner.run(block)
    finally:
        runner.close()


def keep_apart() -> None:
    """Have jobs keep their runs where this page has its own."""
    file = Path(os.environ["XDG_CONFIG_HOME"], "anybatch", "anybatch.toml")
    file.parent.mkdir(mode=0o700, parents=True)
    state = os.environ["XDG_STATE_HOME"]
    file.write_text(f"[job]\nenv = {{ XDG_STATE_HOME = '{state}' }}\n", "utf-8")
