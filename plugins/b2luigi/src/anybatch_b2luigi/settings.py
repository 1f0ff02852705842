"""b2luigi's settings, as far as they describe a job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from anybatch import UsageError
from b2luigi.core.settings import get_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSET = object()

#: What HTCondor's submit commands ask for, by the field of Resources that means the same.
_CONDOR_REQUESTS = {
    "request_cpus": "cores",
    "request_gpus": "gpus",
    "request_memory": "memory",
    "request_disk": "disk",
}
#: The unit of a bare number (condor_submit(1)): MiB of memory, KiB of disk.
_CONDOR_UNITS = {"memory": "MiB", "disk": "KiB"}
_CONDOR_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)
_CONDOR_TRANSFER = {"yes": "native", "no": "shared", "if_needed": "auto"}


def get(name: str, task: Any, default: Any = None, *, deprecated: tuple[str, ...] = ()) -> Any:
    """A setting as b2luigi finds it: of the task, the program, or a `settings.json`.

    b2luigi's own function takes the default None for "it must be set".
    """
    value = get_setting(name, default=_UNSET, task=task, deprecated_keys=list(deprecated))
    return default if value is _UNSET else value


def is_set(name: str, task: Any) -> bool:
    """Whether anybody has set it."""
    return get(name, task, _UNSET) is not _UNSET


def table(name: str, task: Any) -> dict[str, Any]:
    """A table of settings: the program's with the task's on top; never the original.

    Raises:
        UsageError: it is not a table.
    """
    merged: dict[str, Any] = {}
    for value in (get(name, None, {}), get(name, task, {})):
        if not isinstance(value, dict):
            raise UsageError(f"the setting {name} must be a table: {value!r}")
        merged.update(value)
    return merged


def words(name: str, task: Any) -> tuple[str, ...]:
    """A list of texts.

    Raises:
        UsageError: it is a single text, or has other things in it.
    """
    value = get(name, task) or ()
    if isinstance(value, str) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"the setting {name} must be a list of strings: {value!r}")
    return tuple(value)


def split_slurm(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """`slurm_settings` as the job's name, and settings of the Slurm plugin."""
    options = {name.lstrip("-"): value for name, value in given.items()}
    name = options.pop("job-name", None)
    return (None if name is None else str(name)), options


def split_htcondor(
    given: Mapping[str, Any],
) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
    """`htcondor_settings` as the job's name, its resources, and settings of the HTCondor plugin.

    Raises:
        UsageError: a size that condor_submit would not understand either.
    """
    name, resources, others = None, {}, {}
    for command, value in given.items():
        known = command.lower()
        if known in ("jobbatchname", "batch_name"):
            name = str(value)
        elif known in _CONDOR_REQUESTS:
            resources[_CONDOR_REQUESTS[known]] = _condor_number(known, value)
        elif known == "should_transfer_files":
            others["transfer"] = _CONDOR_TRANSFER.get(str(value).lower(), "auto")
        elif known != "when_to_transfer_output":  # outputs come back when a job has ended
            # Attributes keep their letters; submit commands have none of their own.
            others[command if command[:1] == "+" or known.startswith("my.") else known] = value
    return name, resources, others


def _condor_number(command: str, value: Any) -> int | str:
    field = _CONDOR_REQUESTS[command]
    unit = _CONDOR_UNITS.get(field)
    if unit is None:
        return int(value)
    found = _CONDOR_SIZE.fullmatch(str(value).strip())
    if found is None:
        raise UsageError(f"htcondor_settings: {command} must be a size such as '2 GB': {value!r}")
    number, prefix = found.groups()
    return f"{number} {prefix.upper()}iB" if prefix else f"{number} {unit}"
