"""The hooks of Apptainer: what is looked for on this machine, and what is an error."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch.errors import JobError, UsageError
from anybatch.host import Command
from anybatch.records import Alias, Detection
from anybatch.system import Plugin

from anybatch_apptainer import render
from anybatch_apptainer.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.model import Job
    from anybatch.records import Environment, Setting

HERE = "local"  #: the batch system whose jobs run on this machine


class Apptainer(Plugin):
    """The hooks of Apptainer."""

    def anybatch_settings(self) -> Sequence[Setting]:
        """The image, and how it is run."""
        return SETTINGS

    def anybatch_alias(self) -> Alias:
        """On this machine, in a container."""
        return Alias(system=HERE, settings={"apptainer": {"required": True}})

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        """The program is there and tells its version."""
        command, path = self._program(settings)
        if path is None:
            return Detection(available=False, reason=f"{command} is not on the PATH")
        completed = self.host.run(Command((path, "--version")))
        if not completed.ok:
            reason = f"{path} --version: {completed.stderr.strip()}"
            return Detection(available=False, reason=reason)
        version = completed.stdout.strip().rpartition(" ")[2]
        return Detection(available=True, reason=f"{path} is there", version=version)

    def anybatch_environment(
        self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
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
        words = render.words(
            job,
            settings,
            command=self._command(settings, system),
            image=self._image(image, job, base_dir),
            gpu=self._gpu(settings["gpu"]),
            base_dir=base_dir,
        )
        return render.environment(words, settings)

    def _program(self, settings: Mapping[str, Any]) -> tuple[str, str | None]:
        """The program's name, and its path on this machine: the first of those it may be."""
        named = settings["command"]
        names = [render.program(named)] if named is not None else render.PROGRAMS
        found = ((name, path) for name in names if (path := self.host.which(name)))
        return next(found, (names[0], None))

    def _command(self, settings: Mapping[str, Any], system: str) -> str:
        """The program as the worker finds it: there its own PATH holds, here ours."""
        command, path = self._program(settings)
        if system != HERE:
            return command
        if path is None:
            raise UsageError(
                f"apptainer: {command} is not on the PATH of this machine, where {HERE} jobs run; "
                f"install it, or name it with the setting apptainer.command"
            )
        return path

    def _image(self, image: str, job: Job, base_dir: Path) -> str:
        """The image as the worker is told of it; one that is a path has to be there."""
        word = render.image_word(image, self._inputs(job, base_dir), base_dir)
        try:
            missing = word.startswith("/") and not self.host.exists(Path(word))
        except OSError as error:
            raise JobError(f"apptainer: the image {word}: {error.strerror}") from error
        if missing:
            raise JobError(f"apptainer: the image {word} is not there")
        return word

    def _inputs(self, job: Job, base_dir: Path) -> dict[str, str]:
        """Where each input goes in the job's working folder, by its path here.

        The core refuses those that are not there.
        """
        placed = {}
        for pattern in job.inputs:
            named = render.absolute(pattern, base_dir)
            below = os.path.join(glob.escape(str(base_dir)), pattern)
            for found in [Path(named)] if self._is_there(named) else self.host.glob(below):
                source = os.path.normpath(found)
                placed[source] = render.input_destination(source, base_dir, flat=job.flat)
        return placed

    def _is_there(self, path: str) -> bool:
        try:
            return self.host.exists(Path(path))
        except OSError:
            return True  # a link in a circle, say

    def _gpu(self, setting: str) -> str:
        if setting != "auto":
            return setting
        amd = self.host.which("rocm-smi") and not self.host.which("nvidia-smi")
        return "rocm" if amd else "nv"
