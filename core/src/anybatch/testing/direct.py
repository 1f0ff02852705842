"""Jobs that a test hands to a plugin's hooks by itself, without the core, with its own script."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import AnybatchError
from anybatch.quoting import quote
from anybatch.records import Batch, JobStatus, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anybatch import Job, Session

#: Clocks of several machines, and systems that tell minutes.
_INEXACT = timedelta(seconds=90)


class DirectJobs:
    """Equal jobs, numbered from 0, of as few submissions as the system allows.

    Args:
        session: whose plugin is called.
        job: what they need, and their settings; its command is not run.
        count: how many.
        script: shell text that each runs in `folder`, its number in `$me`. It takes the place of
            the job script, so there are no exit records.

    Attributes:
        folder: the run's folder.
        ids: their native ids, once they are submitted.
    """

    def __init__(self, session: Session, job: Job, count: int, script: str) -> None:
        plan = session.plan([job] * count)
        self._hooks, self._system, self._host = session.hooks, session.system, session.host
        self._submissions = [one.submission for one in plan.submissions]
        self._first = [one.indices[0] for one in plan.submissions]
        self.folder: Path = plan.folder
        self.ids: list[str] = []
        self.since = datetime.now(timezone.utc)
        logs = self.folder / "logs"
        logs.mkdir(parents=True)
        firsts = "; ".join(f"{n}) me={first}" for n, first in enumerate(self._first))
        lines = (
            "#!/bin/sh",
            "ab_nl='\n'",
            f"cd {quote(str(self.folder))} || exit 1",
            f"case $1 in {firsts.replace('; ', ';; ')};; esac",
            "me=$((me + $2 - 1))",
            'echo x >>"ran-$me"',
            script,
        )
        self._host.write(self.folder / "job.sh", "\n".join([*lines, ""]), 0o700)

    def submit(self) -> None:
        """Hand them over; each submission must give as many ids as it has jobs."""
        for submission in self._submissions:
            rendered = self._hooks.render(self._system, submission)
            for file in rendered.files:
                self._host.write(file.path, file.text, file.mode)
            held = nullcontext()
            self.ids += self._hooks.submit(self._system, submission, rendered, held)

    def batches(self, numbers: Sequence[int] | None = None) -> list[Batch]:
        """The jobs of these numbers, or all, as hooks get them."""
        wanted = range(len(self.ids)) if numbers is None else numbers
        ends = [*self._first[1:], len(self.ids)]
        parts = (
            (one, tuple(self.ids[n] for n in wanted if first <= n < end))
            for one, first, end in zip(self._submissions, self._first, ends, strict=True)
        )
        return [Batch(submission=one, ids=ids) for one, ids in parts if ids]

    def ask_through(self, session: Session) -> None:
        """Have another session ask about them."""
        self._hooks = session.hooks

    def answers(self) -> list[JobStatus | Unreachable | None]:
        """What is said of each; None where the system does not know it."""
        answers = self._hooks.status(self._system, self.batches())
        pairs = zip(self.batches(), answers, strict=True)
        return [answer.get(native) for batch, answer in pairs for native in batch.ids]

    def statuses(self) -> list[JobStatus | None]:
        """What the system says of each; None where nothing, or that it does not know it."""
        return [None if isinstance(one, Unreachable) else one for one in self.answers()]

    def unknown(self) -> list[str]:
        """The ids that an answer to `anybatch_status` leaves out."""
        answers = self._hooks.status(self._system, self.batches())
        pairs = zip(self.batches(), answers, strict=True)
        return [n for batch, answer in pairs for n in batch.ids if n not in answer]

    def accounted(self) -> list[JobStatus]:
        """What accounting says of them, where it knows them."""
        answers = self._hooks.account(self._system, self.batches())
        pairs = zip(self.batches(), answers, strict=True)
        return [answer[n] for batch, answer in pairs for n in batch.ids if n in answer]

    def find(self, change: str = "") -> list[str]:
        """The ids of the jobs with each token, or with one that only begins alike.

        Args:
            change: `longer` or `shorter`: of another token.
        """
        found = []
        for one in self._submissions:
            token = {"longer": f"{one.token}0", "shorter": one.token[:-1]}.get(change, one.token)
            asked = attrs.evolve(one, token=token)
            if change:
                asked = attrs.evolve(asked, folder=self.folder / "other", number=one.number + 1)
            found += self._hooks.find(self._system, asked)
        return found

    def terminate(self, numbers: Sequence[int] | None = None) -> dict[str, str | Unreachable]:
        """Stop them; why not, for those that the system did not accept."""
        answers = self._hooks.terminate(self._system, self.batches(numbers), None)
        return {native: why for answer in answers for native, why in answer.items()}

    def clean_up(self) -> None:
        """Leave nothing running."""
        (self.folder / "go").touch()
        if self.ids:
            with suppress(AnybatchError):  # they end by themselves
                self.terminate()

    def ran(self) -> list[int]:
        """How often each of them was started."""
        marks = (self.folder / f"ran-{number}" for number in range(len(self.ids)))
        return [len(mark.read_text().split()) if mark.exists() else 0 for mark in marks]

    def least_own_time(self) -> float:
        """Seconds that a question takes beside its commands; the least of three."""
        taken = []
        for _ in range(3):
            begin, spent = time.monotonic(), self._spent()
            self.statuses()
            taken.append(time.monotonic() - begin - (self._spent() - spent))
        return min(taken)

    def _spent(self) -> float:
        return float(getattr(self._host, "seconds", 0.0))

    def wrong_times(self, status: JobStatus) -> list[str]:
        """Times of a job that cannot be: before it was submitted, in the future, out of order."""
        last, name_before = self.since, "the submission"
        now = datetime.now(timezone.utc) + _INEXACT
        wrong = []
        for name in ("submitted", "started", "ended"):
            value = getattr(status, name)
            if value is None:
                continue
            if not last - _INEXACT <= value <= now:
                wrong.append(f"{name} {value} is before {name_before} ({last}) or to come")
            last, name_before = max(last, value), name
        return wrong
