"""`run`, `submit` and `render`: jobs from the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from anybatch.cli.asking import checks_record, submit_jobs
from anybatch.cli.attend import attend, not_submitted
from anybatch.cli.base import INTERRUPTED, Command, echo_exact, print_json, say
from anybatch.cli.failures import tell_failures
from anybatch.cli.interrupts import defer_interrupt
from anybatch.cli.limit import limits_of
from anybatch.cli.notices import FirstLine, warn_of_input
from anybatch.cli.notify_options import say_who_looks, wish_of
from anybatch.cli.options import CONTEXT, job_options, prepare
from anybatch.cli.pack_options import pack_of
from anybatch.cli.report import plan_record, print_plan, run_record
from anybatch.cli.streaming import Output
from anybatch.cli.waiting import await_run, effect, resume_hint, tell_some
from anybatch.job_tables import write_toml
from anybatch.model import Jobs, Reason, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.cli.interrupts import DeferredInterrupt
    from anybatch.cli.progress import Progress
    from anybatch.model import Job
    from anybatch.outcome import Outcome
    from anybatch.run import Run
    from anybatch.session import Session


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples="""\
anybatch run -- python fit.py 7
anybatch run --cores 4 --memory 2GiB --time 1h30m -- ./simulate --events 1000
anybatch run --each samples.txt -- python fit.py --input {}""",
    exits={
        0: "all jobs are done",
        1: "a job failed; for a single job, its own exit code (128+N if killed by signal N)",
        INTERRUPTED: "Ctrl-C or SIGTERM; the jobs continue",
    },
)
@click.option(
    "--terminate-on-interrupt",
    is_flag=True,
    help="Stop the jobs on Ctrl-C or SIGTERM. Without this option they continue.",
)
@job_options
def run(terminate_on_interrupt: bool, as_json: bool, **given: Any) -> None:
    """Submit jobs, wait for them, and exit with their status.

    The output of a single job is printed while it runs, or when it ends if the batch system moves
    its files. With several jobs, the location of their logs is printed instead. After Ctrl-C the
    jobs continue.
    """
    from anybatch.cli.progress import progress

    with progress() as shown, FirstLine(shown.say) as line:
        session, jobs = prepare(given, line.notice)
        warn_of_input(given, jobs[0], line.notice)
        with session:
            with defer_interrupt() as late:
                submitted = submit_jobs(session, jobs, given["ask"], line.notice, **_how(given))
                line.announce(given, session, submitted)
            alone = len(submitted) == 1 and not as_json
            output = Output(submitted, jobs[0], shown) if alone else None
            outcomes = _await(session, submitted, shown, late, output, terminate_on_interrupt)
            if as_json:
                print_json(run_record(submitted))
            elif output is None and outcomes:
                say(_where_logs_are(submitted, jobs[0]))
            tell_failures(outcomes or [], quote=output is None)
    sys.exit(INTERRUPTED if outcomes is None else _exit_code(outcomes))


def _how(given: Mapping[str, Any]) -> dict[str, Any]:
    """How the jobs are submitted, beside what each of them is."""
    return {"pack": pack_of(given), **limits_of(given), **wish_of(given)}


def _await(
    session: Session,
    run: Run,
    shown: Progress,
    late: DeferredInterrupt,
    output: Output | None,
    stop: bool,
) -> list[Outcome] | None:
    """The outcomes; None after Ctrl-C, which leaves the jobs alone or stops them."""
    try:
        late.deliver()
        outcomes = await_run(session, run, shown, output.look if output else lambda: None)
        if output is not None:
            output.finish()
        return outcomes
    except KeyboardInterrupt:
        if not stop:
            shown.say(resume_hint([run]))
        else:
            came = run.try_to_terminate()
            shown.say(f"run {run.id}: {effect(came, None)}")
            tell_some([f"run {run.id}: {why}" for why in (*came.refused, *came.unreached)])
            await_run(session, run, shown)
        return None


def _where_logs_are(run: Run, job: Job) -> str:
    places = dict.fromkeys(str(path or run.folder / "logs") for path in (job.stdout, job.stderr))
    return f"logs: {' and '.join(places)} (to print one: anybatch logs {run.id}:INDEX)"


def _exit_code(outcomes: Sequence[Outcome]) -> int:
    if not outcomes:
        return 1  # the run cannot be watched any more, as was told
    if len(outcomes) > 1 or outcomes[0].done:
        return int(any(not outcome.done for outcome in outcomes))
    return _failed_like(outcomes[0])


def _failed_like(outcome: Outcome) -> int:
    """The exit code of a program that ended like the job."""
    if outcome.state is State.FAILED and outcome.signal:
        return 128 + outcome.signal
    return outcome.exit_code or 1 if outcome.reason is Reason.EXIT_CODE else 1


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples="""\
anybatch submit -- python fit.py 7
anybatch wait $(anybatch submit --count 100 -- ./simulate)
anybatch submit --after 20261120-094725-64a26d -- ./merge""",
    exits={
        0: "the jobs were submitted, or recorded for `anybatch wait` to submit",
        1: "the batch system refused a job, or --watch could not begin to watch",
    },
)
@click.option(
    "--watch",
    "attended",
    is_flag=True,
    help="Have your runs watched in the background, as `anybatch watch --daemon` does.",
)
@job_options
def submit(attended: bool, as_json: bool, **given: Any) -> None:
    """Submit jobs, print the run ID, and return at once."""
    with FirstLine(say) as line:
        session, jobs = prepare(given, line.notice)
        warn_of_input(given, jobs[0], line.notice)
        with session:
            with defer_interrupt() as late:
                submitted = submit_jobs(session, jobs, given["ask"], line.notice, **_how(given))
                line.announce(given, session, submitted)
                if as_json:
                    print_json(run_record(submitted))
                else:
                    click.echo(submitted.id)
            late.deliver()
            refused = [outcome for outcome in submitted.outcomes if outcome]
            if submitted.unattended and not attended:
                say(not_submitted(submitted))
            elif not attended:
                say_who_looks(submitted)
    watched = not attended or attend()
    tell_failures(refused)
    sys.exit(int(bool(refused) or not watched))


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples="""\
anybatch render --cores 4 -- python fit.py 7
anybatch render --system slurm --count 100 -- ./simulate""",
)
@click.option(
    "--job-file",
    "as_job_file",
    is_flag=True,
    help="Print the job as a file for --job instead, in TOML; with --json in JSON.",
)
@job_options
def render(as_json: bool, as_job_file: bool, **given: Any) -> None:
    """Show what `submit` would do, without doing it.

    Prints every file that would be written and every command that would be run.
    """
    session, jobs = prepare(given, say)
    if as_job_file:
        table = _template(jobs).to_dict()
        if as_json:
            print_json(table)
        else:
            echo_exact(write_toml(table), nl=False)
        return
    plan = session.plan(jobs, **_how(given))
    checked = session.check(plan) if given["ask"] else None
    rendered = [session.hooks.render(plan.system, one.submission) for one in plan.submissions]
    for note in (*plan.notes, *map(str, checked or ())):
        say(note)
    if as_json:
        print_json({**plan_record(plan, rendered), **checks_record(checked)})
    else:
        print_plan(plan, rendered)


def _template(jobs: Sequence[Job]) -> Job:
    """The one job that many are made of."""
    return jobs.job if isinstance(jobs, Jobs) else jobs[0]
