"""The machines of a pool, as condor_status tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, Resources
from anybatch.nodes import NodeKind
from anybatch_htcondor.nodes import ATTRIBUTES, read_nodes

if TYPE_CHECKING:
    from anybatch import Session

#: As HTCondor 25.14 tells them, then two of an older pool.
ADS: list[dict[str, Any]] = [
    dict(zip(ATTRIBUTES, values, strict=False))
    for values in ((32, 16000, 71730608.0, 0), (8, 4000, 75755756.0, 2), (1, 2000, "?"), (1, 2000))
]


def test_machines_are_read() -> None:
    """Memory in MiB, disk in KiB; slots that are alike are one record."""
    assert read_nodes(ADS) == [
        NodeKind(cores=32, memory=16000 * 2**20, disk=71730608 * 2**10, gpus=0),
        NodeKind(cores=8, memory=4000 * 2**20, disk=75755756 * 2**10, gpus=2),
        NodeKind(cores=1, memory=2000 * 2**20, gpus=0, count=2),
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"cores": 33}, "asks for 33 cores on a node, and the largest has 32 cores"),
        ({"memory": "1 TB"}, "of memory on a node, and the largest has"),
        ({"gpus": 1}, "asks for 1 GPU on a node, and the largest has 0 GPUs"),
    ],
)
def test_a_real_pool_is_held_against_a_request(
    condor: Session, asked: dict[str, Any], words: str
) -> None:
    """With both numbers, and nothing is submitted; also while all machines are in use."""
    with pytest.raises(JobError, match=words):
        condor.submit(Job(["true"], resources=Resources(**asked)))
    assert condor.host.commands["condor_submit"] == 0  # type: ignore[attr-defined]
