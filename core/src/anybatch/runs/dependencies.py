"""What a submission waits for: judged from the evidence there is now, not from what was read once.

A batch system may have forgotten a job, and some then take a dependency on it for fulfilled. So it
is given the ids only of jobs that it has just called alive; for all others the core waits itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.errors import AnybatchError, FolderError
from anybatch.model import State

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from anybatch.runs.entries import JobRecord, SubmissionState
    from anybatch.runs.observation import RunObservation
    from anybatch.runs.state import RunState

    Look = Callable[[str, bool], tuple[RunState, RunObservation]]


class Dependencies:
    """What the submissions of one run wait for.

    Args:
        run: its state.
        look: reads another run's evidence as it is now; asks its batch system too, if told so.
    """

    def __init__(
        self,
        run: RunState,
        *,
        mutex: threading.RLock,
        look: Look,
    ) -> None:
        self._run = run
        self._mutex = mutex
        self._look = look

    def ready(self, one: SubmissionState) -> tuple[str, ...] | str | None:
        """The native ids it has to wait for; None: not yet; a text: never, and why.

        Raises:
            AnybatchError: a run that it waits for cannot be seen.
        """
        natives: list[str] = []
        for name, index in one.planned.waits:
            answer = self._waited(one, name, index)
            if answer is None or isinstance(answer, str):
                return answer
            natives += answer
        native = one.planned.submission.limits.dependencies
        return tuple(natives) if native or not natives else None

    def _waited(self, one: SubmissionState, name: str, index: int | None) -> list[str] | str | None:
        native = one.planned.submission.limits.dependencies
        answer: list[str] | str | None = None
        for asked in (False, True):
            try:
                run, seen = self._look(name, asked)
            except FolderError as error:
                raise AnybatchError(
                    f"cannot see run {name}, which is waited for: {error}"
                ) from error
            with self._mutex:
                answer = self._judged(one, run, index)
                if answer is None or isinstance(answer, str) or not native:
                    return answer
                jobs = {job.native_id: job.index for job in run.jobs}
                if all(seen.is_alive(jobs[native_id]) for native_id in answer):
                    return answer
        return None  # the system does not say that it has them

    def _judged(
        self, one: SubmissionState, run: RunState, index: int | None
    ) -> list[str] | str | None:
        """The native ids to wait for in a run; None: not yet; a text: never, and why."""
        jobs = run.jobs if index is None else [run.jobs[index]]
        natives: list[str] = []
        waits = False
        for job in jobs:
            if job.state is State.DONE:
                continue
            if job.state.final:
                return f"dependency {run.id}:{job.index} is {job.state.value}"
            if not job.native_id or run.retries(job) or not self._knows(one, run, job):
                waits = True  # the system knows nothing of our next attempt, nor of a job in a pack
            else:
                natives.append(job.native_id)
        return None if waits else natives

    def _knows(self, one: SubmissionState, run: RunState, job: JobRecord) -> bool:
        """Whether a submission goes where a job is: the same system, and the same cluster of it."""
        there = run.submissions[job.submission].planned.submission.limits.render_context
        here = one.planned.submission.limits.render_context
        return not run.packed and run.file.system == self._run.file.system and there == here
