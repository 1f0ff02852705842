"""Task files: a line of shell for each job of a submission, in pages of a few hundred.

A job reads only its page, and where files travel with the job only the page travels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.ranges import PAGE, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anybatch.host import Host


def page_name(number: int, page: int) -> str:
    """A page of submission *number*, below the run's folder."""
    return f"tasks/{number}.{page}"


def render_pages(number: int, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The pages of submission *number*: names below the run's folder, and texts."""
    for start in range(0, len(lines), PAGE):
        yield page_name(number, start // PAGE), "".join(lines[start : start + PAGE])


def read_some(host: Host, folder: Path, number: int, tasks: Sequence[int]) -> list[str]:
    """The lines of some *tasks* (1..count) of submission *number*, with their line breaks."""
    pages = {page_of(task) for task in tasks}
    texts = {
        page: host.read(folder / page_name(number, page), own=True).split("\n") for page in pages
    }
    return [f"{texts[page_of(task)][(task - 1) % PAGE]}\n" for task in tasks]


def read_lines(host: Host, folder: Path, number: int, count: int) -> list[str]:
    """All lines of submission *number* with their line breaks, in the order of its tasks."""
    names = (page_name(number, page) for page in range(page_of(count) + 1))
    text = "".join(host.read(folder / name, own=True) for name in names)
    return [f"{line}\n" for line in text.split("\n")[:-1]]  # a job's text may hold \r or \x85


def read_line(host: Host, folder: Path, number: int, task: int) -> str:
    """The line of one task (1..count) of submission *number*.

    Raises:
        OSError: it cannot be read.
        LookupError: there is no such line.
    """
    page = page_of(task)
    return host.read(folder / page_name(number, page), own=True).split("\n")[task - 1 - page * PAGE]
