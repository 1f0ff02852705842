"""Submissions and questions as text: the request file and the command lines of `local`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anybatch.host import Command
from anybatch.records import Rendered, RenderedFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.records import Submission


def render(submission: Submission) -> Rendered:
    """One request file, handed over by one command, however many jobs there are."""
    path = submission.folder / f"submit-{submission.number}.json"
    text = json.dumps(_request(submission), indent=2) + "\n"
    return Rendered(files=(RenderedFile(path, text),), command=_command("submit", str(path)))


def place(submission: Submission) -> Path:
    """The file that tells on which machine the submit command ran."""
    return submission.folder / f"submit-{submission.number}.host"


def _request(submission: Submission) -> dict[str, Any]:
    """See `anybatch.local.admission.Request`.

    Queue and disk are left out: there is one queue, and nobody shares out the disk.
    """
    needs, settings = submission.resources, submission.settings
    return {
        "token": submission.token,
        "count": submission.count,
        "command": ["/bin/sh", str(submission.script), str(submission.number)],
        "log": str(submission.system_log),
        "nodes": needs.nodes,
        "cores": needs.tasks * needs.cores,
        "gpus": needs.tasks * needs.gpus,
        "memory": needs.memory or 0,
        "exclusive": needs.exclusive,
        "time": needs.time.total_seconds() if needs.time else None,
        "kill_wait": settings["kill_wait"].total_seconds(),
        "max_cores": settings["cores"],
        "max_memory": settings["memory"],
        "after": list(submission.after),
        "max_running": submission.max_running,
        "urgency": submission.urgency,
    }


def check(submission: Submission) -> Command:
    """Asks whether jobs could be submitted."""
    return _command("check", stdin=json.dumps(_request(submission)))


def find(token: str) -> Command:
    """Asks for the jobs that carry *token*."""
    return _command("find", token)


def status(ids: Sequence[str]) -> Command:
    """Asks where jobs are."""
    return _command("status", stdin=json.dumps(list(ids)))


def account(ids: Sequence[str]) -> Command:
    """Asks what jobs used that have ended."""
    return _command("account", stdin=json.dumps(list(ids)))


def terminate(ids: Sequence[str], signal: str | None) -> Command:
    """Stops jobs, or sends them a signal."""
    options = () if signal is None else ("--signal", signal)
    return _command("terminate", *options, stdin=json.dumps(list(ids)))


def throttle(token: str, most: int) -> Command:
    """Has at most so many jobs of a submission run at once."""
    return _command("throttle", token, str(most))


def machine() -> Command:
    """Asks what this machine has."""
    return _command("machine")


def _command(*words: str, stdin: str = "") -> Command:
    # A json.py or queue.py in the user's folder must not be imported instead of Python's own.
    # Python 3.10 does not know the variable, and searches the folder where it is started.
    safe = {"PYTHONSAFEPATH": "1"}
    words = (sys.executable, "-m", "anybatch.local", *words)
    return Command(words, stdin=stdin, env=safe, cwd=Path("/"))
