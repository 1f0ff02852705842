"""Sweeps: which jobs there are, that they cost nothing, and what cannot be one."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, JobError, Jobs
from hypothesis import given
from hypothesis import strategies as st

from .toy import Toy, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = Job(["fit", "{seed}"], labels={"campaign": "mc26"})


def values(jobs: Jobs) -> list[tuple[object, ...]]:
    """The values of each job's parameters."""
    return [tuple(job.params.values()) for job in jobs]


def test_a_product_varies_the_last_fastest() -> None:
    """Every combination is a job."""
    jobs = JOB.sweep(seed=range(2), cut=[5.15, 5.2])
    assert values(jobs) == [(0, 5.15), (0, 5.2), (1, 5.15), (1, 5.2)]
    assert jobs[0] == Job(
        ["fit", "{seed}"], labels={"campaign": "mc26"}, params={"seed": 0, "cut": 5.15}
    )


def test_zip_takes_values_together() -> None:
    """The first of each, then the second; one value goes along with all."""
    assert values(JOB.sweep(seed=[1, 2], cut=(3, 4), mode="x", zip=True)) == [
        (1, 3, "x"),
        (2, 4, "x"),
    ]


def test_names_that_the_call_takes_itself_go_into_a_dict() -> None:
    """No parameter is out of reach."""
    jobs = JOB.sweep({"zip": [1, 2], "jobs": [3], "self": [4]}, name=5)
    assert jobs[1].params == {"zip": 2, "jobs": 3, "self": 4, "name": 5}


def test_a_command_is_enough_of_a_template() -> None:
    """`Job.sweep(command, ...)` makes the job on the way."""
    assert [job.command for job in Job.sweep(["a"], seed=range(2))] == [("a",), ("a",)]


def test_a_sweep_of_a_sweep_multiplies() -> None:
    """And a template's own parameters stay."""
    job = Job(["fit"], params={"year": 2026})
    jobs = job.sweep(seed=range(2)).sweep(cut=[1, 2], zip=True)
    assert values(jobs) == [(2026, 0, 1), (2026, 0, 2), (2026, 1, 1), (2026, 1, 2)]
    with pytest.raises(JobError, match="'seed' is given twice"):
        jobs.sweep(seed=[1])
    with pytest.raises(JobError, match="ANYBATCH_PARAM_YEAR"):
        jobs.sweep(Year=[1])


def test_a_number_of_jobs_is_a_sweep() -> None:
    """Which differ by their number alone."""
    jobs = JOB.sweep(jobs=3)
    assert (len(jobs), values(jobs), jobs[0].template) == (3, [(), (), ()], True)


def test_what_has_no_end_is_read_so_far_as_is_needed() -> None:
    """With the number of jobs, or beside a list that has an end."""
    assert values(JOB.sweep(seed=itertools.count(), jobs=3)) == [(0,), (1,), (2,)]
    zipped = JOB.sweep(seed=itertools.count(), cut=[7, 8], zip=True)
    assert values(zipped) == [(0, 7), (1, 8)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"seed": itertools.count()}, "more than 1,000,000 values, or no end"),
        ({"seed": itertools.count(), "cut": [1]}, "more than 1,000,000 values, or no end"),
        ({"seed": range(10), "jobs": 5}, "make 10 jobs, not 5"),
        ({"seed": iter(range(3)), "jobs": 5}, "make 3 jobs, not 5"),
        ({"seed": range(10), "jobs": 0}, "jobs must be a whole number"),
        ({"seed": range(10), "jobs": True}, "jobs must be a whole number"),
        ({"a": range(3), "b": range(2), "zip": True}, "b has 2 values where 3 are needed"),
        ({"a": range(3), "b": iter([1]), "zip": True}, "b has 1 values where 3 are needed"),
        ({"a": [1, 2, 3], "zip": True, "jobs": 2}, "a has 3 values where 2 are needed"),
        ({"a": []}, "no values for a"),
        ({"a": iter(())}, "no values for a"),
        ({}, "no values to sweep over"),
        ({"a": {1, 2}}, "a set has no order"),
        ({"a": {"b": 1}}, "not dict"),
        ({"a": [[1, 2]]}, "not list"),
        ({"a": range(10**4), "b": range(10**4)}, "100,000,000 jobs"),
        ({"a": range(10**30)}, "too many values"),
    ],
)
def test_what_is_no_sweep(given: dict[str, object], why: str) -> None:
    """It is refused at once, and the error tells what to give."""
    with pytest.raises(JobError, match=why):
        JOB.sweep(**given)  # type: ignore[arg-type]


def test_a_session_reads_no_more_jobs_than_it_may(isolated: Path) -> None:
    """Whatever they come from; the setting `max_jobs` tells how many."""
    session = session_of(isolated, Toy(), settings={"anybatch": {"max_jobs": 3}})
    assert session.plan([JOB] * 3).count == 3
    for jobs in ([JOB] * 4, JOB.sweep(seed=range(4)), itertools.repeat(JOB)):
        with pytest.raises(JobError, match="more than 3 jobs, or no end of them"):
            session.plan(jobs)


class Numbers:
    """Numbers as numpy has them: no Python numbers, one of each shape."""

    shape = ()

    def __init__(self, value: object) -> None:
        self.value = value

    def item(self) -> object:
        """The Python number."""
        return self.value


class Array:
    """An array as numpy has it, which has a length and a shape."""

    shape = (2,)

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Numbers]:
        return iter([Numbers(1), Numbers(2.5)])


def test_numbers_of_numpy_are_numbers() -> None:
    """An array is its values, one number alone is one value."""
    jobs = JOB.sweep(a=Array(), b=Numbers(True))
    assert values(jobs) == [(1, True), (2.5, True)]
    assert [type(value) for value in jobs[1].params.values()] == [float, bool]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans())
def test_each_job_is_found_by_its_number(lengths: list[int], zipped: bool) -> None:
    """A sweep is a sequence: what it yields in order is what its places hold."""
    lengths = [lengths[0]] * len(lengths) if zipped else lengths
    jobs = JOB.sweep({f"p{n}": range(size) for n, size in enumerate(lengths)}, zip=zipped)
    listed = list(jobs)
    assert len(listed) == len(jobs)
    assert [jobs[number] for number in range(len(jobs))] == listed
    assert jobs[-1] == listed[-1]
    assert jobs[1:3] == listed[1:3]
    assert len({tuple(job.params.items()) for job in jobs}) == len(jobs)


def test_a_million_jobs_take_no_memory() -> None:
    """They are made one by one, when they are looked at."""
    tracemalloc.start()
    jobs = JOB.sweep(seed=range(1000), cut=range(1000))
    for job in itertools.islice(jobs, 1000):
        assert job.params["seed"] == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(jobs) == 1_000_000
    assert jobs[999_999].params == {"seed": 999, "cut": 999}
    assert peak < 1_000_000
