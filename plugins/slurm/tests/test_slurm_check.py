"""Asking sbatch before anything is submitted: what it was seen to print, 22.05 and 26.05."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from anybatch.errors import CommandError, CommandFailed, NotSubmitted, Rejected
from anybatch.host import Completed
from anybatch.records import Limits
from anybatch.testing import ScriptedHost
from anybatch_slurm import parse
from anybatch_slurm.plugin import Slurm
from hypothesis import given
from hypothesis import strategies as st

from .test_slurm_plugin import submission

FITS = (
    "sbatch: Job 42719 to start at 2026-11-28T17:09:26 {}using 1 processors on nodes n1 in "
    "partition main\n"
)
WHEN = "as Slurm is now, the first would start at 2026-11-28 17:09:26 on n1 in partition main"


def ask(answer: Completed, count: int = 3) -> str:
    """What a check says, its one command answered so."""
    host = ScriptedHost(("sbatch --test-only", answer))
    one = submission(count)
    slurm = Slurm(host)
    rendered = slurm.anybatch_render(one)
    said = slurm.anybatch_check(one, rendered)
    [command] = host.ran
    assert command.argv == ("sbatch", "--test-only")
    assert (command.stdin, command.cwd) == (rendered.files[0].text, Path("/"))
    assert command.hide_env == rendered.command.hide_env
    return said


@pytest.mark.parametrize("odd", ["", "a "])
def test_when_the_first_job_would_start_is_told(odd: str) -> None:
    """The number of the job is left out: there is none. The script is not a file."""
    assert ask(Completed(0, "", FITS.format(odd))) == WHEN


def test_what_else_it_says_is_told_as_it_is() -> None:
    """Such as the note of a site."""
    assert ask(Completed(0, "", "sbatch: be\n nice\n")) == "sbatch: be nice"
    assert ask(Completed(0)) == ""


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        (
            "allocation failure: Requested node configuration is not available\n",
            "Requested node configuration is not available (no node can run it: request less",
        ),
        (
            "sbatch: error: invalid partition specified: nope\n"
            "allocation failure: Invalid partition name specified\n",
            "invalid partition specified: nope (name a partition with --queue",
        ),
        (
            "allocation failure: Invalid account or account/partition combination specified\n",
            "(name an account with slurm.account)",
        ),
        ("sbatch: error: Invalid generic resource (gres) specification\n", "(change --gpus or"),
    ],
)
def test_what_it_would_refuse_is_refused_in_its_words(stderr: str, told: str) -> None:
    """And with what helps."""
    with pytest.raises(Rejected) as caught:
        ask(Completed(1, "", stderr))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping\n", NotSubmitted),
        ("allocation failure: Unable to contact slurm controller\n", NotSubmitted),
        ("sbatch: error: Socket timed out on send/recv operation\n", CommandFailed),
        ("", CommandFailed),
    ],
)
def test_a_controller_that_cannot_be_asked_refuses_nothing(
    stderr: str, kind: type[Exception]
) -> None:
    """It is neither yes nor no."""
    with pytest.raises(kind):
        ask(Completed(1, "", stderr))


def test_another_cluster_is_not_asked() -> None:
    """Its answer would be about other partitions."""
    one = attrs.evolve(submission(1), limits=Limits(render_context={"cluster": "other"}))
    host = ScriptedHost(("scontrol show config", Completed(0, "ClusterName = here\n")))
    slurm = Slurm(host)
    with pytest.raises(CommandError):
        slurm.anybatch_check(one, slurm.anybatch_render(one))


@given(st.text())
def test_any_answer_is_a_line(text: str) -> None:
    """Whatever a site's wrapper prints."""
    assert "\n" not in parse.read_estimate(text)
