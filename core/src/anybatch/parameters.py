"""Parameters of jobs: what their names and values may be, and how values are written. Pure.

A value is a text, a whole number, a floating-point number, or true or false. It is one text
everywhere: in templates, in the variable `ANYBATCH_PARAM_NAME` and on the command line.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any

from anybatch.encoding import to_bytes
from anybatch.errors import shown
from anybatch.job_fields import flaw

Value = str | int | float | bool

#: What templates know beside parameters.
RESERVED = frozenset({"index", "inputs"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*|[1-9][0-9]{0,5}", re.ASCII)
_LONGEST = 100_000  #: bytes; Linux takes 128 KiB in a word or variable, with its name
_MOST_BITS = 4096
_EXPECTED = "a text, a number, or true or false"


def convert(values: Any) -> Any:
    """Parameters as a job holds them: plain Python values; what is none is left to `check`."""
    if not isinstance(values, Mapping):
        return values
    return {name: plain(value) for name, value in values.items()}


def plain(value: Any) -> Any:
    """A value of a plain type: those of numpy become Python's, paths texts."""
    kind = type(value)
    if kind in (int, str, float, bool):
        return value
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    elif not isinstance(value, (str, int, float)) and getattr(value, "shape", None) == ():
        value = value.item()  # a number of numpy
    for base in (bool, str, int, float):
        if isinstance(value, base):
            return str.__str__(value) if isinstance(value, str) else base(value)
    return value


def check(values: Mapping[str, Value]) -> str:
    """What is wrong with a job's parameters; empty: nothing."""
    return check_names(values) or next(
        filter(None, (check_value(name, value) for name, value in values.items())), ""
    )


def check_names(names: Any) -> str:
    """What is wrong with the names of a job's parameters; empty: nothing."""
    variables: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return (
                f"parameter {shown(name)}: a name is made of letters, digits and _, first a letter"
            )
        if name in RESERVED:
            return f"parameter {name!r}: {{{name}}} has a meaning of its own; choose another name"
        if (other := variables.setdefault(name.upper(), name)) != name:
            return f"parameters {other!r} and {name!r} would both be the variable {variable(name)}"
    return ""


def check_value(name: str, value: Any) -> str:
    """What is wrong with a parameter's value; empty: nothing."""
    if isinstance(value, str):
        if found := flaw(value):
            return f"parameter {name!r}: its value contains {found}"
        if len(value) > _LONGEST // 4 and len(to_bytes(value)) > _LONGEST:
            return f"parameter {name!r}: a value has more than {_LONGEST} bytes; put it into a file"
        return ""
    if isinstance(value, float):
        finite = math.isfinite(value)
        return "" if finite else f"parameter {name!r}: {value} is no number; give it as a text"
    if isinstance(value, int):
        small = value.bit_length() <= _MOST_BITS
        return "" if small else f"parameter {name!r}: a number is too long; give it as a text"
    kind = type(value).__name__
    return f"parameter {name!r}: a value must be {_EXPECTED}, not {kind}: {shown(value)}"


def write(value: Value) -> str:
    """A value as text: `true` and `false`, numbers in their shortest form."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def read(text: str) -> Value:
    """The value that a text stands for: a number only where it is written as the text again."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if repr(number) == text and not check_value("", number):
            return number
    return text


def describe(values: Mapping[str, Value]) -> str:
    """Parameters for people: `seed=7 cut=5.2`."""
    return " ".join(f"{name}={write(value)}" for name, value in values.items())


def variable(name: str) -> str:
    """The variable that a job finds a parameter in."""
    return f"ANYBATCH_PARAM_{name.upper()}"
