"""Requests that no machine can satisfy: told before anything is submitted, with both numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, Pack, Resources
from anybatch.errors import CommandFailed
from anybatch.hookspecs import hookimpl
from anybatch.host import Command, Completed
from anybatch.nodes import NodeKind, is_modest, why_never
from hypothesis import given
from hypothesis import strategies as st

from .toy import Toy, session_of

if TYPE_CHECKING:
    from pathlib import Path

GIB = 2**30
HOUR = timedelta(hours=1)
SMALL = NodeKind(queue="short", count=10, cores=16, memory=64 * GIB, gpus=0, time=HOUR)
LARGE = NodeKind(queue="long", usual=False, count=2, cores=64, memory=256 * GIB, gpus=4)
WIDE = NodeKind(queue="long", usual=False, count=3, cores=128, memory=32 * GIB, gpus=0)
PLAIN = NodeKind(cores=8, memory=16 * GIB)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"cores": 16}, ""),
        ({"cores": 17}, "17 cores on a node, and the largest in queue 'short' has 16 cores"),
        ({"cores": 17, "queue": "long"}, ""),
        ({"cores": 17, "queue": "short,long"}, ""),
        ({"tasks": 4, "cores": 8}, "32 cores on a node, and the largest in queue 'short' has 16"),
        ({"tasks": 4, "cores": 8, "nodes": 2}, ""),
        ({"gpus": 1}, "1 GPU on a node, and the largest in queue 'short' has 0 GPUs"),
        ({"gpus": 4, "queue": "long"}, ""),
        (
            {"memory": "65 GiB"},
            "65 GiB of memory on a node, and the largest in queue 'short'",
        ),
        (
            {"memory": "256 GiB", "cores": 128, "queue": "long"},
            "no node in queue 'long' has",
        ),
        ({"time": "61m"}, "1h1m, and the longest time limit in queue 'short' is 1h"),
        ({"time": "1000h", "queue": "long"}, ""),
        ({"nodes": 11}, "11 nodes, and in queue 'short' 10 can run it"),
        ({"nodes": 5, "queue": "long"}, ""),
        ({"nodes": 3, "queue": "long", "gpus": 1}, "3 nodes, and in queue 'long' 2 can run it"),
        ({"queue": "lnog"}, "the queue 'lnog', which is not there"),
        ({"disk": "1 TB"}, ""),
    ],
)
def test_what_can_never_run_is_told(asked: dict[str, Any], why: str) -> None:
    """What is asked for, and the most that there is where the job would go."""
    told = why_never(Resources(**asked), [SMALL, LARGE, WIDE])
    assert why in told if why else told == ""


@pytest.mark.parametrize("asked", [{"queue": "q"}, {"time": "99d"}, {"gpus": 9}, {"disk": "1 PB"}])
def test_what_is_not_known_refuses_nothing(asked: dict[str, Any]) -> None:
    """A system without queues, or that says nothing of GPUs or disks, may have all of it."""
    assert why_never(Resources(**asked), [PLAIN]) == ""
    assert why_never(Resources(**asked), []) == ""


def kinds() -> st.SearchStrategy[NodeKind]:
    def number(most: int) -> st.SearchStrategy[int | None]:
        return st.none() | st.integers(0, most)

    return st.builds(
        NodeKind,
        queue=st.sampled_from([None, "a", "b"]),
        usual=st.booleans(),
        count=st.integers(1, 3),
        cores=number(8),
        gpus=number(2),
        memory=number(8),
        time=st.none() | st.integers(1, 9).map(lambda n: timedelta(hours=n)),
    )


requests = st.builds(
    Resources,
    cores=st.integers(1, 9),
    gpus=st.integers(0, 3),
    memory=st.none() | st.integers(1, 9),
    time=st.none() | st.integers(1, 9).map(lambda n: timedelta(hours=n)),
    queue=st.sampled_from([None, "a", "b", "c"]),
)


@given(asked=requests, there=st.lists(kinds(), min_size=1, max_size=4))
def test_nothing_is_refused_that_some_node_can_run(asked: Resources, there: list[NodeKind]) -> None:
    """A request for one node is refused exactly where no node has all that it asks for."""

    def reaches(kind: NodeKind) -> bool:
        if asked.queue:
            return kind.queue in (None, asked.queue)
        return kind.usual or not any(one.usual for one in there)

    def has(kind: NodeKind) -> bool:
        pairs = ((asked.cores, kind.cores), (asked.gpus, kind.gpus), (asked.memory, kind.memory))
        enough = all(want is None or have is None or want <= have for want, have in pairs)
        return enough and not (asked.time and kind.time and asked.time > kind.time)

    able = any(reaches(kind) and has(kind) for kind in there)
    assert bool(why_never(asked, there)) is not able


# -- when a run is planned


class Asked(Toy):
    """A batch system that tells its nodes, and counts how often it is asked."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer
        self.asked = 0

    @hookimpl
    def anybatch_nodes(self, settings: Any) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def job(**resources: Any) -> Job:
    return Job(["true"], resources=Resources(**resources))


def test_a_job_that_can_never_run_is_refused(tmp_path: Path) -> None:
    """Also by a plan, and nothing is submitted."""
    toy = Asked([PLAIN])
    with session_of(tmp_path, toy) as session:
        for call in (session.plan, session.submit):
            with pytest.raises(JobError, match=r"9 cores on a node.* has 8 cores.*no-check"):
                call([job(), job(cores=9)])
    assert not toy.calls["submit"]


def test_a_pack_asks_for_all_that_run_at_once(tmp_path: Path) -> None:
    """Four jobs of four cores side by side need a node with sixteen."""
    with session_of(tmp_path, Asked([PLAIN])) as session:
        session.plan([job(cores=4)] * 4, pack=4)
        with pytest.raises(JobError, match="16 cores"):
            session.plan([job(cores=4)] * 4, pack=Pack(4, side_by_side=4))


def test_who_knows_better_switches_it_off(tmp_path: Path) -> None:
    """A pool may grow when it is asked for more."""
    off = {"anybatch": {"check_resources": False}}
    toy = Asked([PLAIN])
    with session_of(tmp_path, toy, settings=off) as session:
        session.plan(job(cores=9))
    assert toy.asked == 0


def test_a_modest_job_costs_no_question(tmp_path: Path) -> None:
    """One core and nothing else: the batch system is not asked; else once for each settings."""
    toy = Asked([PLAIN])
    with session_of(tmp_path, toy) as session:
        session.plan([job()] * 5)
        assert toy.asked == 0
        session.plan([job(cores=2), job(cores=3), job(memory="1 GiB")])
    assert toy.asked == 1
    assert is_modest(Resources())


def test_a_system_that_cannot_be_asked_refuses_nothing(tmp_path: Path) -> None:
    """The submission will tell."""
    away = CommandFailed(Command(("toynodes",)), Completed(1, stderr="down"))
    with session_of(tmp_path, Asked(away)) as session:
        session.plan(job(cores=99))
