"""The settings of the Apptainer plugin."""

from __future__ import annotations

from anybatch.records import Kind, Setting

SETTINGS = (
    Setting(
        name="image",
        help="Image for jobs that name none (`--container`, `Job.container`): a path or a URI.",
    ),
    Setting(
        name="required",
        kind=Kind.FLAG,
        default=False,
        help="A job without an image is an error; `--system apptainer` sets it.",
    ),
    Setting(
        name="mounts",
        kind=Kind.LIST,
        default=(),
        help="Folders and files that are seen inside: `SRC`, `SRC:DST` or `SRC:DST:ro`.",
    ),
    Setting(
        name="mount_defaults",
        kind=Kind.FLAG,
        default=True,
        help="The job's folders (run, working, output; made where they are missing), linked inputs "
        "and `env_script` are seen inside.",
    ),
    Setting(
        name="additional_params",
        kind=Kind.LIST,
        default=(),
        help="Further options of `apptainer exec`, each word for itself.",
    ),
    Setting(
        name="command",
        help="The program, a name or a path; default: `apptainer`, else `singularity`.",
    ),
    Setting(
        name="cleanenv",
        kind=Kind.FLAG,
        default=False,
        help="Nothing that the batch system sets in the environment is seen inside.",
    ),
    Setting(
        name="gpu",
        default="auto",
        choices=("auto", "nv", "rocm", "none"),
        help="Which GPUs a job that asks for some sees: `--nv` or `--rocm`; `auto` takes `--rocm` "
        "where this machine has AMD's tools and not NVIDIA's.",
    ),
)
