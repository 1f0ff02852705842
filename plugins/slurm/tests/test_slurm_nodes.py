"""The nodes of a cluster, as sinfo prints them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, Resources
from anybatch.nodes import NodeKind
from anybatch_slurm.nodes import read_nodes
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from anybatch import Session

MIB = 2**20
#: The first two as Slurm 22.05.8 prints them.
CAPTURED = """\
main*|1|64|256000|(null)|infinite
short|1|64|256000|(null)|10:00
gpu|4|128|515000+|gpu:a100:4(S:0-3),tmpdir:1000|2-00:00:00
mixed|2|16+|1|gpu:2,gpu:v100:1|1:30:00
no nodes here
"""
READ = [
    {"queue": "main", "cores": 64, "memory": 256000 * MIB, "gpus": 0},
    {
        "queue": "short",
        "usual": False,
        "cores": 64,
        "memory": 256000 * MIB,
        "gpus": 0,
        "time": timedelta(minutes=10),
    },
    {
        "queue": "gpu",
        "usual": False,
        "count": 4,
        "cores": 128,
        "memory": 515000 * MIB,
        "gpus": 4,
        "time": timedelta(days=2),
    },
    {
        "queue": "mixed",
        "usual": False,
        "count": 2,
        "cores": 16,
        "gpus": 3,
        "time": timedelta(hours=1, minutes=30),
    },
]


def test_partitions_are_read() -> None:
    """Sizes in MiB, GPUs of all types, limits in Slurm's notation; what is not known is None."""
    assert read_nodes(CAPTURED) == [NodeKind(**facts) for facts in READ]  # type: ignore[arg-type]


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    """What makes no sense is left out."""
    read_nodes(text)
    read_nodes("|".join([text] * 6))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"cores": 100_000}, "asks for 100000 cores on a node, and the largest"),
        ({"memory": "100 PB"}, "of memory on a node, and the largest"),
        ({"gpus": 3}, "asks for 3 GPUs on a node, and the largest in queue .* has 0 GPUs"),
        ({"queue": "nowhere"}, "the queue 'nowhere', which is not there"),
        ({"nodes": 1000}, "asks for 1000 nodes, and"),
    ],
)
def test_a_real_cluster_is_held_against_a_request(
    slurm: Session, asked: dict[str, Any], words: str
) -> None:
    """With both numbers, and nothing is submitted."""
    with pytest.raises(JobError, match=words):
        slurm.submit(Job(["true"], resources=Resources(**asked)))
    assert slurm.host.commands["sbatch"] == 0  # type: ignore[attr-defined]
