"""Runs that have ended, and are active again because somebody has jobs of theirs run again.

It is done exactly once, whoever else wants the same at the same time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import AnybatchError, FolderError, RunNotFound
from anybatch.host import Host
from anybatch.planning.node_check import NodeCheck
from anybatch.plugins.calls import Hooks
from anybatch.runs import rerun
from anybatch.runs.index import Index
from anybatch.runs.notifier import Notifier
from anybatch.runs.summary import write_end
from anybatch.runs.watched import WatchedRun
from anybatch.worker.layout import page_of_job

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from anybatch.records import Limits
    from anybatch.runs.rerun import Rerun, Wanted


@attrs.frozen
class Reopening:
    """Opens runs again, and closes them.

    Attributes:
        mutex: is held where a run's state is read or changed; no plugin is called then.
        index: learns which runs have ended, and which may change again.
        notifier: tells of ends whoever wants to be told.
        watch: begins to watch a run.
    """

    hooks: Hooks
    host: Host
    mutex: threading.RLock
    index: Index
    notifier: Notifier
    watch: Callable[[WatchedRun], None]

    def rerun(self, run: WatchedRun, wanted: Wanted, *, dry: bool = False) -> Rerun:
        """Put on record that jobs are run again; their submissions wait to be handed over.

        Which jobs have ended is read under the right to submit, which one process has at a time.
        What is put on record was rendered before, so it can be.

        Args:
            dry: only plan it.

        Raises:
            UsageError: what is wanted cannot be; nothing has changed.
            AnybatchError: the run or its batch system cannot be asked; nothing has changed.
        """
        if dry:
            return self._planned(run, wanted)
        with run.right.awaited():
            while True:
                made = self._planned(run, wanted)
                if not made.count:
                    return made
                if not run.right.claim_next(made.submissions[0].planned.submission.number):
                    raise AnybatchError(
                        f"run {run.state.id}: another machine has jobs of it run again at the "
                        f"moment; nothing was changed. Try again in a minute"
                    )
                if self._put_on_record(run, made):
                    self.watch(run)
                    return made

    def end(self, run: WatchedRun, *, told: bool) -> None:
        """Note that a run has ended, unless another process has its jobs run again.

        Who does that writes the journal and then the index, so one of the two sees the other. A
        run stays active until it is on record who tells of its end.
        """
        if not self.notifier.tell(run, patient=told):
            return
        self.index.end(run.state.id, told=told, line=write_end(run.state))
        self.look_again(run)
        if not run.state.finished:
            with contextlib.suppress(FolderError, RunNotFound):
                self.index.reopen(run.state.id)

    def look_again(self, run: WatchedRun) -> None:
        """Watch a run that has ended once more, if another process has its jobs run again."""
        if run.state.finished and run.broken is None:
            with contextlib.suppress(FolderError), self.mutex:
                run.watcher.catch_up()
                self.watch(run)

    def _planned(self, run: WatchedRun, wanted: Wanted) -> Rerun:
        state = run.state
        with self.mutex:
            run.watcher.catch_up()
            jobs, notes = rerun.choose(state, wanted)
            answers: dict[str, Limits] = {}

        def limits(settings: Mapping[str, Any]) -> Limits:
            key = repr(sorted(settings.items(), key=repr))
            if key not in answers:
                answers[key] = self.hooks.limits(run.system, settings)
            return answers[key]

        try:
            made = rerun.plan(state, wanted, jobs, limits=limits, host=self.host)
            if made:
                self.host.read(state.folder / "job.sh", own=True)
        except OSError as error:
            raise FolderError(
                f"run {state.id}: its jobs cannot be run again, because "
                f"{str(error.filename or state.folder)!r} cannot be read: "
                f"{error.strerror or error}. Submit them anew"
            ) from error
        nodes = NodeCheck(run.system, self.hooks)
        for one in made:
            self.hooks.render(run.system, one.planned.submission)
            submission = one.planned.submission
            nodes.check(submission.resources, submission.settings, wanted.known)
        return rerun.Rerun(submissions=made, notes=tuple(notes))

    def _put_on_record(self, run: WatchedRun, made: Rerun) -> bool:
        """Whether it was; else a thread of this process has run jobs again meanwhile."""
        state = run.state
        for one in made.submissions:
            one.write(self.host)
        with self.mutex:
            run.watcher.catch_up()
            if made.submissions[0].planned.submission.number != len(state.submissions):
                return False
            self.index.reopen(state.id)
            state.record_rerun([one.planned for one in made.submissions])
            run.watcher.catch_up()
        self._make_pages(run, made)
        self.index.reopen(state.id)  # who has seen its end may have put it away
        return True

    def _make_pages(self, run: WatchedRun, made: Rerun) -> None:
        """The folders for records, which are removed when all jobs of a page have ended."""
        indices = (index for one in made.submissions for index in one.planned.indices)
        for page in dict.fromkeys(map(page_of_job, indices)):
            for name in ("exit", "start"):
                self.host.make_private(run.state.folder / name / str(page))
