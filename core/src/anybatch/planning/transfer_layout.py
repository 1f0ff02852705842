"""What travels with jobs where the batch system moves their files (`Transfer.SYSTEM`).

`anybatch.transfer` tells plugins how it is laid out.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import JobError
from anybatch.planning.folders import files_below, walk
from anybatch.planning.plan import Link
from anybatch.quoting import INDEX, RUN_FOLDER, quote
from anybatch.ranges import page_of
from anybatch.records import REMOTE_RUN_DIR, RenderedFile
from anybatch.transfer import COMMON, RETURNED_DIRS, page_set, write_set
from anybatch.worker.tasks import page_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from anybatch.host import Host


#: The list of what travels with a job, for its script.
ARRIVALS = "arrivals"

Pairs = tuple[tuple[str, str], ...]  #: absolute sources and places in the working folder
Moved = tuple[str, str, str]  #: a source, its place, and what is read: itself, or its copy


@attrs.frozen
class Cargo:
    """What a job takes along.

    Attributes:
        files: those of its working folder.
        addresses: what is fetched beside that.
    """

    files: tuple[Moved, ...] = ()
    addresses: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, files: Pairs, copies: Mapping[str, str] | None = None, addresses: Iterable[str] = ()
    ) -> Cargo:
        """One of *files*.

        Args:
            copies: by place, what is read in place of the source: its copy, made at submission.
        """
        of = copies or {}
        moved = tuple((source, place, of.get(place, source)) for source, place in files)
        return cls(moved, tuple(addresses))


class TransferSets:
    """The transfer_sets of a run in the making.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sets: dict[tuple[tuple[Moved, ...], bool], int] = {}
        self._fetched: dict[str, str] = {}
        self._roots: dict[str, int] = {}

    def add(self, cargo: Cargo) -> str:
        """What a job takes along that has a scratch folder for itself; equal sets are one."""
        numbers = [self._number(cargo.files, shared=False)] if cargo.files else []
        return write_set((f"stage-in/{number}" for number in numbers), cargo.addresses)

    def share(self, cargos: Sequence[Cargo]) -> list[tuple[str, tuple[int, ...]]]:
        """What each of some jobs that are packed takes along, and the numbers of its sets.

        What the same of them need is one set, so nothing travels twice with a pack.

        Raises:
            JobError: two addresses are fetched under one name.
        """
        users: dict[Moved, list[int]] = defaultdict(list)
        for job, cargo in enumerate(cargos):
            self._check_fetched(cargo.addresses)
            for file in cargo.files:
                users[file].append(job)
        sets: dict[tuple[int, ...], list[Moved]] = defaultdict(list)
        for file, its_users in users.items():
            sets[tuple(its_users)].append(file)
        own: list[list[int]] = [[] for _ in cargos]
        for jobs, files in sets.items():
            number = self._number(tuple(files), shared=True)
            for job in jobs:
                own[job].append(number)
        return [
            (write_set((f"stage-in/{one}" for one in numbers), cargo.addresses), tuple(numbers))
            for cargo, numbers in zip(cargos, own, strict=True)
        ]

    def _number(self, files: tuple[Moved, ...], *, shared: bool) -> int:
        return self._sets.setdefault((files, shared), len(self._sets))

    def _check_fetched(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            name = address.rpartition("/")[2]
            other = self._fetched.setdefault(name, address)
            if other != address:
                raise JobError(
                    f"inputs {other} and {address} of packed jobs have the same name, and are "
                    f"fetched to one folder; submit without a pack, or fetch them in `setup`"
                )

    def back(self, path: str, template: str = "", *, file: bool = False) -> str:
        """Where a job makes what is to come to *path* on the submitting machine.

        Args:
            path: absolute; may hold `{index}`.
            template: what it was filled in from, where other jobs have other paths.
            file: it is a file's path, not a folder's.
        """
        parts = PurePosixPath(path).parts
        fixed = parts[: len(parts) - 1 if file else None]
        if template and template != path:
            pairs = enumerate(zip(fixed, PurePosixPath(template).parts, strict=False))
            common = next((fixed[:n] for n, (part, of) in pairs if part != of), fixed)
            fixed = common if len(common) > 1 else fixed  # not through the root of all
        else:
            fixed = next((fixed[:n] for n, part in enumerate(fixed) if INDEX in part), fixed)
        number = self._roots.setdefault(str(PurePosixPath(*fixed)), len(self._roots))
        return "/".join((RUN_FOLDER, "stage-out", str(number), *parts[len(fixed) :]))

    def folders(self) -> Iterator[Path]:
        """The folders to be made: of the run, and those of the user that outputs come to."""
        for name in RETURNED_DIRS:
            yield self._folder / COMMON / REMOTE_RUN_DIR / name
        yield self._folder / "stage-out"
        yield from map(Path, self._roots)
        for files, base, _ in self._laid_out():
            for source, place, _ in files:
                for folder, _ in walk(source):
                    yield base / place / os.path.relpath(folder, source)

    def files(self) -> Iterator[RenderedFile]:
        """What each set has, for the job script to see that all of it has arrived."""
        for files, _, arrivals in self._laid_out():
            paths = (
                Path(place, name) for source, place, _ in files for name in files_below(source)
            )
            lines = [f"ab_arrived {quote(str(path))}\n" for path in paths]
            yield RenderedFile(arrivals, "".join(lines))

    def _laid_out(self) -> Iterator[tuple[tuple[Moved, ...], Path, Path]]:
        """The files of each set, the folder that they are laid out in, and their list."""
        for (files, shared), number in self._sets.items():
            base = self._folder / f"stage-in/{number}"
            ours = base / REMOTE_RUN_DIR
            if shared:
                yield files, ours / f"sets/{number}", ours / f"sets/{number}.{ARRIVALS}"
            else:
                yield files, base, ours / ARRIVALS

    def links(self, scripts: Iterable[str]) -> Iterator[Link]:
        """The links to be made.

        Args:
            scripts: names in the run's folder that every job takes along.
        """
        for name in scripts:
            yield Link(self._folder / COMMON / REMOTE_RUN_DIR / name, str(self._folder / name))
        for root, number in self._roots.items():
            yield Link(self._folder / "stage-out" / str(number), root)
        for files, base, _ in self._laid_out():
            for source, place, target in files:
                yield from _links(source, base / place, target)


def _links(source: str, place: Path, target: str) -> Iterator[Link]:
    """A link to a file, or to every file in a folder; batch systems follow no link to a folder."""
    for name in files_below(source):
        yield Link(place / name, str(Path(target, name)))


def page_links(folder: Path, number: int, count: int) -> Iterator[Link]:
    """The links to the pages of a submission's task lines."""
    for page in range(page_of(count) + 1):
        name = page_name(number, page)
        yield Link(folder / page_set(number, page) / REMOTE_RUN_DIR / name, str(folder / name))


def make_links(links: Iterable[Link], host: Host) -> None:
    """Make links.

    Raises:
        FolderError: one cannot be made.
    """
    for link in links:
        host.link(link.path, link.target)
