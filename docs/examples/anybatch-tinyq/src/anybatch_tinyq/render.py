"""Jobs to text. Pure: nothing is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.host import Command
from anybatch.quoting import quote
from anybatch.records import Rendered, RenderedFile, Submission

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = """\
#!/bin/sh
ab_nl='
'
exec /bin/sh {script} {number} "$1" 0
"""


def render(submission: Submission) -> Rendered:
    """One script for all tasks, and one command that submits it."""
    path = submission.folder / f"submit-{submission.number}.sh"
    text = SCRIPT.format(script=quote(str(submission.script)), number=submission.number)
    words = ("tinyq", "submit", label(submission), str(submission.count), str(path))
    return Rendered(files=(RenderedFile(path, text, 0o700),), command=Command(words))


def label(submission: Submission) -> str:
    """The job's name in tinyq. The token comes first, for `anybatch_find`."""
    return f"{submission.token} {submission.name}"


def show(jobs: Sequence[str] = ()) -> Command:
    """Asks for the state of jobs; without any, of all."""
    return Command(("tinyq", "list", *jobs))


def stop(ids: Sequence[str], signal: str | None) -> Command:
    """Stops tasks, or sends them a signal."""
    return Command(("tinyq", "stop", *([f"-{signal}"] if signal else []), *ids))
