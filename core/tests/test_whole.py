"""The whole against a scripted batch system: whatever comes in between, each job runs once.

Rules play the user, the batch system, clocks and disks, and processes of several machines that come
and go. The batch system knows the truth, and what the core does and says is held against it. At the
end all is well again, and then every job has to get its verdict. `ANYBATCH_LONG_MODEL=1` plays
longer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import attrs
from anybatch.errors import AnybatchError, CommandFailed, CommandTimeout, FolderError, NotSubmitted
from anybatch.host import Command, Completed
from anybatch.model import Job, State
from anybatch.records import Unreachable
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from .toy import TIMED, Clock, FailingHost, Toy, said, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anybatch.records import Batch, JobStatus, Submission
    from anybatch.run import Run
    from anybatch.session import Session

AWAY = CommandTimeout(Command(("toystat",)), "no answer within 60 s")
REFUSED = CommandFailed(Command(("toysub",)), Completed(1, "", "not now"))
MISSED = Unreachable("cluster 'two' answers here, and the job is on cluster 'one'")
JOBS = 3
LATE = timedelta(seconds=60)
_TASK = re.compile(r"ab_index=(\d+).*?ab_attempt=(\d+)")


@attrs.define
class Real:
    """A job as it is, whatever anybody says of it."""

    index: int
    attempt: int
    state: State = State.QUEUED
    code: int | None = None
    restarts: int = 0
    forgotten: bool = False
    killed: bool = False


class Truth(Toy):
    """A batch system that may be away, late, forgetful, and run jobs again by itself.

    Attributes:
        late: requests that it may still take, and until when.
        away: it answers nothing.
        missed: of submissions whose number leaves these remainders by 2, another cluster would be
            asked from here.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(array=JOBS, reruns=True, late_arrival=LATE)
        self.clock = clock
        self.real: dict[str, Real] = {}
        self.late: list[tuple[float, Submission]] = []
        self.mode = "takes"
        self.away = False
        self.missed: frozenset[int] = frozenset()
        self.foreign: list[str] = []
        self.usual.update(
            submit=self.submitted, find=self.found, status=self.statuses, terminate=self.stopped
        )

    def submitted(self) -> list[str]:
        submission = self.calls["submit"][-1]
        if submission.number % 2 in self.missed:
            raise NotSubmitted(str(MISSED.reason))
        if self.mode == "takes":
            return self.accept(submission)
        if self.mode == "takes and times out":
            self.accept(submission)
        elif self.mode == "is late":
            self.late.append((self.clock.now + LATE.total_seconds(), submission))
        elif self.mode == "refuses":
            raise REFUSED
        elif self.mode == "is full":
            raise NotSubmitted("too many jobs")
        raise CommandTimeout(Command(("toysub",)), "no answer")

    def accept(self, submission: Submission) -> list[str]:
        ids = self.take(submission)
        page = submission.folder / "tasks" / f"{submission.number}.0"
        found = _TASK.findall(page.read_text("utf-8"))
        for native, (index, attempt) in zip(ids, found, strict=True):
            self.real[native] = Real(int(index), int(attempt))
        return ids

    def found(self) -> list[str]:
        token = self.calls["find"][-1]
        if self.away or int(token.rpartition("-")[2]) % 2 in self.missed:
            raise AWAY
        return self.tokens.get(token, [])

    def statuses(self) -> list[dict[str, JobStatus | Unreachable]]:
        if self.away:
            raise AWAY
        return [self.status_in(batch) for batch in self.calls["status of"][-1]]

    def status_in(self, batch: Batch) -> dict[str, JobStatus | Unreachable]:
        if batch.submission.number % 2 in self.missed:
            return dict.fromkeys(batch.ids, MISSED)
        return {native: self.status_of(native) for native in batch.ids if self.knows(native)}

    def knows(self, native: str) -> bool:
        return native in self.real and not self.real[native].forgotten

    def status_of(self, native: str) -> JobStatus:
        one = self.real[native]
        return said(one.state, exit_code=one.code, restarts=one.restarts)

    def stopped(self) -> list[dict[str, Unreachable]]:
        if self.away:
            raise AWAY
        return [self.stop_in(batch) for batch in self.calls["terminate of"][-1]]

    def stop_in(self, batch: Batch) -> dict[str, Unreachable]:
        if batch.submission.number % 2 in self.missed:
            return dict.fromkeys(batch.ids, MISSED)
        for native in batch.ids:
            if native not in self.real:
                self.foreign.append(native)
            elif not self.real[native].state.final:
                self.real[native].state, self.real[native].killed = State.TERMINATED, True
        return {}


@attrs.define
class Machine:
    """Where processes run: its clocks, and how often it was started."""

    name: str
    starts: int = 0
    set_by: float = 0.0


class World(RuleBasedStateMachine):
    """One run, its processes, and the batch system."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.run_folder = Path()
        self.clock = Clock()
        self.truth = Truth(self.clock)
        self.unwanted: set[int] = set()
        self.machines = [Machine("one"), Machine("two")]
        self.here = self.machines[0]
        self.sessions: list[tuple[Session, Machine]] = []
        self.patches: list[Any] = [
            patch(f"anybatch.runs.{module}.time", self.clock) for module in TIMED
        ]
        self.patches.append(patch("anybatch.runs.moments._boot", self.boot))
        self.patches.append(patch.dict(os.environ, XDG_STATE_HOME=str(self.folder / "state")))
        for one in self.patches:
            one.start()

    # -- processes

    def boot(self) -> str:
        return f"{self.here.name}-{self.here.starts}"

    def move_to(self, machine: Machine) -> None:
        self.here, self.clock.set_by = machine, machine.set_by

    def begin(self) -> Session:
        host = FailingHost()
        host.name = self.here.name
        session = session_of(self.folder, self.truth, host=host)
        self.sessions.append((session, self.here))
        return session

    def last(self) -> Session:
        """The process that came last, on its machine."""
        session, machine = self.sessions[-1] if self.sessions else (self.begin(), self.here)
        self.move_to(machine)
        return session

    def end(self) -> None:
        """The process that came last ends, as commands do with an error of the run's folder."""
        if self.sessions:
            self.sessions.pop()[0].close()

    def do(self, action: Callable[[Run], object]) -> bool:
        """Do something with the run; whether it could be done."""
        try:
            run = self.last().attach(self.name)
            action(run)
        except FolderError:
            self.end()
            return False
        except AnybatchError:
            assert self.truth.away or self.truth.missed
            return False
        if run.broken is not None:
            self.end()
        return run.broken is None

    @initialize(mode=st.sampled_from(["takes", "takes and times out", "is late", "is full"]))
    def submit(self, mode: str) -> None:
        self.truth.mode = mode
        run = self.begin().submit([Job(["true"], retry=1)] * JOBS)
        self.name, self.run_folder = run.id, run.folder

    @rule(machine=st.integers(0, 1))
    def another_process_takes_over(self, machine: int) -> None:
        self.end()
        self.move_to(self.machines[machine])
        self.begin()

    @rule(machine=st.integers(0, 1))
    def another_process_comes_too(self, machine: int) -> None:
        if len(self.sessions) < 3:
            self.move_to(self.machines[machine])
            self.begin()

    @rule()
    def another_process_goes_on(self) -> None:
        self.sessions = self.sessions[1:] + self.sessions[:1]

    @rule(which=st.integers(0, 1))
    def a_machine_starts_anew(self, which: int) -> None:
        machine = self.machines[which]
        for session, there in self.sessions:
            if there is machine:
                session.close()
        self.sessions = [one for one in self.sessions if one[1] is not machine]
        machine.starts += 1

    @rule(force=st.booleans(), submits=st.booleans())
    def looks(self, force: bool, submits: bool) -> None:
        self.do(lambda run: run._engine.step(force=force, submit=submits))

    @rule(which=st.integers(0, JOBS))
    def terminates(self, which: int) -> None:
        jobs = [*range(JOBS)] if which == JOBS else [which]
        if self.do(lambda run: run.try_to_terminate(jobs)):
            self.unwanted.update(jobs)

    # -- the batch system

    @rule(
        mode=st.sampled_from(
            ["takes", "takes", "takes and times out", "is late", "refuses", "is full"]
        )
    )
    def submits_otherwise(self, mode: str) -> None:
        self.truth.mode = mode

    @rule(away=st.booleans())
    def goes_away(self, away: bool) -> None:
        self.truth.away = away

    @rule(missed=st.sampled_from([(), (), (0,), (1,), (0, 1)]))
    def another_cluster_answers(self, missed: Sequence[int]) -> None:
        self.truth.missed = frozenset(missed)

    @rule()
    def late_requests_arrive(self) -> None:
        for until, submission in self.truth.late:
            if self.clock.now < until and submission.token not in self.truth.tokens:
                self.truth.accept(submission)
        self.truth.late.clear()

    @rule(which=st.integers(0, 5))
    def starts(self, which: int) -> None:
        for native, one in self.some(which, State.QUEUED):
            one.state = State.RUNNING
            self.leave("start", native, "1767355200.node")

    @rule(which=st.integers(0, 5), code=st.sampled_from([0, 0, 1]), recorded=st.booleans())
    def ends(self, which: int, code: int, recorded: bool) -> None:
        for native, one in self.some(which, State.RUNNING):
            one.state, one.code = (State.DONE if code == 0 else State.FAILED), code
            if recorded:
                self.leave("exit", native, f"command.exit-{code}")

    @rule(which=st.integers(0, 5))
    def runs_again(self, which: int) -> None:
        """The job ends with 0, and the system has begun it anew."""
        for native, one in self.some(which, State.RUNNING):
            self.leave("exit", native, "command.exit-0")
            one.state, one.restarts = State.QUEUED, one.restarts + 1

    @rule(which=st.integers(0, 5))
    def is_killed(self, which: int) -> None:
        for native, one in self.some(which, State.RUNNING):
            self.leave("exit", native, "command.signal-15")
            one.state, one.killed = State.TERMINATED, True

    @rule(which=st.integers(0, 5))
    def forgets(self, which: int) -> None:
        """Only what has ended: jobs that live are not forgotten, or they are lost for good."""
        ended = [one for one in self.truth.real.values() if one.state.final]
        for one in ended[which : which + 1]:
            one.forgotten = True

    def some(self, which: int, state: State) -> list[tuple[str, Real]]:
        found = [pair for pair in self.truth.real.items() if pair[1].state is state]
        return found[which % len(found) :][:1] if found else []

    def leave(self, folder: str, native: str, rest: str) -> None:
        one = self.truth.real[native]
        page = self.run_folder / folder / "0"
        if page.is_dir():  # else all its jobs have their verdicts
            (page / f"{one.index}.{one.attempt}.{one.restarts}.{rest}").touch()

    # -- clocks and disks

    @rule(seconds=st.sampled_from([0.3, 1.0, 3.0, 5.0, 11.0, 130.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(which=st.integers(0, 1), by=st.sampled_from([-7200.0, -5.0, 0.0, 5.0, 7200.0]))
    def a_clock_is_set(self, which: int, by: float) -> None:
        self.machines[which].set_by = by

    @rule(
        number=st.sampled_from([errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EMFILE]),
        left=st.integers(1, 20),
        lasts=st.sampled_from([1, 1, 3, 1000]),
    )
    def the_folder_fails(self, number: int, left: int, lasts: int) -> None:
        host: Any = self.last().host
        host.number, host.left, host.lasts = number, left, lasts

    # -- what always holds

    @invariant()
    def no_job_is_submitted_twice(self) -> None:
        runs = [(one.index, one.attempt) for one in self.truth.real.values()]
        assert len(runs) == len(set(runs))

    @invariant()
    def no_foreign_job_is_touched(self) -> None:
        assert not self.truth.foreign

    @invariant()
    def verdicts_are_true(self) -> None:
        for session, _ in self.sessions:
            with contextlib.suppress(FolderError):
                for outcome in filter(None, session.attach(self.name).outcomes):
                    self.check(outcome)

    def check(self, outcome: Any) -> None:
        real = [
            one
            for one in self.truth.real.values()
            if (one.index, one.attempt) == (outcome.index, outcome.attempt)
        ]
        assert real or not outcome.done, outcome
        for one in real:
            assert one.state.final, (outcome, one)
            assert not (outcome.done and (one.killed or one.code != 0)), (outcome, one)

    # -- the end

    def teardown(self) -> None:
        try:
            if hasattr(self, "name"):
                self.none_is_lost()
        finally:
            for session, _ in self.sessions:
                session.close()
            for one in self.patches:
                one.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def none_is_lost(self) -> None:
        """When all is well again, what is not wanted is stopped, and each job gets its verdict."""
        self.truth.away, self.truth.missed, self.truth.mode = False, frozenset(), "takes"
        self.late_requests_arrive()
        while self.sessions:
            self.end()
        self.look_for_long()
        alive = {one.index for one in self.truth.real.values() if not one.state.final}
        assert not alive & self.unwanted
        for _ in range(2):  # with the second attempts
            for native, one in self.truth.real.items():
                if not one.state.final:
                    self.leave("start", native, "1767355200.node")
                    self.leave("exit", native, "command.exit-0")
                    one.state, one.code = State.DONE, 0
            self.look_for_long()
            self.verdicts_are_true()
        assert None not in self.last().attach(self.name).outcomes
        self.no_job_is_submitted_twice()
        self.no_foreign_job_is_touched()

    def look_for_long(self) -> None:
        for seconds in (1, 5, 11, 30, 60, 130, 400, 400, 5, 11):
            assert self.do(lambda run: run._engine.step(force=True))
            self.clock.now += seconds


LONG = bool(os.environ.get("ANYBATCH_LONG_MODEL"))
TestWhole = World.TestCase
TestWhole.settings = settings(
    max_examples=2000 if LONG else 25,
    stateful_step_count=60 if LONG else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
