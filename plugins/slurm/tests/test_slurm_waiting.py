"""Why a job waits: Slurm's codes in plain words."""

from __future__ import annotations

import pytest
from anybatch_slurm.states import HELD_REASONS
from anybatch_slurm.waiting import explain
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("Priority", "jobs with a higher priority"),
        ("Resources", "are in use"),
        ("JobArrayTaskLimit", "its array"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-3]", "a node that it needs is down"),
        ("QOSMaxJobsPerUserLimit", "its QOS has a limit on running jobs for each user"),
        ("QOSMaxSubmitJobsPerUserLimit", "a limit on submitted jobs for each user"),
        ("QOSGrpCpuLimit", "its QOS has a limit on cores, which is reached"),
        ("AssocGrpMemLimit", "its account has a limit on memory"),
        ("AssocGrpCPUMinutesLimit", "its account has a limit on cores"),
        ("QOSMaxGRESPerUser", "GPUs or other generic resources for each user"),
        (
            "QOSMaxCpuPerJobLimit",
            "not start by itself: its QOS gives no job so much (cores)",
        ),
        (
            "PartitionTimeLimit",
            "not start by itself: its partition gives no job so much time",
        ),
        ("JobHeldUser", "it will not start by itself: it is held"),
    ],
)
def test_codes_are_told_in_plain_words(code: str, words: str) -> None:
    """The code stays, for who knows it; what never passes is told as such."""
    text = explain(code)
    assert text.startswith(f"{code}: ")
    assert words in text


@pytest.mark.parametrize("code", sorted(HELD_REASONS))
def test_what_holds_a_job_does_not_pass(code: str) -> None:
    """Whatever makes a job `held` says that somebody has to do something."""
    assert "will not start by itself" in explain(code)


@given(st.text())
def test_other_codes_stay_as_they_are(code: str) -> None:
    """A newer Slurm has more; nothing is made up about them."""
    assert explain(code).startswith(code)


def test_a_code_that_is_not_known_is_shown() -> None:
    """It is a word to look up."""
    assert explain("SomethingOfSlurm30") == "SomethingOfSlurm30"
