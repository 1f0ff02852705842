"""Jobs' files by LSF's own copying (`bsub -f`): an archive goes with each job, another comes back.

In the run's folder:

    lsf/TOKEN.in.tgz    what a job takes along; packed before bsub runs
    lsf/TOKEN.out.tgz   what it brings back; there as soon as LSF has copied it
    lsf/ID.TOKEN        whose these are; empty, and gone when all has come to its place

`worker.sh` is the other end.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from anybatch.errors import CommandFailed, Rejected
from anybatch.host import Command
from anybatch.model import Reason, State
from anybatch.transfer import RETURNED_DIRS, sources_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anybatch.host import Completed, Host
    from anybatch.records import JobStatus, Submission

RECORDS, *OTHERS = RETURNED_DIRS  #: records come last: when one is here, so is what it speaks of
LONGEST = timedelta(hours=1)  #: for a command that unpacks
_SPEAKER = "anybatch: "
_NOTHING_CAME = "its files have not come back"
#: What GNU tar (1.34) says of a file that it leaves out, or of a link that leads nowhere.
_UNREADABLE = re.compile(r"Cannot (stat|open)|File removed before we read it")


@attrs.frozen
class Travel:
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

    def mark(self, native: str) -> Path:
        """The file that tells whose these are."""
        return self.folder / "lsf" / f"{native}.{self.token}"


def pack(submission: Submission, host: Host, timeout: timedelta) -> None:
    """Pack what a job takes along.

    Raises:
        Rejected: a file is not there any more, or cannot be read.
        CommandError: it cannot be packed now: a full disk.
    """
    archive = Travel(submission.folder, submission.token).sent
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


def note(submission: Submission, native: str, host: Host) -> None:
    """Write down which archives are a job's."""
    host.write(Travel(submission.folder, submission.token).mark(native), "")


class Arrivals:
    """What jobs bring back, as this process sees it come."""

    def __init__(self) -> None:
        self._troubles: dict[Path, tuple[str, float]] = {}
        self._words: dict[str, str] = {}

    def settle(
        self,
        answers: Mapping[str, JobStatus],
        folders: Mapping[Path, Sequence[str]],
        patience: timedelta,
        host: Host,
    ) -> dict[str, JobStatus]:
        """LSF's answers, held back for jobs that have ended and whose files are still to come.

        What has come is brought to its place, also of jobs that LSF does not know any more.

        Args:
            patience: for how long nothing may happen.

        Raises:
            CommandError: unpacking takes too long, or tar, gzip or flock is not there.
        """
        settled = dict(answers)
        for folder, natives in folders.items():
            for native, travel, has_come in _under_way(folder, natives, host):
                status = answers.get(native)
                if status is not None and not status.state.final:
                    continue
                trouble = self._bring(travel, native, host) if has_come else _NOTHING_CAME
                if trouble and status is not None and not status.never_started:
                    settled[native] = self._late(status, travel, trouble, patience)
        return {native: self._explained(native, status) for native, status in settled.items()}

    def _bring(self, travel: Travel, native: str, host: Host) -> str:
        """Bring what has come to its place; what there is to complain of."""
        archive = str(travel.brought)
        if not _run(host, "gzip", "-t", archive).ok:
            size = _run(host, "stat", "-c", "%s", archive).stdout.strip()
            return f"its files have not come back whole: {archive} has {size} bytes"
        for names in (OTHERS, [RECORDS]):
            done = _run(
                host,
                *("flock", str(travel.brought.parent)),  # others may watch the same run
                *("tar", "-xzf", archive, "-C", str(travel.folder), "--no-same-owner"),
                *("--keep-directory-symlink", "--no-overwrite-dir", *names),
            )
            if not done.ok:
                return f"its files cannot be unpacked: {archive}: {done.stderr.strip()}"
        self._words[native] = _read_words(travel.folder / "logs" / f"lsf-{native}.log", host)
        _run(host, "rm", "-f", archive, str(travel.sent), str(travel.mark(native)))
        return ""

    def _late(
        self, status: JobStatus, travel: Travel, trouble: str, patience: timedelta
    ) -> JobStatus:
        now = time.monotonic()
        before, since = self._troubles.get(travel.brought, ("", now))
        if before != trouble:
            since = now
        self._troubles[travel.brought] = (trouble, since)
        if now - since < patience.total_seconds():
            return _held_back(status, trouble)
        return _without_files(status, trouble)

    def _explained(self, native: str, status: JobStatus) -> JobStatus:
        if status.state is not State.FAILED or status.message:
            return status
        return attrs.evolve(status, message=self._words.get(native) or None)


def _under_way(
    folder: Path, natives: Sequence[str], host: Host
) -> Iterator[tuple[str, Travel, bool]]:
    """Those of the jobs whose archives are not settled, and whether anything has come back."""
    names = set(host.listdir(folder / "lsf"))
    tokens = {native: token for native, _, token in (name.partition(".") for name in names)}
    for native in natives:
        if native in tokens:
            travel = Travel(folder, tokens[native])
            yield native, travel, travel.brought.name in names


def _run(host: Host, *words: str) -> Completed:
    return host.run(Command(words, timeout=LONGEST))


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
