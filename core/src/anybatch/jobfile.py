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

import json
import sys
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch.arguments import must_be
from anybatch.errors import JobError
from anybatch.model import Job

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def read_job(path: Path | str, command: Sequence[str] = ()) -> Job:
    """The job that a file describes, in TOML, or in JSON if its name ends with `.json`.

    Relative paths in it start where any job's do.

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
        return Job.from_dict(content)
    except (ValueError, JobError) as error:
        raise JobError(f"{source}: {error}") from None
    except RecursionError:
        raise JobError(f"{source} is nested too deeply") from None


def _read(path: Path | str) -> dict[str, Any]:
    must_be((str, PathLike), path, "path", "a path (a string or a Path)")
    kind = "JSON" if Path(path).suffix == ".json" else "TOML"
    try:
        text = Path(path).read_text("utf-8")
        if kind == "JSON":
            content = json.loads(text)
            if not isinstance(content, dict):
                raise JobError(f"job file {path} is no JSON object")
            return content
        return tomllib.loads(text)
    except RecursionError as error:
        raise JobError(f"job file {path} is nested too deeply") from error
    except JobError:
        raise
    except ValueError as error:  # also a number of thousands of digits
        raise JobError(f"job file {path} is not valid {kind}: {error}") from error
    except OSError as error:
        raise JobError(f"cannot read job file {path}: {error.strerror}") from error
