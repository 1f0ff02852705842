"""Jobs on a real machine that shares no folder with the submitter: HTCondor moves the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anybatch import Job, Reason, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

PATIENCE = 90


def test_files_travel_with_their_layout(condor_away: Session) -> None:
    """Inputs arrive, outputs and logs come back, each where it belongs, in one submission."""
    Path("data/deep").mkdir(parents=True)
    Path("data/deep/common file.txt").write_text("common ")
    jobs = []
    for number in range(3):
        Path(f"data/own-{number}.txt").write_text(f"own {number}\n")
        jobs.append(
            Job(
                ["sh", "-c", "mkdir out; cat data/deep/* data/own-* >out/sum; hostname; pwd >&2"],
                name="sum",
                inputs=["data/deep", f"data/own-{number}.txt"],
                outputs=["out/*"],
                output_dir="results/{index}",
                stdout="printed/{index}.txt",
            )
        )
    run = condor_away.submit(jobs)
    outcomes = run.wait(PATIENCE)
    assert [outcome.state for outcome in outcomes] == [State.DONE] * 3
    for number, outcome in enumerate(outcomes):
        assert Path(f"results/{number}/out/sum").read_text() == f"common own {number}\n"
        assert Path(f"printed/{number}.txt").read_text() == "worker\n"
        assert outcome.stdout == Path(f"printed/{number}.txt").absolute()
        assert outcome.stderr
        assert "/execute/" in outcome.stderr.read_text()
        assert outcome.host == "worker"
    assert condor_away.host.commands["condor_submit"] == 1


def test_everything_that_a_job_names_travels(condor_away: Session) -> None:
    """Its program, its standard input, its environment script, and scripts given as text."""
    Path("bin").mkdir()
    Path("bin/show").write_text('#!/bin/sh\nread -r line; echo "$line $FROM_SITE $1"\n')
    Path("bin/show").chmod(0o755)
    Path("in.txt").write_text("typed\n")
    Path("site.sh").write_text("FROM_SITE=site; export FROM_SITE\n")
    awkward = "it's $HOME\n\"*\\"
    run = condor_away.submit(
        [
            Job(["./bin/show", awkward], stdin="in.txt", env_script="site.sh"),
            Job('#!/bin/sh\necho "script $ANYBATCH_INDEX"'),
        ]
    )
    first, second = run.wait(PATIENCE)
    assert first.stdout
    assert first.stdout.read_text() == f"typed site {awkward}\n"
    assert second.stdout
    assert second.stdout.read_text() == "script 1\n"


def test_a_promised_output_that_is_missing_fails_the_job(
    condor_away: Session, tool: Callable[..., str]
) -> None:
    """The reason is `stage_out`; HTCondor does not hold the job for ever."""
    job = Job(["echo", "done"], outputs=["*.root"])
    [outcome] = condor_away.submit(job).wait(PATIENCE)
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.STAGE_OUT)
    assert outcome.id
    assert tool("condor_q", outcome.id.native, "-af", "JobStatus") == ""


def test_ends_are_told_apart(condor_away: Session) -> None:
    """Exit codes and signals come back, and what a failed job printed."""
    jobs = [
        Job(["sh", "-c", f"echo printed; {end}"]) for end in ("exit 3", "kill -9 $$", "exit 137")
    ]
    outcomes = condor_away.submit(jobs).wait(PATIENCE)
    assert [(o.exit_code, o.signal) for o in outcomes] == [(3, None), (None, 9), (137, None)]
    assert [o.stdout and o.stdout.read_text() for o in outcomes] == ["printed\n"] * 3


def test_a_job_that_failed_is_run_again(condor_away: Session) -> None:
    """A retry takes its line and its inputs along again."""
    Path("in.txt").write_text("x")
    job = Job(["sh", "-c", 'cat in.txt; test "$ANYBATCH_ATTEMPT" -gt 0'], inputs="in.txt", retry=1)
    good = Job(["true"])
    outcomes = condor_away.submit([good, job]).wait(PATIENCE)
    assert [outcome.done for outcome in outcomes] == [True, True]
    assert outcomes[1].attempt == 1
    assert outcomes[1].stdout
    assert outcomes[1].stdout.read_text() == "x"
