"""The batch system `local`: this machine.

Without `anybatch_environment` and `anybatch_transfer`: its jobs inherit nothing and share the
file system.
"""

from __future__ import annotations

import signal as signals
from functools import partial
from typing import TYPE_CHECKING, Any

from anybatch.commands import read, run
from anybatch.errors import CommandError, UsageError, did_you_mean
from anybatch.local import parse, render
from anybatch.local.settings import SETTINGS
from anybatch.records import Detection, Limits, Unreachable
from anybatch.system import BatchSystem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.nodes import NodeKind
    from anybatch.records import Batch, JobStatus, Rendered, Setting, Submission


class Local(BatchSystem):
    """The hooks of `local`."""

    def anybatch_settings(self) -> Sequence[Setting]:
        """Limits on cores and memory, and the patience with jobs that are to end."""
        return SETTINGS

    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        """Here, unless its own command says why not."""
        completed = self.host.run(render.machine())
        if not completed.ok:
            return Detection(available=False, reason=completed.stderr.strip(), priority=0)
        return parse.detection(completed.stdout, settings)

    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        """All jobs of a run in one request; the supervisor knows dependencies."""
        return Limits(array=100_000, dependencies=True, max_running=True, urgency=True)

    def anybatch_nodes(self, settings: Mapping[str, Any]) -> Sequence[NodeKind]:
        """This machine, or as much of it as is set."""
        return [read(self.host, render.machine(), partial(parse.node, settings=settings))]

    def anybatch_render(self, submission: Submission) -> Rendered:
        """A request file and the command that hands it over."""
        return render.render(submission)

    def anybatch_check(self, submission: Submission, rendered: Rendered) -> str:
        """Whether the supervisor would take it, and whether the first job had to wait."""
        return read(self.host, render.check(submission), parse.checked)

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        """The supervisor answers with the same ids when it has the token already."""
        self.host.write(render.place(submission), self.host.name)
        return read(self.host, rendered.command, partial(parse.ids, urgency=submission.urgency))

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        """The supervisor knows all tokens of its machine."""
        command = render.find(submission.token)
        try:
            place = self.host.read(render.place(submission))
        except FileNotFoundError:
            return ()  # no submit command ever ran
        if place != self.host.name:
            raise CommandError(command, self._elsewhere("the submission", place))
        return read(self.host, command, parse.ids)

    def anybatch_status(
        self, batches: Sequence[Batch]
    ) -> Sequence[Mapping[str, JobStatus | Unreachable]]:
        """One question, however many jobs; about those of another machine nothing can be said."""
        own, strangers = self._own(batches)
        known = read(self.host, render.status(own), parse.statuses) if own else {}
        return [{**strangers, **known}] * len(batches)

    def anybatch_account(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        """What the kernel has counted; jobs that the supervisor did not start are not known."""
        own, _ = self._own(batches)
        known = read(self.host, render.account(own), parse.used) if own else {}
        return [known] * len(batches)

    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, Unreachable]]:
        """TERM, then KILL, or just the signal, to the process groups of the jobs."""
        known = [name.removeprefix("SIG") for name in signals.Signals.__members__]
        if signal is not None and signal not in known:
            raise UsageError(f"unknown signal {signal!r}{did_you_mean(signal, known)}")
        own, strangers = self._own(batches)
        if own:
            run(self.host, render.terminate(own, signal))
        return [strangers] * len(batches)

    def anybatch_throttle(self, batch: Batch, most: int) -> bool:
        """The supervisor starts no more of them than that."""
        if strangers := parse.strangers(batch.ids, self.host.name):
            where = self._elsewhere("the submission", parse.machine_of(strangers[0]))
            raise CommandError(render.throttle(batch.submission.token, most), where)
        return read(self.host, render.throttle(batch.submission.token, most), parse.throttled)

    def _own(self, batches: Sequence[Batch]) -> tuple[list[str], dict[str, Unreachable]]:
        """The ids of jobs of this machine, and those of others.

        Home folders are shared, supervisors are not.
        """
        ids = [native_id for batch in batches for native_id in batch.ids]
        strangers = {
            native_id: Unreachable(self._elsewhere(f"job {native_id}", parse.machine_of(native_id)))
            for native_id in parse.strangers(ids, self.host.name)
        }
        return [native_id for native_id in ids if native_id not in strangers], strangers

    def _elsewhere(self, what: str, place: str) -> str:
        return (
            f"{what} belongs to machine {place}, but this is {self.host.name}; "
            f"run the command there"
        )
