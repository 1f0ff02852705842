"""`requeue-me`: a job says that it wants to be run again."""

from __future__ import annotations

from pathlib import Path

import click

from anybatch.cli.base import Command, Unusable


@click.command(
    "requeue-me",
    cls=Command,
    hidden=True,
    examples="anybatch requeue-me && exit 0",
    exits={0: "the job will be run again when it has ended with exit code 0", 2: "no such job"},
)
def requeue_me() -> None:
    """Have the job that calls this run again, once it has ended.

    For jobs with `checkpoint`, which have saved their state. The script goes on. Where anybatch is
    not installed: true >"$ANYBATCH_REQUEUE"
    """
    from anybatch.localhost import LocalHost

    mark = LocalHost().environ.get("ANYBATCH_REQUEUE")
    if not mark:
        raise Unusable(
            "this is no job that checkpoints: ANYBATCH_REQUEUE is not set (describe the job with "
            "checkpoint = true, or --checkpoint)"
        )
    Path(mark).touch()
