"""The hooks that are called before jobs are planned: what is there, and what it can do.

Part of the contract in `anybatch.hookspecs`, which has all hooks; plugins import that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.host import Host
    from anybatch.nodes import NodeKind
    from anybatch.records import Alias, Detection, Limits, Setting, SiteDefault

PROJECT = "anybatch"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# -- What is there: asked before jobs are planned -------------------------------------------


@hookspec
def anybatch_settings() -> Iterable[Setting | SiteDefault]:  # type: ignore[empty-body]
    """The settings that the plugin reads, and a site's defaults for settings of any plugin.

    Called once when settings are first needed; every plugin is asked. The core checks,
    documents (`docs/reference/settings.md`) and explains (`anybatch settings`) them.

    Returns:
        `Setting` records, whose names are keys in the table named like the plugin;
        `SiteDefault` records where the plugin speaks for a site.

    Example:
        return [Setting(name="partition", help="Partition the job is queued in.")]
    """


@hookspec
def anybatch_detect(host: Host, settings: Mapping[str, Any], choosing: bool) -> Detection | None:
    """Are this plugin's tools here, and do they answer?

    Called for every plugin when the system is `auto`, and by `anybatch systems` and `doctor`.
    It may run a few quick commands. Where it raises, the system counts as not available.

    Args:
        choosing: the answer only serves to choose the system for `auto`. A plugin that `auto`
            never takes (`Detection.priority` None) need not look then.

    Returns:
        A `Detection`; None from a plugin that is not a batch system and has nothing to check.

    Example:
        if host.which("sbatch") is None:
            return Detection(available=False, reason="sbatch is not on the PATH")
    """


@hookspec
def anybatch_alias() -> Alias | None:
    """What it means to name this plugin as a system, though it is not a batch system.

    Called when a user passes this plugin's name as `--system`. Example: `--system apptainer`
    selects `local` and requires an image.

    Returns:
        An `Alias`. Not implemented, or None: the name cannot be used as a system's.

    Example:
        return Alias(system="slurm", settings={"slurm": {"partition": "short"}})
    """


@hookspec
def anybatch_limits(host: Host, settings: Mapping[str, Any]) -> Limits | None:
    """What the batch system allows jobs with these settings.

    Called when a run is planned, once in a session for each different *settings*.

    Returns:
        `Limits`; None: one job for each submit command, no dependencies of its own.

    Raises:
        CommandError: the system could not be asked; nothing is submitted.

    Example:
        return Limits(array=settings["max_array"] or 1000, dependencies=True)
    """


@hookspec
def anybatch_nodes(host: Host, settings: Mapping[str, Any]) -> Sequence[NodeKind] | None:
    """The nodes that jobs with these settings may run on.

    Called when a run is planned whose jobs ask for more than one core, unless the setting
    `check_resources` is off. A job that none of them can ever run is refused.

    Returns:
        Kinds of nodes; none, or None: not known, and nothing is refused.

    Raises:
        CommandError: the system could not be asked; nothing is refused.

    Example:
        return [NodeKind(queue="short", count=10, cores=16, memory=64 * 2**30)]
    """
