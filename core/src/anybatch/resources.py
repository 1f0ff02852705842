"""What a job needs: `Resources`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from anybatch.errors import InvalidValue, shown
from anybatch.units import format_duration, format_size, parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "memory": format_size,
    "disk": format_size,
    "time": format_duration,
}
_Read = TypeVar("_Read")
_MOST = 2**31 - 1  #: of anything that is counted; batch systems count no further


def _size(value: int | str | None) -> int | None:
    return None if value is None else read(parse_size, value)


def _duration(value: timedelta | float | str | None) -> timedelta | None:
    return None if value is None else read(parse_duration, value)


def read(parse: Callable[[Any], _Read], value: Any) -> _Read:
    """What a size or a duration is.

    Raises:
        InvalidValue: it is none.
    """
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def write_amount(field: str, value: Any) -> str:
    """What stands in a field of `Resources`, for people."""
    return _WRITTEN.get(field, str)(value)


def _at_least(minimum: int) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= _MOST:
            raise InvalidValue(
                f"{attribute.name} must be a whole number, {minimum} or more: {shown(value)}"
            )

    return check


def _is_a(kind: type, words: str) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not attribute.default and not isinstance(value, kind):
            raise InvalidValue(f"{attribute.name} must be {words}, not {shown(value)}")

    return check


@attrs.frozen(kw_only=True)
class Resources:
    """What a job needs. None means the default of the batch system.

    Attributes:
        nodes: number of nodes (machines).
        tasks: total number of processes (MPI ranks) on all nodes.
        cores: CPU cores per task.
        gpus: GPUs per task.
        memory: bytes per node; accepts `2 GiB`.
        disk: bytes of scratch space; accepts `10 GB`.
        time: the time limit (walltime); accepts `1h30m`.
        queue: queue or partition.
        exclusive: the nodes are not shared with other jobs.

    Raises:
        InvalidValue: a number is out of range, or a text is not a size or duration.
    """

    nodes: int = attrs.field(default=1, validator=_at_least(1))
    tasks: int = attrs.field(default=1, validator=_at_least(1))
    cores: int = attrs.field(default=1, validator=_at_least(1))
    gpus: int = attrs.field(default=0, validator=_at_least(0))
    memory: int | None = attrs.field(default=None, converter=_size)
    disk: int | None = attrs.field(default=None, converter=_size)
    time: timedelta | None = attrs.field(default=None, converter=_duration)
    queue: str | None = attrs.field(default=None, validator=_is_a(str, "a text"))
    exclusive: bool = attrs.field(default=False, validator=_is_a(bool, "True or False"))

    def describe(self) -> str:
        """What differs from the default, for people: `4 cores, 2 GiB, 1h`."""
        parts = [
            f"{value} {name if value == 1 else f'{name}s'}"
            for name, value, usual in (
                ("node", self.nodes, 1),
                ("task", self.tasks, 1),
                ("core", self.cores, 1),
                ("GPU", self.gpus, 0),
            )
            if value != usual
        ]
        parts += [format_size(self.memory)] if self.memory else []
        parts += [f"{format_size(self.disk)} of disk"] if self.disk else []
        parts += [format_duration(self.time)] if self.time else []
        parts += [f"queue {self.queue}"] if self.queue else []
        parts += ["exclusive"] if self.exclusive else []
        return ", ".join(parts)
