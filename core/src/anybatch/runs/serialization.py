"""Records to and from what JSON and TOML can hold."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")


@cache
def converter() -> Converter:
    """Times are ISO 8601 texts, durations seconds, paths texts; unknown keys are errors."""
    from cattrs.preconf.json import make_converter  # takes 30 ms, and not every command needs it

    made = make_converter(omit_if_default=True, forbid_extra_keys=True)
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    made.register_unstructure_hook(timedelta, timedelta.total_seconds)
    made.register_structure_hook(timedelta, lambda value, _: timedelta(seconds=value))
    made.register_unstructure_hook_func(lambda kind: issubclass_of(kind, Path), str)
    made.register_structure_hook(Path, lambda text, _: Path(text))
    return made


def issubclass_of(kind: Any, base: type) -> bool:
    """`issubclass` that takes anything."""
    return isinstance(kind, type) and issubclass(kind, base)


def to_plain(record: Any) -> Any:
    """A record as tables, lists, texts and numbers."""
    return converter().unstructure(record)


def from_plain(plain: Any, kind: type[T]) -> T:
    """The inverse of `to_plain`.

    Raises:
        ValueError: it does not fit, as what a later version wrote may not.
    """
    from cattrs import BaseValidationError, transform_error

    try:
        return converter().structure(plain, kind)
    except BaseValidationError as error:
        raise ValueError("; ".join(transform_error(error))) from error
