"""Numbers of jobs, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anybatch.states import State


def count_jobs(number: int) -> str:
    """`1 job`, `3 jobs`."""
    return "1 job" if number == 1 else f"{number} jobs"


def write_counts(counts: Mapping[State, int]) -> str:
    """`3 running, 2 done`."""
    return ", ".join(f"{number} {state.value}" for state, number in counts.items())
