"""Checks of what plugins answer, made when a record is made: a wrong answer is named at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.model import State

if TYPE_CHECKING:
    from datetime import datetime


def to_texts(value: object) -> tuple[Any, ...]:
    """A tuple from a sequence; a single text would be taken apart into letters."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"expected a sequence, not {value!r:.100}")
    return tuple(value)


def all_are(*kinds: type) -> Any:
    """A validator: every element is one of *kinds*."""

    def check(_: object, attribute: attrs.Attribute[Any], values: Iterable[object]) -> None:
        for value in values:
            if not isinstance(value, kinds):
                raise TypeError(f"{attribute.name} must not contain {value!r:.100}")

    return check


def is_table(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A validator: texts by names."""
    if not isinstance(value, Mapping) or not all(
        isinstance(word, str) for pair in value.items() for word in pair
    ):
        raise TypeError(f"{attribute.name} must be a table of strings, not {value!r:.100}")


def is_aware(_: object, attribute: attrs.Attribute[Any], value: datetime | None) -> None:
    """A validator: a time that says its offset from UTC."""
    if value is not None and value.tzinfo is None:
        raise ValueError(f"{attribute.name} must have a time zone: {value}")


def is_told(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A validator: a state that a batch system can tell."""
    if not isinstance(value, State) or value in (State.NEW, State.LOST):
        raise ValueError(f"{attribute.name} must be a State other than NEW and LOST: {value!r}")


is_a = attrs.validators.instance_of
or_none = attrs.validators.optional
