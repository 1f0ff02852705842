"""What a scripted pool answers: what a real one did. And submissions for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch.host import Completed
from anybatch.records import Batch, Submission
from anybatch_htcondor.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DATA = Path(__file__).parent / "data"
TOKEN = "ab-20261120-094725-64a26d-0"


def data(name: str) -> str:
    """A captured output of 25.14: `q running`, `rm hung.stderr`."""
    tool, _, rest = name.partition(" ")
    return (DATA / f"condor_{tool}-25.14-{rest}.txt").read_text()


def said(name: str) -> Completed:
    """A command that printed what was captured."""
    return Completed(0, stdout=data(name))


def failed(name: str, returncode: int = 1) -> Completed:
    """A command that failed with what was captured."""
    return Completed(returncode, stderr=data(f"{name}.stderr"))


def table(**own: Any) -> dict[str, Any]:
    """The plugin's settings, as the core hands them over."""
    defaults = {one.name: one.default for one in SETTINGS if "*" not in one.name}
    return {**defaults, **own}


def submission(own: Mapping[str, Any] | None = None, **fields: Any) -> Submission:
    """A submission of one job, or what is given."""
    usual: dict[str, Any] = {
        **{"token": TOKEN, "run": "20261120-094725-64a26d", "number": 0},
        **{"folder": Path("/runs/one"), "count": 1, "name": "fit"},
    }
    return Submission(**{**usual, **fields, "settings": table(**(own or {}))})


def batch(ids: Sequence[str], own: Mapping[str, Any] | None = None, **fields: Any) -> Batch:
    """Jobs of a submission that are asked about."""
    return Batch(submission=submission(own, **{"count": len(ids), **fields}), ids=tuple(ids))
