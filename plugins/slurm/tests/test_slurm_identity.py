"""Whose a job is, from its comment and its command: numbers are used again."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from anybatch.records import Submission
from anybatch_slurm.identity import Identity, find, identity_of, sort_by_owner
from hypothesis import given
from hypothesis import strategies as st

RUN = "20261120-094725-64a26d"
TOKEN = f"ab-{RUN}-1"
SCRIPT = f"/home/ada/.anybatch/runs/{RUN}/submit-1.sh"
OURS = Identity(TOKEN, f"/{RUN}/submit-1.sh", f"/{RUN}")
BEFORE = Identity(f"ab-{RUN}-0", f"/{RUN}/submit-0.sh", f"/{RUN}")
TEXT = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))


def test_a_submission_knows_what_its_jobs_carry() -> None:
    """The token is in their comment; the path of their script ends with the run and its number."""
    folder = Path(SCRIPT).parent
    one = Submission(token=TOKEN, run=RUN, number=1, folder=folder, count=1, name="x")
    assert identity_of(one) == attrs.evolve(OURS, log=folder / "logs" / "system.log")


@given(comment=TEXT)
def test_a_job_of_ours_is_known_by_either_sign(comment: str) -> None:
    """The user's words follow the token, or stand in its place."""
    assert OURS.owns(f"{TOKEN} {comment}|/elsewhere/job.sh|")
    assert OURS.owns(f"{comment}|{SCRIPT}|")
    assert OURS.owns(f"{comment}|sbatch --parsable {SCRIPT}")
    assert OURS.owns(f"{comment}|{Path(SCRIPT).parent}")


@pytest.mark.parametrize(
    "witness",
    [
        "(null)|/home/ada/job.sh|",
        f"{TOKEN}1|/home/ada/job.sh|",
        f"x {TOKEN}|/home/ada/job.sh|",
        f"ab-{RUN}-0|{SCRIPT.replace('submit-1', 'submit-0')}|",
        f"|{SCRIPT.replace('submit-1', 'submit-11')}|",
        f"|{SCRIPT.replace('64a26d', '64a26e')}|",
        "||",
        "",
    ],
)
def test_a_job_of_others_is_not_ours(witness: str) -> None:
    """Another submission of the same run is another one, too."""
    assert not OURS.owns(witness)


def test_lines_go_to_the_submission_that_the_job_is_of() -> None:
    """Two submissions ask for one number: it is of one of them, and the other has a stranger."""
    lines = f"7|R|{TOKEN}||\n8|R|(null)|/bin/x|\n9|R|{TOKEN}||\n99|R|{TOKEN}||\nSlurm says|hello\n"
    owned = sort_by_owner(lines, 2, {OURS: ["7", "8", "10"], BEFORE: ["7"]})
    assert owned.lines == {TOKEN: f"7|R|{TOKEN}||"}
    assert owned.strangers == {(BEFORE.token, "7"), (TOKEN, "8")}


def test_a_step_belongs_to_the_job_before_it() -> None:
    """Accounting keeps what had the number before; steps tell of no owner."""
    kept = [
        "7_1|FAILED||sbatch /other/job.sh",
        "7_1.batch|FAILED||",
        f"7_1|COMPLETED||sbatch --parsable {SCRIPT}",
        "7_1.batch|COMPLETED||",
        "7_2.batch|FAILED||",
    ]
    owned = sort_by_owner("\n".join(kept), 2, {OURS: ["7_1", "7_2"]})
    assert owned.lines[TOKEN].split("\n") == kept[2:4]
    assert not owned.strangers


@given(comment=TEXT)
def test_a_submission_is_found_whatever_the_comment(comment: str) -> None:
    """By its token or its script; what was refused as impossible left no job behind."""
    assert find(OURS, f"17|None|{TOKEN} {comment}||\n", "BadConstraints") == ["17"]
    assert find(OURS, f"17_[3-5%2]|None|{comment}|{SCRIPT}|\n", "BadConstraints") == ["17"]
    assert find(OURS, f"17|BadConstraints|{TOKEN}||\n", "BadConstraints") == []


@pytest.mark.parametrize(
    "line", [f"17|None|{TOKEN}1||", f"17|None|x {TOKEN}||", "17|None|||", TOKEN, ""]
)
def test_other_jobs_are_not_found(line: str) -> None:
    """The token stands first."""
    assert find(OURS, f"{line}\n", "BadConstraints") == []
