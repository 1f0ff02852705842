"""Where in a run's folder the records and logs of a job are: in pages, so that folders stay small.

    exit/PAGE/   start/PAGE/   records of the jobs of a page (`exit_records.py`)
    logs/PAGE/INDEX.out        output of the first attempt; of the next: logs/PAGE.1/INDEX.out

Some file systems end at 20,000 entries in a folder (AFS), and all list long folders slowly.
"""

from __future__ import annotations

from collections import Counter

#: Jobs in a page. Each leaves two logs for an attempt, and a record of each start and end.
JOBS = 500


def page_of_job(index: int) -> int:
    """The page with the records of a job."""
    return index // JOBS


def log_folder(index: int, attempt: int = 0) -> str:
    """The folder of a job's logs, below the run's."""
    return f"logs/{page_of_job(index)}" + (f".{attempt}" if attempt else "")


def page_folders(count: int) -> list[str]:
    """The folders, below the run's, that *count* jobs need at first."""
    pages = range(page_of_job(max(count, 1) - 1) + 1)
    return [f"{name}/{page}" for name in ("exit", "start", "logs") for page in pages]


class Pages:
    """The pages of a run's jobs, by whether a job in them has no verdict yet.

    Args:
        count: how many jobs the run has, none of which has a verdict.
    """

    def __init__(self, count: int) -> None:
        self._left = Counter(page_of_job(index) for index in range(count))
        self._ended: set[int] = set()

    @property
    def open(self) -> list[int]:
        """The pages with jobs that have no verdict."""
        return list(self._left)

    def count(self, index: int, change: int) -> None:
        """A job got its verdict (-1), or is run again (1)."""
        page = page_of_job(index)
        self._left[page] += change
        self._ended.discard(page)
        if not self._left[page]:
            del self._left[page]
            self._ended.add(page)

    def take_ended(self) -> set[int]:
        """The pages all of whose jobs have come to their verdict since the last call."""
        ended, self._ended = self._ended, set()
        return ended
