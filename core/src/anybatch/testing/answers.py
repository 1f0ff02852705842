"""What the hooks of every batch system must answer: a part of `SystemContract`.

Jobs are handed to the hooks without the core, because its own evidence would hide what the system
says wrongly.
"""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from anybatch import Job, Reason, Resources, Session, State
from anybatch.errors import CommandError, NotSubmitted
from anybatch.records import Unreachable
from anybatch.testing.direct import DirectJobs
from anybatch.testing.faults import away, broken_off, other_word
from anybatch.testing.recording import RecordingHost
from anybatch.testing.waiting import await_that

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anybatch.records import JobStatus

#: Runs until the file `go` is there, and not for ever.
_LIVE = ': >"live-$me"; for i in $(seq 600); do test -e go && break; sleep 0.2; done; : >"end-$me"'
#: A job of each end; the first uses a known amount of memory and of time.
_ENDS = (0, 3, 99, 100, -9)
_HELD_BYTES, _BUSY_SECONDS = 200 << 20, 2
_USE = f"""
import time
kept = bytearray(b"x") * {_HELD_BYTES}
while time.process_time() < {_BUSY_SECONDS}:
    pass
"""
#: Longest that a hook may take beside its commands, in seconds.
_OWN_TIME = 1.0


class HookPromises:
    """See `SystemContract`."""

    system: ClassVar[str]
    patience: ClassVar[float] = 120
    waiting: ClassVar[Job | None] = None
    held: ClassVar[Job | None] = None
    unreachable: ClassVar[str] = ""
    system_log: ClassVar[bool] = True

    def forget(self, ids: Sequence[str]) -> bool:
        """Have the queue forget jobs that have ended, so that only accounting knows them.

        Returns:
            Whether it has; by default it cannot be done.
        """
        return False

    def lead_elsewhere(self, environment: pytest.MonkeyPatch) -> str:
        """Have commands of later sessions lead to another cluster.

        Returns:
            The name of the one that is missed then; by default none: it cannot be done.
        """
        return ""

    @pytest.fixture
    def direct(self) -> Iterator[Callable[..., DirectJobs]]:
        """Makes `DirectJobs`, which are stopped after the test."""
        made: list[DirectJobs] = []

        def make(*arguments: Any) -> DirectJobs:
            made.append(DirectJobs(*arguments))
            return made[-1]

        yield make
        for one in made:
            one.clean_up()

    # -- what is said of jobs that run

    def test_jobs_that_run_are_told(
        self,
        new_session: Callable[..., Session],
        direct: Callable[..., DirectJobs],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Each by its own id, with true times, found by its token alone, without much ado."""
        monkeypatch.setenv("SECRET_OF_SUBMITTER", "leaked")
        show = "echo words of the job script >&2; cat /proc/$$/environ >environment"
        jobs = direct(new_session(self.system), Job(["true"], name="told"), 3, f"{show}; {_LIVE}")
        jobs.submit()
        assert len({*jobs.ids}) == 3
        self._await_states(jobs, State.RUNNING)
        assert jobs.least_own_time() < _OWN_TIME, "a hook must not wait by itself"
        for status in filter(None, jobs.statuses()):
            assert jobs.wrong_times(status) == []
        self._found_alone(jobs)
        environment = (jobs.folder / "environment").read_bytes()
        assert b"SECRET_OF_SUBMITTER" not in environment, "the submit command hands it on"
        if self.system_log:
            self._await(lambda: "words of the job script" in _texts(jobs.folder / "logs"))
        assert jobs.terminate([0]) == {}
        self._await(lambda: _final_or_unknown(jobs.statuses()[0]))
        (jobs.folder / "go").touch()
        self._await(lambda: all(map(_final_or_unknown, jobs.statuses())))
        ended = [(jobs.folder / f"end-{number}").exists() for number in range(3)]
        assert ended == [False, True, True], "the ids are not those of the jobs"

    def test_what_cannot_be_asked_is_no_answer(
        self, session: Session, direct: Callable[..., DirectJobs]
    ) -> None:
        """Whatever source is away, or breaks off: no job is left out, and no end is made up."""
        jobs = direct(session, Job(["true"]), 2, f'test "$me" = 0 && exit 0; {_LIVE}')
        jobs.submit()
        await_that((jobs.folder / "live-1").exists, patience=self.patience)
        self._await(lambda: _is(jobs.statuses()[1], State.RUNNING))
        self._await(lambda: _final_or_unknown(jobs.statuses()[0]))
        known, unknown = jobs.statuses(), jobs.unknown()
        assert isinstance(session.host, RecordingHost)
        programs = self._programs(session.host, jobs.statuses)
        for program in (None, *programs):
            for fault in away(program, self.unreachable):
                session.host.fault = fault
                with suppress(CommandError):
                    assert [n for n in jobs.unknown() if n not in unknown] == [], program
                    for before, now in zip(known, jobs.statuses(), strict=True):
                        assert now is None or (before and now.state is before.state), now
        [running] = [one for one in known if _is(one, State.RUNNING)]
        assert running
        for fault in (*broken_off(), other_word(running.native_state)):
            session.host.fault = fault
            with suppress(CommandError):
                status = jobs.statuses()[1]
                assert status is None or not status.state.final, status

    def test_what_could_not_be_done_is_said(
        self, session: Session, direct: Callable[..., DirectJobs]
    ) -> None:
        """Submit, find and terminate: what failed may pass, is no refusal and no success."""
        jobs = direct(session, Job(["true"]), 1, _LIVE)
        jobs.submit()
        other = direct(session, Job(["true"]), 1, "true")
        assert isinstance(session.host, RecordingHost)
        for fault in away(None, self.unreachable):
            session.host.fault = fault
            with pytest.raises((CommandError, NotSubmitted)):
                other.submit()
            with suppress(CommandError):
                assert jobs.find() == jobs.ids
            with suppress(CommandError):
                assert [*jobs.terminate()] == jobs.ids, "nobody was told to stop"
        session.host.fault = None
        assert not _final_or_unknown(jobs.statuses()[0])

    def test_jobs_of_another_cluster_are_left_alone(
        self,
        new_session: Callable[..., Session],
        direct: Callable[..., DirectJobs],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Where commands lead elsewhere the name of what is missed is told, and none is stopped."""
        with monkeypatch.context() as elsewhere:
            if not self.lead_elsewhere(elsewhere):
                pytest.skip("not tested: two clusters (method `lead_elsewhere`)")
        home = new_session(self.system)
        jobs = direct(home, Job(["true"]), 2, _LIVE)
        jobs.submit()
        self._await_states(jobs, State.RUNNING)
        with monkeypatch.context() as elsewhere:
            missed = self.lead_elsewhere(elsewhere)
            jobs.ask_through(new_session(self.system))
            for one in jobs.answers():
                why = one.reason if isinstance(one, Unreachable) else one and one.message
                assert missed in str(why), one
                assert isinstance(one, Unreachable) or (one and not one.state.final), one
            told = jobs.terminate()
            assert [*told] == jobs.ids
            for reason in told.values():
                assert isinstance(reason, Unreachable), reason
                assert missed in reason.reason
            with suppress(CommandError):
                assert jobs.find() == jobs.ids
        jobs.ask_through(home)
        assert all(_is(one, State.RUNNING) for one in jobs.statuses())

    # -- what is said of jobs that wait

    def test_jobs_that_wait_are_told(
        self, new_session: Callable[..., Session], direct: Callable[..., DirectJobs]
    ) -> None:
        """They are queued and found; stopped they are never done."""
        if self.waiting is None:
            pytest.skip("not tested: jobs that wait (attribute `waiting`)")
        self._not_started(new_session, direct, self.waiting, State.QUEUED)

    def test_jobs_that_are_held_are_told(
        self, new_session: Callable[..., Session], direct: Callable[..., DirectJobs]
    ) -> None:
        """They are held, which is no end and is not waiting; stopped they are never done."""
        if self.held is None:
            pytest.skip("not tested: jobs that are held (attribute `held`)")
        self._not_started(new_session, direct, self.held, State.HELD)

    def _not_started(
        self,
        new_session: Callable[..., Session],
        direct: Callable[..., DirectJobs],
        job: Job,
        state: State,
    ) -> None:
        run = new_session(self.system).submit(job)
        jobs = direct(new_session(self.system), job, 3, _LIVE)
        jobs.submit()
        self._await_states(jobs, state)
        self._found_alone(jobs)
        assert jobs.unknown() == []
        self._await(lambda: run.counts == {state: 1}, run.refresh)
        run.terminate()
        assert jobs.terminate([0, 2]) == {}
        self._await(lambda: all(_final_or_unknown(jobs.statuses()[n]) for n in (0, 2)))
        first, second, third = jobs.statuses()
        assert _is(second, state)
        for status in (first, third):
            assert status is None or status.state is not State.DONE, status
        [outcome] = run.wait(self.patience)
        assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.TERMINATED)
        assert jobs.ran() == [0, 0, 0]

    # -- what is said of jobs that have ended

    def test_ends_are_told_by_the_system(
        self, session: Session, direct: Callable[..., DirectJobs]
    ) -> None:
        """Each job ran once, whatever its exit status; failures are no success; use is true."""
        use = f"{shlex.quote(sys.executable)} -c {shlex.quote(_USE)}"
        cases = (f"{n}) exit {code};;" for n, code in enumerate(_ENDS) if code > 0)
        script = f"case $me in 0) {use}; exit 0;; {' '.join(cases)} *) kill -9 $$;; esac"
        enough = Job(["true"], resources=Resources(memory="500 MB"))
        jobs = direct(session, enough, len(_ENDS), script)
        jobs.submit()
        self._await(lambda: min(jobs.ran()) > 0)
        self._await(lambda: all(map(_final_or_unknown, jobs.statuses())))
        assert jobs.ran() == [1] * len(_ENDS), "the system has run a job again"
        self._ended_are_told(jobs)

    def _ended_are_told(self, jobs: DirectJobs) -> None:
        for code, status in zip(_ENDS, jobs.statuses(), strict=True):
            if status is None:
                continue
            if code == 0:
                assert status.state is State.DONE, status
            elif status.state is State.DONE:
                assert status.needs_record, status
            else:
                assert status.exit_code in (None, code if code > 0 else 128 + 9), status
            assert jobs.wrong_times(status) == []
        for status in (*filter(None, jobs.statuses()), *jobs.accounted()):
            _check_use(status)
        self._found_alone(jobs)
        assert jobs.terminate() == {}, "a job that has ended is no error"

    def test_what_only_accounting_knows_is_told(
        self, session: Session, direct: Callable[..., DirectJobs]
    ) -> None:
        """Jobs that the queue has forgotten have ended as they did, and are found."""
        ends = (0, 3)
        jobs = direct(session, Job(["true"]), len(ends), 'exit "$((me * 3))"')
        jobs.submit()
        self._await(lambda: all(map(_final_or_unknown, jobs.statuses())))
        if not self.forget(jobs.ids):
            pytest.skip("not tested: jobs that only accounting knows (method `forget`)")
        self._await(lambda: jobs.unknown() == [])
        states = [status.state for status in jobs.statuses() if status]
        assert states == [State.DONE, State.FAILED]
        for status in (*filter(None, jobs.statuses()), *jobs.accounted()):
            assert jobs.wrong_times(status) == []
            _check_use(status)
        self._found_alone(jobs)
        assert jobs.terminate() == {}

    # -- helpers

    def _await(
        self, ready: Callable[[], object], look: Callable[[], object] = lambda: None
    ) -> None:
        await_that(ready, look, patience=self.patience)

    def _await_states(self, jobs: DirectJobs, state: State) -> None:
        """Wait until all are in that state; what is not known yet may come, an end may not."""

        def ready() -> bool:
            said = jobs.statuses()
            assert not any(one and one.state.final for one in said), said
            return all(_is(one, state) for one in said)

        self._await(ready)

    def _found_alone(self, jobs: DirectJobs) -> None:
        """By their token, in order; none with a token that is alike."""
        assert jobs.find() == jobs.ids
        for change in ("longer", "shorter"):
            with suppress(CommandError):  # it cannot know
                assert jobs.find(change) == [], f"found by a {change} token"

    def _programs(self, host: RecordingHost, ask: Callable[[], object]) -> list[str]:
        before = host.commands.copy()
        ask()
        return [*(host.commands - before)]


def _is(status: JobStatus | None, state: State) -> bool:
    return status is not None and status.state is state


def _final_or_unknown(status: JobStatus | None) -> bool:
    return status is None or status.state.final


def _texts(folder: Path) -> str:
    files = (path for path in folder.rglob("*") if path.is_file())
    return "\n".join(path.read_text("utf-8", "replace") for path in files)


def _check_use(status: JobStatus) -> None:
    """What is told of a job's use is not more than it can have used."""
    if status.max_memory is not None:
        assert 0 <= status.max_memory <= 3 * _HELD_BYTES, status
    if status.cpu_time is not None:
        assert timedelta(0) <= status.cpu_time <= timedelta(seconds=4 * _BUSY_SECONDS), status
