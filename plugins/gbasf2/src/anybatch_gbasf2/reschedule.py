"""Running grid jobs again: one gb2_job_reschedule, of which each job is told once.

The plan is written down before the command runs, because gb2_job_reschedule prints nothing by
which its effect could be found. `reschedule-N.json` in the run's folder holds the new ids, and when
the grid changed each job last.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.errors import CommandError, CommandFailed, Rejected
from anybatch.host import Command

from anybatch_gbasf2 import parse
from anybatch_gbasf2.job_ids import read_native_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.records import Submission

    from anybatch_gbasf2.client import Client
    from anybatch_gbasf2.project import Project

_NOT_ASKED = ("proxy", "voms", "connect", "timed out", "timeout", "traceback")


def run(submission: Submission, command: Command, client: Client, project: Project) -> list[str]:
    """Have jobs run again, after what is known of them was written down.

    Returns:
        Their new ids.

    Raises:
        Rejected: the grid does not reschedule them.
        CommandError: it is not known whether it did.
    """
    path, host = _plan_path(submission), client.host
    if host.exists(path):
        plan, before = _from_now(json.loads(host.read(path))), True
    else:
        plan, before = _plan(submission, client, project), False
    host.write(path, json.dumps(plan))
    completed = client.run(command)
    said = f"{completed.stdout}\n{completed.stderr}".lower()
    if completed.ok and "error" not in said:
        return list(plan["native_ids"])
    if any(word in said for word in _NOT_ASKED):
        raise CommandFailed(command, completed)
    if before:
        return list(plan["native_ids"])  # refused, because the first time had an effect
    raise Rejected(f"the jobs cannot be rescheduled: {said.strip()}")


def find(submission: Submission, client: Client, project: Project) -> list[str]:
    """The new ids, where the grid shows that jobs were rescheduled; empty: it does not."""
    path, host = _plan_path(submission), client.host
    if not host.exists(path):
        return []
    plan = json.loads(host.read(path))
    known = client.jobs(project.user, [project.name]).get(project.name, {})
    moved = any(
        known[int(i)].changed != seen for i, seen in plan["seen"].items() if int(i) in known
    )
    return list(plan["native_ids"]) if moved else []


def tried(submission: Submission, host: Host) -> float:
    """When it was begun before, in seconds since 1970; 0: now for the first time."""
    path = submission.folder / f"tried-{submission.number}"
    if host.exists(path):
        return float(host.read(path))
    host.write(path, f"{time.time()}\n")
    return 0.0


def _plan(submission: Submission, client: Client, project: Project) -> dict[str, Any]:
    """The new ids, and the time of the last change of each grid job that has failed."""
    known = client.jobs(project.user, [project.name]).get(project.name, {})
    native_ids, seen, at = [], {}, int(time.time())
    for native_id in map(read_native_id, submission.previous_ids):
        failed = [job for job in native_id.own(known) if job.status != "Done"]
        if not failed:
            text = f"project {project.name} has no job to be rescheduled for {native_id}"
            before = tried(submission, client.host)
            if not native_id.own(known) and (not before or time.time() - before < parse.SETTLE):
                raise CommandError(Command(("gb2_job_status", "-p", project.name)), text)
            raise Rejected(text)
        seen.update({str(job.id): job.changed for job in failed})
        latest = max(job.changed for job in failed)
        native_ids.append(str(attrs.evolve(native_id, seen=latest, at=at)))
    return {"native_ids": native_ids, "seen": seen}


def _from_now(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan that is carried out only now: the grid shows the failures for a while from now on."""
    at = int(time.time())
    native_ids = [str(attrs.evolve(read_native_id(name), at=at)) for name in plan["native_ids"]]
    return {**plan, "native_ids": native_ids}


def _plan_path(submission: Submission) -> Path:
    return submission.folder / f"reschedule-{submission.number}.json"
