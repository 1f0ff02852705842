"""Task files: lines in, the same lines out, in pages that a job finds its own of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anybatch.quoting import quote_words, unquote_words
from anybatch.ranges import PAGE, page_of
from anybatch.worker.script import next_attempt, render_task
from anybatch.worker.tasks import page_name, read_lines, render_pages
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .texts import TEXTS, raw
from .toy import local_host

if TYPE_CHECKING:
    from pathlib import Path


def lines_of(words: list[str]) -> list[str]:
    """A line of a task file for each word."""
    return [render_task(n, ["echo", word], {}, {}) for n, word in enumerate(words)]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (1, [1]),
        (PAGE - 1, [PAGE - 1]),
        (PAGE, [PAGE]),
        (PAGE + 1, [PAGE, 1]),
        (3 * PAGE, [PAGE, PAGE, PAGE]),
        (0, []),
    ],
)
def test_lines_are_spread_over_pages(count: int, sizes: list[int]) -> None:
    """Each full but the last; the page of a task is the one with its line."""
    lines = lines_of([str(n) for n in range(count)])
    pages = list(render_pages(7, lines))
    assert [name for name, _ in pages] == [f"tasks/7.{page}" for page in range(len(sizes))]
    assert [text.count("\n") for _, text in pages] == sizes
    for task in range(1, count + 1):
        text = dict(pages)[page_name(7, page_of(task))]
        assert text.splitlines()[(task - 1) % PAGE] + "\n" == lines[task - 1]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    words=st.lists(TEXTS, min_size=1, max_size=5), times=st.sampled_from([1, PAGE // 2, PAGE + 1])
)
def test_what_was_written_is_read(tmp_path: Path, words: list[str], times: int) -> None:
    """Whatever breaks lines elsewhere (a carriage return, U+0085, U+2028) breaks none here."""
    host, lines = local_host(), lines_of(words * times)
    for name, text in render_pages(3, lines):
        host.write(tmp_path / name, text)
    found = read_lines(host, tmp_path, 3, len(lines))
    assert [raw(line) for line in found] == [raw(line) for line in lines]


def test_a_page_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Jobs are not run again with the lines of others."""
    host, lines = local_host(), lines_of([str(n) for n in range(PAGE + 1)])
    [(first, text), _] = render_pages(0, lines)
    host.write(tmp_path / first, text)
    with pytest.raises(FileNotFoundError):
        read_lines(host, tmp_path, 0, len(lines))


@given(TEXTS, st.integers(1, 9))
def test_another_attempt_changes_nothing_else(text: str, attempt: int) -> None:
    """Not even where the command looks like the line itself."""
    words = ["echo", text, "ab_index=0 ab_attempt=0; x"]
    line = render_task(5, words, {}, {})
    again = next_attempt(line, attempt)
    assert again == line.replace("ab_attempt=0;", f"ab_attempt={attempt};", 1)
    assert again.endswith(f"; set -- {quote_words(words)}\n")


@given(st.lists(st.text(st.characters(blacklist_characters="\0"))))
def test_words_are_read_back(words: list[str]) -> None:
    """What was quoted for the shell is read again for people."""
    assert unquote_words(quote_words(words), {"ab_nl": "\n"}) == words
