"""Events as journals hold them: which fields each has, and what to do with those that are odd.

Further kinds and further fields are of later versions, and passed over. So is what only tells
something (a word of a batch system, a sign, a failure), where it makes no sense. Whatever else
decides what is submitted or how a job ended: where it makes no sense, the journal is damaged. `q`
orders what two processes said of one thing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from anybatch.model import Reason, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Event = dict[str, Any]
UNREADABLE = "unreadable"  #: the kind of what a journal tells of a line that cannot be read
TORN = "torn"  #: the kind of the event that says that the line before it has not happened


def read_event(plain: Any) -> Event | None:
    """An event, with every field in its shape; None: it tells this version nothing.

    Raises:
        ValueError: it makes no sense.
    """
    if not is_event(plain):
        return None
    fields = _FIELDS.get(plain["e"])
    if not _is_number(plain.get("q", 0)):
        plain = {**plain, "q": 0}
    if fields is None:
        return plain if _is_time(plain.get("t")) else None
    wrong = [name for name, fits in fields.items() if not fits(plain.get(name))]
    if not wrong:
        return _understood(plain) if "outcomes" in plain else plain
    if not decides(plain):
        return None
    raise ValueError(f"{plain['e']} has {wrong[0]} {plain.get(wrong[0])!r:.100}")


def is_event(plain: Any) -> bool:
    """Whether it is an event, of whichever version."""
    return isinstance(plain, dict) and isinstance(plain.get("e"), str)


def unreadable(number: int, path: Path) -> Event:
    """What a line of a journal tells that cannot be read: that it is there."""
    return {"t": 0.0, "e": UNREADABLE, "line": number, "path": str(path)}


#: Kinds of events that only tell something.
_TELLING = ("state", "sign", "failed", "unfound", "notifying", "notified")


def decides(event: Event) -> bool:
    """Whether what is submitted, or how a job ended, is decided by such an event."""
    return event["e"] not in _TELLING


def _understood(event: Event) -> Event:
    """Verdicts without the reasons that this version does not know; their words stay."""
    outcomes = event["outcomes"] if _are_outcomes(event["outcomes"]) else []
    return {**event, "outcomes": [_without_strange_reason(one) for one in outcomes]}


def _without_strange_reason(outcome: dict[str, Any]) -> dict[str, Any]:
    reason = outcome.get("reason")
    if reason is None or reason in _REASONS:
        return outcome
    words = (str(word)[:1000] for word in (reason, outcome.get("message")) if word)
    return {**outcome, "reason": None, "message": ": ".join(words)}


_STATES = frozenset(state.value for state in State)
_REASONS = [reason.value for reason in Reason]  # what is looked up may be unhashable


def _is_time(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < 1e12 and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_most(value: Any) -> bool:
    return value is None or (_is_number(value) and value > 0)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_state(value: Any) -> bool:
    return isinstance(value, str) and value in _STATES


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_table, value))


def _are_outcomes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and _is_number(one.get("index"))
        and _is_number(one.get("attempt", 0))
        and one.get("state") in ("done", "failed", "terminated", "lost")
        for one in value
    )


#: Where a command runs, and for how many seconds at most.
_WHERE = {"host": _is_text, "lasts": _is_time}
_FIELDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    kind: {"t": _is_time, **fields}
    for kind, fields in {
        "submitting": {"s": _is_number, "n": _is_number_or_none, "most": _is_most, **_WHERE},
        "failed": {"s": _is_number, "n": _is_number, "text": _is_text},
        "unfound": {"s": _is_number, "n": _is_number},
        "submitted": {"s": _is_number, "ids": _are_texts},
        "not_found": {"s": _is_number, "n": _is_number_or_none, "doubts": _is_number_or_none},
        "unavoided": {"s": _is_number},
        "refused": {"s": _is_number},
        "retry": {"planned": _is_table},
        "rerun": {"planned": _are_tables},
        "part": {"s": _is_number, "planned": _is_table},
        "limit": {"max_running": _is_most, "max_queued": _is_most},
        "throttle": {"s": _is_number, "n": _is_number, "most": _is_most},
        "state": {
            "s": _is_number_or_none,
            "jobs": _is_text,
            "state": _is_state,
            "native_state": _is_text_or_none,
            "message": _is_text_or_none,
        },
        "sign": {"s": _is_number_or_none, "jobs": _is_text, "sign": _is_text_or_none},
        "stopped": {"s": _is_number, "jobs": _is_text},
        "terminate": {"jobs": _is_text, "why": _is_text_or_none},
        "ended": {"outcomes": _are_outcomes},
        "notifying": {"n": _is_number, "keys": _are_texts},
        "notified": {"n": _is_number, "key": _is_text, "error": _is_text_or_none},
    }.items()
}
