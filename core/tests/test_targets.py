"""Files that jobs of a run would overwrite for each other: refused before anything is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError
from anybatch.model import Job, Resources

from .toy import Toy, session_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folders(isolated: Path) -> Path:
    """A project with folders, and one that is a link."""
    for name in ("a", "b", "out"):
        isolated.joinpath(name).mkdir()
        isolated.joinpath(name, "in.txt").touch()
    isolated.joinpath("also-out").symlink_to("out")
    return isolated


def job(outputs: str, **more: Any) -> Job:
    """A job with one output, or several."""
    return Job(["true"], outputs=outputs.split(), **more)


SAME: Any = [
    [job("fit.pdf")] * 3,
    [job("fit.pdf", output_dir="out")] * 2,
    [job("fit.pdf", output_dir="out"), job("./fit.pdf", output_dir="also-out")],
    [job("fit.pdf", workdir="a"), job("*.txt a/fit.pdf")],
    [job("out/./fit.pdf"), job("fit.pdf", workdir="a", output_dir="out")],
    [job("x", output_dir="r-{index}"), job("x", output_dir="r-0")],
    [job("x-{seed}", output_dir="also-out", params={"seed": n // 2}) for n in range(3)],
    [job("x-{index}", output_dir="out", template=True), job("x-0", output_dir="also-out")],
    [Job(["true"], optional_outputs="x"), job("x")],
    [job("x", scratch=True)] * 2,
    [job("fit.pdf"), job("fit.pdf", name="other", resources=Resources(cores=2))],
    [Job(["true"], stdout="fit.log"), job("fit.log")],
    [Job(["true"], stdout="out/fit.log"), job("fit.log", output_dir="also-out")],
    # one within the other
    [job("plots", output_dir="out"), job("plots/a.pdf", output_dir="out")],
    [job("plots/deep/a.pdf", output_dir="also-out"), job("plots", output_dir="out")],
    [job("plots", output_dir="out"), job("a.pdf", output_dir="out/plots/1")],
    [job("plots", output_dir="out"), job("*.pdf", output_dir="out/plots")],
    [*[job("*.pdf", output_dir="out/plots")] * 2, job("plots", output_dir="also-out")],
    [job("plots", output_dir="out"), job("plots/*.pdf", output_dir="out")],
    [job("plots", output_dir="out"), job("plots/", output_dir="out")],
    [job("plots *.pdf", output_dir="out"), job("plots/*.txt", output_dir="out")],
    [job("plots", output_dir="out"), Job(["true"], stdout="out/plots/1/log")],
    [job("plots-{seed}", output_dir="out", params={"seed": 1}), job("x", output_dir="out/plots-1")],
]
FINE: Any = [
    [job("fit.pdf", output_dir="r/{index}")] * 3,
    [job("x-{seed}", output_dir="out", params={"seed": n}) for n in range(3)],
    [job("x-{index}", output_dir="out", template=True)] * 3,
    [job("*", scratch=True)] * 2,
    [job("fit.pdf", workdir="r/{index}")] * 3,
    [job("*.pdf", output_dir="out")] * 3,
    [job("plots/", output_dir="out")] * 3,
    [job("fit.pdf", workdir="a"), job("fit.pdf", workdir="b"), job("fit.pdf")],
    [job("fit.pdf fit.pdf ./fit.pdf")],
    [job("fit.log", stdout="fit.log", stderr="fit.log")],
    [job("a.pdf"), job("b.pdf")],
    [job("plots plots/a.pdf plots/*.txt", output_dir="out", stdout="out/plots/log")],
    [job("plots", output_dir="out"), job("plots-2 plotss/a *.pdf pl*", output_dir="out")],
    [job("plots", output_dir="a"), job("plots/a.pdf", output_dir="b")],
    [job("p", output_dir="out/{index}"), job("p/x", output_dir="out/{index}")],
]


@pytest.mark.parametrize("jobs", SAME)
def test_two_jobs_with_one_output_are_refused(folders: Path, toy: Toy, jobs: list[Job]) -> None:
    """However the place is written, and whatever else differs between them."""
    with pytest.raises(JobError, match=r"would overwrite each other's .*write \{index\}"):
        session_of(folders, toy).submit(jobs)
    assert toy.calls["submit"] == []
    assert not folders.joinpath(".anybatch").exists()


LONG = "ü" * 128


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("stdout", {"stdout": "log-{v}"}),
        ("stderr", {"stderr": "logs/{v}/err"}),
        ("workdir", {"workdir": "w/{v}"}),
        ("output_dir", {"outputs": "*.root", "output_dir": "r/{v}/{index}"}),
        ("outputs", {"outputs": "{v}.root"}),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(
    folders: Path, toy: Toy, field: str, more: dict[str, Any]
) -> None:
    """Before anything is submitted: on the node it would be an error of a shell in set-up."""
    session = session_of(folders, toy)
    with pytest.raises(JobError, match=f"{field}: a name of 2[56][0-9] bytes is too long"):
        session.plan(Job(["true"], **more).sweep(v=["short", LONG]))
    session.plan(Job(["true"], **more).sweep(v=["short", LONG[:120]]))
    with pytest.raises(JobError, match=r"stdout: a path of 4\d\d\d bytes is too long"):
        session.plan(Job(["true"], stdout="a/" * 2100 + "log"))


@pytest.mark.parametrize("jobs", FINE)
def test_outputs_of_their_own_are_taken(folders: Path, toy: Toy, jobs: list[Job]) -> None:
    """Folders of their own, names of their own, and patterns, of which nobody knows."""
    assert session_of(folders, toy).plan(jobs).count == len(jobs)


def test_a_job_that_waits_may_write_an_output_anew(folders: Path, toy: Toy) -> None:
    """Also where another stands between them; not where two wait for the same."""
    first = job("model")
    between = Job(["true"], after=first)
    last = job("model", after=between)
    with session_of(folders, toy) as session:
        assert session.plan([first, between, last]).count == 3
        assert session.plan([last, between, first]).count == 3
        with pytest.raises(JobError, match="jobs 0 and 2 would overwrite"):
            session.plan([first, job("y", after=(first, other := job("model"))), other])
        beside = job("model", after=between)
        with pytest.raises(JobError, match="jobs 2 and 3 would overwrite"):
            session.plan([first, between, last, beside])


@pytest.mark.parametrize("inner", ["plots/a.pdf", "plots/*.pdf"])
def test_a_job_that_waits_may_write_into_another_s_output(
    folders: Path, toy: Toy, inner: str
) -> None:
    """And so may one that it waits for; a third may not."""
    outer = job("plots", output_dir="out")
    with session_of(folders, toy) as session:
        assert session.plan([outer, job(inner, output_dir="out", after=outer)]).count == 2
        first = job(inner, output_dir="out")
        assert session.plan([first, job("plots", output_dir="out", after=first)]).count == 2
        with pytest.raises(JobError, match=r"is in .*, which job 0 makes"):
            session.plan([outer, job("b", after=outer), job(inner, output_dir="out")])


def test_inputs_of_one_name_in_one_folder_are_refused(folders: Path, toy: Toy) -> None:
    """The second would not be put over the first, and its job would fail."""
    jobs = [Job(["true"], inputs=f"{one}/in.txt", flat=True) for one in ("a", "b")]
    with session_of(folders, toy) as session:
        with pytest.raises(JobError, match=r"a/in\.txt and .*b/in\.txt of two jobs .* a workdir"):
            session.plan(jobs)
        assert session.plan([jobs[0]] * 2).count == 2
        own = [Job(["true"], inputs=f"{one}/in.txt", flat=True, workdir=one) for one in ("a", "b")]
        assert session.plan(own).count == 2


def test_many_jobs_with_outputs(folders: Path, toy: Toy) -> None:
    """A long chain of jobs that write one file anew, and thousands with a folder each."""
    chain = [job("model")]
    for _ in range(300):
        chain.append(job("model", after=chain[-1]))
    with session_of(folders, toy) as session:
        assert session.plan(chain).count == 301
        assert session.plan([job("x", output_dir="r-{index}")] * 20_000).count == 20_000
