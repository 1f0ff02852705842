"""Names of projects: unique on the grid for ever, so they follow from what a project is."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from anybatch import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 32
HASH_LENGTHS = range(6, 11)
_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_-]*")  # a dash in front makes it an option

#: Settings that make another project; all others tell how it is treated.
IDENTITY = (
    *("custom_steering_file", "jinja_template", "max_event", "release", "project_lpn_path"),
    *("input_dataset", "input_dslist", "input_datafiles", "input_grouping", "n_repetition_job"),
    *("noscout", "lfn_sandboxfiles", "cputime", "evtpersec", "priority", "jobtype", "basf2opt"),
    *("additional_files", "additional_params", "proxy_group", "user"),
)


def project_name(settings: Mapping[str, Any], content: Mapping[str, str]) -> str:
    """The name of the project of a job.

    Args:
        settings: the job's, completed.
        content: texts that belong to the job, such as that of the steering file.

    Raises:
        UsageError: there is no prefix, or it makes no name.
    """
    if settings["project_name"]:
        return checked(settings["project_name"])
    prefix, length = settings["project_name_prefix"], settings["project_name_hash_length"]
    if not prefix:
        raise UsageError("gbasf2 needs a name for the project: set gbasf2.project_name_prefix")
    if length not in HASH_LENGTHS:
        raise UsageError(f"gbasf2.project_name_hash_length is {length}, not one of 6 to 10")
    identity = {name: settings[name] for name in IDENTITY if settings[name] not in (None, ())}
    return checked(prefix + digest([identity, content])[:length])


def digest(plain: Any) -> str:
    """The same for the same values, in every process: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def checked(name: str) -> str:
    """A name that gbasf2 takes.

    Raises:
        UsageError: it would not.
    """
    if len(name) > LONGEST:
        raise UsageError(
            f"the project's name {name!r} has {len(name)} characters, {LONGEST} is the most: "
            f"gbasf2.project_name_prefix has to be shorter"
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"the project's name {name!r} may hold letters, digits, _ and - only, "
            f"and not begin with -"
        )
    return name
