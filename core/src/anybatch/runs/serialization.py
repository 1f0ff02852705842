"""Records to and from what JSON and TOML can hold."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")


@cache
def converter() -> Converter:
    """Times are ISO 8601 texts, durations seconds, paths texts.

    Unknown keys are passed over: a later version may write more.
    """
    from cattrs.preconf.json import make_converter  # takes 30 ms, and not every command needs it

    made = make_converter(omit_if_default=True)
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_structure_hook(datetime, lambda text, _: read_time(text))
    made.register_unstructure_hook(timedelta, timedelta.total_seconds)
    made.register_structure_hook(timedelta, lambda value, _: timedelta(seconds=value))
    made.register_unstructure_hook_func(lambda kind: issubclass_of(kind, Path), write_path)
    made.register_structure_hook(Path, lambda text, _: read_path(text))
    return made


def read_time(text: str) -> datetime:
    """A time that says its offset from UTC.

    Raises:
        ValueError: it does not.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return time


def write_path(path: Path) -> str:
    """The bytes of a path as text, the same in each locale: as UTF-8, others as surrogates."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def read_path(text: str) -> Path:
    """The inverse of `write_path`, in whatever locale."""
    return Path(os.fsdecode(text.encode("utf-8", "surrogateescape")))


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
