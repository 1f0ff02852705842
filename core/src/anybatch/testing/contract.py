"""What every batch system must do, as tests that run real jobs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anybatch import Job, Reason, Session, State, UsageError
from anybatch.testing.answers import HookPromises
from anybatch.testing.campaigns import CampaignPromises
from anybatch.testing.limits import LimitPromises
from anybatch.testing.promises import UNTIL_GO, RunPromises, read_output
from anybatch.testing.requests import RequestPromises
from anybatch.testing.texts import awkward_texts, file_names
from anybatch.testing.waiting import await_that

if TYPE_CHECKING:
    from collections.abc import Callable

REAL_JOBS = settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.differing_executors,  # several systems keep one contract
    ],
)
#: What a shell sets by itself, or anybatch.
_OF_ANY_JOB = re.compile(r"ANYBATCH_|SHLVL$|PWD$|OLDPWD$|_$")
_SHOW_ENVIRONMENT = ("env", "-0")
#: Prints its own environment and that of a job inside it, which inherits everything.
_SUBMITS_INNER = """
import os, sys
from anybatch import Job, Session
session = Session(sys.argv[1], settings={"anybatch": {"inherit_env": ["*"]}})
[inner] = session.submit(Job(["env", "-0"], name="inner")).wait(float(sys.argv[2]))
own = [f"{name}={value}" for name, value in os.environ.items()]
print(*own, "", inner.stdout.read_text(), sep="\\0", end="")
"""
_SHOW_WORDS = ("printf", "%s\\0")


class SystemContract(RequestPromises, HookPromises, LimitPromises, CampaignPromises, RunPromises):
    """Subclass it as `Test...` and name your system.

    Attributes:
        system: the plugin's name, or one that stands for it.
        patience: seconds within which a few short jobs certainly run.
        settings: tables of settings for all tests, as they stand in `anybatch.toml`:
            `{"slurm": {"account": "physics"}}`.
        signals: whether it can send a job a signal.
        example_settings: settings with which jobs run here, too; as unlike its own as can be.
        waiting: a job that waits in the queue; without it nothing is tested of those.
        held: a job that the system holds; without it nothing is tested of those.
        refused: a job that the system refuses for good.
        unreachable: what commands print on standard error when the system is down; without it
            they only hang or are killed.
        ignored: names of `Resources` that mean nothing to the system.
        system_log: whether what the job script prints by itself gets into the run's `logs`.

    Override the method `forget` where jobs that have ended can be made to leave the queue; without
    it nothing is tested of what only accounting knows. Override `lead_elsewhere` where there are
    two clusters; without it nothing is tested of jobs that are in the other one.
    """

    signals: ClassVar[bool] = True

    @pytest.fixture
    def session(self, new_session: Callable[..., Session]) -> Session:
        """A session on the system."""
        return new_session(self.system)

    # -- how jobs end

    def test_exit_codes_and_signals_are_told_apart(self, session: Session) -> None:
        """Every kind of end is reported as what it was, each job for itself."""
        codes = [0, 1, 2, 77, 99, 100, 126, 127, 128, 137, 143, 255]
        numbers = [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGUSR1]
        jobs = [Job(["sh", "-c", f"exit {code}"], name="ends") for code in codes]
        jobs += [Job(["sh", "-c", f"kill -{int(n)} $$"], name="ends") for n in numbers]
        outcomes = session.submit(jobs).wait(self.patience)
        assert [o.state for o in outcomes] == [State.DONE] + [State.FAILED] * (len(jobs) - 1)
        assert [o.exit_code for o in outcomes[: len(codes)]] == codes
        assert [o.signal for o in outcomes[len(codes) :]] == numbers
        assert {o.reason for o in outcomes[1 : len(codes)]} == {Reason.EXIT_CODE}
        assert {o.reason for o in outcomes[len(codes) :]} == {Reason.SIGNAL}

    def test_outcomes_tell_when_where_and_why_it_is_known(self, session: Session) -> None:
        """An outcome has id, host, times in order, evidence and logs."""
        [outcome] = session.submit(Job(["echo", "hello"])).wait(self.patience)
        assert outcome.id is not None
        assert outcome.host
        assert outcome.submitted
        assert outcome.started
        assert outcome.ended
        assert outcome.started <= outcome.ended
        assert outcome.evidence
        assert outcome.stdout
        assert outcome.stdout.read_text() == "hello\n"

    def test_a_command_that_is_not_there_fails_with_127(self, session: Session) -> None:
        """The shell's own exit code for it, and its words in the log."""
        [outcome] = session.submit(Job(["no-such-program"])).wait(self.patience)
        assert (outcome.state, outcome.exit_code) == (State.FAILED, 127)
        assert outcome.stderr
        assert "no-such-program" in outcome.stderr.read_text()

    # -- text stays text

    @REAL_JOBS
    @given(
        words=st.lists(st.lists(awkward_texts(), min_size=1, max_size=4), min_size=5, max_size=30)
    )
    def test_arguments_arrive_byte_for_byte(self, session: Session, words: list[list[str]]) -> None:
        """Whatever the words of a command hold, the command gets the same bytes."""
        run = session.submit([Job([*_SHOW_WORDS, *each]) for each in words])
        outcomes = run.wait(self.patience)
        got = [read_output(outcome).split("\0")[:-1] for outcome in outcomes]
        assert got == words

    @REAL_JOBS
    @given(st.lists(st.tuples(awkward_texts(), file_names()), min_size=3, max_size=8))
    def test_values_and_names_arrive_byte_for_byte(
        self, session: Session, pairs: list[tuple[str, str]]
    ) -> None:
        """Values of the environment, names of working folders, logs and jobs stay as they are."""
        base = Path.cwd()
        for _, name in pairs:
            (base / "dirs" / name).mkdir(parents=True, exist_ok=True)
        script = 'printf "%s\\0" "$VALUE" "$(pwd; echo .)"'
        jobs = [
            Job(
                ["sh", "-c", script],
                name="names",
                env={"VALUE": value},
                workdir=base / "dirs" / name,
                stdout=base / "logs" / str(number) / name,
            )
            for number, (value, name) in enumerate(pairs)
        ]
        outcomes = session.submit(jobs).wait(self.patience)
        for (value, name), outcome in zip(pairs, outcomes, strict=True):
            assert outcome.stdout
            assert outcome.stdout.name == name
            got_value, got_folder = read_output(outcome).split("\0")[:2]
            assert got_value == value
            assert got_folder.removesuffix("\n.") == str(base / "dirs" / name)

    @REAL_JOBS
    @given(awkward_texts(min_size=1).filter(lambda t: t.strip() and t.isprintable()))
    @example('odd "name')
    @example("-n it's $(id) `id` %j #x; \\")
    def test_names_are_carried_or_refused(self, session: Session, name: str) -> None:
        """A job's name with any printable text adds no directive: the job just runs."""
        [outcome] = session.submit(Job(["true"], name=name)).wait(self.patience)
        assert outcome.done

    def test_a_name_of_two_lines_is_refused(self, session: Session) -> None:
        """Nothing is submitted for a job whose name could add a line."""
        with pytest.raises(UsageError, match="name"):
            session.submit(Job(["true"], name="a\n#SBATCH --hold"))

    # -- environment, files

    def test_the_environment_is_built_by_the_job_script(
        self, new_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Jobs get what is on the list, `env_script` first, then `env`, then `setup`."""
        monkeypatch.setenv("SECRET_OF_SUBMITTER", "leaked")
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        Path("site.sh").write_text("ORDER=site; export ORDER; SITE=1; export SITE\n", "utf-8")
        job = Job(
            ["sh", "-c", 'echo "$TZ|$SECRET_OF_SUBMITTER|$ORDER|$SITE|$LATE"'],
            env_script=Path("site.sh"),
            env={"ORDER": "env"},
            setup=["LATE=$ORDER-setup; export LATE"],
        )
        [outcome] = new_session(self.system).submit(job).wait(self.patience)
        assert read_output(outcome) == "Asia/Tokyo||env|1|env-setup\n"

    def test_a_failing_set_up_is_told_from_a_failing_command(self, session: Session) -> None:
        """The reason is `setup`, and the line is in the log."""
        [outcome] = session.submit(Job(["true"], setup=["false && no"])).wait(self.patience)
        assert (outcome.state, outcome.reason) == (State.FAILED, Reason.SETUP)
        assert outcome.stderr
        assert "false && no" in outcome.stderr.read_text()

    def test_a_job_inside_a_job_sees_nothing_of_the_outer(
        self, new_session: Callable[..., Session]
    ) -> None:
        """What the system and anybatch set for the outer job does not reach the inner one.

        Not even where jobs inherit everything. A job from outside shows what the system sets anew.
        """
        keep = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("XDG_", "SLURM_CONF", "CONDOR_CONFIG", "LSF_", "PYTHONPATH"))
        }
        words = [sys.executable, "-c", _SUBMITS_INNER, self.system, str(self.patience)]
        everything = {"anybatch": {"inherit_env": ["*"]}}
        session = new_session(self.system, settings=everything)
        run = session.submit([Job(words, env={**keep, "OUTER": "1"}), Job(_SHOW_ENVIRONMENT)])
        outer, outside = run.wait(2 * self.patience)
        assert outer.done, outer.stderr and outer.stderr.read_text()
        seen, inner = map(_variables, read_output(outer).split("\0\0"))
        known = _variables(read_output(outside))
        assert inner["ANYBATCH_RUN"] != outer.run
        assert inner["OUTER"] == "1", "everything is inherited here"
        if inner.get("HOSTNAME", outside.host) != outside.host:
            return  # what another machine has tells nothing
        leaked = [
            name
            for name, value in inner.items()
            if seen.get(name) == value
            and known.get(name) != value
            and name not in os.environ
            and name not in {"OUTER", *keep}
            and not _OF_ANY_JOB.match(name)
        ]
        assert leaked == []

    def test_inputs_and_outputs_are_brought(self, session: Session) -> None:
        """Inputs keep their layout; outputs go to `output_dir`; `{index}` tells jobs apart."""
        Path("data/deep").mkdir(parents=True)
        Path("data/a.txt").write_text("a", encoding="utf-8")
        Path("data/deep/b.txt").write_text("b", encoding="utf-8")
        job = Job(
            ["sh", "-c", "mkdir out; cat data/a.txt data/deep/b.txt >out/sum-$ANYBATCH_INDEX"],
            workdir=Path("work-{index}"),
            inputs=["data/*.txt", "data/deep"],
            outputs=["out/sum-*"],
            output_dir=Path("results/{index}"),
        )
        outcomes = session.submit([job, job]).wait(self.patience)
        assert all(outcome.done for outcome in outcomes), outcomes
        assert Path("results/0/out/sum-0").read_text(encoding="utf-8") == "ab"
        assert Path("results/1/out/sum-1").read_text(encoding="utf-8") == "ab"

    def test_a_missing_output_is_a_failure_of_its_own(self, session: Session) -> None:
        """A pattern that matches nothing is reason `stage_out` though the command succeeded."""
        [outcome] = session.submit(Job(["true"], outputs=["*.root"])).wait(self.patience)
        assert (outcome.state, outcome.reason) == (State.FAILED, Reason.STAGE_OUT)

    def test_missing_inputs_are_refused(self, session: Session) -> None:
        """Nothing is submitted for a job whose input is not there."""
        with pytest.raises(UsageError, match="no-such-file"):
            session.submit(Job(["true"], inputs=["no-such-file"]))

    def test_a_working_folder_that_vanished_is_a_failed_set_up(self, session: Session) -> None:
        """The script says so, whatever the system does about it."""
        Path("gone").mkdir()
        first = Job(["rmdir", Path("gone").absolute().as_posix()], name="first")
        second = Job(["true"], name="second", workdir=Path("gone"), after=first)
        outcomes = session.submit([first, second]).wait(self.patience)
        assert outcomes[0].done
        assert (outcomes[1].state, outcomes[1].reason) == (State.FAILED, Reason.SETUP)

    # -- order

    def test_a_job_after_others_starts_when_they_are_done(self, session: Session) -> None:
        """What it needs is there; it never runs where one of them failed."""
        parts = [Job(["sh", "-c", f"sleep 1; echo {n} >part-{n}"], name="part") for n in range(3)]
        total = Job(["sh", "-c", "cat part-0 part-1 part-2"], after=parts, name="total")
        bad = Job(["false"], name="bad")
        never = Job(["touch", "ran"], after=bad, name="never")
        outcomes = session.submit([*parts, total, bad, never]).wait(self.patience)
        assert read_output(outcomes[3]) == "0\n1\n2\n"
        assert (outcomes[5].state, outcomes[5].reason) == (State.TERMINATED, Reason.DEPENDENCY)
        assert not Path("ran").exists()

    def test_a_run_after_another_run(self, session: Session) -> None:
        """`after` takes runs and names of jobs as well."""
        first = session.submit([Job(["touch", "one"]), Job(["touch", "two"])])
        second = session.submit(Job(["ls", "one", "two"], after=[first, f"{first.id}:1"]))
        assert second.wait(self.patience)[0].done

    # -- stop

    def test_terminate_takes_the_children_along(self, session: Session) -> None:
        """A terminated job is `terminated`, and nothing that it started is left."""
        child = "import time; open('child', 'w').close(); time.sleep(600)"
        job = Job(["sh", "-c", f'{sys.executable} -c "{child}" & wait'], name="parent")
        run = session.submit(job)
        await_that(lambda: Path("child").exists(), patience=self.patience)
        run.terminate()
        [outcome] = run.wait(self.patience)
        assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.TERMINATED)
        await_that(
            lambda: not _processes_with("time.sleep(600)", Path.cwd()), patience=self.patience
        )

    def test_terminate_some_of_many(self, session: Session) -> None:
        """Elements are stopped by their index, in one command, and questions whose they are."""
        script = f'{UNTIL_GO[2].replace("exit", "break")}; echo x >"survivor-$ANYBATCH_INDEX"'
        run = session.submit([Job(["sh", "-c", script])] * 4)
        before = sum(session.host.commands.values())
        run.terminate([1, 3])
        assert sum(session.host.commands.values()) - before <= 3
        await_that(lambda: run.outcome(1) and run.outcome(3), run.refresh, patience=self.patience)
        assert run.outcome(0) is run.outcome(2) is None
        Path("go").touch()
        states = [outcome.state for outcome in run.wait(self.patience)]
        assert states == [State.DONE, State.TERMINATED, State.DONE, State.TERMINATED]
        assert sorted(path.name for path in Path().glob("survivor-*")) == [
            "survivor-0",
            "survivor-2",
        ]

    def test_a_signal_reaches_the_command_or_is_refused(self, session: Session) -> None:
        """The command gets it once and may go on; a system that cannot send one says so."""
        script = "trap 'echo got >>got' USR1; touch ready; "
        script += "for i in $(seq 1200); do test -s got && break; sleep 0.1; done"
        run = session.submit(Job(["sh", "-c", f"{script}; sleep 0.5"]))
        await_that(lambda: Path("ready").exists(), patience=self.patience)
        if not self.signals:
            with pytest.raises(UsageError, match="USR1"):
                run.terminate(signal="USR1")
            run.terminate()
            return
        run.terminate(signal="USR1")
        [outcome] = run.wait(self.patience)
        assert outcome.done
        assert Path("got").read_text(encoding="utf-8") == "got\n"


def _variables(text: str) -> dict[str, str]:
    """The environment that `env -0` prints."""
    return dict(line.partition("=")[::2] for line in text.split("\0") if line)


def _processes_with(text: str, folder: Path) -> list[int]:
    """The processes whose command line holds *text* and that work in *folder*."""
    mark, found = text.encode(), []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            runs_it = entry.name.isdecimal() and mark in (entry / "cmdline").read_bytes()
            if runs_it and (entry / "cwd").resolve() == folder:
                found.append(int(entry.name))
    return found
