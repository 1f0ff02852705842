"""The format of the job event log: from bytes to events. Pure.

An event is a mapping with HTCondor's own names (`EventTypeNumber`, `Cluster`, `Proc`, `EventTime`,
`Reason`, `HoldReason`, ...), whether the log is written as text, as XML or as JSON. What cannot be
read is left out. HTCondor's own reader is not used: it raises at a byte that is not UTF-8, waits
a second at damage, and keeps a log open that somebody has moved away (25.14).
https://htcondor.readthedocs.io/en/latest/users-manual/job-event-log.html
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone, tzinfo
from html import unescape
from typing import TYPE_CHECKING, Any

from anybatch_htcondor.states import (
    ABORTED,
    CLUSTER_SUBMIT,
    DISCONNECTED,
    EVICTED,
    EXECUTE,
    HOLD,
    IMAGE_SIZE,
    RECONNECT_FAILED,
    REMOTE_ERROR,
    SHADOW_EXCEPTION,
    SUBMIT,
    TERMINATED,
    TRANSFER,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Event = dict[str, Any]

#: How an event begins, and how one that begins so ends: text, XML, JSON.
_ENDS = {
    b"<": re.compile(rb"^</c>\r?\n", re.M),
    b"{": re.compile(rb"^\}\r?\n(?:\.{3}\r?\n)?", re.M),
}
_END = re.compile(rb"^\.{3}\r?\n", re.M)

#: The first line of an event.
_HEADER = re.compile(
    r"^(\d{3}) \((\d+)\.(-?\d+)\.-?\d+\) ((?:\d{4}-)?\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d\S*) (.*)$", re.M
)
_TIME = re.compile(
    r"(?:(\d{4})-)?(\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?"
)
_HOW = re.compile(
    r"\((?:(1)\) Normal termination \(return value (-?\d+)\)|"
    r"0\) Abnormal termination \(signal (\d+)\))"
)
_CODE = re.compile(r"^\s*Code (-?\d+) Subcode (-?\d+)$", re.M)
_XML = re.compile(
    r'^    <a n="(\w+)"><(?:(i)>(-?\d+)</i>|(s)>(.*?)</s>|b v="([tf])"\s*/>)', re.M | re.S
)
#: The steps of a FILE_TRANSFER event, from 1.
_TRANSFERS = tuple(
    f"{step} transfer{ing} {what} files"
    for what in ("input", "output")
    for step, ing in (("Entered queue to", ""), ("Started", "ring"), ("Finished", "ring"))
)


def take(data: bytes) -> tuple[list[Event], int]:
    """The whole events at the begin of *data*, and how many bytes they are."""
    events: list[Event] = []
    start = 0
    while end := _ENDS.get(data[start : start + 1], _END).search(data, start):
        events += _read(data[start : end.end()].decode("utf-8", "replace"))
        start = end.end()
    return events, start


def _read(text: str) -> Iterator[Event]:
    try:
        if text.startswith("<"):
            event = _from_xml(text)
        elif text.startswith("{"):
            event = json.loads(text.rstrip().removesuffix("..."))
        else:
            yield from _from_text(text)
            return
    except ValueError:
        return
    if all(isinstance(event.get(name), int) for name in ("EventTypeNumber", "Cluster", "Proc")):
        yield event


def _from_xml(text: str) -> Event:
    event: Event = {}
    for name, is_number, number, is_text, words, flag in _XML.findall(text):
        if is_number:
            event[name] = int(number)
        else:
            event[name] = unescape(words) if is_text else flag == "t"
    return event


def _from_text(text: str) -> Iterator[Event]:
    """The events between two ends: one, unless a writer was killed and another one went on."""
    headers = list(_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    for header, end in zip(headers, ends, strict=True):
        kind, cluster, proc = (int(header[n]) for n in (1, 2, 3))
        event = {"EventTypeNumber": kind, "Cluster": cluster, "Proc": proc, "EventTime": header[4]}
        yield event | _FACTS.get(kind, _nothing)(header[5], text[header.end() + 1 : end])


# -- what an event says beside its first words


def _nothing(first: str, body: str) -> Event:
    return {}


def _submitted(first: str, body: str) -> Event:
    notes = [line.strip() for line in body.splitlines() if line.startswith("    ")]
    return {"Notes": notes}


def _executing(first: str, body: str) -> Event:
    return _texts(body, SlotName=r"^\s*SlotName: (.+)$")


def _transferring(first: str, body: str) -> Event:
    return {"Type": _TRANSFERS.index(first) + 1} if first in _TRANSFERS else {}


def _size(first: str, body: str) -> Event:
    return _numbers(
        body,
        MemoryUsage=r"^\s*(\d+)\s+-\s+MemoryUsage of job \(MB\)",
        ResidentSetSize=r"^\s*(\d+)\s+-\s+ResidentSetSize of job \(KB\)",
    )


def _terminated(first: str, body: str) -> Event:
    used = _texts(body, TotalRemoteUsage=r"^\s*(Usr .*?)\s+-\s+Total Remote Usage")
    # The columns are usage, request and allocated; of two the usage is missing.
    used |= _numbers(body, MemoryUsage=r"^\s*Memory \(MB\)\s*:\s*(\d+)\s+\d+\s+\d+\s*$")
    if not (how := _HOW.search(body)):
        return used
    if how[1]:
        return {**used, "TerminatedNormally": True, "ReturnValue": int(how[2])}
    return {**used, "TerminatedNormally": False, "TerminatedBySignal": int(how[3])}


def _evicted(first: str, body: str) -> Event:
    return _texts(body, Reason=r"^\s*Reason: (.+)$")


def _why(first: str, body: str) -> Event:
    return {"Reason": reason} if (reason := _words(body)) else {}


def _held(first: str, body: str) -> Event:
    event: Event = {"HoldReason": reason} if (reason := _words(body)) else {}
    if codes := _CODE.search(body):
        event |= {"HoldReasonCode": int(codes[1]), "HoldReasonSubCode": int(codes[2])}
    return event


def _error(first: str, body: str) -> Event:
    return {"Reason": " ".join(filter(None, (first, _words(body))))}


_FACTS: Mapping[int, Callable[[str, str], Event]] = {
    SUBMIT: _submitted,
    CLUSTER_SUBMIT: _submitted,
    EXECUTE: _executing,
    TRANSFER: _transferring,
    IMAGE_SIZE: _size,
    TERMINATED: _terminated,
    EVICTED: _evicted,
    ABORTED: _why,
    HOLD: _held,
    SHADOW_EXCEPTION: _why,
    REMOTE_ERROR: _error,
    DISCONNECTED: _why,
    RECONNECT_FAILED: _why,
}


def _words(body: str) -> str:
    """The first line that says something."""
    lines = (line.strip() for line in body.splitlines())
    first = next((line for line in lines if line), "")
    return "" if first == "..." or _CODE.fullmatch(first) else first


def _texts(body: str, **patterns: str) -> Event:
    found = {name: re.search(pattern, body, re.M) for name, pattern in patterns.items()}
    return {name: match[1].strip() for name, match in found.items() if match}


def _numbers(body: str, **patterns: str) -> Event:
    return {name: int(text) for name, text in _texts(body, **patterns).items()}


def when(event: Mapping[str, Any], zone: tzinfo) -> datetime | None:
    """The time of an event, which ends in Z or an offset, or is local to the machine.

    Args:
        zone: that of the machine. Its daemons write the log; the user's `TZ` is not theirs.
    """
    match = _TIME.match(str(event.get("EventTime", "")))
    if not match:
        return None
    year, month, day, hour, minute, second = (int(one or 0) for one in match.groups()[:6])
    if match[7]:
        zone = _offset(match[7])
    try:
        if not year:  # in old formats
            now = datetime.now(zone)
            time = datetime(now.year, month, day, hour, minute, second, tzinfo=zone)
            year = now.year - ((time - now).days >= 1)
        time = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    return time.astimezone(timezone.utc)


def _offset(text: str) -> tzinfo:
    if text == "Z":
        return timezone.utc
    zone = datetime.strptime(text.replace(":", ""), "%z").tzinfo
    assert zone is not None
    return zone
