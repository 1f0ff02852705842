"""Jobs' files by LSF's own copying (`bsub -f`): an archive goes with each job, another comes back.

In the run's folder, until all has come to its place:

    lsf/TOKEN.in.tgz    what a job takes along; packed before bsub runs
    lsf/TOKEN.out.tgz   what it brings back; there as soon as LSF has copied it

A job whose files LSF moves is a submission of its own, so its token names its archives.
`worker.sh` is the other end.
"""

from __future__ import annotations

import re
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from anybatch.errors import CommandFailed, Rejected
from anybatch.host import Command
from anybatch.model import Reason, State
from anybatch.records import Transfer
from anybatch.transfer import RETURNED_DIRS, sources_for

from anybatch_lsf.unpack import NOT_WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from anybatch.host import Completed, Host
    from anybatch.records import Batch, JobStatus, Submission

RECORDS, *OTHERS = RETURNED_DIRS  #: records come last: when one is here, so is what it speaks of
UNPACK = Path(__file__).with_name("unpack.py")
LONGEST = timedelta(hours=1)  #: for a command that unpacks
_SPEAKER = "anybatch: "
_NOTHING_CAME = "its files have not come back"
#: What GNU tar (1.34) says of a file that it leaves out, or of a link that leads nowhere.
_UNREADABLE = re.compile(r"Cannot (stat|open)|File removed before we read it")


@attrs.frozen
class Archives:
    """Where a job's archives lie.

    Attributes:
        folder: of the run.
        token: of the submission.
    """

    folder: Path
    token: str

    @property
    def sent(self) -> Path:
        """What the job takes along."""
        return self.folder / "lsf" / f"{self.token}.in.tgz"

    @property
    def brought(self) -> Path:
        """What it brings back."""
        return self.folder / "lsf" / f"{self.token}.out.tgz"


def pack(submission: Submission, host: Host, timeout: timedelta) -> None:
    """Pack what a job takes along.

    Raises:
        Rejected: a file is not there any more, or cannot be read.
        CommandError: it cannot be packed now: a full disk.
    """
    archive = Archives(submission.folder, submission.token).sent
    host.write(archive, "")  # tar leaves it its mode
    words = ["tar", "-czhf", str(archive)]
    for transfer_set in sources_for(submission, 1):
        words += ["-C", str(submission.folder / transfer_set), "."]
    command = Command(words, timeout=timeout)
    completed = host.run(command)
    if _UNREADABLE.search(completed.stderr):
        raise Rejected(f"what the job takes along cannot be packed: {completed.stderr.strip()}")
    if completed.returncode not in (0, 1):  # 1: a file has changed while it was read
        raise CommandFailed(command, completed)


class Returns:
    """What jobs bring back, as this process sees it come.

    Args:
        host: where the run's folder is.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._troubles: dict[Archives, tuple[str, float]] = {}
        self._words: dict[Archives, str] = {}

    def settle(
        self, batches: Sequence[Batch], answers: Mapping[str, JobStatus]
    ) -> list[dict[str, JobStatus]]:
        """LSF's answers for each batch, held back for ended jobs whose files are still to come.

        What has come is brought to its place, also of jobs that LSF does not know any more.

        Raises:
            CommandError: unpacking takes too long, or flock is not there.
        """
        moved = [batch for batch in batches if batch.submission.transfer is Transfer.SYSTEM]
        folders = {batch.submission.folder for batch in moved}
        names = {folder: set(self._host.listdir(folder / "lsf")) for folder in folders}
        settled = []
        for batch in batches:
            own = {one: answers[one] for one in batch.ids if one in answers}
            if batch.submission.transfer is Transfer.SYSTEM:
                own = self._settle(batch, own, names[batch.submission.folder])
            settled.append(own)
        return settled

    def _settle(
        self, batch: Batch, own: Mapping[str, JobStatus], names: Set[str]
    ) -> dict[str, JobStatus]:
        """The answer for the one job of a batch whose files LSF moves."""
        [native_id] = batch.ids
        archives = Archives(batch.submission.folder, batch.submission.token)
        status = own.get(native_id)
        if status is not None and not status.state.final:
            return dict(own)
        trouble = ""
        if archives.brought.name in names:
            trouble = self._bring(archives, native_id)
        elif archives.sent.name in names:
            trouble = _NOTHING_CAME
        if status is None:
            return {}
        if trouble and not status.never_started:
            patience = batch.submission.settings["transfer_patience"]
            status = self._late(status, archives, trouble, patience)
        return {native_id: self._explained(archives, status)}

    def _bring(self, archives: Archives, native_id: str) -> str:
        """Bring what has come to its place; what there is to complain of."""
        archive = str(archives.brought)
        # Others may watch the same run. With -I nothing is imported from the user's folder.
        done = self._run(
            *("flock", str(archives.brought.parent), sys.executable, "-I", str(UNPACK)),
            *(archive, str(archives.folder), RECORDS, *OTHERS),
        )
        if done.returncode == NOT_WHOLE:
            size = self._run("stat", "-c", "%s", archive).stdout.strip()
            return f"its files have not come back whole: {archive} has {size} bytes"
        if not done.ok:
            return f"its files cannot be unpacked: {archive}: {done.stderr.strip()}"
        log = archives.folder / "logs" / f"lsf-{native_id}.log"
        self._words[archives] = _read_words(log, self._host)
        # In this order: whoever is killed in between, or looks then, brings it again.
        self._run("rm", "-f", str(archives.sent), archive)
        return ""

    def _run(self, *words: str) -> Completed:
        return self._host.run(Command(words, timeout=LONGEST))

    def _late(
        self, status: JobStatus, archives: Archives, trouble: str, patience: timedelta
    ) -> JobStatus:
        now = time.monotonic()
        before, since = self._troubles.get(archives, ("", now))
        if before != trouble:
            since = now
        self._troubles[archives] = (trouble, since)
        if now - since < patience.total_seconds():
            return _held_back(status, trouble)
        return _without_files(status, trouble)

    def _explained(self, archives: Archives, status: JobStatus) -> JobStatus:
        if status.state is not State.FAILED or status.message:
            return status
        return attrs.evolve(status, message=self._words.get(archives) or None)


def _read_words(log: Path, host: Host) -> str:
    """What `worker.sh` had to say."""
    try:
        lines = host.read(log).splitlines()
    except OSError:
        return ""
    return "; ".join(line.removeprefix(_SPEAKER) for line in lines if line.startswith(_SPEAKER))


def _held_back(status: JobStatus, trouble: str) -> JobStatus:
    status = attrs.evolve(status, state=State.RUNNING, message=trouble, reason=None)
    return attrs.evolve(status, exit_code=None, signal=None, ended=None)


def _without_files(status: JobStatus, trouble: str) -> JobStatus:
    """LSF's word alone; a job whose records, logs and outputs are lost is not done."""
    status = attrs.evolve(status, message="; ".join(filter(None, (status.message, trouble))))
    if status.state is State.DONE:
        return attrs.evolve(status, state=State.FAILED, reason=Reason.STAGE_OUT, exit_code=None)
    if status.state is State.FAILED and status.reason is None and status.exit_code is not None:
        return attrs.evolve(status, reason=Reason.EXIT_CODE)
    return status
