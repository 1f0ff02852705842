"""What `condor_q -better-analyze` tells of one job that waits, in plain words. Pure.

It counts the slots that each condition of the job matches, and sums up which slots refuse it, which
serve others and which could run it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONDITION = re.compile(r"^\[\d+\]\s+(\d+)\s+(\S.*)$")
_OF = re.compile(r"\bOf (\d+) (?:slots|machines)(?: on (\d+) machines)?")
_COUNT = re.compile(r"^\s+(\d+) (.+)$")
_NAME = re.compile(r"\b(Request[A-Za-z_]\w*)")
_ATTRIBUTE = re.compile(r"^\s+(\w+) = (.+)$")


def explain(stdout: str) -> str:
    """Why a job waits; empty where the analysis does not tell."""
    lines = stdout.splitlines()
    summary = next((number for number, line in enumerate(lines) if _OF.search(line)), None)
    if summary is None:
        return ""
    match = _OF.search(lines[summary])
    assert match
    slots = int(match[1])
    if not slots:
        return "the pool has no slots now; it waits until there are some"
    counts = dict(_counts(lines[summary + 1 :]))
    rejected = sum(n for what, n in counts.items() if what.endswith("by your job's requirements"))
    if rejected < slots:
        told = "; ".join(f"{n} {what}" for what, n in counts.items() if n)
        return f"of {_number(slots, 'slot')}: {told}" if told else ""
    unmet = [words for words, count in _conditions(lines[:summary]) if not count]
    asked = dict(filter(None, map(_attribute, lines[:summary])))
    whole = f"none of {_number(slots, 'slot')}"
    which = f"{whole} meets {' or '.join(f'`{one}`' for one in unmet)}" if unmet else ""
    which = which or f"{whole} meets all conditions of the job together"
    facts = dict.fromkeys(name for one in unmet for name in _NAME.findall(one) if name in asked)
    given = ", ".join(f"{name} is {asked[name]}" for name in facts)
    told = f"{which} ({given})" if given else which
    return (
        f"it will not start unless the pool or the job changes: {told}; ask for less, or change "
        f"htcondor.requirements"
    )


def _conditions(lines: list[str]) -> Iterator[tuple[str, int]]:
    """The conditions of the job, and how many slots meet each."""
    for line in lines:
        if match := _CONDITION.match(line):
            yield match[2].strip().replace("TARGET.", ""), int(match[1])


def _counts(lines: list[str]) -> Iterator[tuple[str, int]]:
    """The lines of the summary: what slots do with the job, and how many do."""
    for line in lines:
        match = _COUNT.match(line)
        if not match:
            return
        yield re.sub(r"^(?:slots?|machines?) ", "", match[2].strip()), int(match[1])


def _attribute(line: str) -> tuple[str, str] | None:
    match = _ATTRIBUTE.match(line)
    return (match[1], match[2].strip()) if match else None


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
