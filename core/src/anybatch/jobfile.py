"""Job files: a `Job` written down as TOML.

    command = ["python", "fit.py", "{}"]
    env_script = "setup.sh"
    env = { OMP_NUM_THREADS = "4" }
    retry = 2

    [resources]
    cores = 4
    memory = "2 GiB"

    [settings.slurm]
    qos = "long"

The keys are the job's fields.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch.errors import JobError, did_you_mean
from anybatch.model import Job, Resources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Check = tuple[str, Callable[[object], bool]]  #: what a value should be, and whether it is


def read_job(path: Path | str, command: Sequence[str] = ()) -> Job:
    """The job that a file describes. Relative paths in it start where any job's do.

    Args:
        command: replaces the command of the file.

    Raises:
        JobError: the file cannot be read, or does not describe a valid job.
    """
    content = _read(path)
    if command:
        content["command"] = list(command)
    return job_of_table(content, f"job file {path}")


def job_of_table(content: Mapping[str, Any], source: str) -> Job:
    """The job that a table describes, as it stands in a file.

    Args:
        source: of the table, for errors.

    Raises:
        JobError: it does not describe a valid job.
    """
    try:
        return _job(content)
    except (ValueError, JobError) as error:
        raise JobError(f"{source}: {error}") from None
    except RecursionError:
        raise JobError(f"{source} is nested too deeply") from None


def _read(path: Path | str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except RecursionError as error:
        raise JobError(f"job file {path} is nested too deeply") from error
    except ValueError as error:  # also a number of thousands of digits
        raise JobError(f"job file {path} is not valid TOML: {error}") from error
    except OSError as error:
        raise JobError(f"cannot read job file {path}: {error.strerror}") from error


def _job(content: Mapping[str, Any]) -> Job:
    fields = _checked(content, JOB_KEYS, "")
    if "command" not in fields:
        raise JobError("the key 'command' is missing")
    if "resources" in fields:
        fields["resources"] = _made(Resources, fields["resources"], RESOURCE_KEYS, "resources.")
    return Job(**fields)


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
            raise JobError(f"{prefix}{name} must be {kind}: {value!r}")
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
