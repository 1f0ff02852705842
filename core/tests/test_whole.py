"""The whole against a scripted batch system: whatever comes in between, each job runs once.

Rules play the user, the batch system, the clock, and processes that come and go. The batch system
knows the truth, and what the core does and says is held against it. `ANYBATCH_LONG_MODEL=1` plays
longer.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import attrs
from anybatch.errors import AnybatchError, CommandFailed, CommandTimeout, NotSubmitted
from anybatch.host import Command, Completed
from anybatch.model import Job, State
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from .toy import Clock, Toy, local_host, plugins_of, said, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.records import Batch, JobStatus, Submission

AWAY = CommandTimeout(Command(("toystat",)), "no answer within 60 s")
REFUSED = CommandFailed(Command(("toysub",)), Completed(1, "", "not now"))
JOBS = 3
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
    """A batch system that may be away, late, forgetful, and run jobs again by itself."""

    def __init__(self) -> None:
        super().__init__(array=JOBS, reruns=True)
        self.real: dict[str, Real] = {}
        self.late: list[Submission] = []
        self.away = False
        self.run_folder = Path()
        self.foreign: list[str] = []

    def accept(self, submission: Submission) -> list[str]:
        ids = self.take(submission)
        page = submission.folder / "tasks" / f"{submission.number}.0"
        found = _TASK.findall(page.read_text("utf-8"))
        for native, (index, attempt) in zip(ids, found, strict=True):
            self.real[native] = Real(int(index), int(attempt))
        return ids

    def statuses(self, batches: Sequence[Batch]) -> list[dict[str, JobStatus]]:
        if self.away:
            raise AWAY
        return [
            {native: self.status_of(native) for native in batch.ids if self.knows(native)}
            for batch in batches
        ]

    def knows(self, native: str) -> bool:
        return native in self.real and not self.real[native].forgotten

    def status_of(self, native: str) -> JobStatus:
        one = self.real[native]
        return said(one.state, exit_code=one.code, restarts=one.restarts)


class World(RuleBasedStateMachine):
    """One run, its processes, and the batch system."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.truth = Truth()
        self.patches: list[Any] = [
            patch(f"anybatch.runs.{module}.time", self.clock)
            for module in ("moments", "state", "submitter", "polling", "observation")
        ]
        self.patches.append(patch.dict(os.environ, XDG_STATE_HOME=str(self.folder / "state")))
        for one in self.patches:
            one.start()
        self.mode = "takes"
        truth = self.truth

        def submit() -> Any:
            submission = truth.calls["submit"][-1]
            if self.mode == "takes":
                return truth.accept(submission)
            if self.mode == "takes and times out":
                truth.accept(submission)
            elif self.mode == "is late":
                truth.late.append(submission)
            elif self.mode == "refuses":
                raise REFUSED
            elif self.mode == "is full":
                raise NotSubmitted("too many jobs")
            raise CommandTimeout(Command(("toysub",)), "no answer")

        def find() -> list[str]:
            if truth.away:
                raise AWAY
            return truth.tokens.get(truth.calls["find"][-1], [])

        def status() -> Any:
            return truth.statuses(truth.calls["status of"][-1])

        def terminate() -> None:
            if truth.away:
                raise AWAY
            for native in truth.calls["terminate"][-1][0]:
                if native not in truth.real:
                    truth.foreign.append(native)
                elif not truth.real[native].state.final:
                    truth.real[native].state, truth.real[native].killed = State.TERMINATED, True

        truth.usual.update(submit=submit, find=find, status=status, terminate=terminate)
        self.sessions: list[Any] = []

    def begin(self) -> Any:
        session = session_of(
            self.folder, self.truth, host=local_host(), plugins=plugins_of(toy=self.truth)
        )
        self.sessions.append(session)
        return session

    def view(self) -> Any:
        """The run, in one of the processes."""
        session = self.sessions[-1] if self.sessions else self.begin()
        return session.attach(self.name)

    @initialize(mode=st.sampled_from(["takes", "takes and times out", "is late", "is full"]))
    def submit(self, mode: str) -> None:
        self.mode = mode
        run = self.begin().submit([Job(["true"], retry=1)] * JOBS)
        self.name, self.truth.run_folder = run.id, run.folder

    # -- the batch system

    @rule(
        mode=st.sampled_from(
            ["takes", "takes", "takes and times out", "is late", "refuses", "is full"]
        )
    )
    def submits_otherwise(self, mode: str) -> None:
        self.mode = mode

    @rule(away=st.booleans())
    def goes_away(self, away: bool) -> None:
        self.truth.away = away

    @rule()
    def late_requests_arrive(self) -> None:
        for submission in self.truth.late:
            if submission.token not in self.truth.tokens:
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
        page = self.truth.run_folder / folder / "0"
        if page.is_dir():  # else all its jobs have their verdicts
            (page / f"{one.index}.{one.attempt}.{one.restarts}.{rest}").touch()

    # -- time, and processes

    @rule(seconds=st.sampled_from([0.3, 1.0, 3.0, 5.0, 11.0, 130.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def another_process_takes_over(self) -> None:
        if self.sessions:
            self.sessions.pop().close()
        self.begin()

    @rule()
    def another_process_comes_too(self) -> None:
        if len(self.sessions) < 3:
            self.begin()

    @rule(force=st.booleans(), submits=st.booleans())
    def looks(self, force: bool, submits: bool) -> None:
        self.view()._engine.step(force=force, submit=submits)

    @rule(which=st.integers(0, JOBS))
    def terminates(self, which: int) -> None:
        run = self.view()
        try:
            run.terminate(None if which == JOBS else [which])
        except AnybatchError:
            assert self.truth.away

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
        for session in self.sessions:
            for outcome in session.attach(self.name).outcomes if self.sessions else ():
                if outcome is None:
                    continue
                real = [
                    one
                    for one in self.truth.real.values()
                    if (one.index, one.attempt) == (outcome.index, outcome.attempt)
                ]
                for one in real:
                    assert one.state.final, (outcome, one)
                    assert not (outcome.done and (one.killed or one.code != 0)), (outcome, one)

    def teardown(self) -> None:
        for session in self.sessions:
            session.close()
        for one in self.patches:
            one.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


LONG = bool(os.environ.get("ANYBATCH_LONG_MODEL"))
TestWhole = World.TestCase
TestWhole.settings = settings(
    max_examples=2000 if LONG else 25,
    stateful_step_count=60 if LONG else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
