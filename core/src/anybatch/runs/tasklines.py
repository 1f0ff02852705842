"""A job's command and working folder, read again from its line in a task file."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

import attrs

from anybatch.quoting import RUN_FOLDER, unquote_words
from anybatch.records import Transfer
from anybatch.worker.tasks import read_line

if TYPE_CHECKING:
    from anybatch.host import Host
    from anybatch.runs.state import RunState

_WORKDIR = "ab_workdir="
_MOST_TEXT = 2000  #: characters of a command that was given as text


@attrs.frozen(kw_only=True)
class Task:
    """A job's command and working folder, for people.

    Attributes:
        command: its words as they are typed, or its text if it was given as text.
        workdir: the working folder; None: on the worker, or not known.
    """

    command: str | None = None
    workdir: str | None = None


def read_task(run: RunState, index: int, host: Host) -> Task:
    """What is on record of a job; nothing where its files cannot be read."""
    job = run.jobs[index]
    planned = run.submissions[job.submission].planned
    values = {"ab_index": str(index), "ab_nl": "\n", "ab_run": RUN_FOLDER}
    with contextlib.suppress(OSError, LookupError, ValueError):
        task = planned.indices.index(index) + 1
        line = read_line(host, run.folder, planned.submission.number, task)
        words = unquote_words(line, values)
        start = next((i for i in range(len(words)) if words[i : i + 2] == ["set", "--"]), None)
        if start is None:
            return Task()
        command = _command(words[start + 2 :], run, host)
        if planned.submission.transfer is Transfer.SYSTEM:
            return Task(command=command)
        shared = host.read(run.folder / "job.sh", own=True).partition("\n}\n")[0].split("\n")
        lines = [line.strip() for line in shared if line.strip().startswith(_WORKDIR)]
        own = [word for word in words[:start] if word.startswith(_WORKDIR)]
        found = own or [word for line in lines for word in unquote_words(line, values)][:1]
        workdir = found[0].removeprefix(_WORKDIR).removesuffix(";") if found else None
        return Task(command=command, workdir=workdir)
    return Task()


def _command(words: list[str], run: RunState, host: Host) -> str:
    script = words[-1]
    if len(words) <= 2 and script.startswith(f"{RUN_FOLDER}/"):
        text = host.read(run.folder / script.removeprefix(f"{RUN_FOLDER}/"), own=True)
        return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} ..."
    return shlex.join(words)
