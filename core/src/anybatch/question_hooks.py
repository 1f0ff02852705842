"""The hooks that users' own questions lead to: would jobs be taken, and why does one wait?

Part of the contract in `anybatch.hookspecs`, which has all hooks; plugins import that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.discovery_hooks import hookspec

if TYPE_CHECKING:
    from anybatch.host import Host
    from anybatch.records import Batch, Rendered, Submission

# -- Questions of users: nothing is changed -------------------------------------------------


@hookspec
def anybatch_check(submission: Submission, rendered: Rendered, host: Host) -> str | None:
    """Would the system take a submission, and when would its jobs start? Nothing is submitted.

    Called when a user asks for it (`--check`), once for submissions that are alike. The run's
    folder is not there yet, and the files of *rendered* are not written: give their texts to the
    command on its standard input. `submission.after` is empty.

    Returns:
        What the system says, for users; empty: it would take them, and says no more. Not
        implemented, or None: it has no such question, which users are told.

    Raises:
        Rejected: it would refuse them for good, in its words and with what to do.
        CommandError, NotSubmitted: it could not be asked; users are told, and nothing is refused.

    Example:
        completed = host.run(Command(("sbatch", "--test-only"), stdin=rendered.files[0].text))
    """


@hookspec
def anybatch_analyze(batch: Batch, host: Host) -> str | None:
    """Why one queued job has not started, where that takes a question of its own.

    Called when a user looks at a single job that waits, beside `anybatch_status`, whose
    `JobStatus.message` has what can be had of all jobs together.

    Args:
        batch: the submission, with the id of the job.

    Returns:
        What keeps it from starting, and what would have to change, for users. Not implemented,
        or None: nothing more is known.

    Raises:
        CommandError: the system could not be asked.
    """
