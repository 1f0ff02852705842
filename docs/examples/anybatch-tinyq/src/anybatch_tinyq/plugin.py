"""The hooks: which command is run when, and what its failure means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anybatch import UsageError
from anybatch.commands import missing_tools, read, run
from anybatch.errors import CommandFailed
from anybatch.records import Batch, Detection, JobStatus, Limits, Rendered, Submission
from anybatch.system import BatchSystem

from anybatch_tinyq import parse, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class TinyQ(BatchSystem):
    """The hooks of tinyq."""

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        """Available if its command is there. `auto` never chooses it."""
        if missing := missing_tools(self.host, ["tinyq"]):
            return missing
        return Detection(available=True, reason="tinyq is on the PATH", priority=None)

    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        """A hundred jobs for each submit command. tinyq knows no dependencies."""
        return Limits(array=100)

    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `render`."""
        return render.render(submission)

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """It prints the job's number. The ids are that and the task: 7.1, 7.2, ..."""
        job = run(self.host, rendered.command).stdout.strip()
        return [f"{job}.{task}" for task in range(1, submission.count + 1)]

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The tasks whose job's name begins with the token, in order."""
        labels = read(self.host, render.show(), parse.labels)
        return [name for name, label in labels.items() if label.split(" ")[0] == submission.token]

    def anybatch_status(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """One command for all. An id that it does not print is not known."""
        jobs = dict.fromkeys(name.partition(".")[0] for batch in batches for name in batch.ids)
        known = read(self.host, render.show(list(jobs)), parse.statuses)
        return [known] * len(batches)

    def anybatch_terminate(self, batches: Sequence[Batch], signal: str | None) -> None:
        """One command for all."""
        ids = [name for batch in batches for name in batch.ids]
        try:
            run(self.host, render.stop(ids, signal))
        except CommandFailed as error:
            if "invalid signal" in error.completed.stderr:
                raise UsageError(f"tinyq: there is no signal {signal!r}") from error
            raise
