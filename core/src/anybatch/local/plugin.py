"""The hooks of `local`.

Without `anybatch_environment` and `anybatch_transfer`: its jobs inherit nothing and share the
file system. Without `anybatch_account`: the status of a job that has ended holds all there is.
"""

from __future__ import annotations

import signal as signals
from typing import TYPE_CHECKING, Any, TypeVar

from anybatch.errors import CommandError, CommandFailed, UsageError, did_you_mean
from anybatch.hookspecs import hookimpl
from anybatch.local import parse, render
from anybatch.local.settings import SETTINGS
from anybatch.records import Detection, JobStatus, Limits, Rendered, Setting, Submission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anybatch.host import Command, Completed, Host

Answer = TypeVar("Answer")


@hookimpl
def anybatch_settings() -> Sequence[Setting]:
    """Limits on cores and memory, and the patience with jobs that are to end."""
    return SETTINGS


@hookimpl
def anybatch_detect(host: Host, settings: Mapping[str, Any]) -> Detection:
    """Here, unless its own command says why not."""
    completed = host.run(render.machine())
    if not completed.ok:
        return Detection(available=False, reason=completed.stderr.strip(), priority=0)
    return parse.detection(completed.stdout, settings)


@hookimpl
def anybatch_limits() -> Limits:
    """All jobs of a run in one request; the supervisor knows dependencies."""
    return Limits(array=100_000, dependencies=True)


@hookimpl
def anybatch_render(submission: Submission) -> Rendered:
    """A request file and the command that hands it over."""
    return render.render(submission)


@hookimpl
def anybatch_submit(submission: Submission, rendered: Rendered, host: Host) -> Sequence[str]:
    """The supervisor answers with the same ids when it has the token already."""
    host.write(render.place(submission), host.name)
    return _ask(host, rendered.command, parse.ids)


@hookimpl
def anybatch_find(submission: Submission, host: Host) -> Sequence[str]:
    """The supervisor knows all tokens of its machine."""
    command = render.find(submission.token)
    try:
        place = host.read(render.place(submission))
    except FileNotFoundError:
        return ()  # no submit command ever ran
    if place != host.name:
        raise CommandError(command, _elsewhere("the submission", place, host))
    return _ask(host, command, parse.ids)


@hookimpl
def anybatch_status(ids: Sequence[str], host: Host) -> Mapping[str, JobStatus | None]:
    """One question, however many jobs; about those of another machine nothing can be said."""
    strangers = set(parse.strangers(ids, host.name))
    own = [native for native in ids if native not in strangers]
    answers = _ask(host, render.status(own), parse.statuses) if own else {}
    return {**dict.fromkeys(strangers), **answers}


@hookimpl
def anybatch_terminate(ids: Sequence[str], signal: str | None, host: Host) -> None:
    """TERM, then KILL, or just the signal, to the process groups of the jobs."""
    known = [name.removeprefix("SIG") for name in signals.Signals.__members__]
    if signal is not None and signal not in known:
        raise UsageError(f"there is no signal {signal!r}{did_you_mean(signal, known)}")
    _run(host, _about(ids, host, render.terminate(ids, signal)))


def _about(ids: Sequence[str], host: Host, command: Command) -> Command:
    """*command*, if it can be answered here: home folders are shared, supervisors are not."""
    if strangers := parse.strangers(ids, host.name):
        place = parse.machine_of(strangers[0])
        raise CommandError(command, _elsewhere(f"job {strangers[0]}", place, host))
    return command


def _elsewhere(what: str, place: str, host: Host) -> str:
    return f"{what} belongs to {place}, and only there it is known; this is {host.name}"


def _run(host: Host, command: Command) -> Completed:
    completed = host.run(command)
    if not completed.ok:
        raise CommandFailed(command, completed)
    return completed


def _ask(host: Host, command: Command, read: Callable[[str], Answer]) -> Answer:
    completed = _run(host, command)
    try:
        return read(completed.stdout)
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(command, completed, "the answer makes no sense") from error
