"""Logs as they grow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from anybatch.cli.joblogs import prefix, tell_missing
from anybatch.tails import Lines, Tail

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

    from anybatch.cli.joblogs import Log
    from anybatch.session import Session

LOOK = 0.2  #: seconds between two looks at logs that grow, for up to so many:
FEW = 20


class Following:
    """Prints logs as they grow, until their jobs have ended.

    Args:
        tail: begin with so many lines of each; None: all.
        pattern: only lines that match.
        tell_run: each line says of which run it is.
    """

    def __init__(
        self,
        session: Session,
        found: Sequence[Log],
        tail: int | None,
        pattern: re.Pattern[bytes] | None,
        *,
        tell_run: bool,
    ) -> None:
        self._session = session
        self._pattern = pattern
        self._plain = len(found) == 1 and pattern is None
        self._logs = {
            log: (Tail(tail), Lines(), prefix(log, tell_run) if len(found) > 1 else b"")
            for log in found
        }
        self._attempts = {log: log.paths[-1][0] for log in found}
        self._out = sys.stdout.buffer

    def go(self) -> None:
        """Print until all have ended."""
        open_ones, missing = list(self._logs), []
        while open_ones:
            ended = [log for log in open_ones if log.ended]  # looked at before its log is
            for log in open_ones:
                there = self._look(log) if log.may_grow or log in ended else True
                if log in ended and not there:
                    missing.append(log)
            self._out.flush()
            open_ones = [log for log in open_ones if log not in set(ended)]
            self._wait(open_ones)
        for log in self._logs:
            self._write(self._logs[log][1].end(), log)
        self._out.flush()
        if missing:
            tell_missing(list(self._logs), missing)

    def _wait(self, logs: Sequence[Log]) -> None:
        def any_ended() -> bool:
            return any(log.ended for log in logs)

        if logs:
            self._session.wait_until(any_ended, LOOK * max(1, len(logs) // FEW))

    def _look(self, log: Log) -> bool:
        """Print what is new; whether there is a log."""
        tail, lines, _ = self._logs[log]
        try:
            for attempt, path in log.paths:
                if attempt < self._attempts[log]:
                    continue  # it had ended, and was read
                self._attempts[log] = attempt
                for block in tail.read(path):
                    if self._plain:
                        self._out.write(block)
                    else:
                        self._write(lines.take(block), log)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.filename is None:
                raise  # it is the output that cannot be written
            return False
        return True

    def _write(self, lines: Iterable[bytes], log: Log) -> None:
        prefix = self._logs[log][2]
        for line in lines:
            if self._pattern is None or self._pattern.search(line):
                self._out.write(prefix + line)
