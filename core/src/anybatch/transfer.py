"""What a plugin moves where its batch system moves files (`Transfer.SYSTEM`).

It lies ready in the run's folder, as folders of links that are laid out as a job's scratch
folder is to be, so that nothing is copied before it travels and no layout is lost:

    ship/common/.anybatch/      the job script, scripts given as text, folders for what comes back
    ship/tasks-N.P/.anybatch/   page P of the task lines of submission N
    ship/K/                     a set of files that a job needs
    to/K -> FOLDER              where outputs and logs with a place of their own belong

The contents of the first, of one of the second and of one of the third go to the job's scratch
folder. What the job leaves in the folders `BROUGHT_BACK` there comes to those of the same name
in the run's folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.ranges import page_of

if TYPE_CHECKING:
    from anybatch.records import Submission

#: Folders of the run that a job fills on its own machine.
BROUGHT_BACK = ("exit", "start", "logs", "to")
COMMON = "ship/common"


def carried(submission: Submission, task: int) -> list[str]:
    """The folders, below the run's, whose contents job *task* (1..count) takes along."""
    parcels = submission.parcels
    own = parcels[task - 1 if len(parcels) > 1 else 0] if parcels else ""
    return list(filter(None, (COMMON, page_parcel(submission.number, page_of(task)), own)))


def page_parcel(number: int, page: int) -> str:
    """The folder, below the run's, with a page of a submission's task lines."""
    return f"ship/tasks-{number}.{page}"
