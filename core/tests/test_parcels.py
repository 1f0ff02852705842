"""What travels with jobs: which links lie ready, and which folders a job takes along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch.errors import FolderError
from anybatch.planning.plan import Link
from anybatch.planning.transfer_layout import Cargo, TransferSets, make_links, page_links
from anybatch.quoting import RUN_FOLDER
from anybatch.ranges import PAGE
from anybatch.records import Submission, Transfer
from anybatch.transfer import COMMON, sources_for
from hypothesis import given
from hypothesis import strategies as st

from .toy import local_host

if TYPE_CHECKING:
    from collections.abc import Iterable

RUN = Path("/project/.anybatch/runs/one")


def below(links: Iterable[Link], folder: Path = RUN) -> dict[str, str]:
    """Links by where they are in the run's folder."""
    return {str(link.path.relative_to(folder)): link.target for link in links}


def submission(count: int = 1, number: int = 0, transfer_sets: tuple[str, ...] = ()) -> Submission:
    return Submission(
        token="tok",
        run="run",
        number=number,
        folder=RUN,
        count=count,
        name="x",
        transfer=Transfer.SYSTEM,
        transfer_sets=transfer_sets,
    )


# -- what comes back


@pytest.mark.parametrize(
    ("path", "file", "place", "root"),
    [
        ("/a/b", False, "", "/a/b"),
        ("/a/b/log.txt", True, "/log.txt", "/a/b"),
        ("/a/{index}", False, "/{index}", "/a"),
        ("/a/{index}/b", False, "/{index}/b", "/a"),
        ("/a/x-{index}-y/b", True, "/x-{index}-y/b", "/a"),
        ("/a/log-{index}", True, "/log-{index}", "/a"),
        ("/a/{index}/{index}", True, "/{index}/{index}", "/a"),
        ("/{index}", False, "/{index}", "/"),
        ("/log", True, "/log", "/"),
        ("/", False, "", "/"),
    ],
)
def test_a_place_is_reached_through_the_last_folder_that_is_the_same_for_all(
    path: str, file: bool, place: str, root: str
) -> None:
    """Where the job's number begins, the job makes the folders itself."""
    transfer_sets = TransferSets(RUN)
    assert transfer_sets.back(path, file=file) == f"{RUN_FOLDER}/stage-out/0{place}"
    assert below(transfer_sets.links([])) == {"stage-out/0": root}
    assert Path(root) in transfer_sets.folders()


def test_equal_folders_are_one_way_back() -> None:
    """Whatever comes to them."""
    transfer_sets = TransferSets(RUN)
    assert transfer_sets.back("/a") == f"{RUN_FOLDER}/stage-out/0"
    assert transfer_sets.back("/b/log", file=True) == f"{RUN_FOLDER}/stage-out/1/log"
    assert transfer_sets.back("/a/{index}") == f"{RUN_FOLDER}/stage-out/0/{{index}}"
    assert transfer_sets.back("/b") == f"{RUN_FOLDER}/stage-out/1"
    assert below(transfer_sets.links([])) == {"stage-out/0": "/a", "stage-out/1": "/b"}


# -- what is taken along


def test_equal_sets_of_files_are_one_parcel() -> None:
    """No files, no transfer_set."""
    transfer_sets = TransferSets(RUN)
    one, two = (("/data/a", "a"),), (("/data/a", "b"),)
    assert [transfer_sets.add(Cargo.of(files)) for files in (one, two, one, ())] == [
        "stage-in/0",
        "stage-in/1",
        "stage-in/0",
        "",
    ]
    assert below(transfer_sets.links([])) == {"stage-in/0/a": "/data/a", "stage-in/1/b": "/data/a"}


def test_every_job_takes_the_scripts_along() -> None:
    """And finds the folders to fill."""
    transfer_sets = TransferSets(RUN)
    links = below(transfer_sets.links(["job.sh", "command-0.sh"]))
    assert links == {
        f"{COMMON}/.anybatch/job.sh": f"{RUN}/job.sh",
        f"{COMMON}/.anybatch/command-0.sh": f"{RUN}/command-0.sh",
    }
    assert [str(folder.relative_to(RUN)) for folder in transfer_sets.folders()] == [
        *(f"{COMMON}/.anybatch/{name}" for name in ("exit", "start", "logs", "stage-out")),
        "stage-out",
    ]


def test_a_folder_is_packed_file_by_file(tmp_path: Path) -> None:
    """Batch systems follow no link to a folder; the same folder may be reached in two ways."""
    data = tmp_path / "data"
    (data / "deep" / "empty").mkdir(parents=True)
    for name in ("a", "deep/b"):
        (data / name).write_text(name)
    (data / "also").symlink_to("deep")
    (data / "deep" / "round").symlink_to(data)
    (data / "dead").symlink_to("nothing")
    transfer_sets = TransferSets(tmp_path)
    transfer_set = transfer_sets.add(Cargo.of(((str(data), "in/data"), (str(data / "a"), "a"))))
    links = below(transfer_sets.links([]), tmp_path / transfer_set)
    assert links == {
        "in/data/a": f"{data}/a",
        "in/data/also/b": f"{data}/also/b",
        "in/data/deep/b": f"{data}/deep/b",
        "a": f"{data}/a",
    }
    made = [
        folder
        for folder in transfer_sets.folders()
        if folder.is_relative_to(tmp_path / transfer_set)
    ]
    assert [str(folder.relative_to(tmp_path / transfer_set)) for folder in made] == [
        *("in/data", "in/data/also", "in/data/also/empty"),
        *("in/data/deep", "in/data/deep/empty"),
    ]


def test_a_folder_that_is_reached_through_a_link_is_packed(tmp_path: Path) -> None:
    """As a user names it; what it holds is looked for when the run is planned."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a").touch()
    (tmp_path / "named").symlink_to("real")
    transfer_sets = TransferSets(tmp_path)
    transfer_set = transfer_sets.add(Cargo.of(((str(tmp_path / "named"), "named"),)))
    assert below(transfer_sets.links([]), tmp_path) == {
        f"{transfer_set}/named/a": f"{tmp_path}/named/a"
    }


@given(st.integers(1, 5 * PAGE), st.integers(0, 9))
def test_every_task_takes_the_page_with_its_line(count: int, number: int) -> None:
    """And every page has a link."""
    links = below(page_links(RUN, number, count))
    one = submission(count, number)
    taken = {sources_for(one, task)[1] for task in range(1, count + 1)}
    assert len(links) == len(taken) == -(-count // PAGE)
    for task in (1, count):
        common, page = sources_for(one, task)
        name = f"tasks/{number}.{(task - 1) // PAGE}"
        assert common == COMMON
        assert links[f"{page}/.anybatch/{name}"] == f"{RUN}/{name}"


@pytest.mark.parametrize(
    ("transfer_sets", "own"),
    [
        ((), [[], [], []]),
        (("",), [[], [], []]),
        (("stage-in/4",), [["stage-in/4"]] * 3),
        (("stage-in/0", "", "stage-in/1"), [["stage-in/0"], [], ["stage-in/1"]]),
    ],
)
def test_a_job_takes_its_own_parcel_or_that_of_all(
    transfer_sets: tuple[str, ...], own: list[list[str]]
) -> None:
    """One transfer_set for all is written once."""
    one = submission(3, transfer_sets=transfer_sets)
    assert [sources_for(one, task)[2:] for task in (1, 2, 3)] == own


def test_links_are_made_with_their_folders(tmp_path: Path) -> None:
    """One that is there stays: the same file may be named twice."""
    links = [Link(tmp_path / "a/b/c", "/x"), Link(tmp_path / "a/b/c", "/y")]
    make_links(links, local_host())
    assert (tmp_path / "a/b/c").readlink() == Path("/x")


def test_a_link_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A job would miss a file: an input lies where another one needs a folder."""
    (tmp_path / "a").touch()
    with pytest.raises(FolderError, match="a/b"):
        make_links([Link(tmp_path / "a/b", "/x")], local_host())
