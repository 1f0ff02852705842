"""What every batch system keeps of a run, whoever looks: a part of `SystemContract`."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from anybatch import Job, Outcome, Resources, Session, State
from anybatch.host import Command
from anybatch.records import Batch
from anybatch.testing.plugin import SESSIONS
from anybatch.testing.signatures import faults_of
from anybatch.testing.waiting import await_that

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from subprocess import Popen

#: Runs until the file `go` is there, and not for ever.
UNTIL_GO = ("sh", "-c", "for i in $(seq 600); do test -e go && exit; sleep 0.2; done")

_SUBMIT_AND_DIE = """
import os, signal, sys
from anybatch import Job, Session
from anybatch.runs.state import RunState

moment, count = sys.argv[2], int(sys.argv[3])
record = RunState.record

def die(self, kind, **fields):
    if kind == moment.removeprefix("before-"):
        if not moment.startswith("before-"):
            record(self, kind, **fields)
        os.kill(os.getpid(), signal.SIGKILL)
    record(self, kind, **fields)

RunState.record = die
mark = 'echo "$ANYBATCH_INDEX" >>"$0"'
Session(sys.argv[1]).submit([Job(["sh", "-c", mark, os.path.abspath("marks")])] * count)
"""


_NOT_SEEN = """\
no job of this system has run in {}.
Do its workers see that folder? pytest's temporary folders are on this machine alone. Name one that
the workers see, which pytest empties first: pytest --basetemp=$HOME/anybatch-tests
The system says of the job: {}"""


class RunPromises:
    """See `SystemContract`."""

    system: ClassVar[str]
    patience: ClassVar[float] = 120
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    example_settings: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _hooks_break_no_rules(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """A hook that raises, or answers what it may not, is a failure wherever it costs little."""
        yield
        sessions = request.node.stash.get(SESSIONS, [])
        problems = [each for one in sessions for each in one.plugins.problems(one.system)]
        assert problems == [], "the plugin has broken the rules of its hooks"

    def test_workers_see_this_folder(self, session: Session) -> None:
        """The first test: jobs run where our folder is seen, or nothing else can be tested."""
        run = session.submit(Job(["touch", "seen"]))
        await_that(
            lambda: Path("seen").exists() or run.finished, run.refresh, patience=self.patience
        )
        job = run.jobs[0]
        told = f"{job.state.value}: {job.native_state or ''} {job.message or ''}".strip()
        await_that(Path("seen").exists, patience=10, problem=_NOT_SEEN.format(Path.cwd(), told))

    # -- the plugin

    def test_jobs_work_on_the_disk_of_their_node(self, session: Session) -> None:
        """Scratch folders, what one job has set up for the others, and lines at the end."""
        script = 'cat "$ANYBATCH_NODE_DIR/made"; echo $PWD $ANYBATCH_NODE_DIR; echo x >out; exit $0'
        jobs = [
            Job(
                ["sh", "-c", script, code],
                setup_once=['echo made >"$ANYBATCH_NODE_DIR/made"'],
                cleanup=['echo "ended $ANYBATCH_EXIT_CODE"', "false"],
                scratch=True,
                outputs=["out"],
                output_dir="results/{index}",
            )
            for code in ("0", "3", "0")
        ]
        outcomes = session.submit(jobs).wait(self.patience)
        assert [outcome.exit_code for outcome in outcomes] == [0, 3, 0]
        for number, outcome in enumerate(outcomes):
            assert outcome.stdout is not None
            made, places, ended = outcome.stdout.read_text().splitlines()
            assert (made, ended) == ("made", f"ended {outcome.exit_code}")
            assert [place for place in places.split() if Path(place).exists()] == []
            assert Path(f"results/{number}/out").read_text(encoding="utf-8") == "x\n"

    def test_hooks_have_the_parameters_of_their_specification(self, session: Session) -> None:
        """A parameter with a type has the one of `anybatch.hookspecs`."""
        assert faults_of(session.plugins, session.system) == []

    # -- coming back

    def test_another_process_attaches(
        self, session: Session, run_python: Callable[..., Popen[str]]
    ) -> None:
        """A run that one process submitted is waited for and read by another."""
        program = "import sys; from anybatch import Job, Session\n"
        program += "print(Session(sys.argv[1]).submit([Job(['echo', 'x'])] * 3).id)"
        submitter = run_python(program, self.system)
        name = submitter.communicate(timeout=self.patience)[0].strip()
        outcomes = session.attach(name).wait(self.patience)
        assert [read_output(outcome) for outcome in outcomes] == ["x\n"] * 3

    @pytest.mark.parametrize(
        "moment",
        ["before-submitting", "submitting", "before-submitted", "submitted"],
    )
    def test_killed_at_any_moment_nothing_is_lost_or_run_twice(
        self,
        moment: str,
        new_session: Callable[..., Session],
        run_python: Callable[..., Popen[str]],
    ) -> None:
        """Who comes back finds the run, is told the truth, and each job runs exactly once."""
        dying = run_python(_SUBMIT_AND_DIE, self.system, moment, "5")
        dying.communicate(timeout=self.patience)
        assert dying.returncode == -signal.SIGKILL
        [run] = new_session(self.system).runs()
        run.refresh()
        submitted = "submitted" in moment
        assert (State.NEW in run.counts) is not submitted
        outcomes = run.wait(self.patience)
        assert all(outcome.done for outcome in outcomes)
        assert sorted(Path("marks").read_text(encoding="utf-8").split()) == list("01234")

    # -- few commands, what was shown is what runs

    def test_many_jobs_are_one_command(self, session: Session) -> None:
        """Equal directives share a submit command; all share a look, ended ones need none."""
        run = session.submit([Job(UNTIL_GO)] * 20)
        submitted = sum(session.host.commands.values())
        assert len(run.submissions) == 1
        assert submitted <= 3
        run.refresh()
        looked = sum(session.host.commands.values())
        assert looked - submitted <= 3
        Path("go").touch()
        run.wait(self.patience)
        waited = sum(session.host.commands.values())
        run.refresh()
        assert sum(session.host.commands.values()) == waited

    def test_what_was_shown_is_what_runs(self, session: Session) -> None:
        """The files of a run are those of its plan, to the byte."""
        run = session.submit([Job(["true"], name="shown", resources=Resources(cores=2))] * 2)
        submission = run.submissions[0]
        rendered = session.hooks.render(session.system, submission)
        for file in rendered.files:
            assert session.host.read(file.path) == file.text
        assert isinstance(rendered.command, Command)
        run.wait(self.patience)

    def test_an_unknown_id_is_left_out(self, session: Session) -> None:
        """What the system does not know is no failure and spoils no answer."""
        run = session.submit(Job(["sleep", "60"]))
        native = run.jobs[0].id
        assert native
        submission = run.submissions[0]
        batch = Batch(submission=submission, ids=(native.native_id, _never(native.native_id)))
        [answers] = session.hooks.status(session.system, [batch])
        assert {*batch.ids} & {*answers} == {native.native_id}
        run.terminate()

    # -- what a job was submitted with is what it is asked with

    def test_a_session_without_the_settings_attaches(
        self, new_session: Callable[..., Session]
    ) -> None:
        """Whoever attaches knows nothing of the settings, and is told the truth all the same."""
        settings = {new_session(self.system).system: dict(self.example_settings)}
        name = new_session(self.system, settings=settings).submit(Job(["echo", "x"])).id
        [outcome] = new_session(self.system).attach(name).wait(self.patience)
        assert (outcome.state, read_output(outcome)) == (State.DONE, "x\n")

    def test_one_job_of_many_has_settings_of_its_own(
        self, new_session: Callable[..., Session]
    ) -> None:
        """A setting of one job is that job's alone, when it is asked about and stopped."""
        first = new_session(self.system)
        own = {first.system: dict(self.example_settings)}
        name = first.submit([Job(UNTIL_GO), Job(UNTIL_GO, settings=own), Job(UNTIL_GO)]).id
        run = new_session(self.system).attach(name)
        run.refresh()
        assert not any(job.state.final for job in run.jobs)
        assert run.terminate([1]) == 1
        await_that(lambda: run.outcome(1), run.refresh, patience=self.patience)
        Path("go").touch()
        outcomes = run.wait(self.patience)
        states = [outcome.state for outcome in outcomes]
        assert states == [State.DONE, State.TERMINATED, State.DONE]


def _never(native: str) -> str:
    """An id of the same form that no job has."""
    head = re.split(r"[_.\[]", native, maxsplit=1)[0]
    return native.replace(head, "987654", 1)


def read_output(outcome: Outcome) -> str:
    """What a job printed; bytes that are not UTF-8 as surrogates."""
    assert outcome.stdout
    return outcome.stdout.read_bytes().decode("utf-8", "surrogateescape")
