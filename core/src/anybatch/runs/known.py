"""What is known of a run, as last seen. Nothing is changed, and nobody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch import arguments
from anybatch.errors import RunNotFound, shown
from anybatch.model import State
from anybatch.runs import requests
from anybatch.runs.views import view_of

if TYPE_CHECKING:
    from pathlib import Path

    from anybatch.model import Job
    from anybatch.outcome import JobView, Outcome
    from anybatch.records import Submission
    from anybatch.runs.engine import Engine
    from anybatch.runs.entries import JobRecord
    from anybatch.runs.notified import NoticeView
    from anybatch.runs.watched import WatchedRun


class KnownRun:
    """A run to be looked at.

    Args:
        engine: its lock guards the run's state.
        watched: the run as the engine has it.

    Attributes:
        id, system, folder, created: as in `Run`.
    """

    def __init__(self, engine: Engine, watched: WatchedRun) -> None:
        file = watched.state.file
        self.id, self.system = file.run, file.system
        self.folder, self.created = file.folder, file.created
        self.watched = watched
        self._engine = engine

    @property
    def name(self) -> str:
        """The name of the first job, by which the run can be found."""
        with self._engine.mutex:
            state = self.watched.state
            return state.submission_of(state.jobs[0]).name

    @property
    def cluster(self) -> str | None:
        """The cluster that the jobs were planned for, where the system has told its name."""
        planned = self.watched.state.submissions[0].planned.submission
        return planned.limits.render_context.get("cluster")

    def __repr__(self) -> str:
        return (
            f"<Run {self.id}: {len(self)} {'job' if len(self) == 1 else 'jobs'} on {self.system}>"
        )

    def __len__(self) -> int:
        return self.watched.state.file.count

    @property
    def finished(self) -> bool:
        """Whether every job has its verdict, as last seen."""
        return self.watched.state.finished

    def has_label(self, label: str) -> bool:
        """Whether any job has the label: `NAME=VALUE`, or `NAME` for any value."""
        arguments.must_be(str, label, "label", "a text, NAME or NAME=VALUE")
        name, equals, value = label.partition("=")
        tables = (table for _, table in self.watched.state.file.labels)
        return any(name in table and (not equals or table[name] == value) for table in tables)

    @property
    def broken(self) -> Exception | None:
        """Why it cannot be watched any more: its folder is gone, its disk is full; None: it can."""
        return self.watched.broken

    @property
    def unattended(self) -> bool:
        """Whether jobs wait to be submitted and no other process on this machine is at it."""
        return self.watched.submitter.pending and not self.watched.right.attended

    @property
    def counts(self) -> dict[State, int]:
        """How many jobs are in each state, as last seen."""
        counts = self.watched.state.counts
        return {state: counts[state] for state in State if counts[state]}

    @property
    def jobs(self) -> list[JobView]:
        """All jobs in order of index, as last seen."""
        with self._engine.mutex:
            return [view_of(self.watched, job) for job in self.watched.state.jobs]

    @property
    def submissions(self) -> list[Submission]:
        """What was, or will be, handed to the batch system, as its plugin sees it."""
        with self._engine.mutex:
            return [one.planned.submission for one in self.watched.state.submissions]

    @property
    def outcomes(self) -> list[Outcome | None]:
        """The verdicts in order of index; None where there is none yet."""
        return [job.outcome for job in self.watched.state.jobs]

    def outcome(self, index: int) -> Outcome | None:
        """The verdict on a job, as last seen; None: none yet.

        Raises:
            RunNotFound: the run has no such job.
        """
        return self._job(index).outcome

    def _job(self, index: int) -> JobRecord:
        arguments.whole_number(index, "a job's index")
        if not 0 <= index < len(self):
            has = "only job 0" if len(self) == 1 else f"jobs 0 to {len(self) - 1}"
            raise RunNotFound(f"run {self.id} has no job {shown(index)}; it has {has}")
        return self.watched.state.jobs[index]

    def description(self, index: int) -> Job:
        """A job as it was described, with templates as they were; what it waits for by name.

        Raises:
            RunNotFound: the run has no such job.
            FolderError: its description cannot be read, or there is none.
        """
        return self.watched.state.description(self._job(index))

    @property
    def notices(self) -> list[NoticeView]:
        """Who is told how the run ended, and how that went.

        Raises:
            FolderError: that cannot be read.
        """
        state = self.watched.state
        wanted = requests.targets(requests.read_all(self.folder, self._engine.host))
        with self._engine.mutex:
            end, ended = len(state.submissions), state.finished
            done = state.counts[State.DONE] == len(state.jobs)
            return [
                state.notified.view(target, on, end, ended=ended, done=done)
                for target, (_, on) in wanted.items()
            ]

    def attempts(self, index: int) -> list[Outcome]:
        """The verdicts on a job's attempts that have ended, oldest first, each with its logs.

        Raises:
            RunNotFound: the run has no such job.
        """
        return self._job(index).attempts

    def logs(self, index: int) -> tuple[Path, Path]:
        """The files of a job's output and errors.

        Raises:
            RunNotFound: the run has no such job.
        """
        return self.watched.state.logs(self._job(index))
