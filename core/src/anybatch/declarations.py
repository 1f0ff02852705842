"""What plugins declare: settings, and a site's defaults for them."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from anybatch.model import Resources
from anybatch.validators import all_are, is_a, is_pattern, is_table, to_texts


class Kind(str, enum.Enum):
    """The types that a setting can have; texts (environment, command line) are read as such."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"  #: true or false
    SIZE = "size"  #: bytes, or a text such as "2 GiB"
    DURATION = "duration"  #: seconds, or a text such as "1h30m"
    LIST = "list"  #: texts; in the environment and with `--set` as `a,b` or `["a,b", "c"]`
    TABLE = "table"  #: names to texts; only in files and from programs
    OPTION = "option"  #: an option of the system's own: a text, a number, or true for a bare flag


def from_folder(path: str, folder: Path) -> str:
    """*path* from *folder*, without `..`: what `Setting.absolute` is for a plain path."""
    return os.path.normpath(folder / path)


#: What of a job settings of a batch system may tell, too.
OF_A_JOB = (*attrs.fields_dict(Resources), "name", "container", "urgency")


def _is_of_a_job(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    if value and value not in OF_A_JOB:
        raise ValueError(f"{attribute.name}: {value!r} is not one of {', '.join(OF_A_JOB)}")


def _are_of_a_job(_: object, attribute: attrs.Attribute[Any], value: Mapping[str, str]) -> None:
    is_table(_, attribute, value)
    for field, pattern in value.items():
        _is_of_a_job(_, attribute, field)
        is_pattern(_, attribute, pattern)


@attrs.frozen(kw_only=True)
class Setting:
    """A setting that a plugin reads.

    Attributes:
        name: its key in the plugin's table; `*` in it stands for any characters, so that one
            setting may be many (`+*`).
        kind: its type.
        default: None: not set.
        choices: the texts it may have; empty: any.
        help: what it is for, in a sentence.
        replaced_by: it cannot be set, because anybatch or the plugin itself does; what to use.
        same_as: what of a job it is another word for: a field of `Resources`, `name`, `container`
            or `urgency`. A job that asks for the one and has the other is refused, unless both are
            equal.
        overlaps: further fields of which it tells something, each with a regular expression that
            is searched in `NAME=VALUE`; an empty one is found in every value. A job that asks for
            such a field and has such a value is refused.
        absolute: makes a text of the setting that stands in a settings file absolute; called with
            the text and the file's folder. Others start where the user stands.
        shown: writes a text of the setting as people and logs may see it, if it may hold a secret.
    """

    name: str = attrs.field(validator=is_a(str))
    kind: Kind = attrs.field(default=Kind.TEXT, converter=Kind)
    default: Any = None
    choices: tuple[str, ...] = attrs.field(default=(), converter=to_texts, validator=all_are(str))
    help: str = attrs.field(default="", validator=is_a(str))
    replaced_by: str = attrs.field(default="", validator=is_a(str))
    same_as: str = attrs.field(default="", validator=_is_of_a_job)
    overlaps: Mapping[str, str] = attrs.field(factory=dict, validator=_are_of_a_job)
    absolute: Callable[[str, Path], str] | None = None
    shown: Callable[[str], str] | None = None


@attrs.frozen
class SiteDefault:
    """A site's default for a setting of any plugin: `SiteDefault("slurm.partition", "short")`."""

    name: str = attrs.field(validator=is_a(str))
    value: Any
