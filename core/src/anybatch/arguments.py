"""What programs give to public calls: a value of a wrong kind is named, with what to give."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from anybatch.encoding import file_name
from anybatch.errors import UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    import attrs

_FOREVER = 10**9  #: seconds; clocks and locks take no numbers of any size
Thing = TypeVar("Thing")
KEEP: Any = object()  #: stands for what is not changed


def changed(**given: Any) -> dict[str, Any]:
    """What of *given* is not `KEEP`."""
    return {name: value for name, value in given.items() if value is not KEEP}


def seconds(timeout: object, name: str = "timeout") -> float | None:
    """Seconds to wait, or None: as long as it takes.

    Raises:
        UsageError: it is no number.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout != timeout:
        raise UsageError(f"{name} must be a number of seconds, or None, not {shown(timeout)}")
    return None if timeout > _FOREVER else float(max(timeout, 0))


def folder(path: object) -> Path:
    """A folder's absolute path; None: the current folder.

    Raises:
        UsageError: it is no path.
    """
    if path is None:
        return Path(_file_name(os.getcwd()))
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or "\0" in text:
        raise UsageError(f"folder must be a path (a string or a Path), not {shown(path)}")
    return Path(os.path.abspath(_file_name(text)))


def _file_name(text: str) -> str:
    try:
        return file_name(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def each_is(kind: type[Thing], things: object, name: str) -> list[Thing]:
    """A list of *kind*.

    Raises:
        UsageError: it is something else.
    """
    what = f"{name} must be a list of {kind.__name__} objects"
    if not isinstance(things, Iterable):
        raise UsageError(f"{what}, not {shown(things)}")
    listed = list(things)
    for one in listed:
        if not isinstance(one, kind):
            raise UsageError(f"{what}; it contains {shown(one)}")
    return listed


def must_be(kind: type | tuple[type, ...], value: object, name: str, words: str) -> None:
    """Refuse a value that is not of *kind*.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, kind):
        raise UsageError(f"{name} must be {words}, not {shown(value)}")


def is_a(kind: type | tuple[type, ...], words: str) -> Callable[..., None]:
    """For an attribute that may be None: refuse what is not of *kind*.

    Raises:
        UsageError: in the returned function: it is not.
    """

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            raise UsageError(f"{attribute.name} must be {words}, not {shown(value)}")

    return check


def a_set_of(kind: type) -> Callable[..., None]:
    """For an attribute: refuse what is no set of *kind*.

    Raises:
        UsageError: in the returned function: it is none.
    """

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, Set) or not all(isinstance(one, kind) for one in value):
            raise UsageError(f"{attribute.name} must be a set of {kind.__name__}s: {shown(value)}")

    return check


def names(texts: object, name: str) -> list[str]:
    """A list of texts.

    Raises:
        UsageError: it is something else, such as a single text.
    """
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise UsageError(f"{name} must be a list of texts, not {shown(texts)}")
    listed = list(texts)
    for one in listed:
        must_be(str, one, name, "a list of texts")
    return listed


def whole_number(value: object, name: str) -> None:
    """Refuse what is no whole number.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{name} must be a whole number, not {shown(value)}")


def numbers(values: object, name: str) -> list[int]:
    """A list of whole numbers.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise UsageError(f"{name} must be a list of numbers, such as [0], not {shown(values)}")
    return list(values)


def table(value: object, name: str) -> dict[str, object]:
    """A dict with names, or nothing.

    Raises:
        UsageError: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{name} must be a dict with strings as keys, not {shown(value)}")
    return dict(value)


def function(value: object, name: str) -> None:
    """Refuse what cannot be called.

    Raises:
        UsageError: it cannot.
    """
    if not callable(value):
        raise UsageError(f"{name} must be a function, not {shown(value)}")
