"""Inputs that are addresses: fetched by batch systems that do, refused by name elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError
from anybatch.model import Job, Retry
from anybatch.records import Transfer
from anybatch.runs import store
from anybatch.transfer import addresses_for, sources_for

from .test_core_job_travel import Away
from .toy import Toy, local_host, session_of

if TYPE_CHECKING:
    from pathlib import Path

    from anybatch.planning.plan import Plan

    from .shells import Shell

pytestmark = pytest.mark.usefixtures("isolated")

WEB = "https://example.org/data/a%20b.txt"
POOL = "osdf:///chtc/staging/ada/big.tar"


def planned(base: Path, jobs: Job | list[Job], **more: Any) -> Plan:
    """The plan on a system that fetches two kinds of addresses."""
    options = {"transfer": Transfer.SYSTEM, "fetches": ("https", "osdf"), **more}
    with session_of(base, Toy(array=100, **options)) as session:
        return session.plan(jobs)


def test_a_system_is_told_what_each_job_fetches(isolated: Path) -> None:
    """Beside the files that travel; also where there are none, and where jobs differ."""
    (isolated / "a.txt").touch()
    jobs = [
        Job(["true"], inputs=["a.txt", WEB, POOL]),
        Job(["true"], inputs=["a.txt"]),
        Job(["true"], inputs=[WEB, WEB]),
        Job(["true"]),
    ]
    [one] = planned(isolated, jobs).submissions
    fetched = [addresses_for(one.submission, task) for task in (1, 2, 3, 4)]
    assert fetched == [[WEB, POOL], [], [WEB], []]
    folders = [sources_for(one.submission, task)[2:] for task in (1, 2, 3, 4)]
    assert folders == [["stage-in/0"], ["stage-in/0"], [], []]


@pytest.mark.parametrize("scheme", ["http", "https", "osdf", "root", "file", "davs", "s3"])
@pytest.mark.parametrize("transfer", [Transfer.SHARED, Transfer.SYSTEM])
def test_what_nobody_fetches_is_refused(isolated: Path, scheme: str, transfer: Transfer) -> None:
    """With or without a star in it; the error names the batch system and what it fetches."""
    for address in (f"{scheme}://host/data.root", f"{scheme}://host//data/*.root?x=[1]"):
        with pytest.raises(JobError, match="is an address that toy does not fetch"):
            planned(isolated, Job(["true"], inputs=[address]), fetches=(), transfer=transfer)
    with pytest.raises(JobError, match="only https://, osdf://"):
        planned(isolated, Job(["true"], inputs=["http://host/x"]))


def test_addresses_are_fetched_only_where_files_are_moved(isolated: Path) -> None:
    """A system that can, but whose jobs see our folders, does not."""
    with pytest.raises(JobError, match="fetches none for these jobs"):
        planned(isolated, Job(["true"], inputs=[WEB]), transfer=Transfer.SHARED)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://ada:secret@example.org/x", "has a password"),
        ("https://example.org/x?token=1", "no plain name"),
        ("https://example.org/x#part", "no plain name"),
        ("https://example.org/*.root", "or are a pattern"),
        ("https://example.org/a,b", "cannot stand in an address"),
        ("https://example.org/a b", "cannot stand in an address"),
        ("https://example.org/$(x)", "cannot stand in an address"),
        ("https://example.org/a\nqueue", "cannot stand in an address"),
        ("https://example.org/ü", "cannot stand in an address"),
        ("https://example.org/", "must end with the name of a file"),
        ("https://example.org", "must end with the name of a file"),
        ("https://example.org/x/..", "must end with the name of a file"),
    ],
)
def test_an_address_without_a_plain_name_is_refused(isolated: Path, address: str, why: str) -> None:
    """Nothing in it can be taken for a second file, a macro or a line."""
    with pytest.raises(JobError, match=re.escape(why)):
        planned(isolated, Job(["true"], inputs=[address]))


@pytest.mark.parametrize("other", ["https://example.org/other/a%20b.txt", "a%20b.txt"])
def test_two_inputs_of_one_name_are_refused(isolated: Path, other: str) -> None:
    """An address and a file, or two addresses."""
    (isolated / "a%20b.txt").touch()
    with pytest.raises(JobError, match="would have the same name"):
        planned(isolated, Job(["true"], inputs=[WEB, other]))


def test_what_is_fetched_later_cannot_be_copied_now(isolated: Path) -> None:
    """`copy_inputs` promises the input as it is at submission."""
    with pytest.raises(JobError, match=r"cannot be copied at submission \(copy_inputs\)"):
        planned(isolated, Job(["true"], inputs=[WEB], copy_inputs=True))


def test_a_file_that_is_called_like_an_address_is_a_file(isolated: Path) -> None:
    """What is there counts."""
    (isolated / "https:/example.org").mkdir(parents=True)
    (isolated / "https:/example.org/x").touch()
    plan = planned(isolated, Job(["true"], inputs=["https://example.org/x"]), fetches=())
    assert addresses_for(plan.submissions[0].submission, 1) == []


def test_a_job_whose_input_was_not_fetched_does_not_begin(isolated: Path, shell: Shell) -> None:
    """Some systems say nothing of what they could not fetch."""
    plan = planned(isolated, Job(["true"], inputs=[WEB], retry=Retry(1)))
    store.create(plan, local_host())
    away = Away(isolated, plan.folder, [one.submission for one in plan.submissions], shell)
    assert away.run() == 1
    assert away.records == ["0.0.0.stage_in.exit-1"]
    assert "input a%20b.txt has not arrived" in away.err()
