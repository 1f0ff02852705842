"""The hooks: the whole contract between anybatch and its plugins.

A plugin is found through the entry-point group `anybatch`; the entry point's name is the plugin's
name. Its value is a class, which is made once for each session with the session's host:

    [project.entry-points.anybatch]
    slurm = "anybatch_slurm.plugin:Slurm"

`anybatch.system` has base classes whose methods are these hooks, typed: `BatchSystem`, and
`Plugin` for what is not a batch system (containers, a site's defaults, observers). A plugin
without state may be a plain module instead, with functions of these names, each marked with
`anybatch.hookimpl`. Functions get *host* as a parameter, objects have it. Either may leave out
parameters that it does not need.

A plugin that implements `anybatch_submit` is a *batch system*. A call about a job reaches the
plugin of its batch system and all plugins that are not a batch system, never another batch system.

A hook that raises anything but `AnybatchError`, that answers something else than it should, or
that does not answer for a minute without running a command, is the plugin's fault. It costs only
that plugin: the error names the plugin and its distribution, `anybatch systems` lists it, and the
others work on. *settings* is always the plugin's own table, checked, defaults filled in. *host* is
the only door to the outside (see `anybatch.host.Host`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch.discovery_hooks import (
    PROJECT,
    anybatch_alias,
    anybatch_detect,
    anybatch_limits,
    anybatch_nodes,
    anybatch_settings,
    hookimpl,
    hookspec,
)
from anybatch.question_hooks import anybatch_analyze, anybatch_check

__all__ = [
    "PROJECT",
    "anybatch_alias",
    "anybatch_analyze",
    "anybatch_check",
    "anybatch_detect",
    "anybatch_limits",
    "anybatch_nodes",
    "anybatch_settings",
    "hookimpl",
    "hookspec",
]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import (
        Batch,
        Change,
        Environment,
        JobStatus,
        Rendered,
        Submission,
        Transfer,
        Unreachable,
    )

# -- From a job to text: the host may be asked what is there, nothing is changed -----------


@hookspec
def anybatch_expand(
    job: Job, settings: Mapping[str, Any], host: Host, base_dir: Path
) -> Sequence[Job] | None:
    """The jobs that the batch system makes of one job. Example: a grid makes one of each file.

    Called for each job before anything is planned, for its batch system only. The answer takes
    the job's place. A job that waits for the original job waits for all of them.

    Args:
        settings: those of this job.
        base_dir: where relative paths of the job start.

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
    job: Job, settings: Mapping[str, Any], host: Host, system: str, base_dir: Path
) -> Environment | None:
    """What must be set up before the command runs, and what wraps it.

    Called once for all jobs that differ only in command, files and variables, with the first of
    them, for its batch system and all plugins that are not a batch system. Contributions are
    merged: the batch system's first, then in the order of the plugins' names.

    Args:
        system: the job's batch system.
        base_dir: where relative paths of the job start.

    Returns:
        An `Environment`, or None for "nothing".

    Raises:
        UsageError: the job cannot run as described; nothing is submitted.

    Example:
        return Environment(scrub=("SLURM_*",), keep=("SLURM_CONF",))
    """


@hookspec
def anybatch_transfer(job: Job, settings: Mapping[str, Any], host: Host) -> Transfer | None:
    """Who moves the files of a job. Called like `anybatch_environment`; the first answer holds.

    Returns:
        A `Transfer`; None: no opinion. Without any opinion the file system is shared.

    Raises:
        CommandError: the system has to be asked, and could not be; nothing is submitted.

    Example:
        return Transfer.SYSTEM if settings["transfer"] == "native" else None
    """


@hookspec
def anybatch_render(submission: Submission) -> Rendered:  # type: ignore[empty-body]
    """A submission of 1..N jobs as text: files and the command that submits them.

    Called for the job's batch system when a run is planned, once for each submission (N is at
    most `Limits.array`), and again before it is submitted. Pure: the same submission gives the
    same text, and nothing is touched. The dry run shows it, `anybatch_submit` gets it.

    The command that runs the job of task t (1..count) on the worker is
    `/bin/sh SCRIPT NUMBER t RESTARTS`, SCRIPT being `submission.script` and RESTARTS how often
    the system has run the job again by itself (0 where it cannot tell). Where the system sends a
    signal to all processes of a job and not to the script alone, `ab_signalled_all=1` stands in
    the script's environment, so that the command gets it once. Where the plugin answered
    `anybatch_transfer` with `Transfer.SYSTEM`, it runs in the job's scratch folder, and
    `anybatch.transfer` says what goes there and what comes back. Where nothing comes back of a
    job that exceeds its time limit, a pack (`Submission.pack`) is told that limit in seconds as
    `ab_time_limit` in the script's environment: it stops before, with exit code 124.

    That command ends with the exit status of the job's command. Where a system takes some exit
    statuses as orders (Grid Engine: 99 runs the job again), the plugin has to change them.

    The jobs must carry `submission.token` so that `anybatch_find` finds them by it.

    Returns:
        `Rendered`; paths of its files lie in `submission.folder`.

    Raises:
        UsageError: a setting or name cannot be written for this system; nothing is submitted.

    Example:
        script = RenderedFile(submission.folder / f"submit-{submission.number}.sh", text)
        return Rendered(files=(script,), command=Command(("qsub", str(script.path))))
    """


# -- Jobs in the batch system ---------------------------------------------------------------


@hookspec
def anybatch_submit(  # type: ignore[empty-body]
    submission: Submission, rendered: Rendered, host: Host
) -> Sequence[str]:
    """Run what was rendered; its files are written already.

    Called once for each submission, after its token was put on record. Another error than those
    below leaves open whether there are jobs: `anybatch_find` is then called before this again.

    Returns:
        The native ids of tasks 1..count, in order; `commands.Submitted` adds notices to users.

    Raises:
        Rejected: the system refused for good (unknown queue, impossible request).
        NoRoom: it certainly took nothing: a limit on the number of jobs. Fewer of them are tried.
        NotSubmitted: it certainly took nothing, and may take the same later.
        CommandError: anything else that went wrong.

    Example:
        completed = host.run(rendered.command)
        return [f"{parse.job_number(completed.stdout)}.{task}" for task in range(1, count + 1)]
    """


@hookspec
def anybatch_find(  # type: ignore[empty-body]
    submission: Submission, host: Host
) -> Sequence[str]:
    """The native ids of the jobs that carry this submission's token.

    Called after a submit command that failed, timed out, or whose caller died, before anything is
    submitted again. An empty answer is believed when it holds for `Limits.late_arrival`.

    Returns:
        The ids of tasks 1..count, in this order, also of jobs that have ended; empty: the system
        knows none.

    Raises:
        CommandError: the system could not be asked; nothing is decided then.
    """


@hookspec
def anybatch_status(  # type: ignore[empty-body]
    batches: Sequence[Batch], host: Host
) -> Sequence[Mapping[str, JobStatus | Unreachable]]:
    """What the system says of jobs that were submitted: one command, not one for each job.

    Called at every poll with all jobs of all runs whose end is not known yet, as batches: a
    submission together with the ids that are asked about. What a job was submitted with (settings,
    folder, limits) is in its batch. Group batches by what decides whom to ask (a cluster, a
    server). Ask the queue first and, only for ids it no longer knows, what keeps ended jobs. What
    this takes lengthens the pause until the next poll.

    Returns:
        A mapping for each batch, in their order: a status for each of its ids that the system
        knows, and `Unreachable` with the reason for those of which nothing can be said from here.
        An id that is left out is one that the system, asked where the job is, does not know (any
        more), which is not a verdict. Ids that are not of the batch are ignored.

    Raises:
        CommandError: the system could not be asked; no job's state changes.

    Example:
        statuses = parse.queue(ask(native for batch in batches for native in batch.ids))
        return [statuses] * len(batches)
    """


@hookspec
def anybatch_account(  # type: ignore[empty-body]
    batches: Sequence[Batch], host: Host
) -> Sequence[Mapping[str, JobStatus]]:
    """What accounting tells of jobs that have ended: CPU time, peak memory, host, times.

    Called once when a run has ended. Only missing facts are filled in; the verdict stays.

    Returns:
        Like `anybatch_status`. Not implemented, or None: nothing more is known.

    Raises:
        CommandError: the system could not be asked; the outcomes stay as they are.
    """


@hookspec
def anybatch_terminate(
    batches: Sequence[Batch], signal: str | None, host: Host
) -> Sequence[Mapping[str, str | Unreachable]] | None:
    """Stop jobs, or send them a signal: as few commands as the system allows.

    A job that is gone already is no error. The core calls a job `terminated` that ends after it was
    told to stop. Called when a user asks for it, and again for jobs that were `Unreachable` then.

    Args:
        batches: the jobs, as in `anybatch_status`.
        signal: a name without SIG (`USR1`), sent to the command; None: stop the jobs.

    Returns:
        A mapping for each batch, in their order: for ids that were not told to stop the text of
        a refusal, or `Unreachable`, which is tried again. None: it accepted all.

    Raises:
        UsageError: the system cannot send that signal; nothing was sent.
        CommandError: the system could not be asked.
    """


@hookspec
def anybatch_throttle(batch: Batch, most: int, host: Host) -> bool:  # type: ignore[empty-body]
    """Change how many jobs of a submission run at once.

    Called where `Limits.max_running`, when a user changes the limit of a run, and when jobs of
    the run's other submissions have ended. What runs already runs on.

    Args:
        batch: the submission, with the ids of its jobs that have not ended.
        most: so many may run at once from now on; 1 or more.

    Returns:
        Whether that holds. Not implemented, or False: it cannot be changed for these jobs.

    Raises:
        CommandError: the system could not be told; it is told again later.

    Example:
        commands.run(host, Command(("qalter", "-tc", str(most), job_of(batch))))
        return True
    """


# -- Observers -----------------------------------------------------------------------------


@hookspec
def anybatch_job_changed(change: Change, settings: Mapping[str, Any], host: Host) -> None:
    """A job has changed its state.

    Called for every change in order, in a thread of its own of each process that watches the
    run. Two processes that watch one run both call it.
    """
