"""The hooks: which command is run when, and what its failure means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch import UsageError, hookimpl
from anybatch.errors import CommandFailed
from anybatch.records import Detection, JobStatus, Limits, Rendered, Submission

from anybatch_tinyq import parse, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.host import Command, Host


@hookimpl
def anybatch_detect(host: Host) -> Detection:
    """Here where its command is."""
    if host.which("tinyq") is None:
        return Detection(available=False, reason="tinyq is not on the PATH")
    return Detection(available=True, reason="tinyq is on the PATH", auto=False)


@hookimpl
def anybatch_limits() -> Limits:
    """A hundred jobs for each submit command; no dependencies, so anybatch sees to them."""
    return Limits(array=100)


@hookimpl
def anybatch_render(submission: Submission) -> Rendered:
    """See `render`."""
    return render.render(submission)


@hookimpl
def anybatch_submit(submission: Submission, rendered: Rendered, host: Host) -> Sequence[str]:
    """It prints the job's number; the jobs are that and their tasks: 7.1, 7.2, ..."""
    job = _run(host, rendered.command).strip()
    return [f"{job}.{task}" for task in range(1, submission.count + 1)]


@hookimpl
def anybatch_find(submission: Submission, host: Host) -> Sequence[str]:
    """The tasks whose job's name begins with the token, in order."""
    labels = parse.labels(_run(host, render.show()))
    return [name for name, label in labels.items() if label.split(" ")[0] == submission.token]


@hookimpl
def anybatch_status(ids: Sequence[str], host: Host) -> Mapping[str, JobStatus]:
    """One command for all; what it does not print is not known."""
    jobs = dict.fromkeys(name.partition(".")[0] for name in ids)
    known = parse.statuses(_run(host, render.show(list(jobs))))
    return {name: known[name] for name in ids if name in known}


@hookimpl
def anybatch_terminate(ids: Sequence[str], signal: str | None, host: Host) -> None:
    """One command for all."""
    try:
        _run(host, render.stop(ids, signal))
    except CommandFailed as error:
        if "invalid signal" in error.completed.stderr:
            raise UsageError(f"tinyq: there is no signal {signal!r}") from error
        raise


def _run(host: Host, command: Command) -> str:
    completed = host.run(command)
    if not completed.ok:
        raise CommandFailed(command, completed)
    return completed.stdout
