"""Questions of users: would condor_submit take jobs, and why does one wait?"""

from __future__ import annotations

import pytest
from anybatch.errors import CommandFailed, Rejected
from anybatch.host import Completed
from anybatch.records import Limits
from anybatch.testing import ScriptedHost
from anybatch_htcondor import analysis
from anybatch_htcondor.plugin import HTCondor
from hypothesis import given
from hypothesis import strategies as st

from .captured import TOKEN, batch, submission
from .test_htcondor_plugin import HERE

#: What 25.14 printed of a job that asked for 900 cores of a pool with two slots.
NEVER = """\


-- Schedd: sid : <198.51.100.1:19618?...
The Requirements expression for job 4.000 is

    (TARGET.Arch == "X86_64") && (TARGET.Memory >= RequestMemory) &&
    (TARGET.Cpus >= RequestCpus)

    [0]    : TARGET.Arch == "X86_64"
    [9]    : TARGET.Cpus >= RequestCpus

Job 4.000 defines the following attributes:

    FileSystemDomain = "sid"
    RequestCpus = 900
    RequestDisk = MAX({ 1024,(TransferInputSizeMB + 1) * 1.25 }) * 1024 (kb)
    RequestMemory = 400 (mb)

The Requirements expression for job 4.000 reduces to these conditions:

        Slots
Step   Matched  Condition
----- --------- ---------
[0]           2  TARGET.Arch == "X86_64"
[7]           2  TARGET.Memory >= RequestMemory
[9]           0  TARGET.Cpus >= RequestCpus


004.000:  Run analysis summary ignoring user priority.  Of 2 slots on 2 machines,
      2 slots are rejected by your job's requirements
      0 slots reject your job because of their own requirements
      0 slots match and are willing to run your job

WARNING:  Be advised:
   No machines matched the job's constraints

No successful match recorded.
Last failed match: Sat Nov 28 17:40:07 2026 from sid
Reason for last match failure: no match found
"""
BUSY = (
    NEVER.replace("[9]           0", "[9]           1")
    .replace("      2 slots are rejected", "      1 slots are rejected")
    .replace("      0 slots match and are", "      1 slots match but are serving other users\n"
             "      0 slots match and are")
)  # fmt: skip


def ask(answer: Completed, count: int = 3) -> tuple[str, ScriptedHost]:
    host = ScriptedHost(("condor_submit -dry-run /dev/null -", answer))
    condor = HTCondor(host)
    one = submission(count=count)
    return condor.anybatch_check(one, condor.anybatch_render(one)), host


def test_the_description_is_read_and_nothing_is_made_of_it() -> None:
    """It comes on standard input, and needs no folder of the run; warnings are told."""
    told, host = ask(Completed(0, "1.0 - 1.2\n", "WARNING: the line 'x = 3' was unused\n"))
    assert told.startswith("condor_submit takes the description; it cannot tell when")
    assert told.endswith("WARNING: the line 'x = 3' was unused")
    assert "initialdir = /\n" in host.ran[0].stdin
    assert host.ran[0].stdin.count("\n3, ") == 1
    assert str(submission().folder) not in host.ran[0].stdin


def test_a_description_with_errors_is_refused_in_its_words() -> None:
    """Before anything is submitted."""
    with pytest.raises(Rejected, match="I don't know about the 'nope' universe"):
        ask(Completed(1, "", "ERROR: I don't know about the 'nope' universe.\n"))
    with pytest.raises(CommandFailed):
        ask(Completed(1))


def test_a_job_that_no_slot_can_run_will_not_start() -> None:
    """The condition is named that none meets, and what the job asks for."""
    assert analysis.explain(NEVER) == (
        "it will not start unless the pool or the job changes: none of 2 slots meets "
        "`Cpus >= RequestCpus` (RequestCpus is 900); ask for less, or change htcondor.requirements"
    )


def test_slots_that_are_busy_are_told_from_those_that_refuse() -> None:
    """Such a job starts when others have ended."""
    assert analysis.explain(BUSY) == (
        "of 2 slots: 1 are rejected by your job's requirements; 1 match but are serving other users"
    )


def test_conditions_that_exclude_each_other() -> None:
    """Each is met by some slot, and all by none."""
    told = analysis.explain(NEVER.replace("[9]           0", "[9]           1"))
    assert "none of 2 slots meets all conditions of the job together" in told


def test_a_pool_without_slots() -> None:
    """It may get some."""
    told = analysis.explain(NEVER.replace("Of 2 slots on 2 machines", "Of 0 slots on 0 machines"))
    assert told.startswith("the pool has no slots now")


@given(st.text() | st.text(alphabet="Of 0123456789slotmachine\n []").map(lambda text: NEVER + text))
def test_an_analysis_that_makes_no_sense_says_nothing(text: str) -> None:
    """Or what can be read of it."""
    assert "\n" not in analysis.explain(text)


def test_the_job_is_named_by_its_token_too() -> None:
    """Another job may have its number by now."""
    host = ScriptedHost(HERE, ("condor_q -better-analyze -constraint", Completed(0, NEVER)))
    one = batch(["4.0"], limits=Limits(render_context={"schedd": "sid"}))
    assert HTCondor(host).anybatch_analyze(one).startswith("it will not start")
    assert TOKEN in (host.option("-constraint") or "")
