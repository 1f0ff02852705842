"""`rerun`: jobs that have ended, once more, in the same run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import attrs
import click

from anybatch.cli.attend import not_submitted
from anybatch.cli.base import INTERRUPTED, Command, json_option, print_json, say
from anybatch.cli.failures import tell_failures
from anybatch.cli.interrupts import defer_interrupt
from anybatch.cli.options import (
    read_assignments,
    resource_options,
    set_option,
    urgency_option,
)
from anybatch.cli.params import complete_run
from anybatch.cli.report import print_rerun, rerun_record, run_record
from anybatch.cli.waiting import await_jobs, resume_hint
from anybatch.counts import count_jobs
from anybatch.model import Resources, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.catalogue import Chosen
    from anybatch.outcome import Outcome
    from anybatch.run import Run
    from anybatch.session import Session

_STATES = [state.value for state in State if state.final]


@click.command(
    cls=Command,
    examples="""\
anybatch rerun 20261120-094725-64a26d
anybatch rerun 20261120-094725-64a26d:1-3,7 --memory 8GiB --time 12h --wait
anybatch rerun 20261120-094725-64a26d --state lost --dry-run""",
    exits={
        0: "the jobs are run again, if there are any; with --wait: all of them are done",
        1: "with --wait: at least one job is not done; or the run or its system cannot be asked",
        2: "no such run, or what is wanted cannot be; nothing was submitted",
        INTERRUPTED: "Ctrl-C or SIGTERM; the jobs continue",
    },
)
@click.argument(
    "names", metavar="RUN[:JOBS]...", nargs=-1, required=True, shell_complete=complete_run
)
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Only jobs in this state (default: failed and terminated). What is lost may still run. "
    "Repeatable.",
)
@click.option("--all", "everything", is_flag=True, help="Also the jobs that are done or lost.")
@resource_options
@urgency_option
@set_option
@click.option("--wait", is_flag=True, help="Wait until the jobs have ended.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be submitted, and do nothing.")
@json_option
def rerun(
    names: tuple[str, ...],
    states: tuple[str, ...],
    everything: bool,
    assignments: tuple[str, ...],
    wait: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Run jobs again that have ended, in the same run.

    RUN and JOBS are as for `status`: RUN:3, RUN:1-3,7, RUN:lost, RUN:NAME=VALUE; @ is the last run.

    By default those that failed or were terminated, also because a job that they depend on was not
    done. They keep index, command, files and labels; ANYBATCH_ATTEMPT grows, and each attempt has
    logs of its own. Resources, urgency and settings of the batch system can be changed.
    """
    from anybatch.cli.progress import progress
    from anybatch.session import Session

    with progress() as shown, Session(on_notice=shown.say) as session:
        changes: dict[str, Any] = {
            "states": tuple(_STATES) if everything else states or None,
            "resources": {
                name: given[name]
                for name in attrs.fields_dict(Resources)
                if given[name] is not None
            },
            "settings": read_assignments(assignments, session),
            "urgency": given["urgency"],
        }
        chosen = session.select(*names)
        if dry_run:
            _show(session, chosen, changes, as_json=as_json)
            return
        with defer_interrupt() as late:
            for one in chosen:
                count = one.run.rerun(one.indices if one.named else None, **changes)
                what = f"rerunning {count_jobs(count)}" if count else _nothing(one.run)
                shown.say(f"run {one.run.id}: {what}")
        outcomes: list[Outcome] | None = []
        try:
            late.deliver()
            if wait:
                outcomes = await_jobs(session, chosen, shown)
        except KeyboardInterrupt:
            shown.say(resume_hint([one.run for one in chosen if not one.run.finished]))
            outcomes = None
        if as_json:
            print_json([run_record(one.run) for one in chosen])
        for run in (one.run for one in chosen):
            if run.unattended and not wait:
                say(not_submitted(run))
    if outcomes is None:
        sys.exit(INTERRUPTED)
    tell_failures(outcomes)
    broken = any(one.run.broken for one in chosen)
    sys.exit(int(broken or any(not outcome.done for outcome in outcomes)))


def _nothing(run: Run) -> str:
    counts = ", ".join(f"{number} {state.value}" for state, number in run.counts.items())
    return f"nothing to rerun ({counts})"


def _show(
    session: Session, chosen: Sequence[Chosen], changes: dict[str, Any], *, as_json: bool
) -> None:
    records = []
    for one in chosen:
        made = one.run.plan_rerun(one.indices if one.named else None, **changes)
        for note in made.notes:
            say(f"run {one.run.id}: {note}")
        planned = [further.planned for further in made.submissions]
        rendered = [session.hooks.render(one.run.system, p.submission) for p in planned]
        records.append(rerun_record(one.run, made, rendered))
        if not as_json:
            print_rerun(one.run, made, rendered)
    if as_json:
        print_json(records)
