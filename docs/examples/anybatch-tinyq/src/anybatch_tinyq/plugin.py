"""The hooks: which command is run when, and what its failure means."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anybatch import Job, UsageError, records
from anybatch.commands import missing_tools, read, refused
from anybatch.errors import CommandFailed, Rejected
from anybatch.records import Batch, JobStatus, Kind, Limits, Rendered, Setting, Submission
from anybatch.system import BatchSystem

from anybatch_tinyq import parse, render

#: What tinyq says of what may pass.
TRANSIENT = re.compile("out of order")


class TinyQ(BatchSystem):
    """The hooks of tinyq."""

    def anybatch_settings(self) -> Sequence[Setting]:
        """Two options of `tinyq submit`."""
        return (
            Setting(name="priority", kind=Kind.INTEGER, default=0, help="From -10 to 10."),
            Setting(name="hold", kind=Kind.FLAG, default=False, help="The job is held."),
        )

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> records.Detection:
        """Available if its command is there. `auto` never chooses it."""
        if missing := missing_tools(self.host, ["tinyq"]):
            return missing
        return records.Detection(available=True, reason="tinyq is on the PATH", priority=None)

    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        """A hundred jobs for each submit command. tinyq knows no dependencies."""
        return Limits(array=100)

    def anybatch_environment(
        self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
    ) -> records.Environment:
        """What tinyq sets belongs to one job."""
        return records.Environment(scrub=("TINYQ_*",))

    def anybatch_render(self, submission: Submission) -> Rendered:
        """See `render`."""
        return render.render(submission)

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """It prints the job's number. The ids are that and the task: 7.1, 7.2, ..."""
        completed = self.host.run(rendered.command)
        job = completed.stdout.strip()
        if completed.ok and job.isdecimal():
            return [f"{job}.{task}" for task in range(1, submission.count + 1)]
        if refused(completed, TRANSIENT):
            raise Rejected(completed.stderr.strip())
        raise CommandFailed(rendered.command, completed)

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The tasks whose job's name begins with the token, in order; past ones, too."""
        labels = read(self.host, render.show("past"), parse.labels)
        labels |= read(self.host, render.show("list"), parse.labels)
        return [name for name, label in labels.items() if label.split(" ")[0] == submission.token]

    def anybatch_status(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """One command for all, and one more for those that are no longer in the queue."""
        jobs = dict.fromkeys(name.partition(".")[0] for batch in batches for name in batch.ids)
        known = read(self.host, render.show("list", list(jobs)), parse.statuses)
        left = jobs.keys() - {name.partition(".")[0] for name in known}
        if left:
            known |= read(self.host, render.show("past", sorted(left)), parse.statuses)
        return [known] * len(batches)

    anybatch_account = anybatch_status  # when past jobs ran; what they used nobody counts

    def anybatch_terminate(self, batches: Sequence[Batch], signal: str | None) -> None:
        """One command for all. That a task is gone is no error."""
        command = render.stop([name for batch in batches for name in batch.ids], signal)
        completed = self.host.run(command)
        lines = completed.stderr.splitlines()
        if "invalid signal" in completed.stderr:
            raise UsageError(f"tinyq: there is no signal {signal!r}")
        gone = lines and all(line.startswith("tinyq: there is no task ") for line in lines)
        if not completed.ok and not gone:
            raise CommandFailed(command, completed)
