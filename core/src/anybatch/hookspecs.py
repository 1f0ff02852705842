"""The hooks: the whole contract between anybatch and its plugins.

A plugin is a module with functions of these names, each marked with `anybatch.hookimpl`, found
through the entry-point group `anybatch`; the entry point's name is the plugin's name:

    [project.entry-points.anybatch]
    slurm = "anybatch_slurm.plugin"

A plugin that implements `anybatch_submit` is a *batch system*. A call about a job reaches the
plugin of its batch system and all plugins that are no batch system (containers, a site's
defaults, observers), never another batch system. An implementation may leave out parameters
that it does not need.

An implementation that raises, or that answers something else than it should, costs only
itself: the error names the plugin and its distribution, `anybatch systems` lists it, and the
others work on. *settings* is always the plugin's own table, checked, defaults filled in.
*host* is the only door to the outside (see `anybatch.host.Host`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import (
        Alias,
        Change,
        Detection,
        Environment,
        JobStatus,
        Limits,
        Rendered,
        Setting,
        SiteDefault,
        Submission,
        Transfer,
    )

PROJECT = "anybatch"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# -- What is there: asked before any job is known ------------------------------------------


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
def anybatch_detect(host: Host, settings: Mapping[str, Any], auto: bool) -> Detection | None:
    """Are this plugin's tools here, and do they answer?

    Called for every plugin when the system is `auto`, and by `anybatch systems` and `doctor`.
    It may run a few quick commands. Where it raises, the system counts as not available.

    Args:
        auto: only asked to choose the system; one that `auto` never takes need not look.

    Returns:
        A `Detection`; None from a plugin that is no batch system and has nothing to check.

    Example:
        if host.which("sbatch") is None:
            return Detection(available=False, reason="sbatch is not on the PATH")
    """


@hookspec
def anybatch_alias() -> Alias | None:
    """What it means to name this plugin as a system, though it is no batch system.

    Called when a user does: `--system apptainer` is the system `local`, and an image is a must.

    Returns:
        An `Alias`. Not implemented, or None: the plugin's name is no system's.

    Example:
        return Alias(system="slurm", settings={"slurm": {"partition": "short"}})
    """


@hookspec
def anybatch_limits(host: Host, settings: Mapping[str, Any]) -> Limits | None:
    """What the batch system allows. Called once for each run, before it is planned.

    Returns:
        `Limits`; None: one job for each submit command, no dependencies of its own.
    """


# -- From a job to text: pure, nothing is touched -------------------------------------------


@hookspec
def anybatch_expand(
    job: Job, settings: Mapping[str, Any], host: Host, folder: Path
) -> Sequence[Job] | None:
    """The jobs that the batch system makes of one: a grid makes one of each input file.

    Called for each job before anything is planned, for its batch system only. What it gives
    takes the job's place, with its settings completed where they have to be; who runs after the
    job runs after all of them. *host* may be asked what is there.

    Args:
        settings: those of this job.
        folder: where relative paths of the job start.

    Returns:
        Jobs, or None for the job as it is.

    Raises:
        UsageError: the system cannot run such a job; nothing is submitted.
        CommandError: the system has to be asked, and could not be.

    Example:
        return [job] * number_of_files(job, host)
    """


@hookspec
def anybatch_environment(
    job: Job, settings: Mapping[str, Any], host: Host, system: str, folder: Path
) -> Environment | None:
    """What must be set up before the command runs, and what wraps it.

    Called once for all jobs that differ in nothing but command, files and variables, with the
    first of them, for its batch system and all plugins that are no batch system.
    Contributions compose: the batch system's first, then in the order of the plugins' names.
    *host* may be asked what is there, nothing else.

    Args:
        system: the job's batch system.
        folder: where relative paths of the job start.

    Returns:
        An `Environment`, or None for "nothing".

    Raises:
        UsageError: the job cannot run as described; nothing is submitted.
    """


@hookspec
def anybatch_transfer(job: Job, settings: Mapping[str, Any], host: Host) -> Transfer | None:
    """Who moves the files of a job. Called like `anybatch_environment`; the first answer holds.

    It may run a quick command.

    Returns:
        A `Transfer`; None: no opinion. Without any opinion the file system is shared.
    """


@hookspec
def anybatch_render(submission: Submission) -> Rendered:  # type: ignore[empty-body]
    """A submission of 1..N jobs as text: files and the command that submits them.

    Called for the job's batch system, once for each submission (N is at most
    `Limits.array`). Pure: the same submission gives the same text, nothing is touched. The dry
    run shows it, `anybatch_submit` gets it.

    The command that runs the job of task t (1..count) on the worker is
    `/bin/sh SCRIPT NUMBER t RESTARTS`, SCRIPT being `submission.script` and RESTARTS how often
    the system has run the job again by itself (0 where it cannot tell). Where the system sends a
    signal to all processes of a job and not to the script alone, `ab_signalled_all=1` stands in
    the script's environment, so that the command gets it once. Where the plugin answered
    `anybatch_transfer` with `Transfer.SYSTEM`, it runs in the job's scratch folder, and
    `anybatch.planning.transfer_layout` says what goes there and what comes back.

    The files must carry `submission.token` so that `anybatch_find` finds the jobs by it.

    Returns:
        `Rendered`; paths of its files lie in `submission.folder`.

    Raises:
        UsageError: a setting or name cannot be written for this system; nothing is submitted.
    """


# -- Jobs in the batch system ---------------------------------------------------------------


@hookspec
def anybatch_submit(  # type: ignore[empty-body]
    submission: Submission, rendered: Rendered, host: Host
) -> Sequence[str]:
    """Run what was rendered; its files are written already.

    Called once for each submission, after its token was put on record. An error other than
    `Rejected` leaves open whether there are jobs now: the core asks `anybatch_find` before it
    calls again.

    Returns:
        The native ids of the jobs of tasks 1..count, in this order.

    Raises:
        Rejected: the system refused for good (unknown queue, impossible request).
        CommandError: anything else that went wrong.
    """


@hookspec
def anybatch_find(  # type: ignore[empty-body]
    submission: Submission, host: Host
) -> Sequence[str]:
    """The native ids of the jobs that carry this submission's token.

    Called after a submit command that failed, timed out, or whose caller died, before
    anything is submitted again.

    Returns:
        The ids of tasks 1..count, in this order; empty: there are certainly none.

    Raises:
        CommandError: the system could not be asked; nothing is decided then.
    """


@hookspec
def anybatch_status(  # type: ignore[empty-body]
    ids: Sequence[str],
    folders: Mapping[Path, Sequence[str]],
    settings: Mapping[str, Any],
    host: Host,
) -> Mapping[str, JobStatus | None]:
    """What the system says of these jobs: one command, not one for each job.

    Called at every poll with the ids of all jobs whose end is not known yet. Ask the queue
    first and, only for ids that it no longer knows, what keeps finished jobs.

    Args:
        folders: the same ids by the folders of their runs, for systems that keep a log there.

    Returns:
        A status for each id that the system knows. An id that is left out is one that the
        system does not know (any more), which is no verdict. None for an id: nothing can be
        said of it from here, and nothing changes.

    Raises:
        CommandError: the system could not be asked; no job's state changes.
    """


@hookspec
def anybatch_account(  # type: ignore[empty-body]
    ids: Sequence[str],
    folders: Mapping[Path, Sequence[str]],
    settings: Mapping[str, Any],
    host: Host,
) -> Mapping[str, JobStatus]:
    """What accounting tells of jobs that have ended: CPU time, peak memory, host, times.

    Called once when a run has ended. Only the missing facts of an outcome are filled in; the
    verdict stays. Not implemented, or an empty answer: nothing more is known.
    """


@hookspec
def anybatch_terminate(
    ids: Sequence[str],
    folders: Mapping[Path, Sequence[str]],
    signal: str | None,
    settings: Mapping[str, Any],
    host: Host,
) -> None:
    """Stop jobs, or send them a signal: as few commands as the system allows.

    Called when a user asks for it. A job that is gone already is no error.

    Args:
        folders: the same ids by the folders of their runs.
        signal: a name without SIG (`USR1`), sent to the command; None: stop the jobs.

    Raises:
        UsageError: the system cannot send that signal.
        CommandError: the system could not be asked.
    """


# -- Observers -----------------------------------------------------------------------------


@hookspec
def anybatch_job_changed(change: Change) -> None:
    """A job has changed its state. Called in order, in the process that watches the run.

    Keep it short: it runs between two looks at the jobs.
    """
