"""Jobs as tables of texts and numbers, as TOML and JSON hold them: read, checked, and written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import JobError, did_you_mean, shown
from anybatch.resources import Resources
from anybatch.retries import Retry, RetryRule

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = tuple[str, Callable[[object], bool]]  #: what a value should be, and whether it is


def read_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a job from a table.

    Raises:
        JobError: it is no table; an unknown key, or a value of a wrong type.
    """
    if not isinstance(content, Mapping):
        raise JobError(f"a job is described by a table, not by {shown(content)}")
    fields = _checked(content, JOB_KEYS, "")
    if "command" not in fields:
        raise JobError("the key 'command' is missing")
    if "resources" in fields:
        fields["resources"] = _made(Resources, fields["resources"], RESOURCE_KEYS, "resources.")
    return fields


def write_fields(
    fields: Mapping[str, Any], usual: Mapping[str, Any], *, exact: bool = True
) -> dict[str, Any]:
    """The table of a job: what differs from the usual, as texts, numbers, lists and tables.

    Args:
        fields: of the job, as it holds them.
        usual: those of a job that says nothing.
        exact: any other setting is an error; else it becomes a text.

    Raises:
        JobError: it waits for a job, which has no name outside its submission, or a setting is
            no text, number, list or table.
    """
    changed = {name: value for name, value in fields.items() if value != usual[name]}
    if not exact:
        changed = {name: _shown(value) for name, value in changed.items()}
    return {name: _plain(name, value) for name, value in changed.items()}


def _shown(value: Any) -> Any:
    """A value with texts for whatever a file cannot hold."""
    if isinstance(value, Mapping):
        return {key: _shown(one) for key, one in value.items()}
    known = (Resources, Retry, timedelta, Path, list, tuple, str, int, float)
    return value if value is None or isinstance(value, known) else str(value)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Resources):
        return _changed(value, Resources())
    if isinstance(value, Retry):
        return _retry_table(value)
    if name == "after":
        return [_run_name(one) for one in value]
    return _plain_value(name, value)


def _changed(record: Any, usual: Any) -> dict[str, Any]:
    names = attrs.fields_dict(type(record))
    changed = {name: getattr(record, name) for name in names}
    return {
        name: _plain_value(name, value)
        for name, value in changed.items()
        if value != getattr(usual, name)
    }


def _retry_table(retry: Retry) -> dict[str, Any]:
    table: dict[str, Any] = {"times": retry.times}
    if retry.on != Retry().on:
        table["on"] = sorted(reason.value for reason in retry.on)
    for rule in retry.rules:
        own = {"times": rule.times, **_changed(rule, RetryRule(rule.reason, rule.times))}
        table[rule.reason.value] = own
    return table


def _run_name(item: object) -> str:
    name = item if isinstance(item, str) else getattr(item, "id", None)
    if not isinstance(name, str):
        raise JobError(
            "a job that waits for another job of its submission (`after`) is no record; name a run "
            "that was submitted"
        )
    return name


def _plain_value(name: str, value: Any) -> Any:
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return int(seconds) if seconds == int(seconds) else seconds
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain_value(name, one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_value(name, one) for one in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise JobError(f"{name}: {shown(value)} is no text, number, list or table")


def write_toml(table: Mapping[str, Any]) -> str:
    """A table as TOML.

    Raises:
        JobError: a text has bytes that are no UTF-8, which TOML cannot hold.
    """
    simple = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    lines = [
        f"{_key(name)} = {_toml(value)}" for name, value in simple.items() if value is not None
    ]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_key(name)}]"]
            own = ((key, one) for key, one in value.items() if one is not None)
            lines += [f"{_key(key)} = {_toml(one)}" for key, one in own]
    return "\n".join(lines).lstrip("\n") + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = (f"{_key(name)} = {_toml(one)}" for name, one in value.items() if one is not None)
        return "{ " + ", ".join(inner) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return _toml_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value)


def _toml_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JobError(f"{text!r:.80} has bytes that are no UTF-8; write it as JSON") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml_text(name)


def _made(
    kind: Callable[..., Any], table: Mapping[str, Any], known: Mapping[str, Check], prefix: str
) -> Any:
    """A record from a table; an error names the table."""
    values = _checked(table, known, prefix)
    try:
        return kind(**values)
    except ValueError as error:
        raise JobError(f"{prefix.removesuffix('.')}: {error}") from None


def _checked(content: Mapping[str, Any], known: Mapping[str, Check], prefix: str) -> dict[str, Any]:
    for name, value in content.items():
        if name not in known:
            raise JobError(f"unknown key {prefix + name!r}{did_you_mean(name, known)}")
        kind, fits = known[name]
        if not fits(value):
            raise JobError(f"{prefix}{name} must be {kind}: {shown(value)}")
    return dict(content)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_duration(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


_TEXT: Check = ("a string", _is_text)
_LIST: Check = ("a list of strings", _is_list)
_TEXTS: Check = ("a string or a list of strings", lambda value: _is_text(value) or _is_list(value))
_NUMBER: Check = ("a whole number", _is_number)
_FLAG: Check = ("true or false", lambda value: isinstance(value, bool))
_SIZE: Check = ("a size such as '2 GiB'", lambda value: _is_text(value) or _is_number(value))
_DURATION: Check = ("a duration such as '1h30m'", _is_duration)
_TABLE: Check = ("a table", lambda value: isinstance(value, dict))
_TABLES: Check = (
    "a table of tables, one for each plugin",
    lambda value: isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()),
)
_RETRY: Check = (
    "a whole number or a table",
    lambda value: _is_number(value) or isinstance(value, dict),
)

JOB_KEYS: Mapping[str, Check] = {
    "command": _TEXTS,
    "name": _TEXT,
    "workdir": _TEXT,
    "env": _TABLE,
    "env_script": _TEXT,
    "setup": _TEXTS,
    "setup_once": _TEXTS,
    "cleanup": _TEXTS,
    "scratch": _FLAG,
    "resources": _TABLE,
    "urgency": _NUMBER,
    "inputs": _TEXTS,
    "flat": _FLAG,
    "copy_inputs": _FLAG,
    "outputs": _TEXTS,
    "optional_outputs": _TEXTS,
    "output_dir": _TEXT,
    "skip_existing": _FLAG,
    "stdin": _TEXT,
    "stdout": _TEXT,
    "stderr": _TEXT,
    "container": _TEXT,
    "settings": _TABLES,
    "after": _TEXTS,
    "retry": _RETRY,
    "checkpoint": _FLAG,
    "input_list": _TEXTS,
    "labels": _TABLE,
    "params": _TABLE,
    "template": _FLAG,
}

RESOURCE_KEYS: Mapping[str, Check] = {
    "nodes": _NUMBER,
    "tasks": _NUMBER,
    "cores": _NUMBER,
    "gpus": _NUMBER,
    "memory": _SIZE,
    "disk": _SIZE,
    "time": _DURATION,
    "queue": _TEXT,
    "exclusive": _FLAG,
}
