"""What travels with jobs where the batch system moves their files (`Transfer.SYSTEM`).

`anybatch.transfer` tells plugins how it is laid out.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

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

Pairs = tuple[tuple[str, str], ...]  #: absolute sources and places below the scratch folder


class TransferSets:
    """The transfer_sets of a run in the making.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packed: dict[tuple[tuple[str, str, str], ...], str] = {}
        self._roots: dict[str, int] = {}

    def pack(
        self,
        files: Pairs,
        copies: Mapping[str, str] | None = None,
        addresses: Sequence[str] = (),
    ) -> str:
        """The folder of links to *files*, below the run's; equal sets share one; empty: none.

        Args:
            copies: by place, what is read in place of the source: its copy, made at submission.
            addresses: what is fetched beside that; they follow the folder's name.
        """
        read = tuple((source, place, (copies or {}).get(place, source)) for source, place in files)
        name = self._packed.setdefault(read, f"stage-in/{len(self._packed)}") if read else ""
        return write_set(name, addresses)

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
        for files, transfer_set in self._packed.items():
            for source, place, _ in files:
                for folder, _ in walk(source):
                    yield self._folder / transfer_set / place / os.path.relpath(folder, source)

    def files(self) -> Iterator[RenderedFile]:
        """What each set has, for the job script to see that all of it has arrived."""
        for files, transfer_set in self._packed.items():
            paths = (
                Path(place, name) for source, place, _ in files for name in files_below(source)
            )
            lines = [f"ab_arrived {quote(str(path))}\n" for path in paths]
            path = self._folder / transfer_set / REMOTE_RUN_DIR / ARRIVALS
            yield RenderedFile(path, "".join(lines))

    def links(self, scripts: Iterable[str]) -> Iterator[Link]:
        """The links to be made.

        Args:
            scripts: names in the run's folder that every job takes along.
        """
        for name in scripts:
            yield Link(self._folder / COMMON / REMOTE_RUN_DIR / name, str(self._folder / name))
        for root, number in self._roots.items():
            yield Link(self._folder / "stage-out" / str(number), root)
        for files, transfer_set in self._packed.items():
            for source, place, target in files:
                yield from _links(source, self._folder / transfer_set / place, target)


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
