"""Who is to be told of a run's end: from what the call and the settings say, checked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from anybatch import arguments
from anybatch.errors import UsageError, did_you_mean, shown
from anybatch.notifying.delivery import missing_for
from anybatch.notifying.request import MOMENTS, Request, read_route
from anybatch.notifying.targets import Channel, Target, read_targets
from anybatch.settings.layers import DEFAULT
from anybatch.settings.schema import CORE

if TYPE_CHECKING:
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.settings.layers import Settings


def read_request(
    settings: Settings,
    host: Host,
    folder: Path,
    given: object = None,
    moment: object = None,
) -> tuple[Request | None, tuple[str, ...]]:
    """Whom to tell, and when; and notes on what is missing here of what settings say.

    Args:
        folder: where relative paths start.
        given: targets as texts; None: as the settings say.
        moment: when; None: as the settings say.

    Raises:
        UsageError: a target is none, or cannot be told from here though the call names it.
    """
    texts = settings.core("notify") if given is None else _texts(given)
    moment = settings.core("notify_on") if moment is None else _moment(moment)
    source = settings.explain(CORE)["notify"].source if given is None else DEFAULT
    where = "" if source == DEFAULT else f" ({'the call' if source == 'call' else source})"
    try:
        targets = [
            _absolute(target, folder, host)
            for target in read_targets(texts, folder, lambda path: _read(path, host))
        ]
    except UsageError as error:
        raise UsageError(f"notify{where}: {error}") from None
    if not targets:
        return None, ()
    route = read_route(settings.core)
    problems = [
        f"notify{where}: {target.shown}: {why}"
        for target in targets
        if (why := missing_for(target, route, host))
    ]
    # A default that holds for all machines of a user must not hinder jobs on one of them.
    if problems and (given is not None or source == "call"):
        raise UsageError("; ".join(problems))
    request = Request(targets=tuple(targets), moment=str(moment), mail=route)
    return request, tuple(f"{problem}; it is tried at the end" for problem in problems)


def _texts(given: object) -> list[str]:
    what = "notify must be a list of texts, such as ['mail:me@example.org']"
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise UsageError(what)
    listed = list(given)
    if not all(isinstance(one, str) for one in listed):
        raise UsageError(what)  # without it: it may hold a secret
    return listed


def _moment(given: object) -> object:
    arguments.must_be(str, given, "notify_on", "'end' or 'failure'")
    if given not in MOMENTS:
        hint = did_you_mean(str(given), MOMENTS)
        raise UsageError(f"notify_on must be 'end' or 'failure', not {shown(given)}{hint}")
    return given


def _absolute(target: Target, folder: Path, host: Host) -> Target:
    """A command by the path of its program: who sees the end may be elsewhere."""
    if target.channel is not Channel.COMMAND:
        return target
    program, *words = target.words
    if "/" in program:
        found: str | None = os.path.normpath(folder / os.path.expanduser(program))
    else:
        found = host.which(program)
    return attrs.evolve(target, words=(os.path.abspath(found) if found else program, *words))


def _read(path: Path, host: Host) -> str:
    """The text of a file with targets, which may name commands.

    Raises:
        UsageError: others could have written it.
        OSError: it cannot be read.
    """
    if why := host.distrust(path):
        raise UsageError(f"{str(path)!r} is not read: {why}")
    return host.read(path)
