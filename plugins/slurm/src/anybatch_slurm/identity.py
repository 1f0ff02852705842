"""Whose job is it? Ids are used again: after a controller's state was lost, and on other clusters.

A job belongs to a submission if its comment begins with the submission's token, or if it runs the
submission's own script, which holds where the user has changed the comment. Both are unique to
the submission.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.records import Submission

_JOB = re.compile(r"\d+")


@attrs.frozen
class Identity:
    """What the jobs of one submission carry, and nobody else's.

    Attributes:
        token: the beginning of their comment.
        script: the end of the path of their script.
        folder: the end of the path of their working directory.
        log: where Slurm writes what it has to say of them.
    """

    token: str
    script: str
    folder: str
    log: Path = Path("system.log")

    def owns(self, witness: str) -> bool:
        """Whether a job is theirs, from `COMMENT|COMMAND|` or `COMMENT|WORKDIR`."""
        if witness.startswith(self.token) and witness[len(self.token) :][:1] in ("", " ", "|"):
            return True
        return self.script in witness or witness.rstrip("|").endswith(self.folder)


def identity_of(submission: Submission) -> Identity:
    """What the jobs of a submission carry."""
    folder = f"/{submission.folder.name}"
    return Identity(
        submission.token, f"{folder}/submit-{submission.number}.sh", folder, submission.system_log
    )


@attrs.frozen
class Owned:
    """A command's answer, sorted by whose jobs it tells of.

    Attributes:
        lines: those about jobs of a submission, by the submission's token.
        strangers: the numbers that are asked about and other jobs have now, with a token that
            asked about them.
    """

    lines: Mapping[str, str]
    strangers: frozenset[tuple[str, str]]


def sort_by_owner(stdout: str, columns: int, wanted: Mapping[Identity, Sequence[str]]) -> Owned:
    """Sort lines that begin with a job's number by the submission that the job belongs to.

    A line that tells nothing of the owner (a step) belongs to the job whose line came before.

    Args:
        columns: how many come before the comment.
        wanted: the ids that are asked about.
    """
    candidates: dict[str, list[Identity]] = defaultdict(list)
    for identity, ids in wanted.items():
        for job in dict.fromkeys(native.partition("_")[0] for native in ids):
            candidates[job].append(identity)
    lines: dict[str, list[str]] = defaultdict(list)
    known: set[tuple[str, str]] = set()
    others: set[tuple[str, str]] = set()
    last: dict[str, Identity | None] = {}
    for line in stdout.split("\n"):
        fields = line.split("|", columns)
        number = _JOB.match(fields[0])
        if len(fields) <= columns or number is None or number[0] not in candidates:
            continue
        job, (name, dot, _) = number[0], fields[0].partition(".")
        if not dot:
            owner = next((one for one in candidates[job] if one.owns(fields[columns])), None)
            last[name] = owner
            others.update((one.token, job) for one in candidates[job] if one is not owner)
        if owner := last.get(name):
            lines[owner.token].append(line)
            known.add((owner.token, job))
    return Owned(
        {token: "\n".join(some) for token, some in lines.items()}, frozenset(others - known)
    )


def find(identity: Identity, stdout: str, refused: str) -> list[str]:
    """The jobs of a submission, from lines of `ID|REASON|COMMENT|COMMAND`.

    Args:
        refused: the reason of a job that a refused submission leaves behind.
    """
    rows = (line.split("|", maxsplit=2) for line in stdout.split("\n") if line.count("|") > 1)
    return [
        number[0]
        for name, reason, witness in rows
        if (number := _JOB.match(name)) and reason != refused and identity.owns(witness)
    ]
