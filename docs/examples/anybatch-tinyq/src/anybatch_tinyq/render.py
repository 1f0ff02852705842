"""Jobs to text. Pure: nothing is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.host import Command
from anybatch.quoting import quote
from anybatch.records import Rendered, RenderedFile, Submission

if TYPE_CHECKING:
    from collections.abc import Sequence


def render(submission: Submission) -> Rendered:
    """One script for all tasks, and one command that submits it."""
    path = submission.folder / f"submit-{submission.number}.sh"
    text = f'#!/bin/sh\nexec /bin/sh {quote(str(submission.script))} {submission.number} "$1" 0\n'
    words = ("tinyq", "submit", label(submission), str(submission.count), str(path))
    return Rendered(files=(RenderedFile(path, text, 0o700),), command=Command(words))


def label(submission: Submission) -> str:
    """What tinyq calls the job: the token comes first, for `anybatch_find`."""
    return f"{submission.token} {submission.name}"


def show(jobs: Sequence[str] = ()) -> Command:
    """Asks where jobs are; without any for all."""
    return Command(("tinyq", "list", *jobs))


def stop(ids: Sequence[str], signal: str | None) -> Command:
    """Stops tasks, or sends them a signal."""
    return Command(("tinyq", "stop", *([f"-{signal}"] if signal else []), *ids))
