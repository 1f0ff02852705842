"""For programs that run as jobs: what they were given to read."""

from __future__ import annotations

from pathlib import Path

from anybatch.errors import UsageError
from anybatch.localhost import LocalHost


def inputs() -> list[str]:
    """The files and addresses that this job is to read, in order: its `Job.input_list`.

    Raises:
        UsageError: this is no job with such a list.
        OSError: the list cannot be read.
    """
    name = LocalHost().environ.get("ANYBATCH_INPUT_LIST")
    if not name:
        raise UsageError(
            "this job was given no list of files (ANYBATCH_INPUT_LIST is not set); describe it "
            "with Job.split, input_list or --split"
        )
    text = Path(name).read_bytes().decode("utf-8", "surrogateescape")
    return text.split("\n")[:-1]
