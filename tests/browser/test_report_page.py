"""`anybatch report` in a real browser, with texts from people who want to harm its reader."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from matplotlib.image import imread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anybatch import Session

TAKE = "document.title='taken'"
HOSTILE = f'"></pre><script>{TAKE}</script><img src=x onerror="{TAKE}"><svg onload="{TAKE}">'
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--window-size=1000,3000"),
)


@pytest.fixture(scope="session")
def browser() -> str:
    """Chromium; named in ANYBATCH_ENGINES it must be there, else tests are skipped."""
    if "browser" not in os.environ.get("ANYBATCH_ENGINES", "").split(","):
        pytest.skip("needs Chromium: `make engines`, then ANYBATCH_ENGINES=browser make test")
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("ANYBATCH_ENGINES names browser, and chromium is not on the PATH")
    return found


@pytest.fixture
def page(new_session: Callable[..., Session], anybatch_home: Path) -> Path:
    """The report on a run with hostile names, labels, parameters and logs."""
    from anybatch import Job
    from anybatch.reporting.page import render
    from anybatch.reporting.rows import collect

    evil = Job(
        ["sh", "-c", 'printf "%s\\n" "$1" >&2; exit 3', "sh", HOSTILE],
        name=HOSTILE,
        labels={"campaign": HOSTILE},
    )
    run = new_session("local").submit([evil, Job(["true"], name=HOSTILE)])
    run.wait()
    file = anybatch_home / "page.html"
    file.write_text(render(run, collect(run)), "utf-8")
    return file


def show(browser: str, page: Path, *options: str) -> str:
    profile = f"--user-data-dir={page.parent / 'profile'}"
    argv = [browser, *OPTIONS, profile, *options, page.as_uri()]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=page.parent)
    return done.stdout


def test_a_browser_shows_the_page_and_runs_nothing(browser: str, page: Path) -> None:
    """Drawings and tables are seen; what the texts say is shown, not done."""
    text = show(browser, page, "--dump-dom")
    assert "taken" not in text.partition("</title>")[0]
    assert "exit code 3" in text
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    show(browser, page, f"--screenshot={page.parent / 'seen.png'}")
    seen = imread(page.parent / "seen.png")
    # The drawing of jobs over time: a colour that nothing else on the page has.
    running = (abs(seen[..., :3] - [0x56 / 255, 0xB4 / 255, 0xE9 / 255]) < 0.02).all(axis=-1)
    assert running.sum() > 100
