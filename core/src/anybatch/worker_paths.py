"""Paths as workers have them: those known only there, and those that no job can have there."""

from __future__ import annotations

import enum

import attrs

from anybatch import validators
from anybatch.validators import is_a


class WorkerPath(enum.Enum):
    """A path that is known only where the job runs; stands for a word of a wrapper."""

    RUN = "run"  #: the run's folder, where the job script and its records are
    WORKDIR = "workdir"  #: the working folder
    OUTPUT_DIR = "output_dir"  #: made if it is not there; the working folder where there is none
    FILES = "files"  #: `env_script` and inputs that are links, separated by commas; may be empty


@attrs.frozen
class ForbiddenMountPath:
    """What no absolute path that a job uses may hold, because a wrapper cannot mount it.

    Attributes:
        pattern: a regular expression.
        advice: the end of the error's text, which begins with what was found: `cannot be
            mounted; use another name`.
    """

    pattern: str = attrs.field(validator=validators.is_pattern)
    advice: str = attrs.field(validator=is_a(str))


@attrs.frozen
class ForbiddenFileName(ForbiddenMountPath):
    """What no name below the scratch folder may hold, because the batch system cannot move it."""
