"""What a plugin moves where its batch system moves files (`Transfer.SYSTEM`).

It lies ready in the run's folder, as folders of links that are laid out as a job's scratch
folder is to be, so that nothing is copied before it travels and no layout is lost:

    stage-in/common/.anybatch/     the job script, scripts given as text, folders to come back
    stage-in/tasks-N.P/.anybatch/  page P of the task lines of submission N
    stage-in/K/                    a set of files that a job needs
    stage-out/K -> FOLDER          where outputs and logs with a place of their own belong

A batch system may fetch inputs from addresses, too (`addresses_for`, `Limits.fetches`).

The contents of the first, of one of the second and of one of the third go to the job's scratch
folder. What the job leaves in the folders `RETURNED_DIRS` there comes to those of the same name
in the run's folder.
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
    own = _own_set(submission, task)[0]
    return list(filter(None, (COMMON, page_set(submission.number, page_of(task)), own)))


def addresses_for(submission: Submission, task: int) -> list[str]:
    """The addresses that the batch system fetches to the top of job *task*'s scratch folder.

    There are only such as `Limits.fetches` names. They are plain: no white space, comma, `$`.
    """
    return _own_set(submission, task)[1:]


def write_set(folder: str, addresses: Iterable[str]) -> str:
    """A job's transfer set: a folder of links, which may be empty, and addresses."""
    return " ".join((folder, *addresses))


def _own_set(submission: Submission, task: int) -> list[str]:
    sets = submission.transfer_sets
    return sets[task - 1 if len(sets) > 1 else 0].split(" ") if sets else [""]


def page_set(number: int, page: int) -> str:
    """The folder, below the run's, with a page of a submission's task lines."""
    return f"stage-in/tasks-{number}.{page}"
