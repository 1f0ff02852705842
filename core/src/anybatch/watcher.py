"""Watching runs: exit records first, the batch system second.

Exit records are looked for several times a second, at the cost of one `stat`. The batch system
is asked for all jobs of all runs in one command; the pause between two questions grows with
the age of the jobs and the cost of the question. Not being able to ask is not an answer: no
state changes, the pause grows, and the user is told.
"""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

import attrs

from anybatch.errors import AnybatchError, CommandError, PluginError
from anybatch.exits import ExitFolder, ExitRecord, last_words
from anybatch.model import Outcome, Reason, State
from anybatch.records import Change, JobStatus, Transfer
from anybatch.retry import plan_retries, to_be_retried
from anybatch.runstate import RunState
from anybatch.submitter import Submitter
from anybatch.verdict import Evidence, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.plugins import Plugins
    from anybatch.runstate import Tracked

TICK = 0.25  #: seconds between two looks at exit records
PATIENCE = 10.0  #: seconds that a second witness of a job's end is waited for
FIRST_POLL = 2.0  #: the first pause between two questions to the batch system
SOON = 1.0  #: pause before a question that something has called for
SLOWEST_POLL = 120.0
COST = 50  #: the pause is at least so many times what the question took
UNREACHABLE = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)  #: pauses after failed questions
#: What an outcome takes over from the system's last answer.
_FACTS = (
    *("message", "host", "submitted", "started", "ended", "cpu_time", "max_memory"),
    *("stdout", "stderr"),
)


@attrs.define
class Watched:
    """A run that is being watched.

    Attributes:
        records: the latest exit record of each job without a verdict.
        signs: when this process first saw a sign of a job's end; monotonic seconds.
        missing: the jobs that the system was last seen not to know.
        trouble: what was last said of the run's folder.
    """

    state: RunState
    submitter: Submitter
    exits: ExitFolder
    records: dict[int, ExitRecord] = attrs.field(factory=dict)
    signs: dict[int, float] = attrs.field(factory=dict)
    missing: set[int] = attrs.field(factory=set)
    trouble: str = ""

    def active(self) -> Iterator[Tracked]:
        """The jobs that the batch system has and that have no verdict."""
        return (job for job in self.state.jobs if job.native is not None and not job.state.final)

    def forget(self, index: int) -> None:
        """Drop what was seen of a job's end."""
        self.records.pop(index, None)
        self.signs.pop(index, None)
        self.missing.discard(index)


class Watcher:
    """Keeps the states of one batch system's runs true.

    Args:
        system: the batch system.
        settings: its table.
        interval: shortest pause between two questions in steady state, in seconds.
        lost_after: seconds after which a job that nothing knows is lost.
        say: told when the system cannot be reached, and when it can again.
    """

    def __init__(
        self,
        system: str,
        *,
        plugins: Plugins,
        settings: Mapping[str, Any],
        host: Host,
        interval: float,
        lost_after: float,
        say: Callable[[str], None],
    ) -> None:
        self.runs: dict[str, Watched] = {}
        self._system = system
        self._plugins = plugins
        self._settings = settings
        self._host = host
        self._interval = interval
        self._lost_after = lost_after
        self._say = say
        self._failures = 0
        self._due = 0.0
        self._pause = FIRST_POLL
        self._watching_since = time.monotonic()
        about = plugins.about(system)
        self._observers = [
            plugin.name
            for plugin in plugins
            if plugin.name in about and "anybatch_job_changed" in plugin.hooks
        ]

    def watch(self, state: RunState, submitter: Submitter) -> None:
        """Begin to watch a run."""
        watched = Watched(state, submitter, ExitFolder(state.folder))
        state.changed = lambda job, old: self._tell(state, job, old)
        self.runs[state.id] = watched
        self._pause = FIRST_POLL
        self._watching_since = time.monotonic()
        self._due = min(self._due or float("inf"), time.monotonic() + FIRST_POLL)

    def step(self, *, force: bool = False, submit: bool = True) -> None:
        """One look: exit records, what is due to be submitted, and the system if it is time.

        Args:
            force: ask the batch system now.
            submit: what waits for it is submitted; else submissions are only looked up.
        """
        watched = [one for one in self.runs.values() if not one.state.finished]
        due = force or time.monotonic() >= self._due
        for one in watched:
            if due:
                one.state.catch_up()
            one.submitter.step(submit=submit)
            self._read_records(one, thorough=due)
        if due:
            self._poll(watched)
            for one in watched:  # a plugin may have fetched some, to be judged with its answer
                self._read_records(one, thorough=False)
        for one in watched:
            self._judge(one)

    # -- exit records

    def _read_records(self, one: Watched, *, thorough: bool) -> None:
        try:
            found = one.exits.new(thorough=thorough)
        except OSError as error:
            trouble = f"cannot read {one.exits.path}: {error.strerror}"
            if trouble != one.trouble:
                one.trouble = trouble
                self._say(trouble)
            return
        one.trouble = ""
        for record in found:
            self._take_record(one, record)

    def _take_record(self, one: Watched, record: ExitRecord) -> None:
        if record.index >= len(one.state.jobs):
            return
        job = one.state.jobs[record.index]
        if record.attempt > job.attempt:
            one.state.catch_up()  # another process has run it again
        known = one.records.get(record.index)
        if record.attempt != job.attempt or (known and _is_older(one, record, known)):
            return
        one.records[record.index] = record
        one.signs[record.index] = time.monotonic()
        if not record.conclusive or _travels(one, job):
            self._ask_soon()

    # -- the batch system

    def _ask_soon(self) -> None:
        if not self._failures:
            self._due = min(self._due, time.monotonic() + SOON)

    def _poll(self, watched: Iterable[Watched]) -> None:
        folders = {
            one.state.folder: [j.native for j in one.active() if j.native] for one in watched
        }
        started = time.monotonic()
        try:
            answers = self._ask(folders)
        except (CommandError, PluginError) as error:
            self._unreachable(error)
            return
        self._reached(time.monotonic() - started)
        for one in watched:
            self._take_answers(one, answers)

    def _ask(self, folders: Mapping[Path, list[str]]) -> dict[str, JobStatus | None]:
        hook = "anybatch_status"
        ids = [native for some in folders.values() for native in some]
        if not ids:
            return {}
        answers = self._plugins.ask(
            self._system,
            hook,
            dict,
            ids=ids,
            folders=folders,
            settings=self._settings,
            host=self._host,
        )
        for native, status in answers.items():
            if not isinstance(native, str) or not isinstance(status, JobStatus | None):
                problem = f"{hook} answered {native!r:.50}: {status!r:.150}"
                raise self._plugins.fault(self._system, problem)
        return cast("dict[str, JobStatus | None]", answers)

    def _unreachable(self, error: AnybatchError) -> None:
        pause = UNREACHABLE[min(self._failures, len(UNREACHABLE) - 1)]
        if self._failures == 0:
            self._say(f"cannot reach {self._system}, jobs stay as they were: {error}")
        self._failures += 1
        self._due = time.monotonic() + pause

    def _reached(self, cost: float) -> None:
        if self._failures:
            self._say(f"{self._system} answers again")
        self._failures = 0
        age = time.monotonic() - self._watching_since
        steady = self._interval if age > self._interval else FIRST_POLL
        self._pause = min(max(steady, age / 20, cost * COST), SLOWEST_POLL)
        self._due = time.monotonic() + self._pause

    def _take_answers(self, one: Watched, answers: Mapping[str, JobStatus | None]) -> None:
        now = time.monotonic()
        current = []
        for job in one.active():
            native = job.native or ""
            status = answers.get(native)
            if status is None and native in answers:
                continue
            if status is None or (status.never_started and self._script_ran(one, job)):
                job.missing_since = job.missing_since or now
                one.missing.add(job.index)
                continue
            job.status, job.missing_since = status, None
            one.missing.discard(job.index)
            if status.state.final:
                one.signs.setdefault(job.index, now)
            else:
                current.append((job, status))
                self._forget_older(one, job, status)
        self._tell_of_holds(one, [job for job, status in current if _newly_held(job, status)])
        one.state.record_states(current)

    def _tell_of_holds(self, one: Watched, held: list[Tracked]) -> None:
        """Somebody has to do something, and will not look for it."""
        if not held:
            return
        first = held[0]
        more = f", and {len(held) - 1} more" if len(held) > 1 else ""
        why = first.status.message if first.status else None
        text = f"run {one.state.id}: job {first.index} is held{more}"
        self._say(f"{text}: {why}" if why else text)

    def _forget_older(self, one: Watched, job: Tracked, status: JobStatus) -> None:
        """Drop the record of a run of the job that the system has begun anew."""
        record = one.records.get(job.index)
        if record and status.restarts > record.restarts:
            del one.records[job.index]
            one.signs.pop(job.index, None)

    # -- verdicts

    def _judge(self, one: Watched) -> None:
        now = time.monotonic()
        outcomes = []
        for job in self._suspects(one):
            verdict = judge(self._evidence(one, job, now)) or self._lost(one, job, now)
            if verdict:
                outcomes.append(self._outcome(one, job, verdict))
        if outcomes:
            self._conclude(one, outcomes)

    def _suspects(self, one: Watched) -> list[Tracked]:
        """The jobs that may have ended."""
        jobs = (one.state.jobs[index] for index in sorted({*one.signs, *one.missing}))
        return [job for job in jobs if job.native is not None and not job.state.final]

    def _evidence(self, one: Watched, job: Tracked, now: float) -> Evidence:
        status, record = job.status, one.records.get(job.index)
        patience = now - one.signs.get(job.index, now) < PATIENCE
        return Evidence(
            record=record,
            status=status,
            terminated=job.terminated,
            started=record is not None or self._script_ran(one, job),
            begun_again=not patience and self._has_begun_again(one, job, record),
            travels=job.missing_since is None and _travels(one, job),
            patience=patience,
        )

    def _has_begun_again(self, one: Watched, job: Tracked, record: ExitRecord | None) -> bool:
        """Whether it runs, as the system says as well, and the record is of a run before."""
        if record is None or record.conclusive or job.missing_since is not None:
            return False
        return job.state is State.RUNNING and one.exits.begun_again(record)

    def _script_ran(self, one: Watched, job: Tracked) -> bool:
        restarts = job.status.restarts if job.status else 0
        return one.exits.start(job.index, job.attempt, restarts) is not None

    def _lost(self, one: Watched, job: Tracked, now: float) -> Verdict | None:
        if job.missing_since is None or now - job.missing_since < self._lost_after:
            return None
        said = f"the last word was {job.word!r}" if job.word else "it was never seen there"
        asked = (
            f"no exit record in {one.exits.path}",
            f"{self._system} has not known job {job.native} for {self._lost_after:g} s; {said}",
        )
        if job.terminated:
            return Verdict(state=State.TERMINATED, reason=Reason.TERMINATED, evidence=asked)
        return Verdict(state=State.LOST, reason=Reason.LOST, evidence=asked)

    def _outcome(self, one: Watched, job: Tracked, verdict: Verdict) -> Outcome:
        said = attrs.asdict(verdict, recurse=False)
        if verdict.message is None:
            del said["message"]
        return one.state.outcome(job, **{**self._facts(one, job), **said})

    def _facts(self, one: Watched, job: Tracked) -> dict[str, Any]:
        """Host, times, use, words and logs, from the system and the job's own records and log."""
        record, status = one.records.get(job.index), job.status
        facts: dict[str, Any] = {}
        if status:
            facts = {name: getattr(status, name) for name in _FACTS}
            facts["native_state"] = status.native if status.state.final else None
        if record:
            started = one.exits.start(record.index, record.attempt, record.restarts)
            host, at = started or (None, None)
            own: dict[str, Any] = {"host": host, "started": at, "ended": one.exits.ended(record)}
            if record.phase != "command" and record.caught is None:
                own["message"] = last_words(one.state.logs(job)[1])
            facts.update({n: value for n, value in own.items() if not facts.get(n)})
        return {name: value for name, value in facts.items() if value is not None}

    def _conclude(self, one: Watched, outcomes: list[Outcome]) -> None:
        """Write verdicts, or plan another attempt for the jobs that get one."""
        again = [outcome for outcome in outcomes if to_be_retried(one.state, outcome)]
        if again:
            indices = {outcome.index for outcome in again}
            outcomes = [outcome for outcome in outcomes if outcome.index not in indices]
            if one.submitter.may_submit():
                self._retry(one, again)
        if outcomes:
            one.state.record_ended(outcomes)
        for outcome in outcomes:
            one.forget(outcome.index)

    def _retry(self, one: Watched, outcomes: list[Outcome]) -> None:
        for planned in plan_retries(one.state, outcomes, self._host):
            one.state.record_retry(planned)
            self._say(f"run {one.state.id}: {planned.submission.count} jobs are run again")
        for outcome in outcomes:
            one.forget(outcome.index)

    # -- observers

    def _tell(self, state: RunState, job: Tracked, old: State) -> None:
        if job.state is State.NEW:
            self.runs[state.id].forget(job.index)  # it is run again, perhaps by another process
        if not self._observers:
            return
        change = Change(
            run=state.id,
            index=job.index,
            id=job.native,
            old=old,
            new=job.state,
            time=datetime.now(timezone.utc),
        )
        for name in self._observers:
            with contextlib.suppress(AnybatchError):
                self._plugins.call(name, "anybatch_job_changed", change=change)


def _newly_held(job: Tracked, status: JobStatus) -> bool:
    return status.state is State.HELD and job.state is not State.HELD


def _is_older(one: Watched, record: ExitRecord, known: ExitRecord) -> bool:
    """Whether a record is of an earlier run of its job than the one that is known."""
    if record.restarts != known.restarts:
        return record.restarts < known.restarts
    made, before = one.exits.ended(record), one.exits.ended(known)
    return made is not None and before is not None and made < before


def _travels(one: Watched, job: Tracked) -> bool:
    """Whether the batch system moves the job's files."""
    submission = one.state.submissions[job.submission].planned.submission
    return submission.transfer is Transfer.SYSTEM
