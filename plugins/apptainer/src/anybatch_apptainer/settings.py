"""The settings of the Apptainer plugin."""

from __future__ import annotations

from anybatch.records import Kind, Setting

SETTINGS = (
    Setting(
        name="image",
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
        help="Further options of `apptainer exec`, one list element per word.",
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
