"""The hooks of the Apptainer plugin: what is looked for on this machine, and what is an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch import hookimpl
from anybatch.errors import JobError, UsageError
from anybatch.host import Command
from anybatch.planning.inputs import resolve_inputs
from anybatch.records import Alias, Detection

from anybatch_apptainer import render
from anybatch_apptainer.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import Environment, Setting

HERE = "local"  #: the batch system whose jobs run on this machine


@hookimpl
def anybatch_settings() -> Iterable[Setting]:
    """The image, and how it is run."""
    return SETTINGS


@hookimpl
def anybatch_alias() -> Alias:
    """On this machine, in a container."""
    return Alias(system=HERE, settings={"apptainer": {"required": True}})


@hookimpl
def anybatch_detect(host: Host, settings: Mapping[str, Any]) -> Detection:
    """The program is there and tells its version."""
    command, path = _program(settings, host)
    if path is None:
        return Detection(available=False, reason=f"{command} is not on the PATH")
    completed = host.run(Command((path, "--version")))
    if not completed.ok:
        reason = f"{path} --version: {completed.stderr.strip()}"
        return Detection(available=False, reason=reason)
    version = completed.stdout.strip().rpartition(" ")[2]
    return Detection(available=True, reason=f"{path} is there", version=version)


@hookimpl
def anybatch_environment(
    job: Job, settings: Mapping[str, Any], host: Host, system: str, folder: Path
) -> Environment | None:
    """The container around the command of a job that has an image."""
    image = job.container or settings["image"]
    if not image:
        if settings["required"]:
            raise JobError(
                "apptainer: there is no image: --container, Job.container or the setting "
                "apptainer.image names one"
            )
        return None
    pairs, _ = resolve_inputs(job, folder, host)
    words = render.words(
        job,
        settings,
        command=_command(settings, host, system),
        image=_image(render.image_word(image, dict(pairs), folder), host),
        gpu=_gpu(settings["gpu"], host),
        folder=folder,
    )
    return render.environment(words, settings)


def _program(settings: Mapping[str, Any], host: Host) -> tuple[str, str | None]:
    """The program's name, and its path on this machine: the first of those it may be."""
    named = settings["command"]
    names = [render.program(named)] if named is not None else render.PROGRAMS
    found = ((name, path) for name in names if (path := host.which(name)))
    return next(found, (names[0], None))


def _command(settings: Mapping[str, Any], host: Host, system: str) -> str:
    """The program as the worker finds it: there its own PATH holds, here ours."""
    command, path = _program(settings, host)
    if system != HERE:
        return command
    if path is None:
        raise UsageError(
            f"apptainer: {command} is not on the PATH of this machine, where {HERE} jobs run; "
            f"install it, or name it with the setting apptainer.command"
        )
    return path


def _image(word: str, host: Host) -> str:
    try:
        missing = word.startswith("/") and not host.exists(Path(word))
    except OSError as error:
        raise JobError(f"apptainer: the image {word}: {error.strerror}") from error
    if missing:
        raise JobError(f"apptainer: the image {word} is not there")
    return word


def _gpu(setting: str, host: Host) -> str:
    if setting != "auto":
        return setting
    amd = host.which("rocm-smi") and not host.which("nvidia-smi")
    return "rocm" if amd else "nv"
