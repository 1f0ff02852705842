"""What `condor_status` tells of a pool's machines, as records. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from anybatch.nodes import NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: A slot that others are carved from tells its whole as Total..., also while all of it is used.
ATTRIBUTES = ("TotalSlotCpus", "TotalSlotMemory", "TotalSlotDisk", "TotalSlotGPUs")
#: Those that were carved from another one are a part of that.
WHOLE_SLOTS = 'SlotType =!= "Dynamic"'


def read_nodes(ads: Iterable[Mapping[str, Any]]) -> list[NodeKind]:
    """A record for slots that are alike: memory is told in MiB, disk in KiB."""
    alike = Counter(tuple(map(_number, map(ad.get, ATTRIBUTES))) for ad in ads)
    return [
        NodeKind(
            count=count,
            cores=cores,
            memory=None if memory is None else memory * 2**20,
            disk=None if disk is None else disk * 2**10,
            gpus=gpus or 0,
        )
        for (cores, memory, disk, gpus), count in alike.items()
    ]


def _number(value: Any) -> int | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if is_number else None
