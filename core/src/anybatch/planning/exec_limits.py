"""What the kernel of a worker would refuse, or a shell take amiss: refused before submission.

Nobody could run such a job, so it is never submitted, and never tried again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anybatch.encoding import to_bytes
from anybatch.errors import JobError
from anybatch.worker_paths import WorkerPath

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.worker.job_layout import JobLayout

WORD = 128 * 1024  #: MAX_ARG_STRLEN of Linux: bytes of a word with its end; execve(2)
ALL = 2 * 1024 * 1024  #: ARG_MAX under the usual limit of 8 MiB for the stack
_POINTER = 8
_LONGEST = 4  #: bytes of a character
_FIRST_LINE = 1024
_CRLF = "has a carriage return (CRLF line breaks), which Unix takes as a part of the text; convert"


def check_command(words: Sequence[str], environment: int) -> None:
    """That a program can be started with a job's command.

    Args:
        environment: see `check_environment`.

    Raises:
        JobError: a word is too long, or words and environment together.
    """
    if sum(map(len, words)) * _LONGEST + len(words) * (_POINTER + 1) + environment < WORD:
        return
    sizes = [len(to_bytes(word)) + 1 for word in words]
    for number, size in enumerate(sizes):
        if size > WORD:
            raise JobError(
                f"argument {number} of the command has {size - 1} bytes; Linux takes at most "
                f"{WORD - 1} in one argument; put it into a file"
            )
    total = sum(sizes) + _POINTER * len(sizes) + environment
    if total > ALL:
        raise JobError(
            f"the command and its environment have {total} bytes; Linux takes at most {ALL}; "
            f"put them into a file"
        )


def check_environment(around: JobLayout) -> int:
    """That a program can be started with a job's variables, and its wrapper with its words.

    Returns:
        How many bytes the variables take.

    Raises:
        JobError: a variable is too long, or all of them, or the wrapper's list of files.
    """
    total = 0
    for name, value in {**around.inherit, **around.env}.items():
        size = len(name) + len(to_bytes(value)) + 2
        if size > WORD:
            raise JobError(
                f"the variable {name} has {size - len(name) - 2} bytes; Linux takes at most "
                f"{WORD - 1} for a variable with its name; put the value into a file"
            )
        total += size + _POINTER
    if total > ALL:
        raise JobError(
            f"the environment has {total} bytes; Linux takes at most {ALL}; inherit less, see "
            f"the setting inherit_env"
        )
    if WorkerPath.FILES in around.wrapper:
        files = sum(len(to_bytes(source)) + 1 for source, _ in around.inputs)
        if files > WORD:
            raise JobError(
                f"the names of the inputs have {files} bytes, and the container takes them in one "
                f"word, of at most {WORD - 1}; name their folder instead"
            )
    return total


def size_of(variables: Mapping[str, str]) -> int:
    """How many bytes variables take, at most, which are each short enough."""
    return sum(
        len(name) + len(value) * _LONGEST + 2 + _POINTER for name, value in variables.items()
    )


def check_line_breaks(what: str, text: str) -> None:
    r"""That a shell's text does not have the line breaks of Windows (`\r\n`).

    Args:
        what: it is called in the error.

    Raises:
        JobError: its first line ends with one.
    """
    if text.partition("\n")[0].endswith("\r"):
        raise JobError(f"line 1 of {what} {_CRLF} the text")


def check_script(what: str, path: str) -> None:
    """The same of a script on disk, where it can be read.

    Raises:
        JobError: its first line ends with one.
    """
    if os.path.isfile(path) and _first_line(path).endswith(b"\r\n"):
        raise JobError(f"line 1 of {what} {path} {_CRLF} it, for example with dos2unix")


def _first_line(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.readline(_FIRST_LINE)
    except OSError:
        return b""  # the job may be allowed to read it
