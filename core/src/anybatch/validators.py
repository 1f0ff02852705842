"""Checks of what plugins answer, made when a record is made: a wrong answer is named at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from anybatch.model import State

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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


def are_variables(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A validator: texts by names that variables of the environment can have."""
    is_table(_, attribute, value)
    for name in value:  # type: ignore[attr-defined] # it is a table
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{attribute.name}: {name!r} cannot be the name of a variable")


def is_aware(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A validator: a time that says its offset from UTC, or None."""
    if value is None:
        return
    if not isinstance(value, datetime):
        raise TypeError(f"{attribute.name} must be a datetime, not {value!r:.100}")
    if value.tzinfo is None:
        raise ValueError(f"{attribute.name} must have a time zone: {value}")


def is_told(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A validator: a state that a batch system can tell."""
    if not isinstance(value, State) or value in (State.NEW, State.LOST):
        raise ValueError(f"{attribute.name} must be a State other than NEW and LOST: {value!r}")


def is_a(kind: type) -> Any:
    """A validator: an instance of *kind*. True and False are no numbers."""

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind) or (value.__class__ is bool and kind is not bool):
            raise TypeError(f"{attribute.name} must be of type {kind.__name__}, not {value!r:.100}")

    return check


def is_pattern(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """A validator: a regular expression."""
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        raise ValueError(
            f"{attribute.name} must be a regular expression, not {value!r:.100}: {error}"
        ) from None


is_count = [is_a(int), attrs.validators.ge(0)]


def or_none(check: Any) -> Any:
    """A validator: None, or what another validator takes."""
    return attrs.validators.optional(check)
