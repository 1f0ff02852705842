"""Jobs to text. Pure: nothing is touched."""

from collections.abc import Iterator, Sequence

from anybatch import UsageError
from anybatch.host import Command
from anybatch.quoting import quote
from anybatch.records import Rendered, RenderedFile, Submission

SCRIPT = """\
#!/bin/sh
ab_nl='
'
exec /bin/sh {script} {number} "$1" 0
"""


def render(submission: Submission) -> Rendered:
    """One script for all tasks, and one command that submits it."""
    path = submission.folder / f"submit-{submission.number}.sh"
    text = SCRIPT.format(script=quote(str(submission.script)), number=submission.number)
    # The token comes first in the job's name, for `anybatch_find`.
    job = (f"{submission.token} {submission.name}", str(submission.count), str(path))
    command = Command(("tinyq", "submit", *_options(submission), *job))
    return Rendered(files=(RenderedFile(path, text, 0o700),), command=command)


def _options(submission: Submission) -> Iterator[str]:
    """What tinyq is told of a job, and `-n`: to run a job again is anybatch's own `retry`."""
    needs, settings = submission.resources, submission.settings
    if needs.nodes > 1 or needs.gpus or needs.disk is not None or needs.exclusive:
        raise UsageError("tinyq: it knows no nodes, GPUs or disks, and no exclusive jobs")
    yield from ("-n", "-o", str(submission.system_log))
    if needs.tasks * needs.cores > 1:
        yield from ("-c", str(needs.tasks * needs.cores))
    if needs.memory is not None:
        yield from ("-m", str(-(-needs.memory // 1024**2)))
    if needs.time is not None:
        yield from ("-t", f"{needs.time.total_seconds():.0f}")
    if needs.queue is not None:
        yield from ("-q", needs.queue)
    if settings["priority"]:
        yield from ("-p", str(settings["priority"]))
    if settings["hold"]:
        yield "-H"


def show(verb: str, jobs: Sequence[str] = ()) -> Command:
    """Asks for the state of jobs in the queue (`list`) or of `past` ones; without any, of all."""
    return Command(("tinyq", verb, *jobs))


def stop(ids: Sequence[str], signal: str | None) -> Command:
    """Stops tasks, or sends them a signal."""
    return Command(("tinyq", "stop", *([f"-{signal}"] if signal else []), *ids))
