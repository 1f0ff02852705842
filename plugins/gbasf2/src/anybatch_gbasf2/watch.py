"""A project while its jobs run: what the grid says, and what is to be fetched before a job is over.

A job that has failed is over when its log is here; one that is done, when the outputs of the
project are here and complete. Until then it counts as running, with a message that says so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs
from anybatch import Reason, State

from anybatch_gbasf2 import parse
from anybatch_gbasf2.fetch import (
    Attempt,
    Background,
    Download,
    fetch_logs,
    log_files,
    log_folder,
    logs_here,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from anybatch.records import JobStatus

    from anybatch_gbasf2.client import Client
    from anybatch_gbasf2.job_ids import NativeId
    from anybatch_gbasf2.project import Project


class ProjectWatch:
    """A project of a run.

    Args:
        client: the grid client.
        project: which.
        folder: of the run.
    """

    def __init__(self, client: Client, project: Project, folder: Path) -> None:
        self._client = client
        self._host = client.host
        self._project = project
        self._folder = folder
        self._logs: Background | None = None
        self._logs_of: set[Attempt] = set()
        self._logged: dict[Attempt, str] = {}
        self._download: Background | None = None
        self._progress: Download | None = None
        self._made: set[int] = set()

    def poll(
        self, native_ids: Sequence[NativeId], jobs: Mapping[int, parse.GridJob]
    ) -> dict[NativeId, JobStatus]:
        """The status of jobs of the run, and start what is to be fetched."""
        now, counts = time.time(), self._project.counts
        answers = {one: parse.status_of(one, jobs, now, counts=counts) for one in native_ids}
        known = {one: status for one, status in answers.items() if status is not None}
        ended = {one: status for one, status in known.items() if status.state.final}
        bad = {one: status for one, status in ended.items() if status.state is not State.DONE}
        good = {one: status for one, status in ended.items() if one not in bad}
        over = not bad and len(ended) == len(native_ids) and all(map(_is_final, jobs.values()))
        if bad:
            known.update(self._with_logs(bad, {one: _failed_attempts(one, jobs) for one in bad}))
        if good and self._project.download_to:
            done = {job.id for job in jobs.values() if job.end[0] is State.DONE}
            known.update(self._with_outputs(good, over, done))
        if good and (over or not self._project.download_to):
            told = {one: known[one] for one in good}
            known.update(self._with_logs(told, {one: _attempts(one, jobs) for one in good}))
        return known

    # -- logs

    def _with_logs(
        self, told: Mapping[NativeId, JobStatus], attempts: Mapping[NativeId, Sequence[Attempt]]
    ) -> Mapping[NativeId, JobStatus]:
        """Ends, once their logs are here: rescheduling removes them from the grid."""
        if not self._project.logs:
            return told
        self._fetch_logs([attempt for some in attempts.values() for attempt in some])
        return {one: self._with_log(status, attempts[one]) for one, status in told.items()}

    def _with_log(self, status: JobStatus, attempts: Sequence[Attempt]) -> JobStatus:
        """An end with its logs; where it is that of several grid jobs, with those of the first."""
        if not attempts or not status.state.final:
            return status
        if any(one not in self._logged for one in attempts):
            return _held(status, "its log is being fetched")
        problem = next(filter(None, (self._logged[one] for one in attempts)), "")
        above = log_folder(self._folder, self._project, attempts[0].at)
        out, err = log_files(above / str(attempts[0].id), self._host)
        log = f"logs: {above}" if len(attempts) > 1 else ""
        if problem or out is None:
            log = f"its log did not come: {problem or 'the grid has none'}"
        text = "; ".join(filter(None, (status.message, log)))
        return attrs.evolve(status, message=text or None, stdout=out, stderr=err)

    def _fetch_logs(self, attempts: Iterable[Attempt]) -> None:
        """Have logs fetched that are not here, once; several at a time, in the background."""
        if self._logs is not None:
            if self._logs.running:
                return
            self._logged.update(dict.fromkeys(self._logs_of, self._logs.problem))
            self._logs = None
        unknown = {one for one in attempts if one not in self._logged}
        here = logs_here(self._folder, self._project, unknown, self._host)
        self._logged.update(dict.fromkeys(here, ""))
        if new := unknown - here:
            self._logs_of = new
            self._logs = Background(
                lambda: fetch_logs(self._client, self._project, self._folder, new)
            )

    # -- outputs

    def _with_outputs(
        self, good: Mapping[NativeId, JobStatus], over: bool, done: set[int]
    ) -> dict[NativeId, JobStatus]:
        """Successes, once the outputs of the whole project are here.

        Jobs may come to be done after a download: of those that had failed, and are rescheduled.
        """
        if not over:
            text = "done on the grid; outputs are downloaded when all jobs have ended"
            return {one: _held(status, text) for one, status in good.items()}
        download = self._download
        running = download is not None and download.running  # its problem is told before its end
        problem = download.problem if download else ""
        if not running:
            if download and done <= self._made:
                if not problem:
                    return {}
                if download.final:
                    return {one: _undone(status, problem) for one, status in good.items()}
            self._made = done
            self._progress = Download(self._client, self._project)
            self._download = Background(self._progress.run)
        text = self._told(problem)
        return {one: _held(status, text) for one, status in good.items()}

    def _told(self, problem: str) -> str:
        assert self._progress is not None
        text = "outputs are downloaded"
        if self._progress.expected:
            text += f", {self._progress.here} of {self._progress.expected} files"
        return f"{text}; before: {problem}" if problem else text


def _attempts(native_id: NativeId, jobs: Mapping[int, parse.GridJob]) -> list[Attempt]:
    return [Attempt(job.id, native_id.at) for job in native_id.own(jobs)]


def _failed_attempts(native_id: NativeId, jobs: Mapping[int, parse.GridJob]) -> list[Attempt]:
    return [Attempt(job.id, native_id.at) for job in native_id.own(jobs) if _has_failed(job)]


def _is_final(job: parse.GridJob) -> bool:
    return job.end[0].final


def _has_failed(job: parse.GridJob) -> bool:
    state, _ = job.end
    return state.final and state is not State.DONE


def _held(status: JobStatus, message: str) -> JobStatus:
    return attrs.evolve(status, state=State.RUNNING, reason=None, message=message, ended=None)


def _undone(status: JobStatus, problem: str) -> JobStatus:
    return attrs.evolve(
        status, state=State.FAILED, reason=Reason.STAGE_OUT, message=f"done on the grid; {problem}"
    )
