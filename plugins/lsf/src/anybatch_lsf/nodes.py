"""What `bhosts -w` and `lshosts -w` print of a cluster's hosts, as records. Pure.

Hosts that are closed or away count: they may come back. A value that is not told is `-`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from anybatch.nodes import NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: `29999M`, `31.2G`.
_SIZE = re.compile(r"(\d{1,18})(\.\d{1,18})?([KMGTPE])", re.ASCII)
_POWERS = "KMGTPE"
#: Not a host: where jobs are counted whose host was taken out of the cluster.
_NO_HOST = "lost_and_found"


def read_nodes(bhosts: str, lshosts: str) -> list[NodeKind]:
    """A record for hosts that are alike: those that take jobs, with their slots and memory."""
    memory = {row["HOST_NAME"]: _size(row.get("maxmem", "")) for row in _rows(lshosts)}
    alike = Counter(
        (_number(row.get("MAX", "")), memory.get(row["HOST_NAME"]))
        for row in _rows(bhosts)
        if row["HOST_NAME"] != _NO_HOST
    )
    return [NodeKind(count=n, cores=cores, memory=size) for (cores, size), n in alike.items()]


def may_grow(lshosts: str) -> bool:
    """Whether hosts join the cluster and leave it by themselves (`Dyn`)."""
    return any(row.get("server") == "Dyn" for row in _rows(lshosts))


def is_one_of_several(lsclusters: str) -> bool:
    """Whether jobs may be forwarded to other clusters (MultiCluster)."""
    return len([*_rows(lsclusters, "CLUSTER_NAME")]) > 1


def _rows(stdout: str, first: str = "HOST_NAME") -> Iterator[Mapping[str, str]]:
    """The lines below a heading, which sites may print something above."""
    names: list[str] = []
    for line in stdout.split("\n"):
        words = line.split()
        if first in words[:1]:
            names = words
        elif names and words:
            yield dict(zip(names, words, strict=False))


def _number(text: str) -> int | None:
    """Slots; None: there is no limit."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _size(text: str) -> int | None:
    """The most that a size may stand for, which is rounded to its last digit."""
    match = _SIZE.fullmatch(text.replace("_", ""))
    if not match:
        return None
    whole, fraction, unit = match.groups()
    step = 10.0 ** -(len(fraction) - 1) if fraction else 1.0
    most = float(whole + (fraction or "")) + step
    return math.ceil(most * float(1024 ** (_POWERS.index(unit) + 1)))
