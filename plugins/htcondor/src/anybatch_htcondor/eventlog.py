"""The job event log: what schedd and shadows write down of each job, read without asking them.

`events` knows the format; `fold` is the meaning of an event.
"""

from __future__ import annotations

import io
import re
import threading
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import attrs
from anybatch.model import Reason, State
from anybatch.records import JobStatus

from anybatch_htcondor import events, parse
from anybatch_htcondor.states import (
    ABORTED,
    CLUSTER_REMOVE,
    CLUSTER_SUBMIT,
    DISCONNECTED,
    EVENT_STATES,
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
    TRANSFER_STATES,
    hold_message,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anybatch.host import Host

SOURCE = "event log"
LATE = "waits until fewer jobs of its submission are in the queue (max_materialize, max_idle)"
NEVER_MADE = "HTCondor removed the cluster before it made this job; it never ran, run it again"
_OVERLAP = 64  #: bytes that are read again, to see that the log is still the same file
_PIECE = 2**24  #: bytes that are read at once; no event is as long
_PIECES = (
    8  #: of them at one look, some 15 s; with gigabytes the rest has its turn at the next ones
)
_ZONE = Path("/etc/localtime")

#: Events that tell why a job stopped, or did not start.
_TROUBLES = (EVICTED, SHADOW_EXCEPTION, REMOTE_ERROR, RECONNECT_FAILED)

_USAGE = re.compile(r"Usr (\d+) (\d+):(\d+):(\d+), Sys (\d+) (\d+):(\d+):(\d+)")


@attrs.define
class Tale:
    """What a log tells of one job.

    Attributes:
        status: where it is.
        starts: how often it was started.
        held: words and codes of the hold that it is under.
        trouble: what stopped it last, or kept it from its start.
    """

    status: JobStatus
    starts: int = 0
    held: tuple[str | None, int | None, int | None] | None = None
    trouble: str | None = None


class Log:
    """A submission's event log, read on from where it was.

    Args:
        token: of the submission. Clusters whose submit event has another one are not believed.

    Attributes:
        clusters: the clusters that it has events of.
    """

    def __init__(self, path: Path, host: Host, token: str) -> None:
        self.path = path
        self._host = host
        self._token = token
        self._reading = threading.Lock()  # jobs are watched and accounted for in two threads
        self._begin()

    def _begin(self) -> None:
        self.clusters: set[int] = set()
        self._foreign: set[int] = set()
        self._late = False  # its jobs are materialized late: one may have no event yet
        self._removed = False
        self._tales: dict[str, Tale] = {}
        self._read = 0  # bytes that are done with
        self._last = b""  # the last of them

    def status(self, native: str) -> JobStatus | None:
        """Where a job is; None: the log does not know it."""
        tale = self._tales.get(native)
        if tale is not None:
            return tale.status
        if not self._late or not self.covers(native):
            return None
        if self._removed:
            return self._never_made()
        return JobStatus(
            state=State.QUEUED, native_state="to be materialized", message=LATE, source=SOURCE
        )

    def _never_made(self) -> JobStatus:
        """The end of a job whose cluster was removed before it was materialized.

        Whoever removes a cluster removes the jobs that are in the queue. HTCondor (25.14) itself
        removes one, too, whose jobs have all left the queue in the moment in which the limit of
        the owner let it make no further ones.
        """
        if any(tale.status.state is State.TERMINATED for tale in self._tales.values()):
            return parse.removed(SOURCE, None, None, None, never_started=True)
        return JobStatus(
            state=State.FAILED,
            native_state="removed, never materialized",
            reason=Reason.REJECTED,
            message=NEVER_MADE,
            source=SOURCE,
            never_started=True,
        )

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
        """Read what is new. A log that was moved away, or is another one now, is begun anew."""
        with self._reading:
            try:
                for _ in range(_PIECES):
                    if not self._read_on():
                        break
            except OSError:  # it is not there (yet), or cannot be read now
                self._begin()

    def _read_on(self) -> bool:
        """Whether there may be more than what was read."""
        data = self._host.read_from(self.path, self._read - len(self._last), _PIECE)
        if not data.startswith(self._last):
            self._begin()
            return True
        new = data[len(self._last) :]
        found, size = events.take(new)
        full = len(data) == _PIECE
        if not size and full:
            size = len(new)  # damage
        self._take(found)
        self._read += size
        self._last = data[: len(self._last) + size][-_OVERLAP:]
        return full

    def _take(self, found: Iterable[events.Event]) -> None:
        zone = machine_zone(self._host) if found else timezone.utc
        for event in found:
            kind, cluster, proc = (event[n] for n in ("EventTypeNumber", "Cluster", "Proc"))
            if kind in (SUBMIT, CLUSTER_SUBMIT) and self._is_foreign(event):
                self._foreign.add(cluster)
            if cluster in self._foreign:
                continue
            self.clusters.add(cluster)
            if kind == CLUSTER_SUBMIT:
                self._late = True
            elif kind == CLUSTER_REMOVE:
                self._removed = True
            elif proc >= 0:
                native = f"{cluster}.{proc}"
                self._tales[native] = fold(self._tales.get(native), kind, event, zone)

    def _is_foreign(self, event: events.Event) -> bool:
        # Text has a list of notes, XML and JSON have one of each kind.
        notes = event.get("Notes") or [event.get("LogNotes"), event.get("UserNotes")]
        tokens = [note for note in notes if isinstance(note, str) and note.startswith("ab-")]
        return bool(tokens) and self._token not in tokens


def machine_zone(host: Host) -> tzinfo:
    """The time zone of a machine, whatever `TZ` says to a user's programs."""
    try:
        return ZoneInfo.from_file(io.BytesIO(host.read_from(_ZONE, 0)))
    except (OSError, ValueError):
        return timezone.utc


def fold(tale: Tale | None, kind: int, event: Mapping[str, Any], zone: tzinfo) -> Tale:
    """A job's tale after one more event.

    Args:
        kind: the event's number.
        event: its attributes.
        zone: of the machine that wrote it.
    """
    at = events.when(event, zone)
    if tale is None:
        start = JobStatus(state=State.QUEUED, native_state="idle", source=SOURCE)
        tale = Tale(attrs.evolve(start, submitted=at))
    if tale.status.state.final:
        return tale
    if kind == TERMINATED:
        return _terminated(tale, event, at)
    if kind == ABORTED:
        return _aborted(tale, event, at)
    if kind == HOLD:
        return _held(tale, event)
    if kind == IMAGE_SIZE:
        return attrs.evolve(tale, status=attrs.evolve(tale.status, max_memory=_memory(tale, event)))
    if kind == EXECUTE:
        tale = _started(tale, event, at)
    if kind in _TROUBLES:
        tale = attrs.evolve(tale, trouble=parse.text_in(event, "Reason") or tale.trouble)
    where = EVENT_STATES.get(kind)
    if kind == TRANSFER:
        where = TRANSFER_STATES.get(event.get("Type", 0))
    if where is None:
        return tale
    why = parse.text_in(event, "Reason") if kind == DISCONNECTED else None
    return _moved(tale, *where, why)


def _moved(tale: Tale, state: State, word: str, why: str | None) -> Tale:
    """It is somewhere else now. What stopped it before is told until it ends or is held."""
    if tale.trouble and why is None:
        why = tale.trouble if state is State.QUEUED else f"run again after: {tale.trouble}"
    status = attrs.evolve(tale.status, state=state, native_state=word, source=SOURCE, message=why)
    return attrs.evolve(tale, status=status, held=None)


def _started(tale: Tale, event: Mapping[str, Any], at: datetime | None) -> Tale:
    status = attrs.evolve(
        tale.status,
        host=parse.machine(parse.text_in(event, "SlotName")),
        started=at,
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
    return attrs.evolve(tale, status=status, held=(text, code, subcode), trouble=None)


def _terminated(tale: Tale, event: Mapping[str, Any], at: datetime | None) -> Tale:
    normally = event.get("TerminatedNormally")
    code, signal = (parse.number_in(event, n) for n in ("ReturnValue", "TerminatedBySignal"))
    how = (code, None) if normally else (None, signal)
    if how == (None, None):
        return tale  # damaged; the schedd knows
    status = parse.ended(SOURCE, how, **_kept(tale, event, at))
    return attrs.evolve(tale, status=status)


def _aborted(tale: Tale, event: Mapping[str, Any], at: datetime | None) -> Tale:
    text, *codes = tale.held or (None, None, None)
    status = parse.removed(
        SOURCE,
        parse.text_in(event, "Reason"),
        text,
        (codes[0], codes[1]) if tale.held else None,
        never_started=tale.starts == 0,
        **_kept(tale, event, at),
    )
    return attrs.evolve(tale, status=status)


def _kept(tale: Tale, event: Mapping[str, Any], at: datetime | None) -> dict[str, Any]:
    """Where and when it was, and what it used."""
    kept = {n: getattr(tale.status, n) for n in ("host", "submitted", "started", "restarts")}
    return {
        **kept,
        "ended": at,
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
