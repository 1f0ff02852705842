"""What a plugin moves where its batch system moves files (`Transfer.SYSTEM`).

It lies ready in the run's folder, as folders of links that are laid out as a job's scratch
folder is to be, so that nothing is copied before it travels and no layout is lost:

    stage-in/common/.anybatch/     the job script, scripts given as text, folders to come back
    stage-in/tasks-N.P/.anybatch/  page P of the task lines of submission N
    stage-in/K/                    a set of files that a job needs
    stage-out/K -> FOLDER          where outputs and logs with a place of their own belong

The contents of the first, of one of the second and of one of the third go to the job's scratch
folder. What the job leaves in the folders `RETURNED_DIRS` there comes to those of the same name
in the run's folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.ranges import page_of

if TYPE_CHECKING:
    from anybatch.records import Submission

#: Folders of the run that a job fills on its own machine.
RETURNED_DIRS = ("exit", "start", "logs", "stage-out")
COMMON = "stage-in/common"


def sources_for(submission: Submission, task: int) -> list[str]:
    """The folders, below the run's, whose contents job *task* (1..count) takes along."""
    transfer_sets = submission.transfer_sets
    own = transfer_sets[task - 1 if len(transfer_sets) > 1 else 0] if transfer_sets else ""
    return list(filter(None, (COMMON, page_set(submission.number, page_of(task)), own)))


def page_set(number: int, page: int) -> str:
    """The folder, below the run's, with a page of a submission's task lines."""
    return f"stage-in/tasks-{number}.{page}"
