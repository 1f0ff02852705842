"""What b2luigi calls: the entry point `anybatch` of its group `b2luigi.batch_systems`."""

from __future__ import annotations

import sys
from typing import Any

import luigi.scheduler
from b2luigi.batch.processes import BatchProcess, JobStatus
from b2luigi.core.utils import on_failure

from anybatch_b2luigi.pool import Started, pool


class AnybatchProcess(BatchProcess):
    """A task that is a job of anybatch, on the batch system that the setting names.

    Settings beside b2luigi's own: `anybatch_system` (default: `auto`), `anybatch_settings` (tables
    of anybatch's plugins), `anybatch_resources` (fields of `Resources`), `anybatch_terminate`
    (false: jobs go on after Ctrl-C), `anybatch_outputs_within` (seconds).
    """

    def __init__(self, task: Any, scheduler: Any, result_queue: Any, worker_timeout: Any) -> None:
        own = task.worker_timeout
        self.worker_timeout = worker_timeout if own is None else own  # luigi's worker reads it
        super().__init__(task, scheduler, result_queue, self.worker_timeout)
        self._started: Started | None = None
        self._terminated = False

    def start_job(self) -> None:
        """Gather the task; what cannot be a job is told when its status is asked for."""
        self._started = pool().start(self.task)

    def is_alive(self) -> bool:
        """Whether the job goes on; its end goes to luigi once."""
        if self._terminated or self._started is None:
            return False
        if _going_down():
            return True
        why = pool().ending(self._started)
        if why is None:
            return True
        self._terminated = True
        if why:
            explanation = on_failure(self.task, None)
            print(why, flush=True)  # noqa: T201 # beside what on_failure prints
            self._put_to_result_queue(luigi.scheduler.FAILED, f"{explanation}\n{why}")
        else:
            self._put_to_result_queue(luigi.scheduler.DONE, "")
        return False

    def get_job_status(self) -> JobStatus:
        """How the job is, in b2luigi's words."""
        why = pool().ending(self._started) if self._started else ""
        if why is None:
            return JobStatus.running
        return JobStatus.aborted if why else JobStatus.successful

    def terminate_job(self) -> None:
        """Stop the job; all of them when the program ends, with one command for each run."""
        if _going_down():
            pool().terminate_all()
        elif self._started is not None:
            pool().terminate(self._started)


def _going_down() -> bool:
    """Whether luigi's worker is being left by an exception: Ctrl-C, or one of its own."""
    return sys.exc_info()[0] is not None
