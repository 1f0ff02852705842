"""The job event log: what schedd and shadows write down of each job, read without asking them.

The reader is that of HTCondor's own package; `fold` is the meaning of an event.
https://htcondor.readthedocs.io/en/latest/users-manual/job-event-log.html
"""

from __future__ import annotations

import os
import re
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.model import State
from anybatch.records import JobStatus

from anybatch_htcondor import parse
from anybatch_htcondor.states import (
    ABORTED,
    CLUSTER_REMOVE,
    CLUSTER_SUBMIT,
    EVENT_STATES,
    EVICTED,
    EXECUTE,
    HOLD,
    IMAGE_SIZE,
    TERMINATED,
    TRANSFER,
    TRANSFER_STATES,
    hold_message,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SOURCE = "event log"
#: Damaged events after which the rest is left for the next time: the reader waits 1 s at each.
_MOST_DAMAGED = 5

#: How an event ends in the default format, in XML and in JSON.
_ENDS = (b"...\n", b"</c>\n", b"}\n")
_END = 5  #: bytes

_USAGE = re.compile(r"Usr (\d+) (\d+):(\d+):(\d+), Sys (\d+) (\d+):(\d+):(\d+)")


@attrs.define
class Tale:
    """What a log tells of one job.

    Attributes:
        status: where it is.
        starts: how often it was started.
        held: words and codes of the hold that it is under.
    """

    status: JobStatus
    starts: int = 0
    held: tuple[str | None, int | None, int | None] | None = None


class Log:
    """A submission's event log, read on from where it was.

    Attributes:
        clusters: the clusters that it has events of.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clusters: set[int] = set()
        self._late = False  # its jobs are materialized late: one may have no event yet
        self._removed = False
        self._tales: dict[str, Tale] = {}
        self._reader: Any = None
        self._reading = threading.Lock()  # jobs are watched and accounted for in two threads
        self._size = 0

    def status(self, native: str) -> JobStatus | None:
        """Where a job is; None: the log does not know it."""
        tale = self._tales.get(native)
        if tale is not None:
            return tale.status
        if not self._late or not self.covers(native):
            return None
        if self._removed:
            return parse.removed(SOURCE, None, None, None, never_started=True)
        return JobStatus(state=State.QUEUED, native_state="to be materialized", source=SOURCE)

    def may_be_in_queue(self, native: str) -> bool:
        """Whether the schedd should know the job, as far as the log tells."""
        tale = self._tales.get(native)
        if tale is None:  # where jobs are materialized late, it is still to be
            return not (self._late and self.covers(native))
        return not tale.status.state.final

    def note(self, native: str, status: JobStatus) -> None:
        """Take what the schedd says, which holds until the log has something newer."""
        tale = self._tales.setdefault(native, Tale(status))
        if not tale.status.state.final:
            starts = max(tale.status.restarts, status.restarts)
            tale.status = attrs.evolve(status, restarts=starts)

    def covers(self, native: str) -> bool:
        """Whether the log has events of the job's cluster, so that more may follow."""
        return int(native.partition(".")[0]) in self.clusters

    def catch_up(self) -> None:
        """Read what is new; a log that is not there (yet) has nothing new."""
        htcondor = reader_module()
        if htcondor is not None:
            with self._reading:
                self._read_on(htcondor)

    def _read_on(self, htcondor: Any) -> None:
        if self._is_being_written():
            return
        if self._reader is None:
            try:
                self._reader = htcondor.JobEventLog(str(self.path))
            except htcondor.HTCondorException:
                return
        for _ in range(_MOST_DAMAGED):
            try:
                # Not 0: the clock that it waits by may be a tick behind, and it would wait 1 s.
                self._take(self._reader.events(stop_after=-1))
            except htcondor.HTCondorException:
                continue  # a damaged event, which the reader has passed
            return

    def _is_being_written(self) -> bool:
        """Whether it ends amid an event, and did not end there at the last look.

        At such an end the reader waits a second, and from a digit or two of an event it may never
        find its way again.
        """
        try:
            with self.path.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(size - _END, 0))
                whole = log.read().endswith(_ENDS)
        except OSError:
            return False
        grown, self._size = size != self._size, size
        return grown and not whole

    def _take(self, events: Iterable[Any]) -> None:
        for event in events:
            # Not event.type, which knows no event that is newer than the reader.
            kind, cluster, proc = event.get("EventTypeNumber", -1), event.cluster, event.proc
            self.clusters.add(cluster)
            if kind == CLUSTER_SUBMIT:
                self._late = True
            elif kind == CLUSTER_REMOVE:
                self._removed = True
            elif proc >= 0:
                native = f"{cluster}.{proc}"
                self._tales[native] = fold(self._tales.get(native), kind, event)


def reader_module() -> Any:
    """HTCondor's own package for Python, or None where there is none for this machine."""
    try:
        import htcondor2  # takes 40 ms
    except ImportError:
        return None
    return htcondor2


def fold(tale: Tale | None, kind: int, event: Mapping[str, Any]) -> Tale:
    """A job's tale after one more event.

    Args:
        kind: the event's number.
        event: its attributes.
    """
    if tale is None:
        start = JobStatus(state=State.QUEUED, native_state="idle", source=SOURCE)
        tale = Tale(attrs.evolve(start, submitted=when(event)))
    if tale.status.state.final:
        return tale
    if kind == TERMINATED:
        return _terminated(tale, event)
    if kind == ABORTED:
        return _aborted(tale, event)
    if kind == HOLD:
        return _held(tale, event)
    if kind == IMAGE_SIZE:
        return attrs.evolve(tale, status=attrs.evolve(tale.status, max_memory=_memory(tale, event)))
    if kind == EXECUTE:
        tale = _started(tale, event)
    where = EVENT_STATES.get(kind)
    if kind == TRANSFER:
        where = TRANSFER_STATES.get(event.get("Type", 0))
    if where is None:
        return tale
    state, word = where
    why = parse.text_in(event, "Reason") if kind == EVICTED else None
    status = attrs.evolve(tale.status, state=state, native_state=word, source=SOURCE, message=why)
    return attrs.evolve(tale, status=status, held=None)


def when(event: Mapping[str, Any]) -> datetime | None:
    """The time of an event: local, or UTC where it ends in Z.

    The reader's own `timestamp` takes both for local (25.14).
    """
    text = str(event.get("EventTime", ""))
    try:
        time = datetime.fromisoformat(text[:19])  # without fractions of a second
    except ValueError:
        return None
    return (time.replace(tzinfo=timezone.utc) if text.endswith("Z") else time).astimezone(
        timezone.utc
    )


def _started(tale: Tale, event: Mapping[str, Any]) -> Tale:
    status = attrs.evolve(
        tale.status,
        host=parse.machine(parse.text_in(event, "SlotName")),
        started=when(event),
        restarts=tale.starts,
    )
    return attrs.evolve(tale, status=status, starts=tale.starts + 1)


def _held(tale: Tale, event: Mapping[str, Any]) -> Tale:
    text = parse.text_in(event, "HoldReason")
    code, subcode = (parse.number_in(event, n) for n in ("HoldReasonCode", "HoldReasonSubCode"))
    status = attrs.evolve(
        tale.status,
        state=State.HELD,
        native_state="held",
        source=SOURCE,
        message=hold_message(text, code, subcode),
    )
    return attrs.evolve(tale, status=status, held=(text, code, subcode))


def _terminated(tale: Tale, event: Mapping[str, Any]) -> Tale:
    normally = event.get("TerminatedNormally")
    code, signal = (parse.number_in(event, n) for n in ("ReturnValue", "TerminatedBySignal"))
    how = (code, None) if normally else (None, signal)
    if how == (None, None):
        return tale  # damaged; the schedd knows
    status = parse.ended(SOURCE, how, **_kept(tale, event))
    return attrs.evolve(tale, status=status)


def _aborted(tale: Tale, event: Mapping[str, Any]) -> Tale:
    text, *codes = tale.held or (None, None, None)
    status = parse.removed(
        SOURCE,
        parse.text_in(event, "Reason"),
        text,
        (codes[0], codes[1]) if tale.held else None,
        never_started=tale.starts == 0,
        **_kept(tale, event),
    )
    return attrs.evolve(tale, status=status)


def _kept(tale: Tale, event: Mapping[str, Any]) -> dict[str, Any]:
    """Where and when it was, and what it used."""
    kept = {n: getattr(tale.status, n) for n in ("host", "submitted", "started", "restarts")}
    return {
        **kept,
        "ended": when(event),
        "cpu_time": _cpu(str(event.get("TotalRemoteUsage", ""))),
        "max_memory": _memory(tale, event),
    }


def _memory(tale: Tale, event: Mapping[str, Any]) -> int | None:
    """The most memory so far: kilobytes of an IMAGE_SIZE event, else its megabytes."""
    size, rough = (parse.number_in(event, n) for n in ("ResidentSetSize", "MemoryUsage"))
    now = size * 1024 if size else rough * 2**20 if rough and not tale.status.max_memory else 0
    return max(now, tale.status.max_memory or 0) or None


def _cpu(text: str) -> timedelta | None:
    """`Usr 0 00:00:01, Sys 0 00:00:00`: days, hours, minutes, seconds of both."""
    match = _USAGE.search(text)
    if not match:
        return None
    numbers = [int(group) for group in match.groups()]
    used = timedelta()
    for days, hours, minutes, seconds in (numbers[:4], numbers[4:]):
        used += timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return used or None
