"""A setting's value: read from a text, and checked against the setting's kind."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from anybatch.encoding import to_bytes
from anybatch.errors import SettingError, did_you_mean, shown
from anybatch.records import Kind
from anybatch.settings.schema import CORE
from anybatch.units import parse_duration, parse_size

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from anybatch.records import Setting

_LITERALS = {"true": True, "yes": True, "on": True, "1": True}
_LITERALS |= {"false": False, "no": False, "off": False, "0": False}


def read_text(table: str, setting: Setting, text: str, source: str) -> Any:
    """The value of a setting from a text (environment, command line)."""
    value: Any = text
    if setting.kind is Kind.LIST:
        value = _list(table, setting, text, source)
    elif setting.kind is Kind.FLAG:
        value = _LITERALS.get(text.strip().lower(), text)
    elif setting.kind is Kind.OPTION and text.lower() in ("true", "false"):
        value = text.lower() == "true"
    elif setting.kind in (Kind.INTEGER, Kind.NUMBER):
        value = _number(text)
    return check(table, setting, value, source)


def _list(table: str, setting: Setting, text: str, source: str) -> list[Any]:
    """`a,b`, or `["a,b", "c"]` as TOML writes a list, for elements with commas or white space."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        found = tomllib.loads(f"list = {text}")
        if found.keys() != {"list"}:
            raise ValueError("more than one list")
        return list(found["list"])
    except (ValueError, RecursionError) as error:
        raise SettingError(
            f"setting {table}.{setting.name} ({source}): what stands in [ ] is a list as in TOML, "
            f'such as ["a,b", "c"]: {error}'
        ) from None


def _number(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def check(table: str, setting: Setting, value: Any, source: str) -> Any:
    """*value* as the plugin gets it.

    Raises:
        SettingError: the value does not fit the kind of the setting.
    """
    name = setting.name if table == CORE else f"{table}.{setting.name}"
    try:
        return _fit(setting, value)
    except ValueError as error:
        raise SettingError(f"setting {name} ({source}): {error}") from None


def _fit(setting: Setting, value: Any) -> Any:
    if setting.kind is Kind.SIZE:
        return parse_size(value)
    if setting.kind is Kind.DURATION:
        return parse_duration(value)
    if setting.kind is Kind.LIST:
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            raise ValueError(f"{_quoted(setting, value)} is not a list of strings")
        return tuple(_text(setting, part) for part in value)
    if setting.kind is Kind.TABLE:
        if not isinstance(value, dict):
            raise ValueError(f"{_quoted(setting, value)} is not a table")
        return {_text(setting, str(k)): _text(setting, str(part)) for k, part in value.items()}
    if not isinstance(value, _TYPES[setting.kind]) or (
        isinstance(value, bool) and setting.kind not in (Kind.FLAG, Kind.OPTION)
    ):
        raise ValueError(f"{_quoted(setting, value)} is not {_A_KIND[setting.kind]}")
    if setting.choices and value not in setting.choices:
        hint = did_you_mean(str(value), setting.choices)
        raise ValueError(
            f"{_quoted(setting, value)} is not one of: {', '.join(setting.choices)}{hint}"
        )
    return _text(setting, value) if isinstance(value, str) else value


_A_KIND = {
    Kind.TEXT: "a string",
    Kind.INTEGER: "an integer",
    Kind.NUMBER: "a number",
    Kind.FLAG: "true or false",
    Kind.OPTION: "a string, a number, true or false",
}
_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.FLAG: (bool,),
    Kind.OPTION: (str, int, float, bool),
}


def _quoted(setting: Setting, value: Any) -> str:
    """A value that does not fit, in an error."""
    return "the value" if setting.shown else shown(value)


def _text(setting: Setting, value: str) -> str:
    if any(character in value for character in "\0\n\r"):
        raise ValueError(
            f"{_quoted(setting, value)} must be a single line (a line break could inject a "
            f"directive)"
        )
    try:
        to_bytes(value)
    except UnicodeEncodeError:
        raise ValueError(
            f"{_quoted(setting, value)} contains an unpaired surrogate, which is not valid text"
        ) from None
    return value
