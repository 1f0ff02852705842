"""The settings of the Apptainer plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.records import Kind, Setting, from_folder

from anybatch_apptainer.options import is_uri

if TYPE_CHECKING:
    from pathlib import Path


def _absolute(path: str, folder: Path) -> str:
    """An image or a mount in a settings file; what is no path, or makes no sense, is left."""
    return path if not path or path[0] in ":-" or is_uri(path) else from_folder(path, folder)


SETTINGS = (
    Setting(
        name="image",
        absolute=_absolute,
        help="Image for jobs that name none (with `--container` or `Job.container`): a "
        "path or a URI.",
    ),
    Setting(
        name="required",
        kind=Kind.FLAG,
        default=False,
        help="Refuse jobs without an image; `--system apptainer` sets this.",
    ),
    Setting(
        name="mounts",
        absolute=_absolute,
        kind=Kind.LIST,
        default=(),
        help="Folders and files to mount: `SRC`, `SRC:DST` or `SRC:DST:ro`.",
    ),
    Setting(
        name="mount_defaults",
        kind=Kind.FLAG,
        default=True,
        help="Mount the job's folders (run, working and output folder, created if missing), linked "
        "inputs and `env_script`.",
    ),
    Setting(
        name="additional_params",
        kind=Kind.LIST,
        default=(),
        help="Further options of `apptainer exec`, one list element per word. A word that contains "
        'a comma is written as `["--no-mount", "home,tmp"]`.',
        overlaps={"memory": r"'--memory['=]", "cores": r"'--cpu(s|set-cpus)['=]"},
    ),
    Setting(
        name="command",
        help="The program, a name or a path (default: `apptainer`, or else `singularity`).",
    ),
    Setting(
        name="cleanenv",
        kind=Kind.FLAG,
        default=False,
        help="Hide environment variables of the batch system from the job.",
    ),
    Setting(
        name="gpu",
        default="auto",
        choices=("auto", "nv", "rocm", "none"),
        help="GPU option for jobs that request GPUs: `--nv` or `--rocm`; `auto` selects "
        "`--rocm` if "
        "this machine has the tools of AMD, but not those of NVIDIA.",
    ),
)
