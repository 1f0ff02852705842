"""What a batch system that moves jobs' files must do, as tests that run real jobs."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from anybatch import Job, JobError, Outcome, Reason, Retry, Session, State
from anybatch.testing.waiting import await_that

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = ("it's $HOME", 'a "name"', "line\nbreak", "-n", "*", "\\t", "ü漢", "\udcff\x01", " end ")


class TransferContract:
    """Subclass it as `Test...` beside `SystemContract`, and name your system.

    Its jobs must run where nothing of our folders is seen (`Transfer.SYSTEM`). Where that takes
    settings, override the fixture `session`.

    Attributes:
        system: the plugin's name, or one that stands for it.
        patience: seconds within which a few short jobs certainly run, and their files are back.
    """

    system: ClassVar[str]
    patience: ClassVar[float] = 120

    @pytest.fixture
    def session(self, new_session: Callable[..., Session]) -> Session:
        """A session on the system."""
        return new_session(self.system)

    # -- there and back

    def test_files_travel_with_their_layout(self, session: Session) -> None:
        """Inputs arrive, each job's own; outputs and logs come where they belong."""
        Path("data/deep/er").mkdir(parents=True)
        Path("data/deep/er/common file.txt").write_text("common ", encoding="utf-8")
        Path("data/deep/empty").mkdir()  # whether it travels is left open
        script = 'test -e "$0" && echo "we are seen"; find data -type f | sort; pwd >&2; '
        script += "mkdir out; cat data/deep/er/* data/own-* >out/sum; echo note >notes"
        jobs = []
        for number in range(3):
            Path(f"data/own-{number}.txt").write_text(f"own {number}\n", encoding="utf-8")
            jobs.append(
                Job(
                    ["sh", "-c", script, f"{Path.cwd()}/data"],
                    inputs=["data/deep", f"data/own-{number}.txt"],
                    outputs=["out/*"],
                    optional_outputs=["no*", "such/*"],
                    output_dir="results/{index}",
                    stdout="printed/{index}.txt",
                )
            )
        outcomes = session.submit(jobs).wait(self.patience)
        assert [outcome.state for outcome in outcomes] == [State.DONE] * 3
        for number, outcome in enumerate(outcomes):
            assert (
                Path(f"results/{number}/out/sum").read_text(encoding="utf-8")
                == f"common own {number}\n"
            )
            assert Path(f"results/{number}/notes").read_text(encoding="utf-8") == "note\n"
            assert outcome.stdout == Path(f"printed/{number}.txt").absolute()
            arrived = ["data/deep/er/common file.txt", f"data/own-{number}.txt"]
            assert _out(outcome).splitlines() == arrived
            assert _err(outcome).startswith("/")
            assert str(Path.cwd()) not in _err(outcome)

    def test_copies_are_those_of_the_submission(self, session: Session) -> None:
        """With `copy_inputs` a file that is edited afterwards does not reach the job."""
        Path("data").mkdir()
        for name in ("a.txt", "data/b.txt"):
            Path(name).write_text("old\n", encoding="utf-8")
        job = Job(["cat", "a.txt", "data/b.txt"], inputs=["a.txt", "data"], copy_inputs=True)
        run = session.submit(job)
        for name in ("a.txt", "data/b.txt"):
            Path(name).write_text("new\n", encoding="utf-8")
        [outcome] = run.wait(self.patience)
        assert _out(outcome) == "old\nold\n"

    def test_everything_that_a_job_names_travels(self, session: Session) -> None:
        """Its program, its standard input, its environment script, and scripts given as text."""
        Path("bin").mkdir()
        Path("bin/show").write_text(
            '#!/bin/sh\nread -r line; echo "$line $FROM_SITE $1"\n', encoding="utf-8"
        )
        Path("bin/show").chmod(0o755)
        Path("in.txt").write_text("typed\n", encoding="utf-8")
        Path("site.sh").write_text("FROM_SITE=site; export FROM_SITE\n", encoding="utf-8")
        awkward = "it's $HOME\n\"*\\"
        jobs = [
            Job(["./bin/show", awkward], stdin="in.txt", env_script="site.sh"),
            Job('#!/bin/sh\necho "script $ANYBATCH_INDEX"'),
        ]
        first, second = session.submit(jobs).wait(self.patience)
        assert _out(first) == f"typed site {awkward}\n"
        assert _out(second) == "script 1\n"

    def test_files_of_any_name_travel(self, session: Session) -> None:
        """There and back, byte for byte, in a folder and alone; what cannot be is refused."""
        Path("folder").mkdir()
        for name in _NAMES:
            for path in (Path(name), Path("folder", name)):
                path.write_text(name, "utf-8", "surrogateescape")
        names = [name for name in _NAMES if _is_taken(session, name)]
        copy = ["sh", "-c", 'mkdir single && cp -- "$@" single', "copy", *names]
        outputs = ["single/*", "folder"]
        job = Job(copy, inputs=["folder", *names], outputs=outputs, output_dir="results")
        [outcome] = session.submit(job).wait(self.patience)
        assert outcome.done, _err(outcome)
        for folder, wanted in (("single", names), ("folder", _NAMES)):
            found = {path.name: path.read_bytes() for path in Path("results", folder).iterdir()}
            assert found == {name: os.fsencode(name) for name in wanted}

    def test_outputs_come_through_links_and_replace_what_is_there(self, session: Session) -> None:
        """A folder of results may be a link to another disk, and keeps its mode and other files."""
        Path("disk/plots").mkdir(parents=True)
        Path("disk").chmod(0o750)
        for name in ("fit", "other", "plots/fit", "plots/other"):
            Path("disk", name).write_text("old\n", encoding="utf-8")
        Path("results").symlink_to("disk")
        script = "mkdir plots; echo new >fit; echo new >plots/fit"
        fields: dict[str, Any] = {"outputs": ["fit", "plots"], "output_dir": "results"}
        job = Job(["sh", "-c", script], **fields, skip_existing=True)
        [outcome] = session.submit(job).wait(self.patience)
        assert outcome.done
        await_that(lambda: session.plan(job).submissions[0].skipped)  # clocks may differ a little
        assert Path("results").is_symlink()
        assert Path("disk").stat().st_mode & 0o777 == 0o750
        for folder in ("disk", "disk/plots"):
            assert Path(folder, "fit").read_text(encoding="utf-8") == "new\n"
            assert Path(folder, "other").read_text(encoding="utf-8") == "old\n"

    # -- ends

    def test_ends_are_told_apart(self, session: Session) -> None:
        """Exit codes, signals and a failing set-up, and what was printed before."""
        codes = [0, 3, 137]
        numbers = [signal.SIGKILL, signal.SIGTERM]
        ends = [*(f"exit {code}" for code in codes), *(f"kill -{int(n)} $$" for n in numbers)]
        jobs = [Job(["sh", "-c", f"echo printed; {end}"]) for end in ends]
        jobs.append(Job(["true"], setup=["false && no"]))
        *outcomes, unset = session.submit(jobs).wait(self.patience)
        assert [o.state for o in outcomes] == [State.DONE] + [State.FAILED] * 4
        assert [o.exit_code for o in outcomes] == [*codes, None, None]
        assert [o.signal for o in outcomes] == [None, None, None, *numbers]
        assert [o.reason for o in outcomes[1:]] == [Reason.EXIT_CODE] * 2 + [Reason.SIGNAL] * 2
        assert [_out(o) for o in outcomes] == ["printed\n"] * 5
        assert (unset.state, unset.reason) == (State.FAILED, Reason.SETUP)
        assert "false && no" in _err(unset)

    def test_a_promised_output_that_is_missing_fails_the_job(self, session: Session) -> None:
        """The reason is `stage_out`; other outputs and what it printed come all the same."""
        script = "echo done; echo x >a.pdf"
        job = Job(["sh", "-c", script], outputs=["*.pdf", "*.root"], output_dir="results")
        [outcome] = session.submit(job).wait(self.patience)
        assert (outcome.state, outcome.reason) == (State.FAILED, Reason.STAGE_OUT)
        assert _out(outcome) == "done\n"
        assert Path("results/a.pdf").read_text(encoding="utf-8") == "x\n"

    def test_a_job_that_is_stopped_is_terminated(self, session: Session) -> None:
        """No outputs are brought, and none are missed."""
        run = session.submit(Job(["sh", "-c", "echo x >x; exec sleep 600"], outputs=["x"]))
        await_that(lambda: run.counts == {State.RUNNING: 1}, run.refresh, patience=self.patience)
        run.terminate()
        [outcome] = run.wait(self.patience)
        assert (outcome.state, outcome.reason) == (State.TERMINATED, Reason.TERMINATED)
        assert not Path("x").exists()

    def test_a_retry_takes_the_same_along(self, session: Session) -> None:
        """Each job's own inputs; the others are not run again, and logs of each attempt stay."""
        script = 'cat in-*.txt; test "$ANYBATCH_ATTEMPT" -gt 0'
        jobs = [Job(["true"])]
        for number in (1, 2):
            Path(f"in-{number}.txt").write_text(f"{number}", encoding="utf-8")
            job = Job(["sh", "-c", script], inputs=[f"in-{number}.txt"], retry=Retry(times=1))
            jobs.append(job)
        run = session.submit(jobs)
        outcomes = run.wait(self.patience)
        assert [outcome.done for outcome in outcomes] == [True] * 3
        assert [outcome.attempt for outcome in outcomes] == [0, 1, 1]
        assert [_out(outcome) for outcome in outcomes] == ["", "1", "2"]
        assert [
            Path(run.folder, "logs/0", f"{n}.out").read_text(encoding="utf-8") for n in (1, 2)
        ] == ["1", "2"]

    def test_packed_jobs_keep_their_own(self, session: Session) -> None:
        """Files of one name do not meet; each job has its own end, and is run again for itself."""
        Path("common").write_text("common ", encoding="utf-8")
        script = "cat common data >made; cp made common; case $ANYBATCH_INDEX.$ANYBATCH_ATTEMPT in "
        script += "1.*) exit 3 ;; 2.0) exit 4 ;; 4.0) exec kill -KILL $PPID ;; esac"
        jobs = []
        for number in range(5):
            Path(f"{number}").mkdir()
            Path(f"{number}/data").write_text(f"own {number}", encoding="utf-8")
            jobs.append(
                Job(
                    ["sh", "-c", script],
                    inputs=["common", f"{number}/data"],
                    flat=True,
                    outputs=["made"],
                    output_dir="results/{index}",
                    retry=Retry(times=1),
                )
            )
        outcomes = session.submit(jobs, pack=3).wait(self.patience)
        ends = [(one.state, one.exit_code, one.attempt) for one in outcomes]
        assert ends == [
            (State.DONE, 0, 0),
            (State.FAILED, 3, 1),
            (State.DONE, 0, 1),
            (State.DONE, 0, 0),
            (State.DONE, 0, 1),
        ]
        assert outcomes[0].id != outcomes[3].id
        for number in range(5):
            made = Path(f"results/{number}/made").read_text(encoding="utf-8")
            assert made == f"common own {number}"


def _is_taken(session: Session, name: str) -> bool:
    try:
        session.plan(Job(["true"], inputs=[name]))
    except JobError:
        return False
    return True


def _out(outcome: Outcome) -> str:
    assert outcome.stdout
    return outcome.stdout.read_text()


def _err(outcome: Outcome) -> str:
    assert outcome.stderr
    return outcome.stderr.read_text()
