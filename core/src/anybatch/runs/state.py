"""The state of a run: the fold over its journal.

Nothing is changed but by `RunState.record`, which writes an event to the journal and then
applies it; so a process that comes later and reads the journal arrives at the same state.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.encoding import file_name
from anybatch.model import State
from anybatch.outcome import JobId, Outcome
from anybatch.parameters import write
from anybatch.quoting import INDEX
from anybatch.ranges import by_index, read_ranges, write_ranges
from anybatch.records import Batch, JobStatus
from anybatch.runs.events import decides
from anybatch.runs.fold import Fold, stamp_of
from anybatch.runs.moments import now
from anybatch.runs.serialization import to_plain
from anybatch.runs.store import plain_planned
from anybatch.templates import Names
from anybatch.worker.layout import log_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from anybatch.model import Job, Reason
    from anybatch.parameters import Value
    from anybatch.planning.plan import Planned, RunLimit
    from anybatch.records import Submission
    from anybatch.runs.entries import JobRecord, SubmissionState
    from anybatch.runs.events import Event
    from anybatch.runs.journal import Journal
    from anybatch.runs.moments import Moment
    from anybatch.runs.store import RunFile


class RunState(Fold):
    """A run and all that is known of it.

    Args:
        file: what was planned.
        journal: where events are written to and read from.
        restore_types: gives the settings of a retried submission their types back.
    """

    def __init__(
        self,
        file: RunFile,
        journal: Journal,
        restore_types: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        super().__init__(file, restore_types)
        #: Held while the batch system is told to stop jobs: one thread at a time does.
        self.telling = threading.Lock()
        self._journal = journal
        self._stdout = by_index(file.stdout, file.count)
        self._stderr = by_index(file.stderr, file.count)
        self._labels = by_index(file.labels, file.count)
        self._templates = frozenset(read_ranges(file.templates, below=file.count))

    @property
    def id(self) -> str:
        """The run's id."""
        return self.file.run

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.file.folder

    @property
    def finished(self) -> bool:
        """Whether all jobs have their verdict."""
        return self.unfinished == 0

    def id_of(self, job: JobRecord) -> JobId | None:
        """The job's id."""
        return JobId(self.file.system, job.native_id) if job.native_id else None

    def submission_of(self, job: JobRecord) -> Submission:
        """What a job was submitted as, in its latest attempt."""
        return self.submissions[job.submission].planned.submission

    @property
    def packed(self) -> bool:
        """Whether the batch system has several of its jobs as one."""
        return self.submissions[0].planned.packed

    def left(self, one: SubmissionState) -> list[int]:
        """The jobs that are still this submission's, and have not ended."""
        number = one.planned.submission.number
        jobs = (self.jobs[index] for index in one.planned.indices)
        return [job.index for job in jobs if job.submission == number and not job.state.final]

    def retries(self, job: JobRecord) -> bool:
        """Whether another attempt may follow the one that is under way."""
        return job.attempt - job.since < self.submissions[job.submission].planned.retry.most

    def last_judged(self, index: int) -> int:
        """The last attempt of a job that has its verdict; -1: none has."""
        job = self.jobs[index] if index < len(self.jobs) else None
        return -1 if job is None else job.attempt - (not job.state.final)

    def submitted_at(self, job: JobRecord) -> datetime | None:
        """When the job was handed to the batch system."""
        return datetime.fromtimestamp(job.submitted, timezone.utc) if job.submitted else None

    def labels(self, job: JobRecord) -> Mapping[str, str]:
        """The labels that the job was described with."""
        return self._labels[job.index] or {}

    def params(self, job: JobRecord) -> Mapping[str, Value]:
        """The parameters that the job was described with.

        Raises:
            FolderError: they cannot be read.
        """
        return self.file.described.params(job.index)

    def description(self, job: JobRecord) -> Job:
        """See `Run.description`."""
        planned = next(one for one in self.file.submissions if job.index in one.indices)
        after = [run if index is None else f"{run}:{index}" for run, index in planned.waits]
        return self.file.described.job(job.index, after)

    def texts(self, job: JobRecord) -> Mapping[str, str]:
        """What jobs are selected by: parameters, and labels of other names.

        Raises:
            FolderError: the parameters cannot be read.
        """
        params = {name: write(value) for name, value in self.params(job).items()}
        return {**self.labels(job), **params}

    def name(self, job: JobRecord) -> str:
        """The job's name: its own where it shares a submission with others."""
        name = self.submission_of(job).name
        if job.index not in self._templates:
            return name
        return Names(job.index, self.file.described.known_params(job.index)).fill(name)

    def logs(self, job: JobRecord) -> tuple[Path, Path]:
        """Where the job's output and errors go (the latest attempt's), or have gone."""
        out, err = self._planned_logs(job)
        if job.outcome:
            out, err = job.outcome.stdout or out, job.outcome.stderr or err
        return out, err

    def _planned_logs(self, job: JobRecord) -> tuple[Path, Path]:
        names = (self._stdout[job.index], "out"), (self._stderr[job.index], "err")
        default = self.folder / log_folder(job.index, job.attempt)
        out, err = (
            self._path(name, job.index) if name else default / f"{job.index}.{ending}"
            for name, ending in names
        )
        return out, err

    def _path(self, name: str, index: int) -> Path:
        if index not in self._templates:
            return Path(name.replace(INDEX, str(index)))
        path = Names(index, self.file.described.known_params(index)).fill(name)
        return Path(os.path.normpath(self.file.base / file_name(path)))

    def batches(self, jobs: Iterable[JobRecord]) -> list[Batch]:
        """Those of the jobs whose ids are known, by submission, as plugins are given them."""
        ids: dict[int, list[str]] = defaultdict(list)
        for job in jobs:
            if job.native_id:
                ids[job.submission].append(job.native_id)
        return [
            Batch(
                submission=self.submissions[number].planned.submission,
                ids=tuple(dict.fromkeys(some)),  # jobs of a pack have one
            )
            for number, some in ids.items()
        ]

    def pages_with_queued(self) -> list[int]:
        """The pages where a queued job may leave a start record; none where no job is queued."""
        return self.pages.open if self.counts[State.QUEUED] else []

    # -- events

    def record(self, kind: str, *, durable: bool = False, **fields: Any) -> None:
        """Write an event to the journal, then apply it.

        Raises:
            FolderError: the journal cannot be written; nothing has changed then.
        """
        self.apply(self._write(kind, durable=durable, **fields))

    def _write(self, kind: str, *, durable: bool, **fields: Any) -> Event:
        event: Event = {"t": round(time.time(), 3), "q": self.clock + 1, "e": kind, **fields}
        self._journal.append(event, durable=durable)
        return {**event, "w": self._journal.writer}

    def catch_up(self) -> None:
        """Apply what other processes wrote to the journal.

        Raises:
            FolderError: it cannot be read, or makes no sense; at each call again.
        """
        self._read_on()
        if self.early:
            self._read_on()  # its cause was written to a file that had been read before
        for event in filter(decides, self.early):
            unknown = LookupError("it is about a submission that is not on record")
            raise self._journal.refuse(event, unknown, for_good=False)

    def _read_on(self) -> None:
        for event in self._journal.read():
            try:
                self.apply(event)
            except Exception as error:  # it is about a job that there is not
                raise self._journal.refuse(event, error) from error

    # -- events, as the watcher and the submitter write them

    def record_ended(self, outcomes: Sequence[Outcome]) -> None:
        """Write verdicts."""
        # On the disk, because exit records are removed that tell the same.
        event = self._write("ended", durable=True, outcomes=_plain(outcomes))
        self.clock += 1
        self.events += 1
        for outcome in outcomes:
            self.end(self.jobs[outcome.index], outcome, stamp_of(event))

    def record_states(self, jobs: Iterable[tuple[JobRecord, JobStatus]]) -> None:
        """Write what the batch system says of jobs that have not ended, where it is new."""
        groups: dict[tuple[int, State, str, str | None], list[int]] = {}
        for job, status in jobs:
            if (job.state, job.native_state, job.message) != (
                status.state,
                status.native_state,
                status.message,
            ):
                key = (job.submission, status.state, status.native_state, status.message)
                groups.setdefault(key, []).append(job.index)
        for (number, state, native, message), indices in groups.items():
            said: dict[str, Any] = {"state": state.value, "native_state": native}
            ranges = write_ranges(sorted(indices))
            self.record("state", s=number, jobs=ranges, message=message, **said)

    def record_started(self, jobs: Iterable[JobRecord]) -> None:
        """Write that queued jobs run, as their own start records tell."""
        groups: dict[tuple[int, str | None], list[int]] = defaultdict(list)
        for job in jobs:
            groups[job.submission, job.native_state].append(job.index)
        for (number, native), indices in groups.items():
            said: dict[str, Any] = {"jobs": write_ranges(sorted(indices)), "native_state": native}
            self.record("state", s=number, state="running", message=None, **said)

    def record_signs(self, jobs: Iterable[JobRecord], sign: str | None, at: Moment) -> None:
        """Write the first sign of an end, or (None) that it was none, where it is new."""
        groups: dict[int, list[int]] = defaultdict(list)
        for job in jobs:
            if (job.sign and job.sign[0]) != sign:
                groups[job.submission].append(job.index)
        for number, indices in groups.items():
            ranges = write_ranges(sorted(indices))
            self.record("sign", s=number, jobs=ranges, sign=sign, at=at.plain())

    def record_stopped(self, batches: Iterable[Batch]) -> None:
        """Write that the batch system was told to end jobs."""
        for batch in batches:
            number = batch.submission.number
            indices = self.submissions[number].planned.indices
            ids = set(batch.ids)
            told = [index for index in indices if self.jobs[index].native_id in ids]
            self.record("stopped", s=number, jobs=write_ranges(sorted(told)))

    def record_retry(self, planned: Planned, outcomes: Iterable[Outcome] = ()) -> None:
        """Write that jobs are run again, and how the attempts ended that are repeated."""
        plain, at = {"planned": plain_planned(planned), "outcomes": _plain(outcomes)}, now().plain()
        self.record("retry", durable=True, **plain, at=at)

    def record_rerun(self, planned: Iterable[Planned]) -> None:
        """Write that somebody wants jobs to be run again, all of them at once."""
        self.record("rerun", durable=True, planned=[plain_planned(one) for one in planned])

    def record_part(self, source: int, planned: Planned) -> None:
        """Write that jobs of a submission are handed over first."""
        self.record("part", durable=True, s=source, planned=plain_planned(planned))

    def record_limit(self, limit: RunLimit) -> None:
        """Write how many jobs of the run there may be at once from now on."""
        self.record("limit", durable=True, **attrs.asdict(limit))

    def outcome(self, job: JobRecord, state: State, reason: Reason | None, **facts: Any) -> Outcome:
        """A verdict on *job*, with what is known of it anyway filled in."""
        stdout, stderr = self.logs(job)
        if state is State.TERMINATED and job.stop_reason[0] > job.reopened:
            facts["message"] = "; ".join(filter(None, (job.stop_reason[1], facts.get("message"))))
        known: dict[str, Any] = {
            "attempt": job.attempt,
            "submitted": self.submitted_at(job),
            "params": self.file.described.known_params(job.index),
            "stdout": stdout,
            "stderr": stderr,
        }
        return Outcome(
            run=self.id,
            index=job.index,
            id=self.id_of(job),
            state=state,
            reason=reason,
            **{**known, **facts},
        )


def _plain(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Verdicts for the journal, which is their run's."""
    plain = [to_plain(outcome) for outcome in outcomes]
    for one in plain:
        one.pop("run")
        one.pop("params", None)  # they are in the run's folder
        one.pop("params", None)  # they are in the run's folder
    return plain
