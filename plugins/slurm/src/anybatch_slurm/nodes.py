"""What `sinfo` prints of partitions and their nodes, as records. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

from anybatch.nodes import NodeKind

#: A partition with a star is the default; CPUs and memory (MiB) may end with `+`.
FORMAT = "%P|%D|%c|%m|%G|%l"
_GPUS = re.compile(r"(?:^|,)gpu(?::[^:,(]+)?:(\d+)")
_LIMIT = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
_UNKNOWN_MEMORY = 1  #: MiB; what a node has whose memory the site does not configure


def read_nodes(stdout: str) -> list[NodeKind]:
    """A record for each line of `sinfo --format=FORMAT`; lines that make no sense are left out."""
    rows = (line.strip().split("|") for line in stdout.splitlines())
    return [_read(row) for row in rows if len(row) == 6 and row[1].isdecimal()]


def _read(row: list[str]) -> NodeKind:
    partition, count, cores, memory, gres, limit = row
    size = _number(memory)
    return NodeKind(
        queue=partition.rstrip("*"),
        usual=partition.endswith("*"),
        count=int(count),
        cores=_number(cores),
        memory=None if size in (None, _UNKNOWN_MEMORY) else size * 2**20,
        gpus=sum(map(int, _GPUS.findall(gres))),
        time=_limit(limit),
    )


def _number(text: str) -> int | None:
    digits = text.rstrip("+")
    return int(digits) if digits.isdecimal() else None


def _limit(text: str) -> timedelta | None:
    """`1-12:00:00`, `10:00` (minutes and seconds); None for `infinite` and `n/a`."""
    match = _LIMIT.fullmatch(text)
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
