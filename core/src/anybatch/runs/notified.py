"""Who was told of a run's ends, as its journal has it.

An end is known by how many submissions the run had then: jobs that are run again add to them.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import attrs

from anybatch.notifying.request import FAILURE

if TYPE_CHECKING:
    from anybatch.notifying.targets import Target
    from anybatch.runs.events import Event


@attrs.frozen(kw_only=True)
class Notice:
    """A notice of an end to one target.

    Attributes:
        writer: the process that sends it.
        time: when it began to; seconds since 1970.
        ended: whether it is known how that went.
        error: why the target was not told; None: it was, or that is not known.
    """

    writer: str
    time: float
    ended: bool = False
    error: str | None = None


@attrs.frozen(kw_only=True)
class NoticeView:
    """Whom a run's end is told to, and how that went.

    Attributes:
        target: without what may be secret.
        on: `end`, or `failure`: only if a job is not done.
        state: `waiting` for the end, or for somebody who looks; `begun`, and not known how it
            went; `sent`; `failed`; `not needed`.
        error: why it failed.
        time: when it was begun.
    """

    target: str
    on: str
    state: str
    error: str | None = None
    time: datetime | None = None


class Notified:
    """The notices of a run."""

    def __init__(self) -> None:
        self._notices: dict[tuple[int, str], Notice] = {}

    def begin(self, event: Event) -> None:
        """Take that a process sends notices, which no other does then."""
        for key in event["keys"]:
            known = self._notices.get((event["n"], key))
            begun = Notice(writer=event.get("w", ""), time=float(event["t"]))
            if known is None or not known.writer:
                ended = known is not None and known.ended
                error = known.error if known else None
                self._notices[event["n"], key] = attrs.evolve(begun, ended=ended, error=error)

    def end(self, event: Event) -> None:
        """Take how a notice went, which may be read before that it was begun."""
        place = event["n"], event["key"]
        known = self._notices.get(place, Notice(writer="", time=float(event["t"])))
        self._notices[place] = attrs.evolve(known, ended=True, error=event["error"])

    def of(self, end: int, key: str) -> Notice | None:
        """The notice of an end to a target; None: nobody has begun to send it."""
        return self._notices.get((end, key))

    def view(self, target: Target, on: str, end: int, *, ended: bool, done: bool) -> NoticeView:
        """The notice of the last end to a target.

        Args:
            on: when it is to be told.
            end: the number of the end, which is now or to come.
            ended: it is now.
            done: all jobs are done then.
        """
        told = [number for number, key in self._notices if key == target.key]
        number = end if ended else max(told, default=end)
        notice = self.of(number, target.key)
        if notice is None:
            state = "not needed" if ended and done and on == FAILURE else "waiting"
            return NoticeView(target=target.shown, on=on, state=state)
        state = ("failed" if notice.error else "sent") if notice.ended else "begun"
        time = datetime.fromtimestamp(notice.time, timezone.utc)
        return NoticeView(target=target.shown, on=on, state=state, error=notice.error, time=time)
