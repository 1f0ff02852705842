"""What a plugin moves where its batch system moves files (`Transfer.SYSTEM`).

It lies ready in the run's folder, as folders of links that are laid out as a job's scratch
folder is to be, so that nothing is copied before it travels and no layout is lost:

    stage-in/common/.anybatch/     the job script, scripts given as text, folders to come back
    stage-in/tasks-N.P/.anybatch/  page P of the task lines of submission N
    stage-in/K/                    a set of files that a job needs
    stage-in/K/.anybatch/sets/K/   the same where jobs are packed: each copies from there what it
                                   needs to a folder of its own
    stage-out/K -> FOLDER          where outputs and logs with a place of their own belong

A batch system may fetch inputs from addresses, too (`addresses_for`, `Limits.fetches`).

The contents of the first, of those of the second and of those of the third that a job names go to
its scratch folder. What the job leaves in the folders `RETURNED_DIRS` there comes to those of the
same name in the run's folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.ranges import page_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anybatch.records import Submission

#: Folders of the run that a job fills on its own machine.
RETURNED_DIRS = ("exit", "start", "logs", "stage-out")
COMMON = "stage-in/common"


def sources_for(submission: Submission, task: int) -> list[str]:
    """The folders, below the run's, whose contents job *task* (1..count) takes along."""
    lines = _lines(submission, task)
    pages = range(page_of(lines[0]), page_of(lines[-1]) + 1)
    sets = [word for word in _words(submission, lines) if not _is_address(word)]
    return [COMMON, *(page_set(submission.number, page) for page in pages), *sets]


def addresses_for(submission: Submission, task: int) -> list[str]:
    """The addresses that the batch system fetches to the top of job *task*'s scratch folder.

    There are only such as `Limits.fetches` names. They are plain: no white space, comma, `$`.
    """
    return [word for word in _words(submission, _lines(submission, task)) if _is_address(word)]


def write_set(folders: Iterable[str], addresses: Iterable[str]) -> str:
    """What a job of the run takes along: folders of links, and addresses."""
    return " ".join((*folders, *addresses))


def _lines(submission: Submission, task: int) -> range:
    """The lines (1..members) in the task files of the jobs of the run that a job is."""
    last = min(task * submission.pack, submission.members or submission.count)
    return range((task - 1) * submission.pack + 1, last + 1)


def _words(submission: Submission, lines: range) -> list[str]:
    """What they take along, each once."""
    sets = submission.transfer_sets
    if len(sets) > 1:
        sets = tuple(sets[line - 1] for line in lines)
    return list(dict.fromkeys(word for one in sets for word in one.split(" ") if word))


def _is_address(word: str) -> bool:
    return "://" in word


def page_set(number: int, page: int) -> str:
    """The folder, below the run's, with a page of a submission's task lines."""
    return f"stage-in/tasks-{number}.{page}"
