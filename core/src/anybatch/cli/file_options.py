"""The options for the files of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from anybatch.cli.base import option_group

if TYPE_CHECKING:
    from anybatch.cli.base import Decorator

_files = option_group("Files")
_path = click.Path()

FILE_OPTIONS: tuple[Decorator, ...] = (
    _files(
        "--scratch",
        is_flag=True,
        default=None,
        help="Work in a private folder on the node's own disk, which is removed afterwards.",
    ),
    _files(
        "--input",
        "inputs",
        type=_path,
        multiple=True,
        metavar="PATH",
        help="File, folder or glob pattern to make available in the job's working directory. "
        "Repeatable.",
    ),
    _files(
        "--flat",
        is_flag=True,
        default=None,
        help="Put all inputs directly into the working directory, without subfolders.",
    ),
    _files(
        "--copy-inputs",
        is_flag=True,
        default=None,
        help="Give each job copies of its inputs as they are now. Needs a working directory of the "
        "job's own.",
    ),
    _files(
        "--output",
        "outputs",
        multiple=True,
        metavar="PATTERN",
        help="Glob pattern of files the job produces in its working directory; the job fails if "
        "nothing matches. Repeatable.",
    ),
    _files(
        "--optional-output",
        "optional_outputs",
        multiple=True,
        metavar="PATTERN",
        help="The same, but the pattern may match nothing. Repeatable.",
    ),
    _files(
        "--output-dir",
        type=_path,
        metavar="FOLDER",
        help="Directory to collect the outputs in; {index} is the job number.",
    ),
    _files(
        "--skip-existing",
        is_flag=True,
        default=None,
        help="Do not run a job whose outputs are all in --output-dir and newer than its inputs.",
    ),
    _files("--stdin", type=_path, metavar="FILE", help="File to read standard input from."),
    _files(
        "--stdout",
        type=_path,
        metavar="FILE",
        help="File for standard output; may contain {index} (default: a file in the run's folder).",
    ),
    _files(
        "--stderr",
        type=_path,
        metavar="FILE",
        help="File for standard error; may contain {index} (default: a file in the run's folder).",
    ),
)
