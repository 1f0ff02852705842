"""Telling by programs: `notify-send`, and commands of the user's."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from anybatch.errors import CommandError, CommandTimeout
from anybatch.host import Command
from anybatch.notifying import message
from anybatch.notifying.errors import Undelivered
from anybatch.notifying.mail import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.host import Host
    from anybatch.notifying.message import End

NOTIFY_SEND = "notify-send"


def show_on_desktop(end: End, host: Host, timeout: float) -> None:
    """Show a notice on the user's desktop.

    Raises:
        Undelivered: `notify-send` is not there, or failed.
    """
    urgency = "normal" if end.done else "critical"
    about = f"run {end.run} on {message.line(end.system)}"
    # What stands between < and > would be markup.
    words = [message.subject(end), about.replace("&", "&amp;").replace("<", "&lt;")]
    _run([NOTIFY_SEND, "--app-name=anybatch", f"--urgency={urgency}", "--", *words], host, timeout)


def run_command(words: Sequence[str], end: End, host: Host, timeout: float) -> None:
    """Run the user's command, with the record on its standard input.

    Raises:
        Undelivered: it could not be started, failed, or took too long.
    """
    env = {
        "ANYBATCH_RUN": end.run,
        "ANYBATCH_RUN_NAME": message.line(end.name),
        "ANYBATCH_RUN_FOLDER": end.folder,
        "ANYBATCH_RUN_SUMMARY": message.summary(end),
        "ANYBATCH_RUN_DONE": "1" if end.done else "0",
    }
    folder = Path(end.folder)
    stdin = json.dumps(message.record(end)) + "\n"
    _run(words, host, timeout, stdin=stdin, env=env, cwd=folder if folder.is_dir() else None)


def _run(
    words: Sequence[str],
    host: Host,
    timeout: float,
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    limit = timedelta(seconds=timeout)
    command = Command(
        words, stdin=stdin, cwd=cwd, timeout=limit, hide_env=(PASSWORD,), env=env or {}
    )
    name = Path(words[0]).name
    try:
        done = host.run(command)
    except CommandTimeout:
        raise Undelivered(f"{name} did not end within {timeout:g} s, and was stopped") from None
    except CommandError:
        raise Undelivered(f"{name} cannot be started; is it installed here?") from None
    except (OSError, ValueError) as error:
        raise Undelivered(f"{name} cannot be started: {type(error).__name__}") from None
    if not done.ok:
        said = message.line(done.stderr or done.stdout)[:200]
        raise Undelivered(f"{name} ended with {done.returncode}{': ' if said else ''}{said}")
