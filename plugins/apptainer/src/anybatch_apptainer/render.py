"""The words that run a command in a container. Pure.

apptainer-exec(1): https://apptainer.org/docs/user/main/cli/apptainer_exec.html
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from anybatch.errors import JobError, SettingError
from anybatch.records import Environment
from anybatch.worker_paths import ForbiddenMountPath, WorkerPath

from anybatch_apptainer.options import checked_options, is_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from anybatch.model import Job

#: What names programs and libraries outside, or the container that the submitter is in itself:
#: inside, the image's own values hold.
OUTSIDE = (
    *("PATH", "LD_*", "LIBRARY_PATH", "SHELL"),
    *("PYTHON*", "VIRTUAL_ENV*", "CONDA_*", "_CE_*"),
    *("MODULE*", "LOADEDMODULES", "_LMFILES_*", "LMOD_*", "__LMOD_*", "_ModuleTable*"),
    *("APPTAINER*", "SINGULARITY*"),
)
PROGRAMS = ("apptainer", "singularity")
#: What no path of a bind can hold: apptainer 1.4.5 splits at the first three, and cuts off or
#: takes for an escape what is at the end.
NO_BIND = re.compile(r"[:,^]|[\s\\]\Z")

_UNMOUNTABLE = ForbiddenMountPath(
    NO_BIND.pattern,
    "cannot be mounted there; use another name, or apptainer.mount_defaults = false and "
    "apptainer.mounts of your own",
)


def environment(words: Iterable[str | WorkerPath], settings: Mapping[str, Any]) -> Environment:
    """What the plugin contributes to a job that *words* run in a container."""
    forbidden_names = (_UNMOUNTABLE,) if settings["mount_defaults"] else ()
    return Environment(scrub=OUTSIDE, wrapper=tuple(words), forbidden_names=forbidden_names)


def words(
    job: Job,
    settings: Mapping[str, Any],
    *,
    command: str,
    image: str,
    gpu: str,
    base_dir: Path,
) -> Iterator[str | WorkerPath]:
    """The command line up to the image.

    Args:
        settings: the plugin's.
        command: the program.
        image: as `image_word` writes it.
        gpu: `nv`, `rocm` or `none`.
        base_dir: where relative paths start.

    Raises:
        SettingError: a mount, command or option that makes no sense.
    """
    # Silent: apptainer tells of each folder that is bound twice. What is fatal is told anyway.
    yield from (program(command), "--silent", "exec")
    if settings["mount_defaults"]:
        for place in (WorkerPath.RUN, WorkerPath.WORKDIR, WorkerPath.OUTPUT_DIR, WorkerPath.FILES):
            yield from ("--bind", place)
    yield from ("--pwd", WorkerPath.WORKDIR)
    for mount in settings["mounts"]:
        yield from ("--bind", bind(mount, base_dir))
    if settings["cleanenv"]:
        yield "--cleanenv"
    if job.resources.gpus and gpu != "none":
        yield f"--{gpu}"
    yield from checked_options(settings["additional_params"])
    yield image


def program(command: str) -> str:
    """The program as it is written; neither an option of the shell's `exec` nor nothing.

    Raises:
        SettingError: it is one.
    """
    if not command or command.startswith("-"):
        raise SettingError(f"apptainer.command: {command!r} is not a program")
    return command


def image_word(image: str, inputs: Mapping[str, str], base_dir: Path) -> str:
    """The image as the worker is told of it.

    Args:
        inputs: where each input of the job goes in its working folder, by its path here. An
            image among them travels with the job.
        base_dir: where relative paths start.

    Raises:
        JobError: it could be taken for an option.
    """
    if image.startswith("-"):
        raise JobError(f"apptainer: {image!r} is an option, not an image")
    if is_uri(image):
        return image
    path = absolute(image, base_dir)
    for source, destination in inputs.items():
        if path == source or path.startswith(f"{source}/"):
            return f"./{destination}{path.removeprefix(source)}"
    return path


def absolute(path: str | Path, base_dir: Path) -> str:
    """*path* from *base_dir*, without `..`."""
    return os.path.normpath(base_dir / path)


def input_destination(source: str, base_dir: Path, *, flat: bool) -> str:
    """Where an input goes in a job's working folder: its layout below *base_dir* is kept."""
    path = PurePosixPath(source)
    below = not flat and path.is_relative_to(base_dir)
    return str(path.relative_to(base_dir)) if below else path.name


def bind(mount: str, base_dir: Path) -> str:
    """A mount as `--bind` takes it, its source absolute.

    Raises:
        SettingError: it has another form than `SRC`, `SRC:DST` or `SRC:DST:ro`.
    """
    source, *rest = mount.split(":")
    target = rest[0] if rest else absolute(source, base_dir)
    options = rest[1:]
    well_formed = source and target.startswith("/") and options in ([], ["ro"], ["rw"])
    path = absolute(source, base_dir)
    if not well_formed or NO_BIND.search(path) or NO_BIND.search(target):
        raise SettingError(
            f"apptainer.mounts: {mount!r} is not SRC, SRC:DST or SRC:DST:ro, with an absolute DST, "
            f"without a comma or ^, and without white space or a backslash at either end"
        )
    return ":".join([path, *([target] if rest else []), *options])
